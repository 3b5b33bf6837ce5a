"""Long co-simulation: tens of thousands of samples through the RTL and the compiled emulator, side by side.

Predictions, clock cycles and weights are compared block by block; the first block that differs is narrowed down to one
sample, and that sample is looked at record by record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from neuro_emu.cosim.mismatch import Mismatch
from neuro_emu.cosim.rtl import Rtl, library
from neuro_emu.cosim.session import cosimulate
from neuro_emu.cosim.simulators import LibrarySimulator
from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.golden.build import Build
from neuro_emu.golden.sets import vector_set
from neuro_emu.golden.trace import Samples
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import initial_state
from neuro_emu.network.state import ChipState

BLOCK = 2000
"""Samples between two comparisons of the weights."""

Report = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""


@dataclass(frozen=True)
class LongVerdict:
    """What a long run found.

    Attributes:
        samples: compared.
        cycles: clock cycles of the RTL in all.
        weights: weights compared at the end.
        mismatch: the first; None: identical.

    """

    samples: int
    cycles: int
    weights: int
    mismatch: Mismatch | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the record for JSON."""
        return {
            "identical": self.mismatch is None,
            "samples": self.samples,
            "cycles": self.cycles,
            "mismatch": self.mismatch.as_dict() if self.mismatch else None,
        }

    def __str__(self) -> str:
        if self.mismatch:
            return str(self.mismatch)
        return (
            f"identical: {self.samples:,} samples learned, all predictions, {self.cycles:,} clock cycles,"
            f" all {self.weights:,} final weights"
        )


class _Pair:
    """The RTL and the compiled emulator, both at the same sample."""

    def __init__(self, chip: Chip, rtl: Rtl, state: ChipState, samples: Samples) -> None:
        self.chip, self.rtl, self.samples = chip, rtl, samples
        self.fast = FastDatapath(chip, state)
        self._prepared = self.fast.samples(
            samples.codes, samples.labels.astype(np.uint8), np.arange(len(samples)), learn=True
        )
        self.rtl.start(chip, state)
        self.at = 0
        self.rtl_cycles = 0

    def advance(self, end: int) -> bool:
        """Go on to sample *end*; returns whether predictions and cycles agree."""
        begin, self.at = self.at, end
        before = self.fast.counts(self.fast.activity, learning=True).cycles
        self.fast.train(self._prepared, begin, end)
        outcome = self.rtl.run(self.samples.part(begin, end))
        cycles = int(outcome.cycles.sum())
        self.rtl_cycles += cycles
        expected = self.fast.counts(self.fast.activity, learning=True).cycles - before
        same = bool(np.array_equal(self._prepared.predictions[begin:end], outcome.predictions))
        return same and cycles == expected and not outcome.fault

    def same_weights(self) -> bool:
        """Whether every weight agrees."""
        mine = self.fast.state().weights
        return all(np.array_equal(a, b) for a, b in zip(mine, self.rtl.weights(self.chip), strict=True))


def long_run(
    chip: Chip, samples: Samples, build: Build | None = None, report: Report = lambda done, total: None
) -> LongVerdict:
    """Train on *samples* in order, from the initial state, and compare.

    Args:
        chip: the chip; mini-batches are compared only where a block ends with one.
        samples: all of them are learned from.
        build: parameters of the RTL; None: the smallest that hold *chip*.
        report: progress.

    """
    build = build or Build.of(chip)
    block = max(BLOCK // chip.learning.batch, 1) * chip.learning.batch
    total = len(samples)
    with _rtl(build, trace=False) as rtl:
        pair = _Pair(chip, rtl, initial_state(chip), samples)
        begin_state = pair.fast.state()
        for begin in range(0, total, block):
            end = min(begin + block, total)
            if not (pair.advance(end) and pair.same_weights()):
                break
            begin_state = pair.fast.state()
            report(end, total)
        else:
            weights = sum(layer.rows * layer.units for layer in chip.network.layers)
            return LongVerdict(total, pair.rtl_cycles, weights)
    mismatch = _narrowed(chip, build, begin_state, samples, begin, end)
    return LongVerdict(begin, pair.rtl_cycles, 0, mismatch)


def _narrowed(chip: Chip, build: Build, state: ChipState, samples: Samples, begin: int, end: int) -> Mismatch:
    """Find the sample of a block that first differs, and what differs in it."""
    part = samples.part(begin, end)
    from_start = chip.numerics.word_source.per_lane or chip.learning.batch > 1  # such a state cannot be loaded
    if from_start:
        part, state, begin = samples.part(0, end), initial_state(chip), 0
    good, bad = 0, len(part)
    with _rtl(build, trace=False) as rtl:
        while bad - good > 1:
            middle = (good + bad) // 2
            pair = _Pair(chip, rtl, state, part)
            if pair.advance(middle) and pair.same_weights():
                good = middle
            else:
                bad = middle
    fast = FastDatapath(chip, state)
    prepared = fast.samples(part.codes, part.labels.astype(np.uint8), np.arange(len(part)), learn=True)
    fast.train(prepared, 0, good)
    chosen, start, first = (part.part(0, bad), state, 0) if from_start else (part.part(good, bad), fast.state(), good)
    found = cosimulate(chip, LibrarySimulator(chip, build), [vector_set(chip, "long run", start, chosen)]).mismatch
    if found is None:
        return Mismatch(f"sample {begin + good} of the run: differs only within a long run", None, None)
    sample = begin + first + (found.sample or 0)
    where = f"sample {sample} of the run"
    return replace(found, sample=sample, note="; ".join(text for text in (found.note, where) if text))


@contextmanager
def _rtl(build: Build, *, trace: bool) -> Iterator[Rtl]:
    with Rtl(build, library(build, trace=trace)) as rtl:
        yield rtl
