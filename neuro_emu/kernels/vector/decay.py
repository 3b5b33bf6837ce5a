"""Weight decay of stretches of weights: M ← M − R(M, d)."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import Words
from neuro_emu.kernels.vector.code import Code
from neuro_emu.kernels.vector.emit import I32, I64
from neuro_emu.numerics.ops import draw

_LANES = 16
_WIDE = ir.VectorType(I32, _LANES)


def _decay(weights: Any, words: Words, start: int, count: int, word: int, shift: int, low: int, high: int) -> int:
    """Take its rounded 2^-shift part from each of *count* weights (a multiple of 16).

    Args:
        weights: int8 or int16, flat.
        words: (count,) lane masks where *word* is the row's word, or row words where it is a lane mask.
        start: first weight.
        count: how many.
        word: the row's word, or the lane's mask.
        shift: d, 1 … 15.
        low: smallest weight.
        high: largest weight.

    Returns:
        0.

    """
    for p in range(count):
        old = int(weights[start + p])
        step = (old + draw(word ^ int(words[p]), shift)) >> shift
        weights[start + p] = min(max(old - step, low), high)
    return 0


def _generate(builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, words = pointers
    start, count, word, shift, low, high = numbers
    code, zero = Code(builder), ir.Constant(I64, 0)
    stored = ir.VectorType(weights.type.pointee, _LANES)
    own, by, lowest, highest = (code.splat(number, _WIDE) for number in (word, shift, low, high))
    unused = code.splat(builder.sub(ir.Constant(I64, 32), shift), _WIDE)
    with code.loop(zero, count, _LANES) as turn:
        place = builder.add(start, turn.index)
        old = builder.sext(code.load(weights, place, stored), _WIDE)
        draws = builder.lshr(builder.xor(own, code.load(words, turn.index, _WIDE)), unused)
        new = builder.sub(old, builder.ashr(builder.add(old, draws), by))
        upper = builder.select(builder.icmp_signed("<", new, highest), new, highest)
        kept = builder.select(builder.icmp_signed(">", upper, lowest), upper, lowest)
        code.store(builder.trunc(kept, stored), weights, place)
    return zero


decay_lanes = vector_op(_decay, _generate)
