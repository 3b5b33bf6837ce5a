"""Counts of how often each input was active: flags of whole samples are added up, 64 inputs at a time."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from neuro_emu.jit import routine, vector_op
from neuro_emu.kernels.fabric import Int64, UInt8
from neuro_emu.kernels.vector.code import Code
from neuro_emu.kernels.vector.emit import I64, constant

GROUP = 64
"""Flags that are added at once."""
_MOST = 255  # samples until a count of 8 bits is full
_BYTES = ir.VectorType(ir.IntType(8), GROUP)


def _add_flags(flags: UInt8, order: Int64, counts: Int64, start: int, stop: int, row: int, group: int) -> int:
    """``counts[64 g + b]`` += flag b of group g of the samples ``order[start:stop]``, 255 of them at most.

    Args:
        flags: (samples · row,) bit b of byte i of a row is the flag of input 8 i + b.
        order: numbers of samples.
        counts: (64 · groups,) added to.
        start: first place in the order.
        stop: end.
        row: bytes of a row, a multiple of 8.
        group: g.

    """
    for t in range(start, stop):
        for b in range(GROUP):
            byte = int(flags[int(order[t]) * row + group * 8 + b // 8])
            counts[group * GROUP + b] += byte // (1 << b % 8) % 2
    return 0


def _generate(builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    flags, order, counts = pointers
    start, stop, row, group = numbers
    code, b, zero = Code(builder), builder, ir.Constant(I64, 0)
    ours = b.mul(group, ir.Constant(I64, 8))
    with code.loop(start, stop, 1, [constant(_BYTES, 0)]) as turn:
        place = b.add(b.mul(code.load(order, turn.index, I64), row), ours)
        active = b.bitcast(code.load(flags, place, I64), ir.VectorType(ir.IntType(1), GROUP))
        turn.next = [b.sub(turn.values[0], b.sext(active, _BYTES))]
    wide = ir.VectorType(I64, GROUP)
    at = b.mul(group, ir.Constant(I64, GROUP))
    code.store(b.add(code.load(counts, at, wide), b.zext(turn.values[0], wide)), counts, at)
    return zero


add_flags = vector_op(_add_flags, _generate)


@routine
def count_active(flags: UInt8, row: int, order: Int64, start: int, stop: int, counts: Int64) -> None:
    """Add to *counts* (64 · groups,) how often each input is active in ``order[start:stop]``; see `add_flags`."""
    for first in range(start, stop, _MOST):
        last = min(first + _MOST, stop)
        for group in range(counts.shape[0] // GROUP):
            add_flags(flags, order, counts, first, last, row, group)
