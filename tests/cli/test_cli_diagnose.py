"""`neuro-emu run --diagnose`: what happens inside a chip and its float twin, as record, picture and tables."""

import json
from xml.etree import ElementTree

import pytest

from neuro_emu import api
from neuro_emu.cli import main

TEXT = """\
name: small
dataset: {name: synthetic, train: 60, test: 20}
network:
  layers:
    - dense: {units: 8, activation: hard_tanh, weight: s8f7, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8}
  initial_weights: random
  initial_layers: all
training: {rule: fa, epochs: 2, lr_shift: {hidden: 6, output: 6}}
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return path


def record_of(folder):
    return json.loads((folder / "diagnosis.json").read_text(encoding="utf-8"))


def test_chip_and_twin(config, capsys):
    assert main(["run", str(config), "--diagnose", "--out", "out"]) == 0
    printed, folder = capsys.readouterr().out, config.parent / "out"
    record, metrics = record_of(folder), json.loads((folder / "metrics.json").read_text())
    assert record["name"] == "small"
    assert record["config_digest"] == metrics["config_digest"]
    for name in ("chip", "twin"):
        assert [entry["epoch"] for entry in record[name]] == [0, 1, 2]
        assert all(len(entry["layers"]) == 2 for entry in record[name])
        assert all(0 <= entry["layers"][0]["feedback_angle"] <= 180 for entry in record[name])
        assert all(entry["layers"][1]["feedback_angle"] is None for entry in record[name])
    assert "underflow" in record["chip"][0]["layers"][0]
    assert "underflow" not in record["twin"][0]["layers"][0]
    twin = api.run(api.load(config), datapath="float").metrics
    assert record["twin_result"] == {"test_accuracy": twin["test_accuracy"], "test_loss": None}
    assert ElementTree.parse(folder / "diagnosis.svg").getroot().tag.endswith("svg")
    lines = printed.splitlines()
    last = record["chip"][-1]["layers"][0]
    row = next(line for line in lines if line.startswith("  0 ")).split()
    assert row[1:4] == [f"{last[key]:.1f}" for key in ("feedback_angle", "delta_angle", "update_angle")]
    for title in (
        "chip, after 2 epochs",
        "float twin, after 2 epochs",
        "what quantisation does to the steps of the chip",
    ):
        assert sum(line.startswith(title) for line in lines) == 1
    assert printed.endswith("wrote out\n")


def test_observing_changes_nothing(config, capsys):
    assert main(["run", str(config), "--diagnose", "--out", "seen"]) == 0
    assert main(["run", str(config), "--out", "unseen"]) == 0
    capsys.readouterr()
    for name in ("metrics.json", "config.yaml", "curves.svg"):
        assert (config.parent / "seen" / name).read_bytes() == (config.parent / "unseen" / name).read_bytes()
    assert not (config.parent / "unseen/diagnosis.json").exists()


def test_the_twin_alone(config, capsys):
    assert main(["run", str(config), "--diagnose", "--datapath", "float", "--out", "out"]) == 0
    printed, record = capsys.readouterr().out, record_of(config.parent / "out")
    assert "chip" not in record
    assert "twin_result" not in record
    assert [entry["epoch"] for entry in record["twin"]] == [0, 1, 2]
    assert "float twin, after 2 epochs" in printed
    assert "what quantisation does" not in printed
    ElementTree.parse(config.parent / "out/diagnosis.svg")


def test_the_twin_is_the_same_beside_a_chip_and_alone(config, capsys):
    assert main(["run", str(config), "--diagnose", "--out", "both"]) == 0
    assert main(["run", str(config), "--diagnose", "--datapath", "float", "--out", "alone"]) == 0
    capsys.readouterr()
    assert record_of(config.parent / "both")["twin"] == record_of(config.parent / "alone")["twin"]


def test_traced_and_fast_chips_show_the_same(config, capsys):
    words = ["--set", "training.epochs=1", "--set", "dataset.train=10", "--diagnose"]
    for datapath in ("fast", "traced"):
        assert main(["run", str(config), *words, "--datapath", datapath, "--out", datapath]) == 0
    capsys.readouterr()
    fast, traced = (record_of(config.parent / name) for name in ("fast", "traced"))
    assert fast == traced


def test_json_is_the_record_of_the_run_alone(config, capsys):
    assert main(["run", str(config), "--diagnose", "--json", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == json.loads((config.parent / "out/metrics.json").read_text())
    assert (config.parent / "out/diagnosis.json").is_file()


def test_several_seeds_are_each_diagnosed(config, capsys):
    assert main(["run", str(config), "--diagnose", "--seeds", "2", "--set", "training.epochs=1", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    assert "after 1 epoch" not in printed
    angles = [record_of(config.parent / f"out/seed-{n}")["chip"][1]["layers"][0]["feedback_angle"] for n in (1, 2)]
    assert angles[0] != angles[1]


def test_adam_is_diagnosed_in_the_twin_alone(config, capsys):
    words = ["run", str(config), "--diagnose", "--set", "training.optimiser=adam", "--set", "training.epochs=1"]
    assert main([*words, "--out", "out"]) == 2
    assert "no integer datapath has it" in capsys.readouterr().err
    assert not (config.parent / "out").exists()
    assert main([*words, "--out", "out", "--datapath", "float"]) == 0
    assert "float twin, after 1 epoch" in capsys.readouterr().out
    assert [entry["epoch"] for entry in record_of(config.parent / "out")["twin"]] == [0, 1]
