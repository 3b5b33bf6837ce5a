"""The chip's state, explicit and complete: what is saved is what the chip is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@dataclass
class ChipState:
    """Every register and memory that outlives a sample, as integer codes.

    Attributes:
        weights: W_k (n_{k-1} + 1, n_k) of each layer, bias row last.
        feedback: B_k (classes, n_k) of each hidden layer.
        gradients: G_k, as the weights, mini-batch sums; empty when the batch is one sample.
        row_registers: (layers,) 32-bit random-word register of each weight matrix.
        lane_registers: (lanes,) 32-bit random-word register of each physical lane.
        epoch: epochs begun and finished.
        batch_fill: samples summed in ``gradients`` so far.

    """

    weights: list[Int32]
    feedback: list[Int32]
    gradients: list[Int64]
    row_registers: Int64
    lane_registers: Int64
    epoch: int = 0
    batch_fill: int = 0

    def copy(self) -> ChipState:
        """Return an independent copy."""
        return ChipState(
            weights=[w.copy() for w in self.weights],
            feedback=[b.copy() for b in self.feedback],
            gradients=[g.copy() for g in self.gradients],
            row_registers=self.row_registers.copy(),
            lane_registers=self.lane_registers.copy(),
            epoch=self.epoch,
            batch_fill=self.batch_fill,
        )


TALLIES = (
    "updates",
    "zero_updates",
    "weight_overflows",
    "accumulator_overflows",
    "preactivation_overflows",
    "delta_overflows",
    "projection_overflows",
)
"""Names of the per-layer event counters, in the order in which kernels keep them."""

UPDATES, ZERO_UPDATES, WEIGHT_OVF, ACCUMULATOR_OVF, PREACTIVATION_OVF, DELTA_OVF, PROJECTION_OVF = range(7)
FIRST_OVERFLOW = WEIGHT_OVF


@dataclass
class Tally:
    """Events per layer (layers, len(TALLIES)) of docs/numerics.md, sections 2, 3 and 6."""

    events: Int64 = field(default_factory=lambda: np.zeros((0, len(TALLIES)), dtype=np.int64))

    @classmethod
    def empty(cls, layers: int) -> Tally:
        """All counters at zero."""
        return cls(np.zeros((layers, len(TALLIES)), dtype=np.int64))

    def as_dict(self) -> list[dict[str, int]]:
        """One mapping a layer."""
        return [dict(zip(TALLIES, map(int, row), strict=True)) for row in self.events]
