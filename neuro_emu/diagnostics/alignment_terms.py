"""Alignment terms of feedback alignment: what of the past turns W towards Bᵀ (Panjehpour 2022, equations 3 to 6).

The paper's layer l is between its weights W_{l−1} and W_l; here that is hidden layer k = l − 1 with its input
L_{l−1} = y_{k−1}, its feedback B_l = B_k (n_{k+1}, n_k) and the weights W_l = W_{k+1} that align. [k] of the paper,
the iteration, is a position in the history here. η only scales the terms, so angles need none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.datapath.floating_rules import values
from neuro_emu.diagnostics.angles import Float, angle, ratio
from neuro_emu.diagnostics.probe import source_of
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import initial_state
from neuro_emu.numerics.functions import derivative
from neuro_emu.numerics.words import sample_order
from neuro_emu.training.loop import Split


@dataclass(frozen=True)
class Batch:
    """What one mini-batch met in a hidden layer k, before anything was written.

    Attributes:
        inputs: L_{l−1}, y_{k−1} (batch, n_{k−1}).
        above: δ_{l+1}, δ_{k+1} (batch, n_{k+1}).
        own: δ_l, δ_k (batch, n_k), f′ included.
        weights: W_k (n_{k−1} + 1, n_k) at that time; None if weights are not kept.

    """

    inputs: Float
    above: Float
    own: Float
    weights: Float | None = None


class Recorder:
    """Trains a float twin and keeps what the last mini-batches met.

    Args:
        chip: its rule has fixed chain-shaped feedback (``fa``).
        batches: length of the ring; older mini-batches are forgotten.
        keep_weights: whether W_k is kept too, for the non-linear terms.

    Attributes:
        path: the float twin.
        history: of each hidden layer, the oldest batch first.

    Raises:
        ValueError: if the rule's feedback is learned, or comes from somewhere else than the layer above.

    """

    def __init__(self, chip: Chip, batches: int, *, keep_weights: bool = False) -> None:
        for k, use in enumerate(chip.plan.feedback):
            source = source_of(chip, k)
            above = chip.network.layers[k + 1]
            from_above = source is not None and source.op in {"gate", "error"} and source.layer == above.index
            if use.learned or use.rows != above.units or not from_above:
                raise ValueError(f"alignment terms need fixed feedback from the layer above; {chip.learning.rule.name}")
        self.path = FloatDatapath(chip, initial_state(chip))
        self.history: list[deque[Batch]] = [deque(maxlen=batches) for _ in chip.network.hidden]
        self._keep_weights = keep_weights

    def train(self, split: Split, epochs: int, first_epoch: int = 0) -> None:
        """Learn from whole epochs, mini-batch after mini-batch, in the order of the chip's configuration.

        With *first_epoch* an earlier call is continued: its rates and its order follow those before.
        """
        learning = self.path.chip.learning
        for epoch in range(first_epoch, first_epoch + epochs):
            count = len(split)
            order = sample_order(learning.seed, epoch, count) if learning.shuffled else np.arange(count)
            self.path.begin_epoch(epoch)
            for first in range(0, count, learning.batch):
                chosen = order[first : first + learning.batch]
                targets = None if split.targets is None else self._values(split.targets[chosen])
                self.step(split.presented(epoch, chosen), split.labels[chosen], targets)
            self.path.apply_batch()

    def _values(self, targets: NDArray[np.int32]) -> Float:
        return values(targets, self.path.chip.network.output.output)

    def step(self, codes: NDArray[np.uint8], labels: NDArray[np.uint8], targets: Float | None = None) -> None:
        """Keep what a mini-batch of *codes* (batch, inputs) meets, then learn from it."""
        found = self.path.signals(codes, labels, targets)
        for k, ring in enumerate(self.history):
            weights = self.path.weights[k].copy() if self._keep_weights else None
            ring.append(Batch(found["inputs"][k], found["updates"][k + 1], found["updates"][k], weights))
        self.path.train(codes, labels, targets)


def transformation(history: Sequence[Batch], order: int) -> Float:
    """Return M^o (n_{k+1}, n_{k+1}), [k] the last batch (equation 5).

    M^o = δ_{l+1}[k−o]ᵀ L_{l−1}[k−o] L_{l−1}[k]ᵀ δ_{l+1}[k]
    """
    then, now = _pair(history, order)
    past: Float = then.above.T @ then.inputs  # this first: never a matrix of samples by samples
    return past @ (now.inputs.T @ now.above)


def _pair(history: Sequence[Batch], order: int) -> tuple[Batch, Batch]:
    if not 1 <= order < len(history):
        raise ValueError(f"order {order}: a history of {len(history)} batches has orders 1 … {len(history) - 1}")
    return history[-1 - order], history[-1]


@dataclass(frozen=True)
class Term:
    """An alignment term of one order.

    Attributes:
        order: o, how many batches ago.
        angle: degrees between T^o = BᵀM^o and Bᵀ; 0 is alignment, 90 none.
        skewness: ‖BᵀM_skew‖_F / ‖BᵀM_sym‖_F; the skew-symmetric part is at 90° to Bᵀ (equation 6).
        symmetric_angle: degrees between BᵀM_sym and Bᵀ.

    """

    order: int
    angle: float | None
    skewness: float | None
    symmetric_angle: float | None


def halves(matrix: Float) -> tuple[Float, Float]:
    """Return the symmetric and the skew-symmetric part of a square matrix; their sum is the matrix."""
    return (matrix + matrix.T) / 2.0, (matrix - matrix.T) / 2.0


def terms(history: Iterable[Batch], feedback: Float, orders: Iterable[int]) -> list[Term]:
    """Return the linear alignment terms of the last batch (equation 5).

    Args:
        history: batches of one hidden layer, the oldest first.
        feedback: its B_k (n_{k+1}, n_k).
        orders: each from 1 to the length of the history − 1.

    """
    batches, found = list(history), []
    for order in orders:
        matrix = transformation(batches, order)
        symmetric, skew = (feedback.T @ half for half in halves(matrix))
        skewness = ratio(float(np.linalg.norm(skew)), float(np.linalg.norm(symmetric)))
        found.append(Term(order, angle(feedback.T @ matrix, feedback.T), skewness, angle(symmetric, feedback.T)))
    return found


def nonlinear_term(history: Sequence[Batch], order: int, activation: str) -> Float:
    """Return T^o (n_k, n_{k+1}) without η², f′ in place (equation 4).

    {f′(ζ)ᵀ ⊙ δ_l[k−o]ᵀ L_{l−1}[k−o] L_{l−1}[k]ᵀ} δ_{l+1}[k] with ζ = L_{l−1}[k] W_{l−1}[k−o] + b_l[k], b the
    bias of the last batch as the paper has it, and δ_l[k−o] = f′(Z_l[k−o]) ⊙ (δ_{l+1}[k−o] B_l) as it was recorded.

    Args:
        history: batches of one hidden layer with their weights, the oldest first.
        order: o.
        activation: of the layer.

    """
    then, now = _pair(history, order)
    if then.weights is None or now.weights is None:
        raise ValueError("non-linear terms need the weights of each batch: Recorder(…, keep_weights=True)")
    bent = derivative(activation, now.inputs @ then.weights[:-1] + now.weights[-1])
    carried = now.inputs @ (then.inputs.T @ then.own)  # (batch, n_k)
    term: Float = (bent * carried).T @ now.above
    return term


def nonlinear_angles(
    history: Iterable[Batch], feedback: Float, orders: Iterable[int], activation: str
) -> list[float | None]:
    """Return the degrees between non-linear terms and Bᵀ, an angle an order; see :func:`nonlinear_term`."""
    batches = list(history)
    return [angle(nonlinear_term(batches, order, activation), feedback.T) for order in orders]
