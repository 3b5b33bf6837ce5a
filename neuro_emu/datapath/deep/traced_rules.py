"""Shared activations, local classifiers, learned feedback and mirror mode of the traced datapath of graphs."""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.deep.ops import Labels
from neuro_emu.datapath.deep.traced_base import Array, Place
from neuro_emu.datapath.deep.traced_codes import TracedCodes
from neuro_emu.datapath.deep.traced_sums import Codes, TracedSums, vectors
from neuro_emu.datapath.deep.traced_writes import TracedWrites
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase, Port
from neuro_emu.machine.deep.initialise import feedback_amplitude
from neuro_emu.machine.deep.mapping import has_table
from neuro_emu.machine.deep.matrices import local_layer
from neuro_emu.machine.deep.passes import adaptive_window
from neuro_emu.machine.design import PIPELINE_DRAIN, WRITE_DELAY, ZeroInput
from neuro_emu.machine.matrices import Kind
from neuro_emu.machine.ports import UpdatePass
from neuro_emu.network.deep.graph import Add, Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.network.state import ACCUMULATOR_OVF, DELTA_OVF, PREACTIVATION_OVF
from neuro_emu.numerics.modes import Overflow
from neuro_emu.numerics.ops import mean, noise_code, ternary_sign, wrap, xorshift


class TracedRules(TracedSums, TracedCodes, TracedWrites):
    """See :class:`neuro_emu.datapath.deep.ops.Ops`."""

    _outer: tuple[Array, Array] | None = None

    # --- matrices ---

    def matrix(self, kind: Kind, layer: int) -> Array:
        """See :class:`Ops`."""
        if kind is not Kind.FEEDBACK:
            return self.codes(self.chip.matrix(kind, layer))
        crossed, held = self.chip.crossed(layer), self.state.feedback[layer]
        return held if crossed and crossed.window else held.T

    def signs(self, layer: int) -> Array:
        """See :class:`Ops`."""
        node, weights = self.graph.layers[layer], self.state.weights[layer]
        amplitude = feedback_amplitude(self.chip, self.graph.layers[self.chip.slot(layer)])
        shape = node.depth, node.units
        return self.each(shape, np.int32, lambda at: amplitude * ternary_sign(int(weights[at]), 0))

    # --- shared activations ---

    def match(self, h: Array, to: Shape, method: str, layer: int) -> Array:
        """See :class:`Ops`."""
        seen, slot = h.shape[1:], self.chip.slot(layer)
        if seen == to:
            return h
        if method == "random":
            return self._approximate(h, to, layer)

        def pooled(at: Place) -> int:
            codes = [int(h[place]) for place in self._window(at, seen, to)]
            for component in (C.CYCLES, C.OUTPUT_READ, C.POOL):
                self.count(Phase.FORWARD, slot, component, len(codes))
            self.count(Phase.FORWARD, slot, C.OUTPUT_WRITE)
            return mean(sum(codes), len(codes)) if method == "average_pool" else max(codes)

        return self.each((len(h), *to), np.int16, pooled)

    @staticmethod
    def _window(at: Place, seen: Shape, to: Shape) -> list[Place]:
        """Places of a shared map that one code is pooled from: copies of channels, even windows of the rest."""
        n, y, x, c = at
        if seen[:2] == to[:2] == (1, 1):
            first, end = adaptive_window(c, -(-to[2] // seen[2]) * seen[2], to[2])
            return [(n, 0, 0, p % seen[2]) for p in range(first, end)]
        rows, columns = adaptive_window(y, seen[0], to[0]), adaptive_window(x, seen[1], to[1])
        return [(n, down, across, c % seen[2]) for down in range(*rows) for across in range(*columns)]

    def _approximate(self, h: Array, to: Shape, layer: int) -> Array:
        """f(C · h), position by position, as a convolution of one code by C."""
        slot, head = self.chip.slot(layer), self.graph.nodes[self.graph.head(self.chip.slot(layer))]
        assert isinstance(head, Weighted | Add)
        matrix, places = self.state.forward[slot].astype(np.int64), list(np.ndindex(to[:2]))
        z = np.zeros((len(h), *to), dtype=np.int64)
        for sample, sums in zip(h.astype(np.int64), z, strict=True):
            codes = [sample[y * h.shape[1] // to[0], x * h.shape[2] // to[1]].tolist() for y, x in places]
            for _, lanes in self.groups(to[2]):
                for first in range(0, len(places), self.design.positions):
                    tile = range(first, min(first + self.design.positions, len(places)))
                    held, totals = [codes[p] for p in tile], [sums[places[p]][lanes] for p in tile]
                    self._approximate_tile(held, slot, matrix[:, lanes], totals, vector=len(places) == 1)
        frac = self.graph.layers[slot].weight.frac + self.graph.layers[layer].input.frac
        high = self.chip.numerics.accumulator_high

        def output(at: Place) -> int:
            exact = int(z[at])
            total = wrap(exact, -high - 1, high) if self.chip.numerics.accumulator_overflow is Overflow.WRAP else exact
            self.happened(slot, ACCUMULATOR_OVF, total != exact)
            self.count(Phase.FORWARD, slot, C.OUTPUT_WRITE)
            self.count(Phase.FORWARD, slot, C.TABLE_READ, has_table(head))
            shift = frac - head.preactivation.frac
            return self.output(self.narrowed(total, shift, head.preactivation, slot, PREACTIVATION_OVF), head)

        for _ in range(len(h)):
            self.lane_passes(Phase.FORWARD, slot, to)
        return self.each(z.shape, np.int16, output)

    def _approximate_tile(
        self, tile: list[list[int]], slot: int, rows: Codes, sums: list[Codes], *, vector: bool
    ) -> None:
        """One group and tile; the only position of a vector skips rows as a dense layer does."""
        valid = rows.shape[1]
        for row in range(len(rows)):
            codes = [code[row] for code in tile]
            if vector and codes == [0] and self.design.zero_input is ZeroInput.SKIP:
                continue
            held = not vector or codes != [0] or self.design.zero_input is ZeroInput.NONE
            self.count(Phase.FORWARD, slot, C.RANDOM_READ, held)
            for code, totals in zip(codes, sums, strict=True):
                for component in (C.CYCLES, C.OUTPUT_READ):
                    self.count(Phase.FORWARD, slot, component)
                if code or self.design.zero_input is ZeroInput.NONE:
                    self.count(Phase.FORWARD, slot, C.MAC, valid)
                    totals[:] += rows[row] * code
        self.count(Phase.FORWARD, slot, C.CYCLES, PIPELINE_DRAIN + 1)

    # --- local classifiers ---

    def classify(self, layer: int, y: Array, labels: Labels) -> Array:
        """See :class:`Ops`; like the output layer, but nothing keeps its outputs."""
        node, output, n = local_layer(self.graph, layer), self.graph.output, len(y)
        z = self.patches_product(y.reshape(n, *node.seen), node, self.state.classifiers[layer])
        to, shift = output.delta, output.code.frac - output.delta.frac
        for _ in range(n):
            self.lane_passes(Phase.FORWARD, layer, node.shape)
            self.count(Phase.FORWARD, layer, C.CYCLES, self.design.groups(node.units))

        def error(at: Place) -> int:
            address = node.preactivation
            q = self.narrowed(int(z[at]), node.sum_frac - address.frac, address, layer, PREACTIVATION_OVF)
            self.count(Phase.FORWARD, layer, C.TABLE_READ, has_table(output))
            self.count(Phase.ERROR, layer, C.ERROR_WRITE)
            exact = (self.graph.hot if at[-1] == labels[at[0]] else 0) - self.output(q, output)
            return self.narrowed(exact, shift, to, layer, DELTA_OVF)

        return self.each(z.shape, np.int16, error)

    def learn_local(self, layer: int, y: Array, d: Array) -> None:
        """See :class:`Ops`."""
        matrix = self.chip.matrix(Kind.CLASSIFIER, layer)
        sums = self.dense_gradient(vectors(y), vectors(d), matrix, C.OUTPUT_READ, (Phase.ERROR, C.ERROR_READ))
        self.write(Kind.CLASSIFIER, layer, sums)

    # --- learned feedback ---

    def learn_feedback(self, h: Array, d: Array, node: Weighted) -> None:
        """See :class:`Ops`; that of a dense layer lies with the errors on its rows."""
        matrix = self.chip.matrix(Kind.FEEDBACK, self.chip.slot(node.layer))
        if node.window:
            sums = self.conv_gradient(h, d, node, matrix, C.OUTPUT_READ)
        else:
            sums = self._into_feedback(d, h, matrix.layer)
        self.write(Kind.FEEDBACK, matrix.layer, sums)

    def _into_feedback(self, rows: Array, lanes: Array, slot: int) -> Codes:
        matrix, load = self.chip.matrix(Kind.FEEDBACK, slot), (Phase.FEEDBACK, C.OUTPUT_READ)
        return self.dense_gradient(vectors(rows), vectors(lanes), matrix, C.ERROR_READ, load)

    def outer(self, e: Array, y: Array) -> Array:
        """See :class:`Ops`; it is carried out when it is known which matrix it is for."""
        self._outer = e, y
        return np.zeros((e.shape[-1], vectors(y).shape[1]), dtype=np.int64)

    def write(self, kind: Kind, layer: int, sums: Array) -> None:
        """See :class:`Ops`."""
        if kind is Kind.FEEDBACK and self._outer is not None:
            sums = self._into_feedback(*self._outer, layer)
        self._outer = None
        super().write(kind, layer, sums)

    # --- mirror mode ---

    def mirror(self, samples: int) -> None:
        """See :class:`Ops`."""
        mirrored = [la for la in self.graph.layers if self.chip.readings[la.layer].mirror]
        for _ in range(self.chip.mirror_steps(self.state.samples - samples, self.state.samples)):
            for node in mirrored:
                noise = self._noise(node)
                self._follow(node, noise, self._drive(node, noise))
            self.state.mirrored += 1
            self.decay_feedback(self.state.mirrored)

    def _noise(self, node: Weighted) -> Codes:
        """Noise in place of what a layer sees."""
        slot, amplitude = self.chip.slot(node.layer), self.chip.noise_amplitude(node.layer)

        def drawn(_: Place) -> int:
            word = xorshift(int(self.state.noise_registers[slot]))
            self.state.noise_registers[slot] = word
            for component in (C.CYCLES, C.RANDOM_WORD, C.OUTPUT_WRITE):
                self.count(Phase.FEEDBACK, slot, component)
            return noise_code(word, amplitude)

        return self.each(node.seen, np.int64, drawn)

    def _drive(self, node: Weighted, noise: Codes) -> Codes:
        """What noise makes of a layer, its bias blocked; of a conv layer norm and activation too."""
        k, phase, z = node.layer, Phase.FEEDBACK, np.zeros((1, *node.shape), dtype=np.int64)
        weights = self.state.weights[k].astype(np.int64)
        for group, lanes in self.groups(node.units):
            for tile in self.tiles(node):
                for row in range(node.depth):
                    self.access(phase, k, Port.WEIGHT_READ, group * node.rows + row)
                    for position, place in zip(tile, self.taps(node, row, tile), strict=True):
                        self.count(phase, k, C.CYCLES)
                        if place:
                            self.count(phase, k, C.OUTPUT_READ)
                            self.count(phase, k, C.MAC, lanes.stop - lanes.start)
                            z[0][position][lanes] += weights[row, lanes] * noise[place]
                self.count(phase, k, C.CYCLES, PIPELINE_DRAIN + 1)
        self.wrap_sums(z, k)
        self.lane_passes(phase, k, node.shape)
        rest = 0 if node.window else self.output(0, node)

        def driven(at: Place) -> int:
            self.count(phase, k, C.ERROR_WRITE)
            self.count(phase, k, C.TABLE_READ, node.window is None and has_table(node))
            if node.window:
                to = node.sum_error
                return self.narrowed(int(z[0][at]), node.sum_frac - to.frac, to, k, DELTA_OVF)
            to = node.preactivation
            q = self.narrowed(int(z[0][at]), node.sum_frac - to.frac, to, k, PREACTIVATION_OVF)
            return self.output(q, node) - rest

        return self.each(node.shape, np.int64, driven)

    def _follow(self, node: Weighted, noise: Codes, signal: Codes) -> None:
        """One step: B ← B + R(signal ⊗ noise); a row of a dense layer's whose signal is 0 is left out."""
        slot, phase = self.chip.slot(node.layer), Phase.FEEDBACK
        matrix, codes, lanes_of = self.chip.matrix(Kind.FEEDBACK, slot), signal.reshape(-1).tolist(), noise.reshape(-1)
        if node.window:
            self._follow_conv(node, noise, signal)
            return
        self.draw(matrix.index, sum(code != 0 for code in codes))
        for group, lanes in self.groups(matrix.units):
            update, word = UpdatePass(self.design.weight_banks), 0
            self.count(phase, slot, C.CYCLES)
            self.count(phase, slot, C.OUTPUT_READ, lanes.stop - lanes.start)
            for row, accessed in self.row_slots(codes, biased=False):
                self.count(phase, slot, C.ERROR_READ)
                if not accessed:
                    update.idle()
                    continue
                update.row(group * matrix.rows + row)
                if codes[row]:
                    self.write_row(matrix, row, word, lanes, lanes_of[lanes] * codes[row], group)
                    word += 1
                else:  # written back as it is, without a word
                    self.stored(matrix, group * matrix.rows + row)
                    self.count(phase, slot, C.UPDATE, lanes.stop - lanes.start)
            self.finish_pass(phase, slot, update)

    def _follow_conv(self, node: Weighted, noise: Codes, signal: Codes) -> None:
        slot = self.chip.slot(node.layer)
        matrix = self.chip.matrix(Kind.FEEDBACK, slot)
        self.draw(matrix.index, matrix.rows)
        for group, lanes in self.groups(matrix.units):
            for row in range(matrix.rows):
                steps = self.row_over_positions(noise, signal[..., lanes], node, row, (matrix, C.OUTPUT_READ))
                self.count(Phase.FEEDBACK, slot, C.CYCLES, WRITE_DELAY)
                self.write_row(matrix, row, row, lanes, steps, group)
