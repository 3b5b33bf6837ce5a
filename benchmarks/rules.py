"""Measure every learning rule again, and compare it with what docs/rules.md promises.

    python benchmarks/rules.py [bars | sharing] [--seeds N] [--float]

*bars* (15 minutes): all rules of `rules_mnist` (16-bit weights) and `rules_8bit_mnist`, and backpropagation on
784-500-10; the mean must reach the bar. With `--float` the float twins too (about two hours): an integer run may lie
0.5 points (16 bits) or 1.8 points (8 bits) below its twin, not more.

*sharing* (5 minutes): what the options of activation sharing do: block size, an untrained first layer, matching of
unequal sizes, local classifiers; five-layer networks, 16-bit weights.
"""

from __future__ import annotations

import argparse
import sys
from statistics import fmean, stdev
from typing import Any

import common

BARS_16 = {
    "bp": 97.4,
    "kp": 97.4,
    "dkp": 97.4,
    "weight_mirror": 97.2,
    "dfa": 97.1,
    "asap": 97.0,
    "asfp": 97.0,
    "fa": 96.2,
    "sdfa": 95.5,
    "drtp": 93.4,
    "drtp, error gate": 95.3,
}
BARS_8 = {"bp": 96.0, "kp": 96.0, "dkp": 96.0, "dfa": 96.0}
BAR_BP_500 = 98.1
LARGEST_ANGLE = 10.0  # of kp, in degrees
GATE = ("training.rule=drtp", "training.error_gate=32")
_DENSE = "{units: %d, activation: hard_tanh, weight: s16f13, output: s8f7, table_frac: 5, delta: s8f7}"
_OUTPUT = "{units: 10, activation: sigmoid, weight: s16f12, output: u8f8, delta: s9f8}"


def trained(config: str, overrides: tuple[str, ...], seeds: int, datapath: str = "fast") -> dict[str, Any]:
    """Train some seeds; returns mean, deviation and what else the record says of the first."""
    from neuro_emu import load, run
    from neuro_emu.api import load_data

    experiment = load(common.CONFIGS / f"{config}.yaml", overrides)
    data = load_data(experiment)
    first = experiment.config.training.seed
    found = [run(experiment.with_seed(first + n), data=data, datapath=datapath).metrics for n in range(seeds)]
    accuracies = [metrics["test_accuracy"] for metrics in found]
    return {
        "accuracy": round(fmean(accuracies), 3),
        "deviation": round(stdev(accuracies), 3) if seeds > 1 else None,
        "feedback_angles": found[0]["feedback_angles"],
        "cycles_per_sample": found[0]["training"]["cycles_per_sample"] if found[0]["training"] else None,
    }


def bars(seeds: int, with_float: bool) -> tuple[list[dict[str, Any]], bool]:
    """All rules on both design points; returns the rows and whether every bar is reached."""
    from neuro_emu.api.rules import rule_names

    rows, fine = [], True
    for config, floors, margin in (("rules_mnist", BARS_16, 0.5), ("rules_8bit_mnist", BARS_8, 1.8)):
        cases = {name: (f"training.rule={name}",) for name in rule_names()} | {"drtp, error gate": GATE}
        for name, overrides in cases.items():
            row = {"config": config, "rule": name, **trained(config, overrides, seeds), "bar": floors.get(name)}
            reached = row["accuracy"] >= (row["bar"] or 0.0)
            if name == "kp":
                reached = reached and max(row["feedback_angles"]) < LARGEST_ANGLE
            if with_float:
                row["float"] = trained(config, overrides, 1, "float")["accuracy"]
                reached = reached and row["accuracy"] >= row["float"] - margin
            fine = show(row, reached) and fine
            rows.append(row)
        of_config = {row["rule"]: row["accuracy"] for row in rows if row["config"] == config}
        if min(of_config, key=of_config.__getitem__) != "shallow":
            print("MISSED: shallow learning is not the worst")
            fine = False
    row = {"config": "bp_mnist", "rule": "bp", **trained("bp_mnist", (), seeds), "bar": BAR_BP_500}
    rows.append(row)
    return rows, show(row, row["accuracy"] >= BAR_BP_500) and fine


def show(row: dict[str, Any], reached: bool) -> bool:
    """Print one row; returns *reached*."""
    deviation = f" ± {row['deviation']:.2f}" if row["deviation"] is not None else ""
    angles = ", ".join(f"{a:.1f}°" for a in row["feedback_angles"] if a is not None)
    twin = f"  float {row['float']:.2f}" if "float" in row else ""
    bar = f"  bar {row['bar']:.1f}" if row.get("bar") else ""
    verdict = "" if reached else "  MISSED"
    print(
        f"{row['config']:18}{row['rule']:32}{row['accuracy']:.2f}{deviation}{twin}{bar}  {angles}{verdict}", flush=True
    )
    return reached


def sharing(seeds: int) -> list[dict[str, Any]]:
    """Options of the sharing rules on deeper networks."""
    equal, unequal = (128, 128, 128, 128), (128, 96, 128, 64)
    cases = [(rule, equal, (f"training.rule={rule}",)) for rule in ("bp", "kp")]
    for block in (2, 4):
        for first in ("trained", "fixed"):
            options = f"training.options={{block: {block}, first_layer: {first}}}"
            cases.append((f"asap k={block}, first {first}", equal, ("training.rule=asap", options)))
    for local in ("false", "true"):
        options = f"training.options={{local_classifier: {local}}}"
        cases.append((f"asfp, local classifier {local}", equal, ("training.rule=asfp", options)))
    for matching in ("max_pool", "average_pool", "random"):
        for rule in ("activation_sharing", "asap"):
            options = f"training.options={{matching: {matching}}}"
            cases.append((f"{rule}, {matching}", unequal, (f"training.rule={rule}", options)))
    rows = []
    for name, sizes, overrides in cases:
        layers = ", ".join(f"{{dense: {_DENSE % units}}}" for units in sizes) + f", {{dense: {_OUTPUT}}}"
        row = trained("rules_mnist", (*overrides, f"network.layers=[{layers}]"), seeds)
        row = {"config": "-".join(map(str, (784, *sizes, 10))), "rule": name, **row, "bar": None}
        show(row, reached=True)
        rows.append(row)
    return rows


def main() -> int:
    """Run one part; returns 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("bars", "sharing"), default="bars")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--float", action="store_true", help="also train the float twins")
    args = parser.parse_args()
    common.one_thread()
    fine = True
    if args.part == "bars":
        rows, fine = bars(args.seeds, args.float)
    else:
        rows = sharing(args.seeds)
    record = {"seeds": args.seeds, "rows": rows, "environment": common.environment("numpy", "numba")}
    common.write_json(common.RESULTS / f"rules-{args.part}.json", record)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
