"""Classification: clusters at the corners of a hypercube (Frenkel et al. 2021, section 4.2), made by scikit-learn.

The paper fills all but the informative features with noise, so none is redundant. What it does not name keeps
scikit-learn's default: among these ``flip_y`` = 0.01 draws the label of one sample in a hundred anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_emu.datasets.grid import on_grid
from neuro_emu.errors import DataError

SAMPLES, TRAIN = 30_000, 25_000
ARGUMENTS: dict[str, Any] = {
    "n_samples": SAMPLES,
    "n_features": 256,
    "n_informative": 128,
    "n_redundant": 0,
    "n_classes": 10,
    "n_clusters_per_class": 5,
    "class_sep": 4.5,
    "random_state": 0,
}
"""Arguments of ``make_classification``."""


def generate() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Return all numbers (30000, 256), on the grid, and labels (30000,); the first 25,000 are for training.

    Raises :class:`DataError` if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import make_classification
    except ImportError as error:
        raise DataError(
            f"data set 'hypercube' is made by scikit-learn, which cannot be imported ({error}). "
            "What to do: pip install 'neuro_emu[papers]'."
        ) from error
    numbers, labels = make_classification(**ARGUMENTS)
    return on_grid(numbers), labels.astype(np.uint8)
