"""From a data set's name to its arrays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuro_emu.datasets.catalogue import fetch, repair_command
from neuro_emu.datasets.locate import Location, find, in_cache, not_found
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
    writable (a read-only array is another type to a compiled kernel). ``image_shape`` is (rows, columns);
    an image of several ``channels`` is one plane of rows after the other, so channels*rows*columns = features.
    The images of a set of real numbers are float64, multiples of 2^-20.
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
    channels: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image: (1, 28, 28) of MNIST, (3, 32, 32) of CIFAR-10."""
        return self.channels, *self.image_shape


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

    A corrupt file in the cache is downloaded again where that is allowed; anywhere else it is an error.

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
        if path is not None or not download or spec.obtain:
            raise not_found(spec, path)
        place = fetch(name, progress=progress)
    ours = download and not spec.obtain and in_cache(place)
    return _from_files(spec, place, ours, repair_command(name, path), progress)


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


def _from_files(spec: DatasetSpec, place: Location, ours: bool, repair: str, progress: Progress | None) -> Dataset:
    """Read files; if they are *ours*, put there by a download, corrupt ones are downloaded again."""
    from neuro_emu.datasets.readers import read

    try:
        arrays = read(spec, place, repair, progress)
    except DataError:
        if not ours:
            raise
        arrays = read(spec, fetch(spec.name, progress=progress), repair, progress)
    return _assemble(spec.name, arrays, spec.classes, spec.image_shape, channels=spec.channels)


def _assemble(
    name: str,
    arrays: tuple[Bytes | Reals, Bytes, Bytes | Reals, Bytes],
    classes: int,
    image_shape: tuple[int, int],
    targets: tuple[Reals, Reals] | None = None,
    channels: int = 1,
) -> Dataset:
    digest = hashlib.sha256()
    for array in (*arrays, *(targets or ())):
        digest.update(array.data)
    aims = targets or (None, None)
    return Dataset(name, *arrays, classes, image_shape, digest.hexdigest()[:16], aims[0], aims[1], channels)
