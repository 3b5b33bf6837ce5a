"""Time what a user waits for before anything is learned.

    python benchmarks/startup.py [--repeats N] [--out DIR] [--no-bars]

Every figure is a process of its own, started as a user starts it; medians. Compiled kernels go to a temporary
cache: the first process compiles into it (the cold start), the later ones load from it (the warm ones).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import common

CONFIG = common.CONFIGS / "drtp_mnist.yaml"
HELP, CHECK, WARM = "neuro-emu --help", "neuro-emu check drtp_mnist", "neuro-emu run drtp_mnist, to the first sample"
BARS = {HELP: 0.3, CHECK: 0.3, WARM: 1.5}
STARTED = "NEURO_EMU_BENCHMARK_STARTED"
_TO_FIRST_SAMPLE = f"""
import os, sys, time
from neuro_emu import cli
from neuro_emu.training import engines

def stop(engine, epoch, order):
    print(time.time() - float(os.environ["{STARTED}"]), flush=True)
    os._exit(0)

engines.FastEngine.begin_epoch = stop
sys.exit(cli.main(sys.argv[1:]))
"""
"""The command itself, stopped where the first block of samples would begin."""
_COMPILE = "from neuro_emu import api; print(api.warm_up())"
_COMPILE_MORE = f"""
from neuro_emu import api, jit
api.run(api.load(r"{CONFIG}", ["dataset.name=synthetic", "training.epochs=1"]))
print(jit.compile_seconds())
"""
"""What `neuro-emu warmup` left uncompiled for this configuration: nothing, we hope."""


def command() -> list[str]:
    """Return the installed command of this interpreter, or the module it stands for."""
    found = shutil.which("neuro-emu", path=str(Path(sys.executable).parent))
    return [found] if found else [sys.executable, "-m", "neuro_emu.cli"]


def _run(words: list[str], environment: dict[str, str]) -> str:
    started = {STARTED: repr(time.time())}
    done = subprocess.run(words, env=environment | started, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words[:2])} failed:\n{done.stderr}")
    return done.stdout


def _seconds(words: list[str], environment: dict[str, str]) -> float:
    begin = time.perf_counter()
    _run(words, environment)
    return time.perf_counter() - begin


def measure(repeats: int, folder: Path) -> dict[str, Any]:
    """Time everything, compiling into *folder*; returns the record."""
    environment = os.environ | {"NEURO_EMU_JIT_CACHE": str(folder / "jit")}
    python = [sys.executable, "-c"]
    begin = time.perf_counter()
    compiling = float(_run([*python, _COMPILE], environment))
    cold = time.perf_counter() - begin
    left = float(_run([*python, _COMPILE_MORE], environment))
    to_first = [*python, _TO_FIRST_SAMPLE, "run", str(CONFIG), "--out", str(folder / "run")]
    timed: dict[str, Callable[[], float]] = {
        "python -c pass": lambda: _seconds([*python, "pass"], environment),
        "import numpy": lambda: _seconds([*python, "import numpy"], environment),
        "import numba": lambda: _seconds([*python, "import numba"], environment),
        HELP: lambda: _seconds([*command(), "--help"], environment),
        CHECK: lambda: _seconds([*command(), "check", str(CONFIG)], environment),
        WARM: lambda: float(_run(to_first, environment)),
    }
    found: dict[str, list[float]] = {name: [] for name in timed}
    for once in timed.values():
        once()  # reads every file once, so that the first of the repeats is like the others
    for _ in range(repeats):  # in turn, so that noise of the machine hits all of them
        for name, once in timed.items():
            found[name].append(once())
    return {
        "cold_compile_seconds": round(compiling, 2),
        "cold_warmup_seconds": round(cold, 2),
        "compiled_after_warmup_seconds": round(left, 2),
        "seconds": {
            name: {"median": round(median(times), 3), "best": round(min(times), 3), "bar": BARS.get(name)}
            for name, times in found.items()
        },
    }


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="processes of each (default: 7)")
    parser.add_argument("--out", type=Path, default=common.RESULTS, metavar="DIR", help="where the result goes")
    parser.add_argument("--no-bars", action="store_true", help="only report")
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error("--repeats: at least 1")
    facts = common.environment("numpy", "numba")
    print(common.describe(facts) + "\n")
    with tempfile.TemporaryDirectory(prefix="neuro-emu-startup-") as folder:
        record = facts | {"repeats": args.repeats} | measure(args.repeats, Path(folder))
    record["load_average_after"] = common.load_average()
    rows, missed = [], []
    for name, found in record["seconds"].items():
        bar = found["bar"]
        late = bar is not None and found["median"] > bar
        if late:
            missed.append(f"{name}: {found['median']:.2f} s, bar {bar:g} s")
        state = "" if bar is None else "MISSED" if late else "fine"
        rows.append((name, f"{found['median']:.3f}", f"{found['best']:.3f}", "" if bar is None else f"{bar:g}", state))
    print(common.table(("seconds", "median", "best", "bar", ""), rows))
    print(
        f"\ncold: compiling {record['cold_compile_seconds']:.1f} s of the {record['cold_warmup_seconds']:.1f} s that "
        f"`neuro-emu warmup` takes; a run after it compiles another {record['compiled_after_warmup_seconds']:.1f} s"
    )
    common.write_json(args.out / "startup.json", record)
    return common.verdict(missed, enforced=not args.no_bars)


if __name__ == "__main__":
    sys.exit(main())
