"""Activation units, limits of formats, signs of errors.

Source of every coefficient: osu018, Yosys 0.70, benchmarks/calibration; NAND2-equivalents. Widths in bits. Tables are
memories and counted elsewhere.
"""

from __future__ import annotations

from neuro_emu.estimate.components.arithmetic import multiplier
from neuro_emu.estimate.components.rounding import requantise
from neuro_emu.estimate.components.storage import levels, register
from neuro_emu.estimate.gates import Gates

PREACTIVATION_BITS = 8
"""Bits of a pre-activation, the address of a table."""
LINEAR_BEND = 178.5
LINEAR_SLOPE = 47.5
LIMITS_BIT = 2.301
LIMITS_LEVEL = 11.58
TERNARY_BIT = 10.84
UNIT_SHARE = 0.8627
"""Part of the components' gates that is left once they are one unit."""


def limits(bits: int) -> Gates:
    """Smallest and largest code of a format whose width is an input (nemu_limits): a mask, decoded."""
    return Gates(LIMITS_LEVEL * levels(bits) + LIMITS_BIT * bits)


def ternary_sign(bits: int) -> Gates:
    """Sign of an error with a dead zone (nemu_ternary_sign): two comparators and a negation."""
    return Gates(TERNARY_BIT * max(bits - 1, 0.5))


def linear_slope() -> Gates:
    """Derivative of an activation without a table (nemu_linear_slope): two comparators of 8 bits."""
    return Gates(LINEAR_SLOPE)


def linear_activation(code: int, aligned: int) -> Gates:
    """hard_tanh, relu or identity (nemu_linear_activation): a clamp of 8 bits, then requantised."""
    return Gates(LINEAR_BEND) + requantise(PREACTIVATION_BITS, aligned, code)


def activation_unit(accumulator: int, aligned: int, code: int, delta: int, signal: int) -> Gates:
    """Accumulator to pre-activation to code, and the derivative's product (nemu_activation_unit without tables)."""
    parts = activation_parts(accumulator, aligned, code) + derivative_parts(aligned, delta, signal)
    return Gates(UNIT_SHARE * parts.logic, parts.flops)


def activation_unit_forward(accumulator: int, aligned: int, code: int) -> Gates:
    """An activation unit of a chip that does not learn: no derivative, no product. A model, not compared."""
    parts = activation_parts(accumulator, aligned, code)
    return Gates(UNIT_SHARE * parts.logic, parts.flops)


def activation_parts(accumulator: int, aligned: int, code: int) -> Gates:
    """The forward half of an activation unit: two requantisers and the clamp between them."""
    forward = requantise(accumulator, aligned, PREACTIVATION_BITS) + register(PREACTIVATION_BITS, enable=True)
    return forward + linear_activation(code, aligned)


def derivative_parts(aligned: int, delta: int, signal: int) -> Gates:
    """The backward half: a signal times an 8-bit derivative, requantised."""
    product = signal + PREACTIVATION_BITS + 1
    return multiplier(signal, PREACTIVATION_BITS + 1) + requantise(product, aligned, delta)
