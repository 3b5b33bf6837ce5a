"""Sums of products over listed rows: ``sums[p] = Σ_a x[a] · W[row a, p]``, rows of 8 or of 16 bits."""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import Int16, Int32
from neuro_emu.kernels.vector.code import BYTES, LEVEL, Code, vector
from neuro_emu.kernels.vector.emit import I64

TILE = BYTES
"""Positions of one tile of 8-bit rows."""
GROUP = 4 if LEVEL == "avx512" else 2
"""Tiles side by side: their accumulators fill the registers."""


def _rows8(
    tiles: int,
    weights: Any,
    offsets: Int32,
    sizes: Any,
    sums: Int32,
    base: int,
    at: int,
    negative: int,
    count: int,
) -> int:
    """Sum ``tiles`` tiles of positions from *at* on, over the listed rows of an 8-bit matrix.

    Rows 0 … negative − 1 of the list are subtracted, the others to *count* − 1 added; both numbers are multiples of 4.
    Exact while Σ sizes · 128 < 2^31.

    Args:
        tiles: how many.
        weights: int8, flat.
        offsets: (count,) where the rows begin, from *base* on.
        sizes: (count,) uint8, magnitudes of the codes; 0 for padding.
        sums: (positions,) written from *at* on.
        base: where position 0 of row 0 lies in *weights*.
        at: first position.
        negative: rows that are subtracted.
        count: rows of the list.

    """
    for p in range(at, at + tiles * TILE):
        total = 0
        for a in range(count):
            product = int(weights[base + offsets[a] + p]) * int(sizes[a])
            total += -product if a < negative else product
        sums[p] = total
    return 0


def _tile8(code: Code, rows: list[Any], codes: Any, totals: list[Any]) -> list[Any]:
    """Four rows of one tile: bytes are brought beside each other and multiplied in fours."""
    pairs = [code.unpack(rows[i], rows[i + 1], 8, high) for i in (0, 2) for high in (False, True)]
    fours = [code.unpack(pairs[i], pairs[i + 2], 16, high) for i in (0, 1) for high in (False, True)]
    words = [code.builder.bitcast(four, vector(8)) for four in fours]
    if LEVEL == "avx512":
        words = [code.builder.bitcast(word, vector(32)) for word in words]
    return [code.dot4(total, codes, word) for total, word in zip(totals, words, strict=True)]


def _in_order(code: Code, totals: list[Any]) -> list[Any]:
    """Bring the accumulators of a tile into the order of positions: a transposition of 128-bit lanes."""
    lanes = BYTES // 16
    parts = [code.shuffle(total, total, range(4 * lane, 4 * lane + 4)) for lane in range(lanes) for total in totals]
    while parts[0].type.count < BYTES // 4:
        width = parts[0].type.count
        parts = [code.shuffle(parts[i], parts[i + 1], range(2 * width)) for i in range(0, len(parts), 2)]
    return parts


def _generate8(tiles: int, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, offsets, sizes, sums = pointers
    base, at, negative, count = numbers
    code = Code(builder)
    start = builder.add(base, at)
    zero, row = ir.Constant(I64, 0), vector(8)
    kind = vector(32)

    def over(first: Any, last: Any, totals: list[Any]) -> list[Any]:
        with code.loop(first, last, 4, totals) as turn:
            places = []
            for i in range(4):
                entry = code.load(offsets, builder.add(turn.index, ir.Constant(I64, i)), ir.IntType(32))
                places.append(builder.add(start, builder.sext(entry, I64)))
            codes = code.splat(code.load(sizes, turn.index, ir.IntType(32)), kind)
            following: list[Any] = []
            for tile in range(tiles):
                step = ir.Constant(I64, tile * TILE)
                rows = [code.load(weights, builder.add(place, step), row) for place in places]
                following += _tile8(code, rows, codes, turn.values[4 * tile : 4 * tile + 4])
            turn.next = following
        return turn.values

    totals = over(zero, negative, [ir.Constant(kind, None)] * (4 * tiles))
    totals = [builder.sub(ir.Constant(kind, None), total) for total in totals]
    totals = over(negative, count, totals)
    for tile in range(tiles):
        for part, total in enumerate(_in_order(code, totals[4 * tile : 4 * tile + 4])):
            code.store(total, sums, builder.add(at, ir.Constant(I64, tile * TILE + part * kind.count)))
    return zero


def _rows16(
    tiles: int, weights: Int16, offsets: Int32, codes: Int16, sums: Int32, base: int, at: int, count: int
) -> int:
    """Sum ``tiles`` tiles of TILE / 2 positions from *at* on, over *count* (even) listed rows of a 16-bit matrix.

    Exact while no sum leaves 32 bits.
    """
    for p in range(at, at + tiles * TILE // 2):
        total = 0
        for a in range(count):
            total += int(weights[base + offsets[a] + p]) * int(codes[a])
        sums[p] = total
    return 0


def _generate16(tiles: int, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, offsets, codes, sums = pointers
    base, at, count = numbers
    code = Code(builder)
    start = builder.add(base, at)
    zero, row, kind = ir.Constant(I64, 0), vector(16), vector(32)
    with code.loop(zero, count, 2, [ir.Constant(kind, None)] * (2 * tiles)) as turn:
        places = []
        for i in range(2):
            entry = code.load(offsets, builder.add(turn.index, ir.Constant(I64, i)), ir.IntType(32))
            places.append(builder.add(start, builder.sext(entry, I64)))
        pair = code.splat(code.load(codes, turn.index, ir.IntType(32)), kind)
        following = []
        for tile in range(tiles):
            step = ir.Constant(I64, tile * row.count)
            rows = [code.load(weights, builder.add(place, step), row) for place in places]
            for high, total in enumerate(turn.values[2 * tile : 2 * tile + 2]):
                both = code.unpack(rows[0], rows[1], 16, bool(high))
                operands = [pair, both] if LEVEL == "avx512" else [builder.bitcast(pair, row), both]
                if LEVEL == "avx512":
                    operands[1] = builder.bitcast(both, kind)
                following.append(code.dot2(total, *operands))
        turn.next = following
    for tile in range(tiles):
        for part, total in enumerate(_in_order(code, turn.values[2 * tile : 2 * tile + 2])):
            code.store(total, sums, builder.add(at, ir.Constant(I64, tile * row.count + part * kind.count)))
    return zero


sum_rows8 = vector_op(partial(_rows8, 1), partial(_generate8, 1))
sum_group8 = vector_op(partial(_rows8, GROUP), partial(_generate8, GROUP))
sum_rows16 = vector_op(partial(_rows16, 1), partial(_generate16, 1))
sum_group16 = vector_op(partial(_rows16, 2 * GROUP), partial(_generate16, 2 * GROUP))
