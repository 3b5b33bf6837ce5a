"""Regression: ten shifted cosines of the mean of 256 numbers (Frenkel et al. 2021, section 4.1).

The numbers of a sample are normal with unit variance around a mean that is uniform in [−π, π]; target j is
cos(mean(x) + φ_j), φ_j = −π/2 + jπ/9, with the mean of the numbers, not the one they were drawn around.
Everything lies on a grid of 2^-20, so that the last bits of a machine's logarithm or cosine do not show.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuro_emu.datasets.grid import on_grid

Reals = npt.NDArray[np.float64]

NUMBERS, FUNCTIONS = 256, 10
_SEED, _TRAIN, _TEST = 2021, 0, 1


def generate(train: int, test: int) -> tuple[Reals, Reals, Reals, Reals]:
    """Return train numbers, train targets, test numbers and test targets, all float64 and C-contiguous.

    Numbers are (n, 256), targets (n, 10). A longer split starts with the shorter one's samples.
    """
    return *_split(_TRAIN, train), *_split(_TEST, test)


def _split(stream: int, count: int) -> tuple[Reals, Reals]:
    # Raw words, since NumPy may change how it makes normal numbers of them from one version to the next.
    words = np.random.PCG64([_SEED, stream]).random_raw(count * (NUMBERS + 1)).reshape(count, NUMBERS + 1)
    uniform: Reals = (words // np.uint64(2048) + np.uint64(1)) * np.float64(
        2.0**-53
    )  # in (0, 1]: its logarithm is finite
    means = np.pi * (2 * uniform[:, :1] - 1)
    numbers = on_grid(means + _normal(uniform[:, 1:]))
    phases = -np.pi / 2 + np.arange(FUNCTIONS) * (np.pi / 9)
    # On the grid the mean is exact, whatever the order in which a machine adds.
    return numbers, on_grid(np.cos(numbers.mean(axis=1, keepdims=True) + phases))


def _normal(uniform: Reals) -> Reals:
    """Make standard normal numbers of as many uniform ones, two of two (Box and Muller 1958)."""
    half = uniform.shape[1] // 2
    radius = np.sqrt(-2 * np.log(uniform[:, :half]))
    angle = 2 * np.pi * uniform[:, half:]
    return np.concatenate((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
