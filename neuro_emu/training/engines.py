"""One face for the three datapaths, so that the training loop does not know which one it drives."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.errors import OverflowDetected
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Counts
from neuro_emu.network.state import FIRST_OVERFLOW, TALLIES, ChipState, Tally

Codes = NDArray[np.uint8]
Labels = NDArray[np.uint8]
Int64 = NDArray[np.int64]


class Engine(Protocol):
    """Trains and tests blocks of samples."""

    def begin_epoch(self, epoch: int, order: Int64) -> None:
        """Start an epoch that presents the training samples in *order*."""
        ...

    def train(self, start: int, stop: int) -> Int64:
        """Learn from positions *start* … *stop* − 1 of the order; returns the predictions made on the way."""
        ...

    def end_epoch(self) -> None:
        """Finish the epoch: a short batch is applied."""
        ...

    def infer(self, codes: Codes) -> Int64:
        """Return the prediction for each of *codes* (samples, inputs)."""
        ...

    def state(self) -> ChipState | None:
        """Return the integer state; None for the float twin."""
        ...

    def matrices(self) -> tuple[list[Any], list[Any]]:
        """Return W_k and B_k, as codes or as values."""
        ...

    def tally(self) -> Tally | None:
        """Overflows and zero updates of training so far; None for the float twin."""
        ...

    def counts(self) -> tuple[Counts, Counts] | None:
        """Counts of all training samples and of all inferences so far; None for the float twin."""
        ...


def _refuse_overflow(chip: Chip, tally: Tally, when: str) -> None:
    """Name the first tensor that overflowed, for ``strict``."""
    if not chip.numerics.strict:
        return
    for layer, events in zip(chip.network.layers, tally.events, strict=True):
        for event in range(FIRST_OVERFLOW, len(TALLIES)):
            if events[event]:
                tensor = TALLIES[event].removesuffix("_overflows")
                raise OverflowDetected(
                    f"numerics.strict: {tensor} of layer {layer.index} overflowed {when}; "
                    "widen its format, or set numerics.strict: false to count overflows instead"
                )


class FastEngine:
    """The compiled datapath."""

    def __init__(self, chip: Chip, state: ChipState, codes: Codes, labels: Labels) -> None:
        self._path = FastDatapath(chip, state)
        self._chip, self._codes, self._labels = chip, codes, labels
        self._inferences = self._path.new_activity()
        self._order: Int64 = np.zeros(0, dtype=np.int64)
        self.warm_up()

    def warm_up(self) -> None:
        """Compile or load the kernels: an empty block does no work."""
        self._path.train(self._path.samples(self._codes, self._labels, self._order, learn=True, flush=False), 0, 0)

    def begin_epoch(self, epoch: int, order: Int64) -> None:
        """See :class:`Engine`."""
        self._path.begin_epoch(epoch)
        self._order = order

    def train(self, start: int, stop: int) -> Int64:
        """See :class:`Engine`."""
        flush = stop == len(self._order)
        samples = self._path.samples(self._codes, self._labels, self._order[start:stop], learn=True, flush=flush)
        done = self._path.train(samples, 0, stop - start)
        _refuse_overflow(self._chip, self.tally(), f"in sample {start + done} of this epoch")
        return samples.predictions

    def end_epoch(self) -> None:
        """See :class:`Engine`."""

    def infer(self, codes: Codes) -> Int64:
        """See :class:`Engine`."""
        labels = np.zeros(len(codes), dtype=np.uint8)
        samples = self._path.samples(codes, labels, np.arange(len(codes)), learn=False)
        done = self._path.infer(samples, 0, len(codes), self._inferences)
        _refuse_overflow(self._chip, Tally(self._inferences.events), f"in tested sample {done}")
        return samples.predictions

    def state(self) -> ChipState:
        """See :class:`Engine`."""
        return self._path.state()

    def matrices(self) -> tuple[list[Any], list[Any]]:
        """See :class:`Engine`."""
        state = self._path.state()
        return state.weights, state.feedback

    def tally(self) -> Tally:
        """See :class:`Engine`."""
        return Tally(self._path.activity.events.copy())

    def counts(self) -> tuple[Counts, Counts]:
        """See :class:`Engine`."""
        training = self._path.counts(self._path.activity, learning=True)
        return training, self._path.counts(self._inferences, learning=False)


class TracedEngine:
    """The traced datapath; about ten thousand times slower."""

    def __init__(self, chip: Chip, state: ChipState, codes: Codes, labels: Labels) -> None:
        self._path = TracedDatapath(chip, state)
        self._chip, self._codes, self._labels = chip, codes, labels
        self._order: Int64 = np.zeros(0, dtype=np.int64)

    def begin_epoch(self, epoch: int, order: Int64) -> None:
        """See :class:`Engine`."""
        self._path.state.epoch = epoch
        self._order = order

    def train(self, start: int, stop: int) -> Int64:
        """See :class:`Engine`."""
        predictions = []
        for position in range(start, stop):
            sample = int(self._order[position])
            predictions.append(self._path.train(_wide(self._codes[sample]), int(self._labels[sample])))
            _refuse_overflow(self._chip, self._path.tally, f"in sample {position + 1} of this epoch")
        return np.array(predictions, dtype=np.int64)

    def end_epoch(self) -> None:
        """See :class:`Engine`."""
        self._path.end_epoch()
        _refuse_overflow(self._chip, self._path.tally, f"in sample {len(self._order)} of this epoch")

    def infer(self, codes: Codes) -> Int64:
        """See :class:`Engine`."""
        predictions = []
        for number, sample in enumerate(codes, start=1):
            predictions.append(self._path.infer(_wide(sample)))
            _refuse_overflow(self._chip, self._path.inference_tally, f"in tested sample {number}")
        return np.array(predictions, dtype=np.int64)

    def state(self) -> ChipState:
        """See :class:`Engine`."""
        return self._path.state.copy()

    def matrices(self) -> tuple[list[Any], list[Any]]:
        """See :class:`Engine`."""
        return self._path.state.weights, self._path.state.feedback

    def tally(self) -> Tally:
        """See :class:`Engine`."""
        return Tally(self._path.tally.events.copy())

    def counts(self) -> tuple[Counts, Counts]:
        """See :class:`Engine`."""
        return self._path.counts, self._path.inference_counts


class FloatEngine:
    """The float twin: no codes, no counts."""

    def __init__(self, chip: Chip, state: ChipState, codes: Codes, labels: Labels) -> None:
        self._path = FloatDatapath(chip, state)
        self._chip, self._codes, self._labels = chip, codes, labels
        self._order: Int64 = np.zeros(0, dtype=np.int64)

    def begin_epoch(self, epoch: int, order: Int64) -> None:
        """See :class:`Engine`."""
        self._path.begin_epoch(epoch)
        self._order = order

    def train(self, start: int, stop: int) -> Int64:
        """See :class:`Engine`."""
        chosen = self._order[start:stop]
        predictions = [self._path.train(_wide(self._codes[s]), int(self._labels[s])) for s in chosen]
        return np.array(predictions, dtype=np.int64)

    def end_epoch(self) -> None:
        """See :class:`Engine`."""
        if self._chip.learning.batch > 1:
            self._path.apply_batch()

    def infer(self, codes: Codes) -> Int64:
        """See :class:`Engine`."""
        return np.array([self._path.infer(_wide(sample)) for sample in codes], dtype=np.int64)

    def state(self) -> None:
        """See :class:`Engine`."""

    def matrices(self) -> tuple[list[Any], list[Any]]:
        """See :class:`Engine`."""
        return self._path.weights, self._path.feedback

    def tally(self) -> None:
        """See :class:`Engine`."""

    def counts(self) -> None:
        """See :class:`Engine`."""


def _wide(codes: NDArray[Any]) -> Int64:
    return codes.astype(np.int64)


ENGINES: dict[str, type[FastEngine] | type[TracedEngine] | type[FloatEngine]] = {
    "fast": FastEngine,
    "traced": TracedEngine,
    "float": FloatEngine,
}
"""Datapaths by the name that `run --datapath` uses."""
