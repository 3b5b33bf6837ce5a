"""From the layers of a configuration to the graph of a chip that learns a mini-batch at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from neuro_emu.config import schema
from neuro_emu.config.deep_schema import (
    Concat,
    Conv,
    Dense,
    Flatten,
    Inner,
    Layer,
    MaxPool,
    Residual,
    Weighted,
)
from neuro_emu.config.formats import delta_of, format_of, output_of, preactivation_of, wanted_format
from neuro_emu.config.presets import expand
from neuro_emu.config.typed import Document
from neuro_emu.errors import ConfigError
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.plan import Feedback
from neuro_emu.network.deep.builder import Builder, Formats
from neuro_emu.network.deep.graph import Graph, Norm
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow

PRESET = "network.preset"


def is_graph(config: schema.Config) -> bool:
    """Whether the network is a graph that learns a mini-batch at a time."""
    network = config.network
    return network.preset is not None or network.batched or not all(isinstance(la, Dense) for la in network.layers)


def settled(config: schema.Config, document: Document) -> schema.Config:
    """Return *config* with the defaults that hang on other settings: accumulators of graphs wrap unless written."""
    where = "numerics.accumulator.overflow"
    if not is_graph(config) or document.holds(where):
        return config
    accumulator = replace(config.numerics.accumulator, overflow=Overflow.WRAP)
    return replace(config, numerics=replace(config.numerics, accumulator=accumulator))


def expanded(config: schema.Config, classes: int) -> schema.Config:
    """Return *config* with the layers of its preset written out; as it is without one."""
    if config.network.preset is None:
        return config
    layers = expand(config.network.preset, classes)
    return replace(config, network=replace(config.network, layers=layers, preset=None))


@dataclass(frozen=True)
class Source:
    """Where a layer of the graph was written.

    Attributes:
        step: what was written.
        where: its path.

    """

    step: Weighted
    where: str


@dataclass
class Made:
    """A graph, and where its layers were written, in their order."""

    graph: Graph
    sources: tuple[Source, ...]


def made_of(config: schema.Config, shape: tuple[int, int, int], classes: int, document: Document) -> Made:
    """Return the graph of a configuration.

    Args:
        config: the configuration.
        shape: channels, rows and columns of what is presented.
        classes: of the data set.
        document: where it was written, for error messages.

    Raises:
        ConfigError: if layers do not fit together, or a format is written nowhere.

    """
    network = config.network
    if network.preset is not None and network.layers:
        raise document.error("network.layers", "layers beside a preset, which stands for all of them", "leave out one")
    layers = expanded(config, classes).network.layers
    if not layers:
        hint = "write layers, or a preset: see `neuro-emu networks`"
        raise document.error("network.layers", "a network needs at least an output layer", hint)
    channels, rows, columns = shape
    flat = isinstance(layers[0], Dense)  # reads samples in the order of the data set, as dense chips do
    maker = _Maker(
        config,
        document,
        Builder((1, 1, channels * rows * columns) if flat else (rows, columns, channels), config.dataset.input),
    )
    for k, layer in enumerate(layers):
        maker.place(layer, PRESET if network.preset is not None else f"network.layers.{k}.{layer.yaml_tag}")
    if not isinstance(layers[-1], Dense):
        where = f"network.layers.{len(layers) - 1}"
        raise document.error(where, "the last layer makes the outputs", "end with a dense layer")
    return Made(maker.made.graph(), tuple(maker.sources))


@dataclass
class _Maker:
    """Places layers into a graph in the making; every method returns the node that it ends in."""

    config: schema.Config
    document: Document
    made: Builder
    sources: list[Source] = field(default_factory=list)

    def place(self, layer: Layer, where: str) -> int:
        """Place a layer behind the last node."""
        last = len(self.made.nodes) - 1
        if isinstance(layer, Residual):
            return self._residual(layer, last, where)
        if isinstance(layer, Concat):
            return self._concat(layer, last, where)
        if isinstance(layer, Flatten):
            return self.made.flatten(where=where)
        return self._inner(layer, last, where)

    def _error(self, where: str, name: str, message: str, help: str) -> ConfigError:
        """Complain about a setting of a layer; a preset has none of its own to point at."""
        if where == PRESET:
            return self.document.error(PRESET, f"layer {len(self.made.layers)} of this network: {message}", help)
        return self.document.error(f"{where}.{name}", message, help)

    def _inner(self, layer: Inner, source: int, where: str) -> int:
        if isinstance(layer, Dense | Conv):
            return self._weighted(layer, source, where)
        kernel, kind = layer.kernel, "max" if isinstance(layer, MaxPool) else "average"
        if kernel is None:
            if layer.stride is not None:
                raise self._error(where, "stride", "the mean of the whole map has no stride", "leave it out")
        else:
            self._check_window(kernel, 0, source, where)
        return self.made.pool(kind, kernel, layer.stride, source=source, where=where)

    def _check_window(self, kernel: int, padding: int, source: int, where: str) -> None:
        height, width, _ = self.made.nodes[source].shape
        if padding >= kernel:
            text = f"a padding of {padding} around a map that is seen {kernel} by {kernel}"
            raise self._error(where, "padding", text, f"at most {kernel - 1}")
        if kernel > min(height, width) + 2 * padding:
            text = f"a kernel of {kernel} × {kernel} has no place on a map of {height} × {width}"
            text += f" with padding {padding}" if padding else ""
            raise self._error(where, "kernel", text, "choose a smaller kernel, or keep the map larger")

    def _weighted(self, layer: Weighted, source: int, where: str) -> int:
        """Place a layer with weights."""
        formats = self._formats(layer, where)
        if not isinstance(layer, Dense):
            self._check_window(layer.kernel, layer.padding, source, where)
        fields: dict[str, Any] = {
            "activation": layer.activation,
            "norm": self._norm(layer),
            "learns": layer.learns,
            "initial": layer.initial or "",
            "dropout": layer.dropout,
            "source": source,
            "where": where,
        }
        self.sources.append(Source(layer, where))
        if isinstance(layer, Dense):
            return self.made.dense(layer.units, formats, **fields)
        window = {"stride": layer.stride, "padding": layer.padding}
        return self.made.conv(layer.channels, layer.kernel, formats, **window, **fields)

    def _formats(self, layer: Weighted | Residual, where: str) -> Formats:
        """Formats of a layer; that of feedback is known once there is a plan."""
        config, document = self.config, self.document
        output = output_of(config, layer, where, document)
        held = output if isinstance(layer, Residual) else wanted_format(config, layer, "weight", where, document)
        own = None if isinstance(layer, Residual) else layer.projection
        return Formats(
            held,  # a residual has no weights, and nobody looks at their format
            output,
            delta_of(config, layer),
            projection=own or config.network.formats.projection,
            preactivation=preactivation_of(config, layer),
        )

    def _norm(self, layer: Weighted) -> Norm | None:
        norm = layer.norm
        if norm is None:
            return None
        error = norm.error or delta_of(self.config, layer)
        return Norm(norm.input, norm.scale, norm.offset, error, norm.shift, norm.epsilon, norm.frozen)

    def _residual(self, layer: Residual, first: int, where: str) -> int:
        body, branch = layer.body, first
        if not body:
            raise self._error(where, "body", "a residual without layers", "write at least one")
        if not layer.shortcut:
            body = (*body[:-1], self._closing(layer, where))
        for k, inner in enumerate(body):
            branch = self._inner(inner, branch, _below(where, f"body.{k}.{inner.yaml_tag}"))
        if not layer.shortcut:
            return branch
        beside = first
        if layer.projection is not None:
            self.made.sides.append(len(self.made.layers))
            beside = self._weighted(layer.projection, first, _below(where, "projection"))
        shapes = [self.made.nodes[node].shape for node in (branch, beside)]
        if shapes[0] != shapes[1]:
            raise self._error(
                where,
                "body" if layer.projection is None else "projection",
                f"the body makes maps of {_sizes(shapes[0])}, the shortcut of {_sizes(shapes[1])}; these do not add",
                "write a projection with the body's channels and strides, or shortcut: false",
            )
        return self.made.add(branch, beside, self._formats(layer, where), activation=layer.activation, where=where)

    def _closing(self, layer: Residual, where: str) -> Inner:
        """Last layer of a body without a shortcut: it does what the residual would have done behind it."""
        last = layer.body[-1]
        if layer.projection is not None:
            raise self._error(where, "projection", "the convolution of a shortcut that is not there", "write null")
        if not isinstance(last, Dense | Conv) or last.activation != "identity":
            raise self._error(
                where,
                "shortcut",
                f"the last layer of the body takes the activation {layer.activation}, and it is no identity",
                "end the body with a conv or dense layer with activation: identity",
            )
        own = {name: getattr(layer, name) for name in ("preactivation", "delta")}
        kept = {name: value for name, value in own.items() if value is not None}
        return replace(last, activation=layer.activation, output=layer.output, table_frac=layer.table_frac, **kept)

    def _concat(self, layer: Concat, first: int, where: str) -> int:
        if not layer.branches:
            raise self._error(where, "branches", "nothing to put side by side", "write at least one branch")
        ends = []
        for b, branch in enumerate(layer.branches):
            at = first
            for k, inner in enumerate(branch):
                at = self._inner(inner, at, f"{where}.branches.{b}.{k}.{inner.yaml_tag}")
            ends.append(at)
        shapes = [self.made.nodes[node].shape for node in ends]
        if len({shape[:2] for shape in shapes}) > 1:
            raise self._error(
                where,
                "branches",
                f"branches make maps of {', '.join(map(_sizes, shapes))}",
                "maps of equal height and width go side by side",
            )
        output = wanted_format(self.config, layer, "output", where, self.document)
        common = self.config.network.formats
        formats = Formats(output, output, delta_of(self.config, layer), projection=common.projection)
        return self.made.concat(ends, formats, where=where)


def _below(where: str, rest: str) -> str:
    """Path of a part of a layer; a preset has one place for all."""
    return where if where == PRESET else f"{where}.{rest}"


def _sizes(shape: tuple[int, int, int]) -> str:
    return " × ".join(map(str, shape))


def with_feedback(config: schema.Config, chip: DeepChip, sources: tuple[Source, ...]) -> DeepChip:
    """Return *chip* with the formats of feedback matrices: their own, or if they learn those of the weights above."""
    graph, nodes = chip.graph, list(chip.graph.nodes)
    uses = dict(zip(graph.chain, chip.plan.feedback, strict=False))
    above = dict(zip(graph.chain, graph.chain[1:], strict=False))
    for layer, source in zip(graph.hidden, sources, strict=False):
        k = layer.layer
        use = uses.get(k, Feedback())
        learned = graph.layers[above[k]].weight if use.learned and k in above else None
        if k in graph.sides and any(one.learned for one in chip.plan.feedback):
            learned = layer.weight  # the convolution of a shortcut has a feedback matrix in its own shape
        chosen: Format = format_of(config, source.step, "feedback") or learned or config.numerics.feedback.format
        nodes[layer.index] = replace(layer, feedback=chosen)
    layers = tuple(nodes[layer.index] for layer in graph.layers)
    return replace(chip, graph=Graph(tuple(nodes), layers, graph.chain))  # type: ignore[arg-type]
