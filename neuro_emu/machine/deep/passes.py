"""Closed-form counts of forward passes and errors of graphs, an operation at a time; see docs/machine.md.

Every method takes what the operation is about and the number *n* of samples that it saw.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Int64, Phase, Port
from neuro_emu.machine.deep.mapping import Mapping, cover, has_table, inside_taps
from neuro_emu.machine.deep.reading import Back, Source
from neuro_emu.machine.design import (
    BATCH_NORM_BACKWARD,
    BATCH_NORM_FOLD,
    BATCH_NORM_FORWARD,
    PIPELINE_DRAIN,
    PROJECT_DRAIN,
    SOFTMAX_DIVIDE,
    ZeroInput,
    transpose_drain,
)
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Add, Concat, Pool, Weighted
from neuro_emu.network.deep.shapes import Shape, neurons
from neuro_emu.numerics.activations import SOFTMAX

if TYPE_CHECKING:
    from neuro_emu.machine.deep.activity import Activity


def adaptive_window(i: int, length: int, wanted: int) -> tuple[int, int]:
    """First place and the one behind the last of the window that entry *i* of *wanted* takes of *length* places."""
    return i * length // wanted, -(-(i + 1) * length // wanted)


def adaptive_terms(length: int, wanted: int) -> int:
    """Codes that all windows of :func:`adaptive_window` have together."""
    return sum(end - begin for begin, end in (adaptive_window(i, length, wanted) for i in range(wanted)))


def match_terms(seen: Shape, to: Shape) -> int:
    """Codes that are pooled to bring a map *seen* to the shape *to*; vectors are pooled along their length."""
    if seen[:2] == to[:2] == (1, 1):
        return adaptive_terms(-(-to[2] // seen[2]) * seen[2], to[2])
    return to[2] * adaptive_terms(seen[0], to[0]) * adaptive_terms(seen[1], to[1])


class Common:
    """What the closed forms of passes and writes share."""

    def __init__(self, mapping: Mapping, counts: Counts, activity: Activity) -> None:
        self.mapping, self.counts, self.activity = mapping, counts, activity
        self.chip, self.design, self.graph = mapping.chip, mapping.chip.design, mapping.chip.graph

    def weighted(self, index: int) -> Weighted:
        """The layer at a node."""
        node = self.graph.nodes[index]
        assert isinstance(node, Weighted)
        return node

    def add(self, phase: Phase, layer: int, found: dict[C, int]) -> None:
        """Add counts."""
        for component, count in found.items():
            self.counts.add(phase, layer, component, count)

    def by_bank(self, rows: int, groups: int, accesses: Int64) -> Int64:
        """Accesses (banks,) of a matrix of *rows* rows a group, from those (rows,) of each row in one group."""
        banks = self.design.weight_banks
        found = np.zeros(banks, dtype=np.int64)
        for g in range(groups):
            bank = (g * rows + np.arange(len(accesses))) % banks
            found += np.bincount(bank, weights=accesses, minlength=banks).astype(np.int64)
        return found

    def lane_cycles(self, shape: Shape) -> int:
        """Cycles of the activation units over a map."""
        groups = range(self.design.groups(shape[2]))
        return (
            shape[0]
            * shape[1]
            * sum(-(-self.design.valid(shape[2], g) // self.design.activation_units) for g in groups)
        )

    def hits(self, key: tuple[object, ...]) -> Int64:
        """How often each code was not 0."""
        return self.activity.hits[key]

    def taps(self, key: tuple[object, ...], node: Weighted, n: int) -> int:
        """Taps of a conv layer that are multiplied, over *n* samples and all positions, without the bias row."""
        window = node.window
        assert window
        if self.design.zero_input is ZeroInput.NONE:
            return n * inside_taps(window)
        return int((self.hits(key).reshape(window.seen).sum(axis=2) * cover(window)).sum())

    def slots(self, key: tuple[object, ...], rows: int, n: int, *, biased: bool) -> tuple[Int64, int]:
        """Accesses of each row (rows,), and row slots that take a cycle, of one group of a dense matrix."""
        active = np.full(rows, n, dtype=np.int64)  # the bias row is never skipped
        if self.design.zero_input is not ZeroInput.NONE:
            active[: rows - biased] = self.hits(key)
        skips = self.design.zero_input is ZeroInput.SKIP
        return active, int(active.sum()) if skips else n * rows


class Passes(Common):
    """Adds the counts of everything but writes."""

    def __init__(self, mapping: Mapping, counts: Counts, activity: Activity, *, learning: bool) -> None:
        super().__init__(mapping, counts, activity)
        self.learning = learning

    # --- forward ---

    def load(self, n: int) -> None:
        """Samples into the input memory."""
        self.add(Phase.LOAD, 0, dict.fromkeys((C.CYCLES, C.INPUT_WRITE), n * self.graph.inputs))

    def forward(self, index: int, n: int) -> None:
        """Sums of a layer."""
        node, key, design = self.weighted(index), ("forward", index), self.design
        k, groups, operand = node.layer, design.groups(node.units), self.mapping.operand(node)
        if node.window is None:
            accesses, slots = self.slots(key, node.rows, n, biased=node.biased)
            macs, reads, cycles = int(accesses.sum()), slots - n * node.biased, slots + n * PIPELINE_DRAIN
        else:
            tiles, positions = design.tiles(node.positions), node.positions
            accesses = np.full(node.rows, n * tiles, dtype=np.int64)
            macs = self.taps(key, node, n) + n * node.biased * positions
            reads, cycles = n * inside_taps(node.window), n * (positions * node.rows + tiles * PIPELINE_DRAIN)
        self.counts.banked[Phase.FORWARD, k, Port.WEIGHT_READ] += self.by_bank(node.rows, groups, accesses)
        self.add(Phase.FORWARD, k, {C.CYCLES: groups * cycles, operand: groups * reads, C.MAC: macs * node.units})

    def activate(self, index: int, n: int) -> None:
        """Outputs of a layer, or of a residual's end."""
        node = self.graph.nodes[index]
        assert isinstance(node, Weighted | Add)
        cycles, softmax = self.lane_cycles(node.shape), node.activation == SOFTMAX
        if isinstance(node, Weighted):
            cycles += self.design.groups(node.units) * self.design.tiles(node.positions)
        found = {C.CYCLES: cycles, C.OUTPUT_WRITE: 0 if softmax else node.neurons}
        found[C.TABLE_READ] = node.neurons * has_table(node)
        found[C.PREACTIVATION_WRITE] = node.neurons * (self.learning and (softmax or self.mapping.keeps(node)))
        self.add(Phase.FORWARD, self.mapping.counted[index], {name: n * count for name, count in found.items()})

    def drop(self, layer: int, n: int) -> None:
        """Words of dropout while learning; while testing the table of scaled outputs, in place of the usual one."""
        node = self.graph.layers[layer]
        component = C.RANDOM_WORD if self.learning else C.TABLE_READ
        self.add(Phase.FORWARD, layer, {component: n * node.neurons * (self.learning or not has_table(node))})

    def normalise(self, index: int, n: int) -> None:
        """Statistics behind requantising, then the values of a batch in a pass of their own."""
        node = self.weighted(index)
        assert node.norm
        found = dict.fromkeys((C.MAC, C.ADD), node.neurons * (not node.norm.frozen))
        found |= dict.fromkeys((C.SCALE, C.NORM_WRITE), 2 * node.neurons)
        found |= {C.NORM_READ: node.neurons, C.CYCLES: self.lane_cycles(node.shape)}
        self.add(Phase.FORWARD, node.layer, {name: n * count for name, count in found.items()})

    def _serial(self, phase: Phase, index: int, batches: int, steps: int) -> None:
        node = self.weighted(index)
        cycles = batches * steps * self.design.groups(node.units)
        self.add(phase, node.layer, {C.CYCLES: cycles, C.NORM: batches * steps * node.units})

    def measure(self, index: int, batches: int) -> None:
        """Mean, variance and inverse of every channel of a batch, by the serial units of the lanes."""
        self._serial(Phase.FORWARD, index, batches, BATCH_NORM_FORWARD)

    def fold(self, index: int, n: int) -> None:
        """Values by the running statistics: a multiply-addition behind requantising."""
        node = self.weighted(index)
        self.add(Phase.FORWARD, node.layer, {C.SCALE: n * node.neurons})

    def fold_channels(self, index: int, times: int) -> None:
        """Both words of every channel, after learning."""
        self._serial(Phase.FORWARD, index, times, BATCH_NORM_FOLD)

    def pool(self, node: Pool, n: int) -> None:
        """Windows of a pool, of the graph or of a local classifier."""
        terms = node.neurons * prod(node.kernel)
        found = dict.fromkeys((C.CYCLES, self.mapping.operand(node), C.POOL), n * terms)
        found[C.OUTPUT_WRITE] = n * node.neurons
        kept = self.learning and node.kind == "max" and self.mapping.chosen(node)
        found[C.CHOICE] = n * node.neurons * kept
        self.add(Phase.FORWARD, self.mapping.counted[node.index], found)

    def join(self, index: int, n: int) -> None:
        """Both codes of a residual's end, added; activation follows."""
        node = self.graph.nodes[index]
        self.add(
            Phase.FORWARD, self.mapping.counted[index], {C.OUTPUT_READ: 2 * n * node.neurons, C.ADD: n * node.neurons}
        )

    def concat(self, index: int, n: int) -> None:
        """Codes of the branches, brought to one format."""
        node = self.graph.nodes[index]
        assert isinstance(node, Concat)
        found = dict.fromkeys((C.OUTPUT_READ, C.OUTPUT_WRITE), n * node.neurons)
        found[C.CYCLES] = n * self.lane_cycles(node.shape)
        self.add(Phase.FORWARD, self.mapping.counted[index], found)

    def match(self, layer: int, seen: Shape, to: Shape, n: int) -> None:
        """A shared activation brought to another shape by pooling; counted with the layer below."""
        terms = match_terms(seen, to)
        found = dict.fromkeys((C.CYCLES, C.OUTPUT_READ, C.POOL), n * terms)
        found[C.OUTPUT_WRITE] = n * neurons(to)
        self.add(Phase.FORWARD, self.chip.slot(layer), found)

    def approximate(self, layer: int, to: Shape, n: int) -> None:
        """A shared activation through fixed random weights C, position by position."""
        slot = self.chip.slot(layer)
        matrix, design = self.chip.matrix(Kind.FORWARD, slot), self.design
        head = self.graph.nodes[self.graph.head(slot)]
        assert isinstance(head, Weighted | Add)
        positions = to[0] * to[1]
        groups, tiles = design.groups(to[2]), design.tiles(positions)
        if positions == 1:
            accesses, slots = self.slots(("approximate", layer, to), matrix.rows, n, biased=False)
            words = reads = int(accesses.sum())
            macs, reads = words, slots
        else:
            words, reads = n * tiles * matrix.rows, n * positions * matrix.rows
            zeros = self.design.zero_input is ZeroInput.NONE
            macs = reads if zeros else int(self.hits(("approximate", layer, to)).sum())
            slots = reads
        cycles = groups * (slots + n * tiles * (PIPELINE_DRAIN + 1)) + n * self.lane_cycles(to)
        found = {C.CYCLES: cycles, C.RANDOM_READ: groups * words, C.OUTPUT_READ: groups * reads, C.MAC: macs * to[2]}
        found |= {C.OUTPUT_WRITE: n * neurons(to), C.TABLE_READ: n * neurons(to) * has_table(head)}
        self.add(Phase.FORWARD, slot, found)

    def classify(self, layer: int, n: int) -> None:
        """A local classifier, as an output layer on (pooled) outputs whose own outputs are not kept; its error."""
        matrix, units, design = self.chip.matrix(Kind.CLASSIFIER, layer), self.graph.classes, self.design
        groups = design.groups(units)
        accesses, slots = self.slots(("classify", layer), matrix.rows, n, biased=True)
        cycles = groups * (slots + n * (PIPELINE_DRAIN + 1)) + n * self.lane_cycles((1, 1, units))
        found = {C.CYCLES: cycles, C.OUTPUT_READ: groups * (slots - n), C.MAC: int(accesses.sum()) * units}
        found[C.TABLE_READ] = n * units * has_table(self.graph.output)
        self.add(Phase.FORWARD, layer, found)
        self.counts.banked[Phase.FORWARD, layer, Port.WEIGHT_READ] += self.by_bank(matrix.rows, groups, accesses)
        self.add(Phase.ERROR, layer, {C.ERROR_WRITE: n * units})

    # --- errors ---

    def output_error(self, n: int) -> None:
        """E and δ_K, softmax and the output derivative included."""
        output = self.graph.output
        total = n * output.units
        found = {C.ERROR_WRITE: total}
        if output.activation == SOFTMAX:
            found[C.CYCLES] = 2 * total + n * SOFTMAX_DIVIDE
            found |= dict.fromkeys((C.TABLE_READ, C.PREACTIVATION_READ), 2 * total)  # for the sum, for the products
            found |= dict.fromkeys((C.ADD, C.MAC, C.OUTPUT_WRITE), total)
        if self.chip.learning.loss == "mse":
            found |= {C.GATE: total, C.DERIVATIVE_READ: total * has_table(output)}
        self.add(Phase.ERROR, output.layer, found)

    def _head(self, layer: int) -> int:
        return self.graph.nodes[self.graph.head(layer)].neurons

    def label_rows(self, layer: int, n: int) -> None:
        """A row of B_k, its neurons being those of the layer's head."""
        groups = self.design.groups(self._head(layer))
        self.add(Phase.ERROR, layer, dict.fromkeys((C.CYCLES, C.FEEDBACK_READ), n * groups))

    def project(self, layer: int, rows: int, units: int, n: int) -> None:
        """A projection through *rows* rows of B_k onto *units* neurons."""
        groups = self.design.groups(units)
        signs = self.chip.readings[layer].source is Source.ERROR_SIGN
        found = dict.fromkeys((C.FEEDBACK_READ, C.ERROR_READ), n * groups * rows)
        found |= {C.CYCLES: n * groups * (rows + PROJECT_DRAIN), C.ADD if signs else C.MAC: n * units * rows}
        self.add(Phase.ERROR, layer, found)

    def gate(self, index: int, n: int) -> None:
        """Errors by f′."""
        node = self.graph.nodes[index]
        assert isinstance(node, Weighted | Add)
        places = node.shape[0] * node.shape[1] * self.design.groups(node.shape[2])
        table = has_table(node)
        found = {C.GATE: node.neurons, C.CYCLES: self.lane_cycles(node.shape) if table else places}
        found[C.DERIVATIVE_READ] = node.neurons * table
        found[C.PREACTIVATION_READ] = node.neurons * self.mapping.keeps(node)
        found[C.ERROR_WRITE] = node.neurons * self.mapping.stores_delta(node)
        self.add(Phase.ERROR, self.mapping.counted[index], {name: n * count for name, count in found.items()})

    def norm_back(self, index: int, n: int) -> None:
        """Sums of errors behind f′, then δ_z in a pass of its own."""
        node = self.weighted(index)
        found = dict.fromkeys((C.MAC, C.ADD, C.ERROR_READ, C.ERROR_WRITE), node.neurons)
        found |= dict.fromkeys((C.SCALE, C.NORM_READ), 2 * node.neurons)
        found[C.CYCLES] = self.lane_cycles(node.shape)
        self.add(Phase.ERROR, node.layer, {name: n * count for name, count in found.items()})

    def measure_back(self, index: int, batches: int) -> None:
        """Means of the errors of every channel of a batch."""
        self._serial(Phase.ERROR, index, batches, BATCH_NORM_BACKWARD)

    def back_product(self, index: int, n: int) -> None:
        """Errors that cross a layer downwards: counted with the layer below, the weights with their own."""
        node, design = self.weighted(index), self.design
        if self.mapping.projects(node):
            self._projected(node, n)
            return
        below, back = self.mapping.counted[node.sources[0]], self.chip.readings[node.layer].back
        operation, parts = C.ADD if back is Back.SIGNS else C.MAC, design.groups(node.units)
        drain = transpose_drain(design.lanes)
        if node.window is None:
            groups, words, errors = design.groups(node.depth), 1, design.groups(node.depth) * node.units
            macs, partial = node.depth * node.units, 0 if self.mapping.summed_in_lanes(node) else node.depth
            cycles = parts * (node.depth + groups) + groups * drain
        else:
            words, errors, taps = design.tiles(node.positions), node.neurons, inside_taps(node.window)
            macs, partial = taps * node.units, parts * taps
            cycles = parts * (node.positions * node.depth + words * drain)
        found = {C.CYCLES: cycles, C.ERROR_READ: errors, operation: macs}
        found |= dict.fromkeys((C.PARTIAL_READ, C.PARTIAL_WRITE), partial)
        self.add(Phase.ERROR, below, {name: n * count for name, count in found.items()})
        if back in {Back.WEIGHTS, Back.SIGNS}:
            every = np.full(node.depth, n * words, dtype=np.int64)
            reads = self.by_bank(node.rows, parts, every)
            self.counts.banked[Phase.ERROR, node.layer, Port.WEIGHT_READ] += reads
        else:
            slot = self.chip.slot(node.layer)
            self.add(Phase.ERROR, slot, {C.FEEDBACK_READ: n * parts * words * node.depth})

    def _projected(self, node: Weighted, n: int) -> None:
        """Errors that cross a dense layer by feedback that lies with an error a row."""
        below, groups = self.mapping.counted[node.sources[0]], self.design.groups(node.depth)
        self.add(Phase.ERROR, self.chip.slot(node.layer), {C.FEEDBACK_READ: n * groups * node.units})
        partial = 0 if self.mapping.summed_in_lanes(node) else n * node.depth
        found = dict.fromkeys((C.PARTIAL_READ, C.PARTIAL_WRITE), partial)
        found |= {C.CYCLES: n * groups * (node.units + PROJECT_DRAIN), C.ERROR_READ: n * groups * node.units}
        self.add(Phase.ERROR, below, found | {C.MAC: n * node.depth * node.units})

    def pool_back(self, node: Pool, n: int) -> None:
        """Errors of a pool, added to the codes that they go to."""
        places = node.neurons * (1 if node.kind == "max" else prod(node.kernel))
        found = dict.fromkeys((C.CYCLES, C.ADD, C.PARTIAL_READ, C.PARTIAL_WRITE), n * places)
        found |= {C.CHOICE: n * node.neurons} if node.kind == "max" else {C.POOL: n * neurons(node.seen)}
        self.add(Phase.ERROR, self.mapping.counted[node.index], found)

    def merge(self, layer: int, shape: Shape, n: int) -> None:
        """One more error beside another that arrived at the same output, *n* samples of it."""
        found = dict.fromkeys((C.ADD, C.PARTIAL_READ, C.PARTIAL_WRITE), n * neurons(shape))
        found[C.CYCLES] = n * self.lane_cycles(shape)
        self.add(Phase.ERROR, layer, found)
