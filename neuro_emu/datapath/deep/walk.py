"""The walk over a graph, a batch at a time: forward ascending, errors descending, then writes (numerics.md, section 9).

Written once, for every :class:`neuro_emu.datapath.deep.ops.Ops`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.errors import Errors, Found, chosen
from neuro_emu.datapath.deep.ops import Choice, Kept, Labels, Ops, T
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.matrices import own_map, shared_source
from neuro_emu.machine.deep.reading import Source
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Add, Concat, Flatten, Input, Node, Pool, Weighted
from neuro_emu.network.state import PREACTIVATION_OVF

Predictions = NDArray[np.int64]


class Tested(NamedTuple):
    """What a forward pass gives: classes (samples,) and the outputs y_K (samples, 1, 1, outputs)."""

    predictions: Predictions
    outputs: Any


@dataclass
class Upward(Generic[T]):
    """What a batch leaves behind on its way up, by node."""

    outputs: dict[int, T] = field(default_factory=dict)
    preactivations: dict[int, T] = field(default_factory=dict)
    normalised: dict[int, T] = field(default_factory=dict)
    choices: dict[int, Choice | None] = field(default_factory=dict)
    sums: dict[int, T] = field(default_factory=dict)
    matched: dict[tuple[Any, ...], T] = field(default_factory=dict)


class Walk(Generic[T]):
    """Forward passes and learning of one chip.

    Args:
        chip: the chip.
        ops: the datapath.

    """

    def __init__(self, chip: DeepChip, ops: Ops[T]) -> None:
        self.chip, self.ops, self.graph = chip, ops, chip.graph
        self._counted = self._layers_of_nodes()
        self.errors: Errors[T] = Errors(chip, ops, self._counted)

    def _layers_of_nodes(self) -> list[int]:
        """Layer that the events of each node count with: its own, or the one that it follows."""
        found: list[int] = []
        for node in self.graph.nodes:
            follows = found[node.sources[0]] if node.sources else 0
            found.append(node.layer if isinstance(node, Weighted) else follows)
        return found

    # --- forward ---

    def infer(self, codes: NDArray[Any]) -> Tested:
        """Test a batch of samples (samples, H, W, C) or (samples, inputs)."""
        self.ops.learning = False
        kept = self._forward(codes)
        last = self.graph.output.index
        y = kept.outputs[last]
        return Tested(self.ops.predicted(kept.sums[last], y), y)

    def _forward(self, codes: NDArray[Any]) -> Upward[T]:
        kept: Upward[T] = Upward()
        for node in self.graph.nodes:
            kept.outputs[node.index] = self._output(node, codes, kept)
        return kept

    def _output(self, node: Node, codes: NDArray[Any], kept: Upward[T]) -> T:
        ops, sources = self.ops, [self.graph.nodes[source] for source in node.sources]
        if isinstance(node, Input):
            return ops.load(codes)
        read = [kept.outputs[source] for source in node.sources]
        layer = self._counted[node.index]
        if isinstance(node, Weighted):
            return self._layer(node, read[0], kept)
        if isinstance(node, Pool):
            pooled, kept.choices[node.index] = ops.pool(read[0], node)
            return pooled
        if isinstance(node, Flatten):
            return ops.shaped(read[0], node.shape)
        if isinstance(node, Concat):
            return ops.concat(read, node, [source.code for source in sources], layer)
        assert isinstance(node, Add)
        q = ops.add(read[0], read[1], node, (sources[0].code, sources[1].code), layer)
        kept.preactivations[node.index] = q
        return ops.activate(q, node)

    def _layer(self, node: Weighted, x: T, kept: Upward[T]) -> T:
        ops, k = self.ops, node.layer
        z = ops.patches_product(x, node, ops.matrix(Kind.WEIGHTS, k))
        if node.norm is None:
            q = ops.requantise(z, node.sum_frac, node.preactivation, k, PREACTIVATION_OVF)
        elif ops.learning:
            q, kept.normalised[node.index] = ops.normalise(z, k)
        else:
            q = ops.fold(z, k)
        kept.preactivations[node.index] = q
        if node is self.graph.output:
            kept.sums[node.index] = z
            return ops.activate(q, node)
        return ops.drop(ops.activate(q, node), k)

    # --- learning ---

    def learn(self, codes: NDArray[Any], labels: Labels) -> Predictions:
        """Learn from one batch; returns the classes (samples,) that were predicted before."""
        ops, last = self.ops, self.graph.output
        ops.learning = True
        kept = self._forward(codes)
        y, e, delta = ops.output_error(kept.preactivations[last.index], labels)
        predictions = ops.predicted(kept.sums[last.index], y)
        opened = ops.opened(e, labels)
        found = self.errors.find(kept, (e, delta), labels, opened)
        for k in self.chip.training_order:
            self._write(k, kept, found, opened)
        ops.finish()
        if any(reading.mirror for reading in self.chip.readings):
            ops.mirror(len(labels))
        return predictions

    def _write(self, k: int, kept: Upward[T], found: Found[T], opened: Kept | None) -> None:
        """Write what belongs to layer k: its weights, its local classifier, feedback from its error."""
        ops, node, reading = self.ops, self.graph.layers[k], self.chip.readings[k]
        last = node is self.graph.output
        if reading.learns:
            h = self._activation(kept, node, reading.activation, None if last else opened)
            ops.learn(h, found.output if last else found.deltas[k], node)
        if k in found.local:
            ops.learn_local(k, *found.local[k])
        if reading.feedback is Source.CHAIN and k in found.deltas:
            ops.learn_feedback(self._activation(kept, node, reading.shared, opened), found.deltas[k], node)
        if reading.direct_learns and reading.learns:
            y = chosen(ops, kept.outputs[self.graph.head(k)], opened)
            ops.write(Kind.FEEDBACK, k, ops.outer(found.deltas[self.graph.output.layer], y))

    def _activation(self, kept: Upward[T], node: Weighted, layer: int | None, opened: Kept | None) -> T:
        """What a layer learns with: its own input, or the output of *layer* matched to it."""
        ops = self.ops
        if layer is None:
            return chosen(ops, kept.outputs[node.sources[0]], opened)
        source, method, to = shared_source(self.graph, layer), self.chip.readings[node.layer].matching, node.seen
        key = source, own_map(self.graph, node), method, opened is None, node.layer if method == "random" else 0
        if key not in kept.matched:
            y = chosen(ops, kept.outputs[source], opened)
            kept.matched[key] = ops.match(y, own_map(self.graph, node), method, node.layer)
        return ops.shaped(kept.matched[key], to)
