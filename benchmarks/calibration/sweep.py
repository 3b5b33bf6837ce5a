"""What is synthesised, and how: points of the sweep, and Yosys with a cell library."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RTL = HERE.parent.parent / "rtl_models"
LIBERTY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
NAND2_AREA = 24.0
"""Smallest NAND2 of osu018, um2."""
BLOCKS = (
    "nemu_core",
    "nemu_lane_array",
    "nemu_lane",
    "nemu_random",
    "nemu_output_stage",
    "nemu_activation_unit",
    "nemu_code_memory",
    "nemu_row_finder",
    "nemu_sequencer",
    "nemu_registers",
    "nemu_row_path",
    "nemu_square_gap",
)
"""Modules whose boundaries are kept where a point is not synthesised flat."""

PRIMITIVES = """
module cal_multiplier #(parameter int A = 8, parameter int B = 8) (
  input logic signed [A-1:0] a, input logic signed [B-1:0] b, output logic signed [A+B-1:0] o);
  assign o = a * b;
endmodule
module cal_adder #(parameter int W = 8) (
  input logic [W-1:0] a, input logic [W-1:0] b, output logic [W-1:0] o);
  assign o = a + b;
endmodule
module cal_subtractor #(parameter int W = 8) (
  input logic [W-1:0] a, input logic [W-1:0] b, output logic [W-1:0] o);
  assign o = a - b;
endmodule
module cal_comparator #(parameter int W = 8) (
  input logic signed [W-1:0] a, input logic signed [W-1:0] b, output logic o);
  assign o = a < b;
endmodule
module cal_incrementer #(parameter int W = 8) (input logic [W-1:0] a, output logic [W-1:0] o);
  assign o = a + 1;
endmodule
module cal_multiplexer #(parameter int W = 8, parameter int Ways = 2) (
  input logic [W*Ways-1:0] a, input logic [$clog2(Ways)-1:0] s, output logic [W-1:0] o);
  assign o = a[s*W +: W];
endmodule
module cal_shifter #(parameter int W = 8, parameter int Positions = 8, parameter int Both = 0) (
  input logic signed [W-1:0] a, input logic [$clog2(Positions)-1:0] s, input logic left,
  output logic signed [W-1:0] o);
  assign o = (Both != 0 && left) ? a <<< s : a >>> s;
endmodule
module cal_register #(parameter int W = 8, parameter int Enable = 0, parameter int Reset = 0) (
  input logic clk, input logic rst_n, input logic en, input logic [W-1:0] d, output logic [W-1:0] q);
  always_ff @(posedge clk) begin
    if (Reset != 0 && !rst_n) q <= '0;
    else if (Enable == 0 || en) q <= d;
  end
endmodule
module cal_mac #(parameter int A = 8, parameter int B = 8, parameter int AccW = 24) (
  input logic clk, input logic clear, input logic en, input logic signed [A-1:0] a, input logic signed [B-1:0] b,
  output logic signed [AccW-1:0] q);
  logic signed [A+B-1:0] p;
  logic signed [AccW:0] sum;
  assign sum = q + p;
  always_ff @(posedge clk) begin
    p <= a * b;
    if (clear) q <= '0;
    else if (en) q <= (sum[AccW] != sum[AccW-1]) ? {sum[AccW], {(AccW-1){~sum[AccW]}}} : sum[AccW-1:0];
  end
endmodule
module cal_requantise_fixed #(parameter int InW = 24, parameter int OutW = 8, parameter int Shift = 8) (
  input logic signed [InW-1:0] a, output logic signed [OutW-1:0] o);
  logic signed [InW:0] r;
  assign r = (a + (InW+1)'(1 << (Shift-1))) >>> Shift;
  localparam logic signed [InW:0] High = (1 << (OutW-1)) - 1;
  localparam logic signed [InW:0] Low = -(1 << (OutW-1));
  assign o = (r > High) ? High[OutW-1:0] : (r < Low) ? Low[OutW-1:0] : r[OutW-1:0];
endmodule
module cal_round_fixed #(parameter int W = 17, parameter int Shift = 8, parameter int Stochastic = 0) (
  input logic signed [W-1:0] a, input logic [31:0] word, output logic signed [W-Shift-1:0] o);
  logic signed [W:0] r;
  assign r = a + (W+1)'((Stochastic != 0) ? word[31 -: Shift] : (Shift)'(1 << (Shift-1)));
  assign o = r >>> Shift;
endmodule
module cal_saturate_fixed #(parameter int InW = 24, parameter int OutW = 8) (
  input logic signed [InW-1:0] a, output logic signed [OutW-1:0] o);
  logic over;
  assign over = (a[InW-1:OutW-1] != '0) && (a[InW-1:OutW-1] != '1);
  assign o = over ? {a[InW-1], {(OutW-1){~a[InW-1]}}} : a[OutW-1:0];
endmodule
module cal_weight_update #(parameter int WeightW = 12, parameter int StepW = 21) (
  input logic signed [StepW-1:0] code, input logic [4:0] shift, input logic [2:0] rounding, input logic [31:0] word,
  input logic signed [WeightW-1:0] weight, input logic signed [WeightW-1:0] low,
  input logic signed [WeightW-1:0] high, input logic mode, output logic signed [WeightW-1:0] o);
  logic signed [StepW-1:0] step;
  nemu_round_shift #(.W(StepW)) u_round (
    .code_i(code), .shift_i(shift), .rounding_i(rounding), .word_i(word), .code_o(step));
  nemu_add_step #(.WeightW(WeightW), .StepW(StepW)) u_add (
    .weight_i(weight), .step_i(step), .low_i(low), .high_i(high), .mode_i(mode), .weight_o(o));
endmodule
"""

CHILD = """
import sys
from pyosys import libyosys as ys
ys.run_pass(f"script {sys.argv[1]}", ys.Design())
"""


class SynthesisError(Exception):
    """Yosys is missing, or it refuses the design."""


@dataclass(frozen=True)
class Point:
    """One synthesis: a module and its parameters; *held* points are not fitted to."""

    module: str
    parameters: Mapping[str, int]
    held: bool = False
    flat: bool = True
    label: str = ""

    @property
    def name(self) -> str:
        """What the committed numbers call it."""
        inside = ",".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.label or self.module}({inside})"


def _script(point: Point, folder: Path) -> str:
    chosen = " ".join(f"-chparam {name} {value}" for name, value in point.parameters.items())
    if point.module in BLOCKS and not chosen:
        raise SynthesisError(f"{point.module} without parameters")
    lines = [
        f"read_verilog -sv -DSYNTHESIS {RTL}/ops/*.sv {RTL}/core/*.sv {RTL}/mem/nemu_banked_memory.sv "
        f"{RTL}/mem/nemu_lane_memory.sv {folder}/primitives.sv",
        f"read_verilog -sv -DSYNTHESIS -lib {RTL}/mem/nemu_sram_1rw.sv {RTL}/mem/nemu_ram_1r1w.sv",
        f"hierarchy -check -top {point.module} {chosen}",
    ]
    if not point.flat:
        kept = " ".join(f"A:hdlname={block} {block} *\\\\{block}" for block in BLOCKS[1:])
        lines.append(f"setattr -mod -set keep_hierarchy 1 {kept}")
    lines += [
        "synth -flatten",
        f"dfflibmap -liberty {LIBERTY}",
        f"abc -liberty {LIBERTY}",
        "opt_clean",
        f"tee -q -o {folder}/stat.json stat -liberty {LIBERTY} -json",
    ]
    return "\n".join([*lines, ""])


def synthesise(point: Point) -> dict[str, dict[str, float]]:
    """Synthesise one point; for every kept module its own logic (NAND2), flip-flops and instances.

    Raises:
        SynthesisError: Yosys or the library is missing, or the design is refused.

    """
    if not LIBERTY.exists():
        raise SynthesisError(f"{LIBERTY} is missing: apt-get install qflow-tech-osu018")
    with tempfile.TemporaryDirectory(prefix="nemu-gates-") as name:
        folder = Path(name)
        (folder / "primitives.sv").write_text(PRIMITIVES, encoding="utf-8")
        (folder / "run.ys").write_text(_script(point, folder), encoding="utf-8")
        words = [sys.executable, "-c", CHILD, str(folder / "run.ys")]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode != 0 or not (folder / "stat.json").exists():
            raise SynthesisError("\n".join([point.name, *(done.stdout + done.stderr).splitlines()[-12:]]))
        report = json.loads((folder / "stat.json").read_text(encoding="utf-8"))
    return _modules(report["modules"], point.module)


def _plain(name: str) -> str:
    return re.sub(r"^\\?\$paramod(?:\$[0-9a-f]+)?\\", "", name.lstrip("\\")).split("\\")[0]


def cell_areas() -> dict[str, float]:
    """Area of every cell of the library, um2."""
    text = LIBERTY.read_text(encoding="utf-8")
    return {name: float(area) for name, area in re.findall(r"cell \((\w+)\) \{.*?area : ([\d.]+);", text, re.DOTALL)}


def _modules(found: Mapping[str, Mapping[str, object]], top: str) -> dict[str, dict[str, float]]:
    """Own cells of every module, by plain name; a module occurs with one set of parameters."""
    areas = cell_areas()
    counts = {name: dict(entry["num_cells_by_type"]) for name, entry in found.items()}
    cells = {name: {kind: _count(count) for kind, count in own.items()} for name, own in counts.items()}
    instances = dict.fromkeys(cells, 0)

    def visit(name: str, times: int) -> None:
        instances[name] += times
        for kind, count in cells[name].items():
            inside = kind if kind in cells else f"\\{kind}"
            if inside in cells:
                visit(inside, times * count)

    visit(next(name for name in cells if _plain(name) == top), 1)
    result: dict[str, dict[str, float]] = {}
    for name, own in cells.items():
        flops = sum(count for kind, count in own.items() if kind.startswith("DFF"))
        logic = sum(areas[kind] * count for kind, count in own.items() if kind in areas and not kind.startswith("DFF"))
        stray = [kind for kind in own if kind.startswith("$") and not kind.startswith(("$paramod", "$scopeinfo"))]
        if stray:
            raise SynthesisError(f"{name}: cells outside the library: {stray}")
        if instances[name] and _plain(name) in result:
            raise SynthesisError(f"{_plain(name)} occurs with two sets of parameters")
        if instances[name]:
            result[_plain(name)] = {
                "logic": round(logic / NAND2_AREA, 1),
                "flops": flops,
                "instances": instances[name],
            }
    return result


def _count(value: object) -> int:
    """Cells of one type: a number, or an entry that holds one."""
    if isinstance(value, Mapping):
        return int(value["count"])
    return int(str(value))


def total(modules: Mapping[str, Mapping[str, float]]) -> tuple[float, int]:
    """Logic (NAND2) and flip-flops of everything."""
    logic = sum(entry["logic"] * entry["instances"] for entry in modules.values())
    flops = sum(entry["flops"] * entry["instances"] for entry in modules.values())
    return round(logic, 1), int(flops)


def points_of(module: str, names: str, fit: Sequence[tuple[int, ...]], held: Sequence[tuple[int, ...]]) -> list[Point]:
    """Points of one module from rows of parameter values."""
    keys = names.split()
    rows = [(row, False) for row in fit] + [(row, True) for row in held]
    return [Point(module, dict(zip(keys, row, strict=True)), away) for row, away in rows]
