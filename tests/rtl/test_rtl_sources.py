"""The RTL as text and as a whole: names, layout, what the README says of it, and four front ends on the entire core."""

import re
import shutil
from functools import cache

import pytest
from lint import icarus_complaints, slang_complaints, verilator_lint

from neuro_emu.cosim.tools import run_tool
from neuro_emu.golden.sources import rtl_root, rtl_sources

ROOT = rtl_root()
FOLDERS = ("ops", "mem", "core", "tb")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.sv"))]
TEXTS = [*FILES, *sorted((ROOT / "tb").glob("*.cpp"))]
DESIGN = [path for path in rtl_sources() if path.suffix == ".sv"]
WAIVERS = [path for path in rtl_sources() if path.suffix == ".vlt"]

SETS = {
    "default": {},
    "chip": {"Trace": 0},
    "smallest": {
        **dict.fromkeys(("Lanes", "Banks", "Units", "Layers", "WeightRows", "FeedbackRows"), 1),
        **{"KeptGroups": 1, "ErrorGroups": 1, "Codes": 32},
    },
    "widest": {
        **{"Lanes": 5, "Banks": 4, "Units": 3, "Layers": 3, "WeightW": 32, "FeedbackW": 16, "CodeW": 33},
        **{"DeltaW": 32, "AccW": 63, "MidW": 64, "GradientW": 50},
    },
}
sets = pytest.mark.parametrize("parameters", SETS.values(), ids=SETS)
files = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
texts = pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)

PORT = re.compile(r"^ *(input|output)\b[^/]*?(\w+),? *(?://.*)?$", re.MULTILINE)


def code_of(path):
    """Lines without their comments."""
    return [line.split("//")[0].rstrip() for line in path.read_text(encoding="utf-8").splitlines()]


@cache
def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


def table(heading):
    """First cell without its quotes → the other cells, of every row in the tables below a heading of the README."""
    section = readme().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    found = {name.strip("`"): rest for name, *rest in rows if name.startswith("`")}
    assert len(found) == sum(name.startswith("`") for name, *_ in rows), "a row is there twice"
    return found


def parameters_of_the_core():
    """Build parameters and their defaults, without those that follow from them."""
    header = (ROOT / "core" / "nemu_core.sv").read_text(encoding="utf-8").split("// derived")[0]
    return dict(re.findall(r"^  parameter int (\w+) *= (\d+)", header, re.MULTILINE))


@files
def test_a_file_holds_the_one_module_of_its_name(path):
    assert re.findall(r"^\s*(?:module|package|interface) (\w+)", "\n".join(code_of(path)), re.MULTILINE) == [path.stem]
    assert path.stem.startswith("nemu_")


def test_no_name_is_there_twice():
    assert len({path.stem for path in FILES}) == len(FILES) > 30
    assert {path.parent.name for path in ROOT.glob("*/*.sv")} == set(FOLDERS)


@files
def test_ports_say_their_direction(path):
    header = "\n".join(code_of(path)).split(");")[0]
    ports = PORT.findall(header)
    assert len(ports) == len(re.findall(r"\b(?:input|output)\b", header))
    assert bool(ports) == (path.stem != "nemu_testbench")
    ends = {"input": ("_i", "_ni"), "output": ("_o",)}
    assert not [name for direction, name in ports if not name.endswith(ends[direction])]


@texts
def test_layout(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "\t" not in text
    assert len(lines) <= 400
    assert not [number for number, line in enumerate(lines, 1) if len(line) > 120]
    assert not [number for number, line in enumerate(lines, 1) if line != line.rstrip()]


@texts
def test_indentation_is_two_spaces(path):
    """Except where a line goes on with the one before it."""
    code, before, odd = code_of(path), "", []
    for number, line in enumerate(code, 1):
        if not line:
            continue
        goes_on = before.endswith((",", "(", "=", "&&", "||", ":", "?")) or line.lstrip().startswith((":", "?"))
        if (len(line) - len(line.lstrip())) % 2 and not goes_on:
            odd.append(number)
        before = line
    assert not odd


@files
def test_nets_are_declared(path):
    lines = [line for line in code_of(path) if line]
    assert (lines[0], lines[-1]) == ("`default_nettype none", "`default_nettype wire")


def test_the_readme_describes_every_module_and_no_other():
    modules = table("Modules")
    assert sorted(modules) == sorted(path.stem for path in FILES)
    assert all(len(cells) == 3 and all(cells) for cells in modules.values())
    assert list(modules) == [path.stem for path in FILES], "the order is that of the folders"


def test_the_readme_describes_every_build_parameter():
    described = {name: cells[-1] for name, cells in table("Build parameters").items()}
    assert described == parameters_of_the_core()


def test_the_readme_repeats_the_results_of_synthesis():
    results = (ROOT / "synthesis" / "results.md").read_text(encoding="utf-8")
    rows = [line for line in results.split("\n## ")[0].splitlines() if line.startswith("| ")]
    assert len(rows) == 8
    assert not [row for row in rows if row not in readme()]


def test_links_of_the_readme_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", readme())
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]


@sets
def test_verilator_has_no_complaint(parameters):
    values = [f"-G{name}={value}" for name, value in parameters.items()]
    verilator_lint("nemu_core", *values, *WAIVERS, *DESIGN)


@sets
def test_slang_elaborates_without_complaint(parameters):
    values = [f"-G {name}={value}" for name, value in parameters.items()]
    complaints = slang_complaints("nemu_core", *values, *(f'"{path}"' for path in DESIGN))
    # With 32 codes the row finder has one word of flags, and shifts the whole index away on purpose.
    assert not [text for text in complaints if not text.startswith("shift count of")]


@pytest.mark.icarus
@sets
def test_icarus_has_no_complaint(parameters):
    values = [f"-Pnemu_core.{name}={value}" for name, value in parameters.items()]
    assert not icarus_complaints("nemu_core", *values, *DESIGN)


@pytest.fixture
def yosys(tmp_path, monkeypatch):
    """Run a script in the directory of the RTL; with -q Yosys prints warnings and errors alone."""
    program = shutil.which("yosys")
    assert program, "Yosys was not found: apt-get install yosys, or deselect with -m 'not yosys'"
    monkeypatch.chdir(ROOT)

    def run(*lines):
        script = tmp_path / "script.ys"
        script.write_text("\n".join([*lines, ""]), encoding="utf-8")
        return run_tool([program, "-q", script])

    return run


@pytest.mark.yosys
@sets
def test_yosys_finds_no_loops_no_latches_no_second_drivers(parameters, yosys):
    values = [f"-chparam {name} {value}" for name, value in parameters.items()]
    read = " ".join(["read_verilog -sv", *(str(path.relative_to(ROOT)) for path in DESIGN)])
    choose = " ".join(["hierarchy -check -top nemu_core", *values])
    latches = "select -assert-none t:$dlatch t:$adlatch t:$dlatchsr"
    printed = yosys(read, choose, "proc", "check -assert", latches).splitlines()
    # Yosys 0.23 takes a narrowing cast beside a narrower operand for as wide as its argument, and cuts it afterwards.
    assert not [line for line in printed if not line.startswith("Warning: Resizing cell port ")]


@pytest.mark.yosys
def test_the_script_of_the_synthesis_reads_the_core_with_memories_as_macros(yosys):
    count = [f"select -assert-min 1 t:{macro}" for macro in ("nemu_sram_1rw", "nemu_ram_1r1w")]
    assert not yosys("script synthesis/synthesise.ys read:gates", *count)
