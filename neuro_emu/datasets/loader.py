"""From a data set's name to its arrays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuro_emu.datasets.catalogue import fetch, repair_command
from neuro_emu.datasets.content import read_verified
from neuro_emu.datasets.locate import Location, find, not_found
from neuro_emu.datasets.registry import DatasetSpec, specification
from neuro_emu.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from neuro_emu.datasets.sources import Progress

    Bytes = npt.NDArray[np.uint8]
    Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory: unsigned bytes exactly as in the files, nothing scaled or shuffled.

    Images are (n, features) uint8 codes 0..255, labels (n,) uint8 below ``classes``; all C-contiguous and
    writable (a read-only array is another type to a compiled kernel). ``image_shape`` is (rows, columns)
    with rows*columns = features. The images of a set of real numbers are float64, multiples of 2^-20.
    Regression has float64 targets (n, classes), ``classes`` being the functions to approximate, and labels
    that are all 0; other sets have no targets.

    ``digest`` is the first 16 hex digits of the SHA-256 over the bytes of train images, train labels, test
    images and test labels, and of train and test targets where there are any, in this order.
    """

    name: str
    train_images: Bytes | Reals
    train_labels: Bytes
    test_images: Bytes | Reals
    test_labels: Bytes
    classes: int
    image_shape: tuple[int, int]
    digest: str
    train_targets: Reals | None = None
    test_targets: Reals | None = None


def load(
    name: str,
    path: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    progress: Progress | None = None,
    **options: int,
) -> Dataset:
    """Return the data set ``name``, every byte of it verified.

    The files are taken from ``path`` alone if it is given, else from the first place of the search order
    that holds them, else they are downloaded (unless ``download`` is false). A generated set reads no
    ``path``; ``options`` are its own: train and test, the first samples that are wanted of each split, and
    for 'synthetic' also side, classes and seed.

    Raises :class:`DataError` for an unknown name or option, a set that is nowhere, a corrupt file, or a
    download that fails; a ``path`` without the data is an error, never a reason to look elsewhere.
    """
    spec = specification(name)
    if spec.generated:
        return _GENERATORS[name](spec, options)
    if options:
        raise DataError(
            f"data set '{name}' has no option {', '.join(sorted(options))}; "
            f"these belong to generated data sets such as 'synthetic'. Remove them."
        )
    place = find(spec, path)
    if place is None:
        if path is not None or not download:
            raise not_found(spec, path)
        place = fetch(name, progress=progress)
    return _from_files(spec, place, repair_command(name, path))


def _synthetic(spec: DatasetSpec, values: dict[str, int]) -> Dataset:
    from neuro_emu.datasets import synthetic

    options = synthetic.options_from(values)
    arrays = synthetic.generate(options)
    return _assemble(spec.name, arrays, options.classes, (options.side, options.side))


def _cosines(spec: DatasetSpec, values: dict[str, int]) -> Dataset:
    import numpy as np

    from neuro_emu.datasets import cosines

    train, train_targets, test, test_targets = cosines.generate(*_limits(spec, values))
    labels = [np.zeros(len(part), np.uint8) for part in (train, test)]
    arrays = (train, labels[0], test, labels[1])
    return _assemble(spec.name, arrays, spec.classes, spec.image_shape, (train_targets, test_targets))


def _hypercube(spec: DatasetSpec, values: dict[str, int]) -> Dataset:
    from neuro_emu.datasets import hypercube

    train, test = _limits(spec, values)
    numbers, labels = hypercube.generate()
    first, last = slice(0, train), slice(hypercube.TRAIN, hypercube.TRAIN + test)
    # Copies, since a view would keep the whole set in memory.
    arrays = (numbers[first].copy(), labels[first].copy(), numbers[last].copy(), labels[last].copy())
    return _assemble(spec.name, arrays, spec.classes, spec.image_shape)


_GENERATORS: dict[str, Callable[[DatasetSpec, dict[str, int]], Dataset]] = {
    "synthetic": _synthetic,
    "cosines": _cosines,
    "hypercube": _hypercube,
}


def _limits(spec: DatasetSpec, values: dict[str, int]) -> tuple[int, int]:
    """Return how many training and test samples are wanted of a generated set of fixed size."""
    sizes = {"train": spec.train, "test": spec.test}
    for key, value in values.items():
        if key not in sizes:
            raise DataError(f"unknown option '{key}' of data set '{spec.name}'. Known: {', '.join(sizes)}.")
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= sizes[key]:
            raise DataError(f"option '{key}' of data set '{spec.name}' is {value!r}; give 1 to {sizes[key]}.")
    return values.get("train", spec.train), values.get("test", spec.test)


def _from_files(spec: DatasetSpec, place: Location, repair: str) -> Dataset:
    from neuro_emu.datasets import idx

    arrays = []
    for file, dimensions in zip(spec.files, (3, 1, 3, 1), strict=True):
        path = place.files[file.name]
        array = idx.parse(read_verified(spec.name, file, path, repair), dimensions, str(path))
        arrays.append(array)
    train_images, train_labels, test_images, test_labels = arrays
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        _require_consistent(spec, images, labels)
    flat = (
        train_images.reshape(len(train_images), -1),
        train_labels,
        test_images.reshape(len(test_images), -1),
        test_labels,
    )
    return _assemble(spec.name, flat, spec.classes, spec.image_shape)


def _require_consistent(spec: DatasetSpec, images: Bytes, labels: Bytes) -> None:
    """Check what no hash says: that the registry's description fits the files it names."""
    if images.shape[1:] != spec.image_shape or len(images) != len(labels) or labels.max() >= spec.classes:
        raise DataError(
            f"data set '{spec.name}': images {images.shape}, labels {labels.shape} up to {labels.max()} do "
            f"not fit {spec.image_shape} pixels and {spec.classes} classes. Correct its registry entry."
        )


def _assemble(
    name: str,
    arrays: tuple[Bytes | Reals, Bytes, Bytes | Reals, Bytes],
    classes: int,
    image_shape: tuple[int, int],
    targets: tuple[Reals, Reals] | None = None,
) -> Dataset:
    digest = hashlib.sha256()
    for array in (*arrays, *(targets or ())):
        digest.update(array.data)
    return Dataset(name, *arrays, classes, image_shape, digest.hexdigest()[:16], *(targets or ()))
