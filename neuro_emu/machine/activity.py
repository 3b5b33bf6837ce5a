"""Counts in closed form, from how often each row was active: what the compiled datapath reports.

The traced datapath counts access by access and cycle by cycle (docs/machine.md); the two are tested equal.
"""

from __future__ import annotations

from typing import NamedTuple

from neuro_emu.machine.activity_steps import Steps
from neuro_emu.machine.activity_writes import Writes
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Int64, Phase
from neuro_emu.machine.matrices import Kind
from neuro_emu.machine.plan import WRITES
from neuro_emu.numerics.activations import SOFTMAX


class MatrixActivity(NamedTuple):
    """What one matrix went through.

    Attributes:
        forwards: forward passes.
        forward_hits: (rows,) of those, in which each row's input code was not 0.
        learned: samples, or mirror steps, from which it learned.
        learned_hits: (rows,) the same over those.
        stalls: sum over those of the stalls of one group's update over the active rows.
        applied: mini-batches written.
        decayed: decay passes.
        driven: forward passes of mirror mode, every row but the bias row active.
        normalised: passes of weight normalisation.

    """

    forwards: int
    forward_hits: Int64
    learned: int
    learned_hits: Int64
    stalls: int
    applied: int
    decayed: int
    driven: int
    normalised: int = 0


def counts_of(chip: Chip, activity: list[MatrixActivity], *, learning: bool) -> Counts:
    """Return the counts of a chip whose matrices were active as told.

    Args:
        chip: the chip.
        activity: one entry a matrix.
        learning: whether the samples were training samples.

    """
    counts = Counts(len(chip.network.layers), chip.design.weight_banks)
    samples = activity[0].forwards
    counts.add(Phase.LOAD, 0, C.CYCLES, samples * chip.network.inputs)
    counts.add(Phase.LOAD, 0, C.INPUT_WRITE, samples * chip.network.inputs)
    steps = Steps(chip, counts, activity)
    for layer in chip.network.layers:
        matrix = chip.matrices[layer.index]
        operand = C.INPUT_READ if layer.index == 0 else C.OUTPUT_READ
        is_softmax = layer.activation == SOFTMAX
        steps.forward(matrix, activity[layer.index], layer, Phase.FORWARD, operand, kept=not is_softmax)
        tested = chip.learning.dropout and not learning and layer is not chip.network.output
        if tested and not chip.has_table(layer):
            counts.add(Phase.FORWARD, layer.index, C.TABLE_READ, samples * layer.units)
        if learning and (is_softmax or chip.keeps_preactivation(layer)):
            counts.add(Phase.FORWARD, layer.index, C.PREACTIVATION_WRITE, samples * layer.units)
        if learning and chip.learning.dropout and layer is not chip.network.output:
            counts.add(Phase.FORWARD, layer.index, C.RANDOM_WORD, samples * layer.units)
    if not learning:
        return counts
    output = chip.network.output
    steps.output_error(samples)
    is_open = _open_samples(chip, activity)
    for step in chip.plan.steps:
        steps.count(step, samples if step.owner == output.index else is_open)
    mirrored = max(one.driven for one in activity)
    for step in chip.plan.mirror:
        steps.count(step, mirrored)
    writes = Writes(chip, counts, activity)
    for matrix in chip.matrices:
        writes.count(matrix)
    return counts


def _open_samples(chip: Chip, activity: list[MatrixActivity]) -> int:
    """Samples from which the hidden layers learned: those whose error gate was open."""
    found = [0]
    for step in chip.plan.steps:
        if step.op in WRITES and step.owner != chip.network.output.index:
            kind = {"update": Kind.WEIGHTS, "learn_local": Kind.CLASSIFIER, "learn_feedback": Kind.FEEDBACK}[step.op]
            found.append(activity[chip.matrix(kind, step.layer).index].learned)
    return max(found)
