"""Which memory an access that was counted goes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from neuro_emu.errors import MismatchError
from neuro_emu.estimate.parts import Part
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase, Port
from neuro_emu.rules import Need

_BANKED = {
    Port.WEIGHT_READ: ("weights", "read"),
    Port.WEIGHT_WRITE: ("weights", "write"),
    Port.GRADIENT_READ: ("gradients", "read"),
    Port.GRADIENT_WRITE: ("gradients", "write"),
    Port.VELOCITY_READ: ("velocities", "read"),
    Port.VELOCITY_WRITE: ("velocities", "write"),
}

_BY_LAYER = {
    C.TABLE_READ: ("table", "tested"),
    C.DERIVATIVE_READ: ("derivative",),
    C.FEEDBACK_READ: ("feedback",),
    C.FEEDBACK_WRITE: ("feedback",),
    C.RANDOM_READ: ("random_forward",),
    C.PREACTIVATION_READ: ("preactivation",),
    C.PREACTIVATION_WRITE: ("preactivation",),
    C.OUTPUT_WRITE: ("outputs",),
}

Access = tuple[str, str, float, str]
"""Part, action, count, counter."""


class Memories:
    """Memories of one chip, by what counters mean.

    Args:
        chip: the chip.
        parts: its parts, by name.
        samples: samples that the counts are over.

    """

    def __init__(self, chip: Chip, parts: Mapping[str, Part], samples: int) -> None:
        self.chip, self.parts, self.samples = chip, parts, samples
        self.output = chip.network.output.index
        self.chain = chip.learning.rule.need is Need.CHAIN

    def find(self, *names: str) -> str:
        """Return the first of *names* that the chip has.

        Raises:
            MismatchError: if it has none.

        """
        for name in names:
            if name in self.parts:
                return name
        raise MismatchError(f"counted accesses to {' or '.join(names)}, which the chip has not")

    def banked(self, phase: Phase, layer: int, port: Port, count: int) -> Access:
        """Return where accesses through a port of banked memories go: sums of learned feedback lie beside it."""
        name, action = _BANKED[port]
        own = (f"feedback_{name}[{layer}]", f"classifier_{name}[{layer}]") if phase is Phase.FEEDBACK else ()
        return self.find(*own, f"{name}[{layer}]"), action, count, port.name.lower()

    def accesses(self, phase: Phase, layer: int, component: C, count: int) -> Iterator[Access]:
        """Return where accesses to other memories go."""
        why, action = component.name.lower(), "write" if component.name.endswith("_WRITE") else "read"
        if component is C.ERROR_READ:
            for name, part_of in self._errors_read(phase, layer, count):
                if part_of:
                    yield name, action, part_of, why
        elif component is C.ERROR_WRITE:
            yield self._errors_written(phase, layer), action, count, why
        elif component is C.OUTPUT_READ:
            yield self._source(phase, layer), action, count, why
        elif component in {C.INPUT_READ, C.INPUT_WRITE}:
            yield self.find("input"), action, count, why
        else:
            kinds = _BY_LAYER.get(component, (why,))  # what only graphs of layers have is found nowhere
            names = tuple(f"{name}[{layer}]" for name in kinds)
            yield self.find(*names, *(("exponential",) if component is C.TABLE_READ else ())), action, count, why

    def _errors_written(self, phase: Phase, layer: int) -> str:
        if phase is Phase.FEEDBACK:
            return self.find("driven", "error")
        kept = () if layer == self.output else (f"deltas[{layer}]", f"local_error[{layer}]")
        return self.find(*kept, "error")

    def _above(self, layer: int) -> str:
        """Return the memory of δ of the layer above."""
        return self.find(*((f"deltas[{layer + 1}]",) if layer + 1 < self.output else ()), "error")

    def _errors_read(self, phase: Phase, layer: int, count: int) -> list[tuple[str, float]]:
        """Return where errors are read from.

        Signals of a chain read the δ of the layer above; the update loads the layer's own, a code a neuron.
        """
        if phase is Phase.FEEDBACK:
            if "driven" in self.parts:
                return [("driven", count)]
            return [(self._above(layer) if self.chain else self.find("error"), count)]
        if layer == self.output:
            return [(self.find("error"), count)]
        own = f"deltas[{layer}]"
        if not (self.chain and own in self.parts):
            return [(self.find(f"local_error[{layer}]", "error"), count)]
        loaded = min(count, self.samples * self.chip.network.layers[layer].units)
        return [(own, loaded), (self._above(layer), count - loaded)]

    def _source(self, phase: Phase, layer: int) -> str:
        """Return the memory of activations that are read: inputs of a layer, or its outputs to learn feedback."""
        own = f"outputs[{layer}]"
        if layer == 0 or phase is Phase.ERROR:
            return self.find(own)
        if phase is Phase.FEEDBACK and not self.chip.plan.mirror:
            return self.find(own)
        return self.find(f"outputs[{layer - 1}]")
