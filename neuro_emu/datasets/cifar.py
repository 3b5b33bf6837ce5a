"""The binary versions of CIFAR-10 and CIFAR-100, read strictly.

A file is a run of records: one label byte (CIFAR-10), or the coarse and the fine label (CIFAR-100), then 3072 bytes,
the planes red, green and blue of an image of 32 × 32 pixels, rows first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neuro_emu.errors import DataError

Bytes = npt.NDArray[np.uint8]

SIDE, CHANNELS = 32, 3
PIXELS = CHANNELS * SIDE * SIDE
"""Bytes of an image."""


def parse(content: bytes, labels: tuple[int, ...], file: str, wanted: int = 0) -> tuple[Bytes, Bytes]:
    """Return the images (n, 3072) and one kind of label (n,) of a file; C-contiguous, writable.

    Args:
        content: of the file.
        labels: number of classes of each label byte in front of an image.
        file: named in the messages.
        wanted: which label byte is returned.

    Raises:
        DataError: naming file and offset, for half a record or a label out of range.

    """
    size = len(labels) + PIXELS
    whole, rest = divmod(len(content), size)
    if rest or not whole:
        raise _defect(file, f"truncated: {rest:,} bytes where a record of {size:,} begins", whole * size)
    records = np.frombuffer(content, np.uint8).reshape(whole, size)
    for place, classes in enumerate(labels):
        if records[:, place].max() >= classes:
            row = int(np.argmax(records[:, place] >= classes))
            what = f"label {records[row, place]} of image {row}; there are {classes} classes"
            raise _defect(file, what, row * size + place)
    # Copies, because a view is read-only, not contiguous, and keeps the whole file.
    return records[:, len(labels) :].copy(), records[:, wanted].copy()


def join(images: Bytes, labels: Bytes) -> bytes:
    """Return images (n, 3072) and labels (n,) as a file of CIFAR-10."""
    return np.concatenate((labels[:, None], images), axis=1).tobytes()


def _defect(file: str, problem: str, offset: int) -> DataError:
    return DataError(f"{file} is not a CIFAR file in binary form: {problem}, at byte {offset:,}.")
