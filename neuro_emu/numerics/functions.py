"""The activation functions in float64, for the float twin; the integer path uses tables instead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def _sigmoid(z: Float) -> Float:
    small = np.exp(-np.abs(z))  # never overflows, and keeps its digits where the result is close to 0
    result: Float = np.where(z >= 0.0, 1.0, small) / (1.0 + small)
    return result


def activation(name: str, z: Float) -> Float:
    """Return f(z), element by element."""
    if name == "hard_tanh":
        return np.clip(z, -1.0, 1.0)
    if name == "relu":
        return np.maximum(z, 0.0)
    if name == "identity":
        return z.copy()
    if name == "sigmoid":
        return _sigmoid(z)
    return np.tanh(np.maximum(z, 0.0) if name == "tanh_relu" else z)


def derivative(name: str, z: Float) -> Float:
    """Return f′(z), element by element."""
    if name == "hard_tanh":
        return (np.abs(z) < 1.0).astype(np.float64)
    if name == "relu":
        return (z > 0.0).astype(np.float64)
    if name == "identity":
        return np.ones_like(z)
    if name == "sigmoid":
        y = _sigmoid(z)
        return y * (1.0 - y)
    slope: Float = 1.0 - np.tanh(z) ** 2
    return np.where(z > 0.0, slope, 0.0) if name == "tanh_relu" else slope
