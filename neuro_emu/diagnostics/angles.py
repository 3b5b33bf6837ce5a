"""Angles between matrices, and numbers as records keep them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def angle(a: Any, b: Any) -> float | None:
    """Return the angle between two arrays of one shape, taken as vectors, in degrees: 0 … 180.

    cos⁻¹(⟨a, b⟩_F / (‖a‖_F ‖b‖_F)) (Panjehpour 2022, equation 17), in the form of Kahan's
    2 · atan2(‖u − v‖, ‖u + v‖) with u, v the arrays at length 1, which needs no clipping: the arc cosine loses half of
    all digits near 0 and 180, so that an array would be 10⁻⁶ degrees from itself.

    Returns:
        None if one of them is all zeros, or empty.

    """
    one, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if one.shape != other.shape:
        raise ValueError(f"no angle between arrays of shapes {one.shape} and {other.shape}")
    found = row_angles(one.reshape(1, -1), other.reshape(1, -1))
    return float(found[0]) if len(found) else None


def mean_angle(a: Float, b: Float) -> float | None:
    """Return the mean over samples of the angle between the rows of two arrays (samples, entries), in degrees.

    The angle between modulatory signals of Frenkel, Lefebvre and Bol 2021, figures 2 and 3.

    Returns:
        None without a sample for which neither row is all zeros; the other samples are left out.

    """
    found = row_angles(a, b)
    return float(found.mean()) if len(found) else None


def row_angles(a: Float, b: Float) -> Float:
    """Return the angles in degrees between rows of (samples, entries), those pairs left out that have a zero row."""
    lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    kept = np.logical_and(lengths[0] > 0.0, lengths[1] > 0.0)
    u, v = (matrix[kept] / norm[kept, None] for matrix, norm in zip((a, b), lengths, strict=True))
    degrees: Float = np.degrees(2.0 * np.arctan2(np.linalg.norm(u - v, axis=1), np.linalg.norm(u + v, axis=1)))
    return degrees


def rounded(value: float | None, *, significant: bool = False) -> float | None:
    """Return *value* with 6 decimals, or 6 significant digits where it may be tiny; None stays."""
    if value is None or not np.isfinite(value):
        return None
    return float(f"{value:.6g}") if significant else round(float(value), 6)


def ratio(part: float, whole: float) -> float | None:
    """Return part / whole; None if there is no whole."""
    return float(part) / float(whole) if whole else None
