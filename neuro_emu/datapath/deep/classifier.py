"""Local classifiers of the integer datapath of graphs: L_k on the outputs of a layer that ends a block."""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.deep.core import Array, Core
from neuro_emu.datapath.deep.ops import Labels
from neuro_emu.kernels.deep import elementwise as ew
from neuro_emu.machine.deep.matrices import local_layer
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.state import DELTA_OVF, PREACTIVATION_OVF


class Classifiers(Core):
    """What of :class:`neuro_emu.datapath.deep.ops.Ops` works on local classifiers; they are like the output layer."""

    def classify(self, layer: int, y: Array, labels: Labels) -> Array:
        """See :class:`Ops`."""
        node, output, n = local_layer(self.chip.graph, layer), self.chip.graph.output, len(y)
        z = self.patches_product(y.reshape(n, *node.seen), node, self.state.classifiers[layer])
        q = self.requantise(z, node.sum_frac, node.preactivation, layer, PREACTIVATION_OVF).reshape(n, node.units)
        codes, to = self.activate(q, output).astype(np.int32), output.delta
        limits = np.array([self.chip.graph.hot, output.code.frac - to.frac, to.low, to.high], dtype=np.int64)
        errors, delta = np.empty(q.shape, dtype=np.int32), np.empty(q.shape, dtype=np.int16)
        slopes = np.zeros(0, dtype=np.int64)  # loss bce: no derivative
        clamped = ew.output_errors(codes, q, labels.astype(np.int64), slopes, limits, errors, delta)
        self.trained[layer, DELTA_OVF] += clamped
        return delta.reshape(n, *node.shape)

    def learn_local(self, layer: int, y: Array, d: Array) -> None:
        """See :class:`Ops`."""
        node = local_layer(self.chip.graph, layer)
        self.write(Kind.CLASSIFIER, layer, self.gradient(y.reshape(len(y), *node.seen), d, node))
