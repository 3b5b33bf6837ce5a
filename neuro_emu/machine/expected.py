"""Counts to expect before any data: rows are active at random, as often as the density of the inputs says."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from neuro_emu.machine.activity import MatrixActivity, counts_of
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Counts
from neuro_emu.machine.design import Design, ZeroInput
from neuro_emu.machine.learning import Learning
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.machine.ports import UpdatePass, full_pass_stalls

NDArrayBool = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

SAMPLES = 64
"""Random samples that expectations are taken over."""


_MOST_REPEATS = 1_000_000
"""Passes rarer than one in 64 million samples are left out."""


def expected_counts(chip: Chip, density: Sequence[float], learning_share: float = 1.0) -> tuple[Counts, Counts, int]:
    """Return counts of training, of inference, and the samples that both are over.

    Args:
        chip: the chip.
        density: share of input codes of each layer that are not 0; the last for all layers above.
        learning_share: share of the samples that hidden layers learn from (below 1 with an error gate).

    """
    mirror = chip.learning.mirror if chip.learning.rule.mirror else None
    samples, steps = (mirror.every, mirror.steps) if mirror else (SAMPLES, 0)
    # As many times over as it takes until every pass that comes now and then has come a whole number of times.
    repeats = repeats_of(chip.learning)
    rows = [
        active_rows(matrix.index, matrix.rows, density[min(matrix.layer, len(density) - 1)], samples)
        for matrix in chip.matrices
    ]
    training = [
        _activity(chip, matrix, active, steps, learning_share, repeats)
        for matrix, active in zip(chip.matrices, rows, strict=True)
    ]
    inference = [one._replace(learned=0, stalls=0, applied=0, decayed=0, driven=0, normalised=0) for one in training]
    total = samples * repeats
    return counts_of(chip, training, learning=True), counts_of(chip, inference, learning=False), total


def repeats_of(learning: Learning) -> int:
    """How many times over random samples are taken so that every pass comes a whole number of times."""
    passes = [p for p in (learning.weight_decay, learning.feedback_decay, learning.weight_norm) if p]
    needed = math.lcm(learning.batch, *(learning.batch * one.every for one in passes))
    return needed if needed <= _MOST_REPEATS else learning.batch


def active_rows(index: int, rows: int, density: float, samples: int) -> NDArrayBool:
    """Return (samples, rows) which rows have an input that is not 0, the same for the same matrix in every run.

    Args:
        index: of the matrix in its chip.
        rows: of the matrix.
        density: share of input codes that are not 0.
        samples: random samples.

    """
    return np.random.default_rng(index).random((samples, rows)) < density


def _activity(
    chip: Chip, matrix: Matrix, active: NDArrayBool, steps: int, share: float, repeats: int
) -> MatrixActivity:
    samples, learning = len(active), chip.learning
    forwards = samples if matrix.kind in {Kind.WEIGHTS, Kind.CLASSIFIER, Kind.FORWARD} else 0
    hidden = matrix.layer != chip.network.output.index
    learned = round(samples * (share if hidden else 1.0)) if chip.sums_gradients(matrix) else 0
    seen = active
    if matrix.kind is Kind.FEEDBACK and not chip.sums_gradients(matrix):
        learned, active = steps, np.ones((max(steps, 1), matrix.rows), dtype=np.bool_)
    updates = active[:learned]
    written = samples * repeats // learning.batch
    summed = learning.sums and chip.sums_gradients(matrix)
    weights = matrix.kind is Kind.WEIGHTS
    return MatrixActivity(
        forwards * repeats,
        repeats * seen.sum(axis=0, dtype=np.int64) if forwards else np.zeros(matrix.rows, dtype=np.int64),
        learned * repeats,
        repeats * updates.sum(axis=0, dtype=np.int64),
        _stalls(chip, matrix, updates) * repeats,
        written if summed else 0,
        _decays(chip, matrix, steps * repeats if learning.rule.mirror else written),
        steps * repeats if weights and matrix.layer > 0 else 0,
        written // learning.weight_norm.every if learning.weight_norm and weights else 0,
    )


def _decays(chip: Chip, matrix: Matrix, written: int) -> int:
    """Return the decay passes of a matrix in *written* updates (of feedback with mirror mode: mirror steps)."""
    learning = chip.learning
    if matrix.kind is Kind.FEEDBACK:
        return written // learning.feedback_decay.every if learning.feedback_decay else 0
    decay = learning.weight_decay
    if decay is None or matrix.kind is not Kind.WEIGHTS or (matrix.layer == 0 and not decay.first_layer):
        return 0
    return written // decay.every


def _stalls(chip: Chip, matrix: Matrix, updates: NDArrayBool) -> int:
    """Stalls of one group's updates, summed over samples."""
    if updates.all():
        return len(updates) * full_pass_stalls(matrix.rows, chip.design.weight_banks)
    return stalls_of(chip.design, matrix.rows, updates, biased=matrix.biased)


def stalls_of(design: Design, rows: int, updates: NDArrayBool, *, biased: bool) -> int:
    """Stalls of one group's updates, summed over samples.

    Args:
        design: the design point.
        rows: of the matrix.
        updates: (samples, rows) which rows are written.
        biased: whether the last row is that of the bias, which is always written.

    """
    banks, found = design.weight_banks, 0
    if design.zero_input is ZeroInput.NONE:
        return len(updates) * full_pass_stalls(rows, banks)
    skips = design.zero_input is ZeroInput.SKIP
    for sample in updates:
        one = UpdatePass(banks)
        for row in range(rows):
            if sample[row] or (biased and row == rows - 1):
                one.row(row)
            elif not skips:
                one.idle()
        found += one.stalls
    return found
