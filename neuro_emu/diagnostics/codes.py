"""The integers of many samples at the weights of one state: pre-activations, outputs, signals; nothing is written.

A chip sees one sample and learns from it before the next; here all samples meet the same weights, so a layer is one
matrix product. Each operation is that of `numerics.ops`, applied to every distinct value once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neuro_emu.datapath.facts import ChipFacts
from neuro_emu.diagnostics.reference import Probe
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import feedback_amplitude
from neuro_emu.machine.targets import target_table
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import ChipState, Int64
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import SAT
from neuro_emu.numerics.ops import mean, overflow, reciprocal, requantise, ternary_sign
from neuro_emu.numerics.tables import ENTRIES, activation_table, derivative_table, exponential_table
from neuro_emu.rules import Datapath

_EXACT = 1 << 53
"""Below this a product of matrices of float64 is exact, and several times faster than one of integers."""


def elementwise(operation: Callable[[int], int], codes: Int64) -> Int64:
    """Apply a scalar operation of the chip to every code; each distinct one is worked out once."""
    distinct, places = np.unique(codes, return_inverse=True)
    found = np.array([operation(code) for code in distinct.tolist()], dtype=np.int64)
    return found[places].reshape(codes.shape)


def narrow(codes: Int64, frac: int, storage: Format) -> Int64:
    """Requantise codes of *frac* fractional bits to *storage*."""
    shift = frac - storage.frac
    return elementwise(lambda code: requantise(code, shift, storage.low, storage.high), codes)


def product(left: Int64, right: Int64) -> Int64:
    """Return the exact matrix product of codes."""
    bound = int(np.abs(left).max(initial=0)) * int(np.abs(right).max(initial=0)) * left.shape[1]
    if bound < _EXACT:
        return np.asarray(np.rint(left.astype(np.float64) @ right.astype(np.float64)), dtype=np.int64)
    return left @ right


@dataclass(frozen=True)
class CodeVector:
    """Codes (samples, entries) with their fractional bits."""

    codes: Int64
    frac: int


class CodeSignals(ChipFacts):
    """What a chip's rule makes of samples, as codes (docs/numerics.md, sections 4 and 5).

    As for `FloatDatapath.signals` nothing is dropped: outputs are scaled as while testing.

    Args:
        chip: the chip.
        state: its codes.
        probe: the samples.

    Attributes:
        addresses: q (samples, n_k) of each layer.
        outputs: x of each layer and y_K last: codes (samples, n).
        deltas: the codes (samples, n_k) that W_k is updated with, 0 where the error gate is closed; None for a layer
            that does not learn.
        activations: the codes (samples, n_{k−1}) that go with them.

    """

    def __init__(self, chip: Chip, state: ChipState, probe: Probe) -> None:
        self.chip, self._state, self._labels = chip, state, probe.labels.astype(np.int64)
        layers = chip.network.layers
        self.addresses: list[Int64] = []
        self.outputs: list[Int64] = [probe.codes.astype(np.int64)]
        self.deltas: list[Int64 | None] = [None] * len(layers)
        self.activations: list[Int64 | None] = [None] * len(layers)
        self._made: dict[int, Int64] = {}
        for layer in layers:
            self._forward(layer)
        given = probe.target_codes
        self._targets = target_table(chip).astype(np.int64)[self._labels] if given is None else given.astype(np.int64)
        self._error = self._targets - self.outputs[-1]
        self._made[self.last] = self._output_delta(self._error, squared=chip.learning.loss == "mse")
        threshold = chip.learning.error_gate
        self._open = np.ones(len(self._labels), dtype=np.bool_)
        if threshold is not None:
            self._open = self._error[np.arange(len(self._labels)), self._labels] > threshold
        self._layer = self.last
        datapath: Datapath[CodeVector] = self
        for k in chip.training_order:
            self._layer = k
            (chip.learning.rule.output if k == self.last else chip.learning.rule.learn)(datapath, k)

    # --- forward ---

    def _forward(self, layer: DenseLayer) -> None:
        weights, x = self._state.weights[layer.index].astype(np.int64), self.outputs[-1]
        q, y = self._table(layer, self._sums(x, weights, layer.bias_code), layer.preactivation_shift)
        self.addresses.append(q)
        if layer.activation == SOFTMAX:
            y = self._softmax(q)
        elif self.chip.learning.dropout and layer is not self.chip.network.output:
            kept, storage = 256 - self.chip.learning.dropout, layer.output
            y = elementwise(lambda code: requantise(code * kept, 8, storage.low, storage.high), y)
        self.outputs.append(y)

    def _sums(self, x: Int64, weights: Int64, bias_code: int) -> Int64:
        """Accumulators (samples, units); *weights* with a bias row if there is a *bias_code*."""
        if bias_code:
            x = np.hstack([x, np.full((len(x), 1), bias_code)])
        high, mode = self.chip.numerics.accumulator_high, self.chip.numerics.accumulator_overflow.code
        if int((np.abs(x).max(axis=0, initial=0) @ np.abs(weights)).max(initial=0)) <= high:
            return product(x, weights)
        if mode != SAT:
            return elementwise(lambda code: overflow(code, -high - 1, high, mode), x @ weights)
        sums = np.zeros((len(x), weights.shape[1]), dtype=np.int64)
        for row, code in zip(weights, x.T, strict=True):  # clamped after every product: the order matters
            sums = np.clip(sums + code[:, None] * row, -high - 1, high)
        return sums

    def _table(self, layer: DenseLayer, sums: Int64, shift: int) -> tuple[Int64, Int64]:
        q = elementwise(lambda code: requantise(code, shift, -ENTRIES // 2, ENTRIES // 2 - 1), sums)
        return q, activation_table(layer.activation, layer.table_frac, layer.output)[q]  # entry q, or q + 256

    def _softmax(self, q: Int64) -> Int64:
        output = self.chip.network.output
        powers = exponential_table(output.table_frac)[q.max(axis=1, keepdims=True) - q]
        scaled = powers * elementwise(reciprocal, powers.sum(axis=1, keepdims=True))
        return narrow(scaled, 32, output.output)

    def _output_delta(self, error: Int64, *, squared: bool) -> Int64:
        output = self.chip.network.output
        if not squared:
            return narrow(error, output.output.frac, output.delta)
        slope = derivative_table(output.activation, output.table_frac)[self.addresses[-1]]
        return narrow(error * slope, output.output.frac + output.derivative.frac, output.delta)

    # --- signals: see rules.base.Datapath ---

    def label_row(self, k: int) -> CodeVector:
        """See :class:`Datapath`."""
        storage = self.chip.network.layers[k].feedback
        assert storage is not None
        return CodeVector(self._state.feedback[k].astype(np.int64)[self._labels], storage.frac)

    def error(self) -> CodeVector:
        """See :class:`Datapath`."""
        return self.delta(self.last)

    def delta(self, k: int) -> CodeVector:
        """See :class:`Datapath`."""
        return CodeVector(self._made[k], self.chip.network.layers[k].delta.frac)

    def error_sign(self) -> CodeVector:
        """See :class:`Datapath`."""
        dead_zone = self.chip.learning.sign_dead_zone
        return CodeVector(elementwise(lambda code: ternary_sign(code, dead_zone), self._error), 0)

    def local_error(self, k: int) -> CodeVector:
        """See :class:`Datapath`."""
        output, source = self.chip.network.output, self.chip.network.layers[k]
        bias_code = self.chip.network.layers[k + 1].bias_code
        sums = self._sums(self.outputs[k + 1], self._state.classifiers[k].astype(np.int64), bias_code)
        _, y = self._table(output, sums, output.weight.frac + source.output.frac - output.table_frac)
        return CodeVector(self._output_delta(self._targets - y, squared=False), output.delta.frac)

    def _projection(self, k: int, sums: Int64, frac: int) -> CodeVector:
        storage = self.chip.network.layers[k].projection
        return CodeVector(narrow(sums, frac, storage), storage.frac)

    def project(self, k: int, signal: CodeVector) -> CodeVector:
        """See :class:`Datapath`."""
        storage = self.chip.network.layers[k].feedback
        assert storage is not None
        sums = product(signal.codes, self._state.feedback[k].astype(np.int64))
        return self._projection(k, sums, storage.frac + signal.frac)

    def transpose(self, k: int, signal: CodeVector) -> CodeVector:
        """See :class:`Datapath`."""
        sums = product(signal.codes, self._state.weights[k + 1][:-1].T.astype(np.int64))
        return self._projection(k, sums, self.chip.network.layers[k + 1].weight.frac + signal.frac)

    def transpose_sign(self, k: int, signal: CodeVector) -> CodeVector:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        assert layer.feedback is not None
        signs = np.sign(self._state.weights[k + 1][:-1].T).astype(np.int64)
        sums = product(signal.codes, signs) * feedback_amplitude(self.chip, layer)
        return self._projection(k, sums, layer.feedback.frac + signal.frac)

    def gate(self, k: int, signal: CodeVector) -> CodeVector:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        slope = derivative_table(layer.activation, layer.table_frac)[self.addresses[k]]
        self._made[k] = narrow(signal.codes * slope, signal.frac + layer.derivative.frac, layer.delta)
        return self.delta(k)

    # --- activations ---

    def output(self, k: int) -> CodeVector:
        """See :class:`Datapath`."""
        layers = self.chip.network.layers
        return CodeVector(self.outputs[k + 1], layers[k].output.frac if k >= 0 else layers[0].input.frac)

    def random_forward(self, k: int, activation: CodeVector) -> CodeVector:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        sums = self._sums(activation.codes, self._state.forward[k].astype(np.int64), 0)
        shift = layer.weight.frac + activation.frac - layer.table_frac
        return CodeVector(self._table(layer, sums, shift)[1], layer.output.frac)

    def pool(self, k: int, activation: CodeVector, kind: str) -> CodeVector:
        """See :class:`Datapath`."""
        codes, wanted = activation.codes, self.size(k)
        length = codes.shape[1]
        whole = -(-wanted // length) * length
        pooled = np.empty((len(codes), wanted), dtype=np.int64)
        for i in range(wanted):
            first, end = i * whole // wanted, -(-(i + 1) * whole // wanted)
            window, count = codes[:, np.arange(first, end) % length], end - first
            if kind == "max_pool":
                pooled[:, i] = window.max(axis=1)
            else:
                pooled[:, i] = [mean(total, count) for total in window.sum(axis=1).tolist()]
        return CodeVector(pooled, activation.frac)

    def noise(self, k: int) -> CodeVector:
        """See :class:`Datapath`. Mirror mode is no part of a sample."""
        raise NotImplementedError

    def drive(self, k: int, activation: CodeVector) -> CodeVector:
        """See :class:`Datapath`. Mirror mode is no part of a sample."""
        raise NotImplementedError

    # --- learning ---

    def update(self, k: int, delta: CodeVector, activation: CodeVector | None = None, *, twin: bool = False) -> None:
        """See :class:`Datapath`; what would be written is kept."""
        is_open = self._open if k != self.last else np.ones_like(self._open)
        self.deltas[k] = delta.codes * is_open[:, None]
        self.activations[k] = self.outputs[k] if activation is None else activation.codes

    def learn_feedback(self, k: int, signal: CodeVector, activation: CodeVector) -> None:
        """See :class:`Datapath`; feedback is not examined."""

    def learn_local(self, k: int) -> None:
        """See :class:`Datapath`; local classifiers are not examined."""
