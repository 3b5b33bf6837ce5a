"""Feedback, shared activations, local classifiers and mirror mode of the float twin of graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.floating_products import FloatProducts
from neuro_emu.datapath.deep.ops import Labels
from neuro_emu.datapath.floating_rules import activate, pooled
from neuro_emu.kernels.deep import match as kn
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.initialise import feedback_amplitude
from neuro_emu.machine.deep.matrices import local_layer
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Add, Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import Int64
from neuro_emu.numerics.formats import Format

Float = NDArray[Any]

_VECTOR = 1, 1


class FloatFeedback:
    """What of :class:`neuro_emu.datapath.deep.ops.Ops` is neither on the way up nor in plain error propagation.

    Attributes:
        weights: W_k as :class:`neuro_emu.network.deep.graph.Weighted` has it, in values.
        feedback: what lies in each slot (:mod:`neuro_emu.machine.deep.matrices`).
        classifiers: L_k (neurons + 1, classes) of each hidden layer.
        forward: C of each slot.

    """

    chip: DeepChip
    dtype: np.dtype[Any]
    products: FloatProducts
    samples: int
    epoch: int
    _noise: Int64

    def read(self, state: DeepState) -> None:
        """Read the codes of a state as values."""
        graph = self.chip.graph
        hidden = graph.hidden
        self.weights = [self.values(w, la.weight) for w, la in zip(state.weights, graph.layers, strict=True)]
        self.feedback = [self.values(b, la.feedback or la.weight) for b, la in zip(state.feedback, hidden, strict=True)]
        self.classifiers = [self.values(w, graph.output.weight) for w in state.classifiers]
        self.forward = [self.values(c, la.weight) for c, la in zip(state.forward, hidden, strict=True)]
        self._noise, self.mirrored = state.noise_registers.copy(), state.mirrored

    def values(self, codes: NDArray[Any], storage: Format) -> Float:
        """Return codes as the numbers that they stand for."""
        found: Float = codes.astype(self.dtype)
        found *= 2.0**-storage.frac
        return found

    # --- matrices ---

    def stored(self, kind: Kind, layer: int) -> Float:
        """Return a matrix as it lies in the state."""
        holders = {Kind.WEIGHTS: self.weights, Kind.CLASSIFIER: self.classifiers, Kind.FORWARD: self.forward}
        return holders.get(kind, self.feedback)[layer]

    def matrix(self, kind: Kind, layer: int) -> Float:
        """See :class:`Ops`."""
        held = self.stored(kind, layer)
        if kind not in {Kind.TWIN, Kind.FEEDBACK}:
            return held
        crossed = self.chip.crossed(layer)
        return held if crossed and crossed.window else held.T

    def signs(self, layer: int) -> Float:
        """See :class:`Ops`."""
        graph, node = self.chip.graph, self.chip.graph.layers[layer]
        below = graph.layers[self.chip.slot(layer)]
        assert below.feedback
        amplitude = feedback_amplitude(self.chip, below) * 2.0**-below.feedback.frac
        found: Float = np.sign(self.weights[layer][: node.depth]) * amplitude
        return found

    def rate(self, kind: Kind, layer: int) -> float:
        """Learning rate of a matrix in this epoch."""
        learning = self.chip.learning
        if kind is Kind.FEEDBACK:
            return 2.0 ** -learning.feedback_shift_at(self.epoch)
        of = self.chip.graph.output.layer if kind is Kind.CLASSIFIER else layer
        return 2.0 ** -learning.shift_at(of, self.epoch)

    # --- direct feedback ---

    def label_rows(self, layer: int, labels: Labels) -> Float:
        """See :class:`Ops`."""
        head = self.chip.graph.nodes[self.chip.graph.head(layer)]
        return self.feedback[layer][labels].reshape(len(labels), *head.shape)

    def project(self, layer: int, signal: Float, frac: int, to: Shape | None = None) -> Float:
        """See :class:`Ops`."""
        del frac
        head, matrix = self.chip.graph.nodes[self.chip.graph.head(layer)], self.feedback[layer]
        p: Float = signal.reshape(len(signal), len(matrix)) @ matrix
        return p.reshape(len(p), *(to or head.shape))

    def outer(self, e: Float, y: Float) -> Float:
        """See :class:`Ops`."""
        total: Float = e.reshape(len(e), -1).T @ y.reshape(len(y), -1)
        return total

    # --- shared activations ---

    def match(self, h: Float, to: Shape, method: str, layer: int) -> Float:
        """See :class:`Ops`."""
        n, seen = len(h), h.shape[1:]
        if seen == to:
            return h
        if method == "random":
            return self._approximate(h, to, layer)
        if (seen[:2], to[:2]) == (_VECTOR, _VECTOR):
            return pooled(h.reshape(n, -1), to[2], method).astype(h.dtype, copy=False).reshape(n, *to)
        found = h[..., : to[2]]
        for axis in (1, 2):
            found = _evenly(found, axis, to[axis - 1], method)
        return found[..., np.arange(to[2]) % seen[2]]

    def _approximate(self, h: Float, to: Shape, layer: int) -> Float:
        """f(C · h) with the fixed random C of the layer's slot, a position at a time."""
        graph, k = self.chip.graph, self.chip.slot(layer)
        head = graph.nodes[graph.head(k)]
        assert isinstance(head, Weighted | Add)
        rows, columns = (np.arange(there) * side // there for side, there in zip(h.shape[1:3], to[:2], strict=True))
        return activate(head.activation, h[:, rows][:, :, columns] @ self.forward[k]).reshape(len(h), *to)

    # --- local classifiers ---

    def classify(self, layer: int, y: Float, labels: Labels) -> Float:
        """See :class:`Ops`."""
        node, held = local_layer(self.chip.graph, layer), self.classifiers[layer]
        z = y.reshape(len(y), node.depth) @ held[: node.depth] + held[node.depth]
        d = -activate(self.chip.graph.output.activation, z)
        d[np.arange(len(d)), labels] += 1.0
        return d.reshape(len(d), *node.shape)

    # --- mirror mode ---

    def mirror(self, samples: int) -> None:
        """See :class:`Ops`."""
        steps = self.chip.mirror_steps(self.samples - samples, self.samples)
        mirrored = [la for la in self.chip.graph.layers if self.chip.readings[la.layer].mirror]
        driven = [(node, *self._drive(node, steps)) for node in mirrored]
        rate = self.rate(Kind.FEEDBACK, 0)
        for step in range(steps):
            now = slice(step, step + 1)
            for node, noise, signal in driven:
                sums = self.products.gradient(noise[now], signal[now], node)
                self.feedback[self.chip.slot(node.layer)] += rate * (sums if node.window else sums.T)
            self.mirrored += 1
            self.decay_feedback(self.mirrored)

    def _drive(self, node: Weighted, steps: int) -> tuple[Float, Float]:
        """Noise in place of what a layer sees, one map a step, and what follows from it; its bias is blocked."""
        slot = self.chip.slot(node.layer)
        signs = np.empty((steps, *node.seen), dtype=np.int16)
        kn.make_noise(1, self._noise[slot : slot + 1], signs.reshape(-1))
        noise: Float = signs.astype(self.dtype)
        noise *= 2.0**-self.chip.learning.mirror.noise_shift
        z = self.products.product(noise, node.window, self.weights[node.layer][: node.depth])
        z = z.reshape(steps, *node.shape)
        if node.window:  # activation and norm are blocked too
            return noise, z
        return noise, activate(node.activation, z) - activate(node.activation, np.zeros_like(z))

    # --- decay ---

    def decay_weights(self, updates: int) -> None:
        """Decay weights and their twins if *updates* ask for it."""
        decay = self.chip.learning.weight_decay
        if decay is None or updates % decay.every:
            return
        kept = 1.0 - 2.0 ** -decay.shift_at(self.epoch)
        twins = {matrix.layer for matrix in self.chip.matrices if matrix.kind is Kind.TWIN}
        for node in self.chip.graph.layers:
            if node.learns and (node.layer or decay.first_layer):
                self.weights[node.layer][: node.depth] *= kept
                if self.chip.slot(node.layer) in twins:
                    self.feedback[self.chip.slot(node.layer)] *= kept

    def decay_feedback(self, count: int) -> None:
        """Decay learned feedback without twin if *count* updates, or mirror steps, ask for it."""
        decay = self.chip.learning.feedback_decay
        if decay is None or count % decay.every:
            return
        for matrix in self.chip.matrices:
            if matrix.kind is Kind.FEEDBACK:
                self.feedback[matrix.layer] *= 1.0 - 2.0 ** -decay.shift_at(self.epoch)


def _evenly(maps: Float, axis: int, wanted: int, method: str) -> Float:
    """Largest values, or means, of windows that cover an axis evenly: ⌊i·H/H'⌋ … ⌈(i+1)·H/H'⌉ − 1."""
    side, turned = maps.shape[axis], np.moveaxis(maps, axis, 0)
    found = np.empty((wanted, *turned.shape[1:]), dtype=maps.dtype)
    for i in range(wanted):
        window = turned[i * side // wanted : -(-(i + 1) * side // wanted)]
        (np.max if method == "max_pool" else np.mean)(window, axis=0, out=found[i])
    return np.moveaxis(found, 0, axis)
