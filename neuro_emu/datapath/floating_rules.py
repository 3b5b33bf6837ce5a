"""Signals and activations of the float twin: what a rule may ask (rules.base.Datapath), in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.facts import ChipFacts
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import feedback_amplitude
from neuro_emu.machine.targets import target_table
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.functions import Float, activation, derivative
from neuro_emu.numerics.many_words import words_after

_SPARSE = 4
"""A single sample's inputs are picked one by one if at most one in this many is not 0."""


def values(codes: NDArray[Any], storage: Format) -> Float:
    """Return codes as the numbers that they stand for."""
    numbers: Float = codes.astype(np.float64) * 2.0**-storage.frac
    return numbers


def scale_columns(matrix: Float, norm: float) -> None:
    """Bring every column of *matrix* to the Euclidean *norm*; columns of zeros stay."""
    norms = np.sqrt(np.einsum("ij,ij->j", matrix, matrix))
    matrix *= np.divide(norm, norms, out=np.ones_like(norms), where=norms > 0.0)


def activate(name: str, z: Float) -> Float:
    """Return f(z), element by element; softmax over the last axis."""
    if name != SOFTMAX:
        return activation(name, z)
    numerators: Float = np.exp(z - z.max(axis=-1, keepdims=True))
    numerators /= numerators.sum(axis=-1, keepdims=True)
    return numerators


def slope_of(name: str, z: Float, activated: Float) -> Float:
    """f′(z), from f(z) where that saves a second exponential."""
    if name == "sigmoid":
        return activated * (1.0 - activated)
    if name in {"tanh", "tanh_relu"}:
        slope: Float = 1.0 - activated**2
        return slope if name == "tanh" else np.where(z > 0.0, slope, 0.0)
    return derivative(name, z)


@cache
def _windows(length: int, wanted: int) -> tuple[NDArray[np.int64], Float]:
    """First and end positions, one after the other, of the windows that pool copies to *wanted*; and their widths."""
    total = -(-wanted // length) * length
    numbers = np.arange(wanted)
    first, end = numbers * total // wanted, -(-(numbers + 1) * total // wanted)
    return np.stack([first, end], axis=1).ravel(), (end - first).astype(np.float64)


def pooled(values: Float, wanted: int, kind: str) -> Float:
    """Copies of vectors (samples, length) one behind the other, pooled to the length *wanted* (numerics.md, 5)."""
    length = values.shape[1]
    ends, widths = _windows(length, wanted)
    # one more column: the last window ends there, and reduceat takes no end beyond the last entry
    copies = np.tile(values, -(-wanted // length) + 1)[:, : int(ends[-1]) + 1]
    found: Float = (np.maximum if kind == "max_pool" else np.add).reduceat(copies, ends, axis=1)[:, ::2]
    return found if kind == "max_pool" else found / widths


@dataclass(frozen=True)
class FloatVector:
    """Vectors (samples, entries), with the operations they came from: what is asked for twice in a sample is made once.

    Attributes:
        values: one row a sample.
        name: operations; empty for what is made anew each time.

    """

    values: Float
    name: tuple[object, ...] = ()


class FloatSignals(ChipFacts):
    """Everything between the output and the first write, for several samples at once.

    Attributes:
        weights: W_k (n_{k-1} + 1, n_k) of each layer, bias row last.
        feedback: B_k (rows, n_k) of each hidden layer.
        forward: C_k (rows, n_k) of each hidden layer.
        classifiers: L_k (n_k + 1, classes) of each hidden layer.

    """

    def __init__(self, chip: Chip, state: ChipState) -> None:
        self.chip = chip
        layers, output = chip.network.layers, chip.network.output
        self.weights: list[Float] = [values(w, la.weight) for w, la in zip(state.weights, layers, strict=True)]
        self.feedback: list[Float] = []
        self.forward: list[Float] = []
        for layer, matrix, fixed in zip(chip.network.hidden, state.feedback, state.forward, strict=True):
            assert layer.feedback is not None
            self.feedback.append(values(matrix, layer.feedback))
            self.forward.append(values(fixed, layer.weight))
        self.classifiers: list[Float] = [values(w, output.weight) for w in state.classifiers]
        threshold = chip.learning.error_gate
        self._gate = None if threshold is None else threshold * 2.0**-output.output.frac
        self._dead_zone = chip.learning.sign_dead_zone * 2.0**-output.output.frac
        self._hot = target_table(chip).astype(np.float64) / chip.network.hot
        self._kept = 1.0 - chip.learning.dropout / 256.0
        self._drops, self._noise = state.dropout_registers.copy(), state.noise_registers.copy()
        self._y: list[Float] = []
        self._z: list[Float] = []
        self._f: list[Float] = []
        self._keep: list[Float | float] = []
        self._targets: Float = np.zeros((0, output.units))
        self._error: Float = self._targets
        self._deltas: list[Float] = [np.zeros((0, la.units)) for la in layers]
        self._made: dict[tuple[object, ...], FloatVector] = {}
        self._labels: NDArray[Any] = np.zeros(0, dtype=np.int64)
        self._mirroring = False

    def _once(self, name: tuple[object, ...], make: Callable[[], Float]) -> FloatVector:
        if name not in self._made:
            self._made[name] = FloatVector(make(), name)
        return self._made[name]

    # --- forward ---

    def _forward(self, present: Float, *, drop: bool) -> NDArray[np.int64]:
        """Send samples (samples, inputs) forward, dropping neurons or scaling their outputs; returns predictions."""
        self._y, self._z, self._f, self._keep, self._made = [present], [], [], [], {}
        for k, (layer, weights) in enumerate(zip(self.chip.network.layers, self.weights, strict=True)):
            z = self._product(present, weights)
            activated = activate(layer.activation, z)
            present = activated
            if self.chip.learning.dropout and k < self.last:
                self._keep.append(self._draw(k, len(z)) if drop else self._kept)
                present = activated * self._keep[k]
            self._z.append(z)
            self._f.append(activated)
            self._y.append(present)
        return self._predictions()

    @staticmethod
    def _product(present: Float, weights: Float) -> Float:
        if len(present) == 1:
            active = np.flatnonzero(present[0])
            if active.size * _SPARSE <= present.size:
                alone: Float = (present[0, active] @ weights[active] + weights[-1])[None]
                return alone
        z: Float = present @ weights[:-1]
        z += weights[-1]
        return z

    def _draw(self, k: int, samples: int) -> Float:
        """Return 1.0 for neurons of layer k that stay, 0.0 for those that are dropped."""
        words, self._drops[k] = words_after(int(self._drops[k]), samples, self.size(k))
        return (words >= self.chip.learning.dropout * 2**24).astype(np.float64)

    def _predictions(self) -> NDArray[np.int64]:
        targets = self.chip.learning.targets
        if targets.regression:
            return np.zeros(len(self._z[-1]), dtype=np.int64)
        found: NDArray[np.int64] = np.argmax(self._z[-1] if targets.hot == 1 else self._y[-1] @ self._hot.T, axis=1)
        return found

    def _aim(self, labels: NDArray[Any], targets: NDArray[Any] | None) -> None:
        """Set what the samples sent forward should have given, and with it e and δ_K."""
        if self.chip.learning.targets.regression:
            if targets is None:
                raise ValueError("regression needs the targets of the samples")
            self._targets = np.asarray(targets, dtype=np.float64)
        else:
            self._targets = self._hot[labels]
        self._labels = labels
        self._error = self._targets - self._y[-1]
        self._deltas[self.last] = self._error
        if self.chip.learning.loss == "mse":
            slope = slope_of(self.chip.network.output.activation, self._z[-1], self._f[-1])
            self._deltas[self.last] = self._error * slope

    # --- signals ---

    def label_row(self, k: int) -> FloatVector:
        """See :class:`Datapath`."""
        return FloatVector(self.feedback[k][self._labels])

    def error(self) -> FloatVector:
        """See :class:`Datapath`."""
        return self.delta(self.last)

    def delta(self, k: int) -> FloatVector:
        """See :class:`Datapath`."""
        return FloatVector(self._deltas[k], ("delta", k))

    def error_sign(self) -> FloatVector:
        """See :class:`Datapath`."""
        return FloatVector(np.sign(self._error) * (np.abs(self._error) > self._dead_zone))

    def local_error(self, k: int) -> FloatVector:
        """See :class:`Datapath`."""

        def make() -> Float:
            z = self._y[k + 1] @ self.classifiers[k][:-1] + self.classifiers[k][-1]
            error: Float = self._targets - activation("sigmoid", z)
            return error

        return self._once(("local_error", k), make)

    def project(self, k: int, signal: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        return FloatVector(signal.values @ self.feedback[k])

    def transpose(self, k: int, signal: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        return FloatVector(signal.values @ self.weights[k + 1][:-1].T)

    def transpose_sign(self, k: int, signal: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        assert layer.feedback is not None
        amplitude = feedback_amplitude(self.chip, layer) * 2.0**-layer.feedback.frac
        return FloatVector(amplitude * (signal.values @ np.sign(self.weights[k + 1][:-1]).T))

    def gate(self, k: int, signal: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        delta = signal.values * slope_of(self.chip.network.layers[k].activation, self._z[k], self._f[k])
        if self._keep:
            delta *= self._keep[k]
        self._deltas[k] = delta
        return FloatVector(delta)

    # --- activations ---

    def output(self, k: int) -> FloatVector:
        """See :class:`Datapath`."""
        return FloatVector(self._y[k + 1], ("output", k))

    def random_forward(self, k: int, activated: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        function = self.chip.network.layers[k].activation
        return self._once(
            ("random_forward", k, activated.name), lambda: activation(function, activated.values @ self.forward[k])
        )

    def pool(self, k: int, activated: FloatVector, kind: str) -> FloatVector:
        """See :class:`Datapath`."""
        return self._once(("pool", k, activated.name, kind), lambda: pooled(activated.values, self.size(k), kind))

    def noise(self, k: int) -> FloatVector:
        """See :class:`Datapath`."""

        def make() -> Float:
            words, self._noise[k] = words_after(int(self._noise[k]), 1, self.size(k))
            return np.where(words >= 2**31, 1.0, -1.0) * 2.0**-self.chip.learning.mirror.noise_shift

        return self._once(("noise", k), make)

    def drive(self, k: int, activated: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        function = self.chip.network.layers[k].activation
        driven = activated.values @ self.weights[k][:-1]
        return FloatVector(activate(function, driven) - activate(function, np.zeros_like(driven)))
