"""Synthesise the RTL's modules in many widths and compare their gates with the formulas of neuro_emu.estimate.

Writes results/gates.json and results/gates.md; exits 1 if a bar is missed. `--fit` prints coefficients fitted anew.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fit import fitted
from points import every_point
from sweep import HERE, NAND2_AREA, Point, SynthesisError, synthesise, total

from neuro_emu.estimate.blocks import blocks_of
from neuro_emu.estimate.components.modules import of_module
from neuro_emu.estimate.gates import GATES_PER_FLOP, Gates, total_of
from neuro_emu.golden.build import Build

NUMBERS = HERE / "results" / "gates.json"
TABLE = HERE / "results" / "gates.md"
WHOLE = "whole core"
BARS = {
    "nemu_lane": 0.12,
    "nemu_requantise": 0.12,
    "nemu_round_shift": 0.12,
    "nemu_add_step": 0.12,
    "cal_weight_update": 0.12,
    "nemu_random": 0.12,
    WHOLE: 0.15,
}
"""Largest error of the total, as a part of the synthesised total, by module."""
REALISTIC_BITS = 8
"""Bars hold for weights of at least this width; narrower ones are reported."""
FLAT = "flat"


@dataclass(frozen=True)
class Row:
    """One comparison: a module at one set of parameters, in NAND2-equivalents."""

    module: str
    where: str
    held: bool
    synthesis: Gates
    formula: Gates
    barred: bool

    @property
    def error(self) -> float:
        """Error of the total as a part of the synthesised total."""
        truth = self.synthesis.total
        return (self.formula.total - truth) / truth if truth else self.formula.total


def build_of(parameters: Mapping[str, int]) -> Build:
    """Return the build with these parameters of the core."""
    return Build(
        lanes=parameters["Lanes"],
        banks=parameters["Banks"],
        units=parameters["Units"],
        layers=parameters["Layers"],
        weight_bits=parameters["WeightW"],
        feedback_bits=parameters["FeedbackW"],
        code_bits=parameters["CodeW"],
        delta_bits=parameters["DeltaW"],
        accumulator_bits=parameters["AccW"],
        aligned_bits=parameters["MidW"],
        gradient_bits=parameters["GradientW"],
        codes=parameters["Codes"],
        weight_rows=parameters["WeightRows"],
        feedback_rows=parameters["FeedbackRows"],
        kept_groups=parameters["KeptGroups"],
        error_groups=parameters["ErrorGroups"],
    )


def block_parameters(module: str, parameters: Mapping[str, int]) -> dict[str, int]:
    """Parameters of a block inside a core."""
    inner = dict(parameters)
    if module == "nemu_lane" and "OperandW" not in inner:
        inner["OperandW"] = max(parameters["CodeW"], parameters["DeltaW"])
    return inner


def rows_of(numbers: Sequence[Mapping[str, object]]) -> Iterator[Row]:
    """Compare every committed number with its formula."""
    for entry in numbers:
        parameters = {str(k): int(v) for k, v in dict(entry["parameters"]).items()}
        name, module, held = str(entry["name"]), str(entry["module"]), bool(entry["held"])
        modules = dict(entry["modules"])
        if module != "nemu_core":
            logic, flops = total(modules)
            barred = module in BARS and min([*_weights(parameters), REALISTIC_BITS]) >= REALISTIC_BITS
            yield Row(module, name, held, Gates(logic, flops), of_module(module, parameters), barred)
            continue
        logic, flops = total(modules)
        whole = total_of(blocks_of(build_of(parameters)))
        flat = bool(entry["flat"])
        title = "whole core, flat" if flat else WHOLE
        yield Row(title, name, held, Gates(logic, flops), whole, not flat and not name.startswith("blocks"))
        for inner, own in {} if flat else modules.items():
            formula = of_module(inner, block_parameters(inner, parameters))
            yield Row(f"{inner} in a core", name, held, Gates(own["logic"], own["flops"]), formula, False)


def _weights(parameters: Mapping[str, int]) -> list[int]:
    return [parameters[name] for name in ("WeightW", "W") if name in parameters]


def table(rows: Sequence[Row], tool: str) -> str:
    """The comparison as Markdown: a summary by module, then every point."""
    lines = [
        "# Gates: synthesis and formula",
        "",
        f"Written by `python benchmarks/calibration/gates.py`: {tool}. NAND2-equivalents; totals count "
        f"{GATES_PER_FLOP:g} for a flip-flop. Held-out points were not fitted to.",
        "",
        "| module | points | worst error | held out | worst error | flip-flops exact | bar |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for module in dict.fromkeys(row.module for row in rows):
        mine = [row for row in rows if row.module == module]
        cells = []
        for held in (False, True):
            some = [row for row in mine if row.held == held]
            worst = max((row.error for row in some), key=abs, default=None)
            cells += [str(len(some)), "–" if worst is None else f"{worst:+.1%}"]
        exact = sum(row.synthesis.flops == row.formula.flops for row in mine)
        bar = f"±{BARS[module]:.0%}" if module in BARS else "–"
        lines.append(f"| {module} | {' | '.join(cells)} | {exact} of {len(mine)} | {bar} |")
    lines += ["", "## Points", "", "| point | | logic | flip-flops | formula | flip-flops | error of total |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        first = row.where if " in a core" not in row.module else f"{row.module}: {row.where}"
        numbers = f"{row.synthesis.logic:,.0f} | {row.synthesis.flops} | {row.formula.logic:,.0f} | {row.formula.flops}"
        lines.append(f"| {first} | {'held out' if row.held else ''} | {numbers} | {row.error:+.1%} |")
    return "\n".join([*lines, ""])


def missed(rows: Sequence[Row]) -> list[str]:
    """Say which barred points are off by more than their bar."""
    return [
        f"{row.where}: {row.formula.total:,.0f} for {row.synthesis.total:,.0f} ({row.error:+.1%})"
        for row in rows
        if row.barred and abs(row.error) > BARS[row.module]
    ]


def swept(only: Sequence[str], known: Mapping[str, object]) -> list[dict[str, object]]:
    """Synthesise the points of the modules in *only* (all if empty), keep the others' numbers."""
    found: list[dict[str, object]] = []
    for point in every_point():
        wanted = not only or (point.label or point.module) in only
        modules = known.get(point.name)
        if wanted:
            began = time.monotonic()
            modules = synthesise(point)
            print(f"{point.name}  {time.monotonic() - began:.1f} s", flush=True)
        if modules is not None:
            found.append(_entry(point, modules))
    return found


def _entry(point: Point, modules: dict[str, object]) -> dict[str, object]:
    return {
        "name": point.name,
        "module": point.module,
        "parameters": dict(point.parameters),
        "held": point.held,
        "flat": point.flat,
        "modules": dict(sorted(modules.items())),
    }


def read(path: Path = NUMBERS) -> dict[str, object]:
    """The committed numbers; empty before the first sweep."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"points": []}


def write(points: Sequence[Mapping[str, object]]) -> None:
    """Write the numbers, one point a line."""
    head = {
        "tool": "Yosys 0.70 (pyosys), osu018_stdcells.lib of qflow-tech-osu018",
        "nand2_area_um2": NAND2_AREA,
        "units": "logic in NAND2-equivalents, flops in bits",
    }
    body = ",\n".join("  " + json.dumps(point) for point in points)
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    text = "\n".join(["{", *lines, ' "points": [', body, " ]", "}", ""])
    NUMBERS.parent.mkdir(exist_ok=True)
    NUMBERS.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Sweep, compare, write, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = sorted({point.label or point.module for point in every_point()})
    parser.add_argument("--only", action="append", default=[], choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--fit", action="store_true", help="print coefficients fitted anew; synthesise nothing")
    parser.add_argument("--compare", action="store_true", help="compare the committed numbers; synthesise nothing")
    options = parser.parse_args(arguments)
    known = {str(entry["name"]): entry["modules"] for entry in read()["points"]}
    if options.fit:
        print("\n".join(fitted(list(rows_inputs(read()["points"])))))
        return 0
    if not options.compare:
        try:
            write(swept(options.only, known))
        except SynthesisError as error:
            print(f"gates: {error}", file=sys.stderr)
            return 1
    numbers = read()
    rows = list(rows_of(numbers["points"]))
    TABLE.write_text(table(rows, str(numbers["tool"])), encoding="utf-8")
    misses = missed(rows)
    print("\n".join([f"{len(rows)} comparisons, {len(misses)} bars missed", *misses]))
    return 1 if misses else 0


def rows_inputs(numbers: Sequence[Mapping[str, object]]) -> Iterator[tuple[str, dict[str, int], float]]:
    """Module, parameters and synthesised logic of everything that may be fitted to."""
    for entry in numbers:
        if entry["held"] or (entry["flat"] and entry["module"] == "nemu_core"):
            continue
        parameters = {str(k): int(v) for k, v in dict(entry["parameters"]).items()}
        modules = dict(entry["modules"])
        if entry["module"] != "nemu_core":
            yield str(entry["module"]), parameters, total(modules)[0]
            continue
        for module, own in modules.items():
            yield module, block_parameters(module, parameters), float(own["logic"])


if __name__ == "__main__":
    sys.exit(main())
