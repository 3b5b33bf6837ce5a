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
from neuro_emu.datapath.deep.parts import Alone, Spread
from neuro_emu.kernels.deep import products as kn
from neuro_emu.kernels.vector import convolution as cv
from neuro_emu.kernels.vector.gemm import BLOCK, GROUP_BYTES, packed_shape, padded_columns
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.shapes import Window, window_on
from neuro_emu.numerics.formats import Format

Array = NDArray[Any]

MOST = kn.MOST
_LOW = kn.HALF - 1
_CODE = 1 << 15
"""Largest magnitude of a code of 16 bits."""
_CHUNK_BYTES = 1 << 19
"""Patches that are made at once."""
_PANEL_ROWS = 4 * BLOCK
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


def is_narrow(codes: Format) -> bool:
    """Whether bytes hold the codes."""
    return codes.bits <= _BYTE


def left_type(itemsize: int) -> Any:
    """Type of the left operand: unsigned bytes, or 16 bits."""
    return np.uint8 if itemsize == 1 else np.int16


def right_type(itemsize: int) -> Any:
    """Type of the right operand."""
    return np.int8 if itemsize == 1 else np.int16


def panels_of(depth: int) -> int:
    """Panels of a gradient of *depth* rows."""
    return -(-depth // _PANEL_ROWS)


def largest(codes: Array) -> int:
    """Largest magnitude of codes."""
    return int(kn.largest_magnitude(codes.reshape(-1)))


class Products:
    """Products of one chip; all arrays that it returns are lost at its next call unless they say otherwise.

    Args:
        spread: how the samples of a batch are shared out; None: not at all.

    """

    def __init__(self, spread: Spread | None = None) -> None:
        self.spread: Spread = spread or Alone()
        self._rooms = [Rooms() for _ in range(self.spread.parts)]
        self.rooms = self._rooms[0]

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

    def left(self, codes: Array, itemsize: int, offset: int, part: int = 0) -> Array:
        """Codes (n, depth) as a left operand, in the work arrays of a *part* of the batch."""
        group = GROUP_BYTES // itemsize
        shape = len(codes), -(-codes.shape[1] // group) * group
        left = self._rooms[part].take("left", shape, left_type(itemsize))
        kn.fill_left(codes, offset, left)
        return left

    @staticmethod
    def _maps(x: Array, itemsize: int) -> Array:
        """Codes of a batch (n, all of a sample) as patches are gathered from; there may be no samples at all."""
        maps = x.reshape(len(x), prod(x.shape[1:]))
        return maps.view(np.uint8) if itemsize > 1 else maps

    def _gathering(self, seen: cv.Window, itemsize: int, samples: int, part: int) -> tuple[Array, Array, Array]:
        """Work arrays of the patches of as many of the *samples* of a part of the batch as are made at once."""
        size, rooms = seen.rows * seen.columns * seen.step, self._rooms[part]
        at_once = min(max(1, _CHUNK_BYTES // size), max(1, samples))
        padded = rooms.take("padded", (seen.padded_size(),), np.uint8)
        patches = rooms.take("patches", (at_once * size + cv.SLACK,), np.uint8)
        left = patches[: at_once * size].view(left_type(itemsize))
        return padded, patches, left.reshape(at_once * seen.rows * seen.columns, seen.step // itemsize)

    # --- products ---

    def product(self, x: Array, window: Window | None, units: int, packed: Packed) -> Array:
        """Sums (n, positions, units) of patches and a matrix, modulo 2^32; an array of its own."""
        n, positions, wide = len(x), window.positions if window else 1, len(packed.start)
        z, itemsize, offset = np.empty((n * positions, wide), dtype=np.int32), packed.itemsize, packed.offset

        def dense(part: int, first: int, last: int) -> None:
            codes = x[first:last].reshape(last - first, prod(x.shape[1:]))
            kn.multiply(self.left(codes, itemsize, offset, part), packed.block, packed.start, z[first:last])

        def convolved(part: int, first: int, last: int) -> None:
            room = self._gathering(seen, itemsize, last - first, part)
            lines = z[first * positions : last * positions]
            kn.convolve_samples(maps[first:last], seen, offset, *room, packed.block, packed.start, lines)

        if window:
            seen, maps = _bytes_seen(window, itemsize), self._maps(x, itemsize)
        self.spread(n, convolved if window else dense)
        return _columns(z, units).reshape(n, positions, units)

    def exact_product(self, x: Array, window: Window | None, matrix: Array, depth: int, bias: int) -> Array:
        """The same sums exactly, int64; a row of the matrix behind *depth* is the bias row."""
        sums = self.unbounded(x, window, matrix[:depth]).astype(np.int64, copy=False)
        if len(matrix) > depth:
            sums += bias * matrix[depth].astype(np.int64)
        return sums

    def unbounded(self, x: Array, window: Window | None, matrix: Array) -> Array:
        """The same sums without a bias, int64 or, where 32 bits are found to hold them, int32."""
        first, *others = (self._held_product(x, window, rows) for rows in _held(matrix))
        for more in others:
            first = first.astype(np.int64, copy=False) + more
        return first

    def _held_product(self, x: Array, window: Window | None, matrix: Array) -> Array:
        """Exact products with a matrix that 32 bits hold the sums of for codes of 8 bits.

        A sum is at most the sample's largest code times the column's sum of |entries|; by Cauchy and Schwarz its square
        is at most the product of the sums of squares of patch and column. Of samples for which 32 bits are too few by
        both bounds the low and the high halves of the codes are multiplied.
        """
        n, units = len(x), matrix.shape[1]
        positions, codes = (window.height * window.width, window.channels) if window else (1, len(matrix))
        under = window.kernel_height * window.kernel_width if window else 1
        maps: Array = np.ascontiguousarray(x, dtype=np.int16).reshape(n, positions, codes)
        peaks, energies = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
        self.spread(n, lambda _, i, j: kn.bounds_of(maps[i:j], peaks[i:j], energies[i:j]))
        most = MOST * MOST // max(1, _energy(matrix)) // under
        chosen = np.flatnonzero((peaks > MOST // max(1, _heaviest(matrix))) & (energies > most))
        packed = self.pack(matrix, len(matrix), 0, _WIDE, 2)
        if not len(chosen):
            return self.product(maps, window, units, packed)
        maps = maps.reshape(n, positions * codes).copy()
        high = np.empty((len(chosen), positions * codes), dtype=np.int16)
        place = np.full(n, -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        kn.halve(maps, chosen, high)
        low, more = (self.product(half, window, units, packed) for half in (maps, high))
        sums: Array = np.empty(low.shape, dtype=np.int64)
        size = prod(low.shape[1:])
        z, high_z, total = low.reshape(n, size), more.reshape(len(more), size), sums.reshape(n, size)
        self.spread(n, lambda _, i, j: kn.join_halves(z[i:j], high_z, place[i:j], total[i:j]))
        return sums

    def exact(self, codes: Array, matrix: Array) -> Array:
        """Product of codes (n, depth) and matrix (depth, units), int64."""
        return self.exact_product(codes, None, matrix, len(matrix), 0)[:, 0]

    def back(self, d: Array, matrix: Array, depth: int, packed: Packed | None) -> Array:
        """Errors d (n, units) times the transpose of the first *depth* rows: (n, depth), exact, its own array.

        *packed* is None where 32 bits might not hold the sums.
        """
        if packed is None:
            return self.unbounded(d, None, matrix[:depth].T)[:, 0]
        return self.product(d, None, depth, packed)[:, 0]

    @staticmethod
    def dilated(d: Array, window: Window) -> tuple[Array, Window]:
        """Errors (n, rows, columns, units) spread out, and the window of stride 1 that takes them back to the input.

        They lie *stride* apart behind kernel − 1 − padding zeros; the window of the result sees every input code once.
        Where the stride is 1 and the kernel square the zeros are the window's padding.
        """
        kernel, units = (window.kernel_height, window.kernel_width), d.shape[-1]
        if window.stride == 1 and kernel[0] == kernel[1]:
            return d, window_on((window.rows, window.columns, units), kernel, 1, kernel[0] - 1 - window.padding)
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

    def gradient(self, h: Array, d: Array, node: Weighted, errors: Format, total: Array) -> None:
        """Add codes times errors to total (at least depth, units), exact.

        Args:
            h: (n, H, W, C) codes that the layer learns with.
            d: (n, positions, units) errors.
            node: the layer.
            errors: format of the errors.
            total: int64.

        """
        itemsize, window, sums = self._gradient_size(node, errors), node.window, total[: node.depth]
        flat = np.ascontiguousarray(d.reshape(-1, node.units), dtype=np.int16)
        offsets, weight = self.offsets(itemsize, _offset(node.input, itemsize)), largest(h)
        if window is None:
            left = self.left(h.reshape(len(h), node.depth), itemsize, int(offsets[0]))
            desk = self._desk(node, itemsize, (_NO_BYTES, _NO_BYTES, left), 0)
            kn.add_slices(left, flat, offsets, weight, desk, sums)
            return
        seen, maps, positions = _bytes_seen(window, itemsize), self._maps(h, itemsize), node.positions
        parts = [sums, *(np.zeros(sums.shape, dtype=np.int64) for _ in range(self.spread.parts - 1))]

        def work(part: int, first: int, last: int) -> None:
            desk = self._desk(node, itemsize, self._gathering(seen, itemsize, last - first, part), part)
            own = flat[first * positions : last * positions]
            kn.add_gradient(maps[first:last], seen, own, offsets, weight, desk, parts[part])

        self.spread(len(h), work)
        for part in parts[1:]:
            sums += part

    @staticmethod
    def _gradient_size(node: Weighted, errors: Format) -> int:
        return 1 if is_narrow(node.input) and is_narrow(errors) else 2

    def _desk(self, node: Weighted, itemsize: int, gathering: tuple[Array, Array, Array], part: int) -> kn.Desk:
        """Work arrays of the gradient of a part of the batch."""
        left, rooms, wide = gathering[2], self._rooms[part], padded_columns(node.units)
        turned = prod(packed_shape(len(left), left.shape[1], itemsize))
        right = prod(packed_shape(len(left), node.units, itemsize))
        return kn.Desk(
            *gathering,
            rooms.take("errors", (len(left) * node.units,), right_type(itemsize)),
            rooms.take("packed left", (turned,), left.dtype),
            rooms.take("packed errors", (right,), right_type(itemsize)),
            rooms.take("start", (wide,), np.int32),
            rooms.take("panel", (BLOCK * wide,), np.int32),
        )

    def packed_gradient(self, h: Array, d: Array, node: Weighted, errors: Format) -> tuple[Array, Array, Array]:
        """Packed (codes, errors, start) of a dense layer, for :meth:`panels`; 32 bits hold the sums."""
        itemsize = self._gradient_size(node, errors)
        offset, units, n = _offset(node.input, itemsize), node.units, len(d)
        left = self.left(h.reshape(n, node.depth), itemsize, offset)
        narrow = self.rooms.take("errors", (n, units), right_type(itemsize))
        kn.fill_left(d.reshape(n, units), 0, narrow)
        packed_left = self.rooms.take("packed left", packed_shape(n, left.shape[1], itemsize), left.dtype)
        right = self.rooms.take("packed errors", packed_shape(n, units, itemsize), narrow.dtype)
        kn.pack_rows(left, packed_left)
        kn.pack_rows(narrow, right)
        start = self.rooms.take("start", (padded_columns(units),), np.int32)
        kn.sum_start(self.offsets(itemsize, offset), right, start)
        return packed_left, right, start

    def panels(
        self, packed: tuple[Array, Array, Array], which: slice, depth: int, part: int = 0
    ) -> Iterator[tuple[slice, Array]]:
        """Some of the panels of a gradient (:func:`panels_of`): (rows, padded units) int32, and which rows."""
        left, right, start = packed
        for first in range(which.start * _PANEL_ROWS, min(which.stop * _PANEL_ROWS, depth), _PANEL_ROWS):
            rows = slice(first, min(first + _PANEL_ROWS, depth))
            panel = self._rooms[part].take("panel", (rows.stop - first, len(start)), np.int32)
            kn.sum_panel(first, left, right, start, panel)
            yield rows, panel


_WIDE = Format(True, 16, 0)
_NO_BYTES = np.zeros(0, dtype=np.uint8)


def _bytes_seen(window: Window, itemsize: int) -> cv.Window:
    """The window with its channels in bytes."""
    shape = window.height, window.width, window.channels * itemsize
    return cv.window(shape, (window.kernel_height, window.kernel_width), window.stride, window.padding)


def _heaviest(matrix: Array) -> int:
    """Largest sum of |entries| of a column."""
    return int(np.abs(matrix).sum(axis=0, dtype=np.int64).max()) if matrix.size else 0


def _energy(matrix: Array) -> int:
    """Largest sum of squares of a column."""
    return int(np.square(matrix, dtype=np.int64).sum(axis=0).max()) if matrix.size else 0


def _held(matrix: Array) -> Iterator[Array]:
    """Matrices with the sum *matrix*, whose columns' sums of |entries| times 255 are at most MOST."""
    weights: Array = np.ascontiguousarray(matrix, dtype=np.int32)
    if _heaviest(weights) * _LOW <= MOST:
        yield weights
        return
    shares = np.abs(weights).max(axis=1).cumsum(dtype=np.int64) // (MOST // _LOW - _CODE)
    for share in np.unique(shares):
        yield np.ascontiguousarray(np.where((shares == share)[:, None], weights, 0), dtype=np.int32)


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
