"""Registers and multiplexers.

Source of every coefficient: osu018, Yosys 0.70, benchmarks/calibration; NAND2-equivalents. Widths in bits.
"""

from __future__ import annotations

from neuro_emu.estimate.gates import Gates

ENABLE_BIT = 2.625
RESET_BIT = 1.333
ENABLE_AND_RESET_BIT = 3.033
MULTIPLEXER_BIT = 2.0
MULTIPLEXER_ALONE_BIT = 2.625
SHIFTER_BIT = 1.804
SHIFTER_BOTH_BIT = 3.753
FIND_BIT = 0.91
FIND_OR_BIT = 0.4168


def levels(positions: int) -> int:
    """Two-way choices that tell *positions* apart: ⌈log2⌉."""
    return max(positions - 1, 0).bit_length()


def register(bits: int, *, enable: bool = False, reset: bool = False) -> Gates:
    """Flip-flops; an enable is a multiplexer in front of each, a synchronous reset an AND."""
    if enable and reset:
        return Gates(ENABLE_AND_RESET_BIT * bits, bits)
    return Gates((ENABLE_BIT if enable else RESET_BIT if reset else 0.0) * bits, bits)


def multiplexer(bits: int, ways: int) -> Gates:
    """One of *ways* words: a tree of two-way multiplexers, one less than the ways a bit.

    A two-way multiplexer alone has an inverter behind it that trees save.
    """
    if ways == 2:
        return Gates(MULTIPLEXER_ALONE_BIT * bits)
    return Gates(MULTIPLEXER_BIT * bits * (ways - 1))


def barrel_shifter(bits: int, positions: int, *, both: bool = False) -> Gates:
    """A word moved by 0 to positions − 1 bits, to the right or either way: a row of multiplexers a level."""
    return Gates((SHIFTER_BOTH_BIT if both else SHIFTER_BIT) * bits * levels(positions))


def find_first(bits: int) -> Gates:
    """Index of the lowest bit that is set (nemu_find_first): isolate it, OR half of the bits for each index bit."""
    return Gates(FIND_BIT * bits + FIND_OR_BIT * bits * levels(bits))
