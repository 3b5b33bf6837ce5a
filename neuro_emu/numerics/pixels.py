"""Image bytes to centred input codes, per channel: section 1 of docs/numerics.md, done on the host."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.ops import requantise


@dataclass(frozen=True)
class Normalisation:
    """x = SAT( (byte − mean_c) · multiplier_c · 2^-shift ), rounded to nearest, ties up, in the format of the input.

    Attributes:
        mean: bytes of each channel, or one for all, 0 … 255: what becomes code 0.
        multiplier: of each channel, or one for all, 1 … 255.
        shift: 0 … 31.

    """

    mean: tuple[int, ...]
    multiplier: tuple[int, ...] = (1,)
    shift: int = 0

    def code(self, byte: int, channel: int, storage: Format) -> int:
        """Return the input code of one byte."""
        mean, multiplier = _of_channel(self.mean, channel), _of_channel(self.multiplier, channel)
        return requantise((byte - mean) * multiplier, self.shift, storage.low, storage.high)

    def codes(self, images: NDArray[np.uint8], channels: int, storage: Format) -> NDArray[Any]:
        """Return the input codes of *images* (samples, channels · pixels); contiguous.

        They are int8 where *storage* is that narrow, else int32.

        Raises:
            ValueError: if there is neither one value for all channels nor one for each.

        """
        for name, given in (("mean", self.mean), ("multiplier", self.multiplier)):
            if len(given) not in {1, channels}:
                raise ValueError(f"{len(given)} values of {name} for {channels} channels")
        kind = np.int8 if storage.signed and storage.bits <= 8 else np.int32
        planes = images.reshape(len(images), channels, images.shape[1] // channels)
        found = np.empty(planes.shape, dtype=kind)
        for channel in range(channels):
            table = np.array([self.code(byte, channel, storage) for byte in range(256)], dtype=kind)
            found[:, channel] = table[planes[:, channel]]
        return found.reshape(images.shape)


def _of_channel(values: tuple[int, ...], channel: int) -> int:
    return values[0] if len(values) == 1 else values[channel]


def channel_statistics(images: NDArray[np.uint8], channels: int) -> list[tuple[int, int]]:
    """Return mean and standard deviation of each channel as bytes, each to the nearest, in exact integers.

    They are what to write for `dataset.normalise`; see docs/data.md.

    Args:
        images: (samples, channels · pixels).
        channels: planes of an image.

    """
    found = []
    planes = images.reshape(len(images), channels, images.shape[1] // channels)
    for channel in range(channels):
        counts = np.bincount(planes[:, channel].ravel(), minlength=256).tolist()
        count = sum(counts)
        total = sum(byte * n for byte, n in enumerate(counts))
        squares = sum(byte * byte * n for byte, n in enumerate(counts))
        doubled = isqrt(4 * (count * squares - total * total) // (count * count))  # ⌊2 · deviation⌋
        found.append(((2 * total + count) // (2 * count), (doubled + 1) // 2))
    return found
