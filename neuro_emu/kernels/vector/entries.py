"""Weight updates by entries: the blocks of rows in which steps can be, listed first, then stepped one after the other.

Whatever can be known of a row without looking at its weights is computed for sixteen rows at a time, so that a row
costs little more than its arithmetic.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import CHUNK, Int16, Int32, Words
from neuro_emu.kernels.vector.code import I16, Code
from neuro_emu.kernels.vector.emit import I32, I64
from neuro_emu.numerics.ops import draw

PLACE, POSITION, LOW, TOP, CODE = range(5)
"""An entry: first weight, first position, low part of the draws and what lies above it, code of the row.

A list holds a column of each, one after the other."""
COLUMNS = 5
COMPARED_BITS = 15
"""Bits of the low part, at most."""
ROWS = 16
"""Rows that are listed at once."""

_ROWS = ir.VectorType(I32, ROWS)


def _list_blocks(  # noqa: PLR0913, PLR0917  (a compiler keeps them in registers)
    index: Int32,
    value: Int16,
    words: Words,
    down: Int32,
    up: Int32,
    room: int,
    count: int,
    shift: int,
    level: int,
    offset: int,
    step: int,
    positions: int,
    first: int,
    last: int,
) -> int:
    """List the blocks of 2^−level rows in which the top bits of the draws are all zeros, or all ones.

    Args:
        index: (count,) numbers of rows; readable up to the next multiple of ROWS, like *value* and *words*.
        value: (count,) their codes.
        words: (count,) random words of the rows.
        down: (COLUMNS · room,) written: blocks with zeros; LOW is complemented.
        up: the same of blocks with ones; LOW and TOP are complements within the draw.
        room: length of a column, at least *count* + ROWS.
        count: rows.
        shift: bits of a draw.
        level: its top bits, which a block is chosen by.
        offset: where row 0 lies among the weights.
        step: distance of rows.
        positions: length of a row.
        first: first position, a multiple of the block, like *last*.
        last: end of the positions whose blocks are listed.

    Returns:
        Entries of *down* + 2^32 · entries of *up*.

    """
    size, below = positions >> level, min(shift - level, COMPARED_BITS)
    found = [0, 0]
    for a in range(count):
        x = int(value[a])
        r = draw(int(words[a]), shift)
        zeros, rest = (r >> (shift - level)) * size, r % (1 << (shift - level))
        flip = (1 << (shift - level)) - 1
        for which, block, kept in ((0, zeros, rest), (1, positions - size - zeros, rest ^ flip)):
            if first <= block < last:
                low, entry, n = kept % (1 << below), (down, up)[which], found[which]
                place = offset + int(index[a]) * step + block
                for column, entry_value in enumerate((place, block, low if which else ~low, kept >> below, x)):
                    entry[column * room + n] = entry_value
                found[which] += 1
    return found[0] + (found[1] << 32)


def _generate_list(builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    index, value, words, down, up = pointers
    room, count, shift, level, offset, step, positions, first, last = numbers
    code, b, zero, one = Code(builder), builder, ir.Constant(I64, 0), ir.Constant(I64, 1)
    rest_bits, size = b.sub(shift, level), b.lshr(positions, level)
    fifteen = ir.Constant(I64, COMPARED_BITS)
    below = b.select(b.icmp_signed("<", rest_bits, fifteen), rest_bits, fifteen)

    def wide(number: Any) -> Any:
        return code.splat(number, _ROWS)

    def ones(bits: Any) -> Any:
        return wide(b.sub(b.shl(one, bits), one))

    unused, cut, kept_bits, flip = (
        wide(b.sub(ir.Constant(I64, 32), shift)),
        wide(rest_bits),
        ones(below),
        ones(rest_bits),
    )
    lanes = ir.Constant(_ROWS, list(range(ROWS)))
    mirror, begin, end = wide(b.sub(positions, size)), wide(first), wide(last)
    with code.loop(zero, count, ROWS, [zero, zero]) as turn:
        a = turn.index
        x = b.sext(code.load(value, a, ir.VectorType(I16, ROWS)), _ROWS)
        counts = b.icmp_signed("<", lanes, wide(b.sub(count, a)))
        r = b.lshr(code.load(words, a, _ROWS), unused)
        zeros, rest = b.mul(b.lshr(r, cut), wide(size)), b.and_(r, flip)
        row = b.add(b.mul(code.load(index, a, _ROWS), wide(step)), wide(offset))
        following = []
        for which, (entry, block, kept) in enumerate(
            ((down, zeros, rest), (up, b.sub(mirror, zeros), b.xor(rest, flip)))
        ):
            here = b.and_(counts, b.and_(b.icmp_signed(">=", block, begin), b.icmp_signed("<", block, end)))
            low = b.and_(kept, kept_bits)
            values = (b.add(row, block), block, low if which else b.not_(low), b.lshr(kept, wide(below)), x)
            n = turn.values[which]
            for column, vector in enumerate(values):
                packed = code.call(
                    f"llvm.experimental.vector.compress.v{ROWS}i32", _ROWS, [vector, here, ir.Constant(_ROWS, None)]
                )
                code.store(packed, entry, b.add(n, b.mul(room, ir.Constant(I64, column))))
            following.append(b.add(n, code.count_ones(here)))
        turn.next = following
    return b.add(turn.values[0], b.shl(turn.values[1], ir.Constant(I64, 32)))


list_blocks = vector_op(_list_blocks, _generate_list)


def _step_blocks(  # noqa: PLR0913, PLR0917  (a compiler keeps them in registers)
    up: bool,
    checked: bool,
    size: int,
    weights: Any,
    delta: Int16,
    lows: Int16,
    tops: Int16,
    entries: Int32,
    room: int,
    count: int,
    limit: int,
) -> int:
    """Take one step up (or down) in the listed blocks of *size* positions where the draws say so.

    With a low part of 15 bits at most, |δ·x| ≤ 2^15 − 1 and all bits above it zeros (or ones), the rounded step
    floor((δ·x + r) / 2^s) is −1 only where δ·x < −low, and +1 only where δ·x > ~low: one comparison, whatever s is.

    Args:
        up: +1 or −1.
        checked: bits above the low part may differ within the block, so they are compared as well.
        size: positions of a block.
        weights: int8 or int16, flat.
        delta: (positions,) δ.
        lows: (size,) low part of the lane masks of the first block of a row; the others begin with it as well.
        tops: the same of what lies above.
        entries: (COLUMNS · room,) see :func:`list_blocks`.
        room: length of a column.
        count: entries.
        limit: largest weight, or smallest.

    Returns:
        Weights that wanted a step + 2^32 · weights that were at the limit.

    """
    moved = clamped = 0
    for n in range(count):
        place, position, low, top, x = (int(entries[column * room + n]) for column in range(COLUMNS))
        for i in range(size):
            product, own = int(delta[position + i]) * x, low ^ int(lows[i])
            if (product > own if up else product <= own) and (not checked or top == int(tops[i])):
                moved += 1
                if int(weights[place + i]) == limit:
                    clamped += 1
                else:
                    weights[place + i] += 1 if up else -1
    return moved + (clamped << 32)


def _generate_steps(up: bool, checked: bool, size: int, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, delta, lows, tops, entries = pointers
    room, count, limit = numbers
    code, b, zero = Code(builder), builder, ir.Constant(I64, 0)
    lanes = min(size, 2 * CHUNK)
    words, stored = ir.VectorType(I16, lanes), ir.VectorType(weights.type.pointee, lanes)
    kind = f"v{lanes}i{stored.element.width}"
    parts = [ir.Constant(I64, first) for first in range(0, size, lanes)]
    masks = [(code.load(lows, part, words), code.load(tops, part, words) if checked else None) for part in parts]
    edge = code.splat(limit, stored)
    columns = [b.mul(room, ir.Constant(I64, column)) for column in range(COLUMNS)]
    with code.loop(zero, count, 1, [zero, zero]) as turn:
        values = [code.load(entries, b.add(column, turn.index), I32) for column in columns]
        place, position = (b.sext(values[column], I64) for column in (PLACE, POSITION))
        low, top, x = (code.splat(b.trunc(values[column], I16), words) for column in (LOW, TOP, CODE))
        moved, clamped = turn.values
        for part, (own_low, own_top) in zip(parts, masks, strict=True):
            product = b.mul(code.load(delta, b.add(position, part), words), x)
            wanted = b.icmp_signed(">" if up else "<=", product, b.xor(low, own_low))
            if checked:
                wanted = b.and_(wanted, b.icmp_signed("==", top, own_top))
            at = b.add(place, part)
            old = code.load(weights, at, stored)
            stuck = b.and_(wanted, b.icmp_signed("==", old, edge))
            # A lane that wants a step is −1: what saturates here, or leaves the format, is held at the limit.
            by = b.sext(wanted, stored)
            stepped = code.call(f"llvm.{'ssub' if up else 'sadd'}.sat.{kind}", stored, [old, by])
            code.store(code.call(f"llvm.{'smin' if up else 'smax'}.{kind}", stored, [stepped, edge]), weights, at)
            moved, clamped = b.add(moved, code.count_ones(wanted)), b.add(clamped, code.count_ones(stuck))
        turn.next = [moved, clamped]
    moved, clamped = turn.values
    return b.add(moved, b.shl(clamped, ir.Constant(I64, 32)))


def _stepper(up: bool, checked: bool, size: int) -> Any:
    return vector_op(partial(_step_blocks, up, checked, size), partial(_generate_steps, up, checked, size))


SIZES = (CHUNK, 2 * CHUNK, 4 * CHUNK)
"""Blocks that have code of their own."""
down32, down64, down128 = (_stepper(False, False, size) for size in SIZES)
up32, up64, up128 = (_stepper(True, False, size) for size in SIZES)
down32_checked, down64_checked = (_stepper(False, True, size) for size in SIZES[:2])
up32_checked, up64_checked = (_stepper(True, True, size) for size in SIZES[:2])
