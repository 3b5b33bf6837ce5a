"""The float twin of graphs with feedback that learns: that of dense networks, and wide integers on convolutions."""

from dataclasses import replace

import numpy as np
import pytest
from dense_pair import DESIGN, fmt, layers_of, learning_of, numerics_of, pair, samples

from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.initialise import initial_state as deep_state
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Adam, Decay, Mirror, Momentum
from neuro_emu.network.deep.builder import Builder, Formats
from neuro_emu.network.deep.graph import Norm
from neuro_emu.numerics.modes import Rounding
from neuro_emu.numerics.words import sample_order
from neuro_emu.training.deep_engine import DeepEngine
from neuro_emu.training.engines import FloatEngine

SIZES = (12, 9, 7, 9, 4)
SHARED = {"options": (("block", 2), ("lag", 1), ("matching", "average_pool"))}
RULES = {
    "fa": {},
    "sign_symmetry": {},
    "kp": {},
    "dkp": {},
    "asap": SHARED,
    "activation_sharing": {"options": (("block", 2), ("matching", "random"))},
    "asfp": {"options": (("block", 1), ("local_classifier", True))},
    "weight_mirror": {"mirror": Mirror(14, 3, 1)},
}
SETTINGS = {
    "plain": {},
    "momentum": {"momentum": Momentum(2, fmt("s24f12"))},
    "adam": {"adam": Adam(0.01)},
    "decay": {"weight_decay": Decay(((0, 5),), 2, first_layer=True), "feedback_decay": Decay(((0, 5),), 1)},
    "gate": {"error_gate": 60},
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", SETTINGS)
def test_dense_networks_are_those_of_the_other_float_twin(rule, name):
    layers = layers_of(SIZES, hidden="tanh", twins=rule in {"kp", "asap"})
    settings = RULES[rule] | SETTINGS[name] | {"feedback_lr_shift": ((0, 5),)}
    old, new = pair(layers, learning_of(rule, len(layers), 7, **settings), numerics_of())
    codes, labels = samples(12, 4, 28)
    dense = FloatEngine(old, initial_state(old), codes, labels)
    deep = DeepEngine(new, deep_state(new), codes, labels, datapath="float")
    begun = [m.copy() for m in deep.matrices()[1]]
    for epoch in range(2):
        order = sample_order(1, epoch, 28)
        for engine in (dense, deep):
            engine.begin_epoch(epoch, order)
        assert dense.train(0, 28).tolist() == deep.train(0, 28).tolist()
        for engine in (dense, deep):
            engine.end_epoch()
    assert np.abs(dense.outputs(codes) - deep.outputs(codes)).max() < 1e-9
    for matrices in zip(dense.matrices(), deep.matrices(), strict=True):
        for expected, found in zip(*matrices, strict=True):
            assert expected.shape == found.shape
            assert np.abs(expected - found).max(initial=0) < 1e-9
    learns = rule not in {"fa", "sign_symmetry", "activation_sharing"}
    assert learns == any(np.abs(a - b).max(initial=0) > 1e-3 for a, b in zip(begun, deep.matrices()[1], strict=True))


# --- convolutions -----------------------------------------------------------------------------------------

CODES = "s16f12"
WIDE = Formats(*map(fmt, ("s16f13", CODES, "s16f9", "s16f13")), preactivation=fmt(CODES))
LAST = Formats(*map(fmt, ("s16f13", CODES, "s16f9")), preactivation=fmt(CODES))
FINE = Norm(fmt("s16f12"), fmt("s16f12"), fmt("s16f12"), fmt("s16f9"), epsilon=1 << 16)


def net(feedback):
    """Residuals with and without a conv on the shortcut, maps of three sizes, a dense hidden layer."""
    made, wide = Builder((5, 4, 2), fmt("u13f12")), replace(WIDE, feedback=fmt(feedback))
    stem = made.conv(3, 3, wide, padding=1, activation="hard_tanh", norm=FINE)
    body = made.conv(3, 3, wide, padding=1, activation="identity", norm=FINE)
    first = made.add(body, stem, wide, activation="hard_tanh")
    made.conv(4, 3, wide, padding=1, stride=2, activation="hard_tanh", norm=FINE)
    body = made.conv(4, 3, wide, padding=1, activation="identity", norm=FINE)
    side = made.conv(4, 1, wide, stride=2, source=first, activation="identity", norm=FINE)
    made.sides.append(made.nodes[side].layer)
    made.add(body, side, wide, activation="hard_tanh")
    made.dense(6, wide, activation="hard_tanh")
    made.dense(3, LAST, activation="identity")
    return made.graph()


LEARN = {"feedback": ("kp", "dkp", "asap", "asfp", "weight_mirror"), "classifiers": ("asfp",)}
CONV = RULES | {
    "dfa": {},
    "drtp": {},
    "bp": {},
    "asap": {"options": (("block", 2), ("lag", 1), ("matching", "max_pool"))},
    "activation_sharing": {"options": (("block", 1), ("lag", 1), ("matching", "average_pool"))},
    "asfp": {"options": (("block", 2), ("local_classifier", True))},
}


@pytest.mark.parametrize("rule", CONV)
def test_wide_integers_do_the_same_on_convolutions(rule):
    graph = net("s16f17" if rule == "sign_symmetry" else "s16f13")  # ±0.25: signs alone make large errors
    rates = {"lr_shift": (((0, 10),),) * len(graph.layers), "feedback_lr_shift": ((0, 8),), "feedback_range": "kaiming"}
    moved = {"momentum": Momentum(2, fmt("s24f16")), "weight_decay": Decay(((0, 7),), 1)} | CONV[rule] | rates
    learning = learning_of(rule, len(graph.layers), 10, **moved)
    chip = DeepChip(graph, numerics_of(Rounding.RND), learning, DESIGN)
    random = np.random.default_rng(1)
    codes, labels = random.integers(0, 4096, (20, graph.inputs)).astype(np.int16), np.arange(20) % 3
    state = deep_state(chip)
    engines = [DeepEngine(chip, state, codes, labels.astype(np.uint8), datapath=name) for name in ("fast", "float")]
    for engine in engines:
        engine.begin_epoch(0, np.arange(20))
        engine.train(0, 20)
    assert not engines[0].tally().events[:, 4:].any()  # nothing was clamped
    after = engines[0].state()
    values = {"weights": engines[1].matrices()[0], "feedback": engines[1].matrices()[1]}
    values["classifiers"] = engines[1]._ops.classifiers
    for name, matrices in values.items():
        moves = [0.0]
        for found, expected, begun in zip(getattr(after, name), matrices, getattr(state, name), strict=True):
            assert found.shape == expected.shape
            moves.append(np.abs(found - begun).max(initial=0) / 8192)
            assert np.abs(found / 8192 - expected).max(initial=0) < 2e-3, name
        assert name != "weights" or min(moves[1:]) > 8e-3
        assert (max(moves) > 8e-3) == (name == "weights" or rule in LEARN[name])
