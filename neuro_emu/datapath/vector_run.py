"""Blocks of samples in vector code, on one thread or several."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from neuro_emu.datapath.online import OnlineChip
from neuro_emu.datapath.sheets import batch_of, desk_of, set_masks, sheet_of
from neuro_emu.datapath.tiles import Bench, TiledTraining
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.events import flag_row
from neuro_emu.kernels.online_block import run_batches, run_online
from neuro_emu.kernels.vector.flags import count_active
from neuro_emu.network.state import ChipState


class VectorRun:
    """Runs blocks of samples in vector code on a fabric whose weights it shares.

    Weights of 8 bits live on the sheet while vector blocks run; :meth:`enter` and :meth:`leave` bring them over.
    """

    def __init__(self, online: OnlineChip, state: ChipState, fabric: fb.Fabric, threads: int = 1) -> None:
        self._online, self._fabric, self._threads = online, fabric, threads
        self._sheet = sheet_of(online, state, len(fabric.memory.weights), fabric.geometry)
        self._desk = desk_of(online)
        self._batch = batch_of(online, self._desk)
        self._entered = False
        self._tiled = TiledTraining(fabric, self._sheet, self._desk, threads) if self._tiles() else None
        self._learns = [m for m in range(online.last) if online.origins[m].kind != sh.FROZEN]
        self.trains = False
        narrow = [m for m in online.chip.matrices if online.bytes_of(m) == 1]
        starts = [int(fabric.layers[m.index, fb.OFFSET]) for m in narrow]
        sizes = [m.stored_rows * online.storages[m.index].positions for m in narrow]
        self._narrow = [slice(a, a + n) for a, n in zip(starts, sizes, strict=True)]

    def _tiles(self) -> bool:
        """Whether hidden layers wait for nothing but the label, so that threads can share them."""
        alone = all(origin.kind in {sh.FROZEN, sh.FROM_LABEL} for origin in self._online.origins)
        learning = self._online.chip.learning
        gated = learning.error_gate is not None
        return alone and self._threads > 1 and not (gated or learning.weight_decay or learning.sums)

    def begin_epoch(self, epoch: int) -> None:
        """Take over the shifts of *epoch* from the fabric."""
        self.trains = self._online.fits_epoch(epoch)
        if self.trains:
            set_masks(self._online, epoch, self._fabric.layers, self._fabric.geometry, self._sheet)

    def enter(self) -> None:
        """Bring narrow weights onto the sheet."""
        if not self._entered:
            for part in self._narrow:
                self._sheet.weights8[part] = self._fabric.memory.weights[part]
            self._entered = True

    def copy_back(self) -> None:
        """Bring narrow weights back to the fabric; the sheet stays in charge."""
        if self._entered:
            for part in self._narrow:
                self._fabric.memory.weights[part] = self._sheet.weights8[part]

    def leave(self) -> None:
        """Give the weights back to the fabric."""
        self.copy_back()
        self._entered = False

    def train(self, samples: fb.Samples, start: int, stop: int, fill: int) -> int:
        """Train on ``samples.order[start:stop]``, *fill* samples being in the batch already; returns how many."""
        self.enter()
        hits = self._fabric.activity.hits
        before = hits[fb.FORWARDS].copy()
        if self._tiled:
            done = self._tiled.train(samples, start, stop)
        elif self._online.chip.learning.batch > 1:
            done = int(run_batches(self._fabric, self._sheet, self._desk, self._batch, samples, start, stop, fill))
        else:
            done = int(run_online(self._fabric, self._sheet, self._desk, samples, start, stop))
        self._count_inputs(samples, start, start + done, hits)
        # Every sample that is learned from is presented just before, so both have the same active rows.
        gained = hits[fb.FORWARDS] - before
        gated = bool(self._fabric.constants[fb.GATED])
        for m in [self._online.last, *([] if gated else self._learns)]:
            hits[fb.LEARNED, m] += gained[m]
        return done

    def _count_inputs(self, samples: fb.Samples, start: int, stop: int, hits: fb.Int64) -> None:
        """Count the active rows of layer 0; that of the bias always is."""
        inputs = samples.codes.shape[1]
        row = flag_row(inputs)
        counts = np.zeros(8 * row, dtype=np.int64)
        count_active(samples.events.flags, row, samples.order, start, stop, counts)
        hits[fb.FORWARDS, 0, :inputs] += counts[:inputs]
        hits[fb.FORWARDS, 0, inputs] += stop - start

    def infer(self, samples: fb.Samples, start: int, stop: int, activity: fb.Activity) -> int:
        """Forward passes over ``samples.order[start:stop]``, counted in *activity*; threads share the samples."""
        self.enter()
        self._count_inputs(samples, start, stop, activity.hits)
        fabric = self._fabric._replace(activity=activity)
        if self._threads == 1:
            return int(run_online(fabric, self._sheet, self._desk, samples, start, stop))
        benches = [Bench.beside(fabric, self._sheet, self._desk) for _ in range(self._threads)]
        borders = np.linspace(start, stop, self._threads + 1).astype(int).tolist()

        def part(bench: Bench, first: int, last: int) -> int:
            return int(run_online(bench.fabric, bench.sheet, bench.desk, samples, first, last))

        with ThreadPoolExecutor(self._threads) as pool:
            done = sum(pool.map(part, benches, borders[:-1], borders[1:]))
        for bench in benches:
            for total, counted in zip(activity, bench.fabric.activity, strict=True):
                np.add(total, counted, out=total)
        return done
