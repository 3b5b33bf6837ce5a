"""The compiled integer datapath: what `run` trains with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.layout import Storage, forward_kind, update_kind
from neuro_emu.datapath.program import record
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.epoch import run_block
from neuro_emu.kernels.events import list_events
from neuro_emu.kernels.update import leap_table
from neuro_emu.machine.activity import LayerActivity, counts_of
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Counts
from neuro_emu.machine.design import WRITE_DELAY, ZeroInput
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import TALLIES, ChipState
from neuro_emu.numerics.modes import Rounding, WordSource
from neuro_emu.numerics.ops import bit_reverse, draw
from neuro_emu.numerics.tables import activation_table, derivative_table


def aligned_zeros(size: int, dtype: type, boundary: int = 64) -> NDArray[Any]:
    """Zeros that start on a cache line: rows that straddle lines cost a quarter of the forward pass."""
    raw = np.zeros(size * np.dtype(dtype).itemsize + boundary, dtype=np.uint8)
    start = -raw.ctypes.data % boundary
    return raw[start : start + size * np.dtype(dtype).itemsize].view(dtype)


class FastDatapath:
    """A chip's state in the layout of the compiled loops.

    Args:
        chip: what to emulate.
        state: where to start; copied. :meth:`state` returns the present one.

    """

    def __init__(self, chip: Chip, state: ChipState) -> None:
        self.chip = chip
        self._storage = [Storage.of(layer) for layer in chip.network.layers]
        sizes = [st.length * st.positions for st in self._storage]
        self._offsets: list[int] = np.cumsum([0, *sizes]).tolist()
        self._epoch = state.epoch
        self._fill = state.batch_fill
        self._listed: dict[int, tuple[NDArray[Any], fb.Events]] = {}
        self._program = record(chip)
        self._fabric = fb.Fabric(
            layers=self._layer_table(),
            constants=self._constants(),
            memory=self._memory(state),
            geometry=self._geometry(),
            scratch=self._scratch(self._program.registers),
            activity=self.new_activity(),
            program=self._program.code,
        )
        self.begin_epoch(state.epoch)

    def _layers(self) -> Iterator[tuple[DenseLayer, Storage]]:
        return zip(self.chip.network.layers, self._storage, strict=True)

    def _layer_table(self) -> fb.Int64:
        table = np.zeros((len(self._storage), fb.LAYER_COLUMNS), dtype=np.int64)
        for k, (layer, storage) in enumerate(self._layers()):
            columns = {
                fb.ROWS: layer.rows,
                fb.UNITS: layer.units,
                fb.OFFSET: self._offsets[k],
                fb.ROW_STEP: 1 if storage.columns else storage.positions,
                fb.UNIT_STEP: storage.length if storage.columns else 1,
                fb.POSITIONS: storage.positions,
                fb.BIAS: layer.bias_code,
                fb.FORWARD_KIND: forward_kind(self.chip, layer, storage),
                fb.PREACTIVATION_SHIFT: layer.preactivation_shift,
                fb.DELTA_LOW: layer.delta.low,
                fb.DELTA_HIGH: layer.delta.high,
                fb.PROJECTION_LOW: layer.projection.low,
                fb.PROJECTION_HIGH: layer.projection.high,
                fb.WEIGHT_LOW: layer.weight.low,
                fb.WEIGHT_HIGH: layer.weight.high,
            }
            table[k, list(columns)] = list(columns.values())
        return table

    def _constants(self) -> fb.Int64:
        chip, output = self.chip, self.chip.network.output
        numerics, learning, design = chip.numerics, chip.learning, chip.design
        values = {
            fb.ROUNDING: numerics.update_rounding.code,
            fb.OVERFLOW: numerics.overflow.code,
            fb.WORD_SOURCE: numerics.word_source.code,
            fb.ACCUMULATOR_LOW: -numerics.accumulator_high - 1,
            fb.ACCUMULATOR_HIGH: numerics.accumulator_high,
            fb.ACCUMULATOR_MODE: numerics.accumulator_overflow.code,
            fb.GATED: int(learning.error_gate is not None),
            fb.ERROR_GATE: learning.error_gate or 0,
            fb.DEAD_ZONE: learning.sign_dead_zone,
            fb.HOT: chip.network.hot,
            fb.DELTA_SHIFT: output.output.frac - output.delta.frac,
            fb.BATCH: learning.batch,
            fb.STRICT: int(numerics.strict),
            fb.LANES: design.lanes,
            fb.BANKS: design.weight_banks,
            fb.WRITE_DELAY: WRITE_DELAY,
            fb.GATED_ROWS: int(design.zero_input is ZeroInput.GATE),
        }
        return np.array([values[n] for n in range(fb.CONSTANTS)], dtype=np.int64)

    def _code_type(self) -> type:
        """Return the type of input and output codes: an unsigned 32-bit format needs more than int32."""
        widest = max(max(la.input.high, la.output.high) for la in self.chip.network.layers)
        return np.int32 if widest < 1 << 31 else np.int64

    def _view(self, k: int, arena: fb.Arena) -> fb.Arena:
        """Layer k of a flat arena as (rows, positions)."""
        layer, storage = self.chip.network.layers[k], self._storage[k]
        flat = arena[self._offsets[k] : self._offsets[k + 1]]
        if storage.columns:
            return flat.reshape(storage.positions, storage.length)[:, : layer.rows].T
        return flat.reshape(layer.rows, storage.positions)

    def _memory(self, state: ChipState) -> fb.Memory:
        layers = self.chip.network.layers
        width = np.int16 if all(la.weight.bits <= 16 and la.weight.high < 1 << 15 for la in layers) else np.int32
        weights = aligned_zeros(self._offsets[-1], width)
        batch = self.chip.learning.batch > 1
        gradients = np.zeros(self._offsets[-1] if batch else 1, dtype=np.int64)
        for k, storage in enumerate(self._storage):
            self._view(k, weights)[:, storage.position] = state.weights[k]
            if batch:
                self._view(k, gradients)[:, storage.position] = state.gradients[k]
        widest = max(la.units for la in layers)
        feedback = np.zeros((len(layers), self.chip.network.classes, widest), dtype=np.int32)
        for k, matrix in enumerate(state.feedback):
            feedback[k, :, : matrix.shape[1]] = matrix
        return fb.Memory(
            weights,
            gradients,
            feedback,
            state.row_registers.copy(),
            state.lane_registers.copy(),
            leap_table(),
        )

    def _geometry(self) -> fb.Geometry:
        layers = self.chip.network.layers
        broadest = max(st.positions for st in self._storage)
        tables = [
            [
                activation_table(la.activation, la.table_frac, la.output),
                derivative_table(la.activation, la.table_frac),
            ]
            for la in layers
        ]
        geometry = fb.Geometry(
            position=np.zeros((len(layers), max(la.units for la in layers)), dtype=np.int32),
            masks=np.zeros((len(layers), broadest), dtype=np.int64),
            masks16=np.zeros((len(layers), broadest), dtype=np.int16),
            masks32=np.zeros((len(layers), broadest), dtype=np.int32),
            tables=np.array(tables, dtype=self._code_type()),
        )
        numerics = self.chip.numerics
        masked = numerics.update_rounding is Rounding.STOCH and numerics.word_source is not WordSource.RAW
        for k, (layer, storage) in enumerate(self._layers()):
            geometry.position[k, : layer.units] = storage.position
            if masked:
                geometry.masks[k, storage.position] = [bit_reverse(j) for j in range(layer.units)]
        return geometry

    def _scratch(self, registers: int) -> fb.Scratch:
        layers = self.chip.network.layers
        n = len(layers)
        widest = max(la.units for la in layers)
        rows = max(widest + 1, *(la.rows for la in layers)) + fb.PADDING
        positions = max(st.positions for st in self._storage)
        longest = max(st.length for st in self._storage)
        return fb.Scratch(
            codes=np.zeros((n + 1, rows), dtype=self._code_type()),
            lists=np.zeros((n, 3, rows), dtype=self._code_type()),
            active=np.zeros((n, 2), dtype=np.int64),
            sums=np.zeros((n, positions), dtype=np.int64),
            preactivation=np.zeros((n, widest), dtype=np.int32),
            signals=np.zeros((registers, widest), dtype=np.int64),
            delta16=np.zeros(positions, dtype=np.int16),
            words=np.zeros(rows, dtype=np.uint32),
            codes16=np.zeros(longest, dtype=np.int16),
            draws=np.zeros(longest, dtype=np.int32),
            sums16=np.zeros((3, 2, fb.CHUNK), dtype=np.int16),
            halves16=np.zeros((2, positions), dtype=np.int16),
            limits=np.zeros(5, dtype=np.int64),
            banks=np.zeros((2, self.chip.design.weight_banks), dtype=np.int64),
        )

    def new_activity(self) -> fb.Activity:
        """Return counters at zero."""
        layers = self.chip.network.layers
        return fb.Activity(
            events=np.zeros((len(layers), len(TALLIES)), dtype=np.int64),
            hits=np.zeros((2, len(layers), max(la.rows for la in layers)), dtype=np.int64),
            totals=np.zeros((len(layers), 4), dtype=np.int64),
        )

    def samples(
        self,
        codes: NDArray[Any],
        labels: NDArray[np.uint8],
        order: fb.Int64,
        *,
        learn: bool,
        flush: bool = True,
    ) -> fb.Samples:
        """Prepare data for :meth:`train` or :meth:`infer`; the lists of active rows are made once per array.

        Args:
            codes: (samples, inputs) input codes.
            labels: (samples,) classes.
            order: sample numbers in the order of presentation.
            learn: whether the chip learns from them.
            flush: whether a short batch is applied at the end of a block.

        """
        if id(codes) not in self._listed:  # the array is kept beside its lists, so its id stays taken
            self._listed[id(codes)] = (codes, list_events(codes, self._fabric.constants))
        predictions = np.zeros(len(order), dtype=np.int64)
        return fb.Samples(codes, labels, self._listed[id(codes)][1], order, predictions, int(learn), int(flush))

    @property
    def activity(self) -> fb.Activity:
        """Counters of the training so far."""
        return self._fabric.activity

    def counts(self, activity: fb.Activity, *, learning: bool) -> Counts:
        """Return cycles and accesses of everything counted in *activity*, training or inference samples."""
        layers = []
        for k, totals in enumerate(activity.totals.tolist()):
            gated = self.chip.learning.error_gate is not None
            learned = activity.hits[fb.LEARNED if gated else fb.FORWARDS, k]
            forwards, trained, stalls, applied = totals
            layers.append(LayerActivity(forwards, activity.hits[fb.FORWARDS, k], trained, learned, stalls, applied))
        return counts_of(self.chip, layers, self._program.operations, learning=learning)

    def begin_epoch(self, epoch: int) -> None:
        """Set the shifts of *epoch* and, with them, the update kernels."""
        self._epoch = epoch
        table, geometry = self._fabric.layers, self._fabric.geometry
        for k, (layer, storage) in enumerate(self._layers()):
            shift = self.chip.update_shift(layer, epoch)
            kind, split, levels = update_kind(self.chip, layer, storage, shift)
            table[k, [fb.UPDATE_KIND, fb.SHIFT, fb.SPLIT, fb.LEVELS]] = kind, shift, split, levels
            masks = geometry.masks[k].tolist()
            if kind == fb.UPDATE_ROWS16:
                geometry.masks16[k] = [draw(mask, shift - split) for mask in masks]
            elif kind in {fb.UPDATE_ROWS32, fb.UPDATE_COLUMNS32}:
                geometry.masks32[k] = [draw(mask, shift) for mask in masks]

    def train(self, samples: fb.Samples, start: int, stop: int) -> int:
        """Train on ``samples.order[start:stop]``; returns how many were done (see ``strict``)."""
        done: int = run_block(self._fabric, samples, start, stop, self._fill)
        self._fill = 0 if samples.flush else (self._fill + done) % self.chip.learning.batch
        return done

    def infer(self, samples: fb.Samples, start: int, stop: int, activity: fb.Activity) -> int:
        """Forward passes over ``samples.order[start:stop]``, counted in *activity*."""
        done: int = run_block(self._fabric._replace(activity=activity), samples, start, stop, 0)
        return done

    def state(self) -> ChipState:
        """Return a copy of the present state in canonical layout."""
        memory, layers = self._fabric.memory, self.chip.network.layers
        batch = self.chip.learning.batch > 1

        def canonical(k: int, arena: fb.Arena, dtype: type) -> NDArray[Any]:
            return np.ascontiguousarray(self._view(k, arena)[:, self._storage[k].position], dtype=dtype)

        return ChipState(
            weights=[canonical(k, memory.weights, np.int32) for k in range(len(layers))],
            feedback=[memory.feedback[la.index, :, : la.units].copy() for la in self.chip.network.hidden],
            gradients=[canonical(k, memory.gradients, np.int64) for k in range(len(layers))] if batch else [],
            row_registers=memory.row_registers.copy(),
            lane_registers=memory.lane_registers.copy(),
            epoch=self._epoch,
            batch_fill=self._fill,
        )
