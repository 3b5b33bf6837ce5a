"""Measure the accuracy of every configuration again and compare it with what its header promises.

    python benchmarks/accuracy.py [NAME ...] [--seeds N] [--float] [--epochs N] [--out DIR]

A header promises in one line: `# Expected: 95.2 ± 0.2 % on the test set (mean of 3 seeds, 10 epochs), about 7 s a
seed.` The measured mean must lie within twice the stated deviation, or 0.15 points if that is more, and must reach
the project's bar. A changed number of epochs is only reported: the promise is about the shipped configuration.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import common

if TYPE_CHECKING:
    from neuro_emu.config.experiment import Experiment
    from neuro_emu.datasets import Dataset

BARS = {
    "drtp_mnist": 94.9,
    "drtp_gated_mnist": 96.8,
    "dfa_mnist": 97.4,
    "sdfa_mnist": 97.0,
    "drtp_small": 92.8,
    "drtp_100": 92.6,
    "bp_mnist": 98.1,
    "rules_mnist": 97.4,
    "rules_8bit_mnist": 96.0,
}
NARROWEST_BAND = 0.15
_EXPECTED = re.compile(
    r"^#\s*Expected:\s*(?P<mean>\d+(?:\.\d+)?)\s*±\s*(?P<deviation>\d+(?:\.\d+)?)\s*%\s*on the test set\s*"
    r"\(mean of (?P<seeds>\d+) seeds?, (?P<epochs>\d+) epochs?\)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Expected:
    """What the header of a configuration promises: test accuracy in percent over some seeds and epochs."""

    mean: float
    deviation: float
    seeds: int
    epochs: int

    @classmethod
    def of(cls, path: Path) -> Expected | None:
        """Read the header of *path*; None if it promises nothing."""
        found = _EXPECTED.search(path.read_text(encoding="utf-8"))
        if not found:
            return None
        return cls(float(found["mean"]), float(found["deviation"]), int(found["seeds"]), int(found["epochs"]))

    @property
    def band(self) -> float:
        """How far a measured mean may lie from the promised one."""
        return max(2 * self.deviation, NARROWEST_BAND)

    def __str__(self) -> str:
        return f"{self.mean:g} ± {self.deviation:g}"


def measure(experiment: Experiment, data: Dataset, seeds: int, datapath: str) -> dict[str, Any]:
    """Run *experiment* with several seeds; returns test accuracies in percent and the seconds of a seed."""
    from neuro_emu import api

    first = experiment.config.training.seed
    accuracies, seconds = [], []
    for seed in range(first, first + seeds):
        if sys.stderr.isatty():
            print(f"\r\033[K{experiment.config.name}, {datapath}, seed {seed} …", end="", file=sys.stderr, flush=True)
        begin = time.perf_counter()
        finished = api.run(experiment.with_seed(seed), data=data, datapath=datapath)
        seconds.append(time.perf_counter() - begin)
        accuracies.append(finished.metrics["test_accuracy"])
    return {
        "config_digest": experiment.digest,
        "epochs": experiment.config.training.epochs,
        "seeds": list(range(first, first + seeds)),
        "test_accuracy": accuracies,
        "mean": round(fmean(accuracies), 4),
        "sd": round(stdev(accuracies), 4) if seeds > 1 else None,
        "seconds_a_seed": round(fmean(seconds), 2),
    }


def misses(name: str, found: dict[str, Any], expected: Expected | None) -> list[str]:
    """Return what *found* of configuration *name* fails, in words."""
    mean, missed = found["mean"], []
    if name in BARS and mean < BARS[name]:
        missed.append(f"{name}: {mean:.2f} %, bar {BARS[name]:g} %")
    if expected is None:
        missed.append(f"{name}: its header has no line `# Expected: … % on the test set (mean of N seeds, M epochs)`")
    elif expected.epochs != found["epochs"]:
        missed.append(f"{name}: its header speaks of {expected.epochs} epochs, the configuration of {found['epochs']}")
    elif abs(mean - expected.mean) > expected.band + 1e-9:
        missed.append(f"{name}: {mean:.2f} %, its header promises {expected} %, band ± {expected.band:g}")
    return missed


def _row(name: str, found: dict[str, Any], expected: Expected | None, verdict: str) -> tuple[str, ...]:
    spread = "" if found["sd"] is None else f"{found['sd']:.2f}"
    return (
        name,
        f"{found['mean']:.2f}",
        spread,
        "–" if expected is None else str(expected),
        f"{BARS[name]:g}" if name in BARS else "–",
        str(found["epochs"]),
        f"{found['seconds_a_seed']:.1f}",
        verdict,
    )


def main() -> int:
    """Run the benchmark; returns the exit code."""
    names = sorted(path.stem for path in common.CONFIGS.glob("*.yaml"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"configurations (default: all): {', '.join(names)}")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds of each (default: 3)")
    parser.add_argument("--float", action="store_true", help="also the float twin of each: minutes a seed")
    parser.add_argument("--epochs", type=int, metavar="N", help="fewer epochs: reported, held against nothing")
    parser.add_argument("--out", type=Path, default=common.RESULTS, metavar="DIR", help="where the result goes")
    args = parser.parse_args()
    chosen = [Path(name).stem for name in args.names] or names
    unknown = [name for name in chosen if name not in names]
    if unknown:
        parser.error(f"no configuration named {', '.join(unknown)}; there are {', '.join(names)}")
    if args.seeds < 1:
        parser.error("--seeds: at least 1")

    from neuro_emu import api

    facts = common.environment("numpy", "numba")
    print(common.describe(facts) + "\n")
    api.warm_up()  # compiling is no part of what a seed takes
    loaded: dict[str, Dataset] = {}
    results: dict[str, Any] = {}
    rows, missed = [], []
    for name in chosen:
        path = common.CONFIGS / f"{name}.yaml"
        experiment = api.load(path, [] if args.epochs is None else [f"training.epochs={args.epochs}"])
        expected = Expected.of(path)
        source = experiment.config.dataset.name
        if source not in loaded:
            loaded[source] = api.load_data(experiment)
        for datapath in ("fast", "float") if args.float else ("fast",):
            found = measure(experiment, loaded[source], args.seeds, datapath)
            if datapath == "float":
                results[name]["float"] = found
                rows.append((f"{name}, float", *_row("", found, None, "")[1:]))
                continue
            held = args.epochs is None
            failures = misses(name, found, expected) if held else []
            missed += failures
            results[name] = found | {
                "expected": None if expected is None else {"mean": expected.mean, "deviation": expected.deviation},
                "bar": BARS.get(name),
                "missed": failures if held else None,
            }
            rows.append(_row(name, found, expected, "" if not held else "MISSED" if failures else "fine"))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    header = ("test accuracy, %", "mean", "sd", "promised", "bar", "epochs", "s/seed", "")
    print(common.table(header, rows))
    record = facts | {"load_average_after": common.load_average(), "configs": results}
    common.write_json(args.out / "accuracy.json", record)
    return common.verdict(missed)


if __name__ == "__main__":
    sys.exit(main())
