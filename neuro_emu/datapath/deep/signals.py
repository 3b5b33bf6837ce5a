"""Feedback of the integer datapath of graphs: the matrices that errors cross layers with, and direct ones."""

from __future__ import annotations

from math import prod

import numpy as np

from neuro_emu.datapath.deep.core import Array, Core
from neuro_emu.datapath.deep.ops import Labels
from neuro_emu.machine.deep.initialise import feedback_amplitude
from neuro_emu.machine.deep.reading import STORED, Back, Source
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.network.state import PROJECTION_OVF
from neuro_emu.numerics.formats import Format


class Signals(Core):
    """What of :class:`neuro_emu.datapath.deep.ops.Ops` reads and writes feedback."""

    def arrange(self) -> None:
        """Lay matrices out as products read them, before the first operation.

        Those of dense layers that only change with W, or never, keep their shape (units, depth) but lie in memory as W
        does, so that their transpose is C-contiguous.
        """
        graph, state = self.chip.graph, self.state
        self._held: dict[tuple[Kind, int], Array] = {(Kind.WEIGHTS, k): w for k, w in enumerate(state.weights)}
        self.storages: dict[int, Format] = {id(w): graph.layers[k].weight for k, w in enumerate(state.weights)}
        for layer in graph.hidden:
            k, crossed = layer.layer, self.chip.crossed(layer.layer)
            back = self.chip.readings[crossed.layer].back if crossed else Back.WEIGHTS
            local = self.chip.readings[k].source is Source.LOCAL
            if not crossed or local or back not in STORED or not len(state.feedback[k]) or layer.feedback is None:
                continue
            kind, held = Kind.TWIN if back is Back.TWIN else Kind.FEEDBACK, state.feedback[k]
            if crossed.window is None:
                if back is Back.LEARNED:
                    continue  # its rows are written: transposed whenever it is read
                held = np.ascontiguousarray(held.T)
                state.feedback[k] = held.T
            self._held[kind, k], self.storages[id(held)] = held, layer.feedback

    def held_as(self, kind: Kind, layer: int) -> int:
        """Identity of the array that products read a matrix from; 0 if it is made anew each time."""
        held = self._held.get((kind, layer))
        return 0 if held is None else id(held)

    def matrix(self, kind: Kind, layer: int) -> Array:
        """See :class:`Ops`."""
        if (kind, layer) in self._held:
            return self._held[kind, layer]
        if kind is Kind.CLASSIFIER:
            return self.state.classifiers[layer]
        if kind is Kind.FORWARD:
            return self.state.forward[layer]
        return np.ascontiguousarray(self.state.feedback[layer].T)

    def signs(self, layer: int) -> Array:
        """See :class:`Ops`."""
        node = self.chip.graph.layers[layer]
        amplitude = feedback_amplitude(self.chip, self.chip.graph.layers[self.chip.slot(layer)])
        return np.sign(self.state.weights[layer][: node.depth]) * np.int32(amplitude)

    # --- direct feedback ---

    def label_rows(self, layer: int, labels: Labels) -> Array:
        """See :class:`Ops`."""
        head = self.chip.graph.nodes[self.chip.graph.head(layer)]
        return self.state.feedback[layer][labels].astype(np.int16).reshape(len(labels), *head.shape)

    def project(self, layer: int, signal: Array, frac: int, to: Shape | None = None) -> Array:
        """See :class:`Ops`."""
        graph, node = self.chip.graph, self.chip.graph.layers[layer]
        head, matrix = graph.nodes[graph.head(layer)], self.state.feedback[layer]
        assert node.feedback is not None
        p = self.products.exact(np.ascontiguousarray(signal.reshape(len(signal), len(matrix))), matrix)
        shape = (len(p), *(to or head.shape))
        return self.requantise(p.reshape(shape), node.feedback.frac + frac, head.projection, layer, PROJECTION_OVF)

    def outer(self, e: Array, y: Array) -> Array:
        """See :class:`Ops`."""
        rows = np.ascontiguousarray(e.reshape(len(e), prod(e.shape[1:])).T)
        return self.products.exact(rows, y.reshape(len(y), prod(y.shape[1:])))

    # --- feedback that learns ---

    def learn_feedback(self, h: Array, d: Array, node: Weighted) -> None:
        """See :class:`Ops`."""
        self.write(Kind.FEEDBACK, self.chip.slot(node.layer), self.lying(self.gradient(h, d, node), node))

    @staticmethod
    def lying(sums: Array, node: Weighted) -> Array:
        """Gradients (rows, units) of W as the feedback that errors cross *node* with lies: without the bias row."""
        own = sums[: node.depth]
        return own if node.window else np.ascontiguousarray(own.T)
