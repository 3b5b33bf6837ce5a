"""Random crops and mirror images of training samples: section 7 of docs/numerics.md, done on the host.

Counter-based: what becomes of a sample hangs on the seed, the epoch and its number alone, neither on the order of
presentation nor on blocks or threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.numerics.words import Int, uniform_codes, uniform_words

TAG_AUGMENT = 67
"""Of the words that move images; those of the chip are far below, 65 and 66 belong to studies."""
_DOWN, _ACROSS, _MIRROR = range(3)
_AT_ONCE = 256
"""Samples whose padded images are in the cache together."""


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied from epoch to epoch.

    Attributes:
        shape: channels, rows and columns of an image.
        crop: most pixels that an image is moved along each axis; code 0 comes in from outside.
        flip: whether half of the images are mirrored, left to right.
        seed: of the words.

    """

    shape: tuple[int, int, int]
    crop: int
    flip: bool
    seed: int

    def moves(self, epoch: int, samples: Int) -> tuple[Int, Int, NDArray[np.bool_]]:
        """Return by how many rows and columns samples (n,) are moved in an epoch, and which are mirrored, (n,) each.

        A window moved by (1, 2) shows the image one row higher and two columns further left.
        """

        def words(axis: int) -> NDArray[np.uint64]:
            return uniform_words(self.seed, TAG_AUGMENT, epoch, samples, axis)

        down, across = (uniform_codes(words(axis), self.crop) for axis in (_DOWN, _ACROSS))
        mirrored = words(_MIRROR) >= np.uint64(1 << 31) if self.flip else np.zeros(len(samples), dtype=np.bool_)
        return down, across, mirrored

    def present(self, codes: NDArray[Any], epoch: int, samples: Int) -> NDArray[Any]:
        """Return what *samples* (n,) of *codes* look like in an epoch: a new array.

        Args:
            codes: (all, inputs), plane after plane, or maps (all, rows, columns, channels).
            epoch: counted from 0.
            samples: places in *codes*.

        Returns:
            The samples as *codes* has them: (n, inputs), or (n, rows, columns, channels).

        """
        channels, rows, columns = self.shape
        maps = codes.ndim == 4
        down, across, mirrored = self.moves(epoch, samples)
        found = np.empty((len(samples), *self.shape), dtype=codes.dtype)
        edge = self.crop
        padded = np.zeros((_AT_ONCE, channels, rows + 2 * edge, columns + 2 * edge), dtype=codes.dtype)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(2, 3))
        for first in range(0, len(samples), _AT_ONCE):
            block = slice(first, min(first + _AT_ONCE, len(samples)))
            count = block.stop - first
            images = codes[samples[block]]
            images = images.transpose(0, 3, 1, 2) if maps else images.reshape(count, *self.shape)
            images[mirrored[block]] = images[mirrored[block], :, :, ::-1]
            padded[:count, :, edge : edge + rows, edge : edge + columns] = images
            # The mirror image of a window is the opposite window of the mirror image.
            aside = np.where(mirrored[block], -across[block], across[block])
            found[block] = windows[np.arange(count), :, edge + down[block], edge + aside]
        if maps:
            return np.ascontiguousarray(found.transpose(0, 2, 3, 1))
        return found.reshape(len(samples), channels * rows * columns)
