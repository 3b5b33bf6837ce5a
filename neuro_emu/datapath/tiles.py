"""Threads for rules whose hidden layers wait for nothing but the label: tiles of neurons side by side.

A task is one tile of a hidden layer, or the last layer, over one block of samples. It waits for the same tile's block
before and for all tiles of the layer below, nothing else. Every tile has counters, random words, working registers
and weights of its own, so the integers are those of one thread, whatever the number of threads. The weights of a tile
are copied out and back around every call: as neighbours in memory they would travel from core to core.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Condition
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.layout import aligned_copy
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.online_block import run_hidden, run_last
from neuro_emu.kernels.streams import close_stream, open_streams

BLOCK = 1000
"""Samples of a block: some milliseconds of work, little to hold."""
HELD = 4
"""Blocks that lower layers may be ahead."""
_UNIT = 64  # tiles begin at multiples of a vector tile


@dataclass
class Bench:
    """What one tile works with: a chip of its own except for weights, tables and data."""

    fabric: fb.Fabric
    sheet: sh.Sheet
    desk: sh.Desk

    @classmethod
    def beside(cls, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> Bench:
        """Return one with counters at 0."""
        scratch = fabric.scratch._replace(
            **{name: aligned_copy(array) for name, array in fabric.scratch._asdict().items()}
        )
        activity = fb.Activity(*(np.zeros_like(array) for array in fabric.activity))
        streams = {name: aligned_copy(getattr(sheet, name)) for name in ("words", "starts", "cursor")}
        return cls(
            fabric._replace(scratch=scratch, activity=activity),
            sheet._replace(**streams),
            desk._replace(**{name: aligned_copy(array) for name, array in desk._asdict().items()}),
        )


@dataclass
class Lane:
    """One tile of a layer, or the last layer, on its way through the blocks.

    Attributes:
        layer: which.
        tile: first position and end.
        bench: what it works with.
        home: thread that runs it if it can, for its weights are in that core's cache; −1: any.
        done: blocks finished.
        running: whether a thread is at it.

    """

    layer: int
    tile: tuple[int, int]
    bench: Bench
    home: int
    done: int = 0
    running: bool = False


class TiledTraining:
    """Trains on *threads* threads."""

    def __init__(self, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk, threads: int) -> None:
        self._fabric, self._threads = fabric, threads
        self._last = int(fabric.constants[fb.LAYERS]) - 1
        self._sheet, self._failed = sheet, False
        self._pool = ThreadPoolExecutor(max(threads - 1, 1))  # threads that stay find their caches warm
        self._lanes: list[Lane] = []
        for layer in range(self._last + 1):
            positions = int(fabric.layers[layer, fb.POSITIONS])
            tiles = 1
            while layer < self._last and tiles < threads and positions % (2 * tiles * _UNIT) == 0:
                tiles *= 2
            size = positions // tiles
            for number in range(tiles):
                home = number % threads if layer < self._last else -1
                tile = number * size, (number + 1) * size
                self._lanes.append(Lane(layer, tile, Bench.beside(fabric, sheet, desk), home))
        self._held = np.zeros((HELD, BLOCK, *desk.q.shape), dtype=np.int8)

    def train(self, samples: fb.Samples, start: int, stop: int) -> int:
        """Train on ``samples.order[start:stop]``; returns how many."""
        self._failed = False
        blocks = [(a, min(a + BLOCK, stop)) for a in range(start, stop, BLOCK)]
        for lane in self._lanes:
            lane.done = 0
            self._take(lane)
            open_streams(lane.bench.fabric, lane.bench.sheet)
        worker = partial(self._work, samples, blocks, Condition())
        others = [self._pool.submit(worker, number) for number in range(1, self._threads)]
        worker(0)
        for other in others:
            other.result()
        self._merge()
        return stop - start

    def _work(self, samples: fb.Samples, blocks: list[tuple[int, int]], turn: Condition, number: int) -> None:
        """Run what is ready until nothing is left; upper layers first, for they set blocks free."""
        upwards = sorted(self._lanes, key=lambda x: (x.home not in {-1, number}, -x.layer))
        while True:
            with turn:
                while True:
                    lane = next((x for x in upwards if self._ready(x, len(blocks))), None)
                    if lane or self._failed or all(x.done == len(blocks) for x in self._lanes):
                        break
                    turn.wait()
                if lane is None or self._failed:
                    return
                lane.running = True
            done = False
            try:
                self._run(lane, samples, blocks[lane.done])
                done = True
            finally:
                with turn:
                    lane.running, lane.done, self._failed = False, lane.done + 1, self._failed or not done
                    turn.notify_all()

    def _take(self, lane: Lane) -> None:
        """Give a tile its weights, row by row without those of its neighbours, and the settings of the epoch."""
        layers = self._fabric.layers.copy()
        bench, k = lane.bench, lane.layer
        if k < self._last:
            weights = np.ascontiguousarray(self._rows(k)[:, slice(*lane.tile)])
            layers[k, [fb.OFFSET, fb.ROW_STEP]] = -lane.tile[0], weights.shape[1]
            own = aligned_copy(weights).reshape(-1)
            if bench.sheet.plan[k, sh.BYTES] == 1:
                bench.sheet = bench.sheet._replace(weights8=own)
            else:
                bench.fabric = bench.fabric._replace(memory=bench.fabric.memory._replace(weights=own))
        bench.fabric = bench.fabric._replace(layers=layers)

    def _rows(self, k: int) -> NDArray[Any]:
        """(rows, positions) view of the weights of hidden layer k."""
        narrow = self._sheet.plan[k, sh.BYTES] == 1
        arena = self._sheet.weights8 if narrow else self._fabric.memory.weights
        rows, positions, at = (int(self._fabric.layers[k, c]) for c in (fb.ROWS, fb.POSITIONS, fb.OFFSET))
        return arena[at : at + rows * positions].reshape(rows, positions)

    def _give_back(self, lane: Lane) -> None:
        """Put the weights of a tile back among the others."""
        if lane.layer < self._last:
            target, bench = self._rows(lane.layer)[:, slice(*lane.tile)], lane.bench
            narrow = bench.sheet.plan[lane.layer, sh.BYTES] == 1
            target[...] = (bench.sheet.weights8 if narrow else bench.fabric.memory.weights).reshape(target.shape)

    def _ready(self, lane: Lane, blocks: int) -> bool:
        """Whether the next block of a tile has what it needs, and its place is free."""
        if lane.running or lane.done == blocks:
            return False
        below = all(other.done > lane.done for other in self._lanes if other.layer == lane.layer - 1)
        room = all(lane.done - other.done < HELD for other in self._lanes)
        return below and room

    def _run(self, lane: Lane, samples: fb.Samples, block: tuple[int, int]) -> int:
        b, held = lane.bench, self._held[lane.done % HELD]
        if lane.layer == self._last:
            done = run_last(b.fabric, b.sheet, b.desk, samples, held, *block)
        else:
            done = run_hidden(lane.layer, lane.tile, b.fabric, b.sheet, b.desk, samples, held, *block)
        return int(done)

    def _merge(self) -> None:
        """Add what the tiles counted, rows, hits and totals only of the first of each layer; move the registers on."""
        target = self._fabric.activity
        for lane in self._lanes:
            self._give_back(lane)
            counted = lane.bench.fabric.activity
            target.events[:] += counted.events
            if lane.tile[0] == 0:
                target.hits[:, lane.layer] += counted.hits[:, lane.layer]
                target.totals[lane.layer] += counted.totals[lane.layer]
                close_stream(lane.layer, self._fabric, lane.bench.sheet)
            for array in counted:
                array[:] = 0
