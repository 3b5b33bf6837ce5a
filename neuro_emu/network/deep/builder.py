"""Builds a graph node by node, with shapes and formats filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from neuro_emu.network.deep.graph import Add, Concat, Flatten, Graph, Input, Node, Pool, Weighted
from neuro_emu.network.deep.shapes import Shape, neurons, window_on
from neuro_emu.numerics.formats import Format

_ADDRESS = Format(True, 8, 4)


@dataclass(frozen=True)
class Formats:
    """Formats that layers share unless they have their own; see :class:`Weighted`. Projections default to delta."""

    weight: Format
    output: Format
    delta: Format
    feedback: Format | None = None
    projection: Format | None = None
    preactivation: Format = _ADDRESS


@dataclass
class Builder:
    """A graph in the making; every method adds a node that reads *source* (default: the last) and returns its number.

    Attributes:
        shape: of a sample.
        code: format of the input codes.

    """

    shape: Shape
    code: Format
    nodes: list[Node] = field(default_factory=list)
    sides: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes.append(Input(0, self.shape, self.code, self.code, (), "dataset"))

    def _next(self, source: int | None) -> tuple[int, Node]:
        return len(self.nodes), self.nodes[-1 if source is None else source]

    @property
    def layers(self) -> tuple[Weighted, ...]:
        """The weighted nodes so far."""
        return tuple(node for node in self.nodes if isinstance(node, Weighted))

    def conv(
        self,
        channels: int,
        kernel: int,
        formats: Formats,
        *,
        stride: int = 1,
        padding: int = 0,
        source: int | None = None,
        **fields: Any,
    ) -> int:
        """Add a convolution with a square *kernel*; *fields* are those of :class:`Weighted`, ``activation`` above all.

        Raises:
            ValueError: if the window has no place.

        """
        below = self._next(source)[1]
        window = window_on(below.shape, (kernel, kernel), stride, padding)
        return self._weighted((window.rows, window.columns, channels), formats, below, {"window": window, **fields})

    def dense(self, units: int, formats: Formats, *, source: int | None = None, **fields: Any) -> int:
        """Add a dense layer, which can drop outputs; a map before it is flattened. For *fields* see :meth:`conv`."""
        below = self._next(source)[1]
        if below.shape[:2] != (1, 1):
            below = self.nodes[self.flatten(source=below.index)]
        return self._weighted((1, 1, units), formats, below, {"dropout": True, **fields})

    def _weighted(self, shape: Shape, formats: Formats, below: Node, fields: dict[str, Any]) -> int:
        own: dict[str, Any] = {
            "index": len(self.nodes),
            "shape": shape,
            "code": formats.output,
            "projection": formats.projection or formats.delta,
            "sources": (below.index,),
            "where": "",
            "layer": len(self.layers),
            "seen": below.shape,
            "input": below.code,
            "window": None,
            "preactivation": formats.preactivation,
            "weight": formats.weight,
            "delta": formats.delta,
            "feedback": formats.feedback,
        }
        node = Weighted(**{**own, **fields})
        self.nodes.append(node)
        return node.index

    def pool(
        self, kind: str, kernel: int | None, stride: int | None = None, *, source: int | None = None, where: str = ""
    ) -> int:
        """Add a pool with a square *kernel*; None: the whole map. The stride is the kernel by default.

        Raises:
            ValueError: if the window has no place.

        """
        index, below = self._next(source)
        size = (kernel, kernel) if kernel else below.shape[:2]
        step = stride or kernel or 1
        window = window_on(below.shape, size, step)
        shape = (window.rows, window.columns, below.shape[2])
        self.nodes.append(
            Pool(index, shape, below.code, below.projection, (below.index,), where, kind, below.shape, size, step)
        )
        return index

    def flatten(self, *, source: int | None = None, where: str = "") -> int:
        """Read a map as a vector."""
        index, below = self._next(source)
        shape = (1, 1, neurons(below.shape))
        self.nodes.append(Flatten(index, shape, below.code, below.projection, (below.index,), where))
        return index

    def add(self, branch: int, shortcut: int, formats: Formats, *, activation: str = "relu", where: str = "") -> int:
        """End a residual: f(branch + shortcut). Formats of output, delta, projection and pre-activation are used.

        Raises:
            ValueError: if the two have different shapes.

        """
        shapes = self.nodes[branch].shape, self.nodes[shortcut].shape
        if shapes[0] != shapes[1]:
            raise ValueError(f"a branch {shapes[0]} and a shortcut {shapes[1]} have different shapes")
        projection, index = formats.projection or formats.delta, len(self.nodes)
        given = (index, shapes[0], formats.output, projection, (branch, shortcut), where)
        self.nodes.append(Add(*given, activation, formats.preactivation, formats.delta))
        return index

    def concat(self, sources: Sequence[int], formats: Formats, *, where: str = "") -> int:
        """Lay the channels of *sources* side by side. Formats of output and projection (or delta) are used.

        Raises:
            ValueError: if there are none, or their heights or widths differ.

        """
        shapes = [self.nodes[source].shape for source in sources]
        if len({shape[:2] for shape in shapes}) != 1:
            raise ValueError(f"branches {shapes} have different heights or widths, or there are none")
        projection, index = formats.projection or formats.delta, len(self.nodes)
        shape = (*shapes[0][:2], sum(channels for *_, channels in shapes))
        self.nodes.append(Concat(index, shape, formats.output, projection, tuple(sources), where))
        return index

    def graph(self) -> Graph:
        """Return the graph; the last layer is the output layer, which has no feedback."""
        last = self.nodes[-1]
        assert isinstance(last, Weighted)
        self.nodes[-1] = replace(last, feedback=None, dropout=False)
        chain = tuple(k for k in range(len(self.layers)) if k not in self.sides)
        return Graph(tuple(self.nodes), self.layers, chain)
