"""What every way to run a set of vectors offers, and the fastest one: the chip as a compiled library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from neuro_emu.cosim.compare import Shows, WrittenRow, compare, first_record
from neuro_emu.cosim.mismatch import Mismatch
from neuro_emu.cosim.rtl import Rtl, library
from neuro_emu.cosim.views import records_of, writes_of
from neuro_emu.golden.build import Build
from neuro_emu.golden.sets import VectorSet
from neuro_emu.golden.trace import Record
from neuro_emu.machine.chip import Chip

SPARE = 64
"""Records kept beyond those expected, so that a surplus is seen."""


@dataclass(frozen=True)
class Checked:
    """The verdict on one set.

    Attributes:
        vectors: name of the set.
        samples: compared.
        records: compared.
        cycles: compared.
        mismatch: the first; None: everything agrees.
        record: the record that differs, if one does.

    """

    vectors: str
    samples: int
    records: int
    cycles: int
    mismatch: Mismatch | None = None
    record: Record | None = None


class Simulator(Protocol):
    """Runs sets of vectors on a chip."""

    @property
    def name(self) -> str:
        """Name and version."""
        ...

    def check(self, vectors: VectorSet) -> Checked:
        """Run one set from its initial state and compare."""
        ...

    def writes(self, vectors: VectorSet, sample: int) -> list[WrittenRow]:
        """Run it again and return the rows written during one sample."""
        ...

    def waves(self, vectors: VectorSet, sample: int, window: tuple[int, int], path: Path) -> None:
        """Run it again and write a waveform of cycles *window* of one sample."""
        ...


@dataclass(frozen=True)
class LibrarySimulator:
    """The chip of rtl_models as a shared library made by Verilator.

    Attributes:
        chip: the chip.
        build: parameters of the RTL.
        sources: other RTL than rtl_models; None: that.

    """

    chip: Chip
    build: Build
    sources: list[Path] | None = None

    @property
    def name(self) -> str:
        """See :class:`Simulator`."""
        from neuro_emu.cosim.tools import verilator

        return verilator().version

    def shows(self, vectors: VectorSet) -> Shows:
        """Run one set and return everything that the chip shows."""
        with Rtl(self.build, library(self.build, sources=self.sources)) as rtl:
            rtl.start(self.chip, vectors.state)
            most = len(vectors.golden.records) + SPARE
            outcome = rtl.run(vectors.samples, records=most)
            records = records_of(self.build, outcome.records)
            flush_cycles = None
            if vectors.flush and not outcome.fault:
                flush_cycles, flushed = rtl.flush(self.chip.network.inputs, records=most)
                records += records_of(self.build, flushed.records, sample=len(vectors.samples) - 1)
            weights = rtl.weights(self.chip)
            predictions, cycles = outcome.predictions.tolist(), outcome.cycles.tolist()
            return Shows(records, predictions, cycles, weights, outcome.fault, flush_cycles)

    def check(self, vectors: VectorSet) -> Checked:
        """See :class:`Simulator`."""
        shows = self.shows(vectors)
        assert shows.records is not None
        assert shows.cycles is not None
        expected = vectors.golden.records
        first = first_record(self.chip, expected, shows.records)
        record = expected[first] if first is not None and first < len(expected) else None
        mismatch = compare(self.chip, self.build, vectors, shows)
        return Checked(vectors.name, len(shows.predictions), len(shows.records), sum(shows.cycles), mismatch, record)

    def writes(self, vectors: VectorSet, sample: int) -> list[WrittenRow]:
        """See :class:`Simulator`."""
        most = 2 * sum(self.chip.design.groups(la.units) * la.rows for la in self.chip.network.layers) + SPARE
        with Rtl(self.build, library(self.build, sources=self.sources)) as rtl:
            rtl.start(self.chip, vectors.state)
            if sample:
                rtl.run(vectors.samples.part(0, sample))
            outcome = rtl.run(vectors.samples.part(sample, sample + 1), writes=most)
            found = writes_of(self.build, outcome.writes)
            if vectors.flush and sample == len(vectors.samples) - 1:
                _, flushed = rtl.flush(self.chip.network.inputs, writes=most)
                found += writes_of(self.build, flushed.writes)
            return found

    def waves(self, vectors: VectorSet, sample: int, window: tuple[int, int], path: Path) -> None:
        """See :class:`Simulator`."""
        with Rtl(self.build, library(self.build, waves=True, sources=self.sources)) as rtl:
            rtl.start(self.chip, vectors.state)
            if sample:
                rtl.run(vectors.samples.part(0, sample))
            rtl.wave(path, rtl.cycle + window[0], rtl.cycle + window[1])
            rtl.run(vectors.samples.part(sample, sample + 1))
