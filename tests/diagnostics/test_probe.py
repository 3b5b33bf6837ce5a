"""Every angle of the diagnosis against the definitions, rule by rule, on chips and on float twins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from diagnosed import RULES, chip_of, degrees, mean_degrees, near, parts_of, regression_of

from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.diagnostics.diagnose import Diagnosis, diagnose_both
from neuro_emu.diagnostics.probe import path_of
from neuro_emu.diagnostics.reference import Probe, backpropagate
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Adam
from neuro_emu.training.loop import train

SAMPLES = 12


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Kept:
    """Observes with a diagnosis and keeps copies of the engine's matrices, as values."""

    def __init__(self, chip, training):
        self.diagnosis, self.held = Diagnosis(chip, training, SAMPLES), []
        self.fracs = [la.weight.frac for la in chip.network.layers], [la.feedback.frac for la in chip.network.hidden]

    def observe(self, done, engine):
        is_codes = engine.state() is not None
        matrices = [
            [np.array(m, dtype=float) * (2.0**-f if is_codes else 1.0) for m, f in zip(part, fracs, strict=True)]
            for part, fracs in zip(engine.matrices(), self.fracs, strict=True)
        ]
        self.held.append(matrices)
        self.diagnosis.observe(done, engine)


def forward(w, codes):
    """y_{-1} … y_K and z_0 … z_K: tanh, and sigmoid at the end."""
    y, z = [codes / 256], []
    for k, matrix in enumerate(w):
        z.append(y[-1] @ matrix[:-1] + matrix[-1])
        y.append(sigmoid(z[-1]) if k == len(w) - 1 else np.tanh(z[-1]))
    return y, z


def pooled(vector, wanted):
    """Copies of a vector, max-pooled to another length (docs/numerics.md, section 5)."""
    n = vector.shape[1]
    m = -(-wanted // n) * n
    windows = [range(i * m // wanted, -(-(i + 1) * m // wanted)) for i in range(wanted)]
    return np.stack([vector[:, [p % n for p in window]].max(axis=1) for window in windows], axis=1)


def signals(rule, w, b, codes, labels):
    """δ_k and what W_k is updated with, from the papers."""
    y, z = forward(w, codes)
    target = np.eye(10)[labels]
    error = target - y[-1]
    last = len(w) - 1
    deltas, x = [None] * last + [error], y[:-1]
    for k in reversed(range(last)):
        slope = 1 - np.tanh(z[k]) ** 2
        carried = {
            "bp": lambda k: deltas[k + 1] @ w[k + 1][:-1].T,
            "drtp": lambda k: target @ b[k],
            "dfa": lambda k: error @ b[k],
            "dkp": lambda k: error @ b[k],
        }.get(rule, lambda k: deltas[k + 1] @ b[k])
        deltas[k] = carried(k) * slope
    if rule == "asap":  # blocks of two layers: 1 and 2 share y_0, layer 3 has y_2
        x = [y[0], y[1], pooled(y[1], 7), y[3]]
    return y, z, deltas, x


def outer(x, delta):
    return np.concatenate([x, np.ones((len(x), 1))], axis=1).T @ delta


def transposed(rule, w, k):
    if rule in {"fa", "kp", "asap"}:
        return w[k + 1][:-1].T
    found = w[k + 1][:-1]
    for matrix in w[k + 2 :]:
        found = found @ matrix[:-1]
    return found.T


def check(rule, entry, matrices, start, probe):
    w, b = matrices
    _, _, bp, _ = signals("bp", w, b, *probe)
    y, z, own, x = signals(rule, w, b, *probe)
    for k, found in enumerate(entry["layers"]):
        near(found["delta_angle"], mean_degrees(own[k], bp[k]))
        near(found["delta_angle_whole"], degrees(own[k], bp[k]))
        near(found["update_angle"], degrees(outer(x[k], own[k]), outer(y[k], bp[k])))
        norm = np.sqrt(np.sum(w[k][:-1] ** 2))
        assert found["norm"] == pytest.approx(norm, rel=1e-5)
        assert found["growth"] == pytest.approx(norm / np.sqrt(np.sum(start[k][:-1] ** 2)), rel=1e-5)
        hidden = k < len(w) - 1
        near(found["feedback_angle"], degrees(b[k], transposed(rule, w, k)) if hidden and rule != "bp" else None)
        top = k == len(w) - 2 and rule in {"fa", "kp", "asap"}
        estimates = hidden and (rule in {"dfa", "drtp", "dkp"} or top)
        near(found["estimate_angle"], mean_degrees(y[k + 1] @ b[k].T, z[-1]) if estimates else None)
        near(found["estimate_angle_whole"], degrees(y[k + 1] @ b[k].T, z[-1]) if estimates else None)


@pytest.mark.parametrize("datapath", ["fast", "float"])
@pytest.mark.parametrize("rule", RULES)
def test_angles_by_definition(rule, datapath):
    chip, parts = chip_of(rule), parts_of()
    kept = Kept(chip, parts[0])
    train(chip, parts, 2, datapath=datapath, observe=kept.observe)
    assert [entry["epoch"] for entry in kept.diagnosis.record] == [0, 1, 2]
    probe = parts[0].codes[:SAMPLES], parts[0].labels[:SAMPLES]
    for entry, matrices in zip(kept.diagnosis.record, kept.held, strict=True):
        check(rule, entry, matrices, kept.held[0][0], probe)


@pytest.mark.parametrize("datapath", ["fast", "float"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "hard_tanh", "sigmoid", "tanh_relu"])
def test_backpropagation_is_at_no_angle_to_itself(datapath, activation):
    chip, parts = chip_of("bp", activation=activation, shift=6), parts_of()
    diagnosis = Diagnosis(chip, parts[0], SAMPLES)
    train(chip, parts, 1, datapath=datapath, observe=diagnosis.observe)
    for entry in diagnosis.record:
        for layer in entry["layers"]:
            assert [layer[key] for key in ("delta_angle", "delta_angle_whole", "update_angle")] == [0.0] * 3


@pytest.mark.parametrize("change", [{"dropout": 64}, {"loss": "mse"}, {"batch": 4}])
def test_backpropagation_with_other_settings(change):
    chip = chip_of("bp")
    chip, parts = replace(chip, learning=replace(chip.learning, **change)), parts_of()
    diagnosis = Diagnosis(chip, parts[0], SAMPLES)
    train(chip, parts, 1, datapath="float", observe=diagnosis.observe)
    layers = [layer for entry in diagnosis.record for layer in entry["layers"]]
    assert {layer["update_angle"] for layer in layers} == {0.0}


@pytest.mark.parametrize("change", [{}, {"dropout": 64}, {"loss": "mse"}])
def test_signals_of_backpropagation(change):
    """Not their direction alone: those of the float twin, whose rule is backpropagation."""
    chip = chip_of("bp")
    chip = replace(chip, learning=replace(chip.learning, **change))
    twin, probe = FloatDatapath(chip, initial_state(chip)), Probe.of(chip, parts_of()[0], SAMPLES)
    found, expected = backpropagate(chip, twin.weights, probe), twin.signals(probe.codes, probe.labels)
    for k in range(4):
        np.testing.assert_allclose(found.deltas[k], expected["updates"][k], rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(found.inputs[k], expected["inputs"][k], rtol=1e-9, atol=1e-14)


def test_a_closed_gate_is_left_out():
    """Frenkel's angle is a mean over samples that learn: a silent sample has no direction."""
    chip, parts = chip_of("dfa", "error_gate: 140"), parts_of()
    kept = Kept(chip, parts[0])
    train(chip, parts, 1, datapath="float", observe=kept.observe)
    codes, labels = parts[0].codes[:SAMPLES], parts[0].labels[:SAMPLES]
    y, _, own, _ = signals("dfa", *kept.held[0], codes, labels)
    _, _, bp, _ = signals("bp", *kept.held[0], codes, labels)
    is_open = (1 - y[-1][np.arange(SAMPLES), labels]) > 140 / 256
    assert 0 < is_open.sum() < SAMPLES
    for k in range(3):
        near(kept.diagnosis.record[0]["layers"][k]["delta_angle"], mean_degrees(own[k][is_open], bp[k][is_open]))


@pytest.mark.parametrize("datapath", ["fast", "float"])
def test_feedback_of_kolen_pollack_meets_the_transposes(datapath):
    chip, parts = chip_of("kp", "weight_decay: {shift: 5, every: 1}"), parts_of(60)
    diagnosis = Diagnosis(chip, parts[0], SAMPLES)
    train(chip, parts, 6, datapath=datapath, observe=diagnosis.observe)
    for k in range(3):
        first, *_, last = [entry["layers"][k]["feedback_angle"] for entry in diagnosis.record]
        assert first > 70
        assert last < 8
        assert diagnosis.record[0]["layers"][k]["delta_angle"] > 60
        assert diagnosis.record[-1]["layers"][k]["delta_angle"] < 15


def test_the_local_classifier_stands_for_the_path():
    chip, parts = chip_of("asfp", "options: {local_classifier: true}"), parts_of()
    seen = []

    def observe(done, engine):
        diagnosis.observe(done, engine)
        seen.append((path_of(chip, engine), engine._path.classifiers[2].copy()))

    diagnosis = Diagnosis(chip, parts[0], SAMPLES)
    train(chip, parts, 1, datapath="float", observe=observe)
    path, classifier = seen[-1]
    assert np.array_equal(path.classifiers[2], classifier)
    near(diagnosis.record[-1]["layers"][2]["feedback_angle"], degrees(path.feedback[2], classifier[:-1].T))
    assert diagnosis.record[0]["layers"][2]["feedback_angle"] is None  # it starts at 0


@pytest.mark.parametrize("rule", ["bp", "dfa"])
def test_regression(rule):
    chip, split = regression_of(rule)
    results = diagnose_both(chip, (split, None, split), 2, samples=SAMPLES)
    for entries in results[2].values():
        first, last = entries[0]["layers"], entries[-1]["layers"]
        assert last[-1]["update_angle"] == 0.0
        assert (last[0]["update_angle"] == 0.0) == (rule == "bp")
        assert first[0]["norm"] != last[0]["norm"]
    assert all(layer["chip_twin_angle"] < 60 for layer in results[2]["chip"][0]["layers"])


def test_no_chip_has_adam():
    chip = chip_of("dfa")
    chip = replace(chip, learning=replace(chip.learning, adam=Adam()))
    with pytest.raises(ValueError, match="Adam"):
        diagnose_both(chip, parts_of(), 1)
    diagnosis, parts = Diagnosis(chip, parts_of()[0], SAMPLES), parts_of()
    train(chip, parts, 1, datapath="float", observe=diagnosis.observe)
    assert len(diagnosis.record) == 2


def test_a_diagnosis_changes_nothing():
    chip, parts = chip_of("dkp"), parts_of()
    first, second, record = diagnose_both(chip, parts, 2, samples=SAMPLES)
    for datapath, result in (("fast", first), ("float", second)):
        plain = train(chip, parts, 2, datapath=datapath)
        assert [e.test_accuracy for e in plain.epochs] == [e.test_accuracy for e in result.epochs]
        assert plain.feedback_angles == result.feedback_angles
    assert all(
        np.array_equal(a, b) for a, b in zip(train(chip, parts, 2).state.weights, first.state.weights, strict=True)
    )
    assert {len(entries) for entries in record.values()} == {3}
    started = [record[name][0]["layers"] for name in ("chip", "twin")]
    for chips, twins in zip(*started, strict=True):
        assert all(chips[key] == twins[key] for key in twins)
