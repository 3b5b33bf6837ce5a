"""The networks of the PyTorch peers: float32 tanh layers under a sigmoid, taught by one of four rules.

All follow the papers' equations, with h = tanh(W h′ + b), outputs y = σ(W h + b), binary cross-entropy and so the
error y − y* at the output:

- ``bp``: autograd as it is.
- ``drtp`` (Frenkel et al. 2021): the label's row of a fixed random matrix replaces a hidden layer's gradient.
- ``dfa`` (Nøkland 2016): the error times a fixed random matrix replaces it.
- ``kp`` (Kolen and Pollack 1994; Akrout et al. 2019): errors go down through matrices B in place of the transposed
  weights. A B gets the gradient of the weights above it; the same element-wise optimiser with the same decay on both
  is then the same step, so that B becomes the transpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

INPUTS, CLASSES = 784, 10
HIDDEN = (500,)

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Start:
    """Where a peer starts: float32, one entry a layer; feedback belongs to hidden layers.

    Attributes:
        weights: (units, inputs).
        biases: (units,).
        feedback: (classes, units) of DRTP and DFA.
        twins: (units above, units), Kolen-Pollack's B, transposed as the weights above are.

    """

    weights: list[Float]
    biases: list[Float]
    feedback: list[Float]
    twins: list[Float]

    @classmethod
    def draw(cls, hidden: tuple[int, ...] = HIDDEN, seed: int = 1) -> Start:
        """Draw everything uniformly, scaled by the number of a unit's inputs."""
        rng = np.random.default_rng(seed)

        def uniform(bound: float, *shape: int) -> Float:
            return rng.uniform(-bound, bound, shape).astype(np.float32)

        sizes = (INPUTS, *hidden, CLASSES)
        shapes = [(above, below) for below, above in pairwise(sizes)]
        return cls(
            weights=[uniform(shape[1] ** -0.5, *shape) for shape in shapes],
            biases=[uniform(shape[1] ** -0.5, shape[0]) for shape in shapes],
            feedback=[uniform((6 / units) ** 0.5, CLASSES, units) for units in hidden],
            twins=[uniform(shape[1] ** -0.5, *shape) for shape in shapes[1:]],
        )


class _Error:
    """The output error of the present step, on its way to hidden layers."""

    value: Tensor


class _KeepError(torch.autograd.Function):
    """Hands pre-activations on unchanged; on the way back keeps their gradient, y − y*."""

    @staticmethod
    def forward(ctx: Any, pre_activation: Tensor, error: _Error) -> Tensor:
        ctx.error = error
        return pre_activation.view_as(pre_activation)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.error.value = gradients[0]
        return gradients[0], None


class _ErrorProjection(torch.autograd.Function):
    """Hands activity on unchanged; on the way back the projected error replaces the gradient."""

    @staticmethod
    def forward(ctx: Any, activity: Tensor, feedback: Tensor, error: _Error) -> Tensor:
        ctx.feedback, ctx.error = feedback, error
        return activity.view_as(activity)

    @staticmethod
    def backward(ctx: Any, *_gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.error.value @ ctx.feedback, None, None


class _LabelProjection(torch.autograd.Function):
    """Hands activity on unchanged; on the way back the label's row of the projection replaces the gradient."""

    @staticmethod
    def forward(ctx: Any, activity: Tensor, row: Tensor) -> Tensor:
        ctx.save_for_backward(row)
        return activity.view_as(activity)

    @staticmethod
    def backward(ctx: Any, *_gradients: Tensor) -> tuple[Tensor, None]:
        (row,) = ctx.saved_tensors
        return row, None


class _Twinned(torch.autograd.Function):
    """A linear layer whose errors go down through the twin of its weights; both get the same gradient."""

    @staticmethod
    def forward(ctx: Any, below: Tensor, weight: Tensor, twin: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(below, twin)
        return functional.linear(below, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        below, twin = ctx.saved_tensors
        (error,) = gradients
        step = error.T @ below
        return error @ twin, step, step.clone(), error.sum(0)


class Network(nn.Module):
    """Fully connected layers that *rule* teaches.

    Args:
        rule: ``bp``, ``drtp``, ``dfa`` or ``kp``.
        start: weights, and with them the shape.

    """

    def __init__(self, rule: str, start: Start) -> None:
        super().__init__()
        self.rule = rule
        self.layers = nn.ModuleList(nn.Linear(w.shape[1], w.shape[0]) for w in start.weights)
        with torch.no_grad():
            for layer, weight, bias in zip(self.layers, start.weights, start.biases, strict=True):
                layer.weight.copy_(torch.from_numpy(weight))
                layer.bias.copy_(torch.from_numpy(bias))
        twins = start.twins if rule == "kp" else []
        self.twins = nn.ParameterList(nn.Parameter(torch.tensor(twin)) for twin in twins)
        self._feedback = [torch.tensor(matrix) for matrix in start.feedback]
        self._error = _Error()

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Outputs (samples, classes); with *labels*, so that ``backward`` follows the rule."""
        *hidden, output = self.layers
        activity = images
        for k, layer in enumerate(hidden):
            activity = torch.tanh(self._linear(k, layer, activity))
            if labels is not None and self.rule == "drtp":
                activity = _LabelProjection.apply(activity, self._feedback[k][labels])
            elif labels is not None and self.rule == "dfa":
                activity = _ErrorProjection.apply(activity, self._feedback[k], self._error)
        summed = self._linear(len(hidden), output, activity)
        if labels is not None and self.rule == "dfa":
            summed = _KeepError.apply(summed, self._error)
        return torch.sigmoid(summed)

    def _linear(self, k: int, layer: nn.Module, below: Tensor) -> Tensor:
        if self.rule == "kp" and k > 0:
            return _Twinned.apply(below, layer.weight, self.twins[k - 1], layer.bias)
        return layer(below)
