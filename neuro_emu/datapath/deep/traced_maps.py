"""Pools, sums and joins of maps of the traced datapath of graphs, code by code."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from neuro_emu.datapath.deep.ops import Choice
from neuro_emu.datapath.deep.traced_base import Array, Place, TracedBase
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase
from neuro_emu.network.deep.graph import Add, Concat, Node, Pool
from neuro_emu.network.state import PREACTIVATION_OVF, PROJECTION_OVF
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.ops import align, mean


class TracedMaps(TracedBase):
    """What joins maps, or makes them smaller."""

    @staticmethod
    def _seen(node: Pool, at: Place) -> list[Place]:
        """Places (sample, row, column, channel) of the window of one output, in reading order."""
        n, y, x, c = at
        return [
            (n, y * node.stride + down, x * node.stride + across, c)
            for down in range(node.kernel[0])
            for across in range(node.kernel[1])
        ]

    def pool(self, y: Array, node: Pool) -> tuple[Array, Choice | None]:
        """See :class:`Ops`."""
        layer, shape, is_max = self.mapping.counted[node.index], (len(y), *node.shape), node.kind == "max"
        choice = np.zeros(shape, dtype=np.uint8)
        keeps = self.learning and is_max and self.mapping.chosen(node)

        def pooled(at: Place) -> int:
            codes = []
            for place in self._seen(node, at):
                for component in (C.CYCLES, self.mapping.operand(node), C.POOL):
                    self.count(Phase.FORWARD, layer, component)
                codes.append(int(y[place]))
            self.count(Phase.FORWARD, layer, C.OUTPUT_WRITE)
            self.count(Phase.FORWARD, layer, C.CHOICE, keeps)
            choice[at] = codes.index(max(codes)) if is_max else 0  # the first of equal ones
            return max(codes) if is_max else mean(sum(codes), len(codes))

        return self.each(shape, np.int16, pooled), choice if is_max else None

    def pool_back(self, d: Array, choice: Choice | None, node: Pool, to: Format, layer: int) -> Array:
        """See :class:`Ops`."""
        sums, k = np.zeros((len(d), *node.seen), dtype=np.int64), self.mapping.counted[node.index]
        for at in np.ndindex(d.shape):
            error, places = int(d[at]), self._seen(node, at)
            if choice is not None:
                places = [places[int(choice[at])]]
                self.count(Phase.ERROR, k, C.CHOICE)
            for place in places:
                sums[place] += error
                for component in (C.CYCLES, C.ADD, C.PARTIAL_READ, C.PARTIAL_WRITE):
                    self.count(Phase.ERROR, k, component)
        if choice is not None:
            return self._narrow(sums, node.projection.frac, to, layer, PROJECTION_OVF)
        gained, window = to.frac - node.projection.frac, prod(node.kernel)

        def averaged(at: Place) -> int:
            self.count(Phase.ERROR, k, C.POOL)
            return self.narrowed(mean(align(int(sums[at]), -gained), window), 0, to, layer, PROJECTION_OVF)

        return self.each(sums.shape, np.int16, averaged)

    def _narrow(self, v: Array, frac: int, to: Format, layer: int, event: int) -> Array:
        return self.each(v.shape, np.int16, lambda at: self.narrowed(int(v[at]), frac - to.frac, to, layer, event))

    def add(self, a: Array, b: Array, node: Add, sources: tuple[Format, Format], layer: int) -> Array:
        """See :class:`Ops`."""
        frac = max(form.frac for form in sources)

        def joined(at: Place) -> int:
            self.count(Phase.FORWARD, self.mapping.counted[node.index], C.OUTPUT_READ, 2)
            self.count(Phase.FORWARD, self.mapping.counted[node.index], C.ADD)
            exact = sum(align(int(v[at]), form.frac - frac) for v, form in zip((a, b), sources, strict=True))
            return self.narrowed(exact, frac - node.preactivation.frac, node.preactivation, layer, PREACTIVATION_OVF)

        return self.each(a.shape, np.int16, joined)

    def merge(self, parts: Sequence[Array], to: Format, layer: int) -> Array:
        """See :class:`Ops`."""
        if len(parts) == 1:
            return parts[0]
        for _ in range((len(parts) - 1) * len(parts[0])):
            self.lane_passes(Phase.ERROR, layer, parts[0].shape[1:])

        def merged(at: Place) -> int:
            for component in (C.ADD, C.PARTIAL_READ, C.PARTIAL_WRITE):
                self.count(Phase.ERROR, layer, component, len(parts) - 1)
            return self.narrowed(sum(int(part[at]) for part in parts), 0, to, layer, PROJECTION_OVF)

        return self.each(parts[0].shape, np.int16, merged)

    def concat(self, parts: Sequence[Array], node: Concat, sources: Sequence[Format], layer: int) -> Array:
        """See :class:`Ops`."""
        k = self.mapping.counted[node.index]
        for _ in range(len(parts[0])):
            self.lane_passes(Phase.FORWARD, k, node.shape)
        origin = [(part, c, form) for part, form in zip(parts, sources, strict=True) for c in range(part.shape[3])]

        def placed(at: Place) -> int:
            for component in (C.OUTPUT_READ, C.OUTPUT_WRITE):
                self.count(Phase.FORWARD, k, component)
            part, c, form = origin[at[3]]
            return self.narrowed(
                int(part[(*at[:3], c)]), form.frac - node.code.frac, node.code, layer, PREACTIVATION_OVF
            )

        return self.each((len(parts[0]), *node.shape), np.int16, placed)

    def split(self, d: Array, sources: Sequence[Node], frac: int, layer: int) -> list[Array]:
        """See :class:`Ops`; the slices are read where they lie."""
        found, first = [], 0
        for source in sources:
            part = d[..., first : first + source.shape[2]]
            first += source.shape[2]
            found.append(self._narrow(part, frac, source.projection, layer, PROJECTION_OVF))
        return found
