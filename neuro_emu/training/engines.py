"""One face for the three datapaths, so that the training loop does not know which one it drives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.datapath.tables import constants_of
from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.errors import OverflowDetected
from neuro_emu.kernels.events import list_events
from neuro_emu.kernels.fabric import Samples
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Counts
from neuro_emu.network.state import FIRST_OVERFLOW, TALLIES, ChipState, Tally
from neuro_emu.numerics.augment import Augmentation

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

    def outputs(self, codes: Codes) -> NDArray[Any]:
        """Return y_K (samples, outputs) for each of *codes*, as codes or as values."""
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


def presented(codes: NDArray[Any], augment: Augmentation | None, epoch: int, samples: Int64) -> NDArray[Any]:
    """Return what *samples* (n,) of *codes* (all, inputs) look like in an epoch: (n, inputs), a new array."""
    return codes[samples] if augment is None else augment.present(codes, epoch, samples)


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

    def __init__(
        self,
        chip: Chip,
        state: ChipState,
        codes: Codes,
        labels: Labels,
        targets: NDArray[np.int32] | None = None,
        *,
        augment: Augmentation | None = None,
        backend: str = "auto",
        threads: int = 1,
    ) -> None:
        """Take training samples; *backend* and *threads* as :class:`FastDatapath` has them."""
        self._path = FastDatapath(chip, state, backend, threads)
        self._chip, self._codes, self._labels, self._targets = chip, codes, labels, targets
        self._augment, self._epoch, self._nothing = augment, 0, codes[:0]
        self._inferences = self._path.new_activity()
        self._order: Int64 = np.zeros(0, dtype=np.int64)
        self.warm_up()

    def warm_up(self) -> None:
        """Compile or load the kernels: an empty block does no work."""
        self._path.train(self._samples(self._order, flush=False), 0, 0)

    @property
    def runs(self) -> str:
        """What runs this epoch's training: ``vector``, ``portable`` or ``plain``."""
        return self._path.runs

    @property
    def threads(self) -> int:
        """See :class:`FastDatapath`."""
        return self._path.threads

    def _samples(self, order: Int64, *, flush: bool) -> Samples:
        if self._augment is None:
            return self._path.samples(self._codes, self._labels, order, learn=True, flush=flush, targets=self._targets)
        # The datapath keeps the active rows of every array that it is given; those of this block are soon forgotten.
        codes = self._augment.present(self._codes, self._epoch, order)
        targets = None if self._targets is None else self._targets[order]
        places = np.arange(len(order), dtype=np.int64)
        block = self._path.samples(self._nothing, self._labels[order], places, learn=True, flush=flush, targets=targets)
        return block._replace(codes=codes, events=list_events(codes, constants_of(self._chip)))

    def begin_epoch(self, epoch: int, order: Int64) -> None:
        """See :class:`Engine`."""
        self._path.begin_epoch(epoch)
        self._epoch, self._order = epoch, order

    def train(self, start: int, stop: int) -> Int64:
        """See :class:`Engine`."""
        flush = stop == len(self._order)
        samples = self._samples(self._order[start:stop], flush=flush)
        done = self._path.train(samples, 0, stop - start)
        _refuse_overflow(self._chip, self.tally(), f"in sample {start + done} of this epoch")
        return samples.predictions

    def end_epoch(self) -> None:
        """See :class:`Engine`."""

    def infer(self, codes: Codes) -> Int64:
        """See :class:`Engine`."""
        return self._test(codes, outputs=False).predictions

    def outputs(self, codes: Codes) -> NDArray[Any]:
        """See :class:`Engine`."""
        return self._test(codes, outputs=True).outputs

    def _test(self, codes: Codes, *, outputs: bool) -> Samples:
        labels = np.zeros(len(codes), dtype=np.uint8)
        samples = self._path.samples(codes, labels, np.arange(len(codes)), learn=False, outputs=outputs)
        done = self._path.infer(samples, 0, len(codes), self._inferences)
        _refuse_overflow(self._chip, Tally(self._inferences.events), f"in tested sample {done}")
        return samples

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

    def __init__(
        self,
        chip: Chip,
        state: ChipState,
        codes: Codes,
        labels: Labels,
        targets: NDArray[np.int32] | None = None,
        *,
        augment: Augmentation | None = None,
    ) -> None:
        self._path = TracedDatapath(chip, state)
        self._chip, self._codes, self._labels, self._targets = chip, codes, labels, targets
        self._augment = augment
        self._order: Int64 = np.zeros(0, dtype=np.int64)

    def begin_epoch(self, epoch: int, order: Int64) -> None:
        """See :class:`Engine`."""
        self._path.state.epoch = epoch
        self._order = order

    def train(self, start: int, stop: int) -> Int64:
        """See :class:`Engine`."""
        predictions = []
        shown = presented(self._codes, self._augment, self._path.state.epoch, self._order[start:stop])
        for position, codes in enumerate(shown, start=start):
            sample = int(self._order[position])
            target = None if self._targets is None else _wide(self._targets[sample])
            predictions.append(self._path.train(_wide(codes), int(self._labels[sample]), target))
            _refuse_overflow(self._chip, self._path.tally, f"in sample {position + 1} of this epoch")
        return np.array(predictions, dtype=np.int64)

    def end_epoch(self) -> None:
        """See :class:`Engine`."""
        self._path.end_epoch()
        _refuse_overflow(self._chip, self._path.tally, f"in sample {len(self._order)} of this epoch")

    def infer(self, codes: Codes) -> Int64:
        """See :class:`Engine`."""
        return np.array([prediction for prediction, _ in self._test(codes)], dtype=np.int64)

    def outputs(self, codes: Codes) -> NDArray[Any]:
        """See :class:`Engine`."""
        return np.array([outputs for _, outputs in self._test(codes)], dtype=np.int64)

    def _test(self, codes: Codes) -> Iterator[tuple[int, Int64]]:
        for number, sample in enumerate(codes, start=1):
            yield self._path.infer(_wide(sample)), self._path.outputs
            _refuse_overflow(self._chip, self._path.inference_tally, f"in tested sample {number}")

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

    _INFERRED = 500
    """Samples tested at once: enough to fill a matrix product, and little memory."""

    def __init__(
        self,
        chip: Chip,
        state: ChipState,
        codes: NDArray[Any],
        labels: Labels,
        targets: NDArray[Any] | None = None,
        *,
        augment: Augmentation | None = None,
    ) -> None:
        """Take training samples; *targets* (samples, outputs) of regression are output codes, or values if floats."""
        self._path = FloatDatapath(chip, state)
        if targets is not None and np.issubdtype(targets.dtype, np.integer):
            targets = targets * 2.0**-chip.network.output.output.frac
        self._codes, self._labels, self._targets = codes, labels, targets
        self._augment, self._epoch = augment, 0
        self._order: Int64 = np.zeros(0, dtype=np.int64)

    def begin_epoch(self, epoch: int, order: Int64) -> None:
        """See :class:`Engine`."""
        self._path.begin_epoch(epoch)
        self._epoch, self._order = epoch, order

    def train(self, start: int, stop: int) -> Int64:
        """See :class:`Engine`."""
        chosen = self._order[start:stop]
        targets = None if self._targets is None else self._targets[chosen]
        codes = presented(self._codes, self._augment, self._epoch, chosen)
        return self._path.train(codes, self._labels[chosen], targets)

    def end_epoch(self) -> None:
        """See :class:`Engine`."""
        self._path.apply_batch()

    def infer(self, codes: NDArray[Any]) -> Int64:
        """See :class:`Engine`."""
        parts = [self._path.infer(part) for part in self._parts(codes)]
        return np.concatenate([np.zeros(0, dtype=np.int64), *parts])

    def outputs(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """Return y_K (samples, outputs) of each of *codes* (samples, inputs)."""
        found = [np.zeros((0, self._path.chip.network.output.units))]
        for part in self._parts(codes):
            self._path.infer(part)
            found.append(self._path.outputs)
        return np.concatenate(found)

    def _parts(self, codes: NDArray[Any]) -> list[NDArray[Any]]:
        return [codes[first : first + self._INFERRED] for first in range(0, len(codes), self._INFERRED)]

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
