"""Images averaged down to fewer pixels, in exact integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuro_emu.errors import DataError

Bytes = npt.NDArray[np.uint8]

_IMAGES_AT_ONCE = 4096  # bounds the 64-bit intermediates of a large set


def resize(images: Bytes, image_shape: tuple[int, int], side: int) -> Bytes:
    """Return (n, side·side) bytes: each the mean of the area of the source image that it covers, ties up.

    Output pixel (r, c) covers the source rectangle [r·R/side, (r+1)·R/side) × [c·C/side, (c+1)·C/side).

    Args:
        images: (n, R·C) bytes.
        image_shape: (R, C).
        side: pixels a side, at most min(R, C).

    Raises:
        DataError: if *side* is no such number.

    """
    rows, columns = image_shape
    if not 1 <= side <= min(rows, columns):
        raise DataError(f"images of {rows} × {columns} pixels cannot be averaged to {side} × {side}")
    if side == rows == columns:
        return np.ascontiguousarray(images)
    down, across = _overlaps(rows, side), _overlaps(columns, side).T
    total = rows * columns  # what the weights of an output pixel sum to
    resized = np.empty((len(images), side * side), np.uint8)
    for first in range(0, len(images), _IMAGES_AT_ONCE):
        block = images[first : first + _IMAGES_AT_ONCE].reshape(-1, rows, columns).astype(np.int64)
        sums = down @ block @ across
        # ⌊sum / total + 1/2⌋ with both sides doubled, since total may be odd.
        resized[first : first + len(block)] = ((2 * sums + total) // (2 * total)).reshape(len(block), -1)
    return resized


def _overlaps(pixels: int, side: int) -> npt.NDArray[np.int64]:
    """Return (side, pixels): how much of source pixel i lies in output pixel r, in units of 1/side pixel."""
    output, source = np.arange(side)[:, None] * pixels, np.arange(pixels)[None, :] * side
    shared = np.minimum(output + pixels, source + side) - np.maximum(output, source)
    overlaps: npt.NDArray[np.int64] = np.maximum(shared, 0).astype(np.int64)
    return overlaps
