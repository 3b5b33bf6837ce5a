"""Exact products of a batch: how codes and matrices are packed, and the proof that 32 bits hold the sums.

Products of codes and weights (or errors) of at most 8 bits run on bytes, all others on 16-bit numbers. A sum that 32
bits might not hold is taken again in slices that they do hold, which are added in 64 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.batches import Rooms
from neuro_emu.kernels.deep import products as kn
from neuro_emu.kernels.vector import convolution as cv
from neuro_emu.kernels.vector.gemm import BLOCK, GROUP_BYTES, packed_shape, padded_columns
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.shapes import Window, window_on
from neuro_emu.numerics.formats import Format

Array = NDArray[Any]

MOST = (1 << 31) - 1
"""Largest sum that 32 bits hold."""
_CHUNK_BYTES = 1 << 19
"""Patches that are made at once."""
_BYTE = 8


class Packed(NamedTuple):
    """A matrix as products read it.

    Attributes:
        block: packed codes.
        start: first row of every product (padded units,).
        offset: added to the codes that it is multiplied with.
        itemsize: bytes of a code.

    """

    block: Array
    start: Array
    offset: int
    itemsize: int


class Patches(NamedTuple):
    """Patches of some samples of a batch.

    Attributes:
        samples: which.
        left: (rows, at least depth) codes with *offset* added, rows being positions, sample after sample.
        offset: added to the codes.

    """

    samples: slice
    left: Array
    offset: int


def is_narrow(codes: Format) -> bool:
    """Whether bytes hold the codes."""
    return codes.bits <= _BYTE


def left_type(itemsize: int) -> Any:
    """Type of the left operand: unsigned bytes, or 16 bits."""
    return np.uint8 if itemsize == 1 else np.int16


def right_type(itemsize: int) -> Any:
    """Type of the right operand."""
    return np.int8 if itemsize == 1 else np.int16


def largest(codes: Array) -> int:
    """Largest magnitude of codes."""
    return int(kn.largest_magnitude(codes.reshape(-1)))


class Products:
    """Products of one chip; all arrays that it returns are lost at its next call unless they say otherwise."""

    def __init__(self) -> None:
        self.rooms = Rooms()

    # --- operands ---

    def offsets(self, itemsize: int, offset: int) -> Array:
        """One group of *offset*."""
        return np.full(GROUP_BYTES // itemsize, offset, dtype=left_type(itemsize))

    def pack(self, matrix: Array, depth: int, bias: int, codes: Format, itemsize: int) -> Packed:
        """Pack a matrix (rows, units) for products with *codes*; behind *depth* lies the bias row. Its own arrays."""
        units, offset = matrix.shape[1], _offset(codes, itemsize)
        block, start = _room_of(depth, units, itemsize)
        narrow = self.rooms.take("narrow", (depth, units), right_type(itemsize))
        kn.pack_matrix(matrix, bias, self.offsets(itemsize, offset), narrow, block, start)
        return Packed(block, start, offset, itemsize)

    def pack_transposed(self, matrix: Array, depth: int, codes: Format, itemsize: int) -> Packed:
        """Pack the transpose of the first *depth* rows of a matrix (rows, units). Its own arrays."""
        units, offset = matrix.shape[1], _offset(codes, itemsize)
        block, start = _room_of(units, depth, itemsize)
        narrow = self.rooms.take("narrow", (units, depth), right_type(itemsize))
        kn.pack_transposed(matrix, self.offsets(itemsize, offset), narrow, block, start)
        return Packed(block, start, offset, itemsize)

    def left(self, codes: Array, itemsize: int, offset: int) -> Array:
        """Codes (n, depth) as a left operand."""
        group = GROUP_BYTES // itemsize
        shape = len(codes), -(-codes.shape[1] // group) * group
        left = self.rooms.take("left", shape, left_type(itemsize))
        kn.fill_left(codes, offset, left)
        return left

    def patches(self, x: Array, window: Window | None, itemsize: int, offset: int) -> Iterator[Patches]:
        """Patches of a batch x (n, H, W, C), some samples at a time; without a window each is all of its sample."""
        n, maps = len(x), x.reshape(len(x), prod(x.shape[1:]))  # there may be no samples at all
        if window is None:
            yield Patches(slice(0, n), self.left(maps, itemsize, offset), offset)
            return
        shape = (window.height, window.width, window.channels * itemsize)
        seen = cv.window(shape, (window.kernel_height, window.kernel_width), window.stride, window.padding)
        size = seen.rows * seen.columns * seen.step
        at_once = max(1, _CHUNK_BYTES // size)
        if itemsize > 1:
            maps = maps.view(np.uint8)
        padded = self.rooms.take("padded", (seen.padded_size(),), np.uint8)
        for first in range(0, n, at_once):
            samples = slice(first, min(n, first + at_once))
            count = samples.stop - first
            flat = self.rooms.take("patches", (count * size + cv.SLACK,), np.uint8)
            kn.gather_samples(maps[samples], seen, offset, padded, flat)
            left = flat[: count * size].view(left_type(itemsize)).reshape(count * window.positions, -1)
            yield Patches(samples, left, offset)

    # --- products ---

    def product(self, x: Array, window: Window | None, units: int, packed: Packed) -> Array:
        """Sums (n, positions, units) of patches and a matrix, modulo 2^32; an array of its own."""
        n, positions, wide = len(x), window.positions if window else 1, len(packed.start)
        z = np.empty((n * positions, wide), dtype=np.int32)
        for samples, left, _ in self.patches(x, window, packed.itemsize, packed.offset):
            kn.multiply(left, packed.block, packed.start, z[samples.start * positions : samples.stop * positions])
        return _columns(z, units).reshape(n, positions, units)

    def exact_product(self, x: Array, window: Window | None, matrix: Array, depth: int, bias: int) -> Array:
        """The same sums exactly, int64; a row of the matrix behind *depth* is the bias row."""
        n, positions, units = len(x), window.positions if window else 1, matrix.shape[1]
        sums = np.zeros((n * positions, units), dtype=np.int64)
        for samples, left, _ in self.patches(x, window, 2, 0):
            rows = slice(samples.start * positions, samples.stop * positions)
            sums[rows] = self.exact(left[:, :depth].copy(), matrix[:depth])
        if len(matrix) > depth:
            sums += bias * matrix[depth].astype(np.int64)
        return sums.reshape(n, positions, units)

    def exact(self, codes: Array, matrix: Array) -> Array:
        """Product of codes (n, depth) and matrix (depth, units) in slices of the depth, int64."""
        depth, units = matrix.shape
        total = np.zeros((len(codes), units), dtype=np.int64)
        most = max(1, MOST // max(1, largest(codes) * largest(matrix)))
        for first in range(0, depth, most):
            part = np.ascontiguousarray(matrix[first : first + most], dtype=np.int32)
            packed = self.pack(part, len(part), 0, _WIDE, 2)
            left = self.left(np.ascontiguousarray(codes[:, first : first + most]), 2, 0)
            z = self.rooms.take("z", (len(codes), len(packed.start)), np.int32)
            kn.multiply(left, packed.block, packed.start, z)
            kn.add_sums(z, total)
        return total

    def back(self, d: Array, matrix: Array, depth: int, packed: Packed | None) -> Array:
        """Errors d (n, units) times the transpose of the first *depth* rows: (n, depth), exact, its own array.

        *packed* is None where 32 bits might not hold the sums.
        """
        if packed is None:
            return self.exact(d, np.ascontiguousarray(matrix[:depth].T))
        p = np.empty((len(d), len(packed.start)), dtype=np.int32)
        kn.multiply(self.left(d, packed.itemsize, packed.offset), packed.block, packed.start, p)
        return _columns(p, depth)

    @staticmethod
    def dilated(d: Array, window: Window) -> tuple[Array, Window]:
        """Errors (n, rows, columns, units) spread out, and the window of stride 1 that takes them back to the input.

        They lie *stride* apart behind kernel − 1 − padding zeros; the window of the result sees every input code once.
        """
        kernel, units = (window.kernel_height, window.kernel_width), d.shape[-1]
        shape = window.height + kernel[0] - 1, window.width + kernel[1] - 1, units
        spread = np.zeros((len(d), *shape), dtype=d.dtype)
        down, across = (slice(side - 1 - window.padding, None, window.stride) for side in kernel)
        spread[:, down, across][:, : window.rows, : window.columns] = d
        return spread, window_on(shape, kernel)

    @staticmethod
    def flipped(matrix: Array, window: Window) -> Array:
        """Rows (kernel row, kernel column, unit) and columns (input channel) of a matrix, its kernel turned round."""
        kernel = window.kernel_height, window.kernel_width, window.channels, matrix.shape[1]
        turned = matrix[: window.depth].reshape(kernel)[::-1, ::-1].transpose(0, 1, 3, 2)
        return np.ascontiguousarray(turned.reshape(-1, window.channels), dtype=np.int32)

    # --- gradients ---

    def gradient_slices(
        self, h: Array, d: Array, node: Weighted, errors: Format
    ) -> Iterator[tuple[Array, Array, Array]]:
        """Packed (patches, errors, start) of slices of positions whose sums 32 bits hold.

        Args:
            h: (n, H, W, C) codes that the layer learns with.
            d: (n, positions, units) errors.
            node: the layer.
            errors: format of the errors.

        """
        itemsize = 1 if is_narrow(node.input) and is_narrow(errors) else 2
        offset, units = _offset(node.input, itemsize), node.units
        flat = d.reshape(-1, units)
        most = max(1, MOST // max(1, largest(h) * largest(flat)))
        for samples, left, _ in self.patches(h, node.window, itemsize, offset):
            begin = samples.start * node.positions
            for first in range(0, len(left), most):
                part = left[first : first + most]
                narrow = self.rooms.take("errors", (len(part), units), right_type(itemsize))
                kn.fill_left(flat[begin + first : begin + first + len(part)], 0, narrow)
                packed_left = self.rooms.take(
                    "packed left", packed_shape(len(part), part.shape[1], itemsize), left.dtype
                )
                right = self.rooms.take("packed errors", packed_shape(len(part), units, itemsize), narrow.dtype)
                kn.pack_rows(part, packed_left)
                kn.pack_rows(narrow, right)
                start = self.rooms.take("start", (padded_columns(units),), np.int32)
                kn.sum_start(self.offsets(itemsize, offset), right, start)
                yield packed_left, right, start

    def panels(self, packed_left: Array, right: Array, start: Array, depth: int) -> Iterator[tuple[slice, Array]]:
        """Rows of the gradient of one slice, 64 at a time: (rows, padded units) int32."""
        for first in range(0, depth, BLOCK):
            rows = slice(first, min(first + BLOCK, depth))
            panel = self.rooms.take("panel", (rows.stop - first, len(start)), np.int32)
            kn.sum_panel(first, packed_left, right, start, panel)
            yield rows, panel


_WIDE = Format(True, 16, 0)


def _offset(codes: Format, itemsize: int) -> int:
    return kn.SIGNED_OFFSET if codes.signed and itemsize == 1 else 0


def _room_of(depth: int, units: int, itemsize: int) -> tuple[Array, Array]:
    block = np.empty(packed_shape(depth, units, itemsize), dtype=right_type(itemsize))
    return block, np.empty(padded_columns(units), dtype=np.int32)


def _columns(padded: Array, units: int) -> Array:
    if padded.shape[1] == units:
        return padded
    values = np.empty((len(padded), units), dtype=np.int32)
    kn.take_columns(padded, values)
    return values
