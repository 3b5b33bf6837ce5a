"""Saturation, wrapping, alignment, requantisation and rounding; configured at run time, or fixed.

The run-time forms are the RTL's (rtl_models/ops): limits, modes and shifts are inputs. The fixed forms are those of a
chip built for one network, where they are wires and constants.
Source of every coefficient: osu018, Yosys 0.70, benchmarks/calibration; NAND2-equivalents. Widths in bits.
"""

from __future__ import annotations

from neuro_emu.estimate.components.arithmetic import incrementer
from neuro_emu.estimate.gates import Gates

SATURATE_BIT = 14.27
SATURATE_EXTRA_BIT = 2.051
WRAP_BIT = 28.36
OVERFLOW_BIT = 36.56
ALIGN_IN_BIT = 16.91
ALIGN_OUT_BIT = 2.976
ALIGN_RANGE_BIT = 8.189
REQUANTISE_IN_BIT = 13.64
REQUANTISE_MID_BIT = 7.079
REQUANTISE_OUT_BIT = 14.56
REQUANTISE_RANGE_IN_BIT = 9.008
REQUANTISE_RANGE_BIT = 1.863
ROUND_WORD = 977.3
ROUND_BIT = 9.105
ROUND_SUM_BIT = 14.39
FIXED_CLAMP_BIT = 2.034
ROUND_CARRY_BIT = 3.062
REQUANTISE_FIXED_SHARE = 0.9051

SHIFT_RANGE = 32
"""Words up to this width can be shifted out by the upper half of the RTL's signed 7-bit amount: a gate more a bit."""
WORD_BITS = 32
"""Bits of a random word."""


def saturate(bits_in: int, bits_out: int) -> Gates:
    """Clamp to two limits that are inputs (nemu_saturate): two comparators, and a choice of three.

    Bits above those of the limits are copies of a sign on one side of the comparison.
    """
    extra = max(bits_in - bits_out, 0)
    return Gates(SATURATE_BIT * max(bits_out - 2, bits_out / 2) + SATURATE_EXTRA_BIT * extra)


def wrap(bits_out: int) -> Gates:
    """Modulo the span of two limits that are inputs (nemu_wrap): two subtractors, a mask, an adder."""
    return Gates(WRAP_BIT * max(bits_out - 1, 0.5))


def overflow(bits_out: int) -> Gates:
    """Saturate or wrap by a mode that is an input (nemu_overflow): both, and a choice.

    A few bits more on the way in hardly show: the spread of synthesis is wider.
    """
    return Gates(OVERFLOW_BIT * bits_out)


def align(bits_in: int, bits_out: int) -> Gates:
    """Move by a signed amount to nearest (nemu_align): a shifter each way, an incrementer, a choice."""
    logic = ALIGN_IN_BIT * bits_in + ALIGN_OUT_BIT * bits_out
    if bits_out <= SHIFT_RANGE:
        logic += ALIGN_RANGE_BIT * bits_out
    return Gates(logic)


def requantise(bits_in: int, bits_mid: int, bits_out: int) -> Gates:
    """Align, then clamp to limits that are inputs (nemu_requantise).

    The clamp needs the lowest bits and whether the others are copies of the sign, so that it is cheaper than one of
    the aligned width.
    """
    logic = REQUANTISE_IN_BIT * bits_in + REQUANTISE_MID_BIT * bits_mid + REQUANTISE_OUT_BIT * bits_out
    if bits_mid <= SHIFT_RANGE:
        logic += REQUANTISE_RANGE_IN_BIT * bits_in + REQUANTISE_RANGE_BIT * bits_mid
    return Gates(logic)


def round_shift(bits: int) -> Gates:
    """Divide by a power of two in five roundings, shift and mode as inputs (nemu_round_shift).

    A part that the word's width sets (the top bits of a 32-bit word, the mask of the dropped bits, the choice of what
    is added), a shifter for the code, and an adder as wide as the wider of both.
    """
    return Gates(ROUND_WORD + ROUND_BIT * bits + ROUND_SUM_BIT * max(bits - WORD_BITS, 0))


def saturate_fixed(bits_in: int, bits_out: int) -> Gates:
    """Clamp to the limits of a format: bits above are compared with the sign, bits below chosen; or nothing to do."""
    if bits_in <= bits_out:
        return Gates()
    return Gates(FIXED_CLAMP_BIT * bits_in)


def round_fixed(bits: int, shift: int, *, stochastic: bool = False) -> Gates:
    """Drop *shift* bits, to nearest or by a random word of as many bits: result of bits − shift bits.

    To nearest the addend is one bit above the dropped ones: an incrementer. A random word needs an adder's carries
    below, and an incrementer above.
    """
    kept = incrementer(bits - shift)
    return kept + Gates(ROUND_CARRY_BIT * shift) if stochastic else kept


def requantise_fixed(bits_in: int, bits_out: int, shift: int) -> Gates:
    """Drop *shift* bits to nearest, then clamp to the limits of a format.

    Above the result's bits the rounding carry is not needed: there the clamp looks at copies of the sign.
    """
    kept = bits_in - shift
    clamped = saturate_fixed(kept, bits_out)
    if not shift:
        return clamped
    rounded = round_fixed(min(kept, bits_out) + shift, shift)
    return Gates(REQUANTISE_FIXED_SHARE * (rounded + clamped).logic)
