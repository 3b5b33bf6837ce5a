"""The traced datapath of graphs: bytes and events of the compiled one, and counts that its closed forms predict."""

from dataclasses import replace

import numpy as np
import pytest
from dense_pair import DESIGN, fmt, learning_of, numerics_of
from graphs import formats, output_formats
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import chips
from random_nets import RULES, chain, chip_of, design_of, samples_of, settings_of

from neuro_emu.machine.counts import Component, Phase
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.initialise import initial_state
from neuro_emu.machine.design import ZeroInput
from neuro_emu.machine.learning import Decay, Mirror, Momentum
from neuro_emu.network.deep.builder import Builder
from neuro_emu.numerics.words import sample_order
from neuro_emu.training.deep_engine import DeepEngine

pytestmark = pytest.mark.integer

COUNT = 5


def trained(chip, codes, labels, datapath, epochs=2):
    """Predictions of all epochs, presented in blocks that are no batches, and of tests; the engine."""
    engine, found = DeepEngine(chip, initial_state(chip), codes, labels, datapath=datapath), []
    for epoch in range(epochs):
        engine.begin_epoch(epoch, sample_order(chip.learning.seed, epoch, len(labels)))
        found += [engine.train(at, min(at + 2, len(labels))).tolist() for at in range(0, len(labels), 2)]
        engine.end_epoch()
    return engine, [*found, engine.infer(codes).tolist(), engine.outputs(codes[:2]).tolist()]


def states(engine):
    """Everything that outlives a batch."""
    state = engine.state()
    lists = {name: getattr(state, name) for name in ("weights", "feedback", "velocities", "classifiers", "norm")}
    found = {f"{name} {k}": array.tolist() for name, arrays in lists.items() for k, array in enumerate(arrays)}
    plain = ("row_registers", "dropout_registers", "noise_registers")
    found |= {name: getattr(state, name).tolist() for name in plain}
    return found | {name: getattr(state, name) for name in ("samples", "updates", "mirrored", "epoch")}


def assert_traced(chip, random):
    """Both datapaths agree in every number; returns the counts of training and of inference."""
    codes, labels = samples_of(chip, random, COUNT)
    (fast, found), (traced, expected) = (trained(chip, codes, labels, name) for name in ("fast", "traced"))
    assert found == expected
    assert states(fast) == states(traced)
    assert fast.tally().events.tolist() == traced.tally().events.tolist()
    for one, other in zip(fast.counts(), traced.counts(), strict=True):
        assert not one.differences(other)
    return traced.counts()


@pytest.mark.parametrize("seed", range(10))
def test_chains_of_layers(seed):
    random = np.random.default_rng(seed)
    chip = chip_of(chain(random), RULES[seed % 5], random, design=design_of(random), **settings_of(random))
    assert_traced(chip, random)


def test_a_batch_of_one_and_a_short_last_batch():
    random = np.random.default_rng(20)
    graph = chain(random)
    for batch in (1, 4):
        training, _ = assert_traced(chip_of(graph, "bp", random, batch), random)
        updates = -(-COUNT // batch) * 2
        layer = graph.output
        assert training.events[Phase.UPDATE, layer.layer, Component.UPDATE] == updates * layer.rows * layer.units


def test_positions_hold_weight_words_and_change_no_integer():
    """Twice the accumulators: half the weight words of a conv layer, the same multiplications, fewer drains."""
    random = np.random.default_rng(3)
    graph = chain(random)
    chip = chip_of(graph, "bp", random)
    found = []
    for positions in (1, 2, 1000):
        own = replace(chip, design=replace(chip.design, positions=positions))
        found.append(assert_traced(own, np.random.default_rng(4))[0])
    conv, one, two, all_of_them = graph.layers[0], *found
    words = [counts.banked[Phase.FORWARD, 0].sum() for counts in found]
    tiles = [conv.positions, -(-conv.positions // 2), 1]
    assert conv.positions > 2
    assert words == [words[2] * tile for tile in tiles]
    for component in (Component.MAC, Component.INPUT_READ, Component.OUTPUT_WRITE):
        assert (one.events[..., component] == two.events[..., component]).all()
    assert one.cycles > two.cycles > all_of_them.cycles


@settings(max_examples=8, deadline=None)
@given(chips(rules=("bp", "dfa", "fa", "sign_symmetry", "dkp")), st.integers(0, 9999))
def test_norms_residuals_branches_and_averages(chip, seed):
    random = np.random.default_rng(seed)
    assert_traced(replace(chip, design=design_of(random)), random)


def blocks(rule, **learning):
    """A residual with a shortcut of its own, a max pool, two convolutions, two dense layers; one format for all."""
    made = Builder((6, 5, 2), fmt("u8f8"))
    own = formats(output="s8f7")
    first = made.conv(3, 3, own, padding=1, activation="relu")
    body = made.conv(4, 3, own, padding=1, stride=2, activation="hard_tanh")
    branch = made.conv(4, 3, own, padding=1, activation="identity", source=body)
    shortcut = made.conv(4, 1, own, stride=2, activation="identity", source=first)
    made.sides.append(made.nodes[shortcut].layer)
    made.add(branch, shortcut, own, activation="relu")
    made.conv(3, 2, own, activation="tanh")
    made.conv(2, 2, own, padding=1, activation="relu")
    made.dense(5, own, activation="hard_tanh")
    made.dense(3, output_formats("s12f7"), activation="sigmoid")
    return DeepChip(made.graph(), numerics_of(), learning_of(rule, 8, 3, **learning), DESIGN)


def options(**chosen):
    return {"options": tuple(chosen.items())}


MOMENTUM, DECAY = {"momentum": Momentum(3, fmt("s24f14"))}, {"weight_decay": Decay(((0, 6),), 1, first_layer=True)}
ON_BLOCKS = {
    "kp": ("kp", MOMENTUM | DECAY),
    "asap": ("asap", options(block=2, lag=1, matching="max_pool") | DECAY),
    "asap, random": ("asap", options(block=2, lag=0, matching="random")),
    "asfp, averages": (
        "asfp",
        options(block=2, lag=1, matching="average_pool") | {"feedback_decay": Decay(((0, 5),), 1)},
    ),
    "asfp, local": ("asfp", options(block=2, local_classifier=True) | MOMENTUM),
    "dkp": ("dkp", {"error_gate": 100}),
    "mirror": ("weight_mirror", {"mirror": Mirror(4, 2, 2), "feedback_decay": Decay(((0, 5),), 2)}),
    "fa": ("fa", {"dropout": 60}),
    "signs": ("sign_symmetry", {}),
}


@pytest.mark.parametrize(("rule", "learning"), ON_BLOCKS.values(), ids=ON_BLOCKS)
def test_rules_on_convolutions(rule, learning):
    chip, random = blocks(rule, **learning), np.random.default_rng(5)
    modes = list(ZeroInput)
    design = replace(design_of(random), zero_input=modes[list(ON_BLOCKS.values()).index((rule, learning)) % 3])
    training, _ = assert_traced(replace(chip, design=design), random)
    learned = training.events[Phase.FEEDBACK].any()
    assert learned == (rule not in {"fa", "sign_symmetry"})
