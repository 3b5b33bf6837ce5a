"""From the files of a data set to its arrays, by the format that the registry names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from neuro_emu.datasets import cifar, idx, svhn, tiny_imagenet
from neuro_emu.datasets.content import read_verified
from neuro_emu.datasets.locate import Location
from neuro_emu.datasets.registry import DatasetSpec, FileSpec
from neuro_emu.errors import DataError

if TYPE_CHECKING:
    from neuro_emu.datasets.sources import Progress

Bytes = npt.NDArray[np.uint8]
Arrays = tuple[Bytes, Bytes, Bytes, Bytes]
Part = tuple[Bytes, Bytes]

_COARSE, _FINE = 20, 100
"""Classes of the two labels of CIFAR-100."""


def read(spec: DatasetSpec, place: Location, repair: str, progress: Progress | None = None) -> Arrays:
    """Return train images, train labels, test images and test labels; images are (n, channels · R · C) bytes.

    Args:
        spec: the set.
        place: where its files are.
        repair: the command that downloads them again; '' if there is none.
        progress: for sets that take a while: called with (bytes done, bytes in all, what).

    Raises:
        DataError: for a file that is corrupt, or not what the registry says.

    """

    def content(file: FileSpec) -> tuple[bytes, str]:
        path = place.files[file.name]
        return read_verified(spec.name, file, path, repair), str(path)

    if spec.reader == "idx":
        arrays = _idx(spec, content)
    elif spec.reader == "tiny_imagenet":
        for file in spec.files:
            content(file)
        assert place.directory is not None
        arrays = tiny_imagenet.load(spec, place.directory, progress)
    elif spec.reader == "svhn":
        arrays = _svhn(spec, content)
    else:
        arrays = _cifar(spec, content)
    _require_consistent(spec, arrays)
    return arrays


Content = Callable[[FileSpec], tuple[bytes, str]]
"""Returns the verified content of a file, and its path for messages."""


def _idx(spec: DatasetSpec, content: Content) -> Arrays:
    arrays = []
    for file, dimensions in zip(spec.files, (3, 1, 3, 1), strict=True):
        raw, path = content(file)
        arrays.append(idx.parse(raw, dimensions, path))
    train, train_labels, test, test_labels = arrays
    for images in (train, test):
        if images.shape[1:] != spec.image_shape:
            raise _inconsistent(spec, f"images {images.shape}")
    return train.reshape(len(train), -1), train_labels, test.reshape(len(test), -1), test_labels


def _svhn(spec: DatasetSpec, content: Content) -> Arrays:
    parts = []
    for file, most in zip(spec.files, (spec.train, spec.test), strict=True):
        raw, path = content(file)
        parts.append(svhn.parse(raw, most, path))
    return *parts[0], *parts[1]


def _cifar(spec: DatasetSpec, content: Content) -> Arrays:
    labels = (spec.classes,) if spec.reader == "cifar10" else (_COARSE, _FINE)
    wanted = 1 if spec.reader == "cifar100" else 0

    def part(file: FileSpec) -> Part:
        raw, path = content(file)
        return cifar.parse(raw, labels, path, wanted)

    batches = [part(file) for file in spec.files]
    *training, test = batches
    images = np.concatenate([images for images, _ in training])
    return images, np.concatenate([labels for _, labels in training]), *test


def _require_consistent(spec: DatasetSpec, arrays: Arrays) -> None:
    """Check what no hash says: that the registry's description fits the files it names."""
    pixels = spec.channels * spec.image_shape[0] * spec.image_shape[1]
    for images, labels, count in ((*arrays[:2], spec.train), (*arrays[2:], spec.test)):
        wrong = images.shape != (count, pixels) or len(labels) != count
        if wrong or labels.max(initial=0) >= spec.classes:
            raise _inconsistent(spec, f"images {images.shape}, labels {labels.shape} up to {labels.max(initial=0)}")


def _inconsistent(spec: DatasetSpec, found: str) -> DataError:
    return DataError(
        f"data set '{spec.name}': {found} do not fit {spec.train:,} and {spec.test:,} images of {spec.shape} pixels "
        f"and {spec.classes} classes. Correct its registry entry."
    )
