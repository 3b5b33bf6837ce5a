"""What the compiled loops work on: flat arrays grouped by purpose, one entry a matrix where they are tables.

Matrix k is W_k of layer k; local classifiers, learned feedback and random forward weights follow (`Chip.matrices`). A
*plane* is a vector of codes with its list of active rows: plane 0 the input, plane k + 1 the output of layer k,
further ones as the program needs them. All integers. Matrices lie in one arena, each either as *rows* (input-major:
position of a neuron permuted, see :mod:`neuro_emu.datapath.layout`) or as *columns* (neuron-major, for narrow layers).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Codes = NDArray[Any]  # int32, or int64 when an output format reaches 2^31
Words = NDArray[np.uint32]
Arena = NDArray[Any]  # int16, or int32 when a weight has more than 16 bits

# How a layer's forward pass and update are computed; all give the same integers.
FORWARD_ROWS16, FORWARD_COLUMNS32, FORWARD_EXACT, FORWARD_SATURATING = range(4)
UPDATE_ROWS16, UPDATE_ROWS32, UPDATE_COLUMNS32, UPDATE_PLAIN, UPDATE_LANES = range(5)

OPERATIONS = (
    "label_row",
    "error_sign",
    "project",
    "gate",
    "transpose",
    "pool",
    "noise",
    "project_learned",
    "random_forward",
    "local_error",
    "drive",
    "update",
    "learn_feedback",
    "learn_local",
)
(
    OP_LABEL_ROW,
    OP_SIGN,
    OP_PROJECT,
    OP_GATE,
    OP_TRANSPOSE,
    OP_POOL,
    OP_NOISE,
    OP_PROJECT_LEARNED,
    OP_RANDOM_FORWARD,
    OP_LOCAL_ERROR,
    OP_DRIVE,
    OP_UPDATE,
    OP_LEARN_FEEDBACK,
    OP_LEARN_LOCAL,
) = range(14)

OP, LAYER, SOURCE, TARGET, ALIGN, PLANE, MATRIX, DETAIL, OWNER = range(9)
"""Columns of the learning program, int64 (instructions, 9).

Operation; layer; source and target registers; alignment shift; plane of codes that is read (for activations and
updates) or of the rows (learned feedback); matrix; and per operation: rows of B (project), amplitude or −1 (transpose),
plane that is written (forward passes), average or not (pool), plane of the lanes (learned feedback); layer whose
learning asks. The TARGET of pool and noise is a plane, and pool keeps the length of its source in ALIGN.
"""
INSTRUCTION = 9

LEARN, APPLY, MIRROR = range(3)
"""Runs of a program: one sample, the write of a mini-batch, one step of mirror mode."""

PADDING = 8
"""Entries behind a list of active rows, so that loops may take eight at a time."""

CHUNK = 32
"""Neuron positions handled at once by the vectorised update; row storage is a multiple of it."""


# Columns of the table of matrices, int64 (matrices, LAYER_COLUMNS).
(
    ROWS,
    UNITS,
    OFFSET,  # first weight in the arena
    ROW_STEP,  # arena distance between two rows
    UNIT_STEP,  # arena distance between two positions
    POSITIONS,  # neurons and padding
    BIAS,
    FORWARD_KIND,
    PREACTIVATION_SHIFT,
    DELTA_LOW,
    DELTA_HIGH,
    PROJECTION_LOW,
    PROJECTION_HIGH,
    WEIGHT_LOW,
    WEIGHT_HIGH,
    HOST,  # layer that its events are counted with
    BIASED,  # 1: the last row is the bias row
    IS_FEEDBACK,  # 1: learned feedback: own counters, sums that are never clamped
    TWIN,  # matrix that gets the same steps, or −1
    DECAYS,  # 0: never, else one of DECAY_WEIGHTS, DECAY_FEEDBACK
    NOISE,  # amplitude of mirror noise in place of this layer's outputs
    GAMMA,  # norm of the weights of a neuron; 0: not normalised
    # The learning-rate schedule changes these:
    UPDATE_KIND,
    SHIFT,  # s_k
    SPLIT,  # low bits of the draw that are rounded away first (16-bit kernels)
    LEVELS,  # log2 of the blocks that the lane masks tell apart (16-bit row kernel)
    VELOCITY_SHIFT,  # s_V
    STEP_SHIFT,  # s_W
) = range(28)
LAYER_COLUMNS = 28
DECAY_WEIGHTS, DECAY_FEEDBACK = 1, 2

# Entries of the constants, int64 (CONSTANTS,).
(
    ROUNDING,
    OVERFLOW,
    WORD_SOURCE,
    ACCUMULATOR_LOW,
    ACCUMULATOR_HIGH,
    ACCUMULATOR_MODE,
    GATED,  # 1: there is an error gate
    ERROR_GATE,  # θ
    DEAD_ZONE,
    HOT,  # outputs that are hot for a class; 0: regression
    DELTA_SHIFT,  # e → δ_K
    BATCH,
    STRICT,
    LANES,
    BANKS,
    WRITE_DELAY,
    GATED_ROWS,  # 1: a zero row still takes its cycle
    LAYERS,  # matrices that are forward weights
    CLASSES,
    WEIGHT_DECAY,  # shift; 0: none
    WEIGHT_DECAY_EVERY,
    FEEDBACK_DECAY,  # shift; 0: none
    FEEDBACK_DECAY_EVERY,
    MIRROR_EVERY,  # samples
    MIRROR_STEPS,
    SUMS,  # 1: gradients are summed before they are written
    SQUARED,  # 1: δ_K has the derivative of the outputs in it
    SOFTMAX,  # 32 less the fractional bits of the outputs; 0: no softmax
    OUTPUT_HIGH,  # largest output
    DROPOUT,  # in 256ths
    MOMENTUM,  # m; 0: none
    NESTEROV,
    VELOCITY_LOW,
    VELOCITY_HIGH,
    NORM_EVERY,  # updates between two passes; 0: never
) = range(35)
CONSTANTS = 35


class Memory(NamedTuple):
    """Everything that outlives a sample."""

    weights: Arena  # flat
    gradients: Int64  # flat, same places; one element when the batch is one sample
    velocities: Int32  # flat, same places; one element without momentum
    feedback: Int32  # (layers, most rows, widest): fixed feedback matrices
    row_registers: Int64  # (matrices,)
    lane_registers: Int64  # (lanes,)
    noise_registers: Int64  # (hidden layers,)
    dropout_registers: Int64  # (hidden layers,), or one element
    progress: Int64  # (3,): SAMPLES, WRITES, MIRRORED
    leaps: Int64  # (4, 256): constant, four xorshift steps of each byte


SAMPLES, WRITES, MIRRORED = range(3)


class Geometry(NamedTuple):
    """Where neurons are stored and what their lanes look like."""

    position: Int32  # (matrices, widest): position of neuron j
    masks: Int64  # (matrices, positions): lane mask of the random word, by position
    masks16: Int16  # (matrices, positions): the same for the high part of a draw, 16-bit kernels
    masks32: Int32  # (matrices, positions): the same for the whole draw, 32-bit kernels
    tables: Codes  # (matrices, 3, 256) activation, derivative, activation while testing
    exponentials: Int64  # (256,) numerators of softmax


class Scratch(NamedTuple):
    """Working registers of one sample; nothing here outlives it."""

    codes: Codes  # (planes, widest rows): y_{k-1} with the bias code behind it
    lists: Codes  # (planes, 3, widest rows + 8): INDEX, VALUE, RUNS of the active rows
    active: Int64  # (planes, 2): number of active rows, number of runs
    sums: Int64  # (matrices, positions): z_k by position
    preactivation: Int32  # (matrices, widest)
    signals: Int64  # (registers, widest)
    targets: Int64  # (classes,): y* of the sample
    dropped: Int32  # (layers, widest): 1 for dropped neurons
    delta16: Int16  # (positions,)
    delta32: Int32  # (positions,)
    saved: Int64  # (lanes,): lane registers before a write that a twin repeats
    words: Words  # (2 · widest rows + 8,)
    codes16: Int16  # (widest column,): input codes of a column-stored layer
    draws: Int32  # (widest column,): draw of each of its rows
    sums16: Int16  # (3, 2, CHUNK): steps and clamped weights by lane, of the three kinds of range
    halves16: Int16  # (2, positions): high and low part of forward sums
    limits: Int64  # (5,): one layer of the plain update
    banks: Int64  # (2, banks)


LEARNING_TABLE, SLOPES, TESTING_TABLE = range(3)
"""Tables of a layer."""

INDEX, VALUE, RUNS = range(3)
"""Lists of active rows: ascending row numbers; their codes, zero-padded to a multiple of 8; starts of runs."""


class Activity(NamedTuple):
    """What happened, for the counters; the closed forms of machine/activity.py read it."""

    events: Int64  # (layers, len(TALLIES))
    hits: Int64  # (2, matrices, widest rows): samples in which a row was active; FORWARDS, LEARNED
    totals: Int64  # (matrices, 7): see below


FORWARDS, LEARNED, STALLS, APPLIED, DECAYED, DRIVEN, NORMALISED = range(7)
"""Forward passes, learned samples, their stalls, batches applied, decay passes, forward passes of mirror mode, and
passes of weight normalisation."""


class Fabric(NamedTuple):
    """The whole chip, ready to run."""

    layers: Int64  # (matrices, LAYER_COLUMNS)
    constants: Int64  # (CONSTANTS,)
    memory: Memory
    geometry: Geometry
    scratch: Scratch
    activity: Activity
    program: Int64  # (instructions, INSTRUCTION)
    mirror: Int64  # (instructions, INSTRUCTION): one step of mirror mode


class Events(NamedTuple):
    """Inputs that are not 0, of all samples (see :mod:`neuro_emu.kernels.events`)."""

    ends: Int64  # (samples + 1,): events of sample s are ends[s] … ends[s + 1] − 1
    inputs: Int32  # (events,) input numbers, ascending within a sample
    value: NDArray[Any]  # (events,) input codes
    stalls: Int64  # (samples,): stalls of one group's update of layer 0
    flags: UInt8  # (samples · row,): bit b of byte i of a row tells whether input 8 i + b is not 0; rows fill 8 bytes


class EventWork(NamedTuple):
    """Working arrays while events are listed; see :class:`Scratch`."""

    codes: Codes
    lists: Codes
    active: Int64
    banks: Int64


class Samples(NamedTuple):
    """What to present, and where the results go."""

    codes: NDArray[Any]  # (samples, inputs) input codes
    labels: NDArray[np.uint8]  # (samples,)
    targets: Int32  # (labels, classes) target codes of the classes, or in regression (samples, classes)
    events: Events
    order: Int64  # sample numbers in the order of presentation
    predictions: Int64  # (samples in order,), written
    outputs: Int64  # (samples in order, classes), written; no rows where nobody asks
    learn: int  # 0: inference only
    flush: int  # 1: apply a short batch at the end of the block
