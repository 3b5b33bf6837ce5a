"""The float twin: the same rule bodies on float64, without any number format.

It starts from the values of the chip's initial codes, sees the same samples in the same order and uses the same
rates 2^-shift: what differs from the integer datapaths is what quantisation costs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuro_emu.machine.chip import Chip
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.functions import Float, activation, derivative
from neuro_emu.rules import Datapath, learn_output


def _values(codes: NDArray[np.int32] | NDArray[np.int64], storage: Format) -> Float:
    values: Float = codes.astype(np.float64) * 2.0**-storage.frac
    return values


class FloatDatapath:
    """Executes a chip's network and rule in float64, sample by sample.

    Args:
        chip: what to imitate.
        state: initial codes, read as values.

    Attributes:
        weights: W_k (n_{k-1} + 1, n_k) of each layer, bias row last.
        feedback: B_k (classes, n_k) of each hidden layer.

    """

    def __init__(self, chip: Chip, state: ChipState) -> None:
        self.chip = chip
        layers = chip.network.layers
        self.weights: list[Float] = [_values(w, la.weight) for w, la in zip(state.weights, layers, strict=True)]
        self.feedback: list[Float] = []
        for matrix, layer in zip(state.feedback, chip.network.hidden, strict=True):
            assert layer.feedback is not None
            self.feedback.append(_values(matrix, layer.feedback))
        self._gradients = [np.zeros_like(w) for w in self.weights]
        self._rates = [0.0] * len(layers)
        self._fill = 0
        output = chip.network.output.output
        threshold = chip.learning.error_gate
        self._gate = None if threshold is None else threshold * 2.0**-output.frac
        self._dead_zone = chip.learning.sign_dead_zone * 2.0**-output.frac
        self._x: list[Float] = []
        self._active: list[NDArray[np.int64]] = []
        self._z: list[Float] = []
        self._label = 0
        self._error: Float = np.zeros(chip.network.classes)
        self.begin_epoch(state.epoch)

    def begin_epoch(self, epoch: int) -> None:
        """Set the learning rates of *epoch*."""
        self._rates = [2.0 ** -self.chip.learning.shift_at(la.index, epoch) for la in self.chip.network.layers]

    def infer(self, codes: NDArray[np.int64]) -> int:
        """Return the prediction for one sample of input codes (inputs,)."""
        values = _values(codes, self.chip.network.layers[0].input)
        self._x, self._active, self._z = [], [], []
        for layer, weights in zip(self.chip.network.layers, self.weights, strict=True):
            x = np.append(values, 1.0)
            active = np.flatnonzero(x)
            z = x[active] @ weights[active]
            self._x.append(x)
            self._active.append(active)
            self._z.append(z)
            values = activation(layer.activation, z)
        self._y = values
        return int(np.argmax(self._z[-1]))

    def train(self, codes: NDArray[np.int64], label: int) -> int:
        """Learn from one sample; returns the prediction made before learning."""
        prediction = self.infer(codes)
        self._label = label
        self._error = -self._y
        self._error[label] += 1.0
        is_open = self._gate is None or self._error[label] > self._gate
        datapath: Datapath[Float] = self
        for k in self.chip.training_order:
            if k == self.chip.network.output.index:
                learn_output(datapath, k)
            elif is_open:
                self.chip.learning.rule.learn(datapath, k)
        if self.chip.learning.batch > 1:
            self._fill += 1
            if self._fill == self.chip.learning.batch:
                self.apply_batch()
        return prediction

    def apply_batch(self) -> None:
        """Write the gradient sums of a full or short batch."""
        for k, (weights, gradients) in enumerate(zip(self.weights, self._gradients, strict=True)):
            np.add(weights, self._rates[k] * gradients, out=weights)
            gradients[:] = 0.0
        self._fill = 0

    # --- what a rule may ask: see rules.base.Datapath -------------------------------------------------

    def label_row(self, k: int) -> Float:
        """See :class:`Datapath`."""
        row: Float = self.feedback[k][self._label]
        return row

    def error(self) -> Float:
        """See :class:`Datapath`."""
        return self._error

    def error_sign(self) -> Float:
        """See :class:`Datapath`."""
        signs: Float = np.sign(self._error) * (np.abs(self._error) > self._dead_zone)
        return signs

    def project(self, k: int, signal: Float) -> Float:
        """See :class:`Datapath`."""
        projected: Float = signal @ self.feedback[k]
        return projected

    def gate(self, k: int, signal: Float) -> Float:
        """See :class:`Datapath`."""
        return signal * derivative(self.chip.network.layers[k].activation, self._z[k])

    def update(self, k: int, delta: Float) -> None:
        """See :class:`Datapath`."""
        active = self._active[k]
        step = np.outer(self._x[k][active], delta)
        if self.chip.learning.batch > 1:
            self._gradients[k][active] += step
        else:
            self.weights[k][active] += self._rates[k] * step
