"""Pools, residuals, branches, and errors of several consumers on the integer datapath of graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.activations import Activations
from neuro_emu.datapath.deep.ops import Choice
from neuro_emu.datapath.deep.parts import sum_parts
from neuro_emu.kernels.deep import elementwise as ew
from neuro_emu.kernels.deep import pool as pl
from neuro_emu.network.deep.graph import Add, Concat, Node, Pool
from neuro_emu.network.state import PREACTIVATION_OVF, PROJECTION_OVF
from neuro_emu.numerics.formats import Format

Array = NDArray[Any]


class Maps(Activations):
    """What of :class:`neuro_emu.datapath.deep.ops.Ops` joins maps or makes them smaller."""

    # --- pools ---

    def pool(self, y: Array, node: Pool) -> tuple[Array, Choice | None]:
        """See :class:`Ops`."""
        shape = (len(y), *node.shape)
        pooled = np.empty(shape, dtype=np.int16)
        choice = None if node.kind == "average" else np.empty(shape, dtype=np.uint8)

        def part(_: int, i: int, j: int) -> None:
            if choice is None:
                pl.average_pool(y[i:j], node.kernel, node.stride, np.empty(shape[-1], dtype=np.int32), pooled[i:j])
            else:
                pl.max_pool(y[i:j], node.kernel, node.stride, pooled[i:j], choice[i:j])

        self.spread(len(y), part)
        return pooled, choice

    def pool_back(self, d: Array, choice: Choice | None, node: Pool, to: Format, layer: int) -> Array:
        """See :class:`Ops`."""
        sums = np.empty((len(d), *node.seen), dtype=np.int32)

        def part(_: int, i: int, j: int) -> None:
            if choice is None:
                pl.average_pool_back(d[i:j], node.kernel, node.stride, sums[i:j])
            else:
                pl.max_pool_back(d[i:j], choice[i:j], node.kernel, node.stride, sums[i:j])

        self.spread(len(d), part)
        if choice is not None:
            return self.requantise(sums, node.projection.frac, to, layer, PROJECTION_OVF)
        errors, window = np.empty(sums.shape, dtype=np.int16), node.kernel[0] * node.kernel[1]
        limits = np.array([1 << (to.frac - node.projection.frac), window, to.low, to.high], dtype=np.int64)
        self.events[layer, PROJECTION_OVF] += pl.mean_flat(sums.reshape(-1), limits, errors.reshape(-1))
        return errors

    # --- residuals ---

    def add(self, a: Array, b: Array, node: Add, sources: tuple[Format, Format], layer: int) -> Array:
        """See :class:`Ops`."""
        most, to = max(sources[0].frac, sources[1].frac), node.preactivation
        left = [1 << (most - source.frac) for source in sources]
        return self._sum((a, b), [*left, most - to.frac, to.low, to.high], layer, PREACTIVATION_OVF)

    def _sum(self, parts: tuple[Array, Array], limits: list[int], layer: int, event: int) -> Array:
        """Sum of two batches of codes; *limits* are those of :func:`neuro_emu.kernels.deep.elementwise.add_flat`."""
        q, given = np.empty(parts[0].shape, dtype=np.int16), np.array(limits, dtype=np.int64)
        a, b, flat = parts[0].reshape(-1), parts[1].reshape(-1), q.reshape(-1)

        def part(i: int, j: int) -> int:
            return int(ew.add_flat(a[i:j], b[i:j], given, flat[i:j]))

        self.events[layer, event] += sum_parts(self.spread, len(flat), part)
        return q

    def merge(self, parts: Sequence[Array], to: Format, layer: int) -> Array:
        """See :class:`Ops`."""
        if len(parts) == 1:
            return parts[0]
        if len(parts) == 2:  # a residual
            return self._sum((parts[0], parts[1]), [1, 1, 0, to.low, to.high], layer, PROJECTION_OVF)
        total = parts[0].astype(np.int32)
        for part in parts[1:]:
            total += part
        return self.requantise(total, to.frac, to, layer, PROJECTION_OVF)

    # --- branches ---

    def concat(self, parts: Sequence[Array], node: Concat, sources: Sequence[Format], layer: int) -> Array:
        """See :class:`Ops`."""
        pairs = zip(parts, sources, strict=True)
        codes = [self.requantise(part, source.frac, node.code, layer, PREACTIVATION_OVF) for part, source in pairs]
        return np.concatenate(codes, axis=-1)

    def split(self, d: Array, sources: Sequence[Node], frac: int, layer: int) -> list[Array]:
        """See :class:`Ops`."""
        found, first = [], 0
        for source in sources:
            part = np.ascontiguousarray(d[..., first : first + source.shape[2]])
            found.append(self.requantise(part, frac, source.projection, layer, PROJECTION_OVF))
            first += source.shape[2]
        return found
