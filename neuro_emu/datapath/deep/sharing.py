"""Shared activations of the integer datapath of graphs, brought to the shape that a layer learns with."""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.deep.core import Array, Core
from neuro_emu.kernels.deep import elementwise as ew
from neuro_emu.kernels.deep import match as kn
from neuro_emu.network.deep.graph import Add, Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.network.state import ACCUMULATOR_OVF, PREACTIVATION_OVF
from neuro_emu.numerics.modes import Overflow

VECTOR = 1, 1


class Sharing(Core):
    """What of :class:`neuro_emu.datapath.deep.ops.Ops` makes one activation stand in for another."""

    def match(self, h: Array, to: Shape, method: str, layer: int) -> Array:
        """See :class:`Ops`."""
        n, seen = len(h), h.shape[1:]
        if seen == to:
            return h
        if method == "random":
            return self._approximate(h, to, layer)
        average, matched = method == "average_pool", np.empty((n, *to), dtype=np.int16)
        if (seen[:2], to[:2]) == (VECTOR, VECTOR):
            kn.match_vectors(h.reshape(n, seen[2]), average, matched.reshape(n, to[2]))
        else:
            self.spread(n, lambda _, i, j: kn.match_maps(h[i:j], average, matched[i:j]))
        return matched

    def _approximate(self, h: Array, to: Shape, layer: int) -> Array:
        """f(C · h) with the fixed random C of the layer's slot, a position at a time."""
        graph, numerics, k, n = self.chip.graph, self.chip.numerics, self.chip.slot(layer), len(h)
        below = graph.layers[k]
        head, matrix = graph.nodes[graph.head(k)], self.state.forward[k]
        assert isinstance(head, Weighted | Add)
        rows, columns = (np.arange(there) * side // there for side, there in zip(h.shape[1:3], to[:2], strict=True))
        picked = np.ascontiguousarray(h[:, rows][:, :, columns]).reshape(n * to[0] * to[1], h.shape[3])
        z = self.products.exact(picked, matrix)
        if numerics.accumulator_overflow is Overflow.WRAP:
            high = numerics.accumulator_high
            self.trained[k, ACCUMULATOR_OVF] += ew.wrap_flat(z.reshape(-1), -high - 1, high)
        frac = below.weight.frac + graph.layers[layer].input.frac
        q = self.requantise(z, frac, head.preactivation, k, PREACTIVATION_OVF)
        return self.activate(q, head).reshape(n, *to)
