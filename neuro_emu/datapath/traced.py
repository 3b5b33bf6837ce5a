"""The traced datapath: the same integers as the compiled one, group by group and row by row.

Slow on purpose: every access goes through a counted port and every intermediate value can be recorded. The rule's body
is executed once per group, as the hardware would.
"""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.traced_base import Record, Signal, ignore
from neuro_emu.datapath.traced_writes import TracedWrites
from neuro_emu.datapath.words import WordTap
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import ChipState, Int64
from neuro_emu.rules import Datapath, Need


class TracedDatapath(TracedWrites):
    """Executes a chip sample by sample.

    Args:
        chip: what to emulate.
        state: where to start; copied.
        record: receives every intermediate vector: input, label, z, q, y, error, delta, signal, projection and its
            exact sum (projected); sums that left an accumulator's range, exact (overflowed); per updated group the
            lanes' deltas (lanes), shift, weights (held) and mini-batch sums (gradients) before a write, (rows, lanes),
            its stalls if any (stalled) and its end (updated, empty); per row its words and what is written: weights,
            kept (a row of code 0 written back) or sums (of a mini-batch); samples of a mini-batch to write (batch).

    Attributes:
        row: row of the weight matrix that is being updated.
        state: the present state.
        counts: of training samples; ``inference_counts`` of the others.
        tally: overflows and zero updates; ``inference_tally`` likewise.

    """

    def __init__(self, chip: Chip, state: ChipState, record: Record = ignore) -> None:
        super().__init__(chip, state, record)
        self._queue = []
        self._mirroring = False

    def train(self, codes: Int64, label: int, target: Int64 | None = None) -> int:
        """Learn from one sample of input codes (inputs,); returns the prediction made before learning.

        Regression brings its *target* codes (outputs,) and needs no label.
        """
        self._begin(codes, learning=True)
        self._label = label
        self._target = self._targets[label] if target is None else target
        self.record("label", self.last, 0, np.array([label], dtype=np.int64))
        network, need = self.chip.network, self.chip.need
        self._words = WordTap(self.chip, self.state)
        for layer in network.layers:
            for group in self._groups(layer.units):
                self._forward(layer, group)
                if layer is not network.output and need is Need.LABEL:
                    self._learn(layer, group)
            self._carry_out()
        self._output_error()
        prediction = self._prediction()
        is_open = self._gate_open()
        deferred = self.chip.training_order if need >= Need.ERROR else (network.output.index,)
        for k in deferred:
            layer = network.layers[k]
            if layer is network.output or is_open:
                for group in self._groups(layer.units):
                    self._learn(layer, group)
            if self.chip.learning.rule.need is not Need.CHAIN:
                self._carry_out()
        self._carry_out()
        self._end_sample()
        return prediction

    def infer(self, codes: Int64) -> int:
        """Return the prediction for one sample; nothing is learned and nothing drawn."""
        self._begin(codes, learning=False)
        for layer in self.chip.network.layers:
            for group in self._groups(layer.units):
                self._forward(layer, group)
        return self._prediction()

    @property
    def outputs(self) -> Int64:
        """Codes y_K (outputs,) of the present sample."""
        return self._codes[-1].copy()

    def end_epoch(self) -> None:
        """Apply a short last batch."""
        if self.state.batch_fill:
            self._learning = True
            self._apply_batch()
            self._written()
        self.state.epoch += 1

    def _begin(self, codes: Int64, *, learning: bool) -> None:
        self._learning = learning
        self._made = {}
        inputs = self.chip.network.inputs
        self._count(Phase.LOAD, 0, C.CYCLES, inputs)
        self._count(Phase.LOAD, 0, C.INPUT_WRITE, inputs)
        units = [la.units for la in self.chip.network.layers]
        self._codes = [np.asarray(codes, dtype=np.int64), *(np.zeros(n, dtype=np.int64) for n in units)]
        self.record("input", 0, 0, self._codes[0])

    def _prediction(self) -> int:
        if self.chip.learning.targets.regression:
            return 0
        if self.chip.learning.targets.hot > 1:
            return int(np.argmax((self._targets > 0) @ self._codes[-1]))
        return int(np.argmax(self._z[-1]))  # the first of equal maxima

    def _learn(self, layer: DenseLayer, group: int) -> None:
        self._group = group
        datapath: Datapath[Signal] = self
        rule = self.chip.learning.rule
        body = rule.output if layer is self.chip.network.output else rule.learn
        body(datapath, layer.index)

    def _end_sample(self) -> None:
        self.state.samples += 1
        if not self.chip.learning.sums:
            self._written()
        else:
            self.state.batch_fill += 1
            if self.state.batch_fill == self.chip.learning.batch:
                self._apply_batch()
                self._written()
        mirror = self.chip.learning.mirror
        if self.chip.learning.rule.mirror and self.state.samples % mirror.every == 0:
            for _ in range(mirror.steps):
                self._mirror_step()

    def _mirror_step(self) -> None:
        """One step of mirror mode in all hidden layers."""
        self._mirroring, self._made = True, {}
        self._words = WordTap(self.chip, self.state)
        datapath: Datapath[Signal] = self
        assert self.chip.learning.rule.mirror
        for layer in self.chip.network.hidden:
            for group in self._groups(layer.units):
                self._group = group
                self.chip.learning.rule.mirror(datapath, layer.index)
            self._carry_out()
        self._mirroring = False
        self.state.mirrored += 1
        self._decay_feedback(self.state.mirrored)
