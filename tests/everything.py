"""All checks of the project, one after the other: `make test` runs this file.

lint, types and layering; the README's commands; the integer suite without JIT; the whole suite. Stops at the first
step that fails and says which.
"""

import argparse
import os
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
    # Compiled once here: parallel test processes would each compile the same kernels.
    "kernels": [[BIN / "neuro-emu", "warmup"]],
    "readme": [[sys.executable, "tests/readme.py"]],
    "no-jit": [[sys.executable, "-m", "pytest", "-n", JOBS, "-m", "integer"]],
    "tests": [[sys.executable, "-m", "pytest", "-n", JOBS]],
}
ENVIRONMENT = {"no-jit": {"NUMBA_DISABLE_JIT": "1"}}


def main() -> int:
    """Run the steps; returns the exit code of the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=STEPS, help="one step (default: all)")
    only = parser.parse_args().only
    begin = time.monotonic()
    for name, commands in STEPS.items():
        if only not in (None, name):
            continue
        print(f"== {name}", flush=True)
        started = time.monotonic()
        for command in commands:
            environment = os.environ | ENVIRONMENT.get(name, {})
            code = subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, check=False).returncode
            if code:
                print(f"FAILED in {name}: {' '.join(str(word) for word in command)}", flush=True)
                return code
        print(f"   {name} took {time.monotonic() - started:.0f} s", flush=True)
    print(f"everything passed in {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
