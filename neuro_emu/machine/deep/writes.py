"""Closed-form counts of gradients and writes of graphs, an operation at a time; see docs/machine.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Int64, Phase, Port
from neuro_emu.machine.deep.mapping import Mapping, has_table, inside_taps
from neuro_emu.machine.deep.passes import Common
from neuro_emu.machine.design import PIPELINE_DRAIN, WRITE_DELAY, ZeroInput
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.machine.ports import full_pass_stalls
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.shapes import neurons
from neuro_emu.numerics.modes import Rounding

if TYPE_CHECKING:
    from neuro_emu.machine.deep.activity import Activity

WEIGHTS = (Port.WEIGHT_READ, Port.WEIGHT_WRITE)
SUMS = (Port.GRADIENT_READ, Port.GRADIENT_WRITE)
VELOCITIES = (Port.VELOCITY_READ, Port.VELOCITY_WRITE)
_STORED = (C.FEEDBACK_READ, C.FEEDBACK_WRITE)

Key = tuple[object, ...]


class Writes(Common):
    """Adds the counts of sums over a batch, and of what is written at its end."""

    def __init__(self, mapping: Mapping, counts: Counts, activity: Activity) -> None:
        super().__init__(mapping, counts, activity)
        self.draws = self.chip.numerics.update_rounding is Rounding.STOCH

    # --- sums over a batch ---

    def gradient(self, index: int, n: int) -> None:
        """Products of inputs and errors, added to the sums of a layer sample by sample."""
        node, key = self.weighted(index), ("gradient", index)
        matrix, operand = self.chip.matrices[node.layer], self.mapping.learned(node)
        if node.window:
            self._conv(key, node, matrix, operand, n)
            return
        if self.mapping.loads(node):
            self._load(Phase.ERROR, matrix, C.ERROR_READ, n)
        self._dense(key, matrix, operand, n)

    def learn_local(self, layer: int, n: int) -> None:
        """The same for a local classifier."""
        matrix = self.chip.matrix(Kind.CLASSIFIER, layer)
        self._load(Phase.ERROR, matrix, C.ERROR_READ, n)
        self._dense(("learn_local", layer), matrix, C.OUTPUT_READ, n)

    def learn_feedback(self, index: int, n: int) -> None:
        """The same for the feedback that errors cross a layer with; a dense one lies with errors on its rows."""
        node = self.weighted(index)
        matrix = self.chip.matrix(Kind.FEEDBACK, self.chip.slot(node.layer))
        if node.window:
            self._conv(("learn_feedback", index), node, matrix, C.OUTPUT_READ, n)
            return
        self._load(Phase.FEEDBACK, matrix, C.OUTPUT_READ, n)
        self._dense(("learn_feedback", index), matrix, C.ERROR_READ, n)

    def outer(self, layer: int, n: int) -> None:
        """The same for direct feedback that learns from errors and outputs."""
        matrix = self.chip.matrix(Kind.FEEDBACK, layer)
        self._load(Phase.FEEDBACK, matrix, C.OUTPUT_READ, n)
        self._dense(("outer", layer), matrix, C.ERROR_READ, n)

    def _load(self, phase: Phase, matrix: Matrix, component: C, n: int) -> None:
        """Bring the codes of every group into the lanes."""
        found = {C.CYCLES: n * self.design.groups(matrix.units), component: n * matrix.units}
        self.add(phase, matrix.layer, found)

    def _dense(self, key: Key, matrix: Matrix, operand: C, n: int) -> None:
        """Rows of products into G, one a cycle."""
        phase, groups = self.phase(matrix), self.design.groups(matrix.units)
        accesses, slots = self.slots(key, matrix.rows, n, biased=matrix.biased)
        stalls = self._stalls(key, matrix.rows, n)
        found = {C.CYCLES: groups * (slots + stalls + n * WRITE_DELAY), C.STALLS: groups * stalls}
        found |= {operand: groups * (slots - n * matrix.biased), C.MAC: int(accesses.sum()) * matrix.units}
        self.add(phase, matrix.layer, found)
        self._banked(phase, matrix, SUMS, accesses)

    def _stalls(self, key: Key, rows: int, n: int) -> int:
        """Stalls of one group over *n* samples."""
        if self.design.zero_input is ZeroInput.NONE:
            return n * full_pass_stalls(rows, self.design.weight_banks)
        return self.activity.stalls[key]

    def _conv(self, key: Key, node: Weighted, matrix: Matrix, operand: C, n: int) -> None:
        """Rows of products, summed in the lanes over all positions before they go into G."""
        assert node.window
        phase, groups, positions = self.phase(matrix), self.design.groups(matrix.units), node.positions
        inside, bias = n * inside_taps(node.window), n * matrix.biased * positions
        found = {C.CYCLES: groups * n * matrix.rows * (positions + WRITE_DELAY), operand: groups * inside}
        found |= {C.MAC: (self.taps(key, node, n) + bias) * matrix.units, C.ERROR_READ: (inside + bias) * matrix.units}
        self.add(phase, matrix.layer, found)
        self._banked(phase, matrix, SUMS, np.full(matrix.rows, n, dtype=np.int64))

    def _banked(self, phase: Phase, matrix: Matrix, ports: tuple[Port, ...], accesses: Int64) -> None:
        per_bank = self.by_bank(matrix.rows, self.design.groups(matrix.units), accesses)
        for port in ports:
            self.counts.banked[phase, matrix.layer, port] += per_bank

    @staticmethod
    def phase(matrix: Matrix) -> Phase:
        """What the chip is doing when it writes a matrix."""
        return Phase.FEEDBACK if matrix.kind in {Kind.FEEDBACK, Kind.TWIN} else Phase.UPDATE

    # --- the end of a batch ---

    def write(self, matrix: Matrix, batches: int) -> None:
        """Steps of all rows of a matrix from its sums."""
        self._full(matrix, matrix.rows, batches, applies=True)

    def decay(self, matrix: Matrix, passes: int) -> None:
        """Decay of all rows but the bias row."""
        self._full(matrix, matrix.rows - matrix.biased, passes, applies=False)

    def _full(self, matrix: Matrix, rows: int, passes: int, *, applies: bool) -> None:
        phase = self.phase(matrix)
        groups, stalls = self.design.groups(matrix.units), full_pass_stalls(rows, self.design.weight_banks)
        moving = applies and self.chip.has_velocity(matrix)
        found = {C.CYCLES: groups * (rows + stalls + WRITE_DELAY), C.STALLS: groups * stalls}
        found |= {C.UPDATE: rows * matrix.units, C.VELOCITY: rows * matrix.units * moving}
        found[C.RANDOM_WORD] = rows * groups * (1 + moving) * self.draws
        every = np.full(rows, passes, dtype=np.int64)
        if applies:
            self._banked(phase, matrix, SUMS, every)
        if moving:
            self._banked(phase, matrix, VELOCITIES, every)
        if matrix.kind is Kind.FEEDBACK:
            found |= dict.fromkeys(_STORED, rows * groups)
        else:
            self._banked(phase, matrix, WEIGHTS, every)
        self.add(phase, matrix.layer, {name: passes * count for name, count in found.items()})
        if twin := self.mapping.twin_of(matrix):
            shared = dict.fromkeys(_STORED, twin.rows * groups)
            shared[C.SHARED_UPDATE if applies else C.UPDATE] = twin.rows * twin.units
            self.add(Phase.FEEDBACK, twin.layer, {name: passes * count for name, count in shared.items()})

    def norm_write(self, index: int, batches: int) -> None:
        """Steps of γ and β, two words a channel, and of their velocities."""
        node = self.weighted(index)
        moving, channels = self.chip.learning.momentum is not None, 2 * node.units
        groups = self.design.groups(node.units)
        found = {C.CYCLES: groups * (2 + WRITE_DELAY), C.UPDATE: channels, C.VELOCITY: channels * moving}
        found |= dict.fromkeys((C.NORM_READ, C.NORM_WRITE), channels * (1 + moving))
        found[C.RANDOM_WORD] = 2 * groups * (1 + moving) * self.draws
        self.add(Phase.UPDATE, node.layer, {name: batches * count for name, count in found.items()})

    # --- mirror mode ---

    def mirror(self, index: int, steps: int) -> None:
        """Steps of mirror mode of one layer: noise in place of what it sees, and what that drives."""
        node, design = self.weighted(index), self.design
        places, groups, tiles = neurons(node.seen), design.groups(node.units), design.tiles(node.positions)
        noise = dict.fromkeys((C.CYCLES, C.RANDOM_WORD, C.OUTPUT_WRITE), steps * places)
        self.add(Phase.FEEDBACK, self.chip.slot(node.layer), noise)
        taps = inside_taps(node.window) if node.window else node.depth
        cycles = groups * (node.positions * node.depth + tiles * (PIPELINE_DRAIN + 1)) + self.lane_cycles(node.shape)
        found = {C.CYCLES: cycles, C.OUTPUT_READ: groups * taps, C.MAC: taps * node.units, C.ERROR_WRITE: node.neurons}
        found[C.TABLE_READ] = node.neurons * (node.window is None and has_table(node))
        self.add(Phase.FEEDBACK, node.layer, {name: steps * count for name, count in found.items()})
        every = np.full(node.depth, steps * tiles, dtype=np.int64)
        reads = self.by_bank(node.rows, groups, every)
        self.counts.banked[Phase.FEEDBACK, node.layer, Port.WEIGHT_READ] += reads

    def follow(self, index: int, steps: int) -> None:
        """Steps of the feedback that follows: a row of a dense layer's for each signal, of a conv layer's every row."""
        node, key = self.weighted(index), ("follow", index)
        matrix = self.chip.matrix(Kind.FEEDBACK, self.chip.slot(node.layer))
        groups, words = self.design.groups(matrix.units), steps * matrix.rows
        if node.window:
            taps = inside_taps(node.window)
            cycles, written = words * (node.positions + WRITE_DELAY), words
            found = {C.OUTPUT_READ: steps * groups * taps}
            found |= dict.fromkeys((C.ERROR_READ, C.MAC), steps * taps * matrix.units)
        else:
            self._load(Phase.FEEDBACK, matrix, C.OUTPUT_READ, steps)
            accesses, slots = self.slots(key, matrix.rows, steps, biased=False)
            stalls = self._stalls(key, matrix.rows, steps)
            cycles, words, written = (
                slots + stalls + steps * WRITE_DELAY,
                int(accesses.sum()),
                int(self.hits(key).sum()),
            )
            found = {C.ERROR_READ: groups * slots, C.STALLS: groups * stalls}
        found |= {
            C.CYCLES: groups * cycles,
            C.UPDATE: words * matrix.units,
            C.RANDOM_WORD: written * groups * self.draws,
        }
        self.add(Phase.FEEDBACK, matrix.layer, found | dict.fromkeys(_STORED, words * groups))
