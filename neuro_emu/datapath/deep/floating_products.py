"""Convolutions of the float twin as matrix products over patches, some samples at a time."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.batches import Rooms
from neuro_emu.datapath.deep.products import Products
from neuro_emu.kernels.deep import products as kn
from neuro_emu.kernels.vector import convolution as cv
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.shapes import Window

Float = NDArray[Any]
"""float64, or float32 throughout."""

_CHUNK_BYTES = 1 << 20
"""Patches that are made at once."""


class FloatProducts:
    """Products of maps and matrices; what they return is an array of its own."""

    def __init__(self) -> None:
        self._rooms = Rooms()

    def patches(self, x: Float, window: Window | None) -> Iterator[tuple[slice, Float]]:
        """Patches (samples · positions, depth) of a batch x (n, H, W, C), with the samples; lost at the next ones."""
        n = len(x)
        if window is None:
            yield slice(0, n), x.reshape(n, prod(x.shape[1:]))
            return
        shape = window.height, window.width, window.channels * x.itemsize
        seen = cv.window(shape, (window.kernel_height, window.kernel_width), window.stride, window.padding)
        size, positions = seen.rows * seen.columns * seen.step, window.positions
        at_once = max(1, _CHUNK_BYTES // size)
        maps = np.ascontiguousarray(x).reshape(n, prod(x.shape[1:])).view(np.uint8)
        padded = self._rooms.take("padded", (seen.padded_size(),), np.uint8)
        for first in range(0, n, at_once):
            samples = slice(first, min(n, first + at_once))
            count = samples.stop - first
            flat = self._rooms.take("patches", (count * size + cv.SLACK,), np.uint8)
            kn.gather_samples(maps[samples], seen, 0, padded, flat)
            rows = flat[: count * size].view(x.dtype).reshape(count * positions, -1)
            yield samples, rows[:, : window.depth]

    def product(self, x: Float, window: Window | None, matrix: Float) -> Float:
        """Sums (n · positions, units) of patches and a matrix (depth, units)."""
        positions = window.positions if window else 1
        z = np.empty((len(x) * positions, matrix.shape[1]), dtype=x.dtype)
        for samples, rows in self.patches(x, window):
            np.matmul(rows, matrix, out=z[samples.start * positions : samples.stop * positions])
        return z

    def back(self, d: Float, node: Weighted, matrix: Float) -> Float:
        """Errors d (n, rows, columns, units) times the transpose of a matrix (depth, units): (n, seen)."""
        window, n = node.window, len(d)
        if window is None:
            p: Float = d.reshape(n, node.units) @ matrix.T
            return p.reshape(n, *node.seen)
        spread, seen = Products.dilated(d, window)
        kernel = window.kernel_height, window.kernel_width, window.channels, matrix.shape[1]
        turned = matrix.reshape(kernel)[::-1, ::-1].transpose(0, 1, 3, 2).reshape(-1, window.channels)
        return self.product(spread, seen, turned).reshape(n, *node.seen)

    def gradient(self, h: Float, d: Float, node: Weighted) -> Float:
        """Sum of patch · error (depth, units) over samples and positions."""
        flat, positions = d.reshape(-1, node.units), node.positions
        total = np.zeros((node.depth, node.units), dtype=d.dtype)
        for samples, rows in self.patches(h, node.window):
            total += rows.T @ flat[samples.start * positions : samples.stop * positions]
        return total
