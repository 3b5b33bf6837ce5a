"""The engine of chips with a graph: cuts the samples of an epoch into batches and walks them through the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.counted import CountedOps
from neuro_emu.datapath.deep.floating import FloatOps
from neuro_emu.datapath.deep.parts import Threads
from neuro_emu.datapath.deep.traced import TracedOps
from neuro_emu.datapath.deep.walk import Walk
from neuro_emu.errors import OverflowDetected, RunError
from neuro_emu.machine.counts import Counts
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import FIRST_OVERFLOW, TALLIES, Tally
from neuro_emu.numerics.augment import Augmentation
from neuro_emu.training.engines import presented

Int64 = NDArray[np.int64]


_PRECISIONS: dict[int, Any] = {64: np.float64, 32: np.float32}


class DeepEngine:
    """A chip with a graph behind :class:`neuro_emu.training.engines.Engine`.

    Args:
        chip: the chip.
        state: where to start; copied.
        codes: (samples, H, W, C) or (samples, inputs) input codes.
        augment: how the samples are varied from epoch to epoch; None: they are not.
        labels: (samples,) classes.
        targets: none: graphs have no regression.
        datapath: ``fast``, ``traced``, or ``float``: the float twin.
        threads: that share the samples of a batch; only the fast datapath has more than one. No integer hangs on them.
        precision: bits of the float twin's numbers, 64 or 32.

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
        augment: Augmentation | None = None,
        datapath: str = "fast",
        threads: int = 1,
        precision: int = 64,
    ) -> None:
        self._augment = augment
        if targets is not None:
            raise RunError("graphs have no regression")
        if datapath not in {"fast", "traced", "float"}:
            raise RunError(f"graphs have no datapath {datapath!r}: fast, traced or float")
        if precision not in _PRECISIONS:
            raise RunError(f"the float twin has numbers of 64 or 32 bits, not {precision}")
        if threads < 1 or (threads > 1 and datapath != "fast"):
            raise RunError(f"graphs do not train on {threads} threads on the {datapath} datapath: leave threads at 1")
        self._chip, self._state, self._codes, self._labels = chip, state.copy(), codes, labels
        self._floating = datapath == "float"
        self._ops: CountedOps | TracedOps | FloatOps
        if self._floating:
            self._ops = FloatOps(chip, self._state, _PRECISIONS[precision])
        elif datapath == "traced":
            self._ops = TracedOps(chip, self._state)
        else:
            self._ops = CountedOps(chip, self._state, Threads(threads) if threads > 1 else None)
        ops: Any = self._ops
        self._walk: Walk[Any] = Walk(chip, ops)
        self._order: Int64 = np.zeros(0, dtype=np.int64)
        self._learned = self._done = 0

    def begin_epoch(self, epoch: int, order: Int64) -> None:
        """See :class:`Engine`."""
        self._state.epoch = epoch
        self._ops.begin_epoch(epoch)
        self._order, self._learned, self._done = order, 0, 0

    def train(self, start: int, stop: int) -> Int64:
        """Learn from all whole batches up to *stop*, and from a short one at the end of the order.

        The rest of a batch waits for its other samples; it is predicted as it would be tested now.
        """
        assert start == self._done
        end, batch, found = len(self._order), self._chip.learning.batch, []
        while self._learned < stop and (self._learned + batch <= stop or stop == end):
            chosen = self._order[self._learned : min(self._learned + batch, stop)]
            found.append(
                self._walk.learn(self._presented(chosen), self._labels[chosen])[max(0, start - self._learned) :]
            )
            self._learned += len(chosen)
            self._refuse_overflow(self._ops.trained, f"in the batch before sample {self._learned} of this epoch")
        waiting = self._order[max(start, self._learned) : stop]
        if len(waiting):
            with self._ops.uncounted():
                found.append(self._walk.infer(self._presented(waiting)).predictions)
        self._done, self._state.batch_fill = stop, stop - self._learned
        return np.concatenate([np.zeros(0, dtype=np.int64), *found])

    def _presented(self, chosen: Int64) -> NDArray[Any]:
        return presented(self._codes, self._augment, self._state.epoch, chosen)

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
        kind: Any = np.float64 if self._floating else np.int64
        parts = [part.outputs.reshape(-1, classes).astype(kind) for part in self._tested(codes)]
        return np.concatenate([np.zeros((0, classes), dtype=kind), *parts])

    def _tested(self, codes: NDArray[Any]) -> list[Any]:
        found = []
        for first in range(0, len(codes), self._INFERRED):
            found.append(self._walk.infer(codes[first : first + self._INFERRED]))
            self._refuse_overflow(self._ops.tested, f"in the tests up to sample {first + self._INFERRED}")
        return found

    def state(self) -> DeepState | None:
        """See :class:`Engine`; the float twin has none."""
        return None if self._floating else self._state.copy()

    def matrices(self) -> tuple[list[Any], list[Any]]:
        """See :class:`Engine`."""
        held = self._ops if isinstance(self._ops, FloatOps) else self._state
        return held.weights, held.feedback

    def tally(self) -> Tally | None:
        """See :class:`Engine`; the float twin has none."""
        return None if self._floating else Tally(self._ops.trained.copy())

    def counts(self) -> tuple[Counts, Counts] | None:
        """See :class:`Engine`; the float twin has none."""
        return self._ops.counts()
