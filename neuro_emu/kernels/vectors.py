"""The inner loop of the row update as explicit vector code.

Compilers leave short row blocks scalar; written as LLVM vectors the loop keeps its speed down to one chunk. It is
portable LLVM: the same on any processor that Numba supports.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import CHUNK, Int16

_I16 = ir.IntType(16)
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_VECTOR = ir.VectorType(_I16, CHUNK)


def _update_one_sign(
    weights: Int16, start: int, delta: Int16, masks: Int16, first: int, count: int, row: Int16, sums: Int16
) -> int:
    """Update positions first … first + count − 1 of a row stored at *start*; count is a multiple of CHUNK.

    ``row`` = (x, low part of the draw, high part, split, rest, lowest weight, highest weight), int16. With
    r = (high << split) + low and s = split + rest each weight becomes clamp(W + ((δ·x + (r ^ mask)) >> s)),
    computed as floor((floor((δ·x + low) / 2^split) + (high ^ mask16)) / 2^rest), the same number in 16 bits.
    ``sums`` (2, CHUNK) gathers, lane by lane, the steps and what the clamp took away: counts, up to their
    sign, where every step is 0 or ±1 with one sign. Returns 0.
    """
    x, low_part, high_part, split, rest, lowest, highest = (int(v) for v in row)
    for p in range(count):
        head = (int(delta[first + p]) * x + low_part) >> split
        step = (head + (high_part ^ int(masks[first + p]))) >> rest
        total = int(weights[start + p]) + step
        kept = min(max(total, lowest), highest)
        weights[start + p] = kept
        sums[0, p % CHUNK] += step
        sums[1, p % CHUNK] += total - kept
    return 0


def _update_any_sign(
    weights: Int16, start: int, delta: Int16, masks: Int16, first: int, count: int, row: Int16, sums: Int16
) -> int:
    """Do the same for steps of any size: ``sums`` counts the steps that are not 0 and the weights clamped."""
    x, low_part, high_part, split, rest, lowest, highest = (int(v) for v in row)
    for p in range(count):
        head = (int(delta[first + p]) * x + low_part) >> split
        step = (head + (high_part ^ int(masks[first + p]))) >> rest
        total = int(weights[start + p]) + step
        kept = min(max(total, lowest), highest)
        weights[start + p] = kept
        sums[0, p % CHUNK] += step != 0
        sums[1, p % CHUNK] += total != kept
    return 0


def _splat(builder: Any, value: Any) -> Any:
    empty = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(empty, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(_I32, CHUNK), [0] * CHUNK))


def _step_and_store(builder: Any, places: list[Any], scalars: list[Any], one_sign: bool) -> tuple[Any, Any]:
    """Emit one chunk: ``places`` = pointers to weights, δ, masks; returns what to add to the two sums."""
    x, low_part, high_part, split, rest, lowest, highest = scalars
    weights, delta, masks = (builder.load(place, align=2) for place in places)
    head = builder.ashr(builder.add(builder.mul(delta, x), low_part), split)
    step = builder.ashr(builder.add(head, builder.xor(high_part, masks)), rest)
    total = builder.add(weights, step)
    upper = builder.select(builder.icmp_signed("<", total, highest), total, highest)
    kept = builder.select(builder.icmp_signed(">", upper, lowest), upper, lowest)
    builder.store(kept, places[0], align=2)
    if one_sign:
        return step, builder.sub(total, kept)
    moved = builder.icmp_signed("!=", step, ir.Constant(_VECTOR, None))
    return builder.zext(moved, _VECTOR), builder.zext(builder.icmp_signed("!=", total, kept), _VECTOR)


def _generate(one_sign: bool, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, delta, masks, row, sums = pointers
    start, first, count = numbers
    zero, chunk = ir.Constant(_I64, 0), ir.Constant(_I64, CHUNK)

    def vector_at(base: Any, offset: Any) -> Any:
        return builder.bitcast(builder.gep(base, [offset]), _VECTOR.as_pointer())

    scalars = [_splat(builder, builder.load(builder.gep(row, [ir.Constant(_I64, n)]))) for n in range(7)]
    sum_places = [vector_at(sums, zero), vector_at(sums, chunk)]
    before = [zero, *(builder.load(place, align=2) for place in sum_places)]
    entry, loop, done = builder.block, builder.append_basic_block("chunk"), builder.append_basic_block("done")
    builder.branch(loop)

    builder.position_at_end(loop)
    carried = [builder.phi(value.type) for value in before]  # position, sum of steps, sum of clamped parts
    places = [
        vector_at(base, builder.add(offset, carried[0]))
        for base, offset in ((weights, start), (delta, first), (masks, first))
    ]
    gained = (chunk, *_step_and_store(builder, places, scalars, one_sign))
    after = [builder.add(a, b) for a, b in zip(carried, gained, strict=True)]
    for phi, initial, value in zip(carried, before, after, strict=True):
        phi.add_incoming(initial, entry)
        phi.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", after[0], count), loop, done)

    builder.position_at_end(done)
    for place, value in zip(sum_places, after[1:], strict=True):
        builder.store(value, place, align=2)
    return zero


update_one_sign: Callable[..., int] = vector_op(_update_one_sign, partial(_generate, True))
update_any_sign: Callable[..., int] = vector_op(_update_any_sign, partial(_generate, False))
