"""The inner loop of the row update as explicit vector code.

Compilers leave short row blocks scalar; written as LLVM vectors the loop keeps its speed down to one chunk. It is
portable LLVM: the same on any processor that Numba supports.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import CHUNK, Int16

_I16 = ir.IntType(16)
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_VECTOR = ir.VectorType(_I16, CHUNK)


def _update_range(
    weights: Int16, start: int, delta: Int16, masks: Int16, first: int, count: int, row: Int16
) -> int:
    """Update positions first … first + count − 1 of a row stored at *start*; count is a multiple of CHUNK.

    ``row`` = (x, low part of the draw, high part, split, rest, lowest weight, highest weight), int16. With
    r = (high << split) + low and s = split + rest each weight becomes clamp(W + ((δ·x + (r ^ mask)) >> s)),
    computed as floor((floor((δ·x + low) / 2^split) + (high ^ mask16)) / 2^rest), the same number in 16 bits.
    Returns nonzero steps + 2^32 · clamped weights.
    """
    x, low_part, high_part, split, rest, lowest, highest = (int(v) for v in row)
    moved = clamped = 0
    for p in range(count):
        head = (int(delta[first + p]) * x + low_part) >> split
        step = (head + (high_part ^ int(masks[first + p]))) >> rest
        total = int(weights[start + p]) + step
        kept = min(max(total, lowest), highest)
        weights[start + p] = kept
        moved += step != 0
        clamped += kept != total
    return moved + (clamped << 32)


def _splat(builder: Any, value: Any) -> Any:
    empty = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(empty, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(_I32, CHUNK), [0] * CHUNK))


def _population(builder: Any, mask: Any) -> Any:
    """Return the number of true lanes as a 64-bit number."""
    bits = ir.IntType(CHUNK)
    count = builder.module.declare_intrinsic("llvm.ctpop", [bits])
    return builder.zext(builder.call(count, [builder.bitcast(mask, bits)]), _I64)


def _step_and_store(builder: Any, places: list[Any], scalars: list[Any]) -> tuple[Any, Any]:
    """Emit one chunk: ``places`` = pointers to weights, δ, masks; returns (steps taken, weights clamped)."""
    x, low_part, high_part, split, rest, lowest, highest = scalars
    weights, delta, masks = (builder.load(place, align=2) for place in places)
    head = builder.ashr(builder.add(builder.mul(delta, x), low_part), split)
    step = builder.ashr(builder.add(head, builder.xor(high_part, masks)), rest)
    total = builder.add(weights, step)
    upper = builder.select(builder.icmp_signed("<", total, highest), total, highest)
    kept = builder.select(builder.icmp_signed(">", upper, lowest), upper, lowest)
    builder.store(kept, places[0], align=2)
    moved = builder.icmp_signed("!=", step, ir.Constant(_VECTOR, None))
    return _population(builder, moved), _population(builder, builder.icmp_signed("!=", kept, total))


def _generate(builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, delta, masks, row = pointers
    start, first, count = numbers
    zero, chunk = ir.Constant(_I64, 0), ir.Constant(_I64, CHUNK)
    scalars = [_splat(builder, builder.load(builder.gep(row, [ir.Constant(_I64, n)]))) for n in range(7)]
    entry, loop, done = builder.block, builder.append_basic_block("chunk"), builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", count, zero), loop, done)

    builder.position_at_end(loop)
    carried = [builder.phi(_I64) for _ in range(3)]  # position, steps taken, weights clamped
    bases = ((weights, start), (delta, first), (masks, first))
    places = [
        builder.bitcast(builder.gep(base, [builder.add(offset, carried[0])]), _VECTOR.as_pointer())
        for base, offset in bases
    ]
    moved, clamped = _step_and_store(builder, places, scalars)
    following = [builder.add(a, b) for a, b in zip(carried, (chunk, moved, clamped), strict=True)]
    for phi, value in zip(carried, following, strict=True):
        phi.add_incoming(zero, entry)
        phi.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", following[0], count), loop, done)

    builder.position_at_end(done)
    results = []
    for value in following[1:]:
        result = builder.phi(_I64)
        result.add_incoming(zero, entry)
        result.add_incoming(value, loop)
        results.append(result)
    return builder.add(results[0], builder.shl(results[1], ir.Constant(_I64, 32)))


update_range = vector_op(_update_range, _generate)
