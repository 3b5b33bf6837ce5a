"""The inner loop of the weight update as explicit vector code.

Compilers leave short blocks scalar; written as LLVM vectors the loop keeps its speed down to one chunk. It is
portable LLVM: the same on any processor that Numba supports. Weights and δ are stored in 16 bits; the arithmetic has 16
or 32 bits, whichever the bounds allow (:mod:`neuro_emu.datapath.layout`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import CHUNK, Int16, Int32

_I16 = ir.IntType(16)
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


def _update(  # noqa: PLR0913, PLR0917  (a compiler keeps them in registers from row to row)
    one_sign: bool,
    weights: Int16,
    delta: Int16,
    masks: Int16 | Int32,
    sums: Int16,
    start: int,
    first: int,
    count: int,
    x: int,
    low_part: int,
    high_part: int,
    split: int,
    rest: int,
    lowest: int,
    highest: int,
) -> int:
    """Update *count* weights from *start* on, with δ and masks from *first* on; count is a multiple of CHUNK.

    With the draw r = (high_part << split) + low_part and s = split + rest each weight becomes
    clamp(W + ((δ·x + (r ^ mask)) >> s)), computed as floor((floor((δ·x + low) / 2^split) + (high ^ mask')) / 2^rest),
    the same number in fewer bits. ``sums`` (2, CHUNK) gathers, lane by lane, the steps that are not 0 and the weights
    clamped; with *one_sign*, where every step is 0 or ±1 with one sign, it gathers the steps and what the clamp took:
    the same counts, up to their sign. Returns 0.
    """
    for p in range(count):
        head = (int(delta[first + p]) * x + low_part) >> split
        step = (head + (high_part ^ int(masks[first + p]))) >> rest
        total = int(weights[start + p]) + step
        kept = min(max(total, lowest), highest)
        weights[start + p] = kept
        sums[0, p % CHUNK] += step if one_sign else step != 0
        sums[1, p % CHUNK] += total - kept if one_sign else total != kept
    return 0


class _Lanes:
    """Vector code over CHUNK lanes of *bits* bits whose weights and δ are stored in 16."""

    def __init__(self, builder: Any, bits: int) -> None:
        self.builder = builder
        self.element = ir.IntType(bits)
        self.wide = ir.VectorType(self.element, CHUNK)
        self.stored = ir.VectorType(_I16, CHUNK)
        self.resize = bits != 16

    def at(self, base: Any, offset: Any, kind: Any) -> Any:
        """Return a pointer to the chunk at *offset* elements."""
        return self.builder.bitcast(self.builder.gep(base, [offset]), kind.as_pointer())

    def load16(self, place: Any) -> Any:
        """Load stored 16-bit lanes."""
        value = self.builder.load(place, align=2)
        return self.builder.sext(value, self.wide) if self.resize else value

    def narrow(self, value: Any) -> Any:
        """Return lanes as they are stored."""
        return self.builder.trunc(value, self.stored) if self.resize else value

    def splat(self, value: Any) -> Any:
        """Put one number into every lane."""
        value = self.builder.trunc(value, self.element)
        empty = ir.Constant(self.wide, ir.Undefined)
        one = self.builder.insert_element(empty, value, ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(_I32, CHUNK), [0] * CHUNK))

    def step_and_store(self, places: list[Any], scalars: list[Any], one_sign: bool) -> tuple[Any, Any]:
        """Emit one chunk: ``places`` = pointers to weights, δ, masks; returns what to add to the two sums."""
        b = self.builder
        x, low_part, high_part, split, rest, lowest, highest = scalars
        weights, delta = self.load16(places[0]), self.load16(places[1])
        head = b.ashr(b.add(b.mul(delta, x), low_part), split)
        step = b.ashr(b.add(head, b.xor(high_part, b.load(places[2], align=2))), rest)
        total = b.add(weights, step)
        upper = b.select(b.icmp_signed("<", total, highest), total, highest)
        kept = b.select(b.icmp_signed(">", upper, lowest), upper, lowest)
        b.store(self.narrow(kept), places[0], align=2)
        if one_sign:
            return self.narrow(step), self.narrow(b.sub(total, kept))
        moved = b.icmp_signed("!=", step, ir.Constant(self.wide, None))
        return b.zext(moved, self.stored), b.zext(b.icmp_signed("!=", total, kept), self.stored)


def _generate(bits: int, one_sign: bool, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    weights, delta, masks, sums = pointers
    start, first, count, *settings = numbers
    zero, chunk = ir.Constant(_I64, 0), ir.Constant(_I64, CHUNK)
    lanes = _Lanes(builder, bits)
    scalars = [lanes.splat(number) for number in settings]
    sum_places = [lanes.at(sums, zero, lanes.stored), lanes.at(sums, chunk, lanes.stored)]
    before = [zero, *(builder.load(place, align=2) for place in sum_places)]
    entry, loop, done = builder.block, builder.append_basic_block("chunk"), builder.append_basic_block("done")
    builder.branch(loop)

    builder.position_at_end(loop)
    carried = [builder.phi(value.type) for value in before]  # position, the two sums
    places = [
        lanes.at(base, builder.add(offset, carried[0]), kind)
        for base, offset, kind in (
            (weights, start, lanes.stored),
            (delta, first, lanes.stored),
            (masks, first, lanes.wide),
        )
    ]
    gained = (chunk, *lanes.step_and_store(places, scalars, one_sign))
    after = [builder.add(a, b) for a, b in zip(carried, gained, strict=True)]
    for phi, initial, value in zip(carried, before, after, strict=True):
        phi.add_incoming(initial, entry)
        phi.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", after[0], count), loop, done)

    builder.position_at_end(done)
    for place, value in zip(sum_places, after[1:], strict=True):
        builder.store(value, place, align=2)
    return zero


def _vector_update(bits: int, one_sign: bool) -> Callable[..., int]:
    return vector_op(partial(_update, one_sign), partial(_generate, bits, one_sign))


update_one_sign16 = _vector_update(16, True)
update_any_sign16 = _vector_update(16, False)
update_one_sign32 = _vector_update(32, True)
update_any_sign32 = _vector_update(32, False)
