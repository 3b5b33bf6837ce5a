"""Real numbers on a grid of 2^-20: coarse enough to hide the last bits of a library, fine enough for a chip."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FRACTION = 20
"""Fractional bits of a generated real number."""


def on_grid(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return *values* rounded to multiples of 2^-20, ties up; C-contiguous."""
    return np.ascontiguousarray(np.floor(values * 2.0**FRACTION + 0.5) * 2.0**-FRACTION)
