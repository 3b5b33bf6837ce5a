"""Counts to expect before any data: rows are active at random, as often as the density of the inputs says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from neuro_emu.machine.activity import MatrixActivity, counts_of
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Counts
from neuro_emu.machine.design import ZeroInput
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.machine.ports import UpdatePass, full_pass_stalls

NDArrayBool = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

SAMPLES = 64
"""Random samples that expectations are taken over."""


def expected_counts(chip: Chip, density: Sequence[float], learning_share: float = 1.0) -> tuple[Counts, Counts, int]:
    """Return counts of training, of inference, and the samples that both are over.

    Momentum is a mini-batch of one; normalisation and decay are left out, as they are rare.

    Args:
        chip: the chip.
        density: share of input codes of each layer that are not 0.
        learning_share: share of the samples that hidden layers learn from (below 1 with an error gate).

    """
    samples = SAMPLES if not chip.learning.rule.mirror else chip.learning.mirror.every
    steps = chip.learning.mirror.steps if chip.learning.rule.mirror else 0
    plain = replace(chip, learning=replace(chip.learning, weight_decay=None, feedback_decay=None, weight_norm=None))
    rows = [_active(matrix, density[min(matrix.layer, len(density) - 1)], samples) for matrix in chip.matrices]
    training = [_activity(plain, m, r, steps, learning_share) for m, r in zip(plain.matrices, rows, strict=True)]
    inference = [one._replace(learned=0, stalls=0, applied=0, driven=0) for one in training]
    return counts_of(plain, training, learning=True), counts_of(plain, inference, learning=False), samples


def _active(matrix: Matrix, density: float, samples: int) -> NDArrayBool:
    """Return (samples, rows) which rows have an input that is not 0, the same for the same matrix in every run."""
    random = np.random.default_rng(matrix.index)
    return random.random((samples, matrix.rows)) < density


def _activity(chip: Chip, matrix: Matrix, active: NDArrayBool, steps: int, share: float) -> MatrixActivity:
    samples = len(active)
    forwards = samples if matrix.kind in {Kind.WEIGHTS, Kind.CLASSIFIER, Kind.FORWARD} else 0
    hidden = matrix.layer != chip.network.output.index
    learned = round(samples * (share if hidden else 1.0)) if chip.sums_gradients(matrix) else 0
    if matrix.kind is Kind.FEEDBACK and not chip.sums_gradients(matrix):
        learned, active = steps, np.ones((max(steps, 1), matrix.rows), dtype=np.bool_)
    updates = active[:learned]
    applied = 0
    if chip.learning.sums and chip.sums_gradients(matrix):
        applied = -(-learned // chip.learning.batch)
    return MatrixActivity(
        forwards,
        active.sum(axis=0, dtype=np.int64) if forwards else np.zeros(matrix.rows, dtype=np.int64),
        learned,
        updates.sum(axis=0, dtype=np.int64),
        _stalls(chip, matrix, updates),
        applied,
        0,
        steps if matrix.kind is Kind.WEIGHTS and matrix.layer > 0 else 0,
    )


def _stalls(chip: Chip, matrix: Matrix, updates: NDArrayBool) -> int:
    """Stalls of one group's updates, summed over samples."""
    banks, found = chip.design.weight_banks, 0
    if chip.design.zero_input is ZeroInput.NONE or updates.all():
        return len(updates) * full_pass_stalls(matrix.rows, banks)
    skips = chip.design.zero_input is ZeroInput.SKIP
    for sample in updates:
        one = UpdatePass(banks)
        for row in range(matrix.rows):
            if sample[row] or (matrix.biased and row == matrix.rows - 1):
                one.row(row)
            elif not skips:
                one.idle()
        found += one.stalls
    return found
