"""From a data set's name to its arrays."""

from __future__ import annotations

import hashlib
import os
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


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory: unsigned bytes exactly as in the files, nothing scaled or shuffled.

    Images are (n, features) uint8 codes 0..255, labels (n,) uint8 below ``classes``; all C-contiguous and
    writable (a read-only array is another type to a compiled kernel). ``image_shape`` is (rows, columns)
    with rows*columns = features. ``digest`` is the first 16 hex digits of the SHA-256 over the bytes of
    train images, train labels, test images and test labels, in this order.
    """

    name: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    classes: int
    image_shape: tuple[int, int]
    digest: str


def load(
    name: str,
    path: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    progress: Progress | None = None,
    **synthetic_options: int,
) -> Dataset:
    """Return the data set ``name``, every byte of it verified.

    The files are taken from ``path`` alone if it is given, else from the first place of the search order
    that holds them, else they are downloaded (unless ``download`` is false). ``synthetic_options`` are
    train, test, side, classes and seed of the data set 'synthetic', which reads no ``path``.

    Raises :class:`DataError` for an unknown name or option, a set that is nowhere, a corrupt file, or a
    download that fails; a ``path`` without the data is an error, never a reason to look elsewhere.
    """
    spec = specification(name)
    if spec.generated:
        return _generated(spec, synthetic_options)
    if synthetic_options:
        raise DataError(
            f"data set '{name}' has no option {', '.join(sorted(synthetic_options))}; "
            f"these belong to the data set 'synthetic'. Remove them."
        )
    place = find(spec, path)
    if place is None:
        if path is not None or not download:
            raise not_found(spec, path)
        place = fetch(name, progress=progress)
    return _from_files(spec, place, repair_command(name, path))


def _generated(spec: DatasetSpec, values: dict[str, int]) -> Dataset:
    from neuro_emu.datasets import synthetic

    options = synthetic.options_from(values)
    arrays = synthetic.generate(options)
    return _assemble(spec.name, arrays, options.classes, (options.side, options.side))


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
    name: str, arrays: tuple[Bytes, Bytes, Bytes, Bytes], classes: int, image_shape: tuple[int, int]
) -> Dataset:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.data)
    return Dataset(name, *arrays, classes, image_shape, digest.hexdigest()[:16])
