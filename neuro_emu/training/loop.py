"""The training loop: epochs, evaluation, and what is measured on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.errors import RunError
from neuro_emu.machine.counts import Counts
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.either import AnyChip
from neuro_emu.machine.deep.initialise import initial_state as deep_state
from neuro_emu.machine.initialise import initial_state
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import ChipState, Tally
from neuro_emu.numerics.augment import Augmentation
from neuro_emu.numerics.words import sample_order
from neuro_emu.training.alignment import feedback_angles
from neuro_emu.training.deep_engine import DeepEngine
from neuro_emu.training.engines import ENGINES, Codes, Engine, FastEngine, Int64, Labels, presented
from neuro_emu.training.means import Means

_BLOCK = {"fast": 2000, "traced": 1, "float": 100}
"""Samples between two looks at the progress; graphs look at whole batches."""


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes:
        codes: (samples, inputs), or maps (samples, rows, columns, channels).
        labels: (samples,); all 0 in regression.
        targets: (samples, outputs) codes in the format of the chip's outputs; None unless it is regression.
        augment: how the samples are varied while the chip learns from them; None: they are not.

    """

    codes: Codes
    labels: Labels
    targets: NDArray[np.int32] | None = None
    augment: Augmentation | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def presented(self, epoch: int, samples: Int64) -> NDArray[Any]:
        """Return the codes (n, inputs) or maps that an epoch presents for *samples* (n,); a new array."""
        return presented(self.codes, self.augment, epoch, samples)


@dataclass(frozen=True)
class Progress:
    """Where the training stands.

    Attributes:
        epoch: counted from 0; ``epochs`` in all.
        sample: samples of this epoch done, of ``samples``.
        correct: of those, predicted rightly before learning from them.

    """

    epoch: int
    epochs: int
    sample: int
    samples: int
    correct: int


@dataclass(frozen=True)
class EpochResult:
    """What one epoch gave; accuracies in percent.

    Attributes:
        epoch: counted from 0.
        lr_shift: of each layer.
        train_accuracy: of the predictions made just before learning from each sample.
        validation_accuracy: on the held-out training samples; None without any.
        test_accuracy: on the test samples.
        test_loss: mean squared error of the outputs on the test samples; regression only, which has no accuracies.
        tally: events of this epoch alone; None for the float twin.

    """

    epoch: int
    lr_shift: tuple[int, ...]
    train_accuracy: float | None
    validation_accuracy: float | None
    test_accuracy: float | None
    tally: Tally | None
    test_loss: float | None = None
    validation_loss: float | None = None


@dataclass(frozen=True)
class Result:
    """What a training gave.

    Attributes:
        epochs: one entry an epoch.
        state: final integer state; None for the float twin.
        training, inference: counts over all samples; None for the float twin.
        train_samples, inferences: how many samples they are over.
        tally: events of the whole training; None for the float twin.
        confusion: (classes, classes) test samples by true class and prediction, after the last epoch.
        kernels: what ran in the last epoch: ``vector``, ``portable`` or ``plain``; empty on other datapaths.
        feedback_angles: degrees between B_k and W_{k+1}ᵀ of each hidden layer; None where they do not compare.

    """

    epochs: list[EpochResult]
    state: ChipState | None
    training: Counts | None
    inference: Counts | None
    train_samples: int
    inferences: int
    tally: Tally | None
    confusion: NDArray[np.int64]
    feedback_angles: list[float | None]
    kernels: str = ""


def percent(part: Any, whole: int) -> float:
    """Return 100 · part / whole, rounded to 4 digits so that it prints the same everywhere."""
    return round(100.0 * int(part) / whole, 4)


def confusion_matrix(labels: Labels, predictions: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return how often each true class (row) was predicted as each class (column)."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    if classes:
        np.add.at(matrix, (labels, predictions), 1)
    return matrix


def first_state(chip: AnyChip) -> ChipState:
    """Return the state that a chip of either kind starts from."""
    return deep_state(chip) if isinstance(chip, DeepChip) else initial_state(chip)


def train(
    chip: AnyChip,
    data: tuple[Split, Split | None, Split],
    epochs: int,
    *,
    datapath: str = "fast",
    means: Means | None = None,
    started: Callable[[], None] = lambda: None,
    report: Callable[[Progress], None] = lambda _: None,
    observe: Callable[[int, Engine], None] = lambda *_: None,
    state: ChipState | None = None,
) -> Result:
    """Train *chip* from its initial state.

    Args:
        chip: the chip.
        data: training, validation (or None) and test samples.
        epochs: passes over the training samples.
        datapath: ``fast``, ``traced`` or ``float``.
        means: back-end and threads of the fast one.
        started: called once the kernels are ready, before the first sample.
        report: called with the progress every few thousand samples.
        observe: called as observe(epochs done, engine) before the first epoch and after each.
        state: where to start instead, e.g. where another rule stopped.

    Raises:
        RunError: if *means* are for another datapath, or this processor has no code for the back-end.
        OverflowDetected: if ``strict`` is on and a tensor overflows.

    """
    training, validation, test = data
    engine = engine_of(chip, first_state(chip) if state is None else state, training, datapath, means)
    started()
    observe(0, engine)
    results: list[EpochResult] = []
    predictions = np.zeros(len(test), dtype=np.int64)
    before = engine.tally()
    for epoch in range(epochs):
        correct = _epoch(chip, engine, training, (epoch, epochs, _block(chip, datapath)), report)
        after = engine.tally()
        shifts = tuple(chip.learning.shift_at(k, epoch) for k in range(len(chip.network.layers)))
        gained = Tally(after.events - before.events) if after and before else None
        if chip.learning.targets.regression:
            held_out = None if validation is None else mean_squared_error(chip, engine, validation)
            results.append(
                EpochResult(epoch, shifts, None, None, None, gained, mean_squared_error(chip, engine, test), held_out)
            )
        else:
            right = None if validation is None else _accuracy(validation, engine.infer(validation.codes))
            predictions = engine.infer(test.codes)
            learned = percent(correct, len(training))
            results.append(EpochResult(epoch, shifts, learned, right, _accuracy(test, predictions), gained))
        before = after
        observe(epoch + 1, engine)
    counts = engine.counts()
    return Result(
        epochs=results,
        state=engine.state(),
        training=counts[0] if counts else None,
        inference=counts[1] if counts else None,
        train_samples=epochs * len(training),
        inferences=epochs * (len(test) + (0 if validation is None else len(validation))),
        tally=before,
        confusion=confusion_matrix(test.labels, predictions, 0 if chip.learning.targets.regression else chip.labels),
        feedback_angles=feedback_angles(chip, *engine.matrices()),
        kernels=engine.runs if isinstance(engine, FastEngine) else "",
    )


def _block(chip: AnyChip, datapath: str) -> int:
    """Samples between two looks at the progress."""
    if not isinstance(chip, DeepChip):
        return _BLOCK[datapath]
    batch = chip.learning.batch
    return max(1, _BLOCK["fast"] // batch) * batch


def engine_of(
    chip: AnyChip, state: ChipState, split: Split, datapath: str = "fast", means: Means | None = None
) -> Engine:
    """Return an engine that trains on a split, augmented if the split is.

    Raises:
        RunError: if the chip cannot run so.

    """
    if datapath not in ENGINES:
        raise ValueError(f"unknown datapath {datapath!r}: one of {', '.join(ENGINES)}")
    if means:
        means.check(datapath)
    if isinstance(chip, DeepChip):
        return _deep_engine(chip, state, split, datapath, means or Means())
    options: dict[str, Any] = asdict(means) if means and datapath == "fast" else {}
    if split.augment:
        options["augment"] = split.augment
    return ENGINES[datapath](chip, state, split.codes, split.labels, split.targets, **options)


def _deep_engine(chip: DeepChip, state: ChipState, split: Split, datapath: str, means: Means) -> DeepEngine:
    if means.backend != "auto":
        raise RunError(f"--backend {means.backend}: graphs of layers have one kind of kernels; leave --backend out")
    assert isinstance(state, DeepState)
    return DeepEngine(
        chip,
        state,
        split.codes,
        split.labels,
        split.targets,
        datapath=datapath,
        threads=means.threads,
        augment=split.augment,
    )


def mean_squared_error(chip: AnyChip, engine: Engine, split: Split) -> float:
    """Mean squared error of the outputs, rounded so that it prints the same everywhere."""
    assert split.targets is not None
    unit = 2.0**-chip.network.output.output.frac
    outputs = engine.outputs(split.codes)
    values = outputs * unit if np.issubdtype(outputs.dtype, np.integer) else outputs
    return round(float(np.mean((split.targets * unit - values) ** 2)), 9)


def _accuracy(split: Split, predictions: NDArray[np.int64]) -> float:
    return percent(np.count_nonzero(predictions == split.labels), len(split))


def _epoch(
    chip: AnyChip,
    engine: Engine,
    split: Split,
    position: tuple[int, int, int],
    report: Callable[[Progress], None],
) -> int:
    """Present every training sample once; returns how many were predicted rightly."""
    epoch, epochs, block = position
    samples = len(split)
    shuffled = chip.learning.shuffled
    order = sample_order(chip.learning.seed, epoch, samples) if shuffled else np.arange(samples, dtype=np.int64)
    engine.begin_epoch(epoch, order)
    correct = 0
    for start in range(0, samples, block):
        stop = min(start + block, samples)
        predictions = engine.train(start, stop)
        correct += int(np.count_nonzero(predictions == split.labels[order[start:stop]]))
        report(Progress(epoch, epochs, stop, samples, correct))
    engine.end_epoch()
    return correct
