"""Errors of a batch on their way down the graph, or straight to the layers (docs/deep.md, sections 2.3 and 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic

from neuro_emu.datapath.deep.ops import Kept, Labels, Matrix2, Ops, T
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.matrices import local_pool
from neuro_emu.machine.deep.reading import DIRECT, Back, Source
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Add, Concat, Flatten, Input, Node, Pool, Weighted
from neuro_emu.network.state import PROJECTION_OVF

if TYPE_CHECKING:
    from neuro_emu.datapath.deep.walk import Upward


def chosen(ops: Ops[T], values: T, opened: Kept | None) -> T:
    """Those samples whose gate is open."""
    return values if opened is None else ops.select(values, opened)


@dataclass
class Found(Generic[T]):
    """Errors of a batch.

    Attributes:
        output: δ_K of every sample.
        deltas: δ_z by layer, of the samples whose gate is open; of layers that learn or that an error crosses.
        local: (pooled) outputs and δ_L of local classifiers, by layer.
        incoming: what has arrived at the output of each node so far.
        heads: δ behind f′ of residuals' ends that direct errors go to, by the layer whose feedback brings them.

    """

    output: T
    deltas: dict[int, T] = field(default_factory=dict)
    local: dict[int, tuple[T, T]] = field(default_factory=dict)
    incoming: dict[int, list[T]] = field(default_factory=dict)
    heads: dict[int, T] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch(Generic[T]):
    """What the errors of a batch are made of: only the samples whose gate is *opened*, but for ``kept``."""

    kept: Upward[T]
    e: T
    delta: T
    labels: Labels
    opened: Kept | None


class Errors(Generic[T]):
    """Finds the error of every layer of one chip.

    Args:
        chip: the chip.
        ops: the datapath.
        counted: layer that the events of each node count with.

    """

    def __init__(self, chip: DeepChip, ops: Ops[T], counted: list[int]) -> None:
        self.chip, self.ops, self.graph, self._counted = chip, ops, chip.graph, counted
        local = [k for k, reading in enumerate(chip.readings) if reading.source is Source.LOCAL]
        self._local = {self.graph.head(k): k for k in local}
        self._wanted = self._nodes_with_errors()

    def _nodes_with_errors(self) -> list[bool]:
        """Whether a node, or one below it, learns from an error that its consumers send."""
        found: list[bool] = []
        for node in self.graph.nodes:
            below = any(found[source] for source in node.sources)
            if isinstance(node, Weighted):
                reading = self.chip.readings[node.layer]
                below |= reading.source in {Source.CHAIN, Source.LOCAL} and reading.learns
            found.append(below and node.index not in self._local)
        return found

    def find(self, kept: Upward[T], error: tuple[T, T], labels: Labels, opened: Kept | None) -> Found[T]:
        """Errors of every layer from (e, δ_K) of all samples."""
        e, delta = (chosen(self.ops, part, opened) for part in error)
        batch = Batch(kept, e, delta, labels if opened is None else labels[opened], opened)
        found = Found(error[1], incoming={node.index: [] for node in self.graph.nodes})
        for node in reversed(self.graph.nodes):
            if isinstance(node, Input):
                continue
            p = self._arrived(node, batch, found)
            if isinstance(node, Weighted):
                d = delta if node is self.graph.output else self._delta(node, p, batch, found)
                if d is not None:
                    found.deltas[node.layer] = d
                    self._send_back(node, d, found)
            elif p is not None:
                self._pass_on(node, p, batch, found)
        return found

    def _arrived(self, node: Node, batch: Batch[T], found: Found[T]) -> T | None:
        """Error p′ at the output of a node: of its consumers, or of its local classifier; None: there is none."""
        if node.index in self._local:
            return self._classified(self._local[node.index], node, batch, found)
        parts, layer = found.incoming.pop(node.index), self._counted[node.index]
        return self.ops.merge(parts, node.projection, layer) if parts else None

    def _classified(self, k: int, head: Node, batch: Batch[T], found: Found[T]) -> T:
        """Error that the local classifier of layer k sends to its head."""
        ops, pool = self.ops, local_pool(self.graph, k)
        y = chosen(ops, batch.kept.outputs[head.index], batch.opened)
        seen = ops.pool(y, pool)[0] if pool else y
        d = ops.classify(k, seen, batch.labels)
        found.local[k] = seen, d
        p = ops.project(k, d, self.graph.output.delta.frac, pool.shape if pool else None)
        return ops.pool_back(p, None, pool, head.projection, k) if pool else p

    def _delta(self, node: Weighted, p: T | None, batch: Batch[T], found: Found[T]) -> T | None:
        """δ_z of a hidden layer; None if it needs none."""
        ops, k, reading = self.ops, node.layer, self.chip.readings[node.layer]
        frac = node.projection.frac
        if p is None:
            if not reading.learns or reading.source not in DIRECT:
                return None
            p, frac = self._direct(node, batch, found)
        d = ops.gate(p, chosen(ops, batch.kept.preactivations[node.index], batch.opened), node, frac, k)
        return ops.norm_back(d, batch.kept.normalised[node.index], k) if node.norm else d

    def _direct(self, node: Weighted, batch: Batch[T], found: Found[T]) -> tuple[T, int]:
        """Error at the output of a layer from the matrix of its head, and its fractional bits."""
        ops, owner = self.ops, self.chip.readings[node.layer].owner
        head = self.graph.nodes[self.graph.head(node.layer)]
        if head is node:
            return self._projected(owner, batch)
        assert isinstance(head, Add)
        if owner not in found.heads:
            p, frac = self._projected(owner, batch)
            q = chosen(ops, batch.kept.preactivations[head.index], batch.opened)
            found.heads[owner] = ops.gate(p, q, head, frac, owner)
        d, to = found.heads[owner], node.projection
        return ops.requantise(d, head.delta.frac, to, node.layer, PROJECTION_OVF), to.frac

    def _projected(self, owner: int, batch: Batch[T]) -> tuple[T, int]:
        """Error that the direct feedback matrix of a layer brings to its head."""
        ops, graph, source = self.ops, self.graph, self.chip.readings[owner].source
        if source is Source.LABEL:
            storage = graph.layers[owner].feedback
            assert storage is not None
            return ops.label_rows(owner, batch.labels), storage.frac
        signal, frac = (batch.delta, graph.output.delta.frac)
        if source is Source.ERROR_SIGN:
            signal, frac = ops.error_sign(batch.e), 0
        return ops.project(owner, signal, frac), graph.nodes[graph.head(owner)].projection.frac

    def _send_back(self, node: Weighted, d: T, found: Found[T]) -> None:
        """Send an error through the matrix that crosses a layer to what the layer reads."""
        source = self.graph.nodes[node.sources[0]]
        if not self._wanted[source.index]:
            return
        matrix, frac = self._crossing(node)
        p = self.ops.back_product(d, node, matrix)
        counted = self._counted[source.index]
        part = self.ops.requantise(p, frac + node.sum_error.frac, source.projection, counted, PROJECTION_OVF)
        found.incoming[source.index].append(part)

    def _crossing(self, node: Weighted) -> tuple[Matrix2, int]:
        """The matrix that errors cross a layer with, and its fractional bits."""
        ops, k, back = self.ops, node.layer, self.chip.readings[node.layer].back
        if back is Back.WEIGHTS:
            return ops.matrix(Kind.WEIGHTS, k), node.weight.frac
        slot = self.chip.slot(k)
        storage = self.graph.layers[slot].feedback
        assert storage is not None
        if back is Back.SIGNS:
            return ops.signs(k), storage.frac
        return ops.matrix(Kind.TWIN if back is Back.TWIN else Kind.FEEDBACK, slot), storage.frac

    def _pass_on(self, node: Node, p: T, batch: Batch[T], found: Found[T]) -> None:
        """Send the error of a node without weights to what it reads."""
        ops, sources = self.ops, [self.graph.nodes[source] for source in node.sources]
        layer = self._counted[node.index]
        if isinstance(node, Flatten):
            parts = [ops.shaped(p, sources[0].shape)]
        elif isinstance(node, Pool):
            choice = batch.kept.choices[node.index]
            picked = choice if batch.opened is None or choice is None else choice[batch.opened]
            parts = [ops.pool_back(p, picked, node, sources[0].projection, layer)]
        elif isinstance(node, Concat):
            parts = ops.split(p, sources, node.projection.frac, layer)
        else:
            assert isinstance(node, Add)
            q = chosen(ops, batch.kept.preactivations[node.index], batch.opened)
            d = ops.gate(p, q, node, node.projection.frac, layer)
            frac = node.delta.frac
            parts = [ops.requantise(d, frac, s.projection, self._counted[s.index], PROJECTION_OVF) for s in sources]
        for source, part in zip(sources, parts, strict=True):
            if self._wanted[source.index]:
                found.incoming[source.index].append(part)
