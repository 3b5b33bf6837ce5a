"""Random words: generators, and what makes draws, drops and noise of their words.

Source of every coefficient: osu018, Yosys 0.70, benchmarks/calibration; NAND2-equivalents. Widths in bits.
"""

from __future__ import annotations

from neuro_emu.estimate.components.storage import register
from neuro_emu.estimate.gates import Gates

XOR_GATE = 2.33
"""A two-input XOR: 56 / 24 um2 in osu018."""
LFSR_TAPS = 3
"""Feedback bits that need an XOR in a Galois register of four taps; the first enters at the top."""
XORSHIFT_MOVES = 35 / 32
"""Bits that the three shifts (13, 17, 5 of 32) leave without an XOR, by width."""
DRAW_BIT = 9.916
DROPPED_BIT = 2.862
NOISE_BIT = 5.182
RANDOM_SHARED = 443.7
RANDOM_LANE = 509.2
RANDOM_LAYER = 179.6
WORD_BITS = 32


def lfsr_step(bits: int = WORD_BITS) -> Gates:
    """Next state of a Galois register (nemu_lfsr): three XORs, whatever its length."""
    return Gates(XOR_GATE * min(LFSR_TAPS, bits))


def xorshift_step(bits: int = WORD_BITS) -> Gates:
    """Next state of a xorshift register (nemu_xorshift): three rows of XORs less the bits shifted out."""
    return Gates(XOR_GATE * (3 - XORSHIFT_MOVES) * bits)


def lfsr(bits: int = WORD_BITS) -> Gates:
    """A Galois register that advances on demand."""
    return lfsr_step(bits) + register(bits, enable=True)


def xorshift(bits: int = WORD_BITS) -> Gates:
    """A xorshift register that advances on demand."""
    return xorshift_step(bits) + register(bits, enable=True)


def draw() -> Gates:
    """Top bits of a word, as many as an input says (nemu_draw): a shifter of 32 bits."""
    return Gates(DRAW_BIT * WORD_BITS)


def dropped(bits: int = 8) -> Gates:
    """Whether the top bits of a word are below a threshold (nemu_dropped): a comparator."""
    return Gates(DROPPED_BIT * bits)


def noise_code(bits: int) -> Gates:
    """An amplitude or its negative (nemu_noise_code): an incrementer and a choice."""
    return Gates(NOISE_BIT * max(bits - 2, bits / 2))


def random_words(lanes: int, layers: int) -> Gates:
    """Words of all lanes from a register a layer or a register a lane (nemu_random).

    Shared: the register at work, the one that later groups restart from, and both generators. Each lane: its register
    and both generators, its neuron's number, the mirrored mix and the choice between both kinds. Each layer: a
    register, its enable and its place in the read multiplexer.
    """
    flops = WORD_BITS * (lanes + layers + 2)
    return Gates(RANDOM_SHARED + RANDOM_LANE * lanes + RANDOM_LAYER * layers, flops)
