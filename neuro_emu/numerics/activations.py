"""The activation functions by name, and the format of their derivatives."""

from __future__ import annotations

from neuro_emu.numerics.formats import Format

LINEAR = ("hard_tanh", "relu", "identity")
"""Activations without a ROM: comparators or wires; their derivative is one bit."""

NAMES = (*LINEAR, "tanh", "sigmoid", "tanh_relu")

SOFTMAX = "softmax"
"""Of the output layer alone: no function of one neuron, so it has no table of outputs and no derivative."""


def derivative_format(name: str) -> Format:
    """Return the format of f′: one bit for the piecewise-linear activations, else ``u8f8``."""
    return Format(False, 1, 0) if name in (*LINEAR, SOFTMAX) else Format(False, 8, 8)
