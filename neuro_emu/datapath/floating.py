"""The float twin: the same rule bodies on float64, without any number format.

It starts from the values of the chip's initial codes, sees the same samples in the same order, uses the same
rates 2^-shift and the same noise in mirror mode: what differs from the integer datapaths is what quantisation costs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.floating_rules import FloatSignals, FloatVector, values
from neuro_emu.machine.chip import Chip
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.functions import Float, activation
from neuro_emu.rules import Datapath, Need


class FloatDatapath(FloatSignals):
    """Executes a chip's network and rule in float64, sample by sample.

    Args:
        chip: what to imitate.
        state: initial codes, read as values.

    Attributes:
        weights: W_k (n_{k-1} + 1, n_k) of each layer, bias row last.
        feedback: B_k (rows, n_k) of each hidden layer.
        forward: C_k (rows, n_k) of each hidden layer.
        classifiers: L_k (n_k + 1, classes) of each hidden layer.

    """

    def __init__(self, chip: Chip, state: ChipState) -> None:
        super().__init__(chip, state)
        self._rates = [0.0] * len(chip.network.layers)
        self._fill = 0
        self._samples, self._updates, self._mirrored = state.samples, state.updates, state.mirrored
        self._queue: list[Callable[[], None]] = []
        self.begin_epoch(state.epoch)

    def begin_epoch(self, epoch: int) -> None:
        """Set the learning rates of *epoch*."""
        self._epoch = epoch
        self._rates = [2.0 ** -self.chip.learning.shift_at(la.index, epoch) for la in self.chip.network.layers]
        self._feedback_rate = 2.0 ** -self.chip.learning.feedback_shift_at(epoch)

    def infer(self, codes: NDArray[np.int64]) -> int:
        """Return the prediction for one sample of input codes (inputs,)."""
        present = values(codes, self.chip.network.layers[0].input)
        self._y, self._z, self._made = [present], [], {}
        for layer, weights in zip(self.chip.network.layers, self.weights, strict=True):
            active = np.flatnonzero(present)
            z = present[active] @ weights[active] + weights[-1]
            self._z.append(z)
            present = activation(layer.activation, z)
            self._y.append(present)
        return int(np.argmax(self._z[-1]))

    def train(self, codes: NDArray[np.int64], label: int) -> int:
        """Learn from one sample; returns the prediction made before learning."""
        prediction = self.infer(codes)
        self._label = label
        self._deltas[self.last] = self._error_of(self._y[-1])
        is_open = self._gate is None or bool(self._deltas[self.last][label] > self._gate)
        datapath: Datapath[FloatVector] = self
        rule = self.chip.learning.rule
        for k in self.chip.training_order:
            if k == self.last:
                rule.output(datapath, k)
            elif is_open:
                rule.learn(datapath, k)
            if rule.need is not Need.CHAIN:
                self._carry_out()
        self._carry_out()
        self._end_sample()
        return prediction

    def _carry_out(self) -> None:
        for write in self._queue:
            write()
        self._queue = []

    def _end_sample(self) -> None:
        self._samples += 1
        if self.chip.learning.batch == 1:
            self._written()
        else:
            self._fill += 1
            if self._fill == self.chip.learning.batch:
                self.apply_batch()
        mirror, schedule = self.chip.learning.rule.mirror, self.chip.learning.mirror
        if mirror and self._samples % schedule.every == 0:
            for _ in range(schedule.steps):
                self._made, self._mirroring = {}, True
                datapath: Datapath[FloatVector] = self
                for k in range(self.last):
                    mirror(datapath, k)
                    self._carry_out()
                self._mirroring = False
                self._mirrored += 1
                self._decay_feedback(self._mirrored)

    def apply_batch(self) -> None:
        """Write the gradient sums of a full or short batch; without any, nothing happens."""
        if not self._fill:
            return
        for target, gradient, scale in self._sums.values():
            np.add(target, scale() * gradient, out=target)
            gradient[:] = 0.0
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

    def _decay_feedback(self, count: int) -> None:
        decay = self.chip.learning.feedback_decay
        if decay and count % decay.every == 0:
            for k, use in enumerate(self.chip.plan.feedback):
                if use.learned and not use.twin:
                    self.feedback[k] *= 1.0 - 2.0 ** -decay.shift_at(self._epoch)

    # --- what a rule may write: see rules.base.Datapath ---------------------------------------------------

    def _add(self, name: str, target: Float, rows: Float, columns: Float, scale: Callable[[], float]) -> None:
        """Put off adding an outer product to a matrix, or to its sums over a mini-batch; rows of 0 are left alone."""

        def write() -> None:
            active = np.flatnonzero(rows)
            step = np.outer(rows[active], columns)
            if self.chip.learning.batch == 1 or self._mirroring:
                target[active] += scale() * step
                return
            if name not in self._sums:
                self._sums[name] = (target, np.zeros_like(target), scale)
            self._sums[name][1][active] += step

        self._queue.append(write)

    def update(self, k: int, delta: FloatVector, activated: FloatVector | None = None, *, twin: bool = False) -> None:
        """See :class:`Datapath`."""
        inputs = self._y[k] if activated is None else activated.values
        self._add(f"W{k}", self.weights[k], np.append(inputs, 1.0), delta.values, lambda: self._rates[k])
        if twin:
            self._add(f"B{k - 1}", self.feedback[k - 1], delta.values, inputs, lambda: self._rates[k])

    def learn_feedback(self, k: int, signal: FloatVector, activated: FloatVector) -> None:
        """See :class:`Datapath`."""
        self._add(f"B{k}", self.feedback[k], signal.values, activated.values, lambda: self._feedback_rate)

    def learn_local(self, k: int) -> None:
        """See :class:`Datapath`."""
        inputs, error = np.append(self._y[k + 1], 1.0), self.local_error(k).values
        self._add(f"L{k}", self.classifiers[k], inputs, error, lambda: self._rates[self.last])
