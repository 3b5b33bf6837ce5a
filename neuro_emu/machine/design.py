"""The design point: lanes, SRAM banks, ports and clock, and the memories that follow from a network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

WRITE_DELAY = 3
"""Cycles from the read of a row to its write-back: read, multiply, add, write (docs/machine.md)."""

PIPELINE_DRAIN = 2
"""Cycles from the last row read of a forward group to its finished sums: SRAM latency, accumulate."""

PROJECT_DRAIN = 3
"""As :data:`PIPELINE_DRAIN`, and one cycle to requantise."""

SOFTMAX_DIVIDE = 32
"""Cycles of the serial divider that makes the reciprocal of softmax: a bit of the quotient a cycle."""

NORM_DIVIDE = 64
"""Cycles of the serial root and division of weight normalisation, in all lanes at once: a bit of the result a cycle."""

BATCH_NORM_FORWARD = 208
"""Cycles of the serial unit of a lane for one channel and batch of batch normalisation: two means (48 each), two
multiplications with the mean (22 each), the root (31) and the division (37) of docs/deep.md, section 2.6."""

BATCH_NORM_BACKWARD = 96
"""The same on the way back: two means."""

BATCH_NORM_FOLD = 68
"""The same for a folded channel: root and division, once after learning."""


def transpose_drain(lanes: int) -> int:
    """As :data:`PROJECT_DRAIN`, and a pipeline stage for each level of the adder tree across the lanes."""
    return PROJECT_DRAIN + (lanes - 1).bit_length()


class ZeroInput(Enum):
    """What a zero input code costs; the weights never depend on it."""

    NONE = "none"
    GATE = "gate"
    SKIP = "skip"


@dataclass(frozen=True)
class Design:
    """Lanes, banks and clock.

    Attributes:
        lanes: multiply-accumulate units that work in parallel on one group of neurons.
        clock_mhz: clock frequency in MHz.
        weight_banks: single-port SRAM banks a weight memory is interleaved over; a power of two.
        activation_units: neurons activated, or differentiated through a table, per cycle.
        zero_input: cost of rows whose input code is 0.
        positions: T, output positions that a weight word is held for: accumulators of a lane. Only graphs have more
            than one.

    """

    lanes: int
    clock_mhz: float
    weight_banks: int
    activation_units: int
    zero_input: ZeroInput
    positions: int = 1

    def groups(self, units: int) -> int:
        """Groups of ``lanes`` neurons in a layer of *units*."""
        return -(-units // self.lanes)

    def tiles(self, positions: int) -> int:
        """Tiles of ``positions`` output positions in a map of so many."""
        return -(-positions // self.positions)

    def valid(self, units: int, group: int) -> int:
        """Real (not padding) neurons of a group."""
        return min(self.lanes, units - group * self.lanes)


@dataclass(frozen=True)
class MemoryMacro:
    """One memory of the chip: ``banks`` macros of ``words`` × ``bits``.

    Attributes:
        name: e.g. ``weights[0]``.
        words: words in each bank.
        bits: width of a word.
        banks: number of identical macros.
        ports: ``1RW``, ``1R1W`` or ``ROM``.
        holds: what is in it.

    """

    name: str
    words: int
    bits: int
    banks: int
    ports: str
    holds: str

    def as_dict(self) -> dict[str, str | int]:
        """Return the record of reports and metrics."""
        return {
            "name": self.name,
            "words": self.words,
            "bits": self.bits,
            "banks": self.banks,
            "ports": self.ports,
            "holds": self.holds,
        }
