"""The golden trace: what the chip's trace port must show, record by record, from the traced datapath."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.golden.sites import SiteCounter
from neuro_emu.machine.chip import Chip
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.signature import signature_step

Int64 = NDArray[np.int64]


class Kind(IntEnum):
    """What a record shows; the numbers are those of the trace port."""

    Z = 0
    Y = 1
    SIGNAL = 2
    DELTA = 3
    WORDS = 4
    WRITES = 5
    RESULT = 6


@dataclass(frozen=True)
class Record:
    """One checkpoint of a group.

    Attributes:
        sample: number of the sample that it belongs to.
        kind: what it shows.
        layer: k.
        group: group of `lanes` neurons.
        fields: (lanes,) one number a lane; padding lanes are 0.

    """

    sample: int
    kind: Kind
    layer: int
    group: int
    fields: Int64

    @property
    def where(self) -> tuple[int, int, int, int]:
        """Everything but the numbers."""
        return self.sample, int(self.kind), self.layer, self.group


@dataclass
class Golden:
    """What a chip must do with its samples.

    Attributes:
        records: in the order of the trace port.
        predictions: (samples,).
        cycles: (samples,) clock cycles of each.
        flush_cycles: of writing a short last batch.
        state: afterwards.

    """

    records: list[Record] = field(default_factory=list)
    predictions: list[int] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)
    flush_cycles: int = 0
    state: ChipState | None = None


@dataclass(frozen=True)
class Samples:
    """Stimuli: input codes (samples, inputs), labels (samples,), and whether each is learned from (samples,)."""

    codes: NDArray[np.uint8]
    labels: Int64
    learn: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, begin: int, end: int) -> Samples:
        """Samples *begin* … *end* − 1."""
        return Samples(self.codes[begin:end], self.labels[begin:end], self.learn[begin:end])


def golden(
    chip: Chip,
    state: ChipState,
    samples: Samples,
    *,
    flush: bool = False,
    sites: SiteCounter | None = None,
) -> Golden:
    """Run the traced datapath and keep what the trace port shows.

    Args:
        chip: the chip.
        state: where it starts; not changed.
        samples: what it is given.
        flush: write a short last batch at the end.
        sites: counts what fires on the way.

    """
    recorder = _Recorder(chip, sites)
    path = TracedDatapath(chip, state, recorder.record)
    recorder.path = path
    for n in range(len(samples)):
        recorder.begin(n)
        before = path.counts.cycles + path.inference_counts.cycles
        codes = samples.codes[n].astype(np.int64)
        prediction = path.train(codes, int(samples.labels[n])) if samples.learn[n] else path.infer(codes)
        recorder.finish(prediction)
        recorder.golden.cycles.append(path.counts.cycles + path.inference_counts.cycles - before)
    if flush:
        before = path.counts.cycles
        recorder.begin(max(len(samples) - 1, 0))
        epoch = path.state.epoch
        path.end_epoch()
        path.state.epoch = epoch
        recorder.finish(None)
        recorder.golden.flush_cycles = path.counts.cycles - before
    recorder.golden.state = path.state
    return recorder.golden


class _Recorder:
    """Turns the traced datapath's intermediate vectors into records in the order of the trace port."""

    def __init__(self, chip: Chip, sites: SiteCounter | None) -> None:
        self.chip, self.sites = chip, sites
        self.golden = Golden()
        self.path: TracedDatapath | None = None
        self._sample = 0
        self._records: list[Record] = []
        self._signature = np.zeros(chip.design.lanes, dtype=np.int64)
        self._drawn = False

    def begin(self, sample: int) -> None:
        self._sample = sample
        self._records = []

    def finish(self, prediction: int | None) -> None:
        """Put the prediction where the chip shows it: after the accumulators of the last output group."""
        if prediction is not None:
            output = self.chip.network.output
            last = self.chip.design.groups(output.units) - 1
            shown = [n for n, r in enumerate(self._records) if r.where[1:] == (Kind.Z, output.index, last)][-1]
            result = self._made(Kind.RESULT, output.index, last, np.array([prediction], dtype=np.int64))
            self._records.insert(shown + 1, result)
            self.golden.predictions.append(prediction)
        self.golden.records += self._records

    def record(self, what: str, layer: int, group: int, codes: Int64) -> None:
        """Receive what :class:`TracedDatapath` shows."""
        if self.sites is not None:
            self.sites.record(what, layer, group, codes)
        if what == "z":
            self._add(Kind.Z, layer, group, codes)
        elif what == "y":
            self._add(Kind.Y, layer, group, codes)
        elif what in {"signal", "projection"}:
            self._add(Kind.SIGNAL, layer, group, codes)
        elif what == "lanes":
            self._add(Kind.DELTA, layer, group, codes)
        elif what in {"weights", "kept", "sums"}:
            self._written(layer, group, codes)
        elif what == "words":
            self._drawn = True
        elif what == "updated":
            self._updated(layer, group)

    def _made(self, kind: Kind, layer: int, group: int, codes: Int64) -> Record:
        fields = np.zeros(self.chip.design.lanes, dtype=np.int64)
        fields[: len(codes)] = codes
        return Record(self._sample, kind, layer, group, fields)

    def _add(self, kind: Kind, layer: int, group: int, codes: Int64) -> None:
        self._records.append(self._made(kind, layer, group, codes))

    def _written(self, layer: int, group: int, codes: Int64) -> None:
        assert self.path is not None
        self._signature[: len(codes)] = signature_step(self._signature[: len(codes)], codes, self.path.row)

    def _updated(self, layer: int, group: int) -> None:
        assert self.path is not None
        state = self.path.state
        if self._drawn:
            per_lane = self.chip.numerics.word_source.per_lane
            registers = state.lane_registers if per_lane else state.row_registers[layer : layer + 1]
            self._add(Kind.WORDS, layer, group, registers)
        valid = self.chip.design.valid(self.chip.network.layers[layer].units, group)
        self._add(Kind.WRITES, layer, group, self._signature[:valid])
        self._signature[:] = 0
        self._drawn = False
