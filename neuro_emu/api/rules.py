"""Rules side by side: what each costs on a design point, and what each learns there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_emu.config.experiment import Experiment, load, load_text
from neuro_emu.errors import ConfigError, NeuroEmuError, RunError
from neuro_emu.files import check_writable, json_text, write_text
from neuro_emu.rules import RULES, Need, find_rule, installed_rules

if TYPE_CHECKING:
    from neuro_emu.datasets import Dataset
    from neuro_emu.machine.counts import Counts
    from neuro_emu.machine.deep.either import AnyChip
    from neuro_emu.training.loop import Progress

REFERENCE = """
name: reference
dataset: {name: mnist}
network:
  layers:
    - dense: {units: 128, activation: hard_tanh, weight: s8f7, output: s8f7, delta: s8f7}
    - dense: {units: 128, activation: hard_tanh, weight: s8f7, output: s8f7, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s8f6, output: u8f8, delta: s9f8}
training: {rule: %s, lr_shift: {hidden: 6, output: 6}}
"""
"""Design point on which rules are listed when no configuration is given: 784-128-128-10, 8 bits, 16 lanes."""

WAITS = ("nothing", "label", "error", "chain")
"""Words for what hidden layers wait for, in the order of :class:`neuro_emu.rules.Need`."""


def rule_names(text: str = "all") -> list[str]:
    """Return the rules of a comma-separated list, or all that are known, the least demanding first."""
    if text == "all":
        known = [*RULES, *(name for name in installed_rules() if name not in RULES)]
        return sorted(known, key=lambda name: (RULES[name].need if name in RULES else 9, name))
    return [name for name in (part.strip() for part in text.split(",")) if name]


def _experiment(path: str | Path | None, rule: str, overrides: Sequence[str]) -> Experiment:
    """Load a design point with one rule; gate and dead zone are left out where the rule has no use for them."""
    words, known = [*overrides, f"training.rule={rule}"], RULES.get(rule)
    if known and known.need is Need.NOTHING:
        words.append("training.error_gate=null")
    if known and "sign_dead_zone" not in known.settings:
        words.append("training.sign_dead_zone=0")
    return load(path, words) if path else load_text(REFERENCE % rule, "reference")


def costs_of(experiment: Experiment) -> dict[str, Any]:
    """Return what a rule needs of a chip; multiplications and cycles are those of a sample without zero inputs.

    Of a graph also those of its norms, momentum and decay, a batch's share for a sample.
    """
    chip = experiment.chip
    rule = chip.learning.rule
    counts, products, samples = _without_zeros(chip)
    bits = {macro.name: macro.words * macro.bits * macro.banks for macro in chip.memories()}
    kept = ("feedback[", "classifier[", "random_forward[")
    return {
        "rule": experiment.config.training.rule,
        "needs": WAITS[chip.need],
        "summary": rule.summary,
        "options": {name: option.default for name, option in rule.options.items()},
        "memory_bits": sum(bits.values()),
        "feedback_bits": sum(n for name, n in bits.items() if name.startswith(kept)),
        "learns_feedback": any(use.learned for use in chip.plan.feedback),
        "multiplications": round(products / samples),
        "dense_cycles": round(counts.cycles / samples),
    }


def _without_zeros(chip: AnyChip) -> tuple[Counts, int, int]:
    """Return counts of learning without zero inputs, multiplications among them, and the samples that both are over."""
    from neuro_emu.machine.chip import Chip
    from neuro_emu.machine.counts import Component

    if isinstance(chip, Chip):
        from neuro_emu.machine.dense import dense_counts, multiplications

        counts, samples = dense_counts(chip)
        return counts, multiplications(chip, counts), samples
    from neuro_emu.datapath.deep.expected import expected_counts

    counts, _, samples = expected_counts(chip, (1.0,))
    return counts, int(counts.events[:, :, [Component.MAC, Component.SCALE]].sum()), samples


def rules_table(path: str | Path | None = None, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return what every rule costs on one design point: a configuration, or :data:`REFERENCE`.

    Returns:
        A record with the `network`, one entry a rule, and `refused`: rules that do not fit the design point, and why.
        Memory and multiplications are given also as what the rule adds to `shallow`, the chip that learns in its
        output layer alone.

    """
    first = _experiment(path, "shallow", overrides)
    plain = costs_of(first)
    entries: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    for name in rule_names():
        try:
            entry = costs_of(_experiment(path, name, overrides))
        except NeuroEmuError as error:
            refused[name] = str(error)
            continue
        entry["extra_memory_bits"] = entry["memory_bits"] - plain["memory_bits"]
        entry["extra_multiplications"] = entry["multiplications"] - plain["multiplications"]
        entries.append(entry)
    return {"design": first.config.name, "network": str(first.chip.network), "rules": entries, "refused": refused}


def compare(
    path: str | Path,
    rules: Sequence[str],
    overrides: Sequence[str] = (),
    *,
    seeds: int = 1,
    with_float: bool = False,
    data: Dataset | None = None,
    started: Callable[[str], None] = lambda _: None,
    report: Callable[[Progress], None] = lambda _: None,
    finished: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Train every rule on one design point.

    Args:
        path: configuration; its section `rules` may hold settings of single rules.
        rules: names, or "all": of these, rules that do not fit are left out and named in the record.
        overrides: `section.key=value` texts for all rules.
        seeds: trainings of each rule, from `training.seed` on.
        with_float: also train the float twin of each (slow: a minute or two a training).
        data: the data set, if it is loaded already.
        started: called with what begins.
        report: called with the progress of a training.
        finished: called with the entry of a rule when it is done.

    Raises:
        ConfigError: if the configuration does not fit one of the rules.

    """
    from neuro_emu.api import load_data

    every = rules == "all"
    rules = rule_names() if every else rules
    for name in rules:
        if ":" in name:
            find_rule(name)  # its options are known from here on
    experiments, refused = [], {}
    for name in rules:
        try:
            experiments.append(_of_rule(path, name, overrides))
        except ConfigError as error:
            if not every:
                raise
            refused[name] = str(error)
    if not experiments:
        raise RunError("no rules to compare: name some, e.g. drtp,dfa,bp, or all")
    if len({experiment.config.dataset for experiment in experiments}) > 1:
        raise RunError(f"{path}: rules to compare need one data set; the section `rules` gives them several")
    data = data or load_data(experiments[0])
    entries = []
    for experiment in experiments:
        entry = costs_of(experiment) | {"epochs": experiment.config.training.epochs}
        begin = time.perf_counter()
        entry |= _trained(experiment, data, seeds, "fast", started, report)
        if with_float:
            entry["float"] = _trained(experiment, data, seeds, "float", started, report)
        entry["seconds"] = round(time.perf_counter() - begin, 2)
        entries.append(entry)
        finished(entry)
    first = experiments[0]
    seconds = {entry["rule"]: entry.pop("seconds") for entry in entries}
    return {
        "schema": 1,
        "name": first.config.name,
        "network": str(first.chip.network),
        "dataset": {"name": data.name, "digest": data.digest},
        "seeds": seeds,
        "rules": entries,
        "refused": refused,
        "timing": seconds,
    }


def _of_rule(path: str | Path, rule: str, overrides: Sequence[str]) -> Experiment:
    try:
        return _experiment(path, rule, overrides)
    except ConfigError as error:
        raise ConfigError(f"with training.rule={rule}: {error}") from error


def _trained(
    experiment: Experiment,
    data: Dataset,
    seeds: int,
    datapath: str,
    started: Callable[[str], None],
    report: Callable[[Progress], None],
) -> dict[str, Any]:
    """Train one rule with one or more seeds; returns what was measured."""
    from neuro_emu.api import run
    from neuro_emu.training.metrics import summary_of_seeds

    first, records = experiment.config.training.seed, []
    for seed in range(first, first + seeds):
        twin = " float twin" if datapath == "float" else ""
        started(f"{experiment.config.training.rule}{twin}, seed {seed}")
        records.append(run(experiment.with_seed(seed), data=data, datapath=datapath, report=report).metrics)
    summary = summary_of_seeds(records)
    keys = ["test_accuracy", "test_accuracy_sd", "validation_accuracy", "validation_accuracy_sd"]
    keys += ["test_loss", "test_loss_sd"] if "test_loss" in summary else []
    result: dict[str, Any] = {key: summary.get(key) for key in keys}
    result["config_digest"] = records[0]["config_digest"]
    if datapath == "fast":
        training = [record["training"] for record in records]
        result["cycles_per_sample"] = round(sum(t["cycles_per_sample"] for t in training) / seeds, 2)
        result["accesses_per_sample"] = round(sum(_accesses(t["counts"]) / t["samples"] for t in training) / seeds, 2)
        result["feedback_angles"] = records[0]["feedback_angles"]
        result["curve"] = [epoch.get("test_loss", epoch["test_accuracy"]) for epoch in records[0]["epochs"]]
    return result


def _accesses(counts: dict[str, list[dict[str, Any]]]) -> int:
    """Memory accesses, in words, of all phases and layers."""
    layers = [layer for phase in counts.values() for layer in phase]
    return sum(
        sum(value) if isinstance(value, list) else value
        for layer in layers
        for name, value in layer.items()
        if name.endswith(("_read", "_write"))
    )


def write_comparison(record: dict[str, Any], directory: str | Path) -> None:
    """Write `compare.json`, `compare.txt` and `compare.svg`."""
    from neuro_emu.report.comparison import comparison, comparison_picture

    folder = Path(directory)
    check_writable(folder)
    kept = {key: value for key, value in record.items() if key != "timing"}
    write_text(folder / "compare.json", json_text(kept))
    write_text(folder / "compare.txt", comparison(record))
    write_text(folder / "compare.svg", comparison_picture(record))
