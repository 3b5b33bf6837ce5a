"""How a graph lies on the machine: groups, tiles, taps, and what of each map has to be kept (docs/machine.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Int64
from neuro_emu.machine.deep.reading import DIRECT, Back, Source
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.deep.graph import Add, Flatten, Input, Node, Weighted
from neuro_emu.network.deep.shapes import Window
from neuro_emu.numerics.activations import LINEAR, SOFTMAX
from neuro_emu.rules import Need

if TYPE_CHECKING:
    from neuro_emu.machine.deep.chip import DeepChip


def cover(window: Window) -> Int64:
    """How many output positions see each place of a map: (height, width) numbers of taps a channel."""
    return np.outer(_along(window, 0), _along(window, 1))


def _along(window: Window, axis: int) -> Int64:
    length, kernel, places = (
        (window.height, window.kernel_height, window.rows),
        (window.width, window.kernel_width, window.columns),
    )[axis]
    found = np.zeros(length, dtype=np.int64)
    for place in range(places):
        for tap in range(kernel):
            at = place * window.stride + tap - window.padding
            if 0 <= at < length:
                found[at] += 1
    return found


def inside_taps(window: Window) -> int:
    """Taps of all positions that lie on the map and not in its padding, over all channels."""
    return int(cover(window).sum()) * window.channels


def has_table(node: Weighted | Add) -> bool:
    """Whether activation and derivative need a ROM."""
    return node.activation not in (*LINEAR, SOFTMAX)


@dataclass(frozen=True)
class Mapping:
    """What a chip's graph and rule make of the machine; nothing here depends on data.

    Attributes:
        chip: the chip.

    """

    chip: DeepChip

    @cached_property
    def counted(self) -> tuple[int, ...]:
        """Layer that each node counts with: its own, or the one that it follows."""
        found: list[int] = []
        for node in self.chip.graph.nodes:
            follows = found[node.sources[0]] if node.sources else 0
            found.append(node.layer if isinstance(node, Weighted) else follows)
        return tuple(found)

    @cached_property
    def local(self) -> frozenset[int]:
        """Nodes whose error a local classifier makes; what their consumers would send is not wanted."""
        graph, readings = self.chip.graph, self.chip.readings
        return frozenset(graph.head(k) for k, reading in enumerate(readings) if reading.source is Source.LOCAL)

    @cached_property
    def wanted(self) -> tuple[bool, ...]:
        """Whether a node, or one below it, learns from an error that its consumers send."""
        found: list[bool] = []
        for node in self.chip.graph.nodes:
            below = any(found[source] for source in node.sources)
            if isinstance(node, Weighted):
                reading = self.chip.readings[node.layer]
                below |= reading.source is Source.CHAIN and reading.learns
            found.append(below and node.index not in self.local)
        return tuple(found)

    def source_of(self, node: Node) -> Node:
        """The node whose codes *node* reads first, flattening left out: it copies nothing."""
        source = self.chip.graph.nodes[node.sources[0]]
        return self.source_of(source) if isinstance(source, Flatten) else source

    def operand(self, node: Node) -> C:
        """The counter of reads of what *node* reads."""
        return C.INPUT_READ if isinstance(self.source_of(node), Input) else C.OUTPUT_READ

    def learned(self, node: Weighted) -> C:
        """The counter of reads of what a layer learns with: its input, or the activation that stands in for it."""
        shared = self.chip.readings[node.layer].activation
        if shared is not None:
            return C.OUTPUT_READ if shared >= 0 else C.INPUT_READ
        return self.operand(node)

    def twin_of(self, matrix: Matrix) -> Matrix | None:
        """The feedback that takes the steps of a matrix of weights."""
        if matrix.kind is not Kind.WEIGHTS or self.chip.readings[matrix.layer].back is not Back.TWIN:
            return None
        return self.chip.matrix(Kind.TWIN, self.chip.slot(matrix.layer))

    def gated(self, node: Weighted | Add) -> bool:
        """Whether an error passes f′ of a node while its chip learns; the output layer has its own rule."""
        graph, readings = self.chip.graph, self.chip.readings
        if node is graph.output:
            return False
        if self.wanted[node.index] or node.index in self.local:
            return True
        if isinstance(node, Weighted):
            return self._direct(node.layer)
        return any(graph.head(k) == node.index and self._direct(k) for k in range(len(readings)))

    def _direct(self, layer: int) -> bool:
        """Whether a layer learns from an error that its own matrix brings."""
        reading = self.chip.readings[layer]
        return reading.source in DIRECT and reading.learns

    def keeps(self, node: Weighted | Add) -> bool:
        """Whether q must be buffered because the node's error is known only later."""
        return self.chip.need >= Need.ERROR and self.gated(node)

    def stores_delta(self, node: Weighted | Add) -> bool:
        """Whether errors behind f′ are buffered: not where they go from the lanes straight into an update."""
        plain = isinstance(node, Weighted) and node.window is None and node.norm is None
        return not plain or self.chip.learning.rule.need is Need.CHAIN

    def loads(self, node: Weighted) -> bool:
        """Whether the update of a dense layer loads its errors into the lanes."""
        return node is self.chip.graph.output or self.stores_delta(node)

    def projects(self, node: Weighted) -> bool:
        """Whether errors cross a dense layer by feedback that lies with an error a row, not as W does."""
        return node.window is None and self.chip.readings[node.layer].back in {Back.FIXED, Back.LEARNED}

    def summed_in_lanes(self, node: Weighted) -> bool:
        """Whether errors that cross a layer downwards go from the lanes straight through f′ of a dense layer."""
        below = self.source_of(node)
        return node.window is None and isinstance(below, Weighted) and below.window is None

    def chosen(self, node: Node) -> bool:
        """Whether a max pool keeps its choices: an error comes back through it."""
        return self.wanted[node.index]
