"""The float twin: single steps against the formulas, and the integer datapath in wide formats against the twin."""

from __future__ import annotations

import numpy as np
import pytest

from neuro_emu.config.experiment import load_text
from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.machine.initialise import initial_state
from neuro_emu.training.engines import FastEngine, FloatEngine, TracedEngine

SMALL = """
dataset: {{name: synthetic, train: 20, test: 10}}
network:
  layers:
    - dense: {{units: 5, activation: {hidden}, weight: s8f6, output: s8f7, table_frac: 5, delta: s8f7, lr_shift: 3}}
    - dense: {{units: 10, activation: sigmoid, weight: s10f7, output: u8f8}}
  initial_weights: random
  initial_layers: all
training: {{rule: {rule}, seed: 11, lr_shift: {{hidden: 6, output: 2}}, {training}}}
numerics: {{feedback: {{format: s6f4}}}}
"""


def small(rule, hidden="hard_tanh", training="batch: 1"):
    return load_text(SMALL.format(rule=rule, hidden=hidden, training=training)).chip


def samples(count, seed=5):
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, 256, (count, 64)) * (draw.random((count, 64)) < 0.4)
    return codes.astype(np.uint8), draw.integers(0, 10, count).astype(np.uint8)


FUNCTIONS = {
    "hard_tanh": (lambda z: np.maximum(-1, np.minimum(1, z)), lambda z: 1.0 * ((z > -1) & (z < 1))),
    "relu": (lambda z: z * (z > 0), lambda z: 1.0 * (z > 0)),
    "identity": (lambda z: z, lambda z: 1.0 + 0 * z),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh_relu": (lambda z: np.tanh(z * (z > 0)), lambda z: (z > 0) / np.cosh(z) ** 2),
}


class ByHand:
    """One hidden layer in plain numpy, written from the papers' formulas."""

    def __init__(self, chip, rule, hidden, *, gate=None, dead_zone=0.0):
        state = initial_state(chip)
        self.w0, self.w1 = state.weights[0] / 2**6, state.weights[1] / 2**7
        self.b = state.feedback[0] / 2**4
        self.rule, self.gate, self.dead_zone = rule, gate, dead_zone
        self.f, self.slope = FUNCTIONS[hidden]

    def gradients(self, code, label):
        x = code / 256.0
        z0 = x @ self.w0[:-1] + self.w0[-1]
        y0 = self.f(z0)
        z1 = y0 @ self.w1[:-1] + self.w1[-1]
        y1 = 1 / (1 + np.exp(-z1))
        target = np.arange(10) == label
        error = target - y1
        teaching = {
            "dfa": self.b.T @ error,
            "sdfa": self.b.T @ np.where(np.abs(error) > self.dead_zone, np.sign(error), 0.0),
            "drtp": self.b.T @ target,
            "shallow": np.zeros(5),
        }[self.rule]
        if self.gate is not None and error[label] <= self.gate:
            teaching = np.zeros(5)
        delta0 = teaching * self.slope(z0)
        return (
            np.concatenate([np.outer(x, delta0), delta0[None]]),
            np.concatenate([np.outer(y0, error), error[None]]),
        )

    def apply(self, gradients):
        self.w0 = self.w0 + 2.0**-3 * gradients[0]
        self.w1 = self.w1 + 2.0**-2 * gradients[1]


def close(one, other):
    return np.allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("hidden", FUNCTIONS)
@pytest.mark.parametrize("rule", ["dfa", "drtp", "sdfa", "shallow"])
def test_steps_equal_the_formulas(rule, hidden):
    chip = small(rule, hidden)
    twin, hand = FloatDatapath(chip, initial_state(chip)), ByHand(chip, rule, hidden)
    assert close(twin.weights[0], hand.w0)
    start = hand.w0
    for code, label in zip(*samples(4), strict=True):
        hand.apply(hand.gradients(code, label))
        twin.train(code[None], np.array([label]))
        assert close(twin.weights[0], hand.w0)
        assert close(twin.weights[1], hand.w1)
    assert np.array_equal(hand.w0, start) == (rule == "shallow")


def test_a_batch_is_summed_and_the_rest_applied_at_the_end():
    chip = small("dfa", "tanh", "batch: 3")
    codes, labels = samples(5)
    hand = ByHand(chip, "dfa", "tanh")
    for part in (range(3), range(3, 5)):
        parts = [hand.gradients(codes[n], labels[n]) for n in part]
        hand.apply([sum(p[k] for p in parts) for k in range(2)])
    engine = FloatEngine(chip, initial_state(chip), codes, labels)
    engine.begin_epoch(0, np.arange(5))
    engine.train(0, 5)
    engine.end_epoch()
    assert close(engine._path.weights[0], hand.w0)
    assert close(engine._path.weights[1], hand.w1)


@pytest.mark.parametrize("rule", ["dfa", "drtp"])
def test_the_gate_holds_hidden_layers_still(rule):
    chip = small(rule, "tanh", "error_gate: 140")
    codes, labels = samples(12)
    twin, hand = FloatDatapath(chip, initial_state(chip)), ByHand(chip, rule, "tanh", gate=140 / 256)
    moved = []
    for code, label in zip(codes, labels, strict=True):
        before = twin.weights[0].copy()
        hand.apply(hand.gradients(code, label))
        twin.train(code[None], np.array([label]))
        moved.append(not np.array_equal(before, twin.weights[0]))
        assert close(twin.weights[0], hand.w0)
        assert close(twin.weights[1], hand.w1)
    assert 0 < sum(moved) < 12


def test_the_dead_zone_silences_small_errors():
    chip = small("sdfa", "tanh", "sign_dead_zone: 120")
    twin, hand = FloatDatapath(chip, initial_state(chip)), ByHand(chip, "sdfa", "tanh", dead_zone=120 / 256)
    plain = ByHand(chip, "sdfa", "tanh")
    for code, label in zip(*samples(6), strict=True):
        hand.apply(hand.gradients(code, label))
        plain.apply(plain.gradients(code, label))
        twin.train(code[None], np.array([label]))
    assert close(twin.weights[0], hand.w0)
    assert not close(twin.weights[0], plain.w0)


def test_the_rates_follow_the_schedule():
    text = SMALL.format(rule="dfa", hidden="tanh", training="batch: 1").replace(
        "output: 2}", "output: [[0, 2], [3, 5]]}"
    )
    chip = load_text(text).chip
    (code,), (label,) = samples(1)
    steps = []
    for epoch in (0, 2, 3):
        twin = FloatDatapath(chip, initial_state(chip))
        twin.begin_epoch(epoch)
        before = twin.weights[1].copy()
        twin.train(code[None], np.array([label]))
        steps.append(twin.weights[1] - before)
    assert np.array_equal(steps[0], steps[1])
    assert close(steps[0], 8 * steps[2])


# --- the same rule in both --------------------------------------------------------------------------------------

WIDE = """
dataset: {{name: synthetic, train: 20, test: 10}}
network:
  layers:
    - dense: {{units: 24, activation: tanh, weight: s30f24, output: s16f14, table_frac: 6, delta: s24f20}}
    - dense: {{units: 10, activation: sigmoid, weight: s30f24, output: u16f16, table_frac: 6, delta: s24f20}}
  initial_weights: random
  initial_layers: all
training: {{rule: {rule}, seed: 2, lr_shift: {{hidden: 3, output: 3}}, {training}}}
numerics: {{update_rounding: RND, feedback: {{format: s16f15}}, accumulator: {{bits: 60}}}}
"""
RULES = ("dfa", "drtp", "sdfa", "shallow")
TOLERANCE = 0.02
"""The table address has 6 fractional bits: z is off by up to 2^-7, twice in a row, five samples long."""


def trained(engine_type, rule, training):
    chip = load_text(WIDE.format(rule=rule, training=training)).chip
    codes, labels = samples(5, seed=8)
    codes //= 4  # small pre-activations stay within the range ±2 of the tables
    engine = engine_type(chip, initial_state(chip), codes, labels)
    engine.begin_epoch(0, np.arange(5))
    engine.train(0, 5)
    engine.end_epoch()
    weights = engine._path.weights if engine_type is FloatEngine else [w * 2.0**-24 for w in engine.state().weights]
    start = [w * 2.0**-24 for w in initial_state(chip).weights]
    return [after - before for after, before in zip(weights, start, strict=True)]


def distance(one, other):
    return max(float(np.max(np.abs(a - b))) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("rule", "training"),
    [
        (rule, training)
        for rule in RULES
        for training in ("batch: 1", "batch: 3", "batch: 1, error_gate: 33000")
        if not (rule == "shallow" and "gate" in training)  # it has nothing to gate
    ],
)
@pytest.mark.parametrize("engine", [FastEngine, TracedEngine])
def test_wide_integers_follow_the_twin(engine, rule, training):
    twin = trained(FloatEngine, rule, training)
    integers = trained(engine, rule, training)
    assert distance(integers, twin) < TOLERANCE
    assert np.abs(twin[1]).max() > 10 * TOLERANCE
    assert (np.abs(twin[0]).max() > 5 * TOLERANCE) == (rule != "shallow")


def test_the_tolerance_tells_rules_apart():
    moves = {rule: trained(FloatEngine, rule, "batch: 1") for rule in RULES}
    for one in RULES:
        for other in RULES:
            assert one == other or distance(moves[one], moves[other]) > 3 * TOLERANCE
