"""Batch normalisation of the float twin: that of docs/deep.md, section 2.6, in values and without rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.machine.deep.norms import norm_formats
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.state import Int64
from neuro_emu.numerics.batch_ops import MEAN_FRAC

Float = NDArray[Any]

_GAMMA, _BETA, _MEAN, _VARIANCE = range(4)


class FloatNorm:
    """One layer's normalisation (Ioffe and Szegedy 2015, algorithm 1, with the running statistics of the integers).

    Attributes:
        learned: γ and β (2, channels), written from outside.
        gradients: (2, channels): what they learn from, of the last way back.

    """

    def __init__(self, layer: Weighted, state: Int64, dtype: Any) -> None:
        """Read the codes of *state* (4, channels) as values."""
        formats, norm = norm_formats(layer), layer.norm
        assert norm
        unit, square = 2.0 ** (-MEAN_FRAC - formats.input.frac), 4.0 ** (-MEAN_FRAC - formats.input.frac)
        scales = np.array([2.0**-formats.scale.frac, 2.0**-formats.offset.frac, unit, square])[:, None]
        read: Float = (state * scales).astype(dtype)
        self.learned: Float = read[: _BETA + 1].copy()
        self._mean, self._variance = read[_MEAN], read[_VARIANCE]
        self._epsilon, self._pace, self._frozen = formats.epsilon * square, 2.0**-formats.shift, norm.frozen
        self.gradients = np.zeros_like(self.learned)
        self._factor = np.zeros_like(self._mean)

    def train(self, z: Float) -> tuple[Float, Float]:
        """Return q and x̂ of a batch of sums; the running statistics move unless they are frozen."""
        rows = z.reshape(-1, z.shape[-1])
        mean, variance = self._mean, self._variance
        if not self._frozen:
            mean = _sums(rows) / len(rows)
        x_hat = rows - mean
        if not self._frozen:
            variance = _sums(x_hat * x_hat) / len(rows) + self._epsilon
            self._mean = self._mean + self._pace * (mean - self._mean)
            self._variance = self._variance + self._pace * (variance - self._variance)
        inverse = 1.0 / np.sqrt(variance)
        x_hat *= inverse
        q = x_hat * self.learned[_GAMMA]
        q += self.learned[_BETA]
        self._factor = self.learned[_GAMMA] * inverse
        return q.reshape(z.shape), x_hat.reshape(z.shape)

    def infer(self, z: Float) -> Float:
        """Return q of sums by the running statistics."""
        scale = self.learned[_GAMMA] / np.sqrt(self._variance)
        q: Float = z * scale
        q += self.learned[_BETA] - self._mean * scale
        return q

    def back(self, d: Float, x_hat: Float) -> Float:
        """Return δ_z from the δ_y and the x̂ of the batch that was trained on last; leaves ``gradients``."""
        errors, normalised = d.reshape(-1, d.shape[-1]), x_hat.reshape(-1, d.shape[-1])
        self.gradients = np.stack([_sums(errors * normalised), _sums(errors)])
        if self._frozen:
            alone: Float = d * self._factor
            return alone
        means = self.gradients / len(errors)
        found: Float = normalised * -means[_GAMMA]
        found += errors
        found -= means[_BETA]
        found *= self._factor
        return found.reshape(d.shape)


def _sums(rows: Float) -> Float:
    """Sum over the rows; a product with ones adds in blocks, which keeps digits that float32 would lose."""
    total: Float = np.ones(len(rows), dtype=rows.dtype) @ rows
    return total
