"""`neuro-emu run` on numbers to approximate: errors in place of accuracies, equal on the integer datapaths."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from neuro_emu.cli import main

TEXT = """\
name: waves
dataset: {name: cosines, input: s8f4, train: 60, test: 20}
network:
  layers:
    - dense: {units: 8, activation: tanh, weight: s16f12, output: s8f6, delta: s12f9}
    - dense: {units: 10, activation: tanh, weight: s16f12, output: s12f10, delta: s12f10}
  initial_weights: random
training: {rule: dfa, loss: mse, epochs: 2, validation: 10, lr_shift: {hidden: 7, output: 5}}
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "waves.yaml"
    path.write_text(TEXT)
    return path


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def trained(config, out, *words):
    assert main(["run", str(config), "--out", out, *words]) == 0
    return metrics_of(config.parent / out)


def test_a_run(config, capsys):
    metrics = trained(config, "out")
    printed = capsys.readouterr()
    assert printed.err == ""
    assert 0 < metrics["test_loss"] < 2
    assert 0 < metrics["validation_loss"] < 2
    assert metrics["test_accuracy"] is metrics["validation_accuracy"] is None
    assert metrics["confusion"] == []
    assert [entry["test_loss"] for entry in metrics["epochs"]][-1] == metrics["test_loss"]
    for entry in metrics["epochs"]:
        accuracies = [entry[key] for key in ("train_accuracy", "validation_accuracy", "test_accuracy")]
        assert accuracies == [None, None, None]
    lines = printed.out.splitlines()
    row = next(line for line in lines if line.startswith("test error"))
    assert row.startswith(f"test error        {metrics['test_loss']:.3g} mean squared after 2 epochs")
    assert f"validation        {metrics['validation_loss']:.3g} mean squared" in lines
    assert "accuracy" not in printed.out
    assert "while learning" not in printed.out
    root = ElementTree.parse(config.parent / "out/curves.svg").getroot()
    texts = " ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "error" in texts
    assert "accuracy" not in texts


def test_it_learns(config, capsys):
    words = ["training.epochs=6", "training.lr_shift.hidden=12", "training.lr_shift.output=8"]
    metrics = trained(config, "out", *(word for text in words for word in ("--set", text)))
    losses = [entry["test_loss"] for entry in metrics["epochs"]]
    assert losses[-1] < 0.9 * losses[0] < 0.9 * 0.5  # the mean of cos² is 1/2
    best = min(losses)
    assert f"(best {best:.3g} mean squared in epoch {losses.index(best) + 1})" in capsys.readouterr().out


def test_fast_and_traced_give_the_same(config, capsys):
    words = ["--set", "training.epochs=1", "--set", "dataset.train=16", "--set", "training.validation=4"]
    fast, traced = (trained(config, name, *words, "--datapath", name) for name in ("fast", "traced"))
    capsys.readouterr()
    assert fast.pop("datapath") == "fast"
    assert traced.pop("datapath") == "traced"
    assert fast == traced
    weights = [np.load(config.parent / name / "weights.npz") for name in ("fast", "traced")]
    for name in weights[0].files:
        assert (weights[0][name] == weights[1][name]).all()


def test_the_float_twin_is_near(config, capsys):
    integers, twin = trained(config, "fast"), trained(config, "twin", "--datapath", "float")
    assert "float64" in capsys.readouterr().out
    assert twin["test_loss"] == pytest.approx(integers["test_loss"], rel=0.1)
    assert twin["test_loss"] != integers["test_loss"]
    assert twin["test_accuracy"] is None
    assert not (config.parent / "twin/weights.npz").exists()


def test_several_seeds(config, capsys):
    record = trained(config, "out", "--seeds", "2", "--set", "training.epochs=1")
    printed = capsys.readouterr().out.splitlines()
    by_seed = [metrics_of(config.parent / f"out/seed-{n}")["test_loss"] for n in (1, 2)]
    assert record["test_loss_by_seed"] == by_seed
    assert record["test_loss"] == pytest.approx(sum(by_seed) / 2, abs=1e-9)
    assert record["test_loss_sd"] == pytest.approx(abs(by_seed[0] - by_seed[1]) / 2**0.5, abs=1e-9)
    assert record["test_accuracy"] is None
    assert printed[:2] == [
        f"seed {n}: test error {loss:.3g} mean squared" for n, loss in zip((1, 2), by_seed, strict=True)
    ]
    shown = f"{record['test_loss']:.3g} ± {record['test_loss_sd']:.2g} mean squared"
    assert printed[2] == f"waves: test error {shown} over 2 seeds; wrote out"


def test_diagnosed(config, capsys):
    trained(config, "out", "--diagnose", "--set", "training.epochs=1")
    assert "float twin, after 1 epoch" in capsys.readouterr().out
    record = json.loads((config.parent / "out/diagnosis.json").read_text())
    assert record["twin_result"]["test_accuracy"] is None
    assert record["twin_result"]["test_loss"] > 0


def test_eval_says_the_error(config, capsys):
    metrics = trained(config, "out")
    capsys.readouterr()
    assert main(["eval", "out", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["test_loss"] == metrics["test_loss"]
    assert record.get("test_accuracy") is None
    assert main(["eval", "out"]) == 0
    printed = capsys.readouterr().out
    assert "mean squared" in printed
    assert "%" not in printed


def test_rules_are_compared_by_their_errors(config, capsys):
    assert main(["compare", str(config), "--rules", "dfa,bp", "--set", "training.epochs=1", "--out", "out"]) == 0
    assert "accuracy" not in capsys.readouterr().out


def test_eval_of_several_hot_outputs_shows_classes(config, capsys):
    text = TEXT.replace("cosines, input: s8f4", "synthetic").replace("loss: mse", "loss: mse, hot: 2")
    config.write_text(text.replace("units: 10", "units: 21"))
    metrics = trained(config, "out")
    assert len(metrics["confusion"]) == 10
    capsys.readouterr()
    assert main(["eval", "out", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["test_accuracy"] == metrics["test_accuracy"]
    assert record["confusion"] == metrics["confusion"]
