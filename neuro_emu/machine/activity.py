"""Counts in closed form, from how often each row was active: what the compiled datapath reports.

The traced datapath counts access by access and cycle by cycle (docs/machine.md); the two are tested equal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Int64, Phase, Port
from neuro_emu.machine.design import PIPELINE_DRAIN, PROJECT_DRAIN, WRITE_DELAY, ZeroInput
from neuro_emu.machine.ports import full_pass_stalls
from neuro_emu.network.layers import DenseLayer
from neuro_emu.numerics.modes import Rounding


class LayerActivity(NamedTuple):
    """What one layer went through.

    Attributes:
        forwards: samples presented.
        forward_hits: (rows,) samples in which each row's input code was not 0.
        learned: samples from which the layer learned.
        learned_hits: (rows,) the same over those.
        stalls: sum over those of the stalls of one group's update over the active rows.
        applied: mini-batches written.

    """

    forwards: int
    forward_hits: Int64
    learned: int
    learned_hits: Int64
    stalls: int
    applied: int


def counts_of(
    chip: Chip, activity: list[LayerActivity], operations: list[tuple[str, int]], *, learning: bool
) -> Counts:
    """Return the counts of a chip whose layers were active as told.

    Args:
        chip: the chip.
        activity: one entry a layer.
        operations: what the rule asks of the datapath, as (operation, layer).
        learning: whether the samples were training samples.

    """
    counts = Counts(len(chip.network.layers), chip.design.weight_banks)
    first = activity[0].forwards
    counts.add(Phase.LOAD, 0, C.CYCLES, first * chip.network.inputs)
    counts.add(Phase.LOAD, 0, C.INPUT_WRITE, first * chip.network.inputs)
    for layer, active in zip(chip.network.layers, activity, strict=True):
        closed = _ClosedForm(chip, layer, counts, [op for op, k in operations if k == layer.index])
        closed.forward(active, learning)
        if learning:
            closed.learn(active)
    return counts


class _ClosedForm:
    """Adds the counts of one layer."""

    def __init__(self, chip: Chip, layer: DenseLayer, counts: Counts, operations: list[str]) -> None:
        self.operations = operations
        self.chip, self.layer, self.counts = chip, layer, counts
        self.design = chip.design
        self.groups = chip.design.groups(layer.units)
        self.is_output = layer is chip.network.output
        self.activations = sum(
            -(-chip.design.valid(layer.units, g) // chip.design.activation_units) for g in range(self.groups)
        )

    def _add(self, phase: Phase, component: C, count: int) -> None:
        self.counts.add(phase, self.layer.index, component, count)

    def _rows(self, samples: int, hits: Int64) -> tuple[Int64, int]:
        """Return (accesses of each row (rows,), row slots that take a cycle) per group, summed over samples."""
        active = hits[: self.layer.rows].copy()
        active[-1] = samples  # the bias row is never skipped
        if self.design.zero_input is ZeroInput.NONE:
            active[:] = samples
        slots = int(active.sum()) if self.design.zero_input is ZeroInput.SKIP else samples * self.layer.rows
        return active, slots

    def _banked(self, phase: Phase, ports: tuple[Port, ...], accesses: Int64) -> None:
        rows, banks = self.layer.rows, self.design.weight_banks
        for g in range(self.groups):
            bank = (g * rows + np.arange(rows)) % banks
            per_bank = np.bincount(bank, weights=accesses, minlength=banks).astype(np.int64)
            for port in ports:
                self.counts.banked[phase, self.layer.index, port] += per_bank

    def _operand_reads(self, phase: Phase, samples: int, slots: int) -> None:
        component = C.INPUT_READ if self.layer.index == 0 else C.OUTPUT_READ
        self._add(phase, component, self.groups * (slots - samples))  # the bias code is a constant

    def forward(self, active: LayerActivity, learning: bool) -> None:
        """Forward pass and activation, and for the output layer of a training sample the error."""
        n, units = active.forwards, self.layer.units
        accesses, slots = self._rows(n, active.forward_hits)
        self._add(Phase.FORWARD, C.CYCLES, self.groups * (slots + n * PIPELINE_DRAIN))
        self._add(Phase.FORWARD, C.CYCLES, n * (self.activations + self.groups))
        self._banked(Phase.FORWARD, (Port.WEIGHT_READ,), accesses)
        self._operand_reads(Phase.FORWARD, n, slots)
        self._add(Phase.FORWARD, C.MAC, int(accesses.sum()) * units)
        self._add(Phase.FORWARD, C.OUTPUT_WRITE, n * units)
        if self.chip.has_table(self.layer):
            self._add(Phase.FORWARD, C.TABLE_READ, n * units)
        if learning and self.chip.keeps_preactivation(self.layer):
            self._add(Phase.FORWARD, C.PREACTIVATION_WRITE, n * units)
        if learning and self.is_output:
            self._add(Phase.ERROR, C.ERROR_WRITE, n * units)

    def learn(self, active: LayerActivity) -> None:
        """Learning signals and update."""
        n = active.learned
        if n:
            self._signals(n)
            self._update(active)
        if active.applied:
            self._apply(active.applied)

    def _signals(self, n: int) -> None:
        units, groups = self.layer.units, self.groups
        if self.is_output:
            self._add(Phase.ERROR, C.CYCLES, n * groups)
            self._add(Phase.ERROR, C.ERROR_READ, n * units)
            return
        # The sign of the error is stored with it, so error_sign costs nothing more; updates are counted by row.
        costs = {"label_row": self._label_row, "project": self._project, "gate": self._gate}
        for operation in self.operations:
            if operation in costs:
                costs[operation](n)

    def _label_row(self, n: int) -> None:
        self._add(Phase.ERROR, C.CYCLES, n * self.groups)
        self._add(Phase.ERROR, C.FEEDBACK_READ, n * self.groups)

    def _project(self, n: int) -> None:
        classes, groups = self.chip.network.classes, self.groups
        self._add(Phase.ERROR, C.CYCLES, n * groups * (classes + PROJECT_DRAIN))
        self._add(Phase.ERROR, C.FEEDBACK_READ, n * groups * classes)
        self._add(Phase.ERROR, C.ERROR_READ, n * groups * classes)
        self._add(Phase.ERROR, C.MAC, n * self.layer.units * classes)

    def _gate(self, n: int) -> None:
        units = self.layer.units
        self._add(Phase.ERROR, C.GATE, n * units)
        if self.chip.keeps_preactivation(self.layer):
            self._add(Phase.ERROR, C.PREACTIVATION_READ, n * units)
        if self.chip.has_table(self.layer):
            self._add(Phase.ERROR, C.DERIVATIVE_READ, n * units)
            self._add(Phase.ERROR, C.CYCLES, n * self.activations)
        else:
            self._add(Phase.ERROR, C.CYCLES, n * self.groups)

    def _update(self, active: LayerActivity) -> None:
        n, units = active.learned, self.layer.units
        accesses, slots = self._rows(n, active.learned_hits)
        stalls = active.stalls
        if self.design.zero_input is ZeroInput.NONE:
            stalls = n * full_pass_stalls(self.layer.rows, self.design.weight_banks)
        batch = self.chip.learning.batch > 1
        self._add(Phase.UPDATE, C.CYCLES, self.groups * (slots + stalls + n * WRITE_DELAY))
        self._add(Phase.UPDATE, C.STALLS, self.groups * stalls)
        ports = (Port.GRADIENT_READ, Port.GRADIENT_WRITE) if batch else (Port.WEIGHT_READ, Port.WEIGHT_WRITE)
        self._banked(Phase.UPDATE, ports, accesses)
        self._operand_reads(Phase.UPDATE, n, slots)
        if batch:
            self._add(Phase.UPDATE, C.MAC, int(accesses.sum()) * units)
            return
        self._add(Phase.UPDATE, C.UPDATE, int(accesses.sum()) * units)
        if self._draws:
            hits = active.learned_hits[: self.layer.rows].copy()
            hits[-1] = n
            self._add(Phase.UPDATE, C.RANDOM_WORD, int(hits.sum()) * self.groups)

    def _apply(self, batches: int) -> None:
        rows = self.layer.rows
        stalls = full_pass_stalls(rows, self.design.weight_banks)
        self._add(Phase.UPDATE, C.CYCLES, batches * self.groups * (rows + stalls + WRITE_DELAY))
        self._add(Phase.UPDATE, C.STALLS, batches * self.groups * stalls)
        every = np.full(rows, batches, dtype=np.int64)
        self._banked(Phase.UPDATE, tuple(Port), every)
        self._add(Phase.UPDATE, C.UPDATE, batches * rows * self.layer.units)
        if self._draws:
            self._add(Phase.UPDATE, C.RANDOM_WORD, batches * rows * self.groups)

    @property
    def _draws(self) -> bool:
        return self.chip.numerics.update_rounding is Rounding.STOCH
