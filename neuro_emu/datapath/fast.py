"""The compiled integer datapath: what `run` trains with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.backends import PLAIN, PORTABLE, VECTOR, chosen_backend
from neuro_emu.datapath.layout import Storage, aligned_zeros, update_kind
from neuro_emu.datapath.online import OnlineChip
from neuro_emu.datapath.program import record
from neuro_emu.datapath.tables import constants_of, geometry_of, matrix_table, scratch_of
from neuro_emu.datapath.vector_run import VectorRun
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.epoch import run_block
from neuro_emu.kernels.events import list_events
from neuro_emu.kernels.update import leap_table
from neuro_emu.machine.activity import MatrixActivity, counts_of
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Counts
from neuro_emu.machine.matrices import Kind, Matrix, codes_of, put_codes
from neuro_emu.machine.targets import target_table
from neuro_emu.network.state import TALLIES, ChipState
from neuro_emu.numerics.ops import draw


def _registers(held: NDArray[np.int64]) -> NDArray[np.int64]:
    """Registers for the compiled loops, which want at least one."""
    return held.copy() if len(held) else np.zeros(1, dtype=np.int64)


class FastDatapath:
    """A chip's state in the layout of the compiled loops.

    Args:
        chip: what to emulate.
        state: where to start; copied. :meth:`state` returns the present one.
        backend: ``vector``, ``portable``, ``plain`` or ``auto``; all give the same integers.
        threads: used where the chip allows it; any number gives the same integers.

    Raises:
        RunError: if this processor has no code for the back-end.

    """

    def __init__(self, chip: Chip, state: ChipState, backend: str = "auto", threads: int = 1) -> None:
        chip.refuse_adam()
        self.chip = chip
        self.backend = chosen_backend(backend)
        self._storage = [Storage.of(matrix) for matrix in chip.matrices]
        sizes = [st.length * st.positions for st in self._storage]
        self._offsets: list[int] = np.cumsum([0, *sizes]).tolist()
        self._epoch = state.epoch
        self._fill = state.batch_fill
        self._listed: dict[int, tuple[NDArray[Any], fb.Events]] = {}
        self._program = record(chip)
        self._noises, self._dropouts = len(state.noise_registers), len(state.dropout_registers)
        self._targets = target_table(chip)
        self._fixed_rows = [0 if u.learned else len(b) for u, b in zip(chip.plan.feedback, state.feedback, strict=True)]
        self._fabric = fb.Fabric(
            layers=matrix_table(chip, self._storage, self._offsets, plain=self.backend == PLAIN),
            constants=constants_of(chip),
            memory=self._memory(state),
            geometry=geometry_of(chip, self._storage),
            scratch=scratch_of(chip, self._storage, self._program),
            activity=self.new_activity(),
            program=self._program.code,
            mirror=self._program.mirror,
        )
        self._threads = threads
        self._vector: VectorRun | None = None
        if self.backend == VECTOR:
            online = OnlineChip.of(chip, self._storage, self._program)
            self._vector = VectorRun(online, state, self._fabric, threads) if online else None
        self.begin_epoch(state.epoch)

    @property
    def runs(self) -> str:
        """Back-end that trains in this epoch: chips without vector code run on the portable kernels."""
        vector = self._vector is not None and self._vector.trains
        return VECTOR if vector else PORTABLE if self.backend == VECTOR else self.backend

    @property
    def threads(self) -> int:
        """Threads that may work: those asked for where there is vector code, else one."""
        return self._threads if self._vector else 1

    def _stored(self) -> Iterator[tuple[Matrix, Storage]]:
        return zip(self.chip.matrices, self._storage, strict=True)

    def _view(self, m: int, arena: fb.Arena) -> fb.Arena:
        """Matrix m of a flat arena as (rows, positions)."""
        matrix, storage = self.chip.matrices[m], self._storage[m]
        flat = arena[self._offsets[m] : self._offsets[m + 1]]
        if storage.columns:
            return flat.reshape(storage.positions, storage.length)[:, : matrix.rows].T
        return flat.reshape(matrix.stored_rows, storage.positions)[: matrix.rows]

    def _memory(self, state: ChipState) -> fb.Memory:
        matrices = self.chip.matrices
        weights = aligned_zeros(self._offsets[-1], np.int16 if all(m.format.bits <= 16 for m in matrices) else np.int32)
        batch, moving = self.chip.learning.sums, self.chip.learning.momentum is not None
        gradients = np.zeros(self._offsets[-1] if batch else 1, dtype=np.int64)
        velocities = np.zeros(self._offsets[-1] if moving else 1, dtype=np.int32)
        for matrix, storage in self._stored():
            m = matrix.index
            self._view(m, weights)[:, storage.position] = codes_of(state, matrix)
            if batch and state.gradients[m].size:
                self._view(m, gradients)[:, storage.position] = state.gradients[m]
            if moving and state.velocities[m].size:
                self._view(m, velocities)[:, storage.position] = state.velocities[m]
        widest = max(la.units for la in self.chip.network.layers)
        fixed = [b for b, use in zip(state.feedback, self.chip.plan.feedback, strict=True) if not use.learned]
        rows = max([1, *(len(b) for b in fixed)])
        feedback = np.zeros((len(self.chip.network.layers), rows, widest), dtype=np.int32)
        for k, (codes, use) in enumerate(zip(state.feedback, self.chip.plan.feedback, strict=True)):
            if not use.learned:
                feedback[k, : codes.shape[0], : codes.shape[1]] = codes
        return fb.Memory(
            weights,
            gradients,
            velocities,
            feedback,
            state.row_registers.copy(),
            state.lane_registers.copy(),
            _registers(state.noise_registers),
            _registers(state.dropout_registers),
            np.array([state.samples, state.updates, state.mirrored], dtype=np.int64),
            leap_table(),
        )

    def new_activity(self) -> fb.Activity:
        """Return counters at zero."""
        matrices = self.chip.matrices
        return fb.Activity(
            events=np.zeros((len(self.chip.network.layers), len(TALLIES)), dtype=np.int64),
            hits=np.zeros((2, len(matrices), max(m.stored_rows for m in matrices) + fb.CHUNK), dtype=np.int64),
            totals=np.zeros((len(matrices), 7), dtype=np.int64),
        )

    def samples(
        self,
        codes: NDArray[Any],
        labels: NDArray[np.uint8],
        order: fb.Int64,
        *,
        learn: bool,
        flush: bool = True,
        targets: NDArray[np.int32] | None = None,
        outputs: bool = False,
    ) -> fb.Samples:
        """Prepare data for :meth:`train` or :meth:`infer`; the lists of active rows are made once per array.

        Args:
            codes: (samples, inputs) input codes.
            labels: (samples,) classes.
            order: sample numbers in the order of presentation.
            learn: whether the chip learns from them.
            flush: whether a short batch is applied at the end of a block.
            targets: (samples, outputs) target codes, for regression.
            outputs: whether y_K of each sample is wanted.

        """
        if id(codes) not in self._listed:  # the array is kept beside its lists, so its id stays taken
            self._listed[id(codes)] = (codes, list_events(codes, self._fabric.constants))
        predictions = np.zeros(len(order), dtype=np.int64)
        kept = np.zeros((len(order) if outputs else 0, self.chip.network.classes), dtype=np.int64)
        events, aims = self._listed[id(codes)][1], self._targets if targets is None else targets
        return fb.Samples(codes, labels, aims, events, order, predictions, kept, int(learn), int(flush))

    @property
    def activity(self) -> fb.Activity:
        """Counters of the training so far."""
        return self._fabric.activity

    def counts(self, activity: fb.Activity, *, learning: bool) -> Counts:
        """Return cycles and accesses of everything counted in *activity*, training or inference samples."""
        found = []
        for m, totals in enumerate(activity.totals.tolist()):
            forwards, trained, stalls, *rest = totals
            hits = activity.hits[:, m]
            found.append(MatrixActivity(forwards, hits[fb.FORWARDS], trained, hits[fb.LEARNED], stalls, *rest))
        return counts_of(self.chip, found, learning=learning)

    def begin_epoch(self, epoch: int) -> None:
        """Set the shifts of *epoch* and, with them, the update kernels."""
        self._epoch = epoch
        table, geometry, learning = self._fabric.layers, self._fabric.geometry, self.chip.learning
        for place, decay in ((fb.WEIGHT_DECAY, learning.weight_decay), (fb.FEEDBACK_DECAY, learning.feedback_decay)):
            self._fabric.constants[place] = decay.shift_at(epoch) if decay else 0
        for k, (matrix, storage) in enumerate(self._stored()):
            shift = self.chip.shift_of(matrix, epoch)
            plain = self.backend == PLAIN
            kind, split, levels = update_kind(self.chip, matrix, storage, shift, plain=plain)
            table[k, [fb.UPDATE_KIND, fb.SHIFT, fb.SPLIT, fb.LEVELS]] = kind, shift, split, levels
            if self.chip.has_velocity(matrix):
                table[k, [fb.VELOCITY_SHIFT, fb.STEP_SHIFT]] = self.chip.velocity_shifts(matrix, epoch)
            masks = geometry.masks[k].tolist()
            if kind == fb.UPDATE_ROWS16:
                geometry.masks16[k] = [draw(mask, shift - split) for mask in masks]
            elif kind in {fb.UPDATE_ROWS32, fb.UPDATE_COLUMNS32}:
                geometry.masks32[k] = [draw(mask, shift) for mask in masks]
        if self._vector:
            self._vector.begin_epoch(epoch)

    def train(self, samples: fb.Samples, start: int, stop: int) -> int:
        """Train on ``samples.order[start:stop]``; returns how many were done (see ``strict``)."""
        if self._vector and self._vector.trains:
            done = self._vector.train(samples, start, stop, self._fill)
        else:
            if self._vector:
                self._vector.leave()
            done = int(run_block(self._fabric, samples, start, stop, self._fill))
        self._fill = 0 if samples.flush else (self._fill + done) % self.chip.learning.batch
        return done

    def infer(self, samples: fb.Samples, start: int, stop: int, activity: fb.Activity) -> int:
        """Forward passes over ``samples.order[start:stop]``, counted in *activity*."""
        if self._vector:
            return self._vector.infer(samples, start, stop, activity)
        done: int = run_block(self._fabric._replace(activity=activity), samples, start, stop, 0)
        return done

    def state(self) -> ChipState:
        """Return a copy of the present state in canonical layout."""
        if self._vector:
            self._vector.copy_back()
        memory, layers = self._fabric.memory, self.chip.network.layers
        batch, moving = self.chip.learning.sums, self.chip.learning.momentum is not None

        def canonical(matrix: Matrix, arena: fb.Arena, dtype: type) -> NDArray[Any]:
            m = matrix.index
            return np.ascontiguousarray(self._view(m, arena)[:, self._storage[m].position], dtype=dtype)

        state = ChipState(
            weights=[canonical(self.chip.matrices[k], memory.weights, np.int32) for k in range(len(layers))],
            feedback=[memory.feedback[k, :n, : layers[k].units].copy() for k, n in enumerate(self._fixed_rows)],
            gradients=[self._sums(matrix, canonical) for matrix in self.chip.matrices] if batch else [],
            row_registers=memory.row_registers.copy(),
            lane_registers=memory.lane_registers.copy(),
            epoch=self._epoch,
            batch_fill=self._fill,
            forward=[np.zeros((0, la.units), dtype=np.int32) for la in layers[:-1]],
            classifiers=[np.zeros((0, layers[-1].units), dtype=np.int32) for _ in layers[:-1]],
            noise_registers=memory.noise_registers[: self._noises].copy(),
            dropout_registers=memory.dropout_registers[: self._dropouts].copy(),
            velocities=[self._speeds(matrix, canonical) for matrix in self.chip.matrices] if moving else [],
            samples=int(memory.progress[fb.SAMPLES]),
            updates=int(memory.progress[fb.WRITES]),
            mirrored=int(memory.progress[fb.MIRRORED]),
        )
        for matrix in self.chip.matrices[len(layers) :]:
            put_codes(state, matrix, canonical(matrix, memory.weights, np.int32))
        return state

    def _speeds(self, matrix: Matrix, canonical: Callable[[Matrix, fb.Arena, type], NDArray[Any]]) -> NDArray[np.int32]:
        if self.chip.has_velocity(matrix):
            return canonical(matrix, self._fabric.memory.velocities, np.int32)
        return np.zeros((0, 0), dtype=np.int32)

    def _sums(self, matrix: Matrix, canonical: Callable[[Matrix, fb.Arena, type], NDArray[Any]]) -> NDArray[np.int64]:
        if matrix.kind is Kind.WEIGHTS or self.chip.sums_gradients(matrix):
            return canonical(matrix, self._fabric.memory.gradients, np.int64)
        return np.zeros((0, 0), dtype=np.int64)
