"""Mirror mode of the integer datapath of graphs: feedback learns from noise, between batches (docs/deep.md, 3.2)."""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.deep.core import Array, Core
from neuro_emu.kernels.deep import match as kn
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.state import DELTA_OVF, PREACTIVATION_OVF


class Mirroring(Core):
    """What of :class:`neuro_emu.datapath.deep.ops.Ops` is mirror mode."""

    def mirror(self, samples: int) -> None:
        """See :class:`Ops`."""
        steps = self.chip.mirror_steps(self.state.samples - samples, self.state.samples)
        mirrored = [la for la in self.chip.graph.layers if self.chip.readings[la.layer].mirror]
        driven = [(node, *self._drive(node, steps)) for node in mirrored]
        for step in range(steps):
            for node, noise, signal in driven:
                self._follow(node, noise[step : step + 1], signal[step : step + 1])
            self.state.mirrored += 1
            self.writer.decay_feedback(self.state.mirrored)

    def _drive(self, node: Weighted, steps: int) -> tuple[Array, Array]:
        """Noise in place of what a layer sees, one map a step, and what follows from it; its bias is blocked."""
        slot = self.chip.slot(node.layer)
        noise = np.empty((steps, *node.seen), dtype=np.int16)
        register = self.state.noise_registers[slot : slot + 1]
        kn.make_noise(self.chip.noise_amplitude(node.layer), register, noise.reshape(-1))
        z = self.patches_product(noise, node, self.state.weights[node.layer][: node.depth])
        if node.window:  # activation and norm are blocked too
            return noise, self.requantise(z, node.sum_frac, node.sum_error, node.layer, DELTA_OVF)
        q = self.requantise(z, node.sum_frac, node.preactivation, node.layer, PREACTIVATION_OVF)
        rest = self.activate(np.zeros((1, 1), dtype=np.int16), node)
        return noise, self.activate(q, node).astype(np.int32) - int(rest[0, 0])

    def _follow(self, node: Weighted, noise: Array, signal: Array) -> None:
        """One step: B ← B + R(signal ⊗ noise); rows of a dense layer's whose signal is 0 are left out."""
        matrix = self.chip.matrix(Kind.FEEDBACK, self.chip.slot(node.layer))
        if node.window:
            rows, sums = np.arange(matrix.rows), self.gradient(noise, signal, node)[: node.depth]
        else:
            flat = signal.reshape(-1).astype(np.int64)
            rows = np.flatnonzero(flat)
            sums = flat[rows, None] * noise.reshape(1, -1)
        self.writer.write_some(matrix, rows, sums)
        self.forget(matrix)
