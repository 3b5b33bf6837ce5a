"""The chip of rtl_models, compiled by Verilator and called through ctypes."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from neuro_emu.cosim.builds import shared_library
from neuro_emu.golden.build import Build
from neuro_emu.golden.images import Image, Memory, initial_images, matrices_of
from neuro_emu.golden.packing import pack_rows, unpack_rows
from neuro_emu.golden.placement import Placement
from neuro_emu.golden.registers import address
from neuro_emu.golden.settings import COMMAND_APPLY, COMMAND_SEED, register_writes
from neuro_emu.golden.sources import harness, rtl_sources
from neuro_emu.golden.trace import Samples
from neuro_emu.machine.chip import Chip
from neuro_emu.network.state import ChipState

Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]

HEADER = 5
"""Words before the data: of a record sample, kind, layer, group, cycle; of a write sample, layer, group, row, cycle."""


PATIENCE = 20_000_000
"""Cycles after which a sample counts as one that never ends."""

FAULTS = ("", "the chip does not come to an end with a sample", "a check within the RTL failed: see its message above")


class _Run(ctypes.Structure):
    _fields_ = (
        ("codes", ctypes.c_void_p),
        ("labels", ctypes.c_void_p),
        ("learn", ctypes.c_void_p),
        ("samples", ctypes.c_uint32),
        ("inputs", ctypes.c_uint32),
        ("predictions", ctypes.c_void_p),
        ("cycles", ctypes.c_void_p),
        ("records", ctypes.c_void_p),
        ("records_limit", ctypes.c_uint64),
        ("records_count", ctypes.c_uint64),
        ("writes", ctypes.c_void_p),
        ("writes_limit", ctypes.c_uint64),
        ("writes_count", ctypes.c_uint64),
        ("patience", ctypes.c_uint64),
        ("fault", ctypes.c_uint32),
    )


@dataclass(frozen=True)
class Outcome:
    """What the RTL did.

    Attributes:
        predictions: (samples,).
        cycles: (samples,) clock cycles of each.
        records: (records, HEADER + trace words) as the trace port showed them.
        writes: (writes, HEADER + write words) of written rows.
        fault: why the chip did not come to an end; empty if it did.

    """

    predictions: NDArray[np.uint32]
    cycles: NDArray[np.uint64]
    records: UInt32
    writes: UInt32
    fault: str = ""


def library(build: Build, *, trace: bool = True, waves: bool = False, sources: list[Path] | None = None) -> Path:
    """Compile the RTL for *build*; cached.

    Args:
        build: its parameters.
        trace: with its trace port; without, it is faster by a fifth.
        waves: able to write waveforms.
        sources: other files than those of rtl_models.

    Raises:
        ToolError: Verilator or the compiler is missing or fails.

    """
    parameters = {**build.parameters, "Trace": int(trace)}
    return shared_library(
        sources or rtl_sources(), "nemu_core", parameters, harness(), trace=waves, lint=sources is None
    )


class Rtl:
    """One simulated chip. Use as a context manager.

    Args:
        build: what was built.
        path: the compiled library; None: :func:`library`.

    """

    def __init__(self, build: Build, path: Path | None = None) -> None:
        self.build = build
        self._library = ctypes.CDLL(str(path or library(build)))
        for name in ("chip_new", "chip_cycle", "chip_wait"):
            getattr(self._library, name).restype = ctypes.c_void_p if name == "chip_new" else ctypes.c_uint64
        self._chip = ctypes.c_void_p(self._library.chip_new())
        self._memory_words = int(self._library.chip_memory_words())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.chip_delete(self._chip)

    # --- registers and memories -----------------------------------------------------------------------

    def write(self, register: int, word: int) -> None:
        """Write one register by its address."""
        self._library.chip_register_write(self._chip, ctypes.c_uint32(register), ctypes.c_uint32(word))

    def read(self, name: str, layer: int = 0) -> int:
        """Word of one register."""
        return int(self._library.chip_register_read(self._chip, address(name, layer))) % (1 << 32)

    def load_image(self, image: Image) -> None:
        """Write one memory image."""
        words = self._packed(pack_rows(image.codes, image.bits))
        rows, data = ctypes.c_uint32(len(words)), words.ctypes.data_as(ctypes.c_void_p)
        self._library.chip_memory_write(self._chip, int(image.memory), image.bank, 0, rows, data)

    def read_rows(self, memory: Memory, bank: int, rows: int, bits: int, fields: int) -> Int64:
        """Codes (rows, fields) of the first rows of one bank of a memory."""
        words = np.zeros((rows, self._memory_words), dtype=np.uint32)
        data = words.ctypes.data_as(ctypes.c_void_p)
        self._library.chip_memory_read(self._chip, int(memory), bank, 0, ctypes.c_uint32(rows), data)
        return unpack_rows([int.from_bytes(row.tobytes(), "little") for row in words], bits, fields)

    def _packed(self, rows: list[int]) -> UInt32:
        size = 4 * self._memory_words
        content = b"".join(row.to_bytes(size, "little") for row in rows)
        return np.frombuffer(content, dtype=np.uint32).reshape(len(rows), self._memory_words)

    # --- a chip ---------------------------------------------------------------------------------------

    def configure(self, chip: Chip, state: ChipState) -> None:
        """Write every register of *chip* in *state*; memories and random words stay as they are."""
        for register, word in register_writes(chip, state):
            self.write(register, word)

    def start(self, chip: Chip, state: ChipState) -> None:
        """Make the simulated chip *chip* in its initial *state*: registers, memories, seeds."""
        self.configure(chip, state)
        for image in initial_images(chip, self.build, state):
            self.load_image(image)
        self.write(address("command"), COMMAND_SEED)
        self.wait()

    def wait(self) -> int:
        """Wait until there is nothing to do; returns the cycles that took."""
        return int(self._library.chip_wait(self._chip))

    def flush(self, inputs: int, *, records: int = 0, writes: int = 0) -> tuple[int, Outcome]:
        """Write a short last mini-batch; returns the cycles that it took and what the ports showed meanwhile."""
        before = self.read("cycles")
        self.write(address("command"), COMMAND_APPLY)
        nothing = np.zeros(0, dtype=np.int64)
        samples = Samples(np.zeros((0, inputs), dtype=np.uint8), nothing, nothing.astype(np.bool_))
        outcome = self.run(samples, records=records, writes=writes)
        return (self.read("cycles") - before) % (1 << 32), outcome

    def weights(self, chip: Chip) -> list[Int64]:
        """W_k (rows, units) of each layer, read from the banks."""
        return self._matrices(chip, Memory.WEIGHTS, self.build.weight_bits)

    def gradients(self, chip: Chip) -> list[Int64]:
        """G_k (rows, units) of each layer."""
        return self._matrices(chip, Memory.GRADIENTS, self.build.gradient_bits)

    def _matrices(self, chip: Chip, memory: Memory, bits: int) -> list[Int64]:
        rows = Placement.of(chip).weight_rows
        banks = range(chip.design.weight_banks)
        return matrices_of(chip, [self.read_rows(memory, bank, rows, bits, self.build.lanes) for bank in banks])

    # --- samples --------------------------------------------------------------------------------------

    def run(self, samples: Samples, *, records: int = 0, writes: int = 0) -> Outcome:
        """Present samples back to back.

        Args:
            samples: stimuli.
            records: most trace records to keep; 0: none.
            writes: most written rows to keep; 0: none.

        """
        codes = np.ascontiguousarray(samples.codes, dtype=np.uint8)
        labels = np.ascontiguousarray(samples.labels, dtype=np.uint32)
        learn = np.ascontiguousarray(samples.learn, dtype=np.uint8)
        predictions = np.zeros(len(samples), dtype=np.uint32)
        cycles = np.zeros(len(samples), dtype=np.uint64)
        kept = np.zeros((records, HEADER + int(self._library.chip_trace_words())), dtype=np.uint32)
        written = np.zeros((writes, HEADER + int(self._library.chip_write_words())), dtype=np.uint32)
        run = _Run(
            codes=_pointer(codes),
            labels=_pointer(labels),
            learn=_pointer(learn),
            samples=len(samples),
            inputs=codes.shape[1],
            predictions=_pointer(predictions),
            cycles=_pointer(cycles),
            records=_pointer(kept) if records else None,
            records_limit=records,
            writes=_pointer(written) if writes else None,
            writes_limit=writes,
            patience=PATIENCE,
        )
        self._library.chip_run(self._chip, ctypes.byref(run))
        return Outcome(predictions, cycles, kept[: run.records_count], written[: run.writes_count], FAULTS[run.fault])

    def stall(self, seed: int) -> None:
        """Let samples and results wait at random from now on; 0: never."""
        self._library.chip_stall(self._chip, ctypes.c_uint32(seed))

    def wave(self, path: Path, begin: int, end: int) -> None:
        """Write a waveform of clock cycles *begin* … *end* − 1 since reset; needs a library with waves."""
        self._library.chip_wave(self._chip, str(path).encode(), ctypes.c_uint64(begin), ctypes.c_uint64(end))

    @property
    def cycle(self) -> int:
        """Clock cycles since reset."""
        return int(self._library.chip_cycle(self._chip))


def _pointer(array: NDArray[Any]) -> int:
    return array.ctypes.data
