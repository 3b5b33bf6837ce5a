"""From SystemVerilog to something that runs: a shared library, an executable testbench or an Icarus program.

``verilator_bin`` and the C++ compiler are called directly, without make and Perl. Results are cached by content, so
*sources* must name every file that takes part; a file that is only included is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from neuro_emu.cosim.cache import cached, digest
from neuro_emu.cosim.tools import Verilator, compiler, compiler_version, icarus, run_tool, verilator

_VERILATE = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--prefix", "Vtop")
_LINT = {True: ("-Wall",), False: ("-Wno-fatal", "-Wno-lint")}
_COMPILE = ("-std=c++20", "-O2", "-fPIC", "-pthread", "-w")


def shared_library(
    sources: Sequence[Path],
    top: str,
    parameters: Mapping[str, int],
    harness: Path,
    *,
    trace: bool = False,
    lint: bool = True,
) -> Path:
    """Build the module *top* and the C++ file *harness*, which includes ``Vtop.h``, into one shared library.

    Args:
        sources: every SystemVerilog file, packages first.
        top: the module that the class ``Vtop`` stands for.
        parameters: values of its parameters.
        harness: C++ with the ``extern "C"`` functions to call.
        trace: make ``Vtop`` able to write VCD.
        lint: refuse sources that ``-Wall`` warns of.

    Raises:
        ToolError: a tool is missing, warns (``-Wall``) or fails.
    """
    chain = _Chain(verilator(), *_compiler(), trace=trace, timing=False)
    words = [*_VERILATE, *_LINT[lint], "--cc", *chain.options, *_parameters(parameters)]
    key = digest([*chain.identity, top, *words], [*sources, harness])
    return cached(f"{top}-{key}.so", lambda folder: chain.build(folder, words, top, sources, harness))


def executable(
    sources: Sequence[Path], top: str, parameters: Mapping[str, int], *, trace: bool = False, lint: bool = True
) -> Path:
    """Build the testbench *top*, which may use delays, into a program that runs until ``$finish``.

    Arguments are those of :func:`shared_library`; *trace* allows ``$dumpvars``.

    Raises:
        ToolError: a tool is missing, warns (``-Wall``) or fails.
    """
    chain = _Chain(verilator(), *_compiler(), trace=trace, timing=True)
    words = [*_VERILATE, *_LINT[lint], "--cc", "--exe", "--main", *chain.options, *_parameters(parameters)]
    key = digest([*chain.identity, top, *words], sources)
    return cached(f"{top}-{key}.exe", lambda folder: chain.build(folder, words, top, sources, None))


def icarus_program(sources: Sequence[Path], top: str, parameters: Mapping[str, int]) -> Path:
    """Compile the testbench *top* into a program for ``vvp -N``; arguments as in :func:`shared_library`.

    Raises:
        ToolError: Icarus is missing or fails.
    """
    tool = icarus()
    words = ["-g2012", "-s", top, *(f"-P{top}.{name}={_literal(value)}" for name, value in parameters.items())]

    def make(folder: Path) -> Path:
        program = folder / "program.vvp"
        run_tool([tool.iverilog, *words, "-o", program, *(path.resolve() for path in sources)])
        return program

    return cached(f"{top}-{digest([tool.version, *words], sources)}.vvp", make)


def _compiler() -> tuple[tuple[str, ...], str]:
    words = compiler()
    return tuple(words), compiler_version(words)


def _parameters(parameters: Mapping[str, int]) -> list[str]:
    return [f"-G{name}={_literal(value)}" for name, value in parameters.items()]


def _literal(value: int) -> str:
    """Return *value* as both simulators read it on their command lines: sized if an ``int`` does not hold it."""
    if -(2**31) <= value < 2**31:
        return str(int(value))
    return f"32'd{value}" if 0 <= value < 2**32 else f"64'd{value % 2**64}"


@dataclass(frozen=True)
class _Chain:
    """Verilator, a C++ compiler and what they are asked for."""

    tool: Verilator
    compiler: tuple[str, ...]
    compiler_version: str
    trace: bool
    timing: bool

    @property
    def identity(self) -> list[str]:
        """Everything but the design that decides the bits of the result."""
        return [self.tool.version, *self.compiler, self.compiler_version, *self.compile_flags]

    @property
    def options(self) -> list[str]:
        """Options of Verilator that the C++ must agree with."""
        return ["--trace"] * self.trace + (["--timing"] if self.timing else ["--no-timing"])

    @property
    def compile_flags(self) -> list[str]:
        """Flags of every C++ file."""
        traced, timed = int(self.trace), int(self.timing)
        defines = (
            f"-DVERILATOR=1 -DVM_TRACE={traced} -DVM_TRACE_VCD={traced} -DVM_TRACE_FST=0 -DVM_TRACE_SAIF=0 "
            f"-DVM_TIMING={timed} -DVM_COVERAGE=0 -DVM_SC=0"
        )
        gcc = "clang" not in self.compiler_version.lower()
        return [*_COMPILE, *defines.split(), *(["-fcoroutines"] if self.timing and gcc else [])]

    def build(self, folder: Path, words: list[str], top: str, sources: Sequence[Path], harness: Path | None) -> Path:
        """Build in *folder* and return the library, or the executable if there is no *harness*."""
        design = folder / "design"
        files = [path.resolve() for path in sources]
        run_tool([self.tool.binary, *words, "--top-module", top, "-Mdir", design, *files], self.tool.environment)
        parts = [*sorted(design.glob("*.cpp")), *([harness.resolve()] if harness else [])]
        with ThreadPoolExecutor(2) as pool:
            objects = list(pool.map(lambda make: make(), (lambda: self._object(folder, parts), self._runtime)))
        result = folder / "result"
        link = ["-shared"] if harness else []
        run_tool([*self.compiler, "-O2", "-pthread", *link, *objects, "-o", result])
        return result

    def _runtime(self) -> Path:
        """Verilator's own run-time library as one object file: the slower half of a build, and always the same."""
        names = ["verilated", "verilated_threads"]
        names += ["verilated_vcd_c"] * self.trace + ["verilated_timing"] * self.timing
        parts = [self.tool.root / "include" / f"{name}.cpp" for name in names]
        return cached(f"runtime-{digest(self.identity, parts)}.o", lambda folder: self._object(folder, parts))

    def _object(self, folder: Path, parts: Sequence[Path]) -> Path:
        """Compile *parts* as one file, which is faster than one by one: they share long headers."""
        unit = folder / "unit.cpp"
        unit.write_text("".join(f'#include "{path}"\n' for path in parts), encoding="utf-8")
        include = self.tool.root / "include"
        paths = [f"-I{folder / 'design'}", f"-I{include}", f"-I{include / 'vltstd'}"]
        run_tool([*self.compiler, *self.compile_flags, *paths, "-c", unit, "-o", unit.with_suffix(".o")])
        return unit.with_suffix(".o")
