"""What one training sample costs when no input is zero: the yardstick by which rules are compared before any data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neuro_emu.machine.activity import MatrixActivity, counts_of
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Component, Counts
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.machine.ports import full_pass_stalls


def dense_counts(chip: Chip) -> tuple[Counts, int]:
    """Return counts and the training samples that they are over, all rows active.

    Mini-batches, momentum, decay and normalisation are left out.

    Rules with a mirror mode are counted over one period of its schedule.
    """
    plain = replace(chip.learning, batch=1, weight_decay=None, feedback_decay=None, momentum=None, weight_norm=None)
    chip = replace(chip, learning=plain)
    mirror = chip.learning.mirror
    samples, steps = (mirror.every, mirror.steps) if chip.learning.rule.mirror else (1, 0)
    activity = [_activity(chip, matrix, samples, steps) for matrix in chip.matrices]
    return counts_of(chip, activity, learning=True), samples


def _activity(chip: Chip, matrix: Matrix, samples: int, steps: int) -> MatrixActivity:
    forwards = samples if matrix.kind in {Kind.WEIGHTS, Kind.CLASSIFIER, Kind.FORWARD} else 0
    learned = samples if chip.sums_gradients(matrix) else 0
    if matrix.kind is Kind.FEEDBACK and not learned:
        learned = steps
    hits = np.full(matrix.rows, max(forwards, learned), dtype=np.int64)
    stalls = learned * full_pass_stalls(matrix.rows, chip.design.weight_banks)
    driven = steps if matrix.kind is Kind.WEIGHTS and matrix.layer > 0 else 0
    return MatrixActivity(forwards, hits, learned, hits, stalls, 0, 0, driven)


def multiplications(chip: Chip, counts: Counts) -> int:
    """Multiplications among *counts*: multiply-accumulates, products of updates, and gates with slopes from a table."""
    found = int(counts.events[:, :, [Component.MAC, Component.UPDATE]].sum())
    with_table = [layer.index for layer in chip.network.layers if chip.has_table(layer)]
    return found + int(counts.events[:, with_table, Component.GATE].sum())
