"""The engine of chips with a graph: cuts the samples of an epoch into batches and walks them through the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.integer import IntegerOps
from neuro_emu.datapath.deep.walk import Walk
from neuro_emu.errors import OverflowDetected, RunError
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import FIRST_OVERFLOW, TALLIES, Tally

Int64 = NDArray[np.int64]


class DeepEngine:
    """A chip with a graph behind :class:`neuro_emu.training.engines.Engine`.

    Args:
        chip: the chip.
        state: where to start; copied.
        codes: (samples, H, W, C) or (samples, inputs) input codes.
        labels: (samples,) classes.
        targets: none: graphs have no regression.
        datapath: ``fast``.
        threads: one.

    Raises:
        RunError: if the chip, the targets, the datapath or more threads are not offered.

    """

    _INFERRED = 500
    """Samples tested at once: enough to fill the products, and little memory."""

    def __init__(
        self,
        chip: DeepChip,
        state: DeepState,
        codes: NDArray[Any],
        labels: NDArray[np.uint8],
        targets: NDArray[np.int32] | None = None,
        *,
        datapath: str = "fast",
        threads: int = 1,
    ) -> None:
        if targets is not None:
            raise RunError("graphs have no regression")
        if datapath != "fast":
            raise RunError(f"graphs have no datapath {datapath!r} yet: leave it at fast")
        if threads != 1:
            raise RunError(f"graphs train on one thread so far, not on {threads}: leave threads at 1")
        self._chip, self._state, self._codes, self._labels = chip, state.copy(), codes, labels
        self._ops = IntegerOps(chip, self._state)
        self._walk: Walk[Any] = Walk(chip, self._ops)
        self._order: Int64 = np.zeros(0, dtype=np.int64)
        self._learned = self._done = 0

    def begin_epoch(self, epoch: int, order: Int64) -> None:
        """See :class:`Engine`."""
        self._state.epoch = self._ops.writer.epoch = epoch
        self._order, self._learned, self._done = order, 0, 0

    def train(self, start: int, stop: int) -> Int64:
        """Learn from all whole batches up to *stop*, and from a short one at the end of the order.

        The rest of a batch waits for its other samples; it is predicted as it would be tested now.
        """
        assert start == self._done
        end, batch, found = len(self._order), self._chip.learning.batch, []
        while self._learned < stop and (self._learned + batch <= stop or stop == end):
            chosen = self._order[self._learned : min(self._learned + batch, stop)]
            found.append(self._walk.learn(self._codes[chosen], self._labels[chosen])[max(0, start - self._learned) :])
            self._learned += len(chosen)
            self._refuse_overflow(self._ops.trained, f"in the batch before sample {self._learned} of this epoch")
        waiting = self._order[max(start, self._learned) : stop]
        if len(waiting):
            counted = self._ops.tested.copy()
            found.append(self._walk.infer(self._codes[waiting]).predictions)
            self._ops.tested[:] = counted
        self._done, self._state.batch_fill = stop, stop - self._learned
        return np.concatenate([np.zeros(0, dtype=np.int64), *found])

    def _refuse_overflow(self, events: Int64, when: str) -> None:
        """Name the first tensor that overflowed, for ``strict``."""
        if not self._chip.numerics.strict:
            return
        for layer, event in np.argwhere(events[:, FIRST_OVERFLOW:]).tolist():
            tensor = TALLIES[FIRST_OVERFLOW + event].removesuffix("_overflows")
            raise OverflowDetected(
                f"numerics.strict: {tensor} of layer {layer} overflowed {when}; "
                "widen its format, or set numerics.strict: false to count overflows instead"
            )

    def end_epoch(self) -> None:
        """See :class:`Engine`."""

    def infer(self, codes: NDArray[Any]) -> Int64:
        """See :class:`Engine`."""
        return np.concatenate([np.zeros(0, dtype=np.int64), *(part.predictions for part in self._tested(codes))])

    def outputs(self, codes: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Engine`."""
        classes = self._chip.graph.classes
        parts = [part.outputs.reshape(-1, classes).astype(np.int64) for part in self._tested(codes)]
        return np.concatenate([np.zeros((0, classes), dtype=np.int64), *parts])

    def _tested(self, codes: NDArray[Any]) -> list[Any]:
        found = []
        for first in range(0, len(codes), self._INFERRED):
            found.append(self._walk.infer(codes[first : first + self._INFERRED]))
            self._refuse_overflow(self._ops.tested, f"in the tests up to sample {first + self._INFERRED}")
        return found

    def state(self) -> DeepState:
        """See :class:`Engine`."""
        return self._state.copy()

    def matrices(self) -> tuple[list[Any], list[Any]]:
        """See :class:`Engine`."""
        return self._state.weights, self._state.feedback

    def tally(self) -> Tally:
        """See :class:`Engine`."""
        return Tally(self._ops.trained.copy())

    def counts(self) -> None:
        """See :class:`Engine`: nothing is counted yet."""
