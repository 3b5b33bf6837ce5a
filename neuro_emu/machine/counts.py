"""Counts of cycles and accesses, by phase × layer × component; what every cost is computed from."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


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


class Port(IntEnum):
    """Accesses to the banked memories, counted per bank."""

    WEIGHT_READ = 0
    WEIGHT_WRITE = 1
    GRADIENT_READ = 2
    GRADIENT_WRITE = 3
    VELOCITY_READ = 4
    VELOCITY_WRITE = 5


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
    def from_dict(cls, record: dict[str, list[dict[str, int | list[int]]]], banks: int) -> Counts:
        """Return the counts that :meth:`as_dict` made a record of.

        Raises:
            KeyError: if the record names a phase, component or port that does not exist.

        """
        counts = cls(max((len(layers) for layers in record.values()), default=0), banks)
        for phase, layers in record.items():
            for k, entry in enumerate(layers):
                for name, count in entry.items():
                    if isinstance(count, list):
                        counts.banked[Phase[phase.upper()], k, Port[name.upper()]] = count
                    else:
                        counts.events[Phase[phase.upper()], k, Component[name.upper()]] = count
        return counts

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
