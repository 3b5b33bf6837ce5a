"""Pools, residuals and branches of the float twin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.ops import Choice
from neuro_emu.network.deep.graph import Add, Concat, Node, Pool
from neuro_emu.numerics.formats import Format

Float = NDArray[Any]


class FloatMaps:
    """What of :class:`neuro_emu.datapath.deep.ops.Ops` joins maps or makes them smaller; formats are ignored.

    Attributes:
        chained: whether errors come down through pools, so that it matters what they chose.

    """

    learning: bool
    chained: bool

    def pool(self, y: Float, node: Pool) -> tuple[Float, Choice | None]:
        """See :class:`Ops`."""
        if node.kind == "average":
            total = np.zeros((len(y), *node.shape), dtype=y.dtype)
            for part in _parts(y, node):
                total += part
            total /= node.kernel[0] * node.kernel[1]
            return total, None
        parts = _parts(y, node)
        best = next(parts).copy()
        chooses = self.learning and self.chained
        choice = np.zeros(best.shape if chooses else 0, dtype=np.uint8)
        for k, part in enumerate(parts, start=1):
            if chooses:
                np.copyto(choice, k, where=part > best)
            np.maximum(best, part, out=best)
        return best, choice

    def pool_back(self, d: Float, choice: Choice | None, node: Pool, to: Format, layer: int) -> Float:
        """See :class:`Ops`."""
        del to, layer
        p = np.zeros((len(d), *node.seen), dtype=d.dtype)
        given = d if choice is not None else d / (node.kernel[0] * node.kernel[1])
        for k, part in enumerate(_parts(p, node)):
            np.add(part, given if choice is None else given * (choice == k), out=part)
        return p

    def add(self, a: Float, b: Float, node: Add, sources: tuple[Format, Format], layer: int) -> Float:
        """See :class:`Ops`."""
        del node, sources, layer
        return a + b

    def merge(self, parts: Sequence[Float], to: Format, layer: int) -> Float:
        """See :class:`Ops`."""
        del to, layer
        if len(parts) == 1:
            return parts[0]
        total = parts[0] + parts[1]
        for part in parts[2:]:
            total += part
        return total

    def concat(self, parts: Sequence[Float], node: Concat, sources: Sequence[Format], layer: int) -> Float:
        """See :class:`Ops`."""
        del node, sources, layer
        return np.concatenate(parts, axis=-1)

    def split(self, d: Float, sources: Sequence[Node], frac: int, layer: int) -> list[Float]:
        """See :class:`Ops`."""
        del frac, layer
        ends = np.cumsum([source.shape[2] for source in sources])[:-1]
        return [np.ascontiguousarray(part) for part in np.split(d, ends, axis=-1)]


def _parts(maps: Float, node: Pool) -> Iterator[Float]:
    """Views (n, rows, columns, C) of what lies at each place of the windows, in reading order."""
    window, stride = node.window, node.stride
    for k in range(node.kernel[0] * node.kernel[1]):
        row, column = divmod(k, node.kernel[1])
        down = slice(row, row + stride * (window.rows - 1) + 1, stride)
        yield maps[:, down, column : column + stride * (window.columns - 1) + 1 : stride]
