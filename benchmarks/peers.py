"""The peers that speed.py times: DRTP in float32, one sample a step, on a 784-500-10 network.

All follow the paper's equations: with the label's one-hot code y*, hidden tanh units h = tanh(W₁x + b₁) and outputs
y = σ(W₂h + b₂) under binary cross-entropy, the output learns from y − y* and the hidden layer from
B y* ⊙ (1 − h²), B being fixed and random: the label's row of B, drawn once. They start from the same weights, so the
three that descend plainly must agree with each other; :func:`disagreement` says by how much they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

INPUTS, HIDDEN, CLASSES = 784, 500, 10
ADAM_RATE = 1.5e-4
"""The paper's, for MNIST."""
SGD_RATE = 1e-2
"""Among 2e-2, 1e-2, 5e-3, 2e-3 and 1e-3 one of the two that learn best in 20000 steps, within half a percent."""

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Samples:
    """Images (samples, 784) in [0, 1) as float32, and their labels."""

    images: Float
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Start:
    """Initial weights and the fixed random projection, float32."""

    hidden: Float
    hidden_bias: Float
    output: Float
    output_bias: Float
    feedback: Float

    @classmethod
    def draw(cls, seed: int = 1) -> Start:
        """Draw everything uniformly, scaled by the number of a unit's inputs."""
        rng = np.random.default_rng(seed)

        def uniform(bound: float, *shape: int) -> Float:
            return rng.uniform(-bound, bound, shape).astype(np.float32)

        return cls(
            uniform(INPUTS**-0.5, HIDDEN, INPUTS),
            uniform(INPUTS**-0.5, HIDDEN),
            uniform(HIDDEN**-0.5, CLASSES, HIDDEN),
            uniform(HIDDEN**-0.5, CLASSES),
            uniform((6 / HIDDEN) ** 0.5, CLASSES, HIDDEN),
        )


class Peer(Protocol):
    """Learns sample by sample."""

    def train(self, start: int, stop: int) -> None:
        """Learn from samples *start* … *stop* − 1, wrapping around at the end of the data."""
        ...

    def weights(self) -> tuple[Float, Float]:
        """Hidden (500, 784) and output (10, 500) weights now."""
        ...

    def accuracy(self, samples: Samples) -> float:
        """Percent of *samples* classified rightly."""
        ...


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


class _Network(nn.Module):
    """784-500-10, the hidden layer taught by the projected label."""

    def __init__(self, start: Start) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, CLASSES)
        self.register_buffer("feedback", torch.from_numpy(start.feedback.copy()))
        with torch.no_grad():
            self.hidden.weight.copy_(torch.from_numpy(start.hidden))
            self.hidden.bias.copy_(torch.from_numpy(start.hidden_bias))
            self.output.weight.copy_(torch.from_numpy(start.output))
            self.output.bias.copy_(torch.from_numpy(start.output_bias))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        activity = torch.tanh(self.hidden(images))
        if labels is not None:
            activity = _LabelProjection.apply(activity, self.feedback[labels])
        return torch.sigmoid(self.output(activity))


class Autograd:
    """The loop as one writes it with PyTorch: modules, autograd, an optimiser, tensors loaded beforehand."""

    def __init__(
        self, samples: Samples, start: Start, optimiser: Callable[[Iterator[Any]], torch.optim.Optimizer]
    ) -> None:
        labels = torch.from_numpy(samples.labels.astype(np.int64))
        self._images = torch.from_numpy(samples.images).unsqueeze(1).unbind()
        self._labels = labels.unsqueeze(1).unbind()
        self._targets = torch.eye(CLASSES)[labels].unsqueeze(1).unbind()
        self._network = _Network(start)
        self._optimiser = optimiser(self._network.parameters())
        self._loss = nn.BCELoss(reduction="sum")

    def train(self, start: int, stop: int) -> None:
        count = len(self._images)
        for step in range(start, stop):
            sample = step % count
            self._optimiser.zero_grad()
            predicted = self._network(self._images[sample], self._labels[sample])
            self._loss(predicted, self._targets[sample]).backward()
            self._optimiser.step()

    def weights(self) -> tuple[Float, Float]:
        return self._network.hidden.weight.detach().numpy().copy(), self._network.output.weight.detach().numpy().copy()

    def accuracy(self, samples: Samples) -> float:
        with torch.no_grad():
            outputs = self._network(torch.from_numpy(samples.images)).numpy()
        return _percent(outputs, samples.labels)


class ByHand:
    """PyTorch without autograd: two products of matrix and vector, two rank-one updates in place."""

    def __init__(self, samples: Samples, start: Start, rate: float) -> None:
        self._images = torch.from_numpy(samples.images).unbind()
        self._labels = samples.labels.tolist()
        self._hidden, self._hidden_bias = torch.tensor(start.hidden), torch.tensor(start.hidden_bias)
        self._output, self._output_bias = torch.tensor(start.output), torch.tensor(start.output_bias)
        self._feedback = torch.tensor(start.feedback).unbind()
        self._targets = torch.eye(CLASSES).unbind()
        self._rate = rate

    def train(self, start: int, stop: int) -> None:
        count, rate = len(self._labels), self._rate
        hidden, hidden_bias, output, output_bias = self._hidden, self._hidden_bias, self._output, self._output_bias
        images, targets, feedback = self._images, self._targets, self._feedback
        with torch.inference_mode():
            for step in range(start, stop):
                image, label = images[step % count], self._labels[step % count]
                activity = torch.addmv(hidden_bias, hidden, image).tanh_()
                error = torch.addmv(output_bias, output, activity).sigmoid_().sub_(targets[label])
                delta = torch.addcmul(feedback[label], feedback[label], activity * activity, value=-1)
                output.addr_(error, activity, alpha=-rate)
                output_bias.add_(error, alpha=-rate)
                hidden.addr_(delta, image, alpha=-rate)
                hidden_bias.add_(delta, alpha=-rate)

    def weights(self) -> tuple[Float, Float]:
        return self._hidden.numpy().copy(), self._output.numpy().copy()

    def accuracy(self, samples: Samples) -> float:
        activity = torch.tanh(torch.from_numpy(samples.images) @ self._hidden.T + self._hidden_bias)
        return _percent((activity @ self._output.T + self._output_bias).numpy(), samples.labels)


class Plain:
    """NumPy, written straight from the equations; only the big outer product has a buffer of its own."""

    def __init__(self, samples: Samples, start: Start, rate: float) -> None:
        self._images, self._labels = samples.images, samples.labels.tolist()
        self._hidden, self._hidden_bias = start.hidden.copy(), start.hidden_bias.copy()
        self._output, self._output_bias = start.output.copy(), start.output_bias.copy()
        self._feedback = start.feedback.copy()
        self._targets = np.eye(CLASSES, dtype=np.float32)
        self._step = np.empty_like(self._hidden)
        self._rate = np.float32(rate)

    def train(self, start: int, stop: int) -> None:
        count, rate = len(self._labels), self._rate
        for step in range(start, stop):
            image, label = self._images[step % count], self._labels[step % count]
            activity = np.tanh(self._hidden @ image + self._hidden_bias)
            outputs = 1 / (1 + np.exp(-(self._output @ activity + self._output_bias)))
            error = rate * (outputs - self._targets[label])
            delta = rate * self._feedback[label] * (1 - activity * activity)
            self._output -= np.outer(error, activity)
            self._output_bias -= error
            self._hidden -= np.outer(delta, image, out=self._step)
            self._hidden_bias -= delta

    def weights(self) -> tuple[Float, Float]:
        return self._hidden.copy(), self._output.copy()

    def accuracy(self, samples: Samples) -> float:
        activity = np.tanh(samples.images @ self._hidden.T + self._hidden_bias)
        return _percent(activity @ self._output.T + self._output_bias, samples.labels)


def _percent(outputs: NDArray[Any], labels: NDArray[np.uint8]) -> float:
    return 100.0 * float(np.mean(outputs.argmax(axis=1) == labels))


def all_peers(samples: Samples) -> dict[str, Peer]:
    """Return one of each, by the name in the table."""
    start = Start.draw()
    return {
        "torch autograd, Adam": Autograd(samples, start, lambda p: torch.optim.Adam(p, lr=ADAM_RATE)),
        "torch autograd, fused Adam": Autograd(samples, start, lambda p: torch.optim.Adam(p, lr=ADAM_RATE, fused=True)),
        "torch autograd, SGD": Autograd(samples, start, lambda p: torch.optim.SGD(p, lr=SGD_RATE)),
        "torch by hand": ByHand(samples, start, SGD_RATE),
        "NumPy": Plain(samples, start, SGD_RATE),
    }


def disagreement(samples: Samples, steps: int = 50) -> float:
    """Return how far the three plain descents are apart after *steps* steps, as a share of the way they went."""
    start = Start.draw()
    trained = []
    for peer in (
        Autograd(samples, start, lambda p: torch.optim.SGD(p, lr=SGD_RATE)),
        ByHand(samples, start, SGD_RATE),
        Plain(samples, start, SGD_RATE),
    ):
        peer.train(0, steps)
        trained.append(peer.weights())
    reference, *others = trained
    shares = []
    for k, origin in enumerate((start.hidden, start.output)):
        way = np.abs(reference[k] - origin).max()
        shares += [float(np.abs(other[k] - reference[k]).max() / way) for other in others]
    return max(shares)
