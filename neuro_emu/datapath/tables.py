"""What the compiled loops are told about a chip: the table of matrices, constants, geometry, working registers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.layout import Storage, forward_kind
from neuro_emu.datapath.program import Program
from neuro_emu.kernels import fabric as fb
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.design import WRITE_DELAY, ZeroInput
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.layers import DenseLayer
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.numerics.modes import Rounding, WordSource
from neuro_emu.numerics.ops import bit_reverse, requantise
from neuro_emu.numerics.tables import activation_table, derivative_table, exponential_table


def _model(chip: Chip, matrix: Matrix) -> DenseLayer:
    """Layer whose activation, formats and table a matrix has."""
    return chip.network.output if matrix.kind is Kind.CLASSIFIER else chip.network.layers[matrix.layer]


def _decays(chip: Chip, matrix: Matrix) -> int:
    decay = chip.learning.weight_decay
    if matrix.kind is Kind.WEIGHTS and decay and (matrix.layer > 0 or decay.first_layer):
        return fb.DECAY_WEIGHTS
    return fb.DECAY_FEEDBACK if matrix.kind is Kind.FEEDBACK and chip.learning.feedback_decay else 0


def _twin(chip: Chip, matrix: Matrix) -> int:
    if matrix.kind is not Kind.WEIGHTS or matrix.layer == 0 or not chip.plan.feedback[matrix.layer - 1].twin:
        return -1
    return chip.matrix(Kind.TWIN, matrix.layer - 1).index


def matrix_table(chip: Chip, storages: list[Storage], offsets: list[int], *, plain: bool = False) -> fb.Int64:
    """Return the table of matrices; the schedule's columns are filled in at the start of each epoch."""
    table = np.zeros((len(storages), fb.LAYER_COLUMNS), dtype=np.int64)
    norm = chip.learning.weight_norm
    for matrix, storage in zip(chip.matrices, storages, strict=True):
        layer, m = _model(chip, matrix), matrix.index
        columns = {
            fb.ROWS: matrix.rows,
            fb.UNITS: matrix.units,
            fb.OFFSET: offsets[m],
            fb.ROW_STEP: 1 if storage.columns else storage.positions,
            fb.UNIT_STEP: storage.length if storage.columns else 1,
            fb.POSITIONS: storage.positions,
            fb.BIAS: matrix.bias_code,
            fb.FORWARD_KIND: forward_kind(chip, matrix, storage, plain=plain),
            fb.PREACTIVATION_SHIFT: matrix.format.frac + chip.source_frac(matrix) - layer.table_frac,
            fb.DELTA_LOW: layer.delta.low,
            fb.DELTA_HIGH: layer.delta.high,
            fb.PROJECTION_LOW: layer.projection.low,
            fb.PROJECTION_HIGH: layer.projection.high,
            fb.WEIGHT_LOW: matrix.format.low,
            fb.WEIGHT_HIGH: matrix.format.high,
            fb.HOST: matrix.layer,
            fb.BIASED: int(matrix.biased),
            fb.IS_FEEDBACK: int(matrix.kind in {Kind.FEEDBACK, Kind.TWIN}),
            fb.TWIN: _twin(chip, matrix),
            fb.DECAYS: _decays(chip, matrix),
            fb.NOISE: chip.noise_amplitude(matrix.layer),
            fb.GAMMA: norm.code(matrix.format) if norm and matrix.kind is Kind.WEIGHTS else 0,
        }
        table[m, list(columns)] = list(columns.values())
    return table


def constants_of(chip: Chip) -> fb.Int64:
    """Return what all layers share."""
    output, numerics, learning, design = chip.network.output, chip.numerics, chip.learning, chip.design
    weight_decay, feedback_decay = learning.weight_decay, learning.feedback_decay
    squared, momentum, norm = learning.loss == "mse", learning.momentum, learning.weight_norm
    values = {
        fb.ROUNDING: numerics.update_rounding.code,
        fb.OVERFLOW: numerics.overflow.code,
        fb.WORD_SOURCE: numerics.word_source.code,
        fb.ACCUMULATOR_LOW: -numerics.accumulator_high - 1,
        fb.ACCUMULATOR_HIGH: numerics.accumulator_high,
        fb.ACCUMULATOR_MODE: numerics.accumulator_overflow.code,
        fb.GATED: int(learning.error_gate is not None),
        fb.ERROR_GATE: learning.error_gate or 0,
        fb.DEAD_ZONE: learning.sign_dead_zone,
        fb.HOT: learning.targets.hot,
        fb.DELTA_SHIFT: output.output.frac - output.delta.frac + (output.derivative.frac if squared else 0),
        fb.BATCH: learning.batch,
        fb.STRICT: int(numerics.strict),
        fb.LANES: design.lanes,
        fb.BANKS: design.weight_banks,
        fb.WRITE_DELAY: WRITE_DELAY,
        fb.GATED_ROWS: int(design.zero_input is ZeroInput.GATE),
        fb.LAYERS: len(chip.network.layers),
        fb.CLASSES: chip.network.classes,
        fb.WEIGHT_DECAY: 0,  # shifts are set at the start of each epoch
        fb.WEIGHT_DECAY_EVERY: weight_decay.every if weight_decay else 1,
        fb.FEEDBACK_DECAY: 0,
        fb.FEEDBACK_DECAY_EVERY: feedback_decay.every if feedback_decay else 1,
        fb.MIRROR_EVERY: learning.mirror.every,
        fb.MIRROR_STEPS: learning.mirror.steps if learning.rule.mirror else 0,
        fb.SUMS: int(learning.sums),
        fb.SQUARED: int(squared),
        fb.SOFTMAX: 32 - output.output.frac if output.activation == SOFTMAX else 0,
        fb.OUTPUT_HIGH: output.output.high,
        fb.DROPOUT: learning.dropout,
        fb.MOMENTUM: momentum.shift if momentum else 0,
        fb.NESTEROV: int(momentum is not None and momentum.nesterov),
        fb.VELOCITY_LOW: momentum.velocity.low if momentum else 0,
        fb.VELOCITY_HIGH: momentum.velocity.high if momentum else 0,
        fb.NORM_EVERY: norm.every if norm else 0,
    }
    return np.array([values[n] for n in range(fb.CONSTANTS)], dtype=np.int64)


def _code_type(chip: Chip) -> type:
    """Return the type of codes: an unsigned 32-bit format, or a difference of two outputs, needs more than int32."""
    layers = chip.network.layers
    widest = max(max(la.input.high, la.output.high) for la in layers)
    if chip.learning.rule.mirror:
        widest = max(widest, *(la.output.high - la.output.low for la in layers))
    return np.int32 if widest < 1 << 31 else np.int64


def _tables(chip: Chip, layer: DenseLayer) -> list[NDArray[np.int64]]:
    """Tables of a layer in the order of the fabric; while testing hidden outputs are scaled where some are dropped."""
    outputs = activation_table(layer.activation, layer.table_frac, layer.output)
    tested, kept = outputs, 256 - chip.learning.dropout
    if kept < 256 and layer is not chip.network.output:
        low, high = layer.output.low, layer.output.high
        tested = np.array([requantise(y * kept, 8, low, high) for y in outputs.tolist()], dtype=np.int64)
    return [outputs, derivative_table(layer.activation, layer.table_frac), tested]


def geometry_of(chip: Chip, storages: list[Storage]) -> fb.Geometry:
    """Return where neurons are stored and what their lanes look like."""
    matrices = chip.matrices
    broadest = max(st.positions for st in storages)
    tables = [_tables(chip, _model(chip, matrix)) for matrix in matrices]
    geometry = fb.Geometry(
        position=np.zeros((len(matrices), max(m.units for m in matrices)), dtype=np.int32),
        masks=np.zeros((len(matrices), broadest), dtype=np.int64),
        masks16=np.zeros((len(matrices), broadest), dtype=np.int16),
        masks32=np.zeros((len(matrices), broadest), dtype=np.int32),
        tables=np.array(tables, dtype=_code_type(chip)),
        exponentials=exponential_table(chip.network.output.table_frac),
    )
    numerics = chip.numerics
    masked = numerics.update_rounding is Rounding.STOCH and numerics.word_source is not WordSource.RAW
    for matrix, storage in zip(matrices, storages, strict=True):
        geometry.position[matrix.index, : matrix.units] = storage.position
        if masked:
            geometry.masks[matrix.index, storage.position] = [bit_reverse(j) for j in range(matrix.units)]
    return geometry


def scratch_of(chip: Chip, storages: list[Storage], program: Program) -> fb.Scratch:
    """Return the working registers, empty."""
    matrices, code_type = chip.matrices, _code_type(chip)
    n = len(matrices)
    widest = max(chip.network.inputs, *(m.units for m in matrices))
    rows = max(widest + 1, *(m.stored_rows for m in matrices)) + fb.PADDING
    positions = max(st.positions for st in storages)
    longest = max(st.length for st in storages)
    return fb.Scratch(
        codes=np.zeros((program.planes, rows), dtype=code_type),
        lists=np.zeros((program.planes, 3, rows), dtype=code_type),
        active=np.zeros((program.planes, 2), dtype=np.int64),
        sums=np.zeros((n, max(positions, widest)), dtype=np.int64),
        preactivation=np.zeros((n, widest), dtype=np.int32),
        signals=np.zeros((program.registers + 1, widest), dtype=np.int64),
        targets=np.zeros(chip.network.classes, dtype=np.int64),
        dropped=np.zeros((len(chip.network.layers), widest), dtype=np.int32),
        delta16=np.zeros(positions, dtype=np.int16),
        delta32=np.zeros(positions, dtype=np.int32),
        saved=np.zeros(chip.design.lanes, dtype=np.int64),
        words=np.zeros(2 * rows, dtype=np.uint32),
        codes16=np.zeros(longest, dtype=np.int16),
        draws=np.zeros(longest, dtype=np.int32),
        sums16=np.zeros((3, 2, fb.CHUNK), dtype=np.int16),
        halves16=np.zeros((2, positions), dtype=np.int16),
        limits=np.zeros(5, dtype=np.int64),
        banks=np.zeros((2, chip.design.weight_banks), dtype=np.int64),
    )
