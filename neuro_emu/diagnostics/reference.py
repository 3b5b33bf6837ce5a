"""Backpropagation at given weights, written out in NumPy: what the signals of every other rule are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.floating_rules import values
from neuro_emu.diagnostics.angles import Float
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.targets import target_table
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.numerics.functions import activation, derivative
from neuro_emu.training.loop import Split


@dataclass(frozen=True)
class Probe:
    """Samples on which a chip is examined.

    Attributes:
        codes: (samples, inputs) input codes.
        labels: (samples,).
        targets: (samples, outputs) values that the outputs should have.
        target_codes: (samples, outputs) the same as codes; None unless it is regression.

    """

    codes: NDArray[Any]
    labels: NDArray[Any]
    targets: Float
    target_codes: NDArray[np.int32] | None = None

    @classmethod
    def of(cls, chip: Chip, split: Split, samples: int = 256) -> Probe:
        """Return the first *samples* of a split."""
        codes, labels = split.codes[:samples].copy(), split.labels[:samples].copy()
        if split.targets is None:
            hot = target_table(chip).astype(np.float64) / chip.network.hot
            return cls(codes, labels, hot[labels])
        given = split.targets[:samples].copy()
        return cls(codes, labels, values(given, chip.network.output.output), given)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Pass:
    """A forward and backward pass; lists by layer.

    Attributes:
        inputs: y_{k−1} (samples, n_{k−1}).
        sums: z_k (samples, n_k).
        outputs: y_K (samples, outputs).
        deltas: δ_k (samples, n_k).

    """

    inputs: list[Float]
    sums: list[Float]
    outputs: Float
    deltas: list[Float]


def backpropagate(chip: Chip, weights: list[Float], probe: Probe) -> Pass:
    """Return δ_k of backpropagation in values, e = y* − y_K (Woo 2023, equations 2.1 to 2.3).

    With dropout nothing is dropped: outputs and f′ are scaled by the share of neurons that stay, as the float twin's
    own signals are. There is no error gate: the angle to a silenced sample is undefined, and left out by its zeros.

    Args:
        chip: layers and loss.
        weights: W_k (n_{k−1} + 1, n_k) values, bias row last.
        probe: the samples.

    """
    layers, kept = chip.network.layers, 1.0 - chip.learning.dropout / 256.0
    present = values(probe.codes, layers[0].input)
    inputs: list[Float] = []
    sums: list[Float] = []
    for layer, matrix in zip(layers, weights, strict=True):
        inputs.append(present)
        sums.append(present @ matrix[:-1] + matrix[-1])
        present = _activate(layer.activation, sums[-1])
        if layer is not chip.network.output:
            present = present * kept
    delta = probe.targets - present
    if chip.learning.loss == "mse":
        delta = delta * derivative(chip.network.output.activation, sums[-1])
    deltas = [delta]
    for layer in reversed(chip.network.hidden):
        slope = kept * derivative(layer.activation, sums[layer.index])
        deltas.insert(0, (deltas[0] @ weights[layer.index + 1][:-1].T) * slope)
    return Pass(inputs, sums, present, deltas)


def _activate(name: str, z: Float) -> Float:
    if name != SOFTMAX:
        return activation(name, z)
    numerators = np.exp(z - z.max(axis=1, keepdims=True))
    shares: Float = numerators / numerators.sum(axis=1, keepdims=True)
    return shares


def gradient(delta: Float, inputs: Float) -> Float:
    """Return G = Σ x δᵀ over samples, (inputs + 1, units), the bias row (x = 1) last, as W_k is laid out."""
    return np.vstack([inputs.T @ delta, delta.sum(axis=0)])
