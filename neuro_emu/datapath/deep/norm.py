"""One layer's batch normalisation on maps: state, forward, backward, what γ and β learn from.

Maps are contiguous arrays whose last axis are the channels; that of z may be padded. Between a training pass and its
backward pass the layer keeps x̂ in a buffer of its own, which the next training pass overwrites. Besides that only the
state outlives a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.parts import Alone, Spread
from neuro_emu.kernels.deep import norm as kernels
from neuro_emu.kernels.deep.norm import Codes, Narrow, Sums
from neuro_emu.kernels.fabric import Int16, Int32, Int64
from neuro_emu.numerics.batch_ops import FIRST_VARIANCE, MOST_VALUES
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.norm_formats import NormFormats

TRAINING, INFERENCE = range(2)
"""Rows of a tally."""
_STATE_ROWS = 4
_MOST_COLUMNS = 512  # rows are laid side by side up to so many columns


def first_state(formats: NormFormats, channels: int) -> Int64:
    """State before the first batch, (4, channels): γ = 1 (or the largest code), β = 0, mean 0, variance one code."""
    state = np.zeros((_STATE_ROWS, channels), np.int64)
    state[kernels.GAMMA] = formats.scale.one
    state[kernels.VARIANCE] = FIRST_VARIANCE
    return state


@lru_cache
def _side_by_side(rows: int, channels: int) -> int:
    """How many of *rows* rows are laid side by side, so that loops over columns are long."""
    return next((times for times in range(_MOST_COLUMNS // channels, 1, -1) if rows % times == 0), 1)


def _narrow(shift: int, to: Format) -> Narrow:
    return Narrow(shift, to.low, to.high)


class BatchNorm:
    """Batch normalisation of one layer.

    Attributes:
        state: (4, channels): γ, β, running mean M, running variance U; γ and β are written from outside.
        gradients: (2, channels): the sums of the last backward pass that γ and β learn from, with the fractional bits
            ``formats.gradient_fracs``.
        tally: (2, 5): values that the clamps of a, x̂, q, k and δ_z changed, in training and in inference.

    """

    def __init__(
        self, formats: NormFormats, state: Int64, *, frozen: bool = False, spread: Spread | None = None
    ) -> None:
        if complaint := formats.complaint():
            raise ValueError(complaint)
        self.formats, self.state, self.frozen = formats, state, frozen
        self.channels = state.shape[1]
        self.gradients = np.zeros((2, self.channels), np.int64)
        self.tally = np.zeros((2, kernels.EVENTS), np.int64)
        self._spread = spread or Alone()
        self._forward = np.zeros((_STATE_ROWS, self.channels), np.int32)
        self._buffer = np.empty((0, self.channels), np.int16)
        self._input = _narrow(formats.input_shift, formats.input)
        self._output = _narrow(formats.output_shift, formats.output)

    def train(self, z: Sums, q: Codes | None = None) -> tuple[Codes, Int16]:
        """Return q and x̂ of a batch of sums *z*; the running statistics move unless they are frozen."""
        rows = z.reshape(-1, z.shape[-1])
        if len(rows) > MOST_VALUES:
            raise ValueError(f"a batch has {len(rows)} values a channel; normalisation takes at most {MOST_VALUES}")
        if len(self._buffer) < len(rows):
            self._buffer = np.empty((len(rows), self.channels), np.int16)
        a, out = self._buffer[: len(rows)], self._target(z, q)
        sums = self._statistics(rows, a)
        if self.frozen:
            now = self.state[kernels.MEAN :]
        else:
            now = np.empty_like(sums)
            kernels.measure(sums, len(rows), self.formats.epsilon, now)
        kernels.prepare(now, self.state, self._forward)
        if self.frozen:
            self._fold(a, Narrow(0, self._input.low, self._input.high), out, TRAINING)
            self._values(a)
        else:
            kernels.move(now, self.formats.shift, self.state)
            self._normalise(a, out)
        return out.reshape(*z.shape[:-1], -1), a.reshape(*z.shape[:-1], -1)

    def infer(self, z: Sums, q: Codes | None = None) -> Codes:
        """Return q of sums *z* by the folded norm."""
        out = self._target(z, q)
        self._fold(z.reshape(-1, z.shape[-1]), self._input, out, INFERENCE)
        return out.reshape(*z.shape[:-1], -1)

    def back(self, delta: Int16, x_hat: Int16, out: Codes | None = None) -> Codes:
        """Return δ_z from the δ_y and the x̂ of the batch that :meth:`train` saw last; leaves ``gradients``."""
        target = self._target(delta, out)
        d, x = (array.reshape(-1, self.channels) for array in (delta, x_hat))
        self.gradients = self._back_sums(d, x)
        given = np.empty((3, self.channels), np.int32)
        shift, tally = self.formats.factor_shift, self.tally[TRAINING]
        kernels.prepare_back(self.gradients, len(d), self.frozen, self._forward, shift, given, tally)
        self._errors(d, x, given, target)
        return target.reshape(delta.shape)

    # --- loops over values --------------------------------------------------------------------------------

    def _statistics(self, z: Sums, a: Int16) -> Int64:
        (sums, codes), times = self._laid(z, a)
        totals = np.zeros((self._spread.parts, 2, times * self.channels), np.int64)

        def work(part: int, first: int, last: int, tally: Int64) -> None:
            kernels.statistics(sums[first:last], self._input, codes[first:last], totals[part], tally)

        self._run(len(codes), work, TRAINING)
        return self._total(totals)

    def _normalise(self, a: Int16, q: Codes) -> None:
        (codes, out), times = self._laid(a, q)
        given, shift = np.tile(self._forward, times), self.formats.offset_shift

        def work(_part: int, first: int, last: int, tally: Int64) -> None:
            kernels.normalise(codes[first:last], given, shift, self._output, out[first:last], tally)

        self._run(len(codes), work, TRAINING)

    def _values(self, a: Int16) -> None:
        (codes,), times = self._laid(a)
        given = np.tile(self._forward, times)
        self._run(len(codes), lambda _, first, last, tally: kernels.values(codes[first:last], given, tally), TRAINING)

    def _fold(self, z: Sums | Int16, by: Narrow, q: Codes, row: int) -> None:
        (sums, out), times = self._laid(z, q)
        folded = np.empty((2, self.channels), np.int64)
        kernels.fold_channels(self.state, self.formats.scale.frac, self.formats.offset.frac, folded)
        given, to = np.tile(folded, times), _narrow(self.formats.fold_shift, self.formats.output)

        def work(_part: int, first: int, last: int, tally: Int64) -> None:
            kernels.fold(sums[first:last], by, given, to, out[first:last], tally)

        self._run(len(out), work, row)

    def _back_sums(self, d: Int16, x: Int16) -> Int64:
        (errors, inputs), times = self._laid(d, x)
        totals = np.zeros((self._spread.parts, 2, times * self.channels), np.int64)

        def work(part: int, first: int, last: int, _tally: Int64) -> None:
            kernels.back_sums(errors[first:last], inputs[first:last], totals[part])

        self._run(len(errors), work, TRAINING)
        return self._total(totals)

    def _errors(self, d: Int16, x: Int16, channels: Int32, target: Codes) -> None:
        (errors, inputs, out), times = self._laid(d, x, target)
        given, to = np.tile(channels, times), _narrow(self.formats.error_shift, self.formats.error)

        def work(_part: int, first: int, last: int, tally: Int64) -> None:
            kernels.back(errors[first:last], inputs[first:last], given, to, out[first:last], tally)

        self._run(len(errors), work, TRAINING)

    # --- layout -------------------------------------------------------------------------------------------

    def _target(self, like: NDArray[Any], given: Codes | None) -> Codes:
        """Return where (values, channels) codes go: *given* or a new array."""
        shape = (*like.shape[:-1], self.channels)
        if given is None:
            given = np.empty(shape, np.int16)
        if given.shape != shape or not given.flags.c_contiguous:
            raise ValueError(f"codes of the shape {shape} need a contiguous array of that shape, not {given.shape}")
        return given.reshape(-1, self.channels)

    def _laid(self, *arrays: NDArray[Any]) -> tuple[list[NDArray[Any]], int]:
        """Return the arrays with several rows side by side, and how many; one where an array is padded."""
        plain = all(array.shape[1] == self.channels for array in arrays)
        times = _side_by_side(len(arrays[0]), self.channels) if plain else 1
        return [array.reshape(len(array) // times, -1) for array in arrays], times

    def _run(self, rows: int, work: Callable[[int, int, int, Int64], None], row: int) -> None:
        """Spread *rows* rows; every part has a tally of its own."""
        tallies = np.zeros((self._spread.parts, kernels.EVENTS), np.int64)
        self._spread(rows, lambda part, first, last: work(part, first, last, tallies[part]))
        self.tally[row] += tallies.sum(axis=0)

    def _total(self, totals: Int64) -> Int64:
        """Add the sums of the parts and of the columns that belong to a channel."""
        total: Int64 = totals.sum(axis=0).reshape(2, -1, self.channels).sum(axis=1)
        return total
