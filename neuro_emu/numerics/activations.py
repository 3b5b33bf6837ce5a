"""The activation functions by name, and the format of their derivatives."""

from __future__ import annotations

from neuro_emu.numerics.formats import Format

LINEAR = ("hard_tanh", "relu", "identity")
"""Activations without a ROM: comparators or wires; their derivative is one bit."""

NAMES = (*LINEAR, "tanh", "sigmoid", "tanh_relu")


def derivative_format(name: str) -> Format:
    """Return the format of f′: one bit for the piecewise-linear activations, else ``u8f8``."""
    return Format(False, 1, 0) if name in LINEAR else Format(False, 8, 8)
