"""Signals and activations of the float twin: what a rule may ask (rules.base.Datapath), in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.facts import ChipFacts
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import feedback_amplitude
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.functions import Float, activation, derivative
from neuro_emu.numerics.ops import noise_code, xorshift


def values(codes: NDArray[np.int32] | NDArray[np.int64], storage: Format) -> Float:
    """Return codes as the numbers that they stand for."""
    numbers: Float = codes.astype(np.float64) * 2.0**-storage.frac
    return numbers


@dataclass(frozen=True)
class FloatVector:
    """A vector, with the operations that it came from: what is asked for twice in a sample is made once."""

    values: Float
    name: tuple[object, ...] = ()


class FloatSignals(ChipFacts):
    """Everything between the output and the first write."""

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
        self._sums: dict[str, tuple[Float, Float, Callable[[], float]]] = {}
        threshold = chip.learning.error_gate
        self._gate = None if threshold is None else threshold * 2.0**-output.output.frac
        self._dead_zone = chip.learning.sign_dead_zone * 2.0**-output.output.frac
        self._y: list[Float] = []
        self._z: list[Float] = []
        self._deltas: list[Float] = [np.zeros(la.units) for la in layers]
        self._made: dict[tuple[object, ...], FloatVector] = {}
        self._noise = state.noise_registers.copy()
        self._label = 0
        self._mirroring = False

    def _once(self, name: tuple[object, ...], make: Callable[[], Float]) -> FloatVector:
        if name not in self._made:
            self._made[name] = FloatVector(make(), name)
        return self._made[name]

    def _error_of(self, outputs: Float) -> Float:
        error = -outputs
        error[self._label] += 1.0
        return error

    # --- signals ---

    def label_row(self, k: int) -> FloatVector:
        """See :class:`Datapath`."""
        return FloatVector(self.feedback[k][self._label].copy())

    def error(self) -> FloatVector:
        """See :class:`Datapath`."""
        return self.delta(self.last)

    def delta(self, k: int) -> FloatVector:
        """See :class:`Datapath`."""
        return FloatVector(self._deltas[k], ("delta", k))

    def error_sign(self) -> FloatVector:
        """See :class:`Datapath`."""
        error = self._deltas[self.last]
        return FloatVector(np.sign(error) * (np.abs(error) > self._dead_zone))

    def local_error(self, k: int) -> FloatVector:
        """See :class:`Datapath`."""

        def make() -> Float:
            z = self._y[k + 1] @ self.classifiers[k][:-1] + self.classifiers[k][-1]
            return self._error_of(activation("sigmoid", z))

        return self._once(("local_error", k), make)

    def project(self, k: int, signal: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        return FloatVector(signal.values @ self.feedback[k])

    def transpose(self, k: int, signal: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        return FloatVector(self.weights[k + 1][:-1] @ signal.values)

    def transpose_sign(self, k: int, signal: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        assert layer.feedback is not None
        amplitude = feedback_amplitude(self.chip, layer) * 2.0**-layer.feedback.frac
        return FloatVector(amplitude * (np.sign(self.weights[k + 1][:-1]) @ signal.values))

    def gate(self, k: int, signal: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        self._deltas[k] = signal.values * derivative(self.chip.network.layers[k].activation, self._z[k])
        return FloatVector(self._deltas[k])

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

        def make() -> Float:
            length, wanted = len(activated.values), self.size(k)
            copies = np.tile(activated.values, -(-wanted // length))
            pooled = np.max if kind == "max_pool" else np.mean
            edges = [(i * len(copies) // wanted, -(-(i + 1) * len(copies) // wanted)) for i in range(wanted)]
            return np.array([pooled(copies[first:end]) for first, end in edges])

        return self._once(("pool", k, activated.name, kind), make)

    def noise(self, k: int) -> FloatVector:
        """See :class:`Datapath`."""

        def make() -> Float:
            word, signs = int(self._noise[k]), []
            for _ in range(self.size(k)):
                word = xorshift(word)
                signs.append(float(noise_code(word, 1)))
            self._noise[k] = word
            return np.array(signs) * 2.0**-self.chip.learning.mirror.noise_shift

        return self._once(("noise", k), make)

    def drive(self, k: int, activated: FloatVector) -> FloatVector:
        """See :class:`Datapath`."""
        function = self.chip.network.layers[k].activation
        driven = activation(function, activated.values @ self.weights[k][:-1])
        return FloatVector(driven - activation(function, np.zeros_like(driven)))
