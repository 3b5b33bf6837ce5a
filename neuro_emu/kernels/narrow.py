"""Fixed-width integer operations for the vectorised loops: the same sums as numerics/ops, in 16 or 32 bits.

Each is exact only under a bound that :mod:`neuro_emu.datapath.layout` proves before it selects a kernel that
uses it; without JIT the same operations check every result.
"""

from __future__ import annotations

import operator

from neuro_emu.jit import narrow_op


def _modulo16(value: int) -> int:
    return ((value + 0x8000) & 0xFFFF) - 0x8000


add16 = narrow_op("add", 16, operator.add)
mul16 = narrow_op("mul", 16, operator.mul)
shift16 = narrow_op("ashr", 16, operator.rshift)
add32 = narrow_op("add", 32, operator.add)
mul32 = narrow_op("mul", 32, operator.mul)
wrap_add16 = narrow_op("add", 16, lambda left, right: _modulo16(left + right))
