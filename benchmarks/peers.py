"""The peers that speed.py times: float32 loops that learn by the same rules on the same networks.

*Autograd* is the loop as one writes it with PyTorch, on tensors loaded beforehand: the networks of peers_rules.py and
an optimiser. *By hand* and *NumPy* are DRTP without autograd, by plain descent. Peers of one network start from the
same weights, so the three that descend plainly must agree with each other; :func:`disagreement` says by how much they
do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from peers_rules import CLASSES, Float, Network, Start
from torch import nn

ADAM_RATE = 1.5e-4
"""The DRTP paper's, for MNIST."""
SGD_RATE = 1e-2
"""Among 2e-2, 1e-2, 5e-3, 2e-3 and 1e-3 one of the two that learn best in 20000 steps, within half a percent."""
DECAY = 1e-2
"""Kolen-Pollack's weight decay, as a share of the rate; AdamW's default."""
BATCH, INFERRED = 60, 1000


@dataclass(frozen=True)
class Samples:
    """Images (samples, 784) in [0, 1) as float32, and their labels."""

    images: Float
    labels: NDArray[np.uint8]


class Peer(Protocol):
    """Works through samples, *batch* a step."""

    batch: int

    def run(self, start: int, stop: int) -> None:
        """Take steps *start* … *stop* − 1, wrapping around at the end of the data."""
        ...

    def accuracy(self, samples: Samples) -> float:
        """Percent of *samples* classified rightly."""
        ...


Optimiser = Callable[[Iterator[Any]], torch.optim.Optimizer]
ADAM: Optimiser = partial(torch.optim.Adam, lr=ADAM_RATE)
FUSED: Optimiser = partial(torch.optim.Adam, lr=ADAM_RATE, fused=True)
ADAM_DECAY: Optimiser = partial(torch.optim.AdamW, lr=ADAM_RATE, weight_decay=DECAY)
SGD: Optimiser = partial(torch.optim.SGD, lr=SGD_RATE)


class Autograd:
    """The loop as one writes it with PyTorch: modules, autograd, an optimiser, tensors loaded beforehand."""

    def __init__(self, samples: Samples, start: Start, rule: str, optimiser: Optimiser, batch: int = 1) -> None:
        self.batch = batch
        whole = len(samples.labels) // batch * batch
        labels = torch.from_numpy(samples.labels[:whole].astype(np.int64))
        self._images = torch.from_numpy(samples.images[:whole]).split(batch)
        self._labels = labels.split(batch)
        self._targets = torch.eye(CLASSES)[labels].split(batch)
        self._network = Network(rule, start)
        self.twinned = rule == "kp"
        self._optimiser = optimiser(self._network.parameters())
        self._loss = nn.BCELoss(reduction="sum")

    def run(self, start: int, stop: int) -> None:
        count = len(self._images)
        for step in range(start, stop):
            at = step % count
            self._optimiser.zero_grad()
            predicted = self._network(self._images[at], self._labels[at])
            self._loss(predicted, self._targets[at]).backward()
            self._optimiser.step()

    def weights(self) -> list[Float]:
        return [layer.weight.detach().numpy().copy() for layer in self._network.layers]

    def feedback_angle(self) -> float:
        """Degrees between Kolen-Pollack's last B and the transposed weights."""
        weight, twin = (m.detach().numpy().ravel() for m in (self._network.layers[-1].weight, self._network.twins[-1]))
        cosine = weight @ twin / (np.linalg.norm(weight) * np.linalg.norm(twin))
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

    def accuracy(self, samples: Samples) -> float:
        with torch.no_grad():
            outputs = self._network(torch.from_numpy(samples.images)).numpy()
        return _percent(outputs, samples.labels)


class Inference:
    """Predictions of an untrained network, a thousand at a time: what they cost does not hang on the weights."""

    def __init__(self, samples: Samples, start: Start) -> None:
        self.batch = INFERRED
        self._images = torch.from_numpy(samples.images).split(self.batch)
        self._network = Network("bp", start)

    def run(self, start: int, stop: int) -> None:
        count = len(self._images)
        with torch.inference_mode():
            for step in range(start, stop):
                self._network(self._images[step % count]).argmax(1)

    def accuracy(self, samples: Samples) -> float:
        return _percent(self._network(torch.from_numpy(samples.images)).detach().numpy(), samples.labels)


class ByHand:
    """DRTP in PyTorch without autograd: two products of matrix and vector, two rank-one updates in place."""

    batch = 1

    def __init__(self, samples: Samples, start: Start, rate: float) -> None:
        self._images = torch.from_numpy(samples.images).unbind()
        self._labels = samples.labels.tolist()
        self._hidden, self._output = (torch.tensor(weight) for weight in start.weights)
        self._hidden_bias, self._output_bias = (torch.tensor(bias) for bias in start.biases)
        self._feedback = torch.tensor(start.feedback[0]).unbind()
        self._targets = torch.eye(CLASSES).unbind()
        self._rate = rate

    def run(self, start: int, stop: int) -> None:
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

    def weights(self) -> list[Float]:
        return [self._hidden.numpy().copy(), self._output.numpy().copy()]

    def accuracy(self, samples: Samples) -> float:
        activity = torch.tanh(torch.from_numpy(samples.images) @ self._hidden.T + self._hidden_bias)
        return _percent((activity @ self._output.T + self._output_bias).numpy(), samples.labels)


class Plain:
    """DRTP in NumPy, written straight from the equations; only the big outer product has a buffer of its own."""

    batch = 1

    def __init__(self, samples: Samples, start: Start, rate: float) -> None:
        self._images, self._labels = samples.images, samples.labels.tolist()
        self._hidden, self._output = (weight.copy() for weight in start.weights)
        self._hidden_bias, self._output_bias = (bias.copy() for bias in start.biases)
        self._feedback = start.feedback[0].copy()
        self._targets = np.eye(CLASSES, dtype=np.float32)
        self._step = np.empty_like(self._hidden)
        self._rate = np.float32(rate)

    def run(self, start: int, stop: int) -> None:
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

    def weights(self) -> list[Float]:
        return [self._hidden.copy(), self._output.copy()]

    def accuracy(self, samples: Samples) -> float:
        activity = np.tanh(samples.images @ self._hidden.T + self._hidden_bias)
        return _percent(activity @ self._output.T + self._output_bias, samples.labels)


def _percent(outputs: NDArray[Any], labels: NDArray[np.uint8]) -> float:
    return 100.0 * float(np.mean(outputs.argmax(axis=1) == labels))


def _autograd(
    rule: str, optimiser: Optimiser, batch: int = 1, hidden: tuple[int, ...] = (500,)
) -> Callable[[Samples], Peer]:
    return lambda samples: Autograd(samples, Start.draw(hidden), rule, optimiser, batch)


MAKERS: dict[str, Callable[[Samples], Peer]] = {
    "torch DRTP, Adam": _autograd("drtp", ADAM),
    "torch DRTP, fused Adam": _autograd("drtp", FUSED),
    "torch DRTP, plain SGD": _autograd("drtp", SGD),
    "torch DRTP by hand": lambda samples: ByHand(samples, Start.draw(), SGD_RATE),
    "NumPy DRTP by hand": lambda samples: Plain(samples, Start.draw(), SGD_RATE),
    f"torch DRTP, Adam, batch {BATCH}": _autograd("drtp", ADAM, BATCH),
    "torch DFA, Adam": _autograd("dfa", ADAM),
    "torch BP, Adam": _autograd("bp", ADAM),
    "torch KP, AdamW": _autograd("kp", ADAM_DECAY),
    "torch DRTP, Adam, two hidden layers": _autograd("drtp", ADAM, hidden=(500, 500)),
    "torch DFA, Adam, two hidden layers": _autograd("dfa", ADAM, hidden=(500, 500)),
    "torch BP, Adam, two hidden layers": _autograd("bp", ADAM, hidden=(500, 500)),
    f"torch inference, batch {INFERRED}": lambda samples: Inference(samples, Start.draw()),
}
"""Peers by their names in the tables."""


def disagreement(samples: Samples, steps: int = 50) -> float:
    """Return how far the three plain descents are apart after *steps* steps, as a share of the way they went."""
    start = Start.draw()
    reference = Autograd(samples, start, "drtp", SGD)
    others: tuple[ByHand | Plain, ...] = (ByHand(samples, start, SGD_RATE), Plain(samples, start, SGD_RATE))
    for peer in (reference, *others):
        peer.run(0, steps)
    shares = []
    for k, origin in enumerate(start.weights):
        way = np.abs(reference.weights()[k] - origin).max()
        shares += [float(np.abs(other.weights()[k] - reference.weights()[k]).max() / way) for other in others]
    return max(shares)
