"""The float twin: the same rule bodies on float64, without any number format.

It starts from the values of the chip's initial codes, sees the same samples in the same order, uses the same
rates 2^-shift, drops the same neurons and uses the same noise in mirror mode: what differs from the integer datapaths
is what quantisation costs. Samples of a mini-batch are worked on together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.floating_optimisers import Learner, Plain, optimiser_of
from neuro_emu.datapath.floating_rules import FloatSignals, FloatVector, scale_columns, values
from neuro_emu.machine.chip import Chip
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.functions import Float
from neuro_emu.rules import Datapath, Need

Predictions = NDArray[np.int64]


@dataclass(frozen=True)
class _Write:
    """An outer product, or a sum of them over samples, that a matrix is to get."""

    kind: str
    layer: int
    rows: Float
    columns: Float


class FloatDatapath(FloatSignals):
    """Executes a chip's network and rule in float64.

    Args:
        chip: what to imitate.
        state: initial codes, read as values; a mini-batch begun there, and its velocities, are not carried on.

    Attributes:
        outputs: y_K (samples, outputs) of the last :meth:`infer` or :meth:`train`, before learning.

    """

    def __init__(self, chip: Chip, state: ChipState) -> None:
        super().__init__(chip, state)
        self.outputs: Float = np.zeros((0, chip.network.output.units))
        learning = chip.learning
        self._is_summing = learning.sums or learning.adam is not None
        self._optimiser = optimiser_of(learning)
        self._learners = self._make_learners()
        self._rates = [0.0] * len(chip.network.layers)
        self._fill = 0
        self._samples, self._updates, self._mirrored = state.samples, state.updates, state.mirrored
        self._queue: list[_Write] = []
        self._mask: Float | None = None
        self.begin_epoch(state.epoch)

    def _make_learners(self) -> dict[tuple[str, int], Learner]:
        """Every matrix that the rule writes."""
        learners = {}
        for step in self.chip.plan.steps + self.chip.plan.mirror:
            k = step.layer
            if step.op == "update":
                twin = self.feedback[k - 1] if step.detail == "twin" else None
                learners["W", k] = Learner(self.weights[k], self._optimiser, biased=True, twin=twin)
            elif step.op == "learn_local":
                learners["L", k] = Learner(self.classifiers[k], self._optimiser, biased=True)
            elif step.op == "learn_feedback":
                is_summed = step in self.chip.plan.steps  # mirror mode writes at once, and knows no velocity
                optimiser = self._optimiser if is_summed else Plain()
                learners["B", k] = Learner(self.feedback[k], optimiser, biased=False)
        return learners

    def begin_epoch(self, epoch: int) -> None:
        """Set the learning rates of *epoch*."""
        self._epoch = epoch
        self._rates = [2.0 ** -self.chip.learning.shift_at(la.index, epoch) for la in self.chip.network.layers]
        self._feedback_rate = 2.0 ** -self.chip.learning.feedback_shift_at(epoch)

    def infer(self, codes: NDArray[Any]) -> Predictions:
        """Return the prediction for each sample of input codes (samples, inputs); zeros in regression."""
        predictions = self._forward(values(codes, self.chip.network.layers[0].input), drop=False)
        self.outputs = self._y[-1]
        return predictions

    def train(self, codes: NDArray[Any], labels: NDArray[Any], targets: NDArray[Any] | None = None) -> Predictions:
        """Learn from samples one after the other, those of a mini-batch together.

        A mini-batch may span several calls: it is written once it is full, or by :meth:`apply_batch`.

        Args:
            codes: (samples, inputs).
            labels: (samples,).
            targets: values (samples, outputs), for regression.

        Returns:
            The prediction made before learning from each sample.

        """
        present = values(codes, self.chip.network.layers[0].input)
        count, start = len(present), 0
        predictions, outputs = np.zeros(count, dtype=np.int64), np.zeros((count, self.chip.network.output.units))
        while start < count:
            part = slice(start, start + min(count - start, self._room()))
            predictions[part] = self._forward(present[part], drop=True)
            outputs[part] = self._y[-1]
            self._aim(labels[part], None if targets is None else targets[part])
            for _ in self._bodies():
                if self.chip.learning.rule.need is not Need.CHAIN:
                    self._carry_out()
            self._carry_out()
            self._end_samples(part.stop - start)
            start = part.stop
        self.outputs = outputs
        return predictions

    def signals(
        self, codes: NDArray[Any], labels: NDArray[Any], targets: NDArray[Any] | None = None
    ) -> dict[str, list[Any]]:
        """Return what the rule would update every layer with, for samples as in :meth:`train`; nothing changes.

        Nothing is dropped either: outputs are scaled as while testing, and f′ with them.

        Returns:
            By layer: ``inputs`` x (samples, n_{k-1}), ``updates`` δ_k (samples, n_k) with zeros where the error gate
            is closed, ``activations`` in place of x; both None for a layer that does not learn.

        """
        self._forward(values(codes, self.chip.network.layers[0].input), drop=False)
        self._aim(labels, targets)
        for _ in self._bodies(ask_all=True):
            pass
        writes = {write.layer: write for write in self._queue if write.kind == "W"}
        self._queue = []
        layers = range(len(self.weights))
        return {
            "inputs": self._y[:-1],
            "updates": [writes[k].columns if k in writes else None for k in layers],
            "activations": [writes[k].rows if k in writes else None for k in layers],
        }

    def _room(self) -> int:
        """How many samples can be worked on together: up to the end of the mini-batch, or the next mirror mode."""
        learning = self.chip.learning
        room = learning.batch - self._fill
        if learning.rule.mirror:
            room = min(room, learning.mirror.every - self._samples % learning.mirror.every)
        return room

    def _bodies(self, *, ask_all: bool = False) -> Iterator[None]:
        """Let the rule learn layer after layer; hidden layers are left out if every sample's gate is closed."""
        rule, datapath = self.chip.learning.rule, self._as_datapath()
        is_open = np.ones(len(self._labels), dtype=np.bool_)
        if self._gate is not None:
            is_open = self._error[np.arange(len(self._labels)), self._labels] > self._gate
        mask = None if is_open.all() else is_open.astype(np.float64)[:, None]
        for k in self.chip.training_order:
            if k == self.last:
                rule.output(datapath, k)
            elif ask_all or is_open.any():
                self._mask = mask
                rule.learn(datapath, k)
                self._mask = None
            yield

    def _as_datapath(self) -> Datapath[FloatVector]:
        return self

    def _carry_out(self) -> None:
        for write in self._queue:
            learner = self._learners[write.kind, write.layer]
            if self._is_summing and not self._mirroring:
                learner.collect(write.rows, write.columns)
            else:
                learner.write(write.rows, write.columns, self._rate(write.kind, write.layer))
        self._queue = []

    def _rate(self, kind: str, k: int) -> float:
        if kind == "B":
            return self._feedback_rate
        return self._rates[k if kind == "W" else self.last]

    def _end_samples(self, count: int) -> None:
        self._samples += count
        if not self._is_summing:
            self._written()
        else:
            self._fill += count
            if self._fill == self.chip.learning.batch:
                self.apply_batch()
        mirror, schedule = self.chip.learning.rule.mirror, self.chip.learning.mirror
        if mirror and self._samples % schedule.every == 0:
            self._mirroring = True
            for _ in range(schedule.steps):
                self._made = {}
                for k in range(self.last):
                    mirror(self._as_datapath(), k)
                    self._carry_out()
                self._mirrored += 1
                self._decay_feedback(self._mirrored)
            self._mirroring = False

    def apply_batch(self) -> None:
        """Write the gradient sums of a full or short batch; without any, nothing happens."""
        if not self._fill:
            return
        self._optimiser.begin(self._fill)
        for (kind, k), learner in self._learners.items():
            learner.apply(self._rate(kind, k))
        self._fill = 0
        self._written()

    def _written(self) -> None:
        self._updates += 1
        if (decay := self.chip.learning.weight_decay) and self._updates % decay.every == 0:
            kept = 1.0 - 2.0 ** -decay.shift_at(self._epoch)
            for k in range(0 if decay.first_layer else 1, len(self.weights)):
                self.weights[k][:-1] *= kept
                if k > 0 and self.chip.plan.feedback[k - 1].twin:
                    self.feedback[k - 1] *= kept
        if not self.chip.learning.rule.mirror:
            self._decay_feedback(self._updates)
        if (norm := self.chip.learning.weight_norm) and self._updates % norm.every == 0:
            for weights in self.weights:
                scale_columns(weights[:-1], norm.gamma)

    def _decay_feedback(self, count: int) -> None:
        decay = self.chip.learning.feedback_decay
        if decay and count % decay.every == 0:
            for k, use in enumerate(self.chip.plan.feedback):
                if use.learned and not use.twin:
                    self.feedback[k] *= 1.0 - 2.0 ** -decay.shift_at(self._epoch)

    # --- what a rule may write: see rules.base.Datapath ---------------------------------------------------

    def _open(self, signal: Float) -> Float:
        """Silence the samples whose error gate is closed: they neither move weights nor count in sums."""
        return signal if self._mask is None else signal * self._mask

    def update(self, k: int, delta: FloatVector, activated: FloatVector | None = None, *, twin: bool = False) -> None:
        """See :class:`Datapath`; the plan has told whether there is a *twin*."""
        inputs = self._y[k] if activated is None else activated.values
        self._queue.append(_Write("W", k, inputs, self._open(delta.values)))

    def learn_feedback(self, k: int, signal: FloatVector, activated: FloatVector) -> None:
        """See :class:`Datapath`."""
        self._queue.append(_Write("B", k, self._open(signal.values), activated.values))

    def learn_local(self, k: int) -> None:
        """See :class:`Datapath`."""
        self._queue.append(_Write("L", k, self._y[k + 1], self._open(self.local_error(k).values)))
