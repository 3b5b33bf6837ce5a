"""The float twin computes the equations of the papers: every rule against an independent reference, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from paper_equations import PaperNetwork

from neuro_emu.config.experiment import load_text
from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.machine.initialise import feedback_amplitude, initial_state
from neuro_emu.rules import RULES

STEPS = 100
TWO, THREE, UNEQUAL, EQUAL = (7,), (9, 6), (12, 7, 9, 14), (8, 8, 8, 8)
"""Hidden layers; the output layer has 10 neurons. UNEQUAL: what blocks share is stretched and squeezed."""
NETWORKS = {"2 layers": TWO, "3 layers": THREE, "5 layers": UNEQUAL, "5 equal layers": EQUAL}
ACTIVATIONS = ("tanh", "hard_tanh", "relu", "identity", "sigmoid")
SHARING = ("activation_sharing", "asap", "asfp")
TWINNED = ("kp", "asap")
OWN_RATE = ("dkp", "asfp", "weight_mirror")

CHIP = """
dataset: {{name: synthetic, train: 20, test: 10}}
network:
  layers:
{layers}
  initial_weights: random
  initial_layers: all
training:
  {{rule: {rule}, seed: 3, lr_shift: {{hidden: {hidden}, output: {output}}}, feedback_lr_shift: {feedback}, {training}}}
numerics: {{feedback: {{format: s8f6, range: kaiming}}}}
"""
LAYER = "    - dense: {{units: {units}, activation: {activation}, weight: s16f12, output: {output}}}"


def rates_of(rule, activation):
    """Shifts of hidden layers, output and feedback: slower where activations, or steps, do not shrink by themselves."""
    if activation in {"relu", "identity"}:
        return (9, 7, 8) if rule == "sdfa" else (7, 6, 8)
    return 4, 3, 5


def chip_of(rule, hidden, activation="tanh", **training):
    """A chip of rule, with the fields of `training` as keywords."""
    layers = [LAYER.format(units=n, activation=activation, output="s16f12") for n in hidden]
    layers.append(LAYER.format(units=10, activation="sigmoid", output="u8f8"))
    written = ", ".join(f"{name}: {value}" for name, value in training.items()) or "batch: 1"
    rates = dict(zip(("hidden", "output", "feedback"), rates_of(rule, activation), strict=True))
    text = CHIP.format(layers="\n".join(layers), rule=rule, training=written, **rates)
    return load_text(text.replace("'", "")).chip


def transposed(matrices):
    """Copies in the papers' orientation; None where there is no matrix."""
    return [matrix.T.copy() if matrix.size else None for matrix in matrices]


def decay_of(decay, *more):
    return decay and (2.0 ** -decay.shift_at(0), decay.every, *(getattr(decay, name) for name in more))


def reference(chip, twin):
    """The papers' network with the weights of the twin, and everything else as the chip describes it."""
    learning, layers = chip.learning, chip.network.layers
    state, hidden = initial_state(chip), chip.network.hidden
    matrices = [codes * 2.0**-layer.weight.frac for codes, layer in zip(state.weights, layers, strict=True)]
    assert all(np.array_equal(one, other) for one, other in zip(matrices, twin.weights, strict=True))
    return PaperNetwork(
        rule=learning.rule.name,
        sizes=[chip.network.inputs, *(layer.units for layer in layers)],
        activation=hidden[0].activation,
        W=[matrix[:-1].T for matrix in matrices],
        b=[matrix[-1] for matrix in matrices],
        B=transposed(twin.feedback),
        C=transposed(twin.forward),
        eta=[2.0 ** -learning.shift_at(layer.index, 0) for layer in layers],
        eta_B=2.0 ** -learning.feedback_shift_at(0),
        options=dict(learning.options),
        scale=[feedback_amplitude(chip, layer) * 2.0**-layer.feedback.frac for layer in hidden],
        theta=None if learning.error_gate is None else learning.error_gate / 256,
        dead_zone=learning.sign_dead_zone / 256,
        weight_decay=decay_of(learning.weight_decay, "first_layer"),
        feedback_decay=decay_of(learning.feedback_decay),
    )


class Noise:
    """Noise of mirror mode: one xorshift register a hidden layer, its top bit the sign."""

    def __init__(self, chip):
        self.words = [int(word) for word in initial_state(chip).noise_registers]
        self.sizes = [layer.units for layer in chip.network.hidden]
        self.amplitude = 2.0**-chip.learning.mirror.noise_shift

    def next(self):
        return [np.array([self.sign(k) for _ in range(n)]) * self.amplitude for k, n in enumerate(self.sizes)]

    def sign(self, k):
        word = self.words[k]
        word ^= word << 13 & 0xFFFFFFFF
        word ^= word >> 17
        self.words[k] = word ^ (word << 5 & 0xFFFFFFFF)
        return 1.0 if self.words[k] >> 31 else -1.0


def samples(seed=5):
    """Sparse random codes and labels."""
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, 256, (STEPS, 64)) * (draw.random((STEPS, 64)) < 0.2)
    return zip(codes, draw.integers(0, 10, STEPS).tolist(), strict=True)


def same(one, other, what):
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12, err_msg=what)


def compare(twin, net):
    """All matrices of both."""
    assert len(twin.weights) == len(net.W)
    for k, (w, b) in enumerate(zip(net.W, net.b, strict=True)):
        same(twin.weights[k], np.vstack([w.T, b]), f"W_{k}")
    for k in range(net.K):
        if net.B[k] is None:
            assert twin.feedback[k].size == 0
        else:
            same(twin.feedback[k], net.B[k].T, f"B_{k}")
        assert (net.L[k] is None) == (twin.classifiers[k].size == 0)
        if net.L[k] is not None:
            same(twin.classifiers[k], np.vstack([net.L[k].T, net.bL[k]]), f"L_{k}")


def learned(chip, net):
    """Names of the matrices that the rule's equations move."""
    rule = chip.learning.rule.name
    names = {f"W{net.K}", *(f"L{k}" for k in range(net.K) if net.L[k] is not None)}
    if rule != "shallow":
        names |= {f"W{k}" for k in range(0 if net.first_layer_learns else 1, net.K)}
    if rule in {*TWINNED, *OWN_RATE}:
        names |= {f"B{k}" for k in range(net.K) if net.B[k] is not None and net.L[k] is None}
    return names


def matrices_of(twin):
    parts = {"W": twin.weights, "B": twin.feedback, "L": twin.classifiers}
    return {f"{name}{k}": m.copy() for name, part in parts.items() for k, m in enumerate(part) if m.size}


def assert_follows(chip, *, decayed=False):
    """Train both, compare every 10 steps and at the end, and see what has moved; returns the twin."""
    twin = FloatDatapath(chip, initial_state(chip))
    net, start, noise = reference(chip, twin), matrices_of(twin), Noise(chip)
    mirror = chip.learning.mirror
    for number, (codes, label) in enumerate(samples(), start=1):
        assert twin.train(codes[None], np.array([label])) == net.train(codes / 256.0, label)
        if chip.learning.rule.mirror and number % mirror.every == 0:
            for _ in range(mirror.steps):
                net.mirror_step(noise.next())
        if number % 10 == 0:
            compare(twin, net)
    compare(twin, net)
    end, moving = matrices_of(twin), learned(chip, net)
    assert all(np.isfinite(matrix).all() and np.abs(matrix).max() < 10 for matrix in end.values())
    assert np.abs(net.last["z"][-1]).max() < 30  # far from where an error of the twin's sigmoid rounds to 0
    moved = {name for name, matrix in end.items() if np.abs(matrix - start[name]).max() > 1e-3}
    assert moving <= moved if decayed else moving == moved
    return twin


def defaults_of(rule, **options):
    """Options as the papers write them, overridden by keywords; none for a rule without."""
    own = {"asap": {"first_layer": "fixed"}}.get(rule, {})
    return {"options": {"block": 2, **own, **options}} if rule in SHARING else {}


MIRROR = {"mirror": {"every": 7, "steps": 3, "noise_shift": 1}}


def settings_of(rule, **options):
    return defaults_of(rule, **options) | (MIRROR if rule == "weight_mirror" else {})


def test_every_rule_has_equations():
    assert set(RULES) == {
        *("drtp", "dfa", "sdfa", "shallow", "bp", "fa", "sign_symmetry", "weight_mirror", "kp", "dkp"),
        *("forward_alignment", *SHARING),
    }


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_deep_network_with_any_activation(rule, activation):
    assert_follows(chip_of(rule, UNEQUAL, activation, **settings_of(rule)))


@pytest.mark.parametrize("network", ["2 layers", "3 layers", "5 equal layers"])
@pytest.mark.parametrize("rule", sorted(RULES))
def test_other_networks(rule, network):
    activation = ACTIVATIONS[len(rule) % 2]  # tanh or hard_tanh
    assert_follows(chip_of(rule, NETWORKS[network], activation, **settings_of(rule)))


@pytest.mark.parametrize("matching", ["max_pool", "average_pool", "random"])
@pytest.mark.parametrize("block", [1, 2, 3, 4])
@pytest.mark.parametrize("rule", SHARING)
def test_blocks_and_matching(rule, block, matching):
    twin = assert_follows(chip_of(rule, UNEQUAL, **defaults_of(rule, block=block, matching=matching)))
    drawn = {1: set(), 2: {1, 3}, 3: {1, 2}, 4: {1, 2, 3}}[block] if matching == "random" else set()
    assert {k for k, matrix in enumerate(twin.forward) if matrix.size} == drawn


@pytest.mark.parametrize("rule", SHARING)
def test_an_older_activation(rule):
    assert_follows(chip_of(rule, UNEQUAL, **defaults_of(rule, block=2, lag=1)))


@pytest.mark.parametrize("hidden", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("first_layer", ["fixed", "trained"])
def test_the_first_layer_of_asap(first_layer, hidden):
    twin = assert_follows(chip_of("asap", hidden, **defaults_of("asap", first_layer=first_layer)))
    assert (twin.feedback[0].size == 0) == (first_layer == "fixed")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("block", "ends"), [(1, {1, 2, 3}), (2, {2}), (3, {3}), (4, set())])
def test_local_classifiers_of_asfp(block, ends, activation):
    settings = defaults_of("asfp", block=block, local_classifier="true")
    twin = assert_follows(chip_of("asfp", UNEQUAL, activation, **settings))
    assert {k for k, matrix in enumerate(twin.classifiers) if matrix.size} == ends
    assert [len(matrix) for matrix in twin.feedback] == [10 if k in ends else (7, 9, 14, 10)[k] for k in range(4)]


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"shallow"}))
def test_the_error_gate(rule):
    gate = assert_follows(chip_of(rule, THREE, error_gate=170, **settings_of(rule)))
    free = FloatDatapath(chip := chip_of(rule, THREE, **settings_of(rule)), initial_state(chip))
    for codes, label in samples():
        free.train(codes[None], np.array([label]))
    assert np.abs(free.weights[1] - gate.weights[1]).max() > 1e-3


def test_the_error_gate_with_local_classifiers():
    settings = defaults_of("asfp", local_classifier="true")
    assert_follows(chip_of("asfp", UNEQUAL, error_gate=170, **settings))


def test_the_dead_zone():
    assert_follows(chip_of("sdfa", THREE, sign_dead_zone=40))


@pytest.mark.parametrize("first_layer", ["false", "true"])
@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("rule", sorted(RULES))
def test_weight_decay(rule, every, first_layer):
    settings = settings_of(rule) | {"weight_decay": {"shift": 6, "every": every, "first_layer": first_layer}}
    assert_follows(chip_of(rule, THREE, **settings), decayed=True)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("rule", OWN_RATE)
def test_feedback_decay(rule, every):
    settings = settings_of(rule) | {"feedback_decay": {"shift": 5, "every": every}}
    assert_follows(chip_of(rule, UNEQUAL, **settings))


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"shallow"}))
def test_decays_and_gate_together(rule):
    local = {"local_classifier": "true"} if rule == "asfp" else {}
    settings = settings_of(rule, **local) | {
        "error_gate": 170,
        "weight_decay": {"shift": 6, "every": 2},
        "feedback_decay": {"shift": 5, "every": 3},
    }
    assert_follows(chip_of(rule, UNEQUAL, **settings), decayed=True)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("noise_shift", [0, 2])
def test_mirror_mode(noise_shift, activation):
    mirror = {"every": 4, "steps": 2, "noise_shift": noise_shift}
    assert_follows(chip_of("weight_mirror", UNEQUAL, activation, mirror=mirror))
