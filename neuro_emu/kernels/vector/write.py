"""Writes of summed gradients: W ← SAT(W + R(G, s)) over stretches of weights."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import Int32, Words
from neuro_emu.kernels.vector.code import Code
from neuro_emu.kernels.vector.emit import I32, I64, constant
from neuro_emu.numerics.ops import draw

_LANES = 16
_WIDE = ir.VectorType(I32, _LANES)


def _write(
    weights: Any, sums: Int32, words: Words, start: int, count: int, word: int, shift: int, low: int, high: int
) -> int:
    """Add the rounded sums to *count* weights (a multiple of 16); exact while sums + 2^shift stay below 2^31.

    Args:
        weights: int8 or int16, flat.
        sums: (count,) G.
        words: (count,) lane masks where *word* is the row's word, or row words where it is a lane mask.
        start: first weight.
        count: how many.
        word: the row's word, or the lane's mask.
        shift: s, 1 … 30.
        low: smallest weight.
        high: largest weight.

    Returns:
        Steps that were not 0 + 2^32 · weights clamped.

    """
    moved = clamped = 0
    for p in range(count):
        step = (int(sums[p]) + draw(word ^ int(words[p]), shift)) >> shift
        total = int(weights[start + p]) + step
        kept = min(max(total, low), high)
        weights[start + p] = kept
        moved += step != 0
        clamped += total != kept
    return moved + (clamped << 32)


def _generate(builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, sums, words = pointers
    start, count, word, shift, low, high = numbers
    code, zero = Code(builder), ir.Constant(I64, 0)
    stored = ir.VectorType(weights.type.pointee, _LANES)
    own, by, lowest, highest = (code.splat(number, _WIDE) for number in (word, shift, low, high))
    unused = code.splat(builder.sub(ir.Constant(I64, 32), shift), _WIDE)
    with code.loop(zero, count, _LANES, [zero, zero]) as turn:
        place = builder.add(start, turn.index)
        draws = builder.lshr(builder.xor(own, code.load(words, turn.index, _WIDE)), unused)
        step = builder.ashr(builder.add(code.load(sums, turn.index, _WIDE), draws), by)
        total = builder.add(builder.sext(code.load(weights, place, stored), _WIDE), step)
        upper = builder.select(builder.icmp_signed("<", total, highest), total, highest)
        kept = builder.select(builder.icmp_signed(">", upper, lowest), upper, lowest)
        code.store(builder.trunc(kept, stored), weights, place)
        moved = code.count_ones(builder.icmp_signed("!=", step, constant(_WIDE, 0)))
        clamped = code.count_ones(builder.icmp_signed("!=", total, kept))
        turn.next = [builder.add(a, b) for a, b in zip(turn.values, (moved, clamped), strict=True)]
    moved, clamped = turn.values
    return builder.add(moved, builder.shl(clamped, ir.Constant(I64, 32)))


write_lanes = vector_op(_write, _generate)
