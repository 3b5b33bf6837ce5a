"""Activation and derivative tables: 256 entries, computed exactly so that every machine has the same bytes."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

from neuro_emu.numerics.activations import SOFTMAX, derivative_format
from neuro_emu.numerics.formats import Format

ENTRIES = 256

# 60 digits decide every rounding: no entry lies within 1e-50 of a tie, save exact ones such as f(0).
_DIGITS = 60


def _sigmoid(v: Fraction) -> Fraction:
    if v == 0:
        return Fraction(1, 2)
    with localcontext(Context(prec=_DIGITS)):
        return Fraction(1 / (1 + (-(Decimal(v.numerator) / v.denominator)).exp()))


def _tanh(v: Fraction) -> Fraction:
    return 2 * _sigmoid(2 * v) - 1


def _activation(name: str, v: Fraction) -> Fraction:
    if name == "hard_tanh":
        return max(Fraction(-1), min(Fraction(1), v))
    if name == "relu":
        return max(Fraction(0), v)
    if name == "identity":
        return v
    if name == "sigmoid":
        return _sigmoid(v)
    return _tanh(max(Fraction(0), v) if name == "tanh_relu" else v)


def _derivative(name: str, v: Fraction) -> Fraction:
    if name == "hard_tanh":
        return Fraction(abs(v) < 1)
    if name == "relu":
        return Fraction(v > 0)
    if name == "identity":
        return Fraction(1)
    if name == "sigmoid":
        return _sigmoid(v) * (1 - _sigmoid(v))
    if name == "tanh_relu" and v <= 0:
        return Fraction(0)
    return 1 - _tanh(v) ** 2


def _values(frac: int) -> list[Fraction]:
    """Return the pre-activation value of each address: q = 0…127, then −128…−1."""
    return [Fraction(q if q < ENTRIES // 2 else q - ENTRIES, 1 << frac) for q in range(ENTRIES)]


def exponential_table(frac: int) -> NDArray[np.int64]:
    """Codes (256,) of exp(−d · 2^-frac) in u16f16, d = 0 … 255: the numerators of softmax."""
    storage = Format(False, 16, 16)
    with localcontext(Context(prec=_DIGITS)):
        values = [Fraction((-(Decimal(d) / (1 << frac))).exp()) for d in range(ENTRIES)]
    return np.array([storage.quantise(value) for value in values], dtype=np.int64)


@cache
def _codes(name: str, frac: int, output: Format, derivative: bool) -> tuple[int, ...]:
    if name == SOFTMAX:
        return (0,) * ENTRIES
    function = _derivative if derivative else _activation
    return tuple(output.quantise(function(name, v)) for v in _values(frac))


def activation_table(name: str, frac: int, output: Format) -> NDArray[np.int64]:
    """Codes (256,) of f(q · 2^-frac) in the format *output*; entry q is stored at q mod 256."""
    return np.array(_codes(name, frac, output, False), dtype=np.int64)


def derivative_table(name: str, frac: int) -> NDArray[np.int64]:
    """Codes (256,) of f′(q · 2^-frac) in :func:`derivative_format`, at the same addresses."""
    return np.array(_codes(name, frac, derivative_format(name), True), dtype=np.int64)
