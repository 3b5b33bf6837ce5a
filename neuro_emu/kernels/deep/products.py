"""Exact products of a mini-batch on the micro-kernels of :mod:`neuro_emu.kernels.vector.gemm`.

Codes are bytes (unsigned, or signed with the offset 128) and matrices int8, or both are int16. ``start`` begins every
row of a product: the bias row, less what the offset of the codes adds. 32 bits hold sums modulo 2^32; whether that is
exact :mod:`neuro_emu.datapath.deep.products` proves for each call.
"""

from __future__ import annotations

from neuro_emu.jit import routine
from neuro_emu.kernels.fabric import Int32, Int64
from neuro_emu.kernels.vector.convolution import Window, gather, pad
from neuro_emu.kernels.vector.gemm import (
    BLOCK,
    Bytes,
    Left,
    Right,
    Source,
    gemm,
    gemm_transposed,
    offset_start,
    pack,
)

SIGNED_OFFSET = 128
"""Added to signed codes, which bytes hold unsigned."""


@routine
def pack_matrix(matrix: Int32, bias: int, offsets: Left, narrow: Source, packed: Right, start: Int32) -> None:
    """Pack a matrix and write the ``start`` of its products.

    matrix (rows, units); narrow (depth, units) int8 or int16, overwritten, depth = rows or rows − 1, the last being
    the bias row, whose code is *bias*; offsets: one group of the codes' offset; packed: see :func:`.gemm.packed_shape`;
    start (padded units).
    """
    depth, units = narrow.shape
    for i in range(depth):
        for j in range(units):
            narrow[i, j] = matrix[i, j]
    pack(narrow, packed)
    offset_start(offsets, packed, start)
    if matrix.shape[0] > depth:
        for j in range(units):
            start[j] = int(start[j]) + bias * int(matrix[depth, j])


@routine
def pack_transposed(matrix: Int32, offsets: Left, narrow: Source, packed: Right, start: Int32) -> None:
    """The same for the transpose of ``matrix[: narrow.shape[1]]``; narrow (units, depth)."""
    units, depth = narrow.shape
    for i in range(depth):
        for j in range(units):
            narrow[j, i] = matrix[i, j]
    pack(narrow, packed)
    offset_start(offsets, packed, start)


@routine
def fill_left(codes: Source, offset: int, left: Left) -> None:
    """Copy codes (n, depth) of any integer type, *offset* added, into the rows of left (n, at least depth)."""
    for n in range(codes.shape[0]):
        for i in range(codes.shape[1]):
            left[n, i] = int(codes[n, i]) + offset


@routine
def multiply(left: Left, packed: Right, start: Int32, z: Int32) -> None:
    """Z = start + left · packed, modulo 2^32; see :func:`.gemm.gemm`."""
    gemm(left, packed, start, z)


@routine
def gather_samples(maps: Source, seen: Window, offset: int, padded: Bytes, patches: Bytes) -> None:
    """Patches of a batch, sample after sample; maps (n, H·W·C) of the type that the window counts bytes of.

    Args:
        maps: codes of any integer type for windows of one byte a code, uint8 views of int16 for two.
        seen: the window, its channels in bytes.
        offset: added to every code.
        padded: one image with its border, flat.
        patches: flat; n · positions · step bytes and the slack behind them.

    """
    size = seen.rows * seen.columns * seen.step
    for n in range(maps.shape[0]):
        pad(maps[n], seen, offset, padded)
        gather(padded, seen, patches[n * size :])


@routine
def pack_rows(source: Source, packed: Source) -> None:
    """Pack (rows, columns), to be summed over the rows."""
    pack(source, packed)


@routine
def sum_start(offsets: Left, packed: Right, start: Int32) -> None:
    """Write the ``start`` that takes the offset of the codes out of a gradient; see :func:`.gemm.offset_start`."""
    offset_start(offsets, packed, start)


@routine
def sum_panel(first: int, left: Left, right: Right, start: Int32, panel: Int32) -> None:
    """Up to 64 rows of start + leftᵀ · right, from row *first*, a multiple of 64, on.

    left (blocks, groups, 64, group) and right are packed rows; panel (64 or fewer rows, padded units) int32.
    """
    block = first // BLOCK
    gemm_transposed(left[block : block + 1], right, start, panel)


@routine
def add_sums(panel: Int32, total: Int64) -> None:
    """Add panel (rows, padded units) to total (rows, units) in 64 bits."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += int(panel[i, j])


@routine
def take_columns(padded: Int32, values: Int32) -> None:
    """Copy the first columns of (n, padded units) into values (n, units)."""
    for n in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[n, j] = padded[n, j]


@routine
def largest_magnitude(codes: Source) -> int:
    """Largest |code| of a flat array; 0 if it is empty."""
    low = 0
    high = 0
    for i in range(codes.shape[0]):
        low = min(low, int(codes[i]))
        high = max(high, int(codes[i]))
    return max(high, -low)


@routine
def column_sums(matrix: Int32, depth: int, sums: Int64) -> None:
    """Sum of |entries| of each column of the first *depth* rows; sums (units,)."""
    for j in range(sums.shape[0]):
        sums[j] = 0
    for i in range(depth):
        for j in range(sums.shape[0]):
            sums[j] += abs(int(matrix[i, j]))
