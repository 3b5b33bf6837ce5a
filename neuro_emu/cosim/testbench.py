"""The exported testbench in Icarus or Verilator: how it is built, called and read."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from neuro_emu.cosim.builds import executable, icarus_program
from neuro_emu.cosim.compare import Shown, WrittenRow, record_mismatch, weight_mismatch
from neuro_emu.cosim.mismatch import Mismatch
from neuro_emu.cosim.simulators import Checked
from neuro_emu.cosim.tools import icarus, verilator
from neuro_emu.errors import ToolError
from neuro_emu.golden.build import Build
from neuro_emu.golden.files import record_of_word
from neuro_emu.golden.images import matrices_of
from neuro_emu.golden.packing import unpack_rows
from neuro_emu.golden.placement import Placement
from neuro_emu.golden.sets import VectorSet
from neuro_emu.machine.chip import Chip

TOP = "nemu_testbench"
_FIELD = re.compile(r"(\w+)=(\S+)")


@dataclass(frozen=True)
class TestbenchSimulator:
    """The testbench of a directory of vectors.

    Attributes:
        chip: the chip.
        build: parameters that the vectors were made for.
        folder: the directory.
        sources: everything to compile.
        use_icarus: Icarus instead of Verilator.
        with_trace: compare trace records.
        with_cycles: compare clock cycles.
        lint: refuse sources that Verilator warns of.

    """

    chip: Chip
    build: Build
    folder: Path
    sources: list[Path]
    use_icarus: bool
    with_trace: bool = True
    with_cycles: bool = True
    lint: bool = True

    @property
    def name(self) -> str:
        """See :class:`~neuro_emu.cosim.simulators.Simulator`."""
        tool = icarus().version.removesuffix(" ()") if self.use_icarus else verilator().version
        return f"{tool}, SystemVerilog testbench"

    @cached_property
    def _command(self) -> list[str]:
        if self.use_icarus:
            files = [path for path in self.sources if path.suffix != ".vlt"]
            return [str(icarus().vvp), "-N", str(icarus_program(files, TOP, {}))]
        return [str(executable(self.sources, TOP, {}, lint=self.lint))]

    @cached_property
    def _command_with_waves(self) -> list[str]:
        return (
            self._command if self.use_icarus else [str(executable(self.sources, TOP, {}, trace=True, lint=self.lint))]
        )

    def check(self, vectors: VectorSet) -> Checked:
        """See :class:`~neuro_emu.cosim.simulators.Simulator`."""
        options = [] if self.with_trace else ["+NOTRACE"]
        options += [] if self.with_cycles else ["+NOCYCLES"]
        lines = self._run(self._command, vectors.name, [*options, "+MISMATCHES=1"])
        found = [line for line in lines if line.startswith("MISMATCH ")]
        last = [line for line in lines if re.match(r"(PASS|FAIL) set=", line)]
        if found and not last:
            last = ["FAIL samples=0 records=0 cycles=0"]  # the RTL stopped the simulation
        if len(last) != 1:
            raise ToolError(f"the testbench of {vectors.name} did not finish:\n" + "\n".join(lines[-10:]))
        counts = dict(_FIELD.findall(last[0]))
        samples, records, cycles = (int(counts[name]) for name in ("samples", "records", "cycles"))
        expected = len(vectors.golden.records) if self.with_trace else 0
        passed = last[0].startswith("PASS")
        if passed and (found or samples != len(vectors.samples) or records != expected):
            raise ToolError(f"the testbench of {vectors.name} passed without comparing everything: {last[0]}")
        if passed:
            return Checked(vectors.name, samples, records, cycles)
        if not found:
            raise ToolError(f"the testbench of {vectors.name} failed without a reason:\n" + "\n".join(lines[-10:]))
        fields = dict(_FIELD.findall(found[0]))
        index = int(fields["record"]) if "record" in fields else None
        record = vectors.golden.records[index] if index is not None and index < expected else None
        mismatch = self._mismatch(vectors, found[0].split()[1], fields)
        return Checked(vectors.name, samples, records, cycles, mismatch, record)

    def writes(self, vectors: VectorSet, sample: int) -> list[WrittenRow]:
        """See :class:`~neuro_emu.cosim.simulators.Simulator`."""
        lines = self._run(self._command, vectors.name, [f"+WRITES={sample}", "+MISMATCHES=1000000"])
        found = []
        for line in lines:
            if line.startswith("WRITE "):
                field = dict(_FIELD.findall(line))
                codes = unpack_rows([_number(field["data"])], self.build.write_bits, self.build.lanes)[0]
                layer, group, row, cycle = (int(field[name]) for name in ("layer", "group", "row", "cycle"))
                found.append(WrittenRow(layer, group, row, codes, cycle))
        return found

    def waves(self, vectors: VectorSet, sample: int, window: tuple[int, int], path: Path) -> None:
        """See :class:`~neuro_emu.cosim.simulators.Simulator`."""
        begin = self._load_cycles(vectors) + sum(vectors.golden.cycles[:sample])
        options = [f"+WAVES_FROM={begin + window[0]}", f"+WAVES_TO={begin + window[1]}", "+MISMATCHES=1000000"]
        self._run(self._command_with_waves, vectors.name, [f"+WAVES={path.resolve()}", *options])

    def _load_cycles(self, vectors: VectorSet) -> int:
        """Roughly the cycles before the first sample: registers and memories are written one word a cycle."""
        weights = self.build.banks * self.build.weight_rows * (2 if vectors.flush else 1)
        layers = len(self.chip.network.layers)
        return 5 + 20 * (layers + 1) + weights + self.build.feedback_rows + 512 * layers + layers

    def _run(self, command: list[str], vectors: str, options: list[str]) -> list[str]:
        try:
            done = subprocess.run(
                [*command, f"+SET={vectors}", *options],
                cwd=self.folder,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise ToolError(f"cannot run {command[0]}: {error.strerror or error}") from error
        return (done.stdout + done.stderr).splitlines()

    def _mismatch(self, vectors: VectorSet, what: str, fields: dict[str, str]) -> Mismatch:
        if what in {"record", "surplus", "missing"}:
            return self._record_mismatch(vectors, what, fields)
        if what == "weights":
            return self._weights_mismatch(vectors, fields)
        if what in {"hang", "port"}:
            text = "a check within the RTL failed" if what == "port" else "the chip does not come to an end"
            sample, cycle, bank = (
                int(fields[name]) if name in fields else None for name in ("sample", "cycle", "bank")
            )
            return Mismatch(text, None, None, 32, vectors.name, sample, cycle=cycle, bank=bank)
        names = {
            "prediction": "prediction",
            "cycles": "clock cycles of a sample",
            "predictions": "number of predictions",
        }
        sample = int(fields["sample"]) if "sample" in fields else None
        expected, got = int(fields["expected"]), fields["got"]
        return Mismatch(
            names[what],
            expected,
            int(got) if got.lstrip("-").isdigit() else None,
            32,
            vectors.name,
            sample,
            note="" if got.lstrip("-").isdigit() else f"the simulator shows {got}",
        )

    def _record_mismatch(self, vectors: VectorSet, what: str, fields: dict[str, str]) -> Mismatch:
        index = int(fields["record"])
        shown = [Shown(record, 0) for record in vectors.golden.records[:index]]
        unknown = what != "missing" and _has_unknown(fields["got"])
        if what != "missing":
            shown.append(
                Shown(
                    record_of_word(self.build, _number(fields["got"], fields.get("expected", ""))), int(fields["cycle"])
                )
            )
        mismatch = record_mismatch(self.chip, self.build, vectors, index, shown)
        if unknown:
            return replace(mismatch, note=f"the chip shows unknown bits: {fields['got']}", cause=())
        return mismatch

    def _weights_mismatch(self, vectors: VectorSet, fields: dict[str, str]) -> Mismatch:
        """Name the weight of a row that differs."""
        assert vectors.golden.state is not None
        bank, address = int(fields["bank"]), int(fields["address"])
        place = Placement.of(self.chip)
        marks = [np.zeros((place.weight_rows, self.build.lanes), dtype=np.int64) for _ in range(self.build.banks)]
        unknown = f"the chip shows unknown bits: {fields['got']}" if _has_unknown(fields["got"]) else ""
        words = [_number(fields["expected"]), _number(fields["got"], fields["expected"])]
        mine, theirs = unpack_rows(words, self.build.weight_bits, self.build.lanes)
        lane = int(np.flatnonzero(mine != theirs)[0]) if (mine != theirs).any() else 0
        marks[bank][address, lane] = 1
        for layer, matrix in enumerate(matrices_of(self.chip, marks)):
            if matrix.any():
                row, neuron = (int(n) for n in np.argwhere(matrix)[0])
                found = weight_mismatch(self.chip, vectors.name, layer, row, neuron, int(mine[lane]), int(theirs[lane]))
                return replace(found, note=unknown)
        return Mismatch(
            "final weight of a padding lane",
            int(mine[lane]),
            int(theirs[lane]),
            self.build.weight_bits,
            vectors.name,
            bank=bank,
            address=address,
            note=unknown,
        )


def _has_unknown(text: str) -> bool:
    return any(c in "xXzZ" for c in text)


def _number(text: str, other: str = "") -> int:
    """Read hexadecimal digits; unknown bits read as 0, or as something else than in *other*."""
    if len(other) == len(text):
        pairs = zip(text, other, strict=True)
        text = "".join(f"{int(o, 16) ^ 1:x}" if _has_unknown(t) else t for t, o in pairs)
    return int(re.sub("[xXzZ]", "0", text), 16)
