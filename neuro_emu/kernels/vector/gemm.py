"""Exact integer matrix products, u8 × s8 → s32 and s16 × s16 → s32, in explicit vector code.

C = start + A·B, where every row of C begins with the row ``start``. Which of the two is meant the arrays say: the
*group* that one instruction multiplies and adds (VNNI) has 32 bits, 4 bytes or 2 short numbers along the depth. B is
packed beforehand, ``packed[block, group, column, depth within the group]`` with 64 columns a block, so that the loop
over the depth reads it in order; a transposed A is packed the same way.

All sums are taken modulo 2^32 and nothing saturates on the way: C is exact where it fits 32 bits itself, whatever the
partial sums do. With bytes and a start of 0 it always fits up to a depth of 65,793 (255·128·65,793 < 2^31); with short
numbers the caller has to prove it. Without JIT a sum that does not fit raises an OverflowError.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from neuro_emu.jit import kernel, routine, vector_op
from neuro_emu.kernels.fabric import Int16, Int32
from neuro_emu.kernels.vector.dots import Form, Portable
from neuro_emu.kernels.vector.emit import I32, at, constant, integer, loop, splat

Bytes = NDArray[np.uint8]
SignedBytes = NDArray[np.int8]
Left = Bytes | Int16
Right = SignedBytes | Int16
Source = Bytes | SignedBytes | Int16

BLOCK = 64
"""Columns of a packed block."""
LANES = 16
"""Rows of C and ``start`` are padded to a multiple of it; what lies behind the columns of B comes out as ``start``."""
GROUP_BYTES = 4
_PANEL = 96  # rows of A that stay in cache while the blocks of B pass by; a multiple of every height of a tile


def packed_shape(depth: int, columns: int, itemsize: int = 1) -> tuple[int, int, int, int]:
    """Shape of a packed (*depth*, *columns*) matrix of bytes, or of short numbers (*itemsize* 2)."""
    group = GROUP_BYTES // itemsize
    return -(-columns // BLOCK), -(-depth // group), BLOCK, group


def padded_columns(columns: int) -> int:
    """Columns that C and ``start`` have for *columns* of B."""
    return -(-columns // LANES) * LANES


_WIDEST = max(Form.heights)


def _strip(  # noqa: PLR0913, PLR0917  (an innermost loop has no structures)
    width: int,
    a: Left,
    packed: Right,
    start: Int32,
    c: Int32,
    rows: int,
    row_step: int,
    group_step: int,
    groups: int,
    columns: int,
) -> int:
    """Compute *width* columns of *rows* rows of C, which has *columns* in all. Flat arrays, each from its first use on.

    Groups of A are *row_step* and *group_step* numbers apart, so A may be packed or not. Returns 0.
    """
    group = GROUP_BYTES // a.itemsize
    for row in range(rows):
        for p in range(width):
            total = int(start[p])
            for g in range(groups):
                for t in range(group):
                    left = int(a[row * row_step + g * group_step + t])
                    total += left * int(packed[(g * BLOCK + p) * group + t])
            c[row * columns + p] = total
    return 0


def _generate_strip(width: int, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    """Emit tiles of ``heights[width]`` rows, the last one overlapping its neighbour; of one row if there are fewer."""
    b, rows, height = builder, numbers[0], Form.heights[width]
    form = Form(b, 32 // pointers[0].type.pointee.width)
    enough = b.icmp_signed(">=", rows, integer(height))

    def tiles(count: Any, tall: int) -> None:
        last = b.sub(rows, integer(tall))

        def tile(index: Any, _: list[Any]) -> list[Any]:
            row = b.select(b.icmp_signed("<", index, last), index, last)
            _emit_tile(form, (tall, width), pointers, [row, *numbers[1:]])
            return []

        loop(b, count, tall, [], tile)

    tiles(b.select(enough, rows, integer(0)), height)
    tiles(b.select(enough, integer(0), rows), 1)
    return integer(0)


def _emit_tile(form: Portable, size: tuple[int, int], pointers: list[Any], numbers: list[Any]) -> None:
    """Emit one tile of *size* rows and columns whose sums stay in registers over the whole depth."""
    b, words = form.builder, form.words
    a, packed, start, c = pointers
    row, row_step, group_step, groups, columns = numbers
    places = [(i, v) for i in range(size[0]) for v in range(size[1] // form.lanes)]
    rows, firsts = range(size[0]), [integer(first) for first in range(0, size[1], form.lanes)]
    lines = [b.gep(a, [b.mul(b.add(row, integer(i)), row_step)]) for i in rows]
    begin = [b.load(at(b, start, first, words), align=4) for first in firsts]

    def step(index: Any, carried: list[Any]) -> list[Any]:
        offset, *sums = carried
        block = b.bitcast(b.gep(packed, [b.mul(index, integer(BLOCK * form.group))]), I32.as_pointer())
        right = [form.right(b.load(at(b, block, first, words), align=1)) for first in firsts]
        left = []
        for line in lines:
            word = b.load(at(b, line, offset, I32), align=1)
            left.append(form.left(splat(b, word, form.lanes)))
        for place, (i, v) in enumerate(places):
            for x, y in zip(left[i], right[v], strict=True):
                sums[place] = form.gain(sums[place], x, y)
        return [b.add(offset, group_step), *sums]

    _, *sums = loop(b, groups, 1, [integer(0), *(begin[v] for _, v in places)], step)
    for value, (i, v) in zip(sums, places, strict=True):
        line = b.gep(c, [b.mul(b.add(row, integer(i)), columns)])
        b.store(value, at(b, line, firsts[v], words), align=4)


# A form without wider tiles is never asked for them: _WIDEST holds it to 16 columns.
_strip16, _strip32, _strip64 = (
    vector_op(partial(_strip, width), partial(_generate_strip, width))
    for width in (min(wide, _WIDEST) for wide in (16, 32, 64))
)


@routine
def _strips(
    a: Left, row_step: int, group_step: int, packed: Right, groups: int, start: Int32, c: Int32, rows: int
) -> None:
    """All columns of *rows* rows of C, a block of B after the other, so that one stays in cache; flat arrays."""
    columns, group = start.shape[0], GROUP_BYTES // packed.itemsize
    column = 0
    while column < columns:
        width = min(_WIDEST, columns - column)
        right = packed[(column // BLOCK * groups * BLOCK + column % BLOCK) * group :]
        begin, target = start[column:], c[column:]
        if width >= 64:
            width = 64
            _strip64(a, right, begin, target, rows, row_step, group_step, groups, columns)
        elif width >= 32:
            width = 32
            _strip32(a, right, begin, target, rows, row_step, group_step, groups, columns)
        else:
            _strip16(a, right, begin, target, rows, row_step, group_step, groups, columns)
        column += width


@kernel
def gemm(a: Left, packed: Right, start: Int32, c: Int32) -> None:
    """Compute C = start + A·B.

    a (M, at least groups · group) uint8 or int16; packed (blocks, groups, 64, group) int8 or int16; start (N) and
    c (M, N) int32 with N padded (:func:`padded_columns`); all contiguous, at least one group. What A holds behind the
    depth of B does not matter.
    """
    depth, columns, rows = a.shape[1], c.shape[1], c.shape[0]
    left, right, target = a.reshape(-1), packed.reshape(-1), c.reshape(-1)
    first = 0
    while first < rows:
        count = _PANEL if rows - first >= 2 * _PANEL else rows - first
        lines, products = left[first * depth :], target[first * columns :]
        _strips(lines, depth, packed.shape[3], right, packed.shape[1], start, products, count)
        first += count


@kernel
def gemm_transposed(a: Left, packed: Right, start: Int32, c: Int32) -> None:
    """Compute C = start + Aᵀ·B, both packed: a (blocks, groups, 64, group) uint8 or int16, the rest as :func:`gemm`.

    a and packed have the same number of groups; c has as many rows as A columns, or fewer.
    """
    columns, rows, groups, group = c.shape[1], c.shape[0], a.shape[1], a.shape[3]
    left, right, target = a.reshape(-1), packed.reshape(-1), c.reshape(-1)
    for first in range(0, rows, BLOCK):
        lines, products = left[first * groups * group :], target[first * columns :]
        count = min(BLOCK, rows - first)
        _strips(lines, group, BLOCK * group, right, groups, start, products, count)


@kernel
def offset_start(offsets: Left, packed: Right, start: Int32) -> None:
    """Write the ``start`` that takes an offset of every number of A out of C again: −offset · (sum of B's column).

    ``offsets`` is one group of equal numbers. With codes A − 128 this multiplies signed bytes. The same bounds hold as
    for a row of ``offsets``.
    """
    start[:] = 0
    if int(offsets[0]) == 0:
        return
    _strips(offsets, 0, 0, packed.reshape(-1), packed.shape[1], start, start, 1)
    for p in range(start.shape[0]):
        start[p] = -start[p]


def _interleave(source: Source, packed: Source, first: int, step: int, to: int, count: int) -> int:
    """Pack *count* columns (a multiple of 16) of one group from rows *step* apart, flat arrays. Returns 0."""
    group = GROUP_BYTES // source.itemsize
    for p in range(count):
        for t in range(group):
            packed[to + p * group + t] = source[first + t * step + p]
    return 0


def _generate_interleave(builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    """Emit a loop that widens 16 numbers of each row of the group to 32 bits and joins them, shifted."""
    b, words = builder, ir.VectorType(I32, LANES)
    (source, packed), (first, step, to, count) = pointers, numbers
    element = source.type.pointee
    target = b.bitcast(b.gep(packed, [to]), I32.as_pointer())
    shifts = range(0, 32, element.width)
    lines = [b.gep(source, [b.add(first, b.mul(step, integer(t)))]) for t in range(len(shifts))]

    def join(index: Any, _: list[Any]) -> list[Any]:
        joined = constant(words, 0)
        for line, shift in zip(lines, shifts, strict=True):
            row = b.load(at(b, line, index, ir.VectorType(element, LANES)), align=1)
            joined = b.or_(joined, b.shl(b.zext(row, words), constant(words, shift)))
        b.store(joined, at(b, target, index, words), align=1)
        return []

    loop(b, count, LANES, [], join)
    return integer(0)


_interleave16 = vector_op(_interleave, _generate_interleave)


@kernel
def _pack_one(source: Source, packed: Source, column: int, g: int) -> None:
    """Pack one group of one column, with zeros outside the source."""
    (depth, columns), group = source.shape, packed.shape[3]
    for t in range(group):
        inside = column < columns and g * group + t < depth
        packed[column // BLOCK, g, column % BLOCK, t] = source[g * group + t, column] if inside else 0


@kernel
def pack(source: Source, packed: Source) -> None:
    """Pack a contiguous (depth, columns) matrix; ``packed`` (:func:`packed_shape`) has the same dtype.

    Zeros follow the last row and fill the last 16 columns; what lies behind them is never read and left alone.
    """
    (depth, columns), groups, group = source.shape, packed.shape[1], packed.shape[3]
    flat, target = source.reshape(-1), packed.reshape(-1)
    whole_groups, whole = depth // group, columns // LANES * LANES
    for block in range(0, whole, BLOCK):
        count = min(BLOCK, whole - block)
        for g in range(whole_groups):
            _interleave16(
                flat, target, g * group * columns + block, columns, (block * groups + g * BLOCK) * group, count
            )
    for g in range(groups):
        for column in range(whole if g < whole_groups else 0, -(-columns // LANES) * LANES):
            _pack_one(source, packed, column, g)
