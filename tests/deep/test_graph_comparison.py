"""Rules side by side on a network with convolutions: what they cost, by hand, and what they learn."""

import json

import pytest
from test_graph_command import CONV

from neuro_emu.api.rules import costs_of, rules_table
from neuro_emu.cli import main
from neuro_emu.config.experiment import load_text

INSIDE = 4 * 22 * 22 + 4 * 64
"""MACs of 4 kernels of 3 × 3 on 8 × 8 pixels with a padding of 1, and of their bias rows."""
HIDDEN, OUTPUT = 65 * 24, 25 * 10


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conv.yaml").write_text(CONV)
    return tmp_path / "conv.yaml"


def costs(rule, skipping="skip"):
    return costs_of(load_text(CONV.replace("rule: drtp", f"rule: {rule}") + f"machine: {{zero_input: {skipping}}}\n"))


@pytest.mark.parametrize("skipping", ["none", "gate", "skip"])
def test_multiplications_by_hand(skipping):
    forward = INSIDE + HIDDEN + OUTPUT
    shallow = costs("shallow", skipping)
    assert shallow["multiplications"] == forward + OUTPUT
    assert costs("drtp", skipping)["multiplications"] == 2 * forward  # every gradient as many as its sums
    projected = 10 * (4 * 64 + 24)
    assert costs("dfa", skipping)["multiplications"] == 2 * forward + projected
    back = 24 * 64 + 10 * 24  # errors see no bias rows and stop above the first layer
    assert costs("bp", skipping)["multiplications"] == 2 * forward + back
    assert shallow["dense_cycles"] > 0


def test_the_table_names_what_does_not_fit(config, capsys):
    record = rules_table(config)
    assert record["network"] == "1x8x8-4c3-2p-24-10"
    assert list(record["refused"]) == ["forward_alignment"]
    entries = {entry["rule"]: entry for entry in record["rules"]}
    assert entries["drtp"]["feedback_bits"] == 10 * (4 * 64 + 32) * 8  # 24 neurons are two groups of 16 lanes
    assert entries["kp"]["learns_feedback"]
    assert main(["rules", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[2].split()[:2] == ["rule", "waits"]


def test_rules_are_compared_with_their_float_twins(config, capsys):
    words = ["compare", str(config), "--rules", "drtp,dfa,bp", "--float", "--out", "out"]
    assert main([*words, "--set", "training.epochs=1"]) == 0
    record = json.loads((config.parent / "out" / "compare.json").read_text())
    assert [entry["rule"] for entry in record["rules"]] == ["drtp", "dfa", "bp"]
    for entry in record["rules"]:
        assert 0 <= entry["test_accuracy"] <= 100
        assert 0 <= entry["float"]["test_accuracy"] <= 100
        assert entry["cycles_per_sample"] > 0
        assert len(entry["curve"]) == 1
    cycles = [entry["cycles_per_sample"] for entry in record["rules"]]
    assert cycles == sorted(cycles)
    assert "wrote out" in capsys.readouterr().out
