"""How far feedback matrices are from the transposes they stand for: an angle a layer, on the host, after training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.machine.chip import Chip


def feedback_angles(chip: Chip, weights: list[Any], feedback: list[Any]) -> list[float | None]:
    """Return the angle in degrees between B_k and W_{k+1}ᵀ of each hidden layer.

    Args:
        chip: the chip.
        weights: W_k (n_{k-1} + 1, n_k), codes or values.
        feedback: B_k (rows, n_k), codes or values.

    Returns:
        None for layers without a matrix of that shape: direct feedback below the last hidden layer, or no feedback
        at all; and where a matrix is all zeros.

    """
    angles: list[float | None] = []
    for k, use in enumerate(chip.plan.feedback):
        forward = np.asarray(weights[k + 1], dtype=np.float64)[:-1].T
        back = np.asarray(feedback[k], dtype=np.float64)
        angles.append(_angle(forward, back) if use.rows and back.shape == forward.shape else None)
    return angles


def _angle(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Angle between two matrices as vectors, in degrees, to 2 digits so that it prints the same everywhere."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    if lengths == 0.0:
        return None
    cosine = float(np.sum(one * other)) / lengths
    return round(float(np.degrees(np.arccos(min(1.0, max(-1.0, cosine))))), 2)
