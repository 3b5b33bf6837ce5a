"""Batch normalisation on the integer datapath of graphs: its layers' passes, and the writes of γ and β."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.norm import INFERENCE, TRAINING, BatchNorm
from neuro_emu.datapath.deep.parts import Spread
from neuro_emu.datapath.deep.writes import Writer
from neuro_emu.kernels.deep import norm as kernels
from neuro_emu.kernels.deep import rows as kn
from neuro_emu.kernels.pieces import low_bits
from neuro_emu.kernels.update import fits32
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.norms import norm_formats, norm_layers, norm_register, norm_shifts
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import DELTA_OVF, PREACTIVATION_OVF, UPDATES, WEIGHT_OVF, ZERO_UPDATES, Int64
from neuro_emu.numerics.modes import Rounding

Array = NDArray[Any]

_EVENTS = (PREACTIVATION_OVF, PREACTIVATION_OVF, PREACTIVATION_OVF, DELTA_OVF, DELTA_OVF)
"""What the clamps of a, x̂, q, k and δ_z count as."""


class Norms:
    """Every norm of a chip.

    Args:
        chip: the chip.
        state: its state; γ, β and the running statistics in it are changed in place.
        writer: draws the words of writes.
        counters: counters (layers, events) of training and of inference.
        spread: how the values of a batch are shared out.

    """

    def __init__(
        self, chip: DeepChip, state: DeepState, writer: Writer, counters: tuple[Int64, Int64], spread: Spread
    ) -> None:
        self.chip, self.state, self.writer, self.counters = chip, state, writer, counters
        self.layers: dict[int, BatchNorm] = {}
        self._sums: dict[int, Int64] = {}
        for layer in norm_layers(chip):
            assert layer.norm
            k = layer.layer
            self.layers[k] = BatchNorm(norm_formats(layer), state.norm[k], frozen=layer.norm.frozen, spread=spread)
        widest = max((layer.units for layer in norm_layers(chip)), default=1)
        drawn = chip.numerics.update_rounding is Rounding.STOCH
        self._masks = kn.lane_masks(widest) if drawn else np.zeros(widest, dtype=np.int64)
        self._work = np.zeros(widest, dtype=np.int32)

    def train(self, z: Array, k: int) -> tuple[Array, Array]:
        """Return q and x̂ of a batch of sums."""
        q, x_hat = self.layers[k].train(z.astype(np.int32, copy=False))
        self._count(k)
        return q, x_hat

    def infer(self, z: Array, k: int) -> Array:
        """Return q by the running statistics."""
        q: Array = self.layers[k].infer(z.astype(np.int32, copy=False))
        self._count(k)
        return q

    def back(self, d: Array, x_hat: Array, k: int) -> Array:
        """Return δ_z, and keep what γ and β learn from."""
        errors: Array = self.layers[k].back(d, x_hat)
        self._sums[k] = self.layers[k].gradients
        self._count(k)
        return errors

    def _count(self, k: int) -> None:
        tally = self.layers[k].tally
        for row in (TRAINING, INFERENCE):
            np.add.at(self.counters[row][k], list(_EVENTS), tally[row])
        tally[:] = 0

    def write(self) -> None:
        """Write γ and β of the layers that learn, at the end of a batch (docs/numerics.md, sections 6 and 9)."""
        for k in sorted(self._sums):
            if self.chip.readings[k].learns:
                self._write(self.chip.graph.layers[k], self._sums[k])
        self._sums = {}

    def _write(self, layer: Weighted, sums: Int64) -> None:
        norm, momentum, state = layer.norm, self.chip.learning.momentum, self.state.norm[layer.layer]
        assert norm
        place, each = norm_register(self.chip, layer), 2 if momentum else 1
        words = self.writer.words(place, 2 * each)
        numerics = self.chip.numerics
        shifts = norm_shifts(self.chip, layer, self.writer.epoch)
        masks, work = self._masks[: layer.units], self._work[: layer.units]
        for row, to in ((kernels.GAMMA, norm.scale), (kernels.BETA, norm.offset)):
            inner, outer = shifts[row]
            gradient = sums[row : row + 1] * (1 << max(0, -min(inner, outer)))
            modes = numerics.update_rounding.code, numerics.overflow.code
            limits = np.array([to.low, to.high, max(0, outer), *modes], dtype=np.int64)
            codes, drawn = state[row : row + 1].astype(np.int32), words[each * row :]
            if momentum:
                pace = momentum.velocity
                speeds = [pace.low, pace.high, max(0, inner), momentum.shift, momentum.nesterov]
                velocity = self.state.velocities[place][row : row + 1]
                given = np.array(speeds, dtype=np.int64)
                result = kn.write_rows_momentum(codes, velocity, gradient, drawn, masks, work, limits, given)
            else:
                fits = bool(fits32(int(np.abs(gradient).max()), limits))
                result = kn.write_rows(codes, gradient, drawn, masks, work, limits, fits)
            state[row] = codes[0]
            self._book(layer, result)

    def _book(self, layer: Weighted, result: int) -> None:
        events, changed = self.counters[TRAINING][layer.layer], low_bits(result, 32)
        events[UPDATES] += layer.units
        events[ZERO_UPDATES] += layer.units - changed
        events[WEIGHT_OVF] += (result - changed) // (1 << 32)


class Normalising:
    """What of :class:`neuro_emu.datapath.deep.ops.Ops` is batch normalisation."""

    norms: Norms

    def normalise(self, z: Array, layer: int) -> tuple[Array, Array]:
        """See :class:`Ops`."""
        return self.norms.train(z, layer)

    def fold(self, z: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        return self.norms.infer(z, layer)

    def norm_back(self, d: Array, x_hat: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        return self.norms.back(d, x_hat, layer)
