"""The summary and the evaluation: what they state, and that they fit a screen."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from neuro_emu import __version__, api
from neuro_emu.cli import main
from neuro_emu.config.experiment import load, load_text
from neuro_emu.numerics import SEMANTICS_VERSION
from neuro_emu.report.evaluation import evaluation
from neuro_emu.report.text import summary

RULES = ["dfa", "drtp", "sdfa", "shallow"]
CONFIG = """\
name: tiny
dataset: {name: synthetic, train: 100, test: 40}
network:
  layers:
    - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8}
  initial_weights: random
training: {rule: dfa, epochs: 3, validation: 20, seed: 4, lr_shift: {hidden: 6, output: 6}}
numerics: {strict: false}
machine: {lanes: 16, clock_mhz: 80}
"""


def run_of(*edits, datapath="fast"):
    text = CONFIG
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return api.run(load_text(text, "tiny.yaml"), datapath=datapath)


@pytest.fixture(scope="module")
def runs():
    """One run a rule."""
    return {rule: run_of(("rule: dfa", f"rule: {rule}")) for rule in RULES}


def line_with(text, start):
    (found,) = (line for line in text.splitlines() if line.lstrip().startswith(start))
    return found


# --- the summary --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_it_fits_a_screen(rule, runs):
    lines = summary(runs[rule]).splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 100


LARGE = ("units: 20", "units: 500")
DEEP = (
    "    - dense: {units: 10",
    "    - dense: {units: 30, activation: relu, weight: s8f7, output: s8f7, delta: s8f7}\n    - dense: {units: 10",
)


@pytest.mark.parametrize(
    "edit",
    [
        LARGE,
        DEEP,
        ("validation: 20", "batch: 10"),
        ("validation: 20", "error_gate: 100"),
        ("clock_mhz: 80", "weight_banks: 1"),
        ("clock_mhz: 80", "weight_banks: 4"),
        ("clock_mhz: 80", "weight_banks: 16"),
        ("lanes: 16, clock_mhz: 80", "lanes: 1, clock_mhz: 0.001"),
        ("name: tiny", f"name: {'long_' * 8}"),
        ("strict: false", "update_rounding: RND_CONV"),
    ],
    ids=lambda edit: edit[1].split("\n")[0][:28],
)
def test_it_fits_its_columns_whatever_the_design(edit):
    too_long = [line for line in summary(run_of(edit)).splitlines() if len(line) > 100]
    assert too_long == []


@pytest.mark.parametrize("rule", RULES)
def test_accuracies(rule, runs):
    text, m = summary(runs[rule]), runs[rule].metrics
    assert line_with(text, "test accuracy").startswith(f"test accuracy     {m['test_accuracy']:.2f} % after 3 epochs")
    assert line_with(text, "validation") == f"validation        {m['validation_accuracy']:.2f} %"
    assert f" {m['epochs'][-1]['train_accuracy']:.2f} % " in line_with(text, "while learning")


def test_a_better_epoch_is_named():
    run = run_of()
    for accuracy, said in (((90.0, 80.0, 85.0), " (best 90.00 % in epoch 1)"), ((80.0, 85.0, 90.0), "")):
        for epoch, value in zip(run.metrics["epochs"], accuracy, strict=True):
            epoch["test_accuracy"] = value
        run.metrics["test_accuracy"] = accuracy[-1]
        assert line_with(summary(run), "test accuracy") == (
            f"test accuracy     {accuracy[-1]:.2f} % after 3 epochs{said}"
        )


def test_one_epoch_is_not_plural():
    assert "after 1 epoch\n" in summary(run_of(("epochs: 3", "epochs: 1")))


@pytest.mark.parametrize("rule", RULES)
def test_cycles(rule, runs):
    text, m = summary(runs[rule]), runs[rule].metrics
    for kind, samples in (("training", 3 * 80), ("inference", 3 * (40 + 20))):
        words = line_with(text, kind).split()
        phases = [
            sum(layer.get("cycles", 0) for layer in m[kind]["counts"][phase]) / samples
            for phase in ("load", "forward", "error", "update")
        ]
        cycles = m[kind]["cycles"] / samples
        assert m[kind]["samples"] == samples
        assert words[1] == f"{cycles:,.0f}"
        assert words[2:4] == [f"{cycles / 80:,.1f}", "µs"]
        assert words[4:] == [f"{n:,.0f}" for n in phases]
    assert "16 lanes at 80 MHz, zero inputs: skip" in text


def test_cycles_equal_the_counts_of_the_traced_datapath():
    """The table is the same whichever datapath counted."""
    fast, traced = (summary(run_of(datapath=datapath)).split("\nseed ")[0] for datapath in ("fast", "traced"))
    assert fast == traced


@pytest.mark.parametrize("banks", [1, 2])
def test_accesses_by_bank(banks):
    run = run_of(("clock_mhz: 80", f"weight_banks: {banks}"))
    text, counts = summary(run), run.metrics["training"]["counts"]
    rows = {
        words[0]: re.sub(r" \+ ", "+", line).split()[1:]
        for line in text.splitlines()
        if (words := line.split()) and re.fullmatch(r"\w+_(read|write)\[\d\]", words[0])
    }
    expected = {}
    for p, phase in enumerate(("load", "forward", "error", "update")):
        for k, layer in enumerate(counts[phase]):
            for component, count in layer.items():
                if component.endswith(("_read", "_write")):
                    cells = expected.setdefault(f"{component}[{k}]", ["·"] * 4)
                    each = count if isinstance(count, list) else [count]
                    cells[p] = "+".join(f"{n / 240:,.1f}" for n in each)
    assert rows == expected
    assert rows["weight_read[0]"][1].count("+") == banks - 1


@pytest.mark.parametrize("rule", RULES)
def test_counters(rule, runs):
    text, m = summary(runs[rule]), runs[rule].metrics
    for k, tally in enumerate(m["tally"]):
        words = line_with(text, f"layer {k} ").split()
        updates = tally["updates"]
        assert words[2] == f"{updates:,}"
        rest = words[4:] if words[3] == "-" else words[5:]
        assert words[3] == ("-" if not updates else f"{100 * tally['zero_updates'] / updates:.2f}")
        assert rest[0] == f"{tally['weight_overflows']:,}"
        assert rest[1] == f"{tally['accumulator_overflows']:,}"
        assert rest[2] == f"{100 * tally['preactivation_overflows'] / (240 * (20, 10)[k]):.1f}"
        assert rest[-2:] == [f"{tally['projection_overflows']:,}", f"{tally['delta_overflows']:,}"]


def test_counters_of_a_long_run():
    """Ten epochs of MNIST through 500 neurons saturate far more than 99,999 projections."""
    run = run_of()
    run.metrics["tally"][0] |= {
        "updates": 23_456_789_000,
        "weight_overflows": 123_456_789,
        "accumulator_overflows": 12_345_678,
        "projection_overflows": 234_567_890,
        "delta_overflows": 34_567_890,
    }
    line = line_with(summary(run), "layer 0")
    for count in ("23,456,789,000", "123,456,789", "12,345,678", "234,567,890", "34,567,890"):
        assert count in line.split(), line
    assert len(line) <= 100


def test_memories(runs):
    text, m = summary(runs["dfa"]), runs["dfa"].metrics
    bits = sum(x["words"] * x["bits"] * x["banks"] for x in m["memories"])
    assert line_with(text, "memory ") == f"memory            {bits / 8192:,.1f} KiB"
    for x in m["memories"]:
        assert f"{x['words']} × {x['bits']} bit" in line_with(text, f"{x['name']} ")


@pytest.mark.parametrize("rule", RULES)
def test_provenance(rule, runs):
    text, experiment = summary(runs[rule]), runs[rule].experiment
    data = api.load_data(experiment).digest
    assert line_with(text, "seed") == (
        f"seed 4 · config {experiment.digest} · data {data} · neuro_emu {__version__} · semantics {SEMANTICS_VERSION}"
    )
    assert text.splitlines()[0] == f"tiny: 64-20-10, {rule}; weights s8f7 / s10f8 STOCH; synthetic"


def test_options_in_the_headline():
    run = run_of(("rule: dfa", "rule: sdfa, sign_dead_zone: 9, error_gate: 100, batch: 5"))
    assert summary(run).splitlines()[0].startswith("tiny: 64-20-10, sdfa, error gate 100, dead zone 9, batch 5; ")


def test_the_float_twin_claims_no_counts():
    lines = summary(run_of(datapath="float")).splitlines()
    assert lines[0] == "tiny: 64-20-10, dfa; weights float64; synthetic"
    assert not [line for line in lines if "cycles" in line or "memory" in line or "counters" in line]
    assert lines[-1] == "again: neuro-emu run tiny.yaml --datapath float"


# --- again --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--datapath", "traced"],
        ["--datapath", "float"],
        ["--set", "name='two words'", "--set", "training.rule=drtp"],
        ["--set", "training.lr_shift.hidden=[[0, 6], [1, 7]]", "--seeds", "2"],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_the_command_reproduces(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(CONFIG)
    assert main(["run", "with space/tiny.yaml", "--out", "out", *words]) == 0
    out = tmp_path / "out" / "seed-5" if "--seeds" in words else tmp_path / "out"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    text = before["summary.txt"].decode()
    command = shlex.split(line_with(text, "again: ").removeprefix("again: "))
    assert command[:2] == ["neuro-emu", "run"]
    assert main([*command[1:], "--out", "again"]) == 0
    after = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert before.keys() == after.keys()
    for name in before.keys() - {"summary.txt"}:
        assert before[name] == after[name], name
    assert line_with(after["summary.txt"].decode(), "again: ") == line_with(text, "again: ")


# --- evaluation ---------------------------------------------------------------------------------------------------


def record_of(confusion, **more):
    right = [100.0 * row[c] / max(1, sum(row)) for c, row in enumerate(confusion)]
    return {
        "name": "tiny",
        "config_digest": "0123456789abcdef",
        "dataset": {"name": "synthetic", "digest": "x"},
        "samples": sum(map(sum, confusion)),
        "test_accuracy": 66.6667,
        "per_class": right,
        "confusion": confusion,
    } | more


def test_evaluation():
    assert evaluation(record_of([[2, 0, 1], [0, 3, 0], [1200, 0, 0]])) == (
        "tiny (config 0123456789abcdef) on 1,206 test samples of synthetic: 66.67 %\n"
        "\n"
        "true \\ predicted    0    1    2   right\n"
        "               0    2    ·    1  66.67 %\n"
        "               1    ·    3    · 100.00 %\n"
        "               2 1200    ·    ·   0.00 %\n"
    )


def test_columns_widen_with_their_numbers():
    lines = evaluation(record_of([[123456, 1], [0, 9]])).splitlines()
    assert lines[2] == "true \\ predicted      0      1   right"
    assert lines[3].startswith("               0 123456      1 ")
    assert len({len(line) for line in lines[3:]}) == 1


def test_a_class_without_samples_has_no_accuracy(tmp_path):
    """Five test samples leave at least five classes empty; 0.00 % would say that all of theirs were wrong."""
    (tmp_path / "tiny.yaml").write_text(CONFIG.replace("test: 40", "test: 5"))
    assert main(["run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out")]) == 0
    record = api.evaluate(tmp_path / "out")
    empty = [c for c, row in enumerate(record["confusion"]) if not sum(row)]
    assert len(empty) >= 5
    lines = evaluation(record).splitlines()[3:]
    assert not [c for c in empty if "%" in lines[c]]


def test_the_table_of_a_run(tmp_path):
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    assert main(["run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out")]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    lines = evaluation(api.evaluate(tmp_path / "out")).splitlines()
    assert f"config {load(tmp_path / 'tiny.yaml').digest}" in lines[0]
    for c, row in enumerate(metrics["confusion"]):
        words = lines[3 + c].split()
        assert words[0] == str(c)
        assert words[1:11] == [str(n) if n else "·" for n in row]
        assert words[11] == f"{100 * row[c] / sum(row):.2f}"
