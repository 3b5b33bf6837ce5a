"""What a chip does, from its counters: every count becomes actions of parts; none is dropped."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np

from neuro_emu.errors import MismatchError
from neuro_emu.estimate.chip_memories import Memories
from neuro_emu.estimate.chip_parts import ALWAYS, CONTROL
from neuro_emu.estimate.memory_price import is_small
from neuro_emu.estimate.parts import Part, Use
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Phase, Port
from neuro_emu.numerics.modes import WordSource

MULTIPLY = ("lane operand select", "lane multiplier")

OPERATIONS: dict[C, tuple[str, ...]] = {
    C.MAC: (*MULTIPLY, "lane accumulate"),
    C.ADD: ("lane accumulate",),
    C.POOL: ("lane accumulate",),
    C.UPDATE: (*MULTIPLY, "lane update"),
    C.GATE: ("lane gate",),
    C.SHARED_UPDATE: ("lane twin update",),
    C.VELOCITY: ("lane velocity",),
    C.SCALE: ("lane scale",),
}
"""Counters of operations, and the parts that each keeps busy once."""

_MIX = 0.25
"""Share of a lane's generator that mixes the row's word with the neuron's number: XORs and the choice between words,
of 32 bits each, against two generators and a register's enables (neuro_emu/estimate/components/randomness.py)."""

Action = tuple[str, str, float, str]
Events = dict[C, int]


def uses_of(chip: Chip, counts: Counts, samples: int, parts: tuple[Part, ...]) -> tuple[Use, ...]:
    """Return what one of *samples* samples makes the parts do.

    Raises:
        MismatchError: if something was counted that no part does.

    """
    looked, found = _Chip(chip, {part.name: part for part in parts}, samples), []
    for phase in Phase:
        for layer in range(len(chip.network.layers)):
            events = {c: int(counts.events[phase, layer, c]) for c in C if counts.events[phase, layer, c]}
            ports = {p: int(np.sum(counts.banked[phase, layer, p])) for p in Port}
            for part, action, count, why in looked.actions(phase, layer, events, ports):
                found.append(Use(phase.name.lower(), layer, part, action, count / samples, why))
    return tuple(found)


class Clocked:
    """What follows from operations and cycles: logic whose operands move, flip-flops that are clocked or held.

    Args:
        parts: by name.
        lanes: of the chip.
        word_source: of random words.
        enabled: further parts with flip-flops, each clocked whenever it operates.

    """

    def __init__(
        self, parts: dict[str, Part], lanes: int, word_source: WordSource, enabled: tuple[str, ...] = ()
    ) -> None:
        self.parts, self.lanes, self.word_source, self.enabled = parts, lanes, word_source, enabled

    def idle(self, operated: dict[str, float]) -> Iterator[Action]:
        """Logic whose operands move while its result is not wanted: the RTL does not hold them back."""
        products = operated.get("lane multiplier", 0.0)
        sums = operated.get("lane accumulate", 0.0)
        for part, moved in (("lane update", products), ("lane accumulate", products), ("lane project", sums)):
            idle = moved - operated.get(part, 0.0)
            if part in self.parts and idle > 0:
                yield part, "idle", idle, "operands move, the result is not wanted"

    def clocked(self, events: Events, operated: dict[str, float], activated: float) -> Iterator[Action]:
        """Every cycle: control works, registers are clocked, or held where nothing enables them.

        Args:
            events: counters of a phase and layer.
            operated: how often parts were kept busy.
            activated: outputs that the activation units made.

        """
        cycles = events.get(C.CYCLES, 0)
        clocked = {
            "lane operands": operated.get("lane multiplier", 0.0),
            "lane accumulator": operated.get("lane accumulate", 0.0),
            "lane signals": float(events.get(C.GATE, 0)),
            "activation units": activated,
            "random words": 0.0,
        }
        clocked |= {name: operated.get(name, 0.0) for name in self.enabled}
        if words := events.get(C.RANDOM_WORD, 0):
            clocked["random words"] = yield from self._random_words(words)
        for name, part in self.parts.items():
            if name in CONTROL and cycles:
                yield name, "tick", cycles, "cycles"
            flops = int(part.attributes.get("flops", 0))
            if not flops and not is_small(part):
                continue
            every = float(cycles * part.count)
            work = every if name in ALWAYS else clocked.get(name, 0.0)
            if work:
                yield name, "clock", work, "cycles" if name in ALWAYS else "what its enable lets in"
            if every > work:
                yield name, "hold", every - work, "cycles without enable"

    def _random_words(self, count: int) -> Generator[Action, None, float]:
        """Return the share of clock edges; words of lanes step all their registers, a shared word one of them."""
        sources = {WordSource.LANE_LFSR, WordSource.LANE_XORSHIFT}
        by_lane = self.word_source in sources
        share = 1.0 if by_lane else (1 + _MIX * self.lanes) / (1 + self.lanes)
        why = "random_word: of every lane" if by_lane else "random_word: of the row, mixed in every lane"
        yield "random words", "operate", count * share, why
        return (
            32.0 * count * (self.lanes if by_lane else 1) / max(int(self.parts["random words"].attributes["flops"]), 1)
        )


class _Chip(Clocked):
    """Turns counters into actions."""

    def __init__(self, chip: Chip, parts: dict[str, Part], samples: int) -> None:
        super().__init__(parts, chip.design.lanes, chip.numerics.word_source)
        self.chip = chip
        self.memories = Memories(chip, parts, samples)
        self.output = chip.network.output.index
        ops = {step.op for step in chip.plan.steps}
        self.projects = bool(ops.intersection({"project", "transpose", "transpose_sign"}))

    def actions(self, phase: Phase, layer: int, events: Events, ports: dict[Port, int]) -> Iterator[Action]:
        """Return the actions of one phase and layer."""
        for port, count in ports.items():
            if count:
                yield self.memories.banked(phase, layer, port, count)
        operated: dict[str, float] = {}
        for component, count in events.items():
            why = component.name.lower()
            if component in OPERATIONS:
                for part, times in self._operated(phase, layer, component, count, events):
                    operated[part] = operated.get(part, 0.0) + times
                    if times:
                        yield part, "operate", times, why
            elif component not in {C.CYCLES, C.STALLS, C.RANDOM_WORD}:
                yield from self.memories.accesses(phase, layer, component, count)
            yield from self._outputs(phase, layer, component, count)
        yield from self.idle(operated)
        activated = float(events.get(C.OUTPUT_WRITE, 0)) if phase is Phase.FORWARD else 0.0
        yield from self.clocked(events, operated, activated)

    def _operated(self, phase: Phase, layer: int, component: C, count: int, events: Events) -> list[tuple[str, float]]:
        """Return the parts that an operation keeps busy, and how often."""
        parts = OPERATIONS[component]
        if component is C.GATE and self.projects:
            parts = ("lane gate", "lane project")
        summed = "lane gradient" in self.parts
        if component is C.MAC and summed and self._sums(phase):
            # Squares of weight normalisation are as many as its scalings; the rest goes into mini-batch sums.
            squares = min(count, events.get(C.SCALE, 0))
            found = [(part, float(count)) for part in MULTIPLY]
            return [*found, ("lane gradient", float(count - squares)), ("lane accumulate", float(squares))]
        if component is C.MAC and phase is Phase.ERROR and layer != self.output and "adder tree" in self.parts:
            parts = (*MULTIPLY, "adder tree")  # a row is reduced across the lanes: an addition a product
        if component is C.UPDATE and summed:
            parts = ("lane update",)  # a finished sum is stepped by, nothing is multiplied
        if parts[-1] not in self.parts:
            raise MismatchError(f"counted {component.name.lower()}, which takes a {parts[-1]}; the chip has none")
        return [(part, float(count)) for part in parts if part in self.parts]

    def _sums(self, phase: Phase) -> bool:
        return phase is Phase.UPDATE or (phase is Phase.FEEDBACK and not self.chip.plan.mirror)

    def _outputs(self, phase: Phase, layer: int, component: C, count: int) -> Iterator[Action]:
        """Activations and errors, one a neuron."""
        if component is C.OUTPUT_WRITE and phase is Phase.FORWARD:
            yield "activation units", "operate", count, "an activation an output"
            yield "output stage", "operate", count, "an output selected, and at the end compared"
        if component is C.ERROR_WRITE and phase is Phase.ERROR and layer == self.output:
            yield "output stage", "operate", count, "an error an output"
