"""Tiny ImageNet in its published folder, ``tiny-imagenet-200``: JPEG files, read with Pillow.

A line of ``wnids.txt`` is a class; its place in the file is the label. Training images are
``train/<class>/images/<class>_<n>.JPEG``; the test images have no labels, so those of ``val`` stand in for them, each
with its class in ``val/val_annotations.txt``. Training images come one of each class at a time, so that the first
samples, and the last ones that `training.validation` holds out, are of all classes alike.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_emu.datasets.registry import DatasetSpec
from neuro_emu.errors import DataError

Bytes = npt.NDArray[np.uint8]
Progress = Callable[[int, int | None, str], None]
Files = list[tuple[Path, int]]
"""Images and their labels."""

_CLASS = re.compile(r"n\d{8}")
_VALIDATION = re.compile(r"(val_\d{1,7}\.JPEG)\t(n\d{8})(\t.*)?")
_MOST_BYTES = 1 << 20
"""Of a JPEG file; the published ones have a few thousand."""
_SHOWN = 500
"""Images between two reports."""


def load(spec: DatasetSpec, root: Path, progress: Progress | None = None) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Return train images, train labels, test images and test labels; images are planes of bytes, (n, 3 · R · C).

    Args:
        spec: how many images of which size there are.
        root: the published folder.
        progress: called with (bytes of pixels decoded, bytes in all, what).

    Raises:
        DataError: naming the file, or if Pillow is not installed.

    """
    image = _pillow()
    classes = _classes(root / "wnids.txt", spec.classes)
    parts: list[Bytes] = []
    for what, files in (
        ("train", _training(root / "train", list(classes), spec.train)),
        ("val", _validation(root / "val", classes, spec.test)),
    ):
        pixels = np.empty((len(files), spec.channels * spec.image_shape[0] * spec.image_shape[1]), np.uint8)
        for row, (path, _) in enumerate(files):
            pixels[row] = _decoded(image, path, spec.image_shape)
            if progress and (row + 1) % _SHOWN == 0:
                progress(pixels[: row + 1].nbytes, pixels.nbytes, f"{spec.name}: {what} images")
        parts += [pixels, np.array([label for _, label in files], np.uint8)]
    return parts[0], parts[1], parts[2], parts[3]


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            f"data set 'tiny_imagenet' consists of JPEG files, and Pillow cannot be imported ({error}). "
            "What to do: pip install 'neuro_emu[images]'."
        ) from error
    return Image


def _lines(path: Path) -> list[str]:
    """Return the lines of a small text file."""
    try:
        with path.open("rb") as stream:
            text = stream.read(2 * _MOST_BYTES).decode("ascii")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file: byte {error.start:,} is no ASCII character") from error
    return text.splitlines()


def _classes(path: Path, count: int) -> dict[str, int]:
    """Return class -> label."""
    lines = _lines(path)
    for number, line in enumerate(lines, start=1):
        if not _CLASS.fullmatch(line):
            raise DataError(f"{path}, line {number}: {line[:40]!r} is no class such as n01443537")
    if len(set(lines)) != count or len(lines) != count:
        raise DataError(f"{path} names {len(set(lines))} classes in {len(lines)} lines, expected {count}")
    return {name: label for label, name in enumerate(lines)}


def _training(folder: Path, classes: list[str], count: int) -> Files:
    each = count // len(classes)
    return [
        (folder / name / "images" / f"{name}_{number}.JPEG", label)
        for number in range(each)
        for label, name in enumerate(classes)
    ]


def _validation(folder: Path, classes: dict[str, int], count: int) -> Files:
    path = folder / "val_annotations.txt"
    found = {}
    for number, line in enumerate(_lines(path), start=1):
        match = _VALIDATION.fullmatch(line)
        if match is None or match[2] not in classes:
            raise DataError(f"{path}, line {number}: {line[:60]!r} is no image and one of the {len(classes)} classes")
        found[match[1]] = classes[match[2]]
    if len(found) != count:
        raise DataError(f"{path} names {len(found):,} images, expected {count:,}")
    names = sorted(found, key=lambda name: (len(name), name))
    return [(folder / "images" / name, found[name]) for name in names]


def _decoded(image: Any, path: Path, image_shape: tuple[int, int]) -> Bytes:
    """Return the planes (3 · R · C,) of one JPEG file; grey ones become three equal planes."""
    rows, columns = image_shape
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES:,} bytes")
        with image.open(io.BytesIO(content), formats=("JPEG",)) as picture:  # reads the header alone
            if picture.size != (columns, rows):
                raise ValueError(f"{picture.size[0]} × {picture.size[1]} pixels, expected {columns} × {rows}")
            pixels = np.asarray(picture.convert("RGB"))
    except OSError as error:  # Pillow's own errors among them
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, SyntaxError, image.DecompressionBombError) as error:
        raise DataError(f"{path} is not the JPEG image it should be ({error})") from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)).reshape(-1)
