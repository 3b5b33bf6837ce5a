"""The graph of a network: its nodes with shapes and formats, and the bounds that follow from them. No numbers.

Nodes are in forward order and node 0 is the input. Every node makes one map of output codes a sample. Conv and dense
layers are both :class:`Weighted`: a dense layer is the window of its whole input. (docs/numerics.md, section 9.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from neuro_emu.network.deep.shapes import Shape, Window, neurons, window_on
from neuro_emu.numerics.activations import derivative_format
from neuro_emu.numerics.formats import Format


@dataclass(frozen=True)
class Node:
    """One place in the graph.

    Attributes:
        index: place in :attr:`Graph.nodes`.
        shape: of its output codes.
        code: format of its output codes.
        projection: format of the error p′ that arrives at its output; unused for the input.
        sources: nodes that it reads.
        where: path in the configuration, e.g. ``network.layers.3.residual.body.1``, for messages.

    """

    index: int
    shape: Shape
    code: Format
    projection: Format
    sources: tuple[int, ...]
    where: str

    @property
    def neurons(self) -> int:
        """Codes of one sample."""
        return neurons(self.shape)


@dataclass(frozen=True)
class Input(Node):
    """The input of the chip; it has no sources."""


@dataclass(frozen=True)
class Norm:
    """Batch normalisation of a layer's sums, trained on chip.

    Attributes:
        input: format of a, the requantised sum.
        scale: format of γ.
        offset: format of β.
        error: format of δ_z, the error of the sums.
        shift: κ, running statistics move by 2^-κ.
        epsilon: added to the variance, which has 12 fractional bits of a squared code of ``input``.
        frozen: whether training uses the running statistics too, which then do not move.

    """

    input: Format
    scale: Format
    offset: Format
    error: Format
    shift: int = 3
    epsilon: int = 256
    frozen: bool = False


@dataclass(frozen=True)
class Weighted(Node):
    """A conv or dense layer: z = patches · W (+ bias row), [norm,] q = requantise(z), y = f(q).

    W is a matrix (rows, units): rows in the order (kernel row, kernel column, input channel), then the bias row unless
    the layer has a norm; a column an output channel.

    Attributes:
        layer: place in :attr:`Graph.layers`, the k of docs/numerics.md.
        seen: shape of the input map.
        input: format of the input codes.
        window: what the kernel sees; None for a dense layer, which sees all of the input at one position.
        activation: name in :data:`neuro_emu.numerics.activations.NAMES`, or softmax.
        preactivation: format of q: 8 bits, up to 16 where the activation is linear.
        weight: format of W.
        delta: format of δ_y, the error behind f′ (of δ_z too, without a norm).
        feedback: format of the layer's feedback matrix; None for the output layer.
        norm: batch normalisation; None: none.
        learns: whether W ever learns.
        dropout: whether the rate of `training.dropout` holds for this layer.
        initial: first weights: ``zero``, ``random``, ``centred`` (random, the mean of each column taken out), or empty:
            as `training` says, random if the layer never learns.

    """

    layer: int
    seen: Shape
    input: Format
    window: Window | None
    activation: str
    preactivation: Format
    weight: Format
    delta: Format
    feedback: Format | None
    norm: Norm | None = None
    learns: bool = True
    dropout: bool = False
    initial: str = ""

    @property
    def kernel(self) -> Window:
        """The window; that of a dense layer is its whole input."""
        return self.window or window_on(self.seen, self.seen[:2])

    @property
    def depth(self) -> int:
        """Codes that one output is a sum over: rows of W without the bias row."""
        return self.window.depth if self.window else neurons(self.seen)

    @property
    def inputs(self) -> int:
        """The same; the name that dense layers of the per-sample datapaths use."""
        return self.depth

    @property
    def biased(self) -> bool:
        """Whether W ends in a bias row."""
        return self.norm is None

    @property
    def rows(self) -> int:
        """Rows of W, the bias row included."""
        return self.depth + self.biased

    @property
    def units(self) -> int:
        """Columns of W: output channels, or neurons of a dense layer."""
        return self.shape[2]

    @property
    def positions(self) -> int:
        """Output positions; 1 for a dense layer."""
        return self.shape[0] * self.shape[1]

    @property
    def bias_code(self) -> int:
        """Constant input code of the bias row; 0 without one."""
        return self.input.one if self.biased else 0

    @property
    def output(self) -> Format:
        """Format of y."""
        return self.code

    @property
    def table_frac(self) -> int:
        """Fractional bits of q."""
        return self.preactivation.frac

    @property
    def sum_frac(self) -> int:
        """Fractional bits of z."""
        return self.weight.frac + self.input.frac

    @property
    def preactivation_shift(self) -> int:
        """Fractional bits dropped (negative: gained) from z to q, without a norm."""
        return self.sum_frac - self.preactivation.frac

    @property
    def derivative(self) -> Format:
        """Format of f′(q)."""
        return derivative_format(self.activation)

    @property
    def sum_error(self) -> Format:
        """Format of δ_z, the error that weights learn from and that goes on downwards."""
        return self.norm.error if self.norm else self.delta

    @property
    def accumulator_bound(self) -> int:
        """Largest |z| that any weights and inputs can produce."""
        return self.weight.magnitude * (self.depth * self.input.magnitude + self.bias_code)

    def update_shift(self, lr_shift: int) -> int:
        """s_k of docs/numerics.md, section 6, for one learning rate 2^-lr_shift."""
        return self.sum_error.frac + self.input.frac - self.weight.frac + lr_shift


@dataclass(frozen=True)
class Add(Node):
    """The end of a residual: sources are (branch, shortcut), of one shape; y = f(requantise(branch + shortcut)).

    Attributes:
        activation: f.
        preactivation: format of q.
        delta: format of the error behind f′, which goes to both sources.

    """

    activation: str
    preactivation: Format
    delta: Format

    @property
    def derivative(self) -> Format:
        """Format of f′(q)."""
        return derivative_format(self.activation)


@dataclass(frozen=True)
class Pool(Node):
    """The largest code or the mean of each window, channel by channel; no padding, format unchanged.

    Attributes:
        kind: ``max`` or ``average``.
        seen: shape of the input map.
        kernel: height and width of the window; those of the map for a global pool.
        stride: between two windows.

    """

    kind: str
    seen: Shape
    kernel: tuple[int, int]
    stride: int

    @property
    def window(self) -> Window:
        """What a window sees."""
        return window_on(self.seen, self.kernel, self.stride)


@dataclass(frozen=True)
class Concat(Node):
    """Channels of the sources side by side, in their order; equal height and width."""


@dataclass(frozen=True)
class Flatten(Node):
    """A map read as a vector, in the order of its neurons; nothing is copied."""


@dataclass(frozen=True)
class Graph:
    """All nodes of a network.

    Attributes:
        nodes: in forward order; node 0 is the input, the last one the output layer.
        layers: the weighted nodes in forward order.
        chain: layers of the main path, ascending: without the convs of shortcuts.

    """

    nodes: tuple[Node, ...]
    layers: tuple[Weighted, ...]
    chain: tuple[int, ...]

    @property
    def input_shape(self) -> Shape:
        """Shape of a sample."""
        return self.nodes[0].shape

    @property
    def inputs(self) -> int:
        """Codes in one sample."""
        return self.nodes[0].neurons

    @property
    def classes(self) -> int:
        """Neurons of the output layer."""
        return self.layers[-1].units

    @property
    def output(self) -> Weighted:
        """The last layer."""
        return self.layers[-1]

    @property
    def hidden(self) -> tuple[Weighted, ...]:
        """Every layer but the last."""
        return self.layers[:-1]

    @cached_property
    def hot(self) -> int:
        """Target code of the true class."""
        return self.output.code.one

    @cached_property
    def sides(self) -> tuple[int, ...]:
        """Layers on shortcuts."""
        return tuple(sorted(set(range(len(self.layers))) - set(self.chain)))

    @cached_property
    def _consumers(self) -> tuple[tuple[int, ...], ...]:
        found: list[list[int]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for source in dict.fromkeys(node.sources):
                found[source].append(node.index)
        return tuple(map(tuple, found))

    def consumers(self, node: int) -> tuple[int, ...]:
        """Nodes that read *node*, ascending; one that reads it twice is named once."""
        return self._consumers[node]

    def head(self, layer: int) -> int:
        """Node whose activation belongs to *layer*: its own, or the Add that its branch or shortcut ends in."""
        node = self.layers[layer]
        readers = self.consumers(node.index)
        ends = len(readers) == 1 and isinstance(self.nodes[readers[0]], Add) and node.activation == "identity"
        return readers[0] if ends else node.index

    def __str__(self) -> str:
        height, width, channels = self.input_shape
        first = str(channels) if height == width == 1 else f"{channels}x{height}x{width}"
        return "-".join([first, *(name for node in self.nodes[1:] if (name := _short(node)))])


def _short(node: Node) -> str:
    """Name of a node in the short form of a network: 32c5, 2p, 1000, add."""
    if isinstance(node, Weighted):
        kernel = node.window
        return f"{node.units}c{kernel.kernel_height}" if kernel else str(node.units)
    if isinstance(node, Pool):
        return f"{node.kernel[0]}p" if node.kind == "max" else f"{node.kernel[0]}a"
    return {Add: "add", Concat: "cat"}.get(type(node), "")
