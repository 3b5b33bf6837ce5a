"""Weight updates to the nearest code: one multiplication that rounds replaces product, sum and shift."""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import CHUNK, Int16, Int32
from neuro_emu.kernels.vector.code import I16, LEVEL, Code, vector
from neuro_emu.kernels.vector.emit import I32, I64, constant

FRACTION = 15
"""Bits that the multiplication drops."""
_LANES = 2 * CHUNK


def _add_nearest(  # noqa: PLR0913, PLR0917  (a compiler keeps them in registers)
    _whole: bool,
    weights: Any,
    delta: Int16,
    index: Int32,
    value: Int16,
    offset: int,
    step: int,
    rows: int,
    first: int,
    count: int,
    left: int,
    bottom: int,
    top: int,
) -> int:
    """Update listed rows by ``floor((δ·x·2^left + 2^14) / 2^15)``, which is δ·x / 2^(15 − left) to nearest, ties up.

    Args:
        weights: int8 or int16, flat.
        delta: (positions,) δ.
        index: (rows,) numbers of rows.
        value: (rows,) their codes; |x| · 2^left < 2^15.
        offset: where row 0 lies in *weights*.
        step: distance of rows.
        rows: how many are listed.
        first: first position.
        count: positions, a multiple of CHUNK.
        left: 15 − s.
        bottom: smallest weight; the form for *whole* registers takes the limits of the type.
        top: largest weight.

    Returns:
        Steps that were not 0 + 2^32 · weights clamped.

    """
    moved = clamped = 0
    for a in range(rows):
        start, x = offset + int(index[a]) * step, int(value[a]) << left
        for p in range(first, first + count):
            change = (int(delta[p]) * x + (1 << (FRACTION - 1))) >> FRACTION
            total = int(weights[start + p]) + change
            kept = min(max(total, bottom), top)
            weights[start + p] = kept
            moved += change != 0
            clamped += total != kept
    return moved + (clamped << 32)


def _rounded(code: Code, a: Any, b: Any) -> Any:
    """Products of 16-bit lanes, 15 bits dropped to nearest."""
    count, full = a.type.count, vector(16).count
    name = {"avx512": "llvm.x86.avx512.pmul.hr.sw.512", "avx2": "llvm.x86.avx2.pmul.hr.sw"}[LEVEL]
    parts = [
        code.call(name, vector(16), [code.shuffle(x, x, range(at, at + full)) for x in (a, b)])
        for at in range(0, count, full)
    ]
    while len(parts) > 1:
        width = parts[0].type.count
        parts = [code.shuffle(parts[i], parts[i + 1], range(2 * width)) for i in range(0, len(parts), 2)]
    return parts[0]


def _generate(whole: bool, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, delta, index, value = pointers
    offset, step, rows, first, count, left, bottom, top = numbers
    code, b, zero = Code(builder), builder, ir.Constant(I64, 0)
    lanes = _LANES if whole else CHUNK
    words, stored = ir.VectorType(I16, lanes), ir.VectorType(weights.type.pointee, lanes)
    narrow = stored.element.width == 8
    lowest, highest = code.splat(bottom, words), code.splat(top, words)
    with code.loop(zero, rows, 1, [zero, zero]) as row:
        start = b.add(offset, b.mul(b.sext(code.load(index, row.index, I32), I64), step))
        x = code.splat(b.shl(code.load(value, row.index, I16), b.trunc(left, I16)), words)
        with code.loop(zero, count, lanes, row.values) as turn:
            at = b.add(first, turn.index)
            change = _rounded(code, code.load(delta, at, words), x)
            place = b.add(start, at)
            old = code.load(weights, place, stored)
            old = b.sext(old, words) if narrow else old
            total = b.add(old, change)  # where this leaves 16 bits it differs from what is kept all the same
            kept = code.call(f"llvm.sadd.sat.v{lanes}i16", words, [old, change])
            if narrow or not whole:
                kept = code.call(f"llvm.smin.v{lanes}i16", words, [kept, highest])
                kept = code.call(f"llvm.smax.v{lanes}i16", words, [kept, lowest])
            code.store(b.trunc(kept, stored) if narrow else kept, weights, place)
            moved = code.count_ones(b.icmp_signed("!=", change, constant(words, 0)))
            clamped = code.count_ones(b.icmp_signed("!=", total, kept))
            turn.next = [b.add(n, more) for n, more in zip(turn.values, (moved, clamped), strict=True)]
        row.next = turn.values
    moved, clamped = row.values
    return b.add(moved, b.shl(clamped, ir.Constant(I64, 32)))


add_nearest, add_nearest_whole = (
    vector_op(partial(_add_nearest, whole), partial(_generate, whole)) for whole in (False, True)
)
"""Any format; and weights that fill their type, a multiple of 2 · CHUNK positions."""
