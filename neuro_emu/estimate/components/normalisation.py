"""Momentum, means, roots and divisions: operations of rtl_models/ops that the core does not use.

Dividers and roots are those of the RTL: combinational, one row of a subtractor and a choice for each bit of the
result. Source of every coefficient: osu018, Yosys 0.70, benchmarks/calibration; NAND2-equivalents. Widths in bits.
"""

from __future__ import annotations

from neuro_emu.estimate.components.arithmetic import adder, comparator, incrementer, multiplier, subtractor
from neuro_emu.estimate.gates import Gates

VELOCITY_SHIFT_BIT = 22.46
VELOCITY_OPERAND_BIT = 2.451
VELOCITY_FIXED = 313.6
ROOT_CELL = 9.985
DIVIDER_CELL = 7.062
RECIPROCAL_CELL = 9.29
MEAN_CELL = 13.1
MEAN_BIT = 0.0
GAP_FRACTION = 10
"""Bits below the code's unit in both factors of a square gap."""
GAP_SHARE = 0.8918
HOLD_SHARE = 0.9821


def velocity_sum(velocity: int, gradient: int, total: int) -> Gates:
    """Decayed velocity plus gradient (nemu_velocity_sum): three left shifters, a subtractor and an adder."""
    operands = velocity + gradient
    return Gates(VELOCITY_FIXED + VELOCITY_SHIFT_BIT * total + VELOCITY_OPERAND_BIT * operands)


def root(code: int) -> Gates:
    """Integer square root (nemu_root): for each bit of the root but one a row, a bit longer than the row before."""
    rows = (code + 1) // 2
    return Gates(ROOT_CELL * max(rows * (rows - 1) / 2, 0.5))


def divider(dividend: int, divisor: int) -> Gates:
    """Unsigned quotient: for each bit of it a row as long as the divisor, or as the bits so far if fewer."""
    rows = dividend
    cells = sum(min(row, divisor) for row in range(1, rows + 1))
    return Gates(DIVIDER_CELL * cells)


def reciprocal(total: int) -> Gates:
    """2^32 over a sum (nemu_reciprocal): a divider whose dividend is constant."""
    cells = sum(min(row, max(total - 1, 0.5)) for row in range(1, max(total, 32) + 1))
    return Gates(RECIPROCAL_CELL * cells)


def norm_factor(gamma: int, squares: int) -> Gates:
    """Norm over the root of a sum of squares (nemu_norm_factor): a root and a divider."""
    code = squares + 16
    return root(code) + divider(gamma + 24, (code + 1) // 2) + adder(gamma + 24)


def square_gap(exact: int, code: int) -> Gates:
    """Square of an exact weight less that of its code (nemu_square_gap): difference times sum."""
    width = max(exact - 6, code + GAP_FRACTION)
    product = multiplier(width + 1, width + 1)
    parts = product + subtractor(width - GAP_FRACTION) + adder(width - GAP_FRACTION)
    return Gates(GAP_SHARE * parts.logic)


def hold_norm(exact: int, code: int, short: int, gamma: int) -> Gates:
    """Which neighbour a normalised weight takes (nemu_hold_norm): two square gaps, their sums, signs and order."""
    gap = 2 * max(exact - 6, code + GAP_FRACTION)
    width = max(short, gap, gamma + 20) + 1
    each = square_gap(exact, code) + adder(width) + incrementer(width) + comparator(width)
    return Gates(HOLD_SHARE * 2 * each.logic)


def mean(total: int, count: int) -> Gates:
    """Mean of a window (nemu_mean): a divider of signed words, and the steps that round to nearest."""
    width = max(total, count) + 2
    cells = sum(min(row, count) for row in range(1, width + 1))
    return Gates(MEAN_CELL * cells + MEAN_BIT * width)
