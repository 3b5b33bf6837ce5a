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


def _step(  # noqa: PLR0913, PLR0917  (a compiler keeps them in registers)
    up: bool,
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
) -> int:
    """Take one step up (or down) where the draw says so; *count* is a multiple of CHUNK.

    Args:
        up: +1 or −1.
        weights: int8 or int16, flat.
        delta: (positions,) δ.
        lows: (positions,) lane masks of the low part of the draw.
        highs: the same of the high part, modulo 2^16.
        start: where position 0 lies in *weights*.
        first: first position.
        count: positions.
        x: code of the row.
        low: low part of the row's word; with *up* its complement, so that both are compared alike.
        high: what ``highs`` must be for the high part to be all zeros, or with *up* all ones.
        limit: largest weight, or smallest.

    Returns:
        Weights that wanted a step + 2^32 · weights that were at the limit.

    """
    moved = clamped = 0
    for p in range(first, first + count):
        draw = low ^ int(lows[p])
        product = int(delta[p]) * x
        if (product > draw if up else product < -draw) and (int(highs[p]) - high) % (1 << 16) == 0:
            moved += 1
            if int(weights[start + p]) == limit:
                clamped += 1
            else:
                weights[start + p] += 1 if up else -1
    return moved + (clamped << 32)


def _step_both(  # noqa: PLR0913, PLR0917  (a compiler keeps them in registers)
    _checked: bool,
    weights: Any,
    delta: Int16,
    lows: Int16,
    highs: Int16,
    start: int,
    zeros: int,
    ones: int,
    count: int,
    x: int,
    low: int,
    high: int,
    low_up: int,
    high_up: int,
    bottom: int,
    top: int,
) -> int:
    """Steps down in the block of *count* positions at *zeros*, steps up in that at *ones*: :func:`_step` twice.

    The wide form wants *count* to be a multiple of 2 · CHUNK. Unless *checked* the caller knows that in the
    first the high part of every draw is all zeros, in the other all ones.
    """
    down = _step(False, weights, delta, lows, highs, start, zeros, count, x, low, high, bottom)
    return down + _step(True, weights, delta, lows, highs, start, ones, count, x, low_up, high_up, top)


class _Stepper:
    """Emits steps of one sign, one chunk at a time."""

    def __init__(self, code: Code, up: bool, arrays: list[Any], settings: list[Any], lanes: int = CHUNK) -> None:
        low, high, limit = settings
        self.code, self.up, self.arrays = code, up, arrays
        self.words = ir.VectorType(I16, lanes)
        self.stored = ir.VectorType(arrays[0].type.pointee, lanes)
        # δ·x < −r is δ·x ≤ ~r
        self.low = code.splat(low if up else code.builder.not_(low), self.words)
        self.high = None if high is None else code.splat(high, self.words)
        self.limit = code.splat(limit, self.stored)

    def chunk(self, start: Any, at: Any, x: Any) -> tuple[Any, Any]:
        """Update the chunk at position *at*; returns how many wanted a step and how many could not take it."""
        weights, delta, lows, highs = self.arrays
        code, b, place = self.code, self.code.builder, self.code.builder.add(start, at)
        product = b.mul(code.load(delta, at, self.words), x)
        draw = b.xor(self.low, code.load(lows, at, self.words))
        wanted = b.icmp_signed(">" if self.up else "<=", product, draw)
        if self.high is not None:
            wanted = b.and_(wanted, b.icmp_signed("==", code.load(highs, at, self.words), self.high))
        old = code.load(weights, place, self.stored)
        stuck = b.and_(wanted, b.icmp_signed("==", old, self.limit))
        free = b.and_(wanted, b.not_(stuck))
        stepped = b.add(old, constant(self.stored, 1 if self.up else -1))
        code.store(b.select(free, stepped, old), weights, place)
        return code.count_ones(wanted), code.count_ones(stuck)


def _packed(builder: Any, moved: Any, clamped: Any) -> Any:
    return builder.add(moved, builder.shl(clamped, ir.Constant(I64, 32)))


def _generate_both(checked: bool, lanes: int, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    start, zeros, ones, count, x, low, high, low_up, high_up, bottom, top = numbers
    code, zero = Code(builder), ir.Constant(I64, 0)
    factor = code.splat(x, ir.VectorType(I16, lanes))
    down = _Stepper(code, False, pointers, [low, high if checked else None, bottom], lanes)
    up = _Stepper(code, True, pointers, [low_up, high_up if checked else None, top], lanes)
    with code.loop(zero, count, lanes, [zero, zero]) as turn:
        moved, clamped = turn.values
        for stepper, block in ((down, zeros), (up, ones)):
            wanted, stuck = stepper.chunk(start, builder.add(block, turn.index), factor)
            moved, clamped = builder.add(moved, wanted), builder.add(clamped, stuck)
        turn.next = [moved, clamped]
    return _packed(builder, *turn.values)


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
    """:func:`_step` up or down as *sign* says, 1 or −1, without a branch between them."""
    return _step(sign > 0, weights, delta, lows, highs, start, first, count, x, low, high, limit)


def _generate_signed(checked: bool, lanes: int, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, delta, lows, highs = pointers
    start, first, count, x, low, high, limit, sign = numbers
    code, zero = Code(builder), ir.Constant(I64, 0)
    words, stored = ir.VectorType(I16, lanes), ir.VectorType(weights.type.pointee, lanes)
    factor = code.splat(builder.mul(x, sign), words)  # δ·x < −r is −δ·x > r
    below, above = code.splat(low, words), code.splat(high, words)
    edge, one = code.splat(limit, stored), code.splat(sign, stored)
    with code.loop(zero, count, lanes, [zero, zero]) as turn:
        at = builder.add(first, turn.index)
        place = builder.add(start, at)
        product = builder.mul(code.load(delta, at, words), factor)
        wanted = builder.icmp_signed(">", product, builder.xor(below, code.load(lows, at, words)))
        if checked:
            wanted = builder.and_(wanted, builder.icmp_signed("==", code.load(highs, at, words), above))
        old = code.load(weights, place, stored)
        stuck = builder.and_(wanted, builder.icmp_signed("==", old, edge))
        free = builder.and_(wanted, builder.not_(stuck))
        code.store(builder.select(free, builder.add(old, one), old), weights, place)
        gained = code.count_ones(wanted), code.count_ones(stuck)
        turn.next = [builder.add(a, b) for a, b in zip(turn.values, gained, strict=True)]
    return _packed(builder, *turn.values)


step_signed = vector_op(_step_signed, partial(_generate_signed, True, CHUNK))
step_signed_wide = vector_op(_step_signed, partial(_generate_signed, False, 2 * CHUNK))
"""The same where the caller knows that the high parts fit, for a multiple of 2 · CHUNK positions."""
step_both, step_both_checked, step_both_wide = (
    vector_op(partial(_step_both, checked), partial(_generate_both, checked, lanes))
    for checked, lanes in ((False, CHUNK), (True, CHUNK), (False, 2 * CHUNK))
)


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
