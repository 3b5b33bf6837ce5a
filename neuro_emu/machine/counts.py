"""Counts of cycles and accesses, by phase × layer × component; what every cost is computed from."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]

MOST = 1 << 53
"""No counter of a record is larger: sums of so many stay exact."""

_SHOWN = 40


class Phase(IntEnum):
    """What the chip is doing."""

    LOAD = 0
    FORWARD = 1
    ERROR = 2
    UPDATE = 3
    FEEDBACK = 4


class Component(IntEnum):
    """What is counted: clock cycles, memory accesses (words), operations; docs/machine.md says which takes what."""

    CYCLES = 0
    STALLS = 1
    INPUT_READ = 2
    INPUT_WRITE = 3
    OUTPUT_READ = 4
    OUTPUT_WRITE = 5
    PREACTIVATION_READ = 6
    PREACTIVATION_WRITE = 7
    ERROR_READ = 8
    ERROR_WRITE = 9
    FEEDBACK_READ = 10
    TABLE_READ = 11
    DERIVATIVE_READ = 12
    MAC = 13
    GATE = 14
    UPDATE = 15
    RANDOM_WORD = 16
    FEEDBACK_WRITE = 17
    SHARED_UPDATE = 18
    ADD = 19
    POOL = 20
    RANDOM_READ = 21
    VELOCITY = 22
    SCALE = 23
    NORM = 24
    NORM_READ = 25
    NORM_WRITE = 26
    PARTIAL_READ = 27
    PARTIAL_WRITE = 28
    CHOICE = 29


class Port(IntEnum):
    """Accesses to the banked memories, counted per bank."""

    WEIGHT_READ = 0
    WEIGHT_WRITE = 1
    GRADIENT_READ = 2
    GRADIENT_WRITE = 3
    VELOCITY_READ = 4
    VELOCITY_WRITE = 5


def whole_count(value: Any, name: str) -> int:
    """Return a counter as read from a file.

    Raises:
        ValueError: with its name, if it is no whole number from 0 to :data:`MOST`.

    """
    if type(value) is not int or not 0 <= value <= MOST:
        shown = f"{value!r}"
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
        raise ValueError(f"{name}: {shown} is no count: a whole number from 0 to {MOST}")
    return value


class Counts:
    """Counters of one chip.

    Attributes:
        events: (phases, layers, components) of everything that is not banked.
        banked: (phases, layers, ports, banks) accesses of the banked memories.

    """

    def __init__(self, layers: int, banks: int) -> None:
        self.events: Int64 = np.zeros((len(Phase), layers, len(Component)), dtype=np.int64)
        self.banked: Int64 = np.zeros((len(Phase), layers, len(Port), banks), dtype=np.int64)

    def add(self, phase: Phase, layer: int, component: Component, count: int = 1) -> None:
        """Count *count* events."""
        self.events[phase, layer, component] += count

    def access(self, phase: Phase, layer: int, port: Port, bank: int, count: int = 1) -> None:
        """Count *count* accesses to one bank."""
        self.banked[phase, layer, port, bank] += count

    @property
    def cycles(self) -> int:
        """Clock cycles in all."""
        return int(self.events[:, :, Component.CYCLES].sum())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        return np.array_equal(self.events, other.events) and np.array_equal(self.banked, other.banked)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def differences(self, other: Counts) -> list[str]:
        """Name every counter that differs, with both values."""
        lines = []
        for p, k, c in np.argwhere(self.events != other.events).tolist():
            here, there = self.events[p, k, c], other.events[p, k, c]
            lines.append(f"{Phase(p).name.lower()} layer {k} {Component(c).name.lower()}: {here} != {there}")
        for p, k, port, bank in np.argwhere(self.banked != other.banked).tolist():
            here, there = self.banked[p, k, port, bank], other.banked[p, k, port, bank]
            lines.append(f"{Phase(p).name.lower()} layer {k} {Port(port).name.lower()} bank {bank}: {here} != {there}")
        return lines

    @classmethod
    def from_dict(cls, record: Any, layers: int, banks: int) -> Counts:
        """Return the counts that :meth:`as_dict` made a record of.

        Args:
            record: as read from a file, whatever it is.
            layers: layers of the chip.
            banks: banks of its weight memories.

        Raises:
            ValueError: with what is wrong, if the record is not that of such a chip.

        """
        phases = {phase.name.lower(): phase for phase in Phase}
        if not isinstance(record, dict):
            raise ValueError("counts are not a mapping of phases")
        if missing := [name for name, phase in phases.items() if name not in record and phase is not Phase.FEEDBACK]:
            raise ValueError(f"phase {missing[0]!r} is missing in the counts")
        counts = cls(layers, banks)
        for name, entries in record.items():
            if name not in phases:
                raise ValueError(f"{name!r} is no phase: {', '.join(phases)}")
            if not isinstance(entries, list) or len(entries) != layers:
                found = f"{len(entries)}" if isinstance(entries, list) else "no list"
                raise ValueError(f"layers of phase {name!r}: {found}, where the chip has {layers}")
            for k, entry in enumerate(entries):
                counts._fill(phases[name], k, entry)
        return counts

    def _fill(self, phase: Phase, layer: int, entry: Any) -> None:
        """Take the counters of one layer in one phase from a record."""
        where, banks = f"phase {phase.name.lower()!r}, layer {layer}", self.banked.shape[3]
        components = {c.name.lower(): c for c in Component}
        ports = {port.name.lower(): port for port in Port}
        if not isinstance(entry, dict):
            raise ValueError(f"{where}: no mapping of counters")
        for name, count in entry.items():
            if name in components:
                self.events[phase, layer, components[name]] = whole_count(count, f"{where}: {name}")
            elif name in ports:
                if not isinstance(count, list) or len(count) != banks:
                    found = f"{len(count)} counters" if isinstance(count, list) else "no list"
                    raise ValueError(f"{where}: {name}: {found}, where the chip has {banks} banks")
                for bank, one in enumerate(count):
                    self.banked[phase, layer, ports[name], bank] = whole_count(one, f"{where}: {name}, bank {bank}")
            else:
                raise ValueError(f"{where}: {name!r} is no counter")

    def as_dict(self) -> dict[str, list[dict[str, int | list[int]]]]:
        """Phase → one mapping a layer, zero counters left out; banked ports as lists by bank.

        Chips that learn no feedback have no feedback phase.
        """
        result: dict[str, list[dict[str, int | list[int]]]] = {}
        for phase in Phase:
            layers = []
            for k in range(self.events.shape[1]):
                entry: dict[str, int | list[int]] = {
                    c.name.lower(): int(self.events[phase, k, c]) for c in Component if self.events[phase, k, c]
                }
                for port in Port:
                    if self.banked[phase, k, port].any():
                        entry[port.name.lower()] = [int(n) for n in self.banked[phase, k, port]]
                layers.append(entry)
            if phase is not Phase.FEEDBACK or any(layers):
                result[phase.name.lower()] = layers
        return result
