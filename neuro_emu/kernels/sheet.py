"""What the vector loops work on besides the fabric: narrow copies in the order of positions, and working registers.

Only chips that :mod:`neuro_emu.datapath.online` recognises have a sheet: hidden layers stored as rows, the last one as
columns, one update a sample. Matrices keep the places that the fabric gives them; where a weight has 8 bits at most it
lives in ``weights8``, at the same index.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro_emu.kernels.fabric import Int16, Int32, Int64, UInt8, Words

Int8 = NDArray[np.int8]

# Where the learning signal of a hidden layer comes from.
FROZEN, FROM_LABEL, FROM_ROWS, FROM_COLUMNS, FROM_MATRIX = range(5)
"""It does not learn; row `label` of B; B over a vector; Wᵀ, stored as columns, over a vector; W stored as rows."""

# Columns of the plan, int64 (layers, PLAN_COLUMNS).
(
    BYTES,  # of a weight: 1 or 2
    SIGNED,  # 1: its input codes may be negative
    ROOM,  # rows whose products fit a 32-bit sum together
    ORIGIN,  # FROZEN …
    FEEDBACK,  # first entry of B_k
    MATRIX,  # FROM_COLUMNS, FROM_MATRIX: which
    ABOVE,  # layer whose δ is the vector; the last one's may be replaced by its sign
    SIGN,  # 1: the sign of δ_K
    PROJECTION_SHIFT,
    GATE_SHIFT,
    ONE_BIT,  # 1: f′ is 1 for OPEN_FROM ≤ q ≤ OPEN_TO, else 0
    OPEN_FROM,
    OPEN_TO,
    BYTE_LEVELS,  # levels of its storage if its outputs are bytes that registers look up, else 0
    BYTE_OFFSET,  # what the bytes are above the codes
) = range(15)
PLAN_COLUMNS = 15

NEXT, FILLED = range(2)
"""Words of a stream that are used up, and that there are."""

COMPARED, ADDED = range(2)
"""How a draw is cut in two: at 15 bits to be compared, or where the sums fit 16 bits to be added."""


class Sheet(NamedTuple):
    """What outlives a sample, or never changes."""

    plan: Int64  # (layers, PLAN_COLUMNS)
    weights8: Int8  # flat
    feedback: Int16  # flat: fixed feedback, by position, one layer after the other
    lows: Int16  # (2, matrices, positions): lane masks, low part; COMPARED, ADDED
    highs: Int16  # (2, matrices, positions): the same, high part
    masks: Words  # (matrices, positions): lane masks, whole words
    slopes: Int32  # (layers, 256): f′ by q mod 256
    tables: UInt8  # (layers, 3, 256): outputs as bytes; tables as in the fabric
    leaps: Int64  # (2, 4, 256)
    words: Words  # (matrices, capacity): the next words of each matrix
    starts: Words  # (matrices, 16): registers of the next batch
    cursor: Int64  # (matrices, 2): NEXT, FILLED
    conflicts: Int64  # (3, …): port conflicts by the flags of rows, see kernels/conflicts.py; may be empty


class Desk(NamedTuple):
    """Working registers of one sample, one set a thread."""

    q: Int8  # (layers, positions)
    codes: Int16  # (layers, length): input codes of a layer, by neuron, zeros behind
    index: Int32  # type: ignore[assignment]  # (layers, rows): active rows, ascending; hides tuple.index
    value: Int16  # (layers, rows): their codes
    active: Int64  # (layers,): how many
    offsets: Int32  # (rows,): the same list for a forward pass, in the order of signs
    sizes: UInt8  # (rows,)
    vector: Int16  # (rows,): entries that learning signals are summed over
    sums: Int32  # (positions,)
    totals: Int64  # (positions,)
    signal: Int32  # (layers, positions)
    slope: Int32  # (positions,)
    delta: Int16  # (layers, positions)
    peak: Int64  # (layers,): largest |δ|
    lows: Int16  # (length,): draws of the rows of a column-stored layer
    highs: Int16  # (length,)
    flags: Int16  # (length / 16,): which rows are active
    numbers: Int32  # (rows,): 0, 1, 2 …
    lists: Int32  # (2, COLUMNS · (rows + 16)): blocks to be stepped down, and up


class Batch(NamedTuple):
    """Samples of a mini-batch, kept until it is written; one of everything where the batch is one sample."""

    delta: Int16  # (layers, batch, positions)
    codes: Int16  # (batch, length): inputs of the last layer
    rows: Int32  # (hidden layers, batch, rows): active rows
    value: Int16  # (hidden layers, batch, rows): their codes
    active: Int64  # (hidden layers, batch)
    begin: Int64  # (rows,): the same by row: first entry
    filled: Int64  # (rows,): end of its entries
    offsets: Int32  # (batch · rows,): where the δ of the sample begins
    factors: Int16  # (batch · rows,): its code
