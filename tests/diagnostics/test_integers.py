"""What integers cost: each share and rate against a loop over the definitions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from diagnosed import RULES, chip_of, degrees, near, parts_of, split_of

from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.diagnostics.codes import CodeSignals
from neuro_emu.diagnostics.diagnose import Diagnosis
from neuro_emu.diagnostics.integers import at_the_ends, lost, steps_of_chip, steps_of_twin
from neuro_emu.diagnostics.reference import Probe
from neuro_emu.errors import OverflowDetected
from neuro_emu.machine.initialise import initial_state
from neuro_emu.numerics.formats import Format
from neuro_emu.training.loop import train

SAMPLES = 6


class Seen:
    """Observes with a diagnosis and keeps the states and tallies."""

    def __init__(self, chip, training):
        self.diagnosis, self.states, self.tallies = Diagnosis(chip, training, SAMPLES), [], []

    def observe(self, done, engine):
        self.states.append(engine.state())
        self.tallies.append(engine.tally())
        self.diagnosis.observe(done, engine)


def observed(chip, epochs=1, datapath="fast", parts=None):
    parts = parts or parts_of(12)
    seen = Seen(chip, parts[0])
    train(chip, parts, epochs, datapath=datapath, observe=seen.observe)
    return seen, parts[0]


def written(chip, state, split):
    """ΔW in values, from the traced datapath."""
    path = TracedDatapath(chip, state)
    for code, label in zip(split.codes[:SAMPLES], split.labels[:SAMPLES], strict=True):
        path.train(code.astype(np.int64), int(label))
    path.end_epoch()
    pairs = zip(path.state.weights, state.weights, chip.network.layers, strict=True)
    return [(new - old) * 2.0**-layer.weight.frac for new, old, layer in pairs]


def float_gradients(chip, state, split):
    """Σ x δᵀ of rule and of backpropagation, from one plain step of a twin at rate 1 each."""
    found = []
    for rule in (chip.learning.rule, None):
        twin = FloatDatapath(chip, state)
        signals = twin.signals(split.codes[:SAMPLES], split.labels[:SAMPLES])
        if rule is None:
            w = twin.weights
            deltas = [signals["updates"][-1]]
            for k in reversed(range(len(w) - 1)):  # tanh: f′ = 1 − y²
                deltas.insert(0, (deltas[0] @ w[k + 1][:-1].T) * (1 - signals["inputs"][k + 1] ** 2))
            pairs = zip(signals["inputs"], deltas, strict=True)
        else:
            pairs = zip(signals["activations"], signals["updates"], strict=True)
        found.append([outer(x, d) for x, d in pairs])
    return found


def outer(x, delta):
    total = np.zeros((x.shape[1] + 1, delta.shape[1]))
    for one, signal in zip(x, delta, strict=True):
        total += np.outer(np.append(one, 1.0), signal)
    return total


@pytest.mark.parametrize("rule", RULES)
def test_steps_and_rates(rule):
    chip = chip_of(rule, weight="s12f8", shift=4)
    seen, split = observed(chip)
    for entry, state in zip(seen.diagnosis.record, seen.states, strict=True):
        own, bp = float_gradients(chip, state, split)
        steps = written(chip, state, split)
        twin = FloatDatapath(chip, state)
        before = [w.copy() for w in twin.weights]
        for code, label in zip(split.codes[:SAMPLES], split.labels[:SAMPLES], strict=True):
            twin.train(code[None], np.array([label]))
        for k, layer in enumerate(entry["layers"]):
            moved = twin.weights[k] - before[k]
            near(layer["chip_update_angle"], degrees(steps[k], own[k]))
            near(layer["chip_bp_angle"], degrees(steps[k], bp[k]))
            near(layer["chip_twin_angle"], degrees(steps[k], moved))
            for key, step in (("effective_rate", steps[k]), ("twin_rate", moved)):
                expected = np.sum(step * own[k]) / np.sum(own[k] ** 2)
                assert layer[key] == pytest.approx(expected, rel=1e-5, abs=1e-9)
            assert layer["nominal_rate"] == 2.0 ** -(3 if k == 3 else 4)


@pytest.mark.parametrize("datapath", ["fast", "traced"])
@pytest.mark.parametrize("rule", ["dfa", "drtp", "asap"])
def test_shares(rule, datapath):
    chip = chip_of(rule, weight="s9f7", shift=6)
    seen, split = observed(chip, epochs=2, datapath=datapath)
    probe = Probe.of(chip, split, SAMPLES)
    for n, (entry, state) in enumerate(zip(seen.diagnosis.record, seen.states, strict=True)):
        signals = CodeSignals(chip, state, probe)  # itself equal to the traced datapath: test_codes.py
        for layer, found in zip(chip.network.layers, entry["layers"], strict=True):
            k = layer.index
            w, q, delta, x = state.weights[k], signals.addresses[k], signals.deltas[k], signals.activations[k]
            assert found["weights_saturated"] == round(float(np.mean(np.isin(w, [-256, 255]))), 6)
            assert found["q_saturated"] == round(float(np.mean(np.isin(q, [-128, 127]))), 6)
            assert found["delta_zero"] == round(float(np.mean(delta == 0)), 6)
            ends = [layer.delta.low, layer.delta.high]
            assert found["delta_saturated"] == round(float(np.mean(np.isin(delta, ends))), 6)
            whole = np.hstack([x, np.full((len(x), 1), layer.bias_code)])
            steps = [abs(int(a) * int(d)) for xs, ds in zip(whole, delta, strict=True) for a in xs for d in ds if a * d]
            s = layer.delta.frac + layer.input.frac - 7 + (3 if k == 3 else 6)
            assert found["underflow"] == round(np.mean([step / 2**s < 1 for step in steps]), 6)
            assert found["underflow_half"] == round(np.mean([step / 2**s < 0.5 for step in steps]), 6)
            if n == 0:
                assert found["zero_updates"] is None
            else:
                gained = seen.tallies[n].events[k] - seen.tallies[n - 1].events[k]
                assert found["zero_updates"] == round(gained[1] / gained[0], 6)
    layers = seen.diagnosis.record[-1]["layers"]
    assert 0.02 < layers[0]["zero_updates"] < 1
    assert 0 < layers[0]["underflow_half"] < layers[0]["underflow"] <= 1


def test_underflow_of_mini_batches():
    """Sums are rounded, so sums are looked at: batches of 4, the last of 2."""
    chip, draw = chip_of("dfa", batch=4, weight="s9f7", shift=2), np.random.default_rng(8)
    layer = chip.network.layers[1]
    x, delta = draw.integers(-128, 128, (10, 11)), draw.integers(-20, 21, (10, 7))
    shift = layer.delta.frac + layer.input.frac - 7 + 2
    steps = []
    for first in (0, 4, 8):
        sums = np.zeros((12, 7), int)
        for xs, ds in zip(x[first : first + 4], delta[first : first + 4], strict=True):
            sums += np.outer(np.append(xs, layer.bias_code), ds)
        steps += [abs(g) / 2**shift for g in sums.ravel().tolist() if g]
    found = lost(chip, layer, delta, x, 0)
    assert found == (np.mean(np.array(steps) < 1), np.mean(np.array(steps) < 0.5))
    assert 0 < found[1] < found[0] < 1


@pytest.mark.parametrize("batch", [1, 4])
def test_steps_of_exactly_one_code_and_a_half_are_not_lost(batch):
    """Products 2^s, 2^(s-1) and one less of each: s = 9, x = 1 and no bias to speak of."""
    chip = chip_of("dfa", batch=batch, weight="s9f7", shift=1)
    layer = replace(chip.network.layers[1], input=Format.parse("s1f7"))  # its largest code is 0: the bias code
    assert (chip.update_shift(layer, 0), layer.bias_code) == (9, 0)
    delta = np.array([[512, 511, 256, 255, -512, -511, -256]])
    x = np.array([[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]])
    assert lost(chip, layer, delta, x, 0) == (5 / 7, 1 / 7)


def test_nothing_lost_of_nothing():
    chip = chip_of("dfa")
    layer = chip.network.layers[1]
    assert lost(chip, layer, np.zeros((3, 7), int), np.ones((3, 11), int), 0) == (None, None)


def test_nearest_rounding_loses_what_is_below_half_a_code():
    """With one sample the share below half a code is the share of steps that are 0, up to ties."""
    chip, split = chip_of("dfa", rounding="RND_CONV", weight="s9f7", shift=6), split_of(1)
    state, probe = initial_state(chip), Probe.of(chip, split, 1)
    signals = CodeSignals(chip, state, probe)
    steps = steps_of_chip(chip, state, probe)
    for layer in chip.network.layers[:-1]:
        k, x = layer.index, np.append(signals.activations[layer.index][0], layer.bias_code)
        product = np.outer(x, signals.deltas[k][0])
        ties = np.abs(product) * 2 == 2 ** chip.update_shift(layer, 0)
        below = lost(chip, layer, signals.deltas[k], signals.activations[k], 0)[1]
        assert below == np.mean(steps[k][(product != 0) & ~ties] == 0) or ties.any()


@pytest.mark.parametrize(
    ("training", "batch"), [((), 1), ((), 4), (("weight_decay: {shift: 5, every: 3}",), 1), (("error_gate: 140",), 1)]
)
def test_steps_are_those_of_both_integer_datapaths(training, batch):
    chip, split = chip_of("dkp", *training, batch=batch), split_of(SAMPLES)
    state, probe = initial_state(chip), Probe.of(chip, split, SAMPLES)
    kept = state.copy()
    fast, slow = steps_of_chip(chip, state, probe), steps_of_chip(chip, state, probe, traced=True)
    assert all(np.array_equal(a, b) and a.any() for a, b in zip(fast, slow, strict=True))
    twin = steps_of_twin(chip, state, probe)
    assert all(degrees(a, b) < 45 for a, b in zip(fast, twin, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(state.weights, kept.weights, strict=True))


def test_strict_numerics_do_not_cut_the_probe_short():
    chip = chip_of("dfa", weight="s9f7", shift=0, numerics="strict: true")
    relaxed = replace(chip, numerics=replace(chip.numerics, strict=False))
    state, probe = initial_state(chip), Probe.of(chip, split_of(SAMPLES), SAMPLES)
    with pytest.raises(OverflowDetected):
        train(chip, parts_of(SAMPLES), 1)
    pair = steps_of_chip(chip, state, probe), steps_of_chip(relaxed, state, probe)
    assert all(np.array_equal(a, b) for a, b in zip(*pair, strict=True))


def test_rates_are_those_of_the_epoch_just_done():
    chip = chip_of("dfa")
    schedule = (((0, 3), (1, 5)),) * 3 + (((0, 3),),)
    seen, _ = observed(replace(chip, learning=replace(chip.learning, lr_shift=schedule)), epochs=3)
    assert [entry["layers"][0]["nominal_rate"] for entry in seen.diagnosis.record] == [1 / 8, 1 / 8, 1 / 32, 1 / 32]
    rates = [entry["layers"][0]["effective_rate"] for entry in seen.diagnosis.record]
    assert rates[2] < rates[1] / 2


def test_stochastic_rounding_keeps_the_rate_where_truncation_loses_it():
    for rounding, low, high in (("STOCH", 0.7, 1.3), ("TRN_ZERO", 0.0, 0.7)):
        chip = chip_of("drtp", rounding=rounding, weight="s9f7", shift=5)
        layer = observed(chip)[0].diagnosis.record[0]["layers"][0]
        assert low <= layer["effective_rate"] / layer["nominal_rate"] <= high


def test_records_are_plain():
    seen, _ = observed(chip_of("shallow"), epochs=1)
    text = json.dumps(seen.diagnosis.record, allow_nan=False)
    assert json.loads(text) == seen.diagnosis.record
    hidden = seen.diagnosis.record[1]["layers"][0]
    assert hidden["growth"] == 1.0
    assert {hidden[key] for key in ("update_angle", "underflow", "zero_updates", "effective_rate")} == {None}


def test_ends_of_formats():
    assert at_the_ends(np.array([[-8, 7, 3], [0, 7, -7]]), Format.parse("s4f0")) == 0.5
    assert at_the_ends(np.zeros((0, 3)), Format.parse("s4f0")) is None
