"""Batch normalisation of the traced datapath of graphs, by the scalars of :mod:`neuro_emu.numerics.batch_ops`."""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.deep.traced_base import Array, Place
from neuro_emu.datapath.deep.traced_writes import TracedWrites
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.norms import norm_formats, norm_register, norm_shifts
from neuro_emu.machine.design import BATCH_NORM_BACKWARD, BATCH_NORM_FOLD, BATCH_NORM_FORWARD
from neuro_emu.machine.ports import UpdatePass
from neuro_emu.network.deep.graph import Norm, Weighted
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import DELTA_OVF, PREACTIVATION_OVF, UPDATES, WEIGHT_OVF, ZERO_UPDATES
from neuro_emu.numerics import batch_ops as bn
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.ops import add_step, align, mean, round_shift, saturate, velocity_sum

_GAMMA, _BETA, _MEAN, _VARIANCE = range(4)


class TracedNorm(TracedWrites):
    """Channel by channel for the statistics, code by code for the values."""

    def __init__(self, chip: DeepChip, state: DeepState) -> None:
        super().__init__(chip, state)
        self._now: dict[int, list[tuple[int, int, int]]] = {}
        self._sums: dict[int, tuple[list[int], list[int]]] = {}

    def _norm(self, layer: int) -> tuple[Weighted, Norm]:
        node = self.graph.layers[layer]
        assert node.norm
        return node, node.norm

    def _serial(self, phase: Phase, node: Weighted, steps: int) -> None:
        """The serial unit of every lane, group after group of channels."""
        for _, lanes in self.groups(node.units):
            self.count(phase, node.layer, C.CYCLES, steps)
            self.count(phase, node.layer, C.NORM, steps * (lanes.stop - lanes.start))

    def _changed(self, exact: int, code: int, layer: int, event: int) -> int:
        if code != exact:
            self.happened(layer, event)
        return code

    # --- forward ---

    def normalise(self, z: Array, layer: int) -> tuple[Array, Array]:
        """See :class:`Ops`."""
        node, norm = self._norm(layer)
        formats, state = norm_formats(node), self.state.norm[layer]

        def entered(at: Place) -> int:
            self.count(Phase.FORWARD, layer, C.NORM_WRITE)
            for component in (C.MAC, C.ADD):
                self.count(Phase.FORWARD, layer, component, not norm.frozen)
            return self.narrowed(int(z[at]), formats.input_shift, norm.input, layer, PREACTIVATION_OVF)

        a = self.each(z.shape, np.int16, entered)
        channels = [a[..., c].reshape(-1).tolist() for c in range(node.units)]
        self._now[layer] = [self._measure(codes, state[:, c], norm) for c, codes in enumerate(channels)]
        self._serial(Phase.FORWARD, node, BATCH_NORM_FOLD if norm.frozen else BATCH_NORM_FORWARD)
        for _ in range(len(z)):
            self.lane_passes(Phase.FORWARD, layer, node.shape)
        folded = self._folded_channels(layer) if norm.frozen else []

        def value(at: Place) -> int:
            for component, times in ((C.NORM_READ, 1), (C.NORM_WRITE, 1), (C.SCALE, 2)):
                self.count(Phase.FORWARD, layer, component, times)
            m, v, _ = self._now[layer][at[-1]]
            exact = bn.norm_value(int(a[at]), m, v)
            return self._changed(exact, bn.value_code(exact), layer, PREACTIVATION_OVF)

        x_hat = self.each(z.shape, np.int16, value)

        def output(at: Place) -> int:
            if norm.frozen:
                exact, shift = bn.fold_value(int(a[at]), *folded[at[-1]]), formats.fold_shift
            else:
                gamma, beta = int(state[_GAMMA, at[-1]]), int(state[_BETA, at[-1]])
                exact = bn.norm_affine(int(x_hat[at]), gamma, beta, formats.offset_shift)
                shift = formats.output_shift
            return self.narrowed(exact, shift, node.preactivation, layer, PREACTIVATION_OVF)

        return self.each(z.shape, np.int16, output), x_hat

    @staticmethod
    def _measure(codes: list[int], state: Array, norm: Norm) -> tuple[int, int, int]:
        """Mean, inverse and γ of a channel that its batch is normalised with; the running statistics move."""
        if norm.frozen:
            middle, variance = int(state[_MEAN]), int(state[_VARIANCE])
        else:
            total, squares = sum(codes), sum(code * code for code in codes)
            middle = bn.norm_mean(total, len(codes))
            variance = bn.norm_variance(total, squares, middle, len(codes), norm.epsilon)
            state[_MEAN] = bn.norm_running(int(state[_MEAN]), middle, norm.shift)
            state[_VARIANCE] = bn.norm_running(int(state[_VARIANCE]), variance, norm.shift)
        return middle, bn.norm_inverse(variance), int(state[_GAMMA])

    def _folded_channels(self, layer: int) -> list[tuple[int, int]]:
        """Both words of every channel."""
        _, norm = self._norm(layer)
        found = []
        for gamma, beta, middle, variance in self.state.norm[layer].T.tolist():
            scale = bn.fold_scale(gamma, bn.norm_inverse(variance), norm.scale.frac)
            found.append((scale, bn.fold_offset(beta, norm.offset.frac, middle, scale)))
        return found

    def fold(self, z: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        node, norm = self._norm(layer)
        formats, folded = norm_formats(node), self._folded_channels(layer)
        if layer not in self._folded:
            self._folded.add(layer)
            self._serial(Phase.FORWARD, node, BATCH_NORM_FOLD)

        def output(at: Place) -> int:
            self.count(Phase.FORWARD, layer, C.SCALE)
            a = self.narrowed(int(z[at]), formats.input_shift, norm.input, layer, PREACTIVATION_OVF)
            exact = bn.fold_value(a, *folded[at[-1]])
            return self.narrowed(exact, formats.fold_shift, node.preactivation, layer, PREACTIVATION_OVF)

        return self.each(z.shape, np.int16, output)

    # --- errors ---

    def norm_back(self, d: Array, x_hat: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        node, norm = self._norm(layer)
        formats = norm_formats(node)
        given, self._sums[layer] = [], ([0] * node.units, [0] * node.units)
        for at in np.ndindex(d.shape):
            for component in (C.NORM_READ, C.MAC, C.ADD):
                self.count(Phase.ERROR, layer, component)
            self._sums[layer][_GAMMA][at[-1]] += int(d[at]) * int(x_hat[at])
            self._sums[layer][_BETA][at[-1]] += int(d[at])
        if not norm.frozen:
            self._serial(Phase.ERROR, node, BATCH_NORM_BACKWARD)
        count = d.size // node.units
        for c, (_, v, gamma) in enumerate(self._now[layer]):
            m1 = 0 if norm.frozen else bn.norm_mean(self._sums[layer][_BETA][c], count)
            m2 = 0 if norm.frozen else mean(self._sums[layer][_GAMMA][c], count)
            exact = bn.norm_factor_back(gamma, v, formats.factor_shift)
            given.append((m1, m2, self._changed(exact, bn.factor_code(exact), layer, DELTA_OVF)))
        for _ in range(len(d)):
            self.lane_passes(Phase.ERROR, layer, node.shape)

        def error(at: Place) -> int:
            for component, times in ((C.ERROR_READ, 1), (C.NORM_READ, 1), (C.SCALE, 2), (C.ERROR_WRITE, 1)):
                self.count(Phase.ERROR, layer, component, times)
            m1, m2, factor = given[at[-1]]
            exact = bn.norm_error(int(d[at]), m1, int(x_hat[at]), m2) * factor
            return self.narrowed(exact, formats.error_shift, norm.error, layer, DELTA_OVF)

        return self.each(d.shape, np.int16, error)

    # --- γ and β at the end of a batch ---

    def finish(self) -> None:
        """See :class:`Ops`."""
        for layer in sorted(self._sums):
            if self.chip.readings[layer].learns:
                self._write_norm(layer)
        self._sums = {}
        super().finish()

    def _write_norm(self, layer: int) -> None:
        """Steps of γ, then of β, a word each, through velocities if there are some."""
        node, norm = self._norm(layer)
        place, moving = norm_register(self.chip, node), self.chip.learning.momentum is not None
        shifts, phase = norm_shifts(self.chip, node, self.state.epoch), Phase.UPDATE
        self.draw(place, 2 * (1 + moving))
        for _, lanes in self.groups(node.units):
            update = UpdatePass(self.design.weight_banks)
            for row, to in ((_GAMMA, norm.scale), (_BETA, norm.offset)):
                update.row(row)
                words = [self.lane_words((1 + moving) * row + i, lanes, phase, layer) for i in range(1 + moving)]
                for component in (C.NORM_READ, C.NORM_WRITE):
                    self.count(phase, layer, component, (1 + moving) * (lanes.stop - lanes.start))
                self.count(phase, layer, C.UPDATE, lanes.stop - lanes.start)
                self.count(phase, layer, C.VELOCITY, moving * (lanes.stop - lanes.start))
                for lane, c in enumerate(range(lanes.start, lanes.stop)):
                    drawn = [int(each[lane]) for each in words]
                    step = self._norm_step(place, (row, c), self._sums[layer][row][c], shifts[row], drawn)
                    self._add_to_norm(layer, (row, c), step, to)
            self.count(phase, layer, C.CYCLES, update.cycles)

    def _norm_step(self, place: int, at: Place, gradient: int, shifts: tuple[int, int], words: list[int]) -> int:
        """Rounded step of one parameter; negative shifts go to the left, exactly."""
        momentum, rounding, (inner, outer) = (
            self.chip.learning.momentum,
            self.chip.numerics.update_rounding.code,
            shifts,
        )
        if momentum is None:
            return round_shift(align(gradient, min(outer, 0)), max(outer, 0), rounding, words[0])
        gradient, inner = align(gradient, min(inner, 0)), max(inner, 0)
        velocities, pace = self.state.velocities[place], momentum.velocity
        more = max(momentum.shift, inner)
        exact = velocity_sum(int(velocities[at]), gradient, momentum.shift, inner)
        code = saturate(round_shift(exact, more, rounding, words[0]), pace.low, pace.high)
        velocities[at] = code
        if momentum.nesterov:
            code, outer = velocity_sum(code, gradient, momentum.shift, inner), outer + more
        return round_shift(code, outer, rounding, words[1])

    def _add_to_norm(self, layer: int, at: Place, step: int, to: Format) -> None:
        held = int(self.state.norm[layer][at])
        code = add_step(held, step, to.low, to.high, self.chip.numerics.overflow.code)
        self.happened(layer, UPDATES)
        self.happened(layer, ZERO_UPDATES, step == 0)
        self.happened(layer, WEIGHT_OVF, code != held + step)
        self.state.norm[layer][at] = code
