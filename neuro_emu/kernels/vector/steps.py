"""Weight updates of rows: rounded steps of 0 or ±1, decided by comparing; and steps of any size.

A draw r of s bits is split into its low 15 bits and what lies above. As |δ·x| < 2^15 and |δ·x| ≤ 2^s, the step
floor((δ·x + r) / 2^s) is −1 only where the part above is all zeros and δ·x + low < 0, and +1 only where that part is
all ones and δ·x + low reaches 2^15 (or 2^s where s < 15): two comparisons in 16 bits, whatever s is.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import CHUNK, Int16
from neuro_emu.kernels.vector.code import I16, Code
from neuro_emu.kernels.vector.emit import I64, constant

_WORDS = ir.VectorType(I16, CHUNK)


def _packed(builder: Any, moved: Any, clamped: Any) -> Any:
    return builder.add(moved, builder.shl(clamped, ir.Constant(I64, 32)))


def _step_signed(  # noqa: PLR0913, PLR0917  (a compiler keeps them in registers)
    weights: Any,
    delta: Int16,
    lows: Int16,
    highs: Int16,
    start: int,
    first: int,
    count: int,
    x: int,
    low: int,
    high: int,
    limit: int,
    sign: int,
) -> int:
    """Take one step down or up, as *sign* says, where the draw says so; *count* is a multiple of CHUNK.

    Args:
        weights: int8 or int16, flat.
        delta: (positions,) δ.
        lows: (positions,) lane masks of the low part of the draw.
        highs: the same of the high part, modulo 2^16.
        start: where position 0 lies in *weights*.
        first: first position.
        count: positions.
        x: code of the row.
        low: low part of the row's word; where the sign is 1 its complement, so that both are compared alike.
        high: what ``highs`` must be for the high part to be all zeros, or all ones.
        limit: smallest weight, or largest.
        sign: −1 or 1.

    Returns:
        Weights that wanted a step + 2^32 · weights that were at the limit.

    """
    moved = clamped = 0
    for p in range(first, first + count):
        product = int(delta[p]) * x * sign  # δ·x < −r is −δ·x > r
        if product > low ^ int(lows[p]) and (int(highs[p]) - high) % (1 << 16) == 0:
            moved += 1
            if int(weights[start + p]) == limit:
                clamped += 1
            else:
                weights[start + p] += sign
    return moved + (clamped << 32)


def _generate_signed(builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, delta, lows, highs = pointers
    start, first, count, x, low, high, limit, sign = numbers
    code, zero = Code(builder), ir.Constant(I64, 0)
    stored = ir.VectorType(weights.type.pointee, CHUNK)
    factor = code.splat(builder.mul(x, sign), _WORDS)  # δ·x < −r is −δ·x > r
    below, above = code.splat(low, _WORDS), code.splat(high, _WORDS)
    edge, one = code.splat(limit, stored), code.splat(sign, stored)
    with code.loop(zero, count, CHUNK, [zero, zero]) as turn:
        at = builder.add(first, turn.index)
        place = builder.add(start, at)
        product = builder.mul(code.load(delta, at, _WORDS), factor)
        wanted = builder.icmp_signed(">", product, builder.xor(below, code.load(lows, at, _WORDS)))
        wanted = builder.and_(wanted, builder.icmp_signed("==", code.load(highs, at, _WORDS), above))
        old = code.load(weights, place, stored)
        stuck = builder.and_(wanted, builder.icmp_signed("==", old, edge))
        free = builder.and_(wanted, builder.not_(stuck))
        code.store(builder.select(free, builder.add(old, one), old), weights, place)
        gained = code.count_ones(wanted), code.count_ones(stuck)
        turn.next = [builder.add(a, b) for a, b in zip(turn.values, gained, strict=True)]
    return _packed(builder, *turn.values)


step_signed = vector_op(_step_signed, _generate_signed)


def _add_steps(  # noqa: PLR0913, PLR0917  (a compiler keeps them in registers)
    weights: Any,
    delta: Int16,
    lows: Int16,
    highs: Int16,
    start: int,
    first: int,
    count: int,
    x: int,
    low: int,
    high: int,
    split: int,
    rest: int,
    lowest: int,
    highest: int,
) -> int:
    """Update *count* weights (a multiple of CHUNK) by steps of any size.

    With the draw r = (high << split) + low and s = split + rest each weight becomes clamp(W + ((δ·x + r) >> s)), every
    lane with its own part of the masks, computed as floor((floor((δ·x + low) / 2^split) + high) / 2^rest): the same
    number in 16 bits (bounds: :mod:`neuro_emu.datapath.layout`).

    Args:
        weights: int8 or int16, flat.
        delta: (positions,) δ, or codes where *x* is δ.
        lows: (positions,) masks of the low part, or with *low* a mask the low parts of the draws themselves.
        highs: the same of the high part.
        start: where position 0 lies in *weights*.
        first: first position.
        count: positions.
        x: code of the row, or δ.
        low: low part of the draw, or its mask.
        high: the same of the high part.
        split: bits of the low part.
        rest: bits of the high part.
        lowest: smallest weight.
        highest: largest weight.

    Returns:
        Steps that were not 0 + 2^32 · weights clamped.

    """
    moved = clamped = 0
    for p in range(first, first + count):
        head = (int(delta[p]) * x + (low ^ int(lows[p]))) >> split
        step = (head + (high ^ int(highs[p]))) >> rest
        total = int(weights[start + p]) + step
        kept = min(max(total, lowest), highest)
        weights[start + p] = kept
        moved += step != 0
        clamped += total != kept
    return moved + (clamped << 32)


def _generate_steps(masked: bool, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, delta, lows, highs = pointers
    start, first, count, *settings = numbers
    code, zero, bits = Code(builder), ir.Constant(I64, 0), weights.type.pointee.width
    stored = ir.VectorType(weights.type.pointee, CHUNK)
    x, low, high, split, rest, lowest, highest = (code.splat(number, _WORDS) for number in settings)
    with code.loop(zero, count, CHUNK, [zero, zero]) as turn:
        at = builder.add(first, turn.index)
        place = builder.add(start, at)
        product = builder.mul(code.load(delta, at, _WORDS), x)
        own_low = builder.xor(low, code.load(lows, at, _WORDS)) if masked else low
        own_high = builder.xor(high, code.load(highs, at, _WORDS)) if masked else high
        head = builder.ashr(builder.add(product, own_low), split)
        step = builder.ashr(builder.add(head, own_high), rest)
        old = code.load(weights, place, stored)
        old = old if bits == 16 else builder.sext(old, _WORDS)
        total = builder.add(step, old)  # where this leaves 16 bits it differs from what is kept all the same
        most = code.call(f"llvm.sadd.sat.v{CHUNK}i16", _WORDS, [step, old])
        upper = builder.select(builder.icmp_signed("<", most, highest), most, highest)
        kept = builder.select(builder.icmp_signed(">", upper, lowest), upper, lowest)
        code.store(kept if bits == 16 else builder.trunc(kept, stored), weights, place)
        moved = code.count_ones(builder.icmp_signed("!=", step, constant(_WORDS, 0)))
        clamped = code.count_ones(builder.icmp_signed("!=", total, kept))
        turn.next = [builder.add(a, b) for a, b in zip(turn.values, (moved, clamped), strict=True)]
    return _packed(builder, *turn.values)


def _levels(peak: int, shift: int, most: int) -> int:
    """Largest m ≤ *most* with *peak* ≤ 2^(shift − m); *peak* is 1 … 2^shift."""
    return min(most, shift - int(peak - 1).bit_length())


def _generate_levels(builder: Any, _pointers: list[Any], numbers: list[Any]) -> Any:
    peak, shift, most = numbers
    code = Code(builder)
    below = builder.sub(peak, ir.Constant(I64, 1))
    zeros = code.call("llvm.ctlz.i64", I64, [below, ir.Constant(ir.IntType(1), 0)])
    level = builder.sub(shift, builder.sub(ir.Constant(I64, 64), zeros))
    return builder.select(builder.icmp_signed("<", level, most), level, most)


levels = vector_op(_levels, _generate_levels)
add_steps = vector_op(_add_steps, partial(_generate_steps, True))
add_same_steps = vector_op(_add_steps, partial(_generate_steps, False))
"""The same where all masks are 0: every lane of a row has one draw."""
