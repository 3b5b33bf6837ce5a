"""The float twin of graphs: the same walk on float64, or float32, without any number format (docs/deep.md, 2.7).

It starts from the values of the chip's initial codes, sees the same batches, uses the same rates 2^-shift and drops the
same neurons: what differs from the integers is what quantisation costs. The bias is 1, also where codes do not hold 1.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.floating_feedback import FloatFeedback
from neuro_emu.datapath.deep.floating_maps import FloatMaps
from neuro_emu.datapath.deep.floating_norm import FloatNorm
from neuro_emu.datapath.deep.floating_products import FloatProducts
from neuro_emu.datapath.deep.ops import Kept, Labels
from neuro_emu.datapath.floating_optimisers import Learner, optimiser_of
from neuro_emu.datapath.floating_rules import activate, slope_of
from neuro_emu.kernels.deep import elementwise as ew
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.matrices import local_layer
from neuro_emu.machine.deep.norms import norm_layers
from neuro_emu.machine.deep.reading import Back, Source
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Add, Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import TALLIES
from neuro_emu.numerics.formats import Format

Float = NDArray[Any]
"""float64, or float32 throughout."""


class FloatOps(FloatMaps, FloatFeedback):
    """See :class:`neuro_emu.datapath.deep.ops.Ops`.

    Args:
        chip: what to imitate.
        state: initial codes, read as values; velocities are not carried on.
        dtype: float64, or float32 for long runs.

    Attributes:
        trained: counters (layers, events), which stay 0; ``tested`` too.

    Raises:
        RunError: if the chip has settings that graphs do not have.

    """

    def __init__(self, chip: DeepChip, state: DeepState, dtype: Any = np.float64) -> None:
        chip.refuse_unknown()
        self.chip, self.dtype, self.learning = chip, np.dtype(dtype), False
        self.chained = any(reading.source in {Source.CHAIN, Source.LOCAL} for reading in chip.readings)
        graph, learning = chip.graph, chip.learning
        self.read(state)
        self.norms = {la.layer: FloatNorm(la, state.norm[la.layer], self.dtype) for la in norm_layers(chip)}
        self.products, self._optimiser = FloatProducts(), optimiser_of(learning)
        self._learners: dict[tuple[Kind, int], Learner] = {}
        self._moved: dict[int, Learner] = {}
        self.samples, self.updates, self._drops = state.samples, state.updates, state.dropout_registers.copy()
        self._present, self._gone = 0, dict[int, Float]()
        self._kept: Kept | None = None
        self.trained, self.tested = (np.zeros((len(graph.layers), len(TALLIES)), dtype=np.int64) for _ in range(2))
        frac = graph.output.code.frac
        self._theta = None if learning.error_gate is None else learning.error_gate * 2.0**-frac
        self._dead_zone = learning.sign_dead_zone * 2.0**-frac
        self.epoch = state.epoch

    def begin_epoch(self, epoch: int) -> None:
        """See :class:`Ops`."""
        self.epoch = epoch

    # --- codes ---

    def load(self, codes: NDArray[Any]) -> Float:
        """See :class:`Ops`."""
        self._present = len(codes)
        if self.learning:
            self._optimiser.begin(len(codes))
        graph = self.chip.graph
        return self.values(codes, graph.nodes[0].code).reshape(len(codes), *graph.input_shape)

    def shaped(self, y: Float, to: Shape) -> Float:
        """See :class:`Ops`."""
        return y.reshape(len(y), *to)

    def select(self, values: Float, kept: Kept) -> Float:
        """See :class:`Ops`."""
        return values[kept]

    def requantise(self, v: Float, frac: int, to: Format, layer: int, event: int) -> Float:
        """See :class:`Ops`: nothing is rounded."""
        del frac, to, layer, event
        return v

    # --- sums ---

    def patches_product(self, x: Float, node: Weighted, matrix: Float) -> Float:
        """See :class:`Ops`."""
        z = self.products.product(x, node.window, matrix[: node.depth])
        if len(matrix) > node.depth:
            z += matrix[node.depth]
        return z.reshape(len(x), *node.shape)

    def back_product(self, d: Float, node: Weighted, matrix: Float) -> Float:
        """See :class:`Ops`."""
        return self.products.back(d, node, matrix[: node.depth])

    def gradient(self, h: Float, d: Float, node: Weighted) -> Float:
        """See :class:`Ops`."""
        total = self.products.gradient(h, d, node)
        if not node.biased:
            return total
        bias = d.reshape(-1, node.units).sum(axis=0)
        return np.concatenate([total, bias[None]])

    # --- activations and errors ---

    def activate(self, q: Float, node: Weighted | Add) -> Float:
        """See :class:`Ops`."""
        return activate(node.activation, q)

    def gate(self, p: Float, q: Float, node: Weighted | Add, frac: int, layer: int) -> Float:
        """See :class:`Ops`."""
        del frac
        found: Float = p.reshape(q.shape) * self._slope(q, node)
        if layer in self._gone and isinstance(node, Weighted):
            stays = self._gone[layer] if self._kept is None else self._gone[layer][self._kept]
            found *= stays
        return found

    @staticmethod
    def _slope(q: Float, node: Weighted | Add) -> Any:
        """F′(q); of booleans where it is 0 or 1, which keep the type of what they are multiplied with."""
        if node.activation == "identity":
            return True
        if node.activation == "relu":
            return q > 0.0
        if node.activation == "hard_tanh":
            return np.abs(q) < 1.0
        return slope_of(node.activation, q, activate(node.activation, q)).astype(q.dtype)

    def output_error(self, q: Float, labels: Labels) -> tuple[Float, Float, Float]:
        """See :class:`Ops`."""
        node = self.chip.graph.output
        y = self.activate(q, node)
        e = -y
        e.reshape(len(e), -1)[np.arange(len(e)), labels] += 1.0
        return y, e, e * self._slope(q, node) if self.chip.learning.loss == "mse" else e

    def opened(self, e: Float, labels: Labels) -> Kept | None:
        """See :class:`Ops`."""
        n = len(e)
        self._kept = (
            None if self._theta is None else np.flatnonzero(e.reshape(n, -1)[np.arange(n), labels] > self._theta)
        )
        return self._kept

    def error_sign(self, e: Float) -> Float:
        """See :class:`Ops`."""
        signs: Float = np.sign(e) * (np.abs(e) > self._dead_zone)
        return signs

    def predicted(self, z: Float, y: Float) -> NDArray[np.int64]:
        """See :class:`Ops`."""
        classes: NDArray[np.int64] = z.reshape(len(y), -1).argmax(axis=1)
        return classes

    def drop(self, y: Float, layer: int) -> Float:
        """See :class:`Ops`."""
        threshold, node = self.chip.learning.dropout, self.chip.graph.layers[layer]
        if not threshold or not node.dropout:
            return y
        if not self.learning:
            return y * (1.0 - threshold / 256.0)
        gone = np.empty(y.size, dtype=np.uint8)
        ew.drop_flat(np.zeros(y.size, dtype=np.int16), threshold, self._drops[layer : layer + 1], gone)
        self._gone[layer] = (gone == 0).reshape(y.shape)
        return y * self._gone[layer]

    # --- batch normalisation ---

    def normalise(self, z: Float, layer: int) -> tuple[Float, Float]:
        """See :class:`Ops`."""
        return self.norms[layer].train(z)

    def fold(self, z: Float, layer: int) -> Float:
        """See :class:`Ops`."""
        return self.norms[layer].infer(z)

    def norm_back(self, d: Float, x_hat: Float, layer: int) -> Float:
        """See :class:`Ops`."""
        norm = self.norms[layer]
        found = norm.back(d, x_hat)
        if self.chip.readings[layer].learns:
            if layer not in self._moved:
                self._moved[layer] = Learner(norm.learned, self._optimiser, biased=False)
            self._moved[layer].take(norm.gradients)
        return found

    # --- writes ---

    def write(self, kind: Kind, layer: int, sums: Float) -> None:
        """See :class:`Ops`."""
        if (kind, layer) not in self._learners:
            self._learners[kind, layer] = self._learner(kind, layer)
        learner = self._learners[kind, layer]
        learner.take(sums)
        learner.apply(self.rate(kind, layer))

    def _learner(self, kind: Kind, layer: int) -> Learner:
        """The matrix of a kind with what its optimiser remembers; the twin of weights takes their steps."""
        twin, biased = None, False
        if kind is Kind.WEIGHTS:
            biased = self.chip.graph.layers[layer].biased
            if self.chip.readings[layer].back is Back.TWIN:
                twin = self.matrix(Kind.TWIN, self.chip.slot(layer)).T
        return Learner(self.stored(kind, layer), self._optimiser, biased=biased, twin=twin)

    def learn(self, h: Float, d: Float, node: Weighted) -> None:
        """See :class:`Ops`."""
        self.write(Kind.WEIGHTS, node.layer, self.gradient(h, d, node))

    def learn_feedback(self, h: Float, d: Float, node: Weighted) -> None:
        """See :class:`Ops`."""
        sums = self.products.gradient(h, d, node)
        self.write(Kind.FEEDBACK, self.chip.slot(node.layer), sums if node.window else np.ascontiguousarray(sums.T))

    def learn_local(self, layer: int, y: Float, d: Float) -> None:
        """See :class:`Ops`."""
        node = local_layer(self.chip.graph, layer)
        self.write(Kind.CLASSIFIER, layer, self.gradient(y.reshape(len(y), *node.seen), d, node))

    def finish(self) -> None:
        """See :class:`Ops`."""
        for layer, learner in self._moved.items():
            learner.apply(self.rate(Kind.WEIGHTS, layer))
        self.samples += self._present
        self.updates += 1
        self.decay_weights(self.updates)
        if not any(reading.mirror for reading in self.chip.readings):
            self.decay_feedback(self.updates)

    # --- what engines ask of every datapath ---

    def uncounted(self) -> AbstractContextManager[None]:
        """Count nothing for a while: nothing is counted at all."""
        return nullcontext()

    def counts(self) -> None:
        """Nothing is counted."""
