"""How the float twin writes what it has learned: plain steps, momentum, Nesterov, Adam (docs/numerics.md, section 6).

Matrices are large and every write passes over several of them: in place, and a block of rows at a time, so that a
block stays in the cache while it is worked on.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from neuro_emu.machine.learning import Adam, Learning
from neuro_emu.numerics.functions import Float

_BLOCK = 1 << 14
"""Numbers of a block: five arrays of them fit in a second-level cache of 1 MiB."""

_SPARSE = 4
"""Rows are picked one by one if at most one in this many is not 0."""


class Plain:
    """W ← W + η G."""

    memories = 0
    """Arrays of a matrix' size that outlive a write."""

    def begin(self, samples: int) -> None:
        """Get ready to write sums over *samples*."""

    def step(self, gradient: Float, memories: Float, rate: float, out: Float) -> None:
        """Put into *out* what is added to a block of weights; *gradient* may be overwritten.

        Args:
            gradient: (rows, units) sums over the mini-batch.
            memories: (memories, rows, units), updated in place.
            rate: 2^-lr_shift.
            out: (rows, units).

        """
        np.multiply(gradient, rate, out=out)


class MomentumSteps(Plain):
    """V ← μ V + G; W ← W + η V, or with Nesterov W ← W + η (μ V + G) with the new V."""

    memories = 1

    def __init__(self, coefficient: float, *, nesterov: bool) -> None:
        self._coefficient, self._nesterov = coefficient, nesterov

    def step(self, gradient: Float, memories: Float, rate: float, out: Float) -> None:
        """See :class:`Plain`."""
        velocity = memories[0]
        velocity *= self._coefficient
        velocity += gradient
        if self._nesterov:
            np.multiply(velocity, self._coefficient, out=out)
            out += gradient
            out *= rate
        else:
            np.multiply(velocity, rate, out=out)


class AdamSteps(Plain):
    """Adam (Kingma and Ba 2015, algorithm 1) of the mean gradient; it has a rate of its own.

    The means are kept as sums m/(1 − β₁), v/(1 − β₂) of gradient sums: every constant factor, bias corrections
    included, then meets in two numbers a write instead of passing over the matrices.
    """

    memories = 2

    def __init__(self, settings: Adam, batch: int) -> None:
        self._settings, self._batch = settings, batch
        self._writes, self._factor, self._rate, self._epsilon = 0, 1.0, 0.0, 0.0

    def begin(self, samples: int) -> None:
        """See :class:`Plain`."""
        settings = self._settings
        self._writes += 1
        self._factor = self._batch / samples  # a short batch counts like a full one with the same mean
        unbiased = (1.0 - settings.beta_1) / (1.0 - settings.beta_1**self._writes)
        root = sqrt((1.0 - settings.beta_2) / (1.0 - settings.beta_2**self._writes))
        self._rate = settings.learning_rate * unbiased / root
        self._epsilon = settings.epsilon * self._batch / root

    def step(self, gradient: Float, memories: Float, rate: float, out: Float) -> None:
        """See :class:`Plain`; *rate* is ignored."""
        mean, square = memories
        if self._factor != 1.0:
            gradient *= self._factor
        mean *= self._settings.beta_1
        mean += gradient
        square *= self._settings.beta_2
        gradient *= gradient
        square += gradient
        np.sqrt(square, out=out)
        out += self._epsilon
        np.divide(mean, out, out=out)
        out *= self._rate


def optimiser_of(learning: Learning) -> Plain:
    """Return the optimiser that *learning* names."""
    if learning.adam:
        return AdamSteps(learning.adam, learning.batch)
    if learning.momentum:
        return MomentumSteps(1.0 - 2.0**-learning.momentum.shift, nesterov=learning.momentum.nesterov)
    return Plain()


class Learner:
    """A matrix that learns, with its sums over a mini-batch and what its optimiser remembers.

    Attributes:
        target: the matrix (rows, units), bias row last if there is one.
        twin: matrix (units, rows without bias) that takes the same steps, transposed; None without.

    """

    def __init__(self, target: Float, optimiser: Plain, *, biased: bool, twin: Float | None = None) -> None:
        self.target, self.twin = target, twin
        self._optimiser, self._biased = optimiser, biased
        self._inner = target[:-1] if biased else target
        self._sums: Float | None = None
        self._memories = np.zeros((optimiser.memories, *target.shape), dtype=target.dtype)
        self._is_empty = True

    def write(self, rows: Float, columns: Float, rate: float) -> None:
        """Add the outer product of one sample's *rows* (1, inputs) and *columns* (1, units) at once."""
        entries, scaled = rows[0], rate * columns[0]
        active = np.flatnonzero(entries)
        if active.size * _SPARSE <= entries.size:
            step = np.multiply.outer(entries[active], scaled)
            self._inner[active] += step
            if self.twin is not None:
                self.twin[:, active] += step.T
        else:
            step = np.multiply.outer(entries, scaled)
            self._inner += step
            if self.twin is not None:
                self.twin += step.T
        if self._biased:
            self.target[-1] += scaled

    def collect(self, rows: Float, columns: Float) -> None:
        """Add the outer products of samples, *rows* (samples, inputs) and *columns* (samples, units), to the sums."""
        if self._sums is None:
            self._sums = np.empty_like(self.target)
        inner = self._sums[:-1] if self._biased else self._sums
        if self._is_empty:
            np.matmul(rows.T, columns, out=inner)
        else:
            inner += rows.T @ columns
        if self._biased:
            bias = columns.sum(axis=0)
            self._sums[-1] = bias if self._is_empty else self._sums[-1] + bias
        self._is_empty = False

    def take(self, sums: Float) -> None:
        """Let *sums* (rows, units) be those of the mini-batch; they may be overwritten."""
        self._sums, self._is_empty = sums, False

    def apply(self, rate: float) -> None:
        """Write the sums of the mini-batch and forget them; momentum moves weights without any."""
        if self._is_empty and not self._optimiser.memories:
            return
        if self._sums is None or self._is_empty:
            self._sums = np.zeros_like(self.target)
        rows, units = self.target.shape
        height = max(1, _BLOCK // max(1, units))
        scratch = np.empty((min(height, rows), units), dtype=self.target.dtype)
        for first in range(0, rows, height):
            end = min(first + height, rows)
            step = scratch[: end - first]
            self._optimiser.step(self._sums[first:end], self._memories[:, first:end], rate, step)
            self.target[first:end] += step
            if self.twin is not None:
                inputs = min(end, len(self._inner))
                self.twin[:, first:inputs] += step[: inputs - first].T
        self._is_empty = True
