"""Threads for rules whose hidden layers wait for nothing but the label: tiles of neurons side by side.

A task is one tile of a hidden layer, or the last layer, over one block of samples. It waits for the same tile's block
before and for all tiles of the layer below, nothing else. Every tile has counters, random words and working registers
of its own, and tiles share weights that no other touches, so the integers are those of one thread, whatever the number
of threads.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from neuro_emu.datapath.layout import aligned_copy
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.online_block import run_hidden, run_last
from neuro_emu.kernels.streams import close_stream, open_streams

BLOCK = 500
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
        done: blocks finished.
        running: whether a thread is at it.

    """

    layer: int
    tile: tuple[int, int]
    bench: Bench
    done: int = 0
    running: bool = False


class TiledTraining:
    """Trains on *threads* threads."""

    def __init__(self, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk, threads: int) -> None:
        self._fabric, self._threads = fabric, threads
        self._last = int(fabric.constants[fb.LAYERS]) - 1
        self._lanes: list[Lane] = []
        for layer in range(self._last + 1):
            positions = int(fabric.layers[layer, fb.POSITIONS])
            tiles = 1
            while layer < self._last and tiles < threads and positions % (2 * tiles * _UNIT) == 0:
                tiles *= 2
            size = positions // tiles
            for first in range(0, positions, size) if layer < self._last else (0,):
                self._lanes.append(Lane(layer, (first, first + size), Bench.beside(fabric, sheet, desk)))
        self._held = np.zeros((HELD, BLOCK, *desk.q.shape), dtype=np.int8)

    def train(self, samples: fb.Samples, start: int, stop: int) -> int:
        """Train on ``samples.order[start:stop]``; returns how many."""
        blocks = [(a, min(a + BLOCK, stop)) for a in range(start, stop, BLOCK)]
        for lane in self._lanes:
            lane.done = 0
            open_streams(lane.bench.fabric, lane.bench.sheet)
        running: dict[Future[int], Lane] = {}
        with ThreadPoolExecutor(self._threads) as pool:
            while True:
                for lane in reversed(self._lanes):  # upper layers first: they set blocks free
                    if len(running) < self._threads and self._ready(lane, len(blocks)):
                        lane.running = True
                        running[pool.submit(self._run, lane, samples, blocks[lane.done])] = lane
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    lane = running.pop(future)
                    future.result()
                    lane.running, lane.done = False, lane.done + 1
        self._merge()
        return stop - start

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
            counted = lane.bench.fabric.activity
            target.events[:] += counted.events
            if lane.tile[0] == 0:
                target.hits[:, lane.layer] += counted.hits[:, lane.layer]
                target.totals[lane.layer] += counted.totals[lane.layer]
                close_stream(lane.layer, self._fabric, lane.bench.sheet)
            for array in counted:
                array[:] = 0
