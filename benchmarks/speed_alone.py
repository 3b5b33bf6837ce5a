"""What speed.py measures in a process of its own; prints one line of JSON.

python benchmarks/speed_alone.py memory              peak memory of training drtp_mnist
python benchmarks/speed_alone.py threads --cores 0,1 one thread against two, free to move between the cores
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import common

CONFIG = common.CONFIGS / "drtp_mnist.yaml"


def peak_memory() -> float:
    """Most memory this process ever held, in MB; where only getrusage tells, what its parent held counts as well."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    except OSError:
        found = None
    if found:
        return int(found.group(1)) * 1024 / 1e6
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def memory(samples: int) -> dict[str, Any]:
    """Train and test as `neuro-emu run` does."""
    from neuro_emu import api, jit

    experiment = api.load(CONFIG, [f"dataset.train={samples}"] if samples < 60000 else [])
    api.run(experiment)
    return {"peak_mb": round(peak_memory(), 1), "compile_seconds": round(jit.compile_seconds(), 2)}


def threads(samples: int) -> dict[str, Any]:
    """Take turns, epoch by epoch, with one thread and with two; both must learn the same."""
    import numpy as np
    from contest import Ours, Runner

    runners = [Runner(Ours(f"threads {n}", CONFIG, threads=n), samples, wall=True) for n in (1, 2)]
    for epoch in runners[0].epochs:
        for runner in runners:
            runner.round(epoch)
    one, two = (runner.engine.state().weights for runner in runners)
    if not all(np.array_equal(a, b) for a, b in zip(one, two, strict=True)):
        raise SystemExit("two threads learn something else than one")
    return {"times": {runner.ours.name: runner.record() for runner in runners}}


def alone(verb: str, samples: int, *words: str) -> dict[str, Any]:
    """Run this file as a process of its own; returns what it printed."""
    environment = {k: v for k, v in os.environ.items() if k not in common.THREADS}
    command = [sys.executable, __file__, verb, "--samples", str(samples), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{verb} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("memory", "threads"))
    parser.add_argument("--samples", type=int, default=60000, metavar="N", help="training samples an epoch")
    parser.add_argument("--cores", default="", metavar="N,N", help="cores to stay on")
    args = parser.parse_args()
    if args.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(n) for n in args.cores.split(",")})
    print(json.dumps(memory(args.samples) if args.verb == "memory" else threads(args.samples)))


if __name__ == "__main__":
    main()
