"""Requantisation of sums, and learning signals gated by f′, a register at a time."""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import Int16, Int32
from neuro_emu.kernels.vector.code import I16, Code, vector
from neuro_emu.kernels.vector.emit import I32, I64, constant

_LANES = 16  # positions at once, as 32-bit numbers
_WIDE = ir.VectorType(I32, _LANES)


def _requantise(_bits: int, sums: Int32, out: Any, first: int, count: int, shift: int, low: int, high: int) -> int:
    """``out[p] = clamp((sums[p] + half) >> shift)``, half = 2^(shift − 1) or 0, for *count* (of 16) positions.

    Returns how many were clamped. Exact while sums[p] + half < 2^31.
    """
    clamped = 0
    for p in range(first, first + count):
        aligned = (int(sums[p]) + ((1 << shift) >> 1)) >> shift
        kept = min(max(aligned, low), high)
        out[p] = kept
        clamped += aligned != kept
    return clamped


def _aligned(code: Code, value: Any, shift: Any) -> Any:
    """Drop *shift* bits, rounding to nearest with ties up."""
    b, one = code.builder, ir.Constant(I64, 1)
    middle = code.splat(b.lshr(b.shl(one, shift), one), value.type)
    return b.ashr(b.add(value, middle), code.splat(shift, value.type))


def _clamped(builder: Any, value: Any, lowest: Any, highest: Any) -> Any:
    upper = builder.select(builder.icmp_signed("<", value, highest), value, highest)
    return builder.select(builder.icmp_signed(">", upper, lowest), upper, lowest)


def _generate_requantise(bits: int, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    sums, out = pointers
    first, count, shift, low, high = numbers
    code, zero = Code(builder), ir.Constant(I64, 0)
    lowest, highest = code.splat(low, _WIDE), code.splat(high, _WIDE)
    with code.loop(zero, count, _LANES, [zero]) as turn:
        at = builder.add(first, turn.index)
        aligned = _aligned(code, code.load(sums, at, _WIDE), shift)
        kept = _clamped(builder, aligned, lowest, highest)
        code.store(kept if bits == 32 else builder.trunc(kept, vector(bits, _LANES)), out, at)
        turn.next = [builder.add(turn.values[0], code.count_ones(builder.icmp_signed("!=", aligned, kept)))]
    return turn.values[0]


requantise8 = vector_op(partial(_requantise, 8), partial(_generate_requantise, 8))
requantise32 = vector_op(partial(_requantise, 32), partial(_generate_requantise, 32))


def _gate(  # noqa: PLR0913, PLR0917  (a compiler keeps them in registers)
    one_bit: bool,
    signal: Int32,
    q: Any,
    slopes: Int32,
    delta: Int16,
    first: int,
    count: int,
    open_from: int,
    open_to: int,
    shift: int,
    low: int,
    high: int,
) -> int:
    """``delta[p] = clamp((signal[p] · f′(q[p]) + half) >> shift)``, half = 2^(shift − 1) or 0.

    Args:
        one_bit: f′ is 1 for *open_from* ≤ q ≤ *open_to*, else 0; otherwise it is in *slopes*.
        signal: (positions,) what is gated; products stay below 2^31.
        q: (positions,) int8 pre-activations.
        slopes: (positions,) f′ of each, unless it is one bit.
        delta: (positions,) written.
        first: first position.
        count: positions, a multiple of 16.
        open_from: smallest q with f′ = 1.
        open_to: largest such q.
        shift: bits to drop.
        low: smallest δ.
        high: largest δ.

    Returns:
        Clamped values + 2^32 · the largest magnitude of δ.

    """
    clamped = largest = 0
    for p in range(first, first + count):
        code = int(q[p])
        slope = int(open_from <= code <= open_to) if one_bit else int(slopes[p])
        aligned = (int(signal[p]) * slope + ((1 << shift) >> 1)) >> shift
        kept = min(max(aligned, low), high)
        delta[p] = kept
        clamped += aligned != kept
        largest = max(largest, abs(kept))
    return clamped + (largest << 32)


def _generate_gate(one_bit: bool, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    signal, q, slopes, delta = pointers
    first, count, open_from, open_to, shift, low, high = numbers
    code, zero = Code(builder), ir.Constant(I64, 0)
    bytes_ = vector(8, _LANES)
    start, stop = (code.splat(number, bytes_) for number in (open_from, open_to))
    lowest, highest, none = code.splat(low, _WIDE), code.splat(high, _WIDE), constant(_WIDE, 0)
    with code.loop(zero, count, _LANES, [zero, none]) as turn:
        at = builder.add(first, turn.index)
        value, codes = code.load(signal, at, _WIDE), code.load(q, at, bytes_)
        if one_bit:
            inside = builder.and_(builder.icmp_signed(">=", codes, start), builder.icmp_signed("<=", codes, stop))
            product = builder.select(inside, value, none)
        else:
            product = builder.mul(value, code.load(slopes, at, _WIDE))
        aligned = _aligned(code, product, shift)
        kept = _clamped(builder, aligned, lowest, highest)
        code.store(builder.trunc(kept, ir.VectorType(I16, _LANES)), delta, at)
        size = builder.select(builder.icmp_signed("<", kept, none), builder.sub(none, kept), kept)
        largest = builder.select(builder.icmp_signed(">", size, turn.values[1]), size, turn.values[1])
        clamped = code.count_ones(builder.icmp_signed("!=", aligned, kept))
        turn.next = [builder.add(turn.values[0], clamped), largest]
    clamped, largest = turn.values
    top = code.call(f"llvm.vector.reduce.smax.v{_LANES}i32", I32, [largest])
    return builder.add(clamped, builder.shl(builder.zext(top, I64), ir.Constant(I64, 32)))


gate_one_bit = vector_op(partial(_gate, True), partial(_generate_gate, True))
gate_by_slope = vector_op(partial(_gate, False), partial(_generate_gate, False))


def _dot(weights: Any, signal: Int16, start: int, count: int) -> int:
    """``Σ_p weights[start + p] · signal[p]`` over *count* (of 32) positions; exact while it stays below 2^31."""
    return sum(int(weights[start + p]) * int(signal[p]) for p in range(count))


def _generate_dot(builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, signal = pointers
    start, count = numbers
    code, words, wide = Code(builder), vector(16), vector(32)
    with code.loop(ir.Constant(I64, 0), count, words.count, [ir.Constant(wide, None)]) as turn:
        bits = weights.type.pointee.width
        row = code.load(weights, builder.add(start, turn.index), vector(bits, words.count))
        row = row if bits == 16 else builder.sext(row, words)
        turn.next = [code.dot2(turn.values[0], code.load(signal, turn.index, words), row)]
    total = code.call(f"llvm.vector.reduce.add.v{wide.count}i32", I32, [turn.values[0]])
    return builder.sext(total, I64)


dot = vector_op(_dot, _generate_dot)
