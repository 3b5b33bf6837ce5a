"""What follows a product: the accumulator's sum, and the weight update.

Source of every coefficient: osu018, Yosys 0.70, benchmarks/calibration; NAND2-equivalents. Widths in bits.
"""

from __future__ import annotations

from neuro_emu.estimate.components.arithmetic import adder
from neuro_emu.estimate.components.rounding import round_fixed, round_shift, saturate_fixed
from neuro_emu.estimate.gates import Gates

ACCUMULATE_BIT = 42.9
ADD_STEP_BIT = 42.37
ADD_STEP_EXTRA_BIT = 10.52


def accumulate(accumulator: int, product: int) -> Gates:
    """Sum of accumulator and product, clamped or wrapped to limits that are inputs (nemu_accumulate)."""
    extra = max(product - accumulator, 0)
    return Gates(ACCUMULATE_BIT * accumulator) + Gates(ADD_STEP_EXTRA_BIT * extra)


def add_step(weight: int, step: int) -> Gates:
    """Weight plus rounded step, clamped or wrapped to limits that are inputs (nemu_add_step)."""
    return Gates(ADD_STEP_BIT * weight + ADD_STEP_EXTRA_BIT * max(step - weight, 0))


def weight_update(weight: int, step: int) -> Gates:
    """Round the step in one of five ways, then add it (nemu_round_shift and nemu_add_step)."""
    return round_shift(step) + add_step(weight, step)


def weight_update_fixed(weight: int, step: int, shift: int) -> Gates:
    """Stochastic rounding by a fixed shift, an adder, and the clamp of one format."""
    rounded = max(step - shift, 1)
    width = max(weight, rounded) + 1
    return round_fixed(step, shift, stochastic=True) + adder(width) + saturate_fixed(width, weight)
