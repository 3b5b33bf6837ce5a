"""How much arithmetic switches: glitches, and what the statistics of operands make of the energy on random ones.

Everything is a plain ratio. Energy of an operation on random operands, without delays, times :func:`glitch` times
:func:`relative_energy` (or an :func:`operand_class` where no statistics are known) is the energy of an operation on
the operands at hand.

Distances are relative: the mean Hamming distance of consecutive values over that of random values, which is half the
bits (:func:`relative_distance`); 0 is held, 1 random, 2 inverted every time.

Sources: gate-level simulation of this package's RTL (``benchmarks/calibration/toggles.py``: generic two-input gates,
operands of some sixty kinds, results in ``benchmarks/calibration/results/toggles.md``), and simulation with annotated
delays (SDF) of blocks of the same kinds mapped to sky130hd, GF180 and OSU 0.18 µm cells, in the same record. Wires,
clocks and flip-flops are outside.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

from neuro_emu.errors import RunError

GLITCH: Final[dict[str, tuple[float, float, float]]] = {
    "multiplier": (1.0, 2.0, 3.0),  # SDF 1.85, 1.89, 2.23; gates 1.8 to 2.5; SDF of 16 × 16 bits up to 3.0
    "mac": (1.0, 1.9, 2.7),  # SDF 1.87, 1.83, 2.10; gates 2.1 to 2.6, product in a register or limits fixed
    "mac_unregistered": (1.0, 3.4, 4.8),  # gates only: limits in registers, no register behind the multiplier
    "accumulator": (1.0, 2.2, 3.4),  # gates only: 1.5 to 1.6 with fixed limits, 2.2 to 3.3 with limits in registers
    "adder": (1.0, 1.3, 1.5),  # SDF 1.22, 1.41, 1.24; gates 1.20 to 1.24
    "update": (1.0, 2.5, 3.0),  # SDF 2.22, 2.54, 2.83; gates 1.8 to 2.3
    "requantise": (1.0, 1.1, 1.3),  # gates only: 1.04 to 1.11, 1.22 with unit delays
    "random_words": (1.0, 1.0, 1.3),  # LFSR 1.0; xorshift 1.28, three levels of XOR
    "register": (1.0, 1.0, 1.0),  # an output of a flip-flop changes once
}
"""Energy with delays over energy without, on random operands: glitch-free logic, nominal, the most seen. The nominal
value is the mean of the SDF-delayed simulations in three libraries; without them, that of our gates under delays."""

SWITCHING: Final[dict[str, tuple[float, float]]] = {
    "multiplier": (1.1, 1.1),
    "mac": (1.0, 0.74),
    "accumulator": (1.05, 0.5),
    "adder": (1.35, 1.35),
    "update": (1.2, 0.68),
    "requantise": (0.95, 0.71),
    "random_words": (1.4, 1.4),
}
"""Energy per NAND2 gate on random operands, without delays, relative to a MAC of 8 × 8 + 24 bits with fixed limits
(benchmarks/calibration/results/toggles.md): with formats fixed in the netlist, with limits, shifts and modes in
registers. What is not in use hardly switches, and glitches make up for some of it: with them an accumulator costs 1.6
per gate either way."""

SHARES: Final[dict[str, tuple[float, ...]]] = {
    "multiplier": (0.31, 0.69),
    "mac": (0.16, 0.84),
    "accumulator": (0.0, 1.0),
    "adder": (0.40, 0.60),
    "update": (0.53, 0.31, 0.16),
    "requantise": (0.46, 0.54),
    "random_words": (1.0, 0.0),
    "register": (1.0, 0.0),
}
"""Coefficients of :func:`relative_energy`; none is negative, those of a component add up to 1. Fitted, but for
``register``, which is linear in its one distance."""

CEILING: Final[dict[str, float]] = {
    "multiplier": 1.25,
    "mac": 1.15,
    "accumulator": 1.2,
    "adder": 1.15,
    "update": 1.55,
    "requantise": 2.0,
    "random_words": 1.05,
    "register": 2.0,
}
"""Most relative energy that any operands caused, bits inverted in every cycle among them."""

ERROR: Final[dict[str, tuple[float, float]]] = {
    "multiplier": (0.12, 0.27),
    "mac": (0.05, 0.19),
    "accumulator": (0.05, 0.18),
    "adder": (0.09, 0.18),
    "update": (0.08, 0.20),
    "requantise": (0.05, 0.23),
    "random_words": (0.01, 0.01),
    "register": (0.0, 0.0),
}
"""Error of :func:`relative_energy` over all simulated operands, in units of the energy on random ones: root mean
square, worst. The worst of the multiplier are too high: small weights times inputs that are never negative."""

OPERAND_CLASSES: Final[dict[str, tuple[float, float, float]]] = {
    "random": (1.0, 1.0, 1.0),
    "typical": (0.35, 0.8, 1.0),
    "one_held": (0.7, 0.8, 0.95),
    "zero_gated": (0.0, 0.0, 0.0),
}
"""Relative energy where no statistics are known. ``typical``: small signed weights times inputs from half of them zero
(0.4 for a multiplier, 0.5 to 0.6 for a MAC) to drifting or positive without zeros (0.7 to 1). Small signed weights
alone save next to nothing (0.88 to 1): their signs toggle all upper bits. ``one_held``: one of two operands never
changes. ``zero_gated``: skipped operations whose operands are held."""

ACCUMULATOR_TOGGLES: Final = 0.44
"""Mean Hamming distance of an accumulator that sums random products, a share of the *product's* bits: the upper bits
change only where the sum crosses zero. The reference of ``h_out`` for ``mac`` and ``accumulator``."""

ONE_OPERAND: Final = ("accumulator", "requantise", "random_words", "register")
"""Components that ignore ``h_b``."""


def glitch(component: str) -> tuple[float, float, float]:
    """Return energy with delays over energy without, low, nominal and high (:data:`GLITCH`).

    Args:
        component: name of a component, a key of :data:`GLITCH`.

    Raises:
        RunError: for an unknown component.

    """
    return GLITCH[_known(component, GLITCH)]


def switching(component: str, *, in_registers: bool = False) -> float:
    """Return the energy per gate on random operands, without glitches, over that of a MAC (:data:`SWITCHING`).

    Args:
        component: name of a component, a key of :data:`SWITCHING`.
        in_registers: whether limits, shifts and modes come from registers and not from the netlist.

    Raises:
        RunError: for an unknown component.

    """
    return SWITCHING[_known(component, SWITCHING)][int(in_registers)]


def operand_class(name: str) -> tuple[float, float, float]:
    """Return the relative energy of operands without statistics, low, nominal and high (:data:`OPERAND_CLASSES`).

    Args:
        name: "random", "typical", "one_held" or "zero_gated".

    Raises:
        RunError: for an unknown class.

    """
    return OPERAND_CLASSES[_known(name, OPERAND_CLASSES)]


def relative_distance(toggles: float, bits: float, random: float = 0.5) -> float:
    """Return a Hamming distance relative to that of random values.

    Args:
        toggles: mean number of bits that differ between consecutive values.
        bits: width in bits; for the output of a MAC or an accumulator, of the product.
        random: share of the bits that differ between random values; :data:`ACCUMULATOR_TOGGLES` for the output of a
            MAC or an accumulator.

    Raises:
        RunError: if the width or the share is not positive, or *toggles* is negative or no number.

    """
    if not (bits > 0 and random > 0):
        raise RunError(f"{bits:g} bits, {random:g} of them different: both must be above 0")
    return _distance("toggles", toggles) / (bits * random)


def relative_energy(
    component: str,
    h_a: float,
    h_b: float | None = None,
    h_out: float | None = None,
    *,
    h_word: float | None = None,
) -> float:
    """Return the energy of an operation over that on random operands, glitches included in both.

    With b = min(h_a, h_b) and the shares s of the component it is s₁ min(b, h_out) + s₂ max(b, h_out): whether both
    operands move, and how much of that arrives at the output. It grows with every distance, is 0 if nothing toggles
    and 1 at random; cycles in which everything is held count in proportion, exactly. A weight update is s₁ h_a +
    s₂ h_b + s₃ h_word.

    Args:
        component: name of a component, a key of :data:`SHARES`.
        h_a: relative distance of the first operand; accumulator: the product; update: the step before rounding;
            requantise, random_words, register: the only operand.
        h_b: that of the second operand, by default *h_a*; update: the weight. Components with one operand ignore it.
        h_out: that of the output; mac, accumulator: the sum, relative to :data:`ACCUMULATOR_TOGGLES`. By default the
            larger distance of the operands, which is far too high (0.7 at worst) where one operand is often zero.
            Update ignores it.
        h_word: update: that of the random word, 0 without stochastic rounding; by default as the larger operand.

    Returns:
        A ratio from 0 to :data:`CEILING`; how good it is says :data:`ERROR`.

    Raises:
        RunError: for an unknown component, or a distance that is negative or no number.

    """
    shares = SHARES[_known(component, SHARES)]
    first = _distance("h_a", h_a)
    second = first if h_b is None or component in ONE_OPERAND else _distance("h_b", h_b)
    larger = max(first, second)
    if component == "update":
        word = larger if h_word is None else _distance("h_word", h_word)
        energy = shares[0] * first + shares[1] * second + shares[2] * word
    else:
        both, out = min(first, second), larger if h_out is None else _distance("h_out", h_out)
        energy = shares[0] * min(both, out) + shares[1] * max(both, out)
    return min(energy, CEILING[component])


def _known(name: str, table: Collection[str]) -> str:
    if name not in table:
        raise RunError(f"{name!r} has no activity factors; known are {', '.join(table)}")
    return name


def _distance(name: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise RunError(f"{name} = {value:g}: a distance is a number from 0 on")
    return float(value)


__all__ = [
    "ACCUMULATOR_TOGGLES",
    "CEILING",
    "ERROR",
    "GLITCH",
    "ONE_OPERAND",
    "OPERAND_CLASSES",
    "SHARES",
    "SWITCHING",
    "glitch",
    "operand_class",
    "relative_distance",
    "relative_energy",
    "switching",
]
