"""A network as far as memory traffic knows it: per layer how many parameters and activations, and their bits.

Nothing of the rest of the project is needed here. Layers are counted from 0, as everywhere; a layer is what has weights
of its own on the way forward. Parameters of a shortcut belong to the layer at whose output it joins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from neuro_emu.errors import RunError


@dataclass(frozen=True)
class Bits:
    """Bits of one number of each kind.

    Attributes:
        weight: of W_k, its biases and scales, and of C_k.
        activation: of y_{k-1}, what the layer is given.
        feedback: of B_k.
        slope: of what f′(z_k) is made from later, where the kept activations do not say it (1: a mask of ReLU, with
            the places that a pooling took).
        velocity: of the optimiser's register beside each learned parameter; 0: none.
        classifier: of a local classifier.

    """

    weight: int = 8
    activation: int = 8
    feedback: int = 8
    slope: int = 1
    velocity: int = 0
    classifier: int = 8

    def __post_init__(self) -> None:
        for name in ("weight", "activation", "feedback", "classifier"):
            if getattr(self, name) < 1:
                raise RunError(f"{getattr(self, name)} bits of {name}: give at least 1")
        if min(self.slope, self.velocity) < 0:
            raise RunError(f"{min(self.slope, self.velocity)} bits: give 0 or more")


@dataclass(frozen=True)
class LayerTraffic:
    """A layer of a network: how many numbers there are of each kind.

    Attributes:
        name: e.g. ``conv2_1``.
        weights: entries of W_k, biases not counted.
        offsets: biases, and scales and shifts of a normalisation.
        inputs: activations of one sample that W_k is applied to, after a pooling below.
        outputs: activations of one sample that come out, before a pooling above.
        bits: of the numbers.
        classifier_inputs: activations of one sample that a local classifier here would be given; None: `outputs`.
        learns: whether its weights ever learn, whatever the rule.

    """

    name: str
    weights: int
    offsets: int
    inputs: int
    outputs: int
    bits: Bits = field(default_factory=Bits)
    classifier_inputs: int | None = None
    learns: bool = True

    def __post_init__(self) -> None:
        if min(self.weights, self.inputs, self.outputs) < 1 or self.offsets < 0:
            raise RunError(f"layer {self.name}: weights, inputs and outputs are at least 1, offsets at least 0")

    @property
    def parameters(self) -> int:
        """Parameters of the layer."""
        return self.weights + self.offsets

    @property
    def local_inputs(self) -> int:
        """Inputs of a local classifier."""
        return self.outputs if self.classifier_inputs is None else self.classifier_inputs


@dataclass(frozen=True)
class NetworkTraffic:
    """A network.

    Attributes:
        name: e.g. ``resnet18``.
        layers: from input to output; the last one's outputs are the network's.
        labels: classes that rows of B_k can belong to.
        about: where the layer list comes from.
        slope_in_output: whether f′(z_k) can be told from a kept y_k (ReLU: y_k > 0).
        family: for pictures: networks of one family are joined by a line.
        depth: layers with weights on the longest way, as the name of the network counts them.

    """

    name: str
    layers: tuple[LayerTraffic, ...]
    labels: int
    about: str = ""
    slope_in_output: bool = True
    family: str = ""
    depth: int = 0

    def __post_init__(self) -> None:
        if not self.layers:
            raise RunError(f"network {self.name}: no layers")
        if self.labels < 1:
            raise RunError(f"network {self.name}: {self.labels} labels")

    @property
    def parameters(self) -> int:
        """Parameters of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def activations(self) -> int:
        """Activations of one sample between the layers, as each layer is given them: `Act` of the thesis."""
        return sum(layer.inputs for layer in self.layers[1:])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs of each layer and outputs of the last: the sizes that rules are asked with."""
        return (*(layer.inputs for layer in self.layers), self.layers[-1].outputs)


def dense_network(sizes: tuple[int, ...], bits: Bits | None = None, name: str = "") -> NetworkTraffic:
    """Return fully connected layers, *sizes* from the inputs to the outputs, a bias a neuron."""
    if len(sizes) < 2 or min(sizes) < 1:
        raise RunError(f"sizes {'-'.join(map(str, sizes))}: give inputs and at least one layer, such as 784-500-10")
    bits = bits or Bits()
    layers = tuple(
        LayerTraffic(f"dense{k}", inputs * units, units, inputs, units, bits)
        for k, (inputs, units) in enumerate(pairwise(sizes))
    )
    title = name or "-".join(map(str, sizes))
    return NetworkTraffic(title, layers, sizes[-1], "fully connected", depth=len(layers))
