"""All checks of the project, one after the other: `make test` runs this file.

lint, types and layering; the integer suite without JIT; the README's commands; the whole suite, RTL in Verilator
included. The kernels compile beside the first two, which need none. Icarus and Yosys come from the system's packages:
they are installed where that is allowed, and where it is not, what did not run is said last. Stops at the first step
that fails and says which.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
JOBS = str(min(4, os.cpu_count() or 1))

STEPS = {
    "lint": [
        [BIN / "ruff", "check", "."],
        [BIN / "ruff", "format", "--check", "."],
        [BIN / "mypy"],
        [BIN / "lint-imports", "--no-cache"],
    ],
    "no-jit": [[sys.executable, "-m", "pytest", "-n", JOBS, "-m", "integer"]],
    "readme": [[sys.executable, "tests/readme.py"]],
    "tests": [[sys.executable, "-m", "pytest", "-n", JOBS]],
}
# Compiled once: parallel test processes would each compile the same kernels.
KERNELS = [BIN / "neuro-emu", "warmup"]
WITHOUT_KERNELS = ("lint", "no-jit")
ENVIRONMENT = {"no-jit": {"NUMBA_DISABLE_JIT": "1"}}

# Marker of tests → program that they need and the package that has it.
PROGRAMS = {"icarus": ("iverilog", "iverilog"), "yosys": ("yosys", "yosys")}


def missing_programs() -> list[str]:
    """Markers of tests whose program is missing, after an attempt to install it as root on a Debian system."""
    absent = [package for program, package in PROGRAMS.values() if not shutil.which(program)]
    if absent and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *absent]
        for command in (["apt-get", "update", "-qq"], install):
            print(f"   {' '.join(command)}", flush=True)
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    return [marker for marker, (program, _) in PROGRAMS.items() if not shutil.which(program)]


def without(markers: list[str], command: list[str]) -> list[str]:
    """Deselect tests by marker in a command that runs pytest."""
    if not markers or "pytest" not in command or "-m" in command[3:]:
        return command
    return [*command, "-m", " and ".join(f"not {marker}" for marker in markers)]


def run_step(name: str, missing: list[str]) -> int:
    """Run the commands of a step; returns the exit code of the first that fails."""
    print(f"== {name}", flush=True)
    started = time.monotonic()
    for command in STEPS[name]:
        environment = os.environ | ENVIRONMENT.get(name, {})
        words = without(missing, [str(word) for word in command])
        code = subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode
        if code:
            print(f"FAILED in {name}: {' '.join(str(word) for word in command)}", flush=True)
            return code
    print(f"   {name} took {time.monotonic() - started:.0f} s", flush=True)
    return 0


def main() -> int:
    """Run the steps; returns the exit code of the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=STEPS, help="one step (default: all)")
    only = parser.parse_args().only
    begin = time.monotonic()
    print("== programs", flush=True)
    missing = missing_programs() if only in (None, "tests") else []
    compiling = subprocess.Popen([str(word) for word in KERNELS], cwd=ROOT) if only not in WITHOUT_KERNELS else None
    try:
        for name in [only] if only else STEPS:
            if compiling and name not in WITHOUT_KERNELS and compiling.wait():
                print(f"FAILED: {' '.join(str(word) for word in KERNELS)}", flush=True)
                return compiling.returncode
            if code := run_step(name, missing):
                return code
    finally:
        if compiling:
            compiling.kill()
            compiling.wait()
    for marker in missing:
        program, package = PROGRAMS[marker]
        print(
            f"NOT RUN: the {marker} checks; {program} is missing and could not be installed: apt-get install {package}"
        )
    print(f"everything passed in {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
