"""Closed-form counts of writes: updates, twins, mini-batches, decay; see :mod:`neuro_emu.machine.activity`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuro_emu.machine.activity_steps import bank_accesses, slots_of
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Int64, Phase, Port
from neuro_emu.machine.design import NORM_DIVIDE, PIPELINE_DRAIN, WRITE_DELAY, ZeroInput
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.machine.ports import full_pass_stalls
from neuro_emu.numerics.modes import Rounding
from neuro_emu.rules import Need

if TYPE_CHECKING:
    from neuro_emu.machine.activity import MatrixActivity
    from neuro_emu.machine.chip import Chip

_WEIGHTS = (Port.WEIGHT_READ, Port.WEIGHT_WRITE)
_SUMS = (Port.GRADIENT_READ, Port.GRADIENT_WRITE)
_VELOCITIES = (Port.VELOCITY_READ, Port.VELOCITY_WRITE)


class Writes:
    """Adds the counts of everything that is written."""

    def __init__(self, chip: Chip, counts: Counts, activity: list[MatrixActivity]) -> None:
        self.chip, self.counts, self.activity = chip, counts, activity
        self.draws = chip.numerics.update_rounding is Rounding.STOCH

    def count(self, matrix: Matrix) -> None:
        """Add the writes of one matrix; a twin's are added with those of the weights it follows."""
        if matrix.kind in {Kind.TWIN, Kind.FORWARD}:
            return
        active = self.activity[matrix.index]
        one = _OneMatrix(self, matrix)
        if active.learned:
            one.load(active.learned)
            one.update(active)
        one.full_passes(active.applied, rows=matrix.rows, applies=True)
        one.full_passes(active.decayed, rows=matrix.rows - matrix.biased, applies=False)
        one.normalise(active.normalised)


class _OneMatrix:
    def __init__(self, writes: Writes, matrix: Matrix) -> None:
        self.chip, self.counts, self.draws, self.matrix = writes.chip, writes.counts, writes.draws, matrix
        self.groups = self.chip.design.groups(matrix.units)
        self.phase = Phase.FEEDBACK if matrix.kind is Kind.FEEDBACK else Phase.UPDATE
        k = matrix.layer
        twinned = matrix.kind is Kind.WEIGHTS and k > 0 and self.chip.plan.feedback[k - 1].twin
        self.twin = k - 1 if twinned else None

    def _add(self, component: C, count: int) -> None:
        self.counts.add(self.phase, self.matrix.layer, component, count)

    def _banked(self, ports: tuple[Port, ...], accesses: Int64) -> None:
        per_bank = bank_accesses(self.chip, self.matrix.rows, self.groups, accesses)
        for port in ports:
            self.counts.banked[self.phase, self.matrix.layer, port] += per_bank

    def _stored(self, accesses: Int64) -> None:
        """Read and write back stored words, those of a twin with them; (rows,) accesses a group."""
        words = self.groups * int(accesses.sum())
        if self.matrix.kind is Kind.FEEDBACK:
            self._add(C.FEEDBACK_READ, words)
            self._add(C.FEEDBACK_WRITE, words)
        else:
            self._banked(_WEIGHTS, accesses)
        if self.twin is not None:
            beside = self.groups * int(accesses[: self.matrix.rows - 1].sum())
            self.counts.add(Phase.FEEDBACK, self.twin, C.FEEDBACK_READ, beside)
            self.counts.add(Phase.FEEDBACK, self.twin, C.FEEDBACK_WRITE, beside)

    def _shared(self, component: C, rows: int) -> None:
        if self.twin is not None:
            self.counts.add(Phase.FEEDBACK, self.twin, component, rows * self.matrix.units)

    def load(self, n: int) -> None:
        """Bring the lane codes into the lanes, where they are not there already."""
        matrix, k = self.matrix, self.matrix.layer
        if matrix.kind is Kind.FEEDBACK:
            self._add(C.CYCLES, n * self.groups)
            self._add(C.OUTPUT_READ, n * matrix.units)
            return
        step = next(s for s in self.chip.plan.steps if s.op in {"update", "learn_local"} and s.layer == k)
        kept = matrix.kind is Kind.CLASSIFIER or step.sources[0].op in {"error", "error_sign", "local_error"}
        if kept or self.chip.learning.rule.need is Need.CHAIN:
            self.counts.add(Phase.ERROR, k, C.CYCLES, n * self.groups)
            self.counts.add(Phase.ERROR, k, C.ERROR_READ, n * matrix.units)

    def update(self, active: MatrixActivity) -> None:
        """Update after a sample, or a mirror step, or the sums of a mini-batch."""
        n, matrix, chip = active.learned, self.matrix, self.chip
        accesses, slots = slots_of(chip, matrix, n, active.learned_hits)
        stalls = active.stalls
        if chip.design.zero_input is ZeroInput.NONE:
            stalls = n * full_pass_stalls(matrix.rows, chip.design.weight_banks)
        self._add(C.CYCLES, self.groups * (slots + stalls + n * WRITE_DELAY))
        self._add(C.STALLS, self.groups * stalls)
        operand = C.ERROR_READ if matrix.kind is Kind.FEEDBACK else C.OUTPUT_READ
        self._add(C.INPUT_READ if matrix.index == 0 else operand, self.groups * (slots - n * matrix.biased))
        total = int(accesses.sum())
        if chip.learning.sums and chip.sums_gradients(matrix):
            self._banked(_SUMS, accesses)
            self._add(C.MAC, total * matrix.units)
            return
        self._stored(accesses)
        self._add(C.UPDATE, total * matrix.units)
        self._shared(C.SHARED_UPDATE, int(accesses[:-1].sum()))
        if self.draws:
            hits = active.learned_hits[: matrix.rows].copy()
            if matrix.biased:
                hits[-1] = n
            self._add(C.RANDOM_WORD, int(hits.sum()) * self.groups)

    def full_passes(self, passes: int, *, rows: int, applies: bool) -> None:
        """Writes of mini-batches (all rows), or decay (all but the bias row)."""
        if not passes:
            return
        stalls = full_pass_stalls(rows, self.chip.design.weight_banks)
        self._add(C.CYCLES, passes * self.groups * (rows + stalls + WRITE_DELAY))
        self._add(C.STALLS, passes * self.groups * stalls)
        every = np.full(rows, passes, dtype=np.int64)
        moving = applies and self.chip.has_velocity(self.matrix)
        if applies:
            self._banked(_SUMS, every)
        if moving:
            self._banked(_VELOCITIES, every)
            self._add(C.VELOCITY, passes * rows * self.matrix.units)
        self._stored(every)
        self._add(C.UPDATE, passes * rows * self.matrix.units)
        self._shared(C.SHARED_UPDATE if applies else C.UPDATE, passes * (self.matrix.rows - 1))
        if self.draws:
            self._add(C.RANDOM_WORD, passes * rows * self.groups * (1 + moving))

    def normalise(self, passes: int) -> None:
        """Passes of weight normalisation: squares of all rows but the bias row, then every such row scaled."""
        if not passes:
            return
        rows = self.matrix.rows - 1
        stalls = full_pass_stalls(rows, self.chip.design.weight_banks)
        each = 2 * rows + PIPELINE_DRAIN + NORM_DIVIDE + stalls + WRITE_DELAY
        self._add(C.CYCLES, passes * self.groups * each)
        self._add(C.STALLS, passes * self.groups * stalls)
        every = np.full(rows, passes, dtype=np.int64)
        self._banked((Port.WEIGHT_READ,), every)
        self._banked(_WEIGHTS, every)
        for component in (C.MAC, C.SCALE):
            self._add(component, passes * rows * self.matrix.units)
        if self.draws:
            self._add(C.RANDOM_WORD, passes * rows * self.groups)
