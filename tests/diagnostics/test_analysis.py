"""Records of the analyses against the measures they are made of; axes and labels of their pictures."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from xml.etree import ElementTree

import numpy as np
import pytest

from neuro_emu.api import analysis, load_text, split_data
from neuro_emu.api import load_data as fetch
from neuro_emu.diagnostics.alignment_terms import Recorder, terms
from neuro_emu.diagnostics.open_loop import OpenLoop, run_integers
from neuro_emu.diagnostics.studies import shuffle_labels, switch
from neuro_emu.errors import ConfigError
from neuro_emu.machine.initialise import initial_state
from neuro_emu.report.analysis_chart import Panel, Series, picture, round_ticks
from neuro_emu.training.alignment import feedback_angles
from neuro_emu.training.loop import train

CHIP = """
name: small
dataset: {{name: synthetic, train: {train}, test: 20}}
network:
  layers:
    - dense: {{units: 9, activation: tanh, weight: s12f9, output: s8f7, table_frac: 5, delta: s8f7}}
    - dense: {{units: 7, activation: tanh, weight: s12f9, output: s8f7, table_frac: 5, delta: s8f7}}
    - dense: {{units: 10, activation: sigmoid, weight: s12f9, output: u8f8}}
  initial_weights: random
  initial_layers: all
training: {{rule: {rule}, epochs: 3, batch: {batch}, lr_shift: {{hidden: 5, output: 5}}}}
"""
SVG = "{http://www.w3.org/2000/svg}"


def experiment_of(rule="fa", batch=8, train=36):
    return load_text(CHIP.format(rule=rule, batch=batch, train=train))


def test_terms_are_means_over_the_batches_measured():
    """36 samples in batches of 8 are 5 an epoch, the last one short."""
    experiment = experiment_of()
    record = analysis.alignment_terms(experiment, 7, (50.0,), batches=2)
    assert record["batches_per_epoch"] == 5
    assert record["first_measured"] == {"start": 7, "end": 13}
    assert [run["order"] for run in record["runs"]] == ["as_stored", "shuffled"]
    split = shuffle_labels(split_data(experiment, fetch(experiment))[0], 0.5, experiment.config.training.seed)
    for run in record["runs"]:
        learning = replace(experiment.chip.learning, shuffled=run["order"] == "shuffled")
        recorder = Recorder(replace(experiment.chip, learning=learning), 15)
        recorder.train(split, 3)
        for phase, last in (("start", (7, 8)), ("end", (13, 14))):
            for k, ring in enumerate(recorder.history):
                batches, feedback = list(ring), recorder.path.feedback[k]
                both = [terms(batches[: n + 1], feedback, range(1, 8)) for n in last]
                entry = run[phase][k]
                for key in ("angle", "symmetric_angle", "skewness"):
                    expected = [fmean(getattr(one[o], key) for one in both) for o in range(7)]
                    np.testing.assert_allclose(entry[key], expected, atol=2e-6)
                    assert entry[f"{key}_of_multiples"] == pytest.approx(expected[4], abs=2e-6)
                    others = fmean(expected[:4] + expected[5:])
                    assert entry[f"{key}_of_others"] == pytest.approx(others, abs=2e-6)


def test_open_loops_are_means_over_draws():
    record = analysis.open_loops(6, 3)
    runs = [run_integers(OpenLoop(iterations=6, seed=seed), "both") for seed in (1, 2, 3)]
    found = record["integers"]["both"]
    np.testing.assert_allclose(found["angle"], np.mean(runs, axis=0), atol=1e-6)
    np.testing.assert_allclose(found["deviation"], np.std(runs, axis=0), atol=1e-6)
    assert analysis.open_loops(2, 1)["float"]["neither"]["deviation"] == [0, 0, 0]


@pytest.mark.parametrize("datapath", ["fast", "float"])
def test_shuffled_labels_are_trainings(datapath):
    experiment = experiment_of()
    notes = []
    record = analysis.shuffled_labels(experiment, (0, 100), datapath=datapath, started=notes.append)
    assert len(notes) == 2
    parts = split_data(experiment, fetch(experiment))
    for share, run in zip((0.0, 1.0), record["runs"], strict=True):
        given = shuffle_labels(parts[0], share, experiment.config.training.seed)
        found = train(experiment.chip, (given, *parts[1:]), 3, datapath=datapath)
        assert run["test_accuracy"] == [epoch.test_accuracy for epoch in found.epochs]
        assert run["train_accuracy"] == [epoch.train_accuracy for epoch in found.epochs]
        np.testing.assert_allclose(run["feedback_angles"][-1], found.feedback_angles, atol=0.0051)
        assert len(run["feedback_angles"]) == 4
    state = initial_state(experiment.chip)
    first = feedback_angles(experiment.chip, state.weights, state.feedback)
    np.testing.assert_allclose(record["runs"][1]["feedback_angles"][0], first, atol=0.0051)


def test_rules_without_an_angle_have_none():
    record = analysis.shuffled_labels(experiment_of("bp"), (0,))
    assert record["runs"][0]["feedback_angles"] == [[None, None]] * 4
    direct = analysis.shuffled_labels(experiment_of("dfa"), (0,))
    assert None not in direct["runs"][0]["feedback_angles"][-1]  # of B_0 to the product of the weights above


def test_switches_are_curves_one_after_the_other():
    pair = experiment_of("fa"), experiment_of("bp")
    record = analysis.switched(pair, (1, 0, 1))
    assert [run["switched_after"] for run in record["runs"]] == [0, 1, 3]
    parts = split_data(pair[0], fetch(pair[0]))
    before, after = switch(pair[0].chip, pair[1].chip, parts, 1, 2)
    assert record["runs"][1]["test_accuracy"] == before.test + after.test
    alone = train(pair[0].chip, parts, 3)
    assert record["runs"][2]["test_accuracy"] == [epoch.test_accuracy for epoch in alone.epochs]


@pytest.mark.parametrize("datapath", ["fast", "float"])
def test_trajectories_start_at_one_point(datapath):
    pair = experiment_of("fa"), experiment_of("bp")
    record = analysis.trajectories(pair, datapath=datapath)
    one, other = (np.array(run["coordinates"]) for run in record["runs"])
    assert one.shape == other.shape == (4, 2)
    np.testing.assert_array_equal(one[0], other[0])
    assert record["distance_apart"][0] == 0
    assert record["runs"][0]["distance_from_start"][0] == 0
    for run, way in zip(record["runs"], (one, other), strict=True):  # a projection is never longer
        projected = np.linalg.norm(way - way[0], axis=1)
        assert np.all(projected <= np.array(run["distance_from_start"]) + 1e-5)
    a, b = (run["distance_from_start"][-1] for run in record["runs"])
    cosine = np.cos(np.radians(record["angle_of_displacements"]))
    assert record["distance_apart"][-1] == pytest.approx(np.sqrt(a * a + b * b - 2 * a * b * cosine), abs=1e-4)
    assert 0 < sum(record["explained"]) <= 1 + 1e-6


def test_no_data_are_loaded_for_what_is_refused():
    def never(_experiment):
        raise AssertionError

    with pytest.raises(ConfigError, match=r"training\.batch|one sample"):
        analysis.alignment_terms(experiment_of(batch=1), 2, fetch=never)


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 10, False, [0, 2, 4, 6, 8, 10]),
        (-3.2, 2.1, False, [-4, -3, -2, -1, 0, 1, 2, 3]),
        (0.71, 0.74, False, [0.71, 0.72, 0.73, 0.74]),
        (1, 3, True, [1, 2, 3]),
        (5, 5, True, [5, 6]),
    ],
)
def test_ticks_are_round_and_enclose(low, high, whole, expected):
    assert round_ticks(low, high, whole=whole) == pytest.approx(expected)


def test_labels_do_not_cover_each_other_and_stay_inside():
    lines = [Series(f"line {n}", [(0, 1.0), (1, 0.0)], n) for n in range(5)]
    drawn = ElementTree.fromstring(
        picture("title <&>", "below", [Panel("panel", "x", "y", lines), Panel("", "", "", [])])
    )
    texts = list(drawn.iter(f"{SVG}text"))
    assert texts[0].text == "title <&>"
    heights = sorted(float(node.get("y")) for node in texts if (node.text or "").startswith("line "))
    assert min(np.diff(heights)) >= 16
    assert heights[-1] <= 245
    assert any("nothing to show" in (node.text or "") for node in texts)
