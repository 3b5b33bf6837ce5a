"""Adders, comparators, multipliers, multiply-accumulate.

Source of every coefficient: osu018, Yosys 0.70, benchmarks/calibration; NAND2-equivalents, area-optimised (no timing
constraint), so carries ripple. Widths in bits.
"""

from __future__ import annotations

from neuro_emu.estimate.components.storage import register
from neuro_emu.estimate.gates import Gates

ADDER_BIT = 7.193
SUBTRACTOR_BIT = 8.055
COMPARATOR_BIT = 4.042
INCREMENTER_BIT = 3.979
CARRY_SAVE_BIT = 7.931
PARTIAL_PRODUCT_BIT = 1.848


def adder(bits: int) -> Gates:
    """Sum of two words: one full adder a bit."""
    return Gates(ADDER_BIT * bits)


def subtractor(bits: int) -> Gates:
    """Difference of two words: a full adder and an inverter a bit."""
    return Gates(SUBTRACTOR_BIT * bits)


def comparator(bits: int) -> Gates:
    """Whether one signed word is below another: the borrow chain of a subtractor, simpler at both ends."""
    return Gates(COMPARATOR_BIT * max(bits - 2, bits / 2))


def incrementer(bits: int) -> Gates:
    """A word plus 1: one half adder a bit above the lowest, which is inverted."""
    return Gates(INCREMENTER_BIT * max(bits - 1, 0.5))


def multiplier(a: int, b: int) -> Gates:
    """Product of two signed words: partial products, rows of carry-save adders, and the last adder.

    Rows follow the shorter word: all but two of its bits need a row of adders as wide as the longer one.
    """
    short, long = min(a, b), max(a, b)
    rows = max(short - 2, 0)
    return Gates(CARRY_SAVE_BIT * rows * long + PARTIAL_PRODUCT_BIT * a * b) + adder(a + b)


def mac(a: int, b: int, accumulator: int) -> Gates:
    """Multiplier, product register, saturating adder of fixed width, and accumulator with clear and enable.

    The choices of clamp, clear and enable merge: nothing is left for the clamp alone.
    """
    product = register(a + b)
    kept = register(accumulator, enable=True, reset=True)
    return multiplier(a, b) + product + adder(accumulator) + kept
