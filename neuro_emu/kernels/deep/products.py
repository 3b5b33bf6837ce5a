"""Exact products of a mini-batch on the micro-kernels of :mod:`neuro_emu.kernels.vector.gemm`.

Codes are bytes (unsigned, or signed with the offset 128) and matrices int8, or both are int16. ``start`` begins every
row of a product: the bias row, less what the offset of the codes adds. 32 bits hold sums modulo 2^32; whether that is
exact :mod:`neuro_emu.datapath.deep.products` proves for each call.
"""

from __future__ import annotations

from typing import NamedTuple

from neuro_emu.jit import routine
from neuro_emu.kernels.fabric import Int16, Int32, Int64
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
MOST = (1 << 31) - 1
"""Largest sum that 32 bits hold."""
HALF = 256
"""Codes of 16 bits are HALF · high + low, low being 0 … 255."""


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
def add_sums(panel: Int32, total: Int64) -> None:
    """Add panel (rows, padded units) to total (rows, units) in 64 bits."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += int(panel[i, j])


class Desk(NamedTuple):
    """Work arrays of sums over patches, flat but for *left*.

    Attributes:
        padded: one image with its border.
        patches: bytes of the patches of some samples, and the slack behind them.
        left: the same memory as a left operand, (positions, step); of dense layers the codes of all samples.
        narrow: as many errors.
        packed_left: as many patches, packed.
        packed_errors: the errors, packed.
        start: (padded units,).
        panel: 64 rows of a gradient.

    """

    padded: Bytes
    patches: Bytes
    left: Left
    narrow: Right
    packed_left: Left
    packed_errors: Right
    start: Int32
    panel: Int32


@routine
def convolve_samples(
    maps: Source,
    seen: Window,
    offset: int,
    padded: Bytes,
    patches: Bytes,
    left: Left,
    packed: Right,
    start: Int32,
    z: Int32,
) -> None:
    """Products of the patches of a batch: z (n · positions, padded units) = start + patches · packed, modulo 2^32.

    The first five arguments are those of :func:`gather_samples`, but patches hold only as many samples at a time as
    *left* (positions of them, step) has rows for; *left* is the same memory as a left operand.
    """
    positions = seen.rows * seen.columns
    at_once = left.shape[0] // positions
    for first in range(0, maps.shape[0], at_once):
        count = min(at_once, maps.shape[0] - first)
        for k in range(count):
            pad(maps[first + k], seen, offset, padded)
            gather(padded, seen, patches[k * positions * seen.step :])
        gemm(left[: count * positions], packed, start, z[first * positions : (first + count) * positions])


@routine
def add_slices(left: Left, errors: Int16, offsets: Left, weight: int, desk: Desk, total: Int64) -> None:
    """Add leftᵀ · errors, exact, to total (depth, units), in slices of positions whose sums 32 bits hold.

    Args:
        left: (positions, at least depth) codes with their offset.
        errors: (positions, units).
        offsets: one group of the offset.
        weight: bounds |code| without the offset.
        desk: work arrays.
        total: what is added to.

    """
    positions, units = errors.shape
    width, group = left.shape[1], offsets.shape[0]
    blocks, columns = (width + BLOCK - 1) // BLOCK, (units + BLOCK - 1) // BLOCK
    peak = 0
    for n in range(positions):
        for j in range(units):
            peak = max(peak, abs(int(errors[n, j])))
    most = max(1, MOST // max(1, peak * weight))
    for first in range(0, positions, most):
        count = min(most, positions - first)
        narrow = desk.narrow[: count * units].reshape(count, units)
        for n in range(count):
            for j in range(units):
                narrow[n, j] = errors[first + n, j]
        groups = (count + group - 1) // group
        size = groups * BLOCK * group
        turned = desk.packed_left[: blocks * size].reshape(blocks, groups, BLOCK, group)
        right = desk.packed_errors[: columns * size].reshape(columns, groups, BLOCK, group)
        pack(left[first : first + count], turned)
        pack(narrow, right)
        offset_start(offsets, right, desk.start)
        wide = desk.start.shape[0]
        for block in range(blocks):
            rows = min(BLOCK, total.shape[0] - block * BLOCK)
            if rows > 0:
                panel = desk.panel[: rows * wide].reshape(rows, wide)
                gemm_transposed(turned[block : block + 1], right, desk.start, panel)
                add_sums(panel, total[block * BLOCK : block * BLOCK + rows])


@routine
def add_gradient(
    maps: Source, seen: Window, errors: Int16, offsets: Left, weight: int, desk: Desk, total: Int64
) -> None:
    """Add the gradient of a convolution on a batch to total (depth, units); see :func:`add_slices`.

    maps as in :func:`gather_samples`; errors (n · positions, units).
    """
    positions, offset = seen.rows * seen.columns, int(offsets[0])
    at_once = desk.left.shape[0] // positions
    for first in range(0, maps.shape[0], at_once):
        count = min(at_once, maps.shape[0] - first)
        for k in range(count):
            pad(maps[first + k], seen, offset, desk.padded)
            gather(desk.padded, seen, desk.patches[k * positions * seen.step :])
        part = errors[first * positions : (first + count) * positions]
        add_slices(desk.left[: count * positions], part, offsets, weight, desk, total)


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
    """Some rows of start + leftᵀ · right, from row *first*, a multiple of 64, on.

    left (blocks, groups, 64, group) and right are packed rows; panel (rows, padded units) int32.
    """
    gemm_transposed(left[first // BLOCK :], right, start, panel)


@routine
def bounds_of(maps: Int16, peaks: Int64, energies: Int64) -> None:
    """Largest |code| of each sample, and largest sum of squares of a position; maps (n, positions, channels)."""
    for n in range(maps.shape[0]):
        low = 0
        high = 0
        energy = 0
        for p in range(maps.shape[1]):
            codes, squares = maps[n, p], 0
            for i in range(codes.shape[0]):
                code = int(codes[i])
                low = min(low, code)
                high = max(high, code)
                squares += code * code
            energy = max(energy, squares)
        peaks[n], energies[n] = max(high, -low), energy


@routine
def halve(maps: Int16, chosen: Int64, high: Int16) -> None:
    """Take the high halves out of the samples *chosen* of maps (n, codes); their low halves stay behind."""
    for k in range(chosen.shape[0]):
        codes, taken = maps[chosen[k]], high[k]
        for i in range(codes.shape[0]):
            code = int(codes[i])
            taken[i] = code >> 8
            codes[i] = code & (HALF - 1)


@routine
def join_halves(low: Int32, high: Int32, place: Int64, total: Int64) -> None:
    """Total (n, sums) = sums of low halves and HALF times those of high ones, in row place[n] of *high*; −1: none."""
    for n in range(total.shape[0]):
        codes, sums = low[n], total[n]
        if place[n] < 0:
            for i in range(sums.shape[0]):
                sums[i] = int(codes[i])
        else:
            more = high[place[n]]
            for i in range(sums.shape[0]):
                sums[i] = int(codes[i]) + HALF * int(more[i])


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
