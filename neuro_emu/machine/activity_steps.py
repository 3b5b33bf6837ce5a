"""Closed-form counts of forward passes, signals and activations; see :mod:`neuro_emu.machine.activity`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Int64, Phase, Port
from neuro_emu.machine.design import PIPELINE_DRAIN, PROJECT_DRAIN, SOFTMAX_DIVIDE, ZeroInput, transpose_drain
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.machine.plan import Step
from neuro_emu.network.layers import DenseLayer
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.rules import Need

if TYPE_CHECKING:
    from neuro_emu.machine.activity import MatrixActivity
    from neuro_emu.machine.chip import Chip


def slots_of(chip: Chip, matrix: Matrix, samples: int, hits: Int64) -> tuple[Int64, int]:
    """Return (accesses of each row (rows,), row slots that take a cycle) per group, summed over samples."""
    active = hits[: matrix.rows].copy()
    if matrix.biased:
        active[-1] = samples  # the bias row is never skipped
    if chip.design.zero_input is ZeroInput.NONE:
        active[:] = samples
    slots = int(active.sum()) if chip.design.zero_input is ZeroInput.SKIP else samples * matrix.rows
    return active, slots


def bank_accesses(chip: Chip, rows: int, groups: int, accesses: Int64) -> Int64:
    """Accesses (banks,) of a matrix of *rows* rows a group, from those (rows,) of each row in one group."""
    banks = chip.design.weight_banks
    found = np.zeros(banks, dtype=np.int64)
    for g in range(groups):
        bank = (g * rows + np.arange(len(accesses))) % banks
        found += np.bincount(bank, weights=accesses, minlength=banks).astype(np.int64)
    return found


class Steps:
    """Adds the counts of everything but writes."""

    def __init__(self, chip: Chip, counts: Counts, activity: list[MatrixActivity]) -> None:
        self.chip, self.counts, self.activity = chip, counts, activity
        self.design, self.layers = chip.design, chip.network.layers

    def _activations(self, units: int) -> int:
        """Cycles of activating a vector, the pipeline left out."""
        groups = range(self.design.groups(units))
        return sum(-(-self.design.valid(units, g) // self.design.activation_units) for g in groups)

    def forward(
        self,
        matrix: Matrix,
        active: MatrixActivity,
        model: DenseLayer,
        phase: Phase,
        operand: C,
        *,
        kept: bool = True,
    ) -> None:
        """Forward passes through a matrix and the activation of *model*; *kept*: written to a buffer."""
        n, k, units = active.forwards, matrix.layer, matrix.units
        groups = self.design.groups(units)
        accesses, slots = slots_of(self.chip, matrix, n, active.forward_hits)
        self.counts.add(phase, k, C.CYCLES, groups * (slots + n * (PIPELINE_DRAIN + 1)) + n * self._activations(units))
        if matrix.kind is Kind.FORWARD:
            self.counts.add(phase, k, C.RANDOM_READ, groups * int(accesses.sum()))
        else:
            self.counts.banked[phase, k, Port.WEIGHT_READ] += bank_accesses(self.chip, matrix.rows, groups, accesses)
        self.counts.add(phase, k, operand, groups * (slots - n * matrix.biased))  # the bias code is a constant
        self.counts.add(phase, k, C.MAC, int(accesses.sum()) * units)
        if kept:
            self.counts.add(phase, k, C.OUTPUT_WRITE, n * units)
        if self.chip.has_table(model):
            self.counts.add(phase, k, C.TABLE_READ, n * units)

    def output_error(self, samples: int) -> None:
        """E and δ_K of training samples, softmax and the output derivative included."""
        output = self.chip.network.output
        total = samples * output.units
        found = {C.ERROR_WRITE: total}
        if output.activation == SOFTMAX:
            found |= {C.CYCLES: 2 * total + samples * SOFTMAX_DIVIDE}
            found |= dict.fromkeys((C.TABLE_READ, C.PREACTIVATION_READ), 2 * total)  # for the sum, for the products
            found |= dict.fromkeys((C.ADD, C.MAC, C.OUTPUT_WRITE), total)
        if self.chip.learning.loss == "mse":
            found |= {C.GATE: total, C.DERIVATIVE_READ: total * self.chip.has_table(output)}
        for component, count in found.items():
            self.counts.add(Phase.ERROR, output.index, component, count)

    def count(self, step: Step, n: int) -> None:
        """Add *n* executions of a step; those that cost nothing, or are counted as writes, have no method."""
        method = getattr(self, f"_{step.op}", None)
        if method:
            method(step, n)

    # --- signals; the sign of the error is stored with it, so error_sign costs nothing more -----------------

    def _label_row(self, step: Step, n: int) -> None:
        groups = self.design.groups(self.layers[step.layer].units)
        for component in (C.CYCLES, C.FEEDBACK_READ):
            self.counts.add(Phase.ERROR, step.layer, component, n * groups)

    def _project(self, step: Step, n: int) -> None:
        k, rows = step.layer, step.sources[0].length
        if self.chip.plan.feedback[k].twin:
            self._back(step, n, C.MAC)
            self.counts.add(Phase.ERROR, k, C.FEEDBACK_READ, n * self.layers[k].units * self.design.groups(rows))
            return
        groups = self.design.groups(self.layers[k].units)
        self.counts.add(Phase.ERROR, k, C.CYCLES, n * groups * (rows + PROJECT_DRAIN))
        for component in (C.FEEDBACK_READ, C.ERROR_READ):
            self.counts.add(Phase.ERROR, k, component, n * groups * rows)
        operation = C.ADD if step.sources[0].op == "error_sign" else C.MAC
        self.counts.add(Phase.ERROR, k, operation, n * self.layers[k].units * rows)

    def _back(self, step: Step, n: int, operation: C) -> None:
        """Rows that are reduced across the lanes; where they are read is counted apart."""
        k, units, above = step.layer, self.layers[step.layer].units, self.layers[step.layer + 1].units
        groups, parts = self.design.groups(units), self.design.groups(above)
        cycles = parts * (units + groups) + groups * transpose_drain(self.design.lanes)
        self.counts.add(Phase.ERROR, k, C.CYCLES, n * cycles)
        self.counts.add(Phase.ERROR, k, C.ERROR_READ, n * groups * above)
        self.counts.add(Phase.ERROR, k, operation, n * units * above)

    def _transpose(self, step: Step, n: int, operation: C = C.MAC) -> None:
        self._back(step, n, operation)
        above = self.layers[step.layer + 1]
        every = np.full(above.inputs, n, dtype=np.int64)
        reads = bank_accesses(self.chip, above.rows, self.design.groups(above.units), every)
        self.counts.banked[Phase.ERROR, above.index, Port.WEIGHT_READ] += reads

    def _transpose_sign(self, step: Step, n: int) -> None:
        self._transpose(step, n, C.ADD)

    def _gate(self, step: Step, n: int) -> None:
        k, layer = step.layer, self.layers[step.layer]
        units = layer.units
        self.counts.add(Phase.ERROR, k, C.GATE, n * units)
        if self.chip.keeps_preactivation(layer):
            self.counts.add(Phase.ERROR, k, C.PREACTIVATION_READ, n * units)
        if self.chip.has_table(layer):
            self.counts.add(Phase.ERROR, k, C.DERIVATIVE_READ, n * units)
            self.counts.add(Phase.ERROR, k, C.CYCLES, n * self._activations(units))
        else:
            self.counts.add(Phase.ERROR, k, C.CYCLES, n * self.design.groups(units))
        if self.chip.learning.rule.need is Need.CHAIN:
            self.counts.add(Phase.ERROR, k, C.ERROR_WRITE, n * units)

    def _local_error(self, step: Step, n: int) -> None:
        matrix, output = self.chip.matrix(Kind.CLASSIFIER, step.layer), self.chip.network.output
        self.forward(matrix, self.activity[matrix.index], output, Phase.FORWARD, C.OUTPUT_READ, kept=False)
        self.counts.add(Phase.ERROR, step.layer, C.ERROR_WRITE, n * output.units)

    # --- activations ------------------------------------------------------------------------------------

    def _random_forward(self, step: Step, n: int) -> None:
        del n  # the matrix counts its own passes
        matrix, source = self.chip.matrix(Kind.FORWARD, step.layer), step.sources[0]
        operand = C.INPUT_READ if (source.op, source.layer) == ("output", -1) else C.OUTPUT_READ
        self.forward(matrix, self.activity[matrix.index], self.layers[step.layer], Phase.FORWARD, operand)

    def _pool(self, step: Step, n: int) -> None:
        length, wanted = step.sources[0].length, self.chip.network.layers[step.layer].units
        whole = -(-wanted // length) * length
        terms = sum(-(-(i + 1) * whole // wanted) - i * whole // wanted for i in range(wanted))
        for component in (C.CYCLES, C.OUTPUT_READ, C.POOL):
            self.counts.add(Phase.FORWARD, step.layer, component, n * terms)
        self.counts.add(Phase.FORWARD, step.layer, C.OUTPUT_WRITE, n * wanted)

    def _noise(self, step: Step, n: int) -> None:
        for component in (C.CYCLES, C.RANDOM_WORD, C.OUTPUT_WRITE):
            self.counts.add(Phase.FEEDBACK, step.layer, component, n * self.layers[step.layer].units)

    def _drive(self, step: Step, n: int) -> None:
        layer, k = self.layers[step.layer], step.layer
        groups, rows = self.design.groups(layer.units), layer.inputs
        cycles = groups * (rows + PIPELINE_DRAIN + 1) + self._activations(layer.units)
        self.counts.add(Phase.FEEDBACK, k, C.CYCLES, n * cycles)
        every = np.full(rows, n, dtype=np.int64)
        self.counts.banked[Phase.FEEDBACK, k, Port.WEIGHT_READ] += bank_accesses(self.chip, layer.rows, groups, every)
        self.counts.add(Phase.FEEDBACK, k, C.OUTPUT_READ, n * groups * rows)
        self.counts.add(Phase.FEEDBACK, k, C.MAC, n * rows * layer.units)
        self.counts.add(Phase.FEEDBACK, k, C.ERROR_WRITE, n * layer.units)
        if self.chip.has_table(layer):
            self.counts.add(Phase.FEEDBACK, k, C.TABLE_READ, n * layer.units)
