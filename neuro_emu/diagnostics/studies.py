"""Experiments on learning itself: labels without meaning, and another rule from some epoch on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.matrices import Matrix, codes_of, put_codes
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.words import sample_order
from neuro_emu.training.engines import Engine
from neuro_emu.training.loop import Split, engine_of, percent

_TAG_CHOICE, _TAG_PERMUTATION = 65, 66
"""Of the words that choose samples and shuffle their labels; the chip's own tags are far below."""


def shuffle_labels(split: Split, fraction: float, seed: int) -> Split:
    """Return a split in which a fraction of the samples swap their labels among themselves.

    Class frequencies stay. A permutation may give a sample its own label back, so fewer labels than the fraction are
    wrong.
    Counter-based (docs/numerics.md, section 7): the same everywhere.

    Args:
        split: the samples; regression targets go with the labels.
        fraction: 0 … 1, of the samples.
        seed: of the draw.

    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"a fraction is 0 … 1, got {fraction}")
    count = round(fraction * len(split))
    chosen = np.sort(sample_order(seed, 0, len(split), _TAG_CHOICE)[:count])
    sources = np.arange(len(split))
    sources[chosen] = chosen[sample_order(seed, 0, count, _TAG_PERMUTATION)] if count else chosen
    targets = None if split.targets is None else split.targets[sources]
    return replace(split, labels=split.labels[sources], targets=targets)


@dataclass(frozen=True)
class Curve:
    """Accuracies in percent, an entry an epoch.

    Attributes:
        learning: of the predictions made just before learning from each sample.
        test: on the test samples.

    """

    learning: list[float]
    test: list[float]


def switch(
    chip_a: Chip,
    chip_b: Chip,
    parts: tuple[Split, Split | None, Split],
    epochs_a: int,
    epochs_b: int,
    datapath: str = "fast",
) -> tuple[Curve, Curve]:
    """Train with the rule of A, then go on with that of B (Panjehpour 2022, section 2.3.7).

    B takes over the weights, and whatever else both have alike: feedback that is used in the same way, random-word
    registers, velocities (integer datapaths) and the counts of samples and updates. The rest starts as a new B. Epochs
    are counted on: B meets the rates and sample orders of epochs epochs_a, epochs_a + 1, …; so switching to the same
    chip is not switching at all. The float twin hands over matrices alone, so with momentum, Adam, dropout or mirror
    mode it does notice.

    Args:
        chip_a: first chip.
        chip_b: second chip, with the layers and weight formats of the first.
        parts: training, validation (not used) and test samples.
        epochs_a: with A.
        epochs_b: with B.
        datapath: ``fast``, ``traced`` or ``float``.

    Returns:
        The curves of A and of B.

    """
    shapes = [[(la.rows, la.units, la.weight) for la in chip.network.layers] for chip in (chip_a, chip_b)]
    if shapes[0] != shapes[1] or chip_a.learning.targets.regression or chip_b.learning.targets.regression:
        raise ValueError("both chips need the same layers and weight formats, and classes to tell apart")
    training = parts[0]
    first = engine_of(chip_a, initial_state(chip_a), training, datapath)
    curve_a = _run(chip_a, first, parts, range(epochs_a))
    reached = first.state()
    start = initial_state(chip_b) if reached is None else hand_over(chip_a, chip_b, reached)
    second = engine_of(chip_b, start, training, datapath)
    if reached is None:
        _hand_over_values(chip_a, chip_b, first, second)
    return curve_a, _run(chip_b, second, parts, range(epochs_a, epochs_a + epochs_b))


def hand_over(chip_a: Chip, chip_b: Chip, reached: ChipState) -> ChipState:
    """Return the state in which chip B takes over from A; see :func:`switch`."""
    state = replace(initial_state(chip_b), samples=reached.samples, updates=reached.updates, epoch=reached.epoch)
    known = {_identity(m): m for m in chip_a.matrices}
    for matrix in chip_b.matrices:
        former = known.get(_identity(matrix))
        if former is None:
            continue
        put_codes(state, matrix, codes_of(reached, former).copy())
        state.row_registers[matrix.index] = reached.row_registers[former.index]
        if state.velocities and chip_a.learning.momentum == chip_b.learning.momentum:
            speeds = reached.velocities[former.index]
            if speeds.shape == state.velocities[matrix.index].shape:
                state.velocities[matrix.index] = speeds.copy()
    for k in _same_feedback(chip_a, chip_b):
        state.feedback[k] = reached.feedback[k].copy()
    for name in ("lane_registers", "noise_registers", "dropout_registers"):
        if getattr(state, name).shape == getattr(reached, name).shape:
            setattr(state, name, getattr(reached, name).copy())
    if chip_a.learning.rule == chip_b.learning.rule:
        state.mirrored = reached.mirrored
    return state


def _identity(matrix: Matrix) -> tuple[object, ...]:
    return matrix.kind, matrix.layer, matrix.rows, matrix.units, matrix.format


def _same_feedback(chip_a: Chip, chip_b: Chip) -> list[int]:
    """Hidden layers whose feedback both rules use in the same way and format."""
    pairs = zip(chip_a.plan.feedback, chip_b.plan.feedback, strict=True)
    layers = list(zip(chip_a.network.hidden, chip_b.network.hidden, strict=True))
    return [k for k, (a, b) in enumerate(pairs) if a.rows and a == b and layers[k][0].feedback == layers[k][1].feedback]


def _hand_over_values(chip_a: Chip, chip_b: Chip, first: Engine, second: Engine) -> None:
    former, present = first.matrices(), second.matrices()
    for source, target in zip(former[0], present[0], strict=True):
        target[...] = source
    for k in _same_feedback(chip_a, chip_b):
        present[1][k][...] = former[1][k]


def _run(chip: Chip, engine: Engine, parts: tuple[Split, Split | None, Split], epochs: range) -> Curve:
    training, test, curve = parts[0], parts[2], Curve([], [])
    count = len(training)
    for epoch in epochs:
        shuffled = chip.learning.shuffled
        order = sample_order(chip.learning.seed, epoch, count) if shuffled else np.arange(count, dtype=np.int64)
        engine.begin_epoch(epoch, order)
        correct = np.count_nonzero(engine.train(0, count) == training.labels[order])
        engine.end_epoch()
        curve.learning.append(percent(correct, count))
        curve.test.append(percent(np.count_nonzero(engine.infer(test.codes) == test.labels), len(test)))
    return curve
