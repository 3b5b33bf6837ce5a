"""`neuro-emu rules` and `neuro-emu compare`: every rule on one design point, as table, record and picture."""

import json
from xml.etree import ElementTree

import pytest

from neuro_emu.cli import main
from neuro_emu.rules import RULES

SHIPPED = sorted(name for name, rule in RULES.items() if rule.learn.__module__.startswith("neuro_emu.rules."))
WAITS = {"shallow": "nothing", "drtp": "label", "dfa": "error", "sdfa": "error", "dkp": "error"}
DEEP = """\
name: deep
dataset: {name: synthetic, train: 60, test: 30}
network:
  layers:
    - dense: {units: 12, activation: hard_tanh, weight: s12f9, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 12, activation: hard_tanh, weight: s12f9, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s12f9, output: u8f8}
  initial_weights: random
training: {rule: dfa, epochs: 1, lr_shift: {hidden: 5, output: 5}}
rules:
  drtp: {training.epochs: 1, training.lr_shift.hidden: 7}
  kp: {"training.weight_decay": {shift: 8, every: 16}}
"""


@pytest.fixture
def deep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep.yaml").write_text(DEEP)
    return tmp_path / "deep.yaml"


def test_rules_lists_every_rule_with_needs_memory_and_multiplications(capsys):
    assert main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = {line.split()[0]: line.split() for line in lines[3 : 3 + len(SHIPPED)]}
    assert sorted(table) == SHIPPED
    assert {name: row[1] for name, row in table.items()} == {name: WAITS.get(name, "chain") for name in SHIPPED}
    assert table["shallow"][2:] == ["+0.0", "KiB", "0.0", "KiB", "+0"]
    # W_0 is updated: 785 · 128 products more, W_1: 129 · 128, no projection, one bit of f′
    assert table["drtp"][-1] == f"+{785 * 128 + 129 * 128:,}"
    # and the error goes back through W_2 and W_1
    assert table["bp"][-1] == f"+{785 * 128 + 129 * 128 + 128 * 10 + 128 * 128:,}"
    assert table["sign_symmetry"][-1] == table["drtp"][-1]
    # B_0 (128, 128) and B_1 (10, 128, a class a row) of 8 bits
    assert table["fa"][4:6] == [f"{(128 * 128 + 10 * 128) / 1024:.1f}", "KiB"]
    assert {name for name, row in table.items() if "*" in row} == {"dkp", "kp", "asap", "asfp", "weight_mirror"}
    assert max(map(len, lines)) <= 100


def test_rules_as_json_on_a_design_point(deep, capsys):
    assert main(["rules", str(deep), "--set", "network.layers.0.dense.units=10", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["network"] == "64-10-12-10"
    assert record["rules"][0]["rule"] == "shallow"
    options = {entry["rule"]: entry["options"] for entry in record["rules"]}
    assert options["asap"] == {"block": 2, "lag": 0, "matching": "max_pool", "first_layer": "trained"}


def test_a_run_that_learns_feedback_shows_its_phase_counters_and_angles(deep, capsys):
    assert main(["run", str(deep), "--set", "training.rule=kp", "--out", "run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[: lines.index("")] + [line for line in lines if line.endswith("·")])) <= 100
    heads = {line.split("  ")[0]: line for line in lines}
    assert heads["cycles per sample"].endswith("  feedback")
    assert heads["accesses a sample, by bank"].endswith("feedback")
    assert heads["feedback"].endswith("between B and the transposed weights above, by hidden layer")
    metrics = json.loads((deep.parent / "run/metrics.json").read_text())
    for k, angle in enumerate(metrics["feedback_angles"]):
        assert f"{angle:.1f}°" in heads["feedback"]
        updates = metrics["tally"][k]["feedback_updates"]
        assert any(line.split()[:4] == ["B", "of", str(k), f"{updates:,}"] for line in lines)


def test_set_needs_a_configuration(capsys):
    assert main(["rules", "--set", "training.epochs=2"]) == 2
    assert "CONFIG" in capsys.readouterr().err


def test_compare_trains_all_rules_and_writes_table_record_and_picture(deep, capsys):
    assert main(["compare", str(deep), "--out", "out"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in shown[1:-1]) == SHIPPED
    assert shown[-1] == "wrote out"
    folder = deep.parent / "out"
    record = json.loads((folder / "compare.json").read_text())
    assert sorted(entry["rule"] for entry in record["rules"]) == SHIPPED
    for entry in record["rules"]:
        assert entry["cycles_per_sample"] > 0
        assert entry["accesses_per_sample"] > 0
        assert 0 <= entry["test_accuracy"] <= 100
    cycles = {entry["rule"]: entry["cycles_per_sample"] for entry in record["rules"]}
    assert cycles["shallow"] < cycles["drtp"] < cycles["dfa"] < cycles["bp"]
    assert (folder / "compare.txt").read_text().splitlines()[2:] == shown[:-1]
    picture = ElementTree.parse(folder / "compare.svg").getroot()
    texts = {"".join(node.itertext()) for node in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert set(SHIPPED) <= texts
    assert {f"{entry['test_accuracy']:.2f}" for entry in record["rules"]} <= texts


def test_compare_gives_the_same_record_twice_and_each_rule_its_own_settings(deep, capsys):
    words = ["compare", str(deep), "--rules", "drtp,kp", "--seeds", "2", "--float", "--json"]
    assert main([*words, "--out", "one"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main([*words, "--out", "two"]) == 0
    capsys.readouterr()
    assert (deep.parent / "one/compare.json").read_bytes() == (deep.parent / "two/compare.json").read_bytes()
    drtp, kp = first["rules"]
    assert drtp["float"]["test_accuracy"] is not None
    assert kp["test_accuracy_sd"] is not None
    assert main(["run", str(deep), "--set", "training.rule=drtp", "--out", "run"]) == 0
    capsys.readouterr()
    assert "hidden: 7" in (deep.parent / "run/config.yaml").read_text()
    assert json.loads((deep.parent / "run/metrics.json").read_text())["config_digest"] == drtp["config_digest"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rules", "drtp,bpp"], "did you mean 'bp'"),
        (["--rules", ","], "no rules"),
        (["--seeds", "0"], "at least one seed"),
        (["--set", "network.layers.0.dense.feedback=s8f3", "--rules", "dfa,kp"], "with training.rule=kp"),
    ],
)
def test_bad_input_is_refused(words, message, deep, capsys):
    assert main(["compare", str(deep), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (deep.parent / "runs").exists()
