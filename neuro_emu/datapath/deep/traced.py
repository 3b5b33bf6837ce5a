"""The traced datapath of graphs: the same integers as the compiled one, in the order of the machine.

Slow on purpose: every cycle and every access is counted where it happens (docs/machine.md), and every value is made by
the definitions in :mod:`neuro_emu.numerics.ops`.
"""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.deep.ops import Kept
from neuro_emu.datapath.deep.traced_base import Array
from neuro_emu.datapath.deep.traced_maps import TracedMaps
from neuro_emu.datapath.deep.traced_norm import TracedNorm
from neuro_emu.datapath.deep.traced_rules import TracedRules
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.shapes import Shape


class TracedOps(TracedRules, TracedMaps, TracedNorm):
    """See :class:`neuro_emu.datapath.deep.ops.Ops`.

    Args:
        chip: what to emulate.
        state: its state, which is changed in place.

    Raises:
        RunError: if the chip has settings that the integers of graphs do not have.

    """

    def begin_epoch(self, epoch: int) -> None:
        """See :class:`Ops`."""
        self.state.epoch = epoch

    def load(self, codes: Array) -> Array:
        """See :class:`Ops`."""
        self._samples = len(codes)
        if self.learning:
            self._folded.clear()
        for _ in range(codes.size):
            for component in (C.CYCLES, C.INPUT_WRITE):
                self.count(Phase.LOAD, 0, component)
        return codes.astype(np.int16).reshape(len(codes), *self.graph.input_shape)

    def shaped(self, y: Array, to: Shape) -> Array:
        """See :class:`Ops`."""
        return y.reshape(len(y), *to)

    def select(self, values: Array, kept: Kept) -> Array:
        """See :class:`Ops`."""
        return values[kept]

    def learn(self, h: Array, d: Array, node: Weighted) -> None:
        """See :class:`Ops`."""
        self.write(Kind.WEIGHTS, node.layer, self.gradient(h, d, node))
