"""Rows of words of the trace ports as records and written rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuro_emu.cosim.compare import Shown, WrittenRow
from neuro_emu.cosim.rtl import HEADER
from neuro_emu.golden.build import Build
from neuro_emu.golden.packing import unpack_rows
from neuro_emu.golden.trace import Kind, Record

UInt32 = NDArray[np.uint32]

UNSIGNED = (Kind.WORDS, Kind.WRITES)
"""Records whose fields are 32-bit numbers without a sign."""


def records_of(build: Build, rows: UInt32, sample: int | None = None) -> list[Shown]:
    """Read rows of :class:`~neuro_emu.cosim.rtl.Outcome.records`; *sample* replaces their number."""
    data = np.ascontiguousarray(rows[:, HEADER:])
    fields = data.view(np.int64) if build.trace_bits == 64 else data.view(np.int32).astype(np.int64)
    found = []
    for header, codes in zip(rows[:, :HEADER].tolist(), fields, strict=True):
        kind = Kind(header[1]) if header[1] < len(Kind) else Kind.RESULT
        values = np.mod(codes, 1 << 32) if kind in UNSIGNED else codes
        number = header[0] if sample is None else sample
        found.append(Shown(Record(number, kind, header[2], header[3], values[: build.lanes]), header[4]))
    return found


def writes_of(build: Build, rows: UInt32) -> list[WrittenRow]:
    """Read rows of :class:`~neuro_emu.cosim.rtl.Outcome.writes`."""
    words = [int.from_bytes(row.tobytes(), "little") for row in np.ascontiguousarray(rows[:, HEADER:])]
    fields = unpack_rows(words, build.write_bits, build.lanes)
    return [
        WrittenRow(header[1], header[2], header[3], codes, header[4])
        for header, codes in zip(rows[:, :HEADER].tolist(), fields, strict=True)
    ]
