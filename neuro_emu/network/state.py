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
        feedback: B_k (rows, n_k) of each hidden layer: a row a class, or a neuron of the layer above; (0, n_k) without.
        gradients: mini-batch sums G of each matrix of the chip (empty for those without sums of their own), W_k first;
            no entry when the batch is one sample.
        row_registers: (matrices,) 32-bit random-word register of each matrix, W_k first; 0 where nothing is drawn.
        lane_registers: (lanes,) 32-bit random-word register of each physical lane.
        epoch: epochs begun and finished.
        batch_fill: samples summed in ``gradients`` so far.
        forward: C_k (rows, n_k) of each hidden layer, fixed random forward weights; (0, n_k) without.
        classifiers: L_k (n_k + 1, classes) of each hidden layer; (0, classes) without.
        noise_registers: (hidden layers,) 32-bit register of the noise of mirror mode.
        dropout_registers: (hidden layers,) 32-bit register that says who is dropped; empty without dropout.
        velocities: V of each matrix of the chip, in its shape; empty for those without one, no entry without momentum.
        samples: trained on so far.
        updates: samples, or mini-batches, written so far.
        mirrored: mirror steps so far.

    """

    weights: list[Int32]
    feedback: list[Int32]
    gradients: list[Int64]
    row_registers: Int64
    lane_registers: Int64
    epoch: int = 0
    batch_fill: int = 0
    forward: list[Int32] = field(default_factory=list)
    classifiers: list[Int32] = field(default_factory=list)
    noise_registers: Int64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    dropout_registers: Int64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    velocities: list[Int32] = field(default_factory=list)
    samples: int = 0
    updates: int = 0
    mirrored: int = 0

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
            forward=[c.copy() for c in self.forward],
            classifiers=[w.copy() for w in self.classifiers],
            noise_registers=self.noise_registers.copy(),
            dropout_registers=self.dropout_registers.copy(),
            velocities=[v.copy() for v in self.velocities],
            samples=self.samples,
            updates=self.updates,
            mirrored=self.mirrored,
        )


TALLIES = (
    "updates",
    "zero_updates",
    "feedback_updates",
    "feedback_zero_updates",
    "weight_overflows",
    "feedback_overflows",
    "accumulator_overflows",
    "preactivation_overflows",
    "delta_overflows",
    "projection_overflows",
)
"""Names of the per-layer event counters, in the order in which kernels keep them."""

UPDATES, ZERO_UPDATES, FEEDBACK_UPDATES, FEEDBACK_ZERO_UPDATES = range(4)
WEIGHT_OVF, FEEDBACK_OVF, ACCUMULATOR_OVF, PREACTIVATION_OVF, DELTA_OVF, PROJECTION_OVF = range(4, 10)
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
