"""The unit of the estimate: NAND2-equivalents of logic, and flip-flops beside them."""

from __future__ import annotations

from dataclasses import dataclass

GATES_PER_FLOP = 4.0
"""NAND2-equivalents of a plain D flip-flop: 96 / 24 um2 in osu018 (benchmarks/calibration).

The enable and the reset of a flip-flop are gates in front of it and count as logic: `components.storage.register`.
"""


@dataclass(frozen=True)
class Gates:
    """Size of a piece of logic, whatever the technology.

    Attributes:
        logic: combinational cells in NAND2-equivalents: area over the area of the smallest NAND2.
        flops: flip-flop bits.

    """

    logic: float = 0.0
    flops: int = 0

    def __add__(self, other: Gates) -> Gates:
        """Both, side by side."""
        return Gates(self.logic + other.logic, self.flops + other.flops)

    def __mul__(self, times: int) -> Gates:
        """Return *times* copies."""
        return Gates(self.logic * times, self.flops * times)

    __rmul__ = __mul__

    @property
    def total(self) -> float:
        """NAND2-equivalents with the flip-flops."""
        return self.logic + GATES_PER_FLOP * self.flops


def total_of(parts: dict[str, Gates]) -> Gates:
    """Sum of named parts."""
    return sum(parts.values(), Gates())
