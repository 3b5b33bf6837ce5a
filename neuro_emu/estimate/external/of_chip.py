"""The chip of a configuration as memory traffic sees it."""

from __future__ import annotations

from neuro_emu.estimate.external.layers import Bits, LayerTraffic, NetworkTraffic
from neuro_emu.estimate.external.learner import Learner
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.either import AnyChip
from neuro_emu.machine.deep.mapping import has_table
from neuro_emu.machine.deep.matrices import local_pool
from neuro_emu.network.deep.graph import Add, Weighted
from neuro_emu.network.layers import DenseLayer

CONFIGURATION = "a configuration"
"""Where its layer list comes from."""

_VALUE = 16
"""Bits of a normalised value x̂ (docs/deep.md, section 2.6)."""


def network_of_chip(chip: AnyChip, name: str) -> NetworkTraffic:
    """Return the layers of *chip* with the bits of its formats; what f′ needs of q is kept, as the chip does.

    Of a graph they are those of its main path; weights of a shortcut's convolution belong to the layer that ends in the
    same place. What lies behind a layer until its error comes, f′ and x̂ of a norm, counts as its slope.
    """
    if isinstance(chip, DeepChip):
        layers = tuple(_of_graph(chip, chip.graph.layers[k]) for k in chip.graph.chain)
        return NetworkTraffic(name, layers, chip.labels, CONFIGURATION, False, depth=len(layers))
    layers = tuple(_layer(chip, layer) for layer in chip.network.layers)
    return NetworkTraffic(name, layers, chip.labels, CONFIGURATION, False, depth=len(layers))


def _layer(chip: Chip, layer: DenseLayer) -> LayerTraffic:
    learning = chip.learning
    bits = Bits(
        weight=layer.weight.bits,
        activation=layer.input.bits,
        feedback=layer.feedback.bits if layer.feedback else layer.weight.bits,
        slope=9 if learning.dropout else 8,
        velocity=learning.momentum.velocity.bits if learning.momentum else 0,
        classifier=chip.network.output.weight.bits,
    )
    return LayerTraffic(f"dense{layer.index}", layer.inputs * layer.units, layer.units, layer.inputs, layer.units, bits)


def _of_graph(chip: DeepChip, layer: Weighted) -> LayerTraffic:
    graph, learning = chip.graph, chip.learning
    head = graph.nodes[graph.head(layer.layer)]
    assert isinstance(head, Weighted | Add)
    beside = [graph.layers[k] for k in graph.sides if graph.head(k) == head.index]
    joined = [layer, *(beside if isinstance(head, Add) else [])]
    ends = [head, layer] if head is not layer else [layer]
    bits = Bits(
        weight=layer.weight.bits,
        activation=layer.input.bits,
        feedback=layer.feedback.bits if layer.feedback else layer.weight.bits,
        slope=sum(map(_slope, ends))
        + sum(_VALUE for one in joined if one.norm)
        + bool(learning.dropout and layer.dropout),
        velocity=learning.momentum.velocity.bits if learning.momentum else 0,
        classifier=graph.output.weight.bits,
    )
    weights = sum(one.depth * one.units for one in joined)
    offsets = sum((2 if one.norm else 1) * one.units for one in joined)
    kind, pool = "dense" if layer.window is None else "conv", local_pool(graph, layer.layer)
    local = pool.neurons if pool else None
    inputs = layer.seen[0] * layer.seen[1] * layer.seen[2]
    return LayerTraffic(f"{kind}{layer.layer}", weights, offsets, inputs, head.neurons, bits, local, layer.learns)


def _slope(node: Weighted | Add) -> int:
    """Bits of q that f′ needs: of linear activations one, of the identity none."""
    return node.preactivation.bits if has_table(node) else int(node.activation != "identity")


def learner_of_chip(chip: AnyChip, *, generated: bool = False) -> Learner:
    """Return how *chip* learns."""
    learning = chip.learning
    return Learner(
        learning.rule, dict(learning.options), learning.batch, chip.need, learning.mirror.every, generated=generated
    )
