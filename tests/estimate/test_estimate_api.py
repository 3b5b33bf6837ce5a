"""Estimates through the Python API and the command: from a configuration, from a run, with looked-at operands."""

import json

import numpy as np
import pytest

from neuro_emu import api
from neuro_emu.api.estimate import DENSITIES, Settings, estimate, estimate_of, export_tables, write_estimate
from neuro_emu.cli import main
from neuro_emu.errors import ConfigError, RunError
from neuro_emu.files import json_text
from neuro_emu.machine.counts import Counts
from neuro_emu.machine.expected import expected_counts

TEXT = """
name: small
dataset: {name: synthetic, train: 60, test: 30}
network:
  layers:
    - dense: {units: 12, activation: relu, weight: s8f6, output: u8f7}
    - dense: {units: 10, activation: sigmoid, weight: s8f6, output: u8f8}
training: {rule: %s, epochs: 1, lr_shift: {hidden: 6, output: 6}}
machine: {lanes: 4}
"""


def experiment(rule="drtp", *overrides):
    text = TEXT % rule
    for override in overrides:
        text = text.rstrip() + "\n" + override
    return api.load_text(text)


def write(tmp_path, rule="drtp", extra=""):
    path = tmp_path / "chip.yaml"
    path.write_text(TEXT % rule + extra, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    api.run(experiment(), folder)
    return folder


def test_a_run_writes_the_estimate_of_its_own_counts(finished):
    again = estimate(finished)
    assert (finished / "estimate.json").read_text() == json_text(again.record)
    assert "counts of the run: 60 training samples" in again.record["workloads"]["training"]["about"]
    metrics = json.loads((finished / "metrics.json").read_text())
    assert again.record["workloads"]["training"]["cycles"] == pytest.approx(metrics["training"]["cycles"] / 60, 1e-5)
    summary = (finished / "summary.txt").read_text()
    assert "learning adds" in summary
    assert (finished / "estimate.svg").read_text().startswith("<svg")


def test_counts_come_back_from_their_record(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    chip = experiment().chip
    counts = Counts.from_dict(metrics["training"]["counts"], 2, chip.design.weight_banks)
    assert counts.as_dict() == metrics["training"]["counts"]
    assert counts.cycles == metrics["training"]["cycles"]
    damaged = dict(metrics["training"]["counts"], forward=[{"sleep": 3}, {}])
    with pytest.raises(ValueError, match="phase 'forward', layer 0: 'sleep' is no counter"):
        Counts.from_dict(damaged, 2, chip.design.weight_banks)


def test_skipping_zeros_saves_energy_and_time():
    costs = {}
    for mode in ("none", "gate", "skip"):
        made = experiment()
        made = api.load_text((TEXT % "drtp").replace("{lanes: 4}", f"{{lanes: 4, zero_input: {mode}}}"))
        run = api.run(made)
        from neuro_emu.api.estimate import estimate_of_run

        costs[mode] = estimate_of_run(run).cost.workloads["training"]
    energies = {mode: cost.energy.nominal for mode, cost in costs.items()}
    assert energies["skip"] < energies["gate"] < energies["none"]
    assert costs["skip"].latency_us < costs["gate"].latency_us


def test_a_gate_on_the_error_saves_learning():
    from neuro_emu.api.estimate import estimate_of_run

    plain, gated = (
        estimate_of_run(api.run(api.load_text((TEXT % "dfa").replace("epochs: 1", extra)))).cost.workloads["training"]
        for extra in ("epochs: 1", "epochs: 1, error_gate: 250")
    )
    assert gated.energy.nominal < plain.energy.nominal


def test_expected_counts_are_those_of_a_run_on_dense_data(finished):
    """On inputs without zeros the expectation is exact for the first layer and all cycles but hidden zeros."""
    chip = experiment().chip
    training, inference, samples = expected_counts(chip, (1.0, 1.0))
    assert samples == 64
    again, _, _ = expected_counts(chip, (1.0, 1.0))
    assert np.array_equal(training.events, again.events)
    half, _, _ = expected_counts(chip, (0.5, 1.0))
    assert half.cycles < training.cycles
    assert inference.cycles < training.cycles


def test_densities_are_those_of_the_data():
    from neuro_emu import datasets

    images = datasets.load("mnist").train_images
    assert DENSITIES["mnist"] == pytest.approx(float((images != 0).mean()), abs=5e-4)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("technology: n29", "did you mean 'n28'"),
        ("voltage: 5.0", "within 0.8 to 1.65 V"),
        ("voltge: 1.0", "unknown key 'voltge'"),
        ("density: [0.2, 1.5]", "out of range"),
    ],
)
def test_wrong_sections_are_shown_with_their_place(tmp_path, setting, words):
    path = write(tmp_path, extra=f"estimate: {{{setting}}}\n")
    with pytest.raises(ConfigError, match=r"chip\.yaml:\d+:\d+") as caught:
        api.run(api.load(path), tmp_path / "out")
    assert words in str(caught.value)
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_the_section_changes_no_digest(tmp_path):
    plain = api.load(write(tmp_path)).digest
    assert api.load(write(tmp_path, extra="estimate: {technology: n28, voltage: 0.7}\n")).digest == plain
    assert api.load(write(tmp_path, rule="dfa")).digest != plain


def test_settings_win_over_the_section(tmp_path):
    path = write(tmp_path, extra="estimate: {technology: n28, voltage: 0.7}\n")
    assert estimate(path).record["technology"]["name"] == "n28"
    made = estimate(path, settings=Settings(technology="n45", voltage=0.8, clock_mhz=50.0))
    found = made.record["technology"]
    assert (found["name"], found["voltage"], found["clock_mhz"]) == ("n45", 0.8, 50.0)


def test_constants_of_ones_own(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "constants:\n  gate_energy: {value: 5.9, low: 5.4, high: 7.2, unit: fJ/gate, kind: assumed, source: a test}\n"
    )
    path = write(tmp_path)
    before, after = estimate(path), estimate(path, settings=Settings(constants=(mine,)))
    use = {(u["part"], u["action"], u["phase"]): u for u in before.record["workloads"]["training"]["uses"]}
    for one in after.record["workloads"]["training"]["uses"]:
        old = use[one["part"], one["action"], one["phase"]]["each_pj"]["nominal"]
        if one["part"] == "lane multiplier":
            assert one["each_pj"]["nominal"] == pytest.approx(2 * old, rel=1e-5)
        if one["part"] == "weights[0]":
            assert one["each_pj"]["nominal"] == old
    assert after.record["constants"]["gate_energy"]["source"] == "a test"


def test_a_share_of_the_samples_is_learned_from(tmp_path, capsys):
    path = write(tmp_path, "dfa")
    whole, tenth = (
        estimate(path, settings=Settings(learning=share)).record["workloads"]["training"] for share in (1.0, 0.1)
    )
    assert tenth["energy_pj"]["nominal"] < whole["energy_pj"]["nominal"]
    assert tenth["cycles"] < whole["cycles"]
    assert "learn from 0.1 of the samples" in tenth["about"]
    assert main(["estimate", str(path), "--learning", "1.5"]) == 2
    assert "between 0 and 1" in capsys.readouterr().err
    assert main(["estimate", str(tmp_path), "--learning", "0.5"]) == 2
    assert "--learning is for configurations" in capsys.readouterr().err
    assert main(["estimate", str(tmp_path), "--set", "estimate.density=[0.5]"]) == 2
    assert "take no density" in capsys.readouterr().err


def test_the_float_twin_has_no_estimate(tmp_path):
    api.run(experiment(), tmp_path)
    assert (tmp_path / "estimate.json").exists()
    api.run(experiment(), tmp_path, datapath="float")
    assert not list(tmp_path.glob("estimate.*"))
    with pytest.raises(RunError, match="float twin"):
        estimate(tmp_path)


def test_a_directory_that_is_no_run(tmp_path):
    with pytest.raises(RunError, match="not a run directory"):
        estimate(tmp_path)


def test_the_learning_chip_is_larger_and_dearer():
    record = estimate_of(experiment("dfa")).record
    for key in ("area", "leakage", "training_energy", "training_energy_over_inference", "inference_energy"):
        assert record["learning"][key]["percent"] > 0
    assert record["learning"]["memory_bits"]["with"] > record["learning"]["memory_bits"]["without"]


def test_files(tmp_path):
    made = estimate_of(experiment())
    write_estimate(made, tmp_path)
    export_tables(made, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert {"estimate.json", "estimate.svg", "estimate.txt", "ART.yaml", "ERT.yaml"} <= set(names)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--voltage", "-1"], 2, "give a positive number"),
        (["--clock", "nan"], 2, "give a positive number"),
        (["--density", "some"], 2, "write shares"),
        (["--density", "1.5"], 2, "between 0 and 1"),
        (["--technology", "n29"], 2, "did you mean 'n28'"),
        (["--toggles", "100000"], 2, "there are"),
        (["--json"], 0, '"schema": 1'),
        (["--full"], 0, "gate_energy"),
    ],
)
def test_the_verb(tmp_path, capsys, words, code, said):
    assert main(["estimate", str(write(tmp_path)), *words]) == code
    captured = capsys.readouterr()
    assert said in (captured.out if code == 0 else captured.err)
    assert "Traceback" not in captured.err


def test_other_verbs(capsys, tmp_path):
    assert main(["technologies"]) == 0
    assert "ihp130" in capsys.readouterr().out
    assert main(["technologies", "n28", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["constants"]["gate_energy"]["kind"] == "interpolated"
    assert main(["technologies", "--components"]) == 0
    assert "multiplier" in capsys.readouterr().out
    assert main(["chips", str(tmp_path / "none.yaml")]) == 2
