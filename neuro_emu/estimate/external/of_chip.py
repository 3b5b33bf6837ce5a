"""The chip of a configuration as memory traffic sees it."""

from __future__ import annotations

from neuro_emu.estimate.external.layers import Bits, LayerTraffic, NetworkTraffic
from neuro_emu.estimate.external.learner import Learner
from neuro_emu.machine.chip import Chip
from neuro_emu.network.layers import DenseLayer


def network_of_chip(chip: Chip, name: str) -> NetworkTraffic:
    """Return the layers of *chip* with the bits of its formats; q is kept for f′, as the chip does."""
    layers = tuple(_layer(chip, layer) for layer in chip.network.layers)
    return NetworkTraffic(name, layers, chip.labels, "a configuration", False, depth=len(layers))


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


def learner_of_chip(chip: Chip, *, generated: bool = False) -> Learner:
    """Return how *chip* learns."""
    learning = chip.learning
    return Learner(
        learning.rule, dict(learning.options), learning.batch, chip.need, learning.mirror.every, generated=generated
    )
