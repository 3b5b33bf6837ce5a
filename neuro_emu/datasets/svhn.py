"""SVHN's cropped digits: MATLAB files with images ``X`` (32, 32, 3, n) and labels ``y`` (n, 1), of which 10 means 0."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuro_emu.datasets import matlab
from neuro_emu.errors import DataError

Bytes = npt.NDArray[np.uint8]

SIDE, CHANNELS = 32, 3
PIXELS = CHANNELS * SIDE * SIDE
"""Bytes of an image."""
_CLASSES = 10


def parse(content: bytes, most: int, file: str) -> tuple[Bytes, Bytes]:
    """Return the images (n, 3072), planes red, green, blue, and labels 0 to 9 (n,); C-contiguous, writable.

    Args:
        content: of a file such as ``train_32x32.mat``.
        most: images that it may have.
        file: named in the messages.

    Raises:
        DataError: naming the file, and the offset where the MATLAB file itself is damaged.

    """
    found = matlab.arrays(content, most * max(PIXELS, 8), file)
    missing = {"X", "y"} - found.keys()
    if missing:
        raise _defect(file, f"it has no array {' and '.join(sorted(missing))}")
    pixels, labels = found["X"], found["y"]
    if pixels.ndim == 3:
        pixels = pixels[..., None]  # MATLAB drops a last dimension of 1
    if pixels.dtype != np.uint8 or pixels.shape[:-1] != (SIDE, SIDE, CHANNELS):
        raise _defect(file, f"X is {pixels.dtype} {pixels.shape}, expected bytes ({SIDE}, {SIDE}, {CHANNELS}, n)")
    count = pixels.shape[-1]
    if labels.shape not in {(count, 1), (1, count)} or not 1 <= count <= most:
        raise _defect(
            file, f"{count:,} images with labels {labels.shape}; there are 1 to {most:,} images, one label each"
        )
    labels = labels.reshape(-1)
    wrong = ~np.isin(labels, np.arange(1, _CLASSES + 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise _defect(file, f"label {labels[row]} of image {row}; labels are 1 to {_CLASSES}")
    images = np.ascontiguousarray(pixels.transpose(3, 2, 0, 1)).reshape(count, PIXELS)
    return images, (labels % _CLASSES).astype(np.uint8)


def _defect(file: str, problem: str) -> DataError:
    return DataError(f"{file} is not an SVHN file of cropped digits: {problem}.")
