"""What a chip does, from its counters: every count becomes actions of parts; none is dropped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neuro_emu.errors import MismatchError
from neuro_emu.estimate.chip_parts import ALWAYS, CONTROL
from neuro_emu.estimate.memory_price import is_small
from neuro_emu.estimate.parts import Part, Use
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Phase, Port
from neuro_emu.numerics.modes import WordSource

_BANKED = {
    Port.WEIGHT_READ: ("weights", "read"),
    Port.WEIGHT_WRITE: ("weights", "write"),
    Port.GRADIENT_READ: ("gradients", "read"),
    Port.GRADIENT_WRITE: ("gradients", "write"),
    Port.VELOCITY_READ: ("velocities", "read"),
    Port.VELOCITY_WRITE: ("velocities", "write"),
}

_OPERATIONS: dict[C, tuple[str, ...]] = {
    C.MAC: ("lane operand select", "lane multiplier", "lane accumulate"),
    C.ADD: ("lane accumulate",),
    C.POOL: ("lane accumulate",),
    C.UPDATE: ("lane operand select", "lane multiplier", "lane update"),
    C.GATE: ("lane gate",),
    C.SHARED_UPDATE: ("lane twin update",),
    C.VELOCITY: ("lane velocity",),
    C.SCALE: ("lane scale",),
}
"""Counters of operations, and the parts that each keeps busy once."""

_LANE_WORK = (C.MAC, C.ADD, C.POOL, C.UPDATE)
"""Operations after which registers of the lane take a new value."""


class _Chip:
    """Looks up parts by what counters mean."""

    def __init__(self, chip: Chip, parts: tuple[Part, ...]) -> None:
        self.chip, self.parts = chip, {part.name: part for part in parts}
        self.output = chip.network.output.index

    def memory(self, *names: str) -> str:
        """Return the first of *names* that the chip has."""
        for name in names:
            if name in self.parts:
                return name
        raise MismatchError(f"counted accesses to {' or '.join(names)}, which the chip has not")

    def errors(self, phase: Phase, layer: int) -> str:
        """Return the memory that error reads and writes of a layer go to."""
        if phase is Phase.FEEDBACK:
            return self.memory("driven", "error")
        above = (f"deltas[{layer + 1}]",) if layer + 1 < self.output else ()
        kept = () if layer == self.output else (f"deltas[{layer}]", *above, f"local_error[{layer}]")
        return self.memory(*kept, "error")

    def source(self, phase: Phase, layer: int) -> str:
        """Return the memory that output reads of a layer go to: its inputs are the outputs of the layer below."""
        below = () if layer == 0 or phase is Phase.ERROR else (f"outputs[{layer - 1}]",)
        return self.memory(*below, f"outputs[{layer}]")


def uses_of(chip: Chip, counts: Counts, samples: int, parts: tuple[Part, ...]) -> tuple[Use, ...]:
    """Return what one of *samples* samples makes the parts do.

    Raises:
        MismatchError: if something was counted that no part does.

    """
    looked, found = _Chip(chip, parts), []
    for phase in Phase:
        for layer in range(len(chip.network.layers)):
            events = {c: int(counts.events[phase, layer, c]) for c in C if counts.events[phase, layer, c]}
            ports = {p: int(np.sum(counts.banked[phase, layer, p])) for p in Port}
            for part, action, count, why in _actions(
                looked, phase, layer, events, {p: n for p, n in ports.items() if n}
            ):
                found.append(Use(phase.name.lower(), layer, part, action, count / samples, why))
    return tuple(found)


_Action = tuple[str, str, float, str]


def _actions(
    looked: _Chip, phase: Phase, layer: int, events: dict[C, int], ports: dict[Port, int]
) -> Iterator[_Action]:
    for port, count in ports.items():
        name, action = _BANKED[port]
        yield looked.memory(f"{name}[{layer}]", f"classifier_{name}[{layer}]"), action, count, port.name.lower()
    for component, count in events.items():
        why = component.name.lower()
        if component in _OPERATIONS:
            for part in _operated(looked, phase, component):
                yield part, "operate", count, why
                if part == "lane gradient":
                    yield part, "clock", count, why
        elif component is C.RANDOM_WORD:
            yield from _random_words(looked, count, why)
        elif component is not C.CYCLES and component is not C.STALLS:
            yield _memory(looked, phase, layer, component), _direction(component), count, why
        if component is C.OUTPUT_WRITE and phase is Phase.FORWARD:
            yield "activation units", "operate", count, "an activation an output"
            yield "activation units", "clock", count, "an activation an output"
        compared = component is C.OUTPUT_WRITE and phase is Phase.FORWARD
        if layer == looked.output and (compared or (component is C.ERROR_WRITE and phase is Phase.ERROR)):
            yield "output stage", "operate", count, "an output compared" if compared else "an error an output"
    yield from _clocked(looked, events)


def _operated(looked: _Chip, phase: Phase, component: C) -> tuple[str, ...]:
    """Return the parts that an operation keeps busy."""
    summed = component is C.MAC and phase in {Phase.UPDATE, Phase.FEEDBACK} and "lane gradient" in looked.parts
    if summed:
        return ("lane operand select", "lane multiplier", "lane gradient")
    if component is C.GATE and _projects(looked.chip):
        return ("lane gate", "lane project")
    needed = _OPERATIONS[component][-1]  # operands need no selection on a chip that only infers
    if needed not in looked.parts:
        raise MismatchError(f"counted {component.name.lower()}, which takes a {needed}; the chip has none")
    return tuple(part for part in _OPERATIONS[component] if part in looked.parts)


def _projects(chip: Chip) -> bool:
    return any(step.op in {"project", "transpose", "transpose_sign"} for step in chip.plan.steps)


def _random_words(looked: _Chip, count: int, why: str) -> Iterator[_Action]:
    """A word is one register's step: with words a lane, all registers step for a row; otherwise one of them."""
    part = looked.parts["random words"]
    lanes = looked.chip.design.lanes
    by_lane = looked.chip.numerics.word_source in {WordSource.LANE_LFSR, WordSource.LANE_XORSHIFT}
    yield "random words", "operate", count * (1.0 if by_lane else 1.0 / (lanes + 1)), why
    registers = 32.0 * (lanes if by_lane else 1) / max(int(part.attributes["flops"]), 1)
    yield "random words", "clock", count * registers, f"{why}: the registers that step"


_MEMORIES = {
    C.TABLE_READ: ("table", "tested"),
    C.DERIVATIVE_READ: ("derivative",),
    C.FEEDBACK_READ: ("feedback",),
    C.FEEDBACK_WRITE: ("feedback",),
    C.RANDOM_READ: ("random_forward",),
    C.PREACTIVATION_READ: ("preactivation",),
    C.PREACTIVATION_WRITE: ("preactivation",),
    C.OUTPUT_WRITE: ("outputs",),
}


def _direction(component: C) -> str:
    return "write" if component.name.endswith("_WRITE") else "read"


def _memory(looked: _Chip, phase: Phase, layer: int, component: C) -> str:
    if component in {C.INPUT_READ, C.INPUT_WRITE}:
        return "input"
    if component in {C.ERROR_READ, C.ERROR_WRITE}:
        return looked.errors(phase, layer)
    if component is C.OUTPUT_READ:
        return looked.source(phase, layer)
    names = tuple(f"{name}[{layer}]" for name in _MEMORIES[component])
    return looked.memory(*names, "exponential") if component is C.TABLE_READ else looked.memory(*names)


def _clocked(looked: _Chip, events: dict[C, int]) -> Iterator[_Action]:
    """Every cycle: control works, registers are clocked, or held where nothing enables them."""
    cycles = events.get(C.CYCLES, 0)
    if not cycles:
        return
    for name, part in looked.parts.items():
        flops = int(part.attributes.get("flops", 0))
        if name in CONTROL:
            yield name, "tick", cycles, "cycles"
        if flops and name in ALWAYS:
            yield name, "clock", cycles, "cycles"
        elif (flops and not name.startswith("lane ")) or is_small(part):
            yield name, "hold", cycles * part.count, "cycles"
    lanes = looked.parts["lane registers"].count
    work = min(sum(events.get(c, 0) for c in _LANE_WORK), cycles * lanes)
    if work:
        yield "lane registers", "clock", work, "operations in the lanes"
        yield "lane registers", "operate", work, "operations in the lanes"
    if cycles * lanes > work:
        yield "lane registers", "hold", cycles * lanes - work, "cycles without an operation"
