"""The walk over a graph, a batch at a time: forward ascending, errors descending, then writes (numerics.md, section 9).

Written once, for every :class:`neuro_emu.datapath.deep.ops.Ops`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.ops import Choice, Kept, Labels, Ops, T
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.reading import Source
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Add, Concat, Flatten, Input, Node, Pool, Weighted
from neuro_emu.network.state import PREACTIVATION_OVF, PROJECTION_OVF

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


class Walk(Generic[T]):
    """Forward passes and learning of one chip.

    Args:
        chip: the chip.
        ops: the datapath.

    """

    def __init__(self, chip: DeepChip, ops: Ops[T]) -> None:
        self.chip, self.ops, self.graph = chip, ops, chip.graph
        self._counted = self._layers_of_nodes()
        self._wanted = self._nodes_with_errors()

    def _layers_of_nodes(self) -> list[int]:
        """Layer that the events of each node count with: its own, or the one that it follows."""
        found: list[int] = []
        for node in self.graph.nodes:
            follows = found[node.sources[0]] if node.sources else 0
            found.append(node.layer if isinstance(node, Weighted) else follows)
        return found

    def _nodes_with_errors(self) -> list[bool]:
        """Whether anything at or below a node learns from an error that comes down the graph."""
        found: list[bool] = []
        for node in self.graph.nodes:
            below = any(found[source] for source in node.sources)
            if isinstance(node, Weighted):
                reading = self.chip.readings[node.layer]
                below |= reading.source is Source.CHAIN and reading.learns
            found.append(below)
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
        elif ops.learning and not node.norm.frozen:
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
        deltas = self._errors(kept, (e, delta), labels, opened)
        for k in self.chip.training_order:
            node = self.graph.layers[k]
            if not self.chip.readings[k].learns:
                continue
            h = kept.outputs[node.sources[0]]
            if node is last:
                ops.learn(h, delta, node)
            else:
                ops.learn(self._chosen(h, opened), deltas[k], node)
        ops.finish()
        return predictions

    def _chosen(self, values: T, opened: Kept | None) -> T:
        """Those samples whose gate is open."""
        return values if opened is None else self.ops.select(values, opened)

    def _errors(self, kept: Upward[T], error: tuple[T, T], labels: Labels, opened: Kept | None) -> dict[int, T]:
        """δ_z of every hidden layer that learns, or that an error crosses, by layer."""
        e, delta = (self._chosen(part, opened) for part in error)
        chosen = labels if opened is None else labels[opened]
        incoming: dict[int, list[T]] = {node.index: [] for node in self.graph.nodes}
        deltas: dict[int, T] = {}
        for node in reversed(self.graph.nodes):
            if isinstance(node, Input):
                continue
            if isinstance(node, Weighted):
                d = (
                    delta
                    if node is self.graph.output
                    else self._delta(node, kept, (e, delta), chosen, incoming, opened)
                )
                if d is not None:
                    deltas[node.layer] = d
                    self._send_back(node, d, incoming)
            elif incoming[node.index]:
                self._pass_on(node, kept, incoming, opened)
        return deltas

    def _delta(
        self,
        node: Weighted,
        kept: Upward[T],
        error: tuple[T, T],
        labels: Labels,
        incoming: dict[int, list[T]],
        opened: Kept | None,
    ) -> T | None:
        """δ_z of a hidden layer; None if it needs none."""
        ops, k, reading = self.ops, node.layer, self.chip.readings[node.layer]
        frac = node.projection.frac
        if reading.source is Source.CHAIN and incoming[node.index]:
            p = ops.merge(incoming[node.index], node.projection, k)
        elif not reading.learns or reading.source in {Source.NONE, Source.CHAIN}:
            return None
        elif reading.source is Source.LABEL:
            assert node.feedback is not None
            p, frac = ops.label_rows(k, labels), node.feedback.frac
        elif reading.source is Source.ERROR:
            p = ops.project(k, error[1], self.graph.output.delta.frac)
        else:
            p = ops.project(k, ops.error_sign(error[0]), 0)
        d = ops.gate(p, self._chosen(kept.preactivations[node.index], opened), node, frac, k)
        return ops.norm_back(d, kept.normalised[node.index], k) if node.norm else d

    def _send_back(self, node: Weighted, d: T, incoming: dict[int, list[T]]) -> None:
        """Send an error through the weights of a layer to what it reads."""
        source = self.graph.nodes[node.sources[0]]
        if not self._wanted[source.index]:
            return
        ops, counted = self.ops, self._counted[source.index]
        p = ops.back_product(d, node, ops.matrix(Kind.WEIGHTS, node.layer))
        frac = node.weight.frac + node.sum_error.frac
        incoming[source.index].append(ops.requantise(p, frac, source.projection, counted, PROJECTION_OVF))

    def _pass_on(self, node: Node, kept: Upward[T], incoming: dict[int, list[T]], opened: Kept | None) -> None:
        """Send the error of a node without weights to what it reads."""
        ops, sources = self.ops, [self.graph.nodes[source] for source in node.sources]
        layer = self._counted[node.index]
        d = ops.merge(incoming[node.index], node.projection, layer)
        if isinstance(node, Flatten):
            parts = [ops.shaped(d, sources[0].shape)]
        elif isinstance(node, Pool):
            choice = kept.choices[node.index]
            chosen = choice if opened is None or choice is None else choice[opened]
            parts = [ops.pool_back(d, chosen, node, sources[0].projection, layer)]
        elif isinstance(node, Concat):
            parts = ops.split(d, sources, node.projection.frac, layer)
        else:
            assert isinstance(node, Add)
            q = self._chosen(kept.preactivations[node.index], opened)
            d = ops.gate(d, q, node, node.projection.frac, layer)
            frac = node.delta.frac
            parts = [ops.requantise(d, frac, s.projection, self._counted[s.index], PROJECTION_OVF) for s in sources]
        for source, part in zip(sources, parts, strict=True):
            if self._wanted[source.index]:
                incoming[source.index].append(part)
