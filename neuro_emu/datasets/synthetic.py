"""A small data set computed from integers alone: the same bytes on every machine, no file, no network.

Every class has a sparse prototype, exactly a quarter of the pixels on. An image is its class's
prototype with one pixel in 16 inverted; a pixel that is on has a code of 128 to 255. Each number is a
function of (seed, stream, counter), so a longer training split starts with the shorter one's images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuro_emu.errors import DataError

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_PROTOTYPES, _TRAIN, _TEST = 0, 1, 2  # streams; a split's labels use its own, its pixels the one at +2
_PIXELS = 2
_FLIP_BITS = 4  # one pixel in 2**4 is inverted
_ROWS_AT_ONCE = 4096  # bounds the 64-bit intermediates of a large split
_RANGES = {
    "train": (1, 1 << 24),
    "test": (1, 1 << 24),
    "side": (2, 256),
    "classes": (2, 256),
    "seed": (0, _MASK),
}


@dataclass(frozen=True)
class SyntheticOptions:
    """The generator's parameters: images per split, pixels along a side, classes, and the 64-bit seed."""

    train: int = 512
    test: int = 128
    side: int = 8
    classes: int = 10
    seed: int = 1


def options_from(values: dict[str, int]) -> SyntheticOptions:
    """Return checked options; raise :class:`DataError` for an unknown name or a value out of range."""
    for key, value in values.items():
        if key not in _RANGES:
            raise DataError(f"unknown option '{key}' of data set 'synthetic'. Known: {', '.join(_RANGES)}.")
        low, high = _RANGES[key]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise DataError(f"option '{key}' of data set 'synthetic' is {value!r}; give {low} to {high}.")
    return SyntheticOptions(**values)


def generate(options: SyntheticOptions) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Return train images, train labels, test images, test labels, all uint8 and C-contiguous.

    Images are (n, side*side) codes 0..255, labels (n,) below ``classes``. Raises :class:`DataError` if the
    images are too small to give every class a prototype of its own.
    """
    prototypes = _prototypes(options)
    train = _split(options, prototypes, _TRAIN, options.train)
    test = _split(options, prototypes, _TEST, options.test)
    return *train, *test


def _splitmix64(seed: int, stream: int, first: int, count: int) -> Words:
    """Return ``count`` words of the splitmix64 sequence of (seed, stream), from counter ``first`` on."""
    # Streams start 2**40 counters apart: far more than a split ever uses.
    start = (seed + _GOLDEN * ((stream << 40) + first + 1)) & _MASK
    state = np.arange(count, dtype=np.uint64) * np.uint64(_GOLDEN) + np.uint64(start)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _prototypes(options: SyntheticOptions) -> npt.NDArray[np.bool_]:
    """Return (classes, pixels): the quarter of the pixels with the smallest words is on."""
    pixels = options.side**2
    words = _splitmix64(options.seed, _PROTOTYPES, 0, options.classes * pixels)
    order = words.reshape(options.classes, pixels).argsort(axis=1, kind="stable")
    on = np.zeros((options.classes, pixels), np.bool_)
    np.put_along_axis(on, order[:, : max(1, pixels // 4)], values=True, axis=1)
    if len(np.unique(on, axis=0)) < options.classes:
        raise DataError(
            f"data set 'synthetic': {options.classes} classes get equal prototypes on "
            f"{options.side}x{options.side} pixels; raise 'side', lower 'classes' or change 'seed'."
        )
    return on


def _labels(options: SyntheticOptions, stream: int, count: int) -> Bytes:
    """Return (count,) labels: every run of ``classes`` images holds each class once, shuffled."""
    runs = -(-count // options.classes)
    words = _splitmix64(options.seed, stream, 0, runs * options.classes)
    labels = words.reshape(runs, options.classes).argsort(axis=1, kind="stable")
    return labels.reshape(-1)[:count].astype(np.uint8)


def _split(
    options: SyntheticOptions, prototypes: npt.NDArray[np.bool_], stream: int, count: int
) -> tuple[Bytes, Bytes]:
    pixels = options.side**2
    labels = _labels(options, stream, count)
    images = np.empty((count, pixels), np.uint8)
    for first in range(0, count, _ROWS_AT_ONCE):
        rows = slice(first, min(first + _ROWS_AT_ONCE, count))
        size = (rows.stop - first) * pixels
        words = _splitmix64(options.seed, stream + _PIXELS, first * pixels, size).reshape(-1, pixels)
        inverted = (words >> np.uint64(64 - _FLIP_BITS)) == 0
        level = (words & np.uint64(0x7F)).astype(np.uint8) | np.uint8(0x80)
        images[rows] = np.where(prototypes[labels[rows]] ^ inverted, level, np.uint8(0))
    return images, labels
