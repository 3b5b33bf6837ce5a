"""The float twin of graphs: numeric gradients, the float twin of dense networks, and wide integers."""

from dataclasses import replace

import naive_float
import numpy as np
import pytest
from dense_pair import DESIGN, fmt, layers_of, learning_of, numerics_of, pair, samples
from graphs import formats, output_formats

from neuro_emu.datapath.deep.floating import FloatOps
from neuro_emu.datapath.deep.integer import IntegerOps
from neuro_emu.errors import RunError
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.initialise import initial_state as deep_state
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Adam, Decay, Momentum
from neuro_emu.network.deep.builder import Builder, Formats
from neuro_emu.network.deep.graph import Norm
from neuro_emu.numerics.modes import Rounding
from neuro_emu.numerics.words import sample_order
from neuro_emu.training.deep_engine import DeepEngine
from neuro_emu.training.engines import FloatEngine

CLASSES = 3
NORM = Norm(fmt("s16f8"), fmt("s16f12"), fmt("s16f12"), fmt("s16f12"))


def output(made, activation="sigmoid"):
    made.dense(CLASSES, output_formats(), activation=activation)
    return made.graph()


def residual():
    made, own = Builder((5, 4, 2), fmt("u8f8")), formats()
    stem = made.conv(3, 3, own, padding=1, activation="tanh", norm=NORM)
    body = made.conv(3, 3, own, padding=1, activation="identity")
    first = made.add(body, stem, own, activation="relu")
    made.conv(4, 3, own, padding=1, stride=2, activation="relu", norm=NORM)
    body = made.conv(4, 2, own, padding=1, activation="identity", norm=NORM)
    made.pool("max", 2, 1)
    body = len(made.nodes) - 1
    side = made.conv(4, 1, own, stride=2, source=first, activation="identity", norm=NORM)
    made.add(body, side, own, activation="hard_tanh")
    made.pool("average", None)
    return output(made)


def branches():
    made, own = Builder((5, 6, 2), fmt("u8f8")), formats()
    stem = made.conv(3, 2, own, stride=2, padding=1, activation="tanh")
    one = made.conv(2, 1, own, source=stem, activation="sigmoid", norm=replace(NORM, frozen=True))
    two = made.conv(2, 3, own, source=stem, padding=1, activation="relu")
    made.concat([one, stem, two], own)
    made.pool("average", 2, 1)
    made.dense(4, own, activation="tanh", norm=NORM)
    return output(made, "softmax")


def stack():
    made, own = Builder((6, 5, 1), fmt("u8f8")), formats()
    made.conv(3, 3, own, padding=2, activation="hard_tanh")
    made.pool("max", 3, 2)
    made.conv(2, 2, own, stride=2, padding=1, activation="sigmoid")
    made.dense(4, own, activation="relu")
    return output(made)


NETS = {"residual": (residual, "bce"), "branches": (branches, "cce"), "stack": (stack, "mse")}


def chip_of(graph, rule="bp", batch=6, numerics=None, **more):
    settings = {"lr_shift": (((0, 0),),) * len(graph.layers)} | more
    return DeepChip(graph, numerics or numerics_of(), learning_of(rule, len(graph.layers), batch, **settings), DESIGN)


def values_into(ops, seed=3):
    """Fill all that learns with numbers that are no codes; returns copies."""
    random = np.random.default_rng(seed)
    for weights in ops.weights:
        weights[:] = random.normal(0, 1 / np.sqrt(len(weights)), weights.shape)
        weights[-1] += random.normal(0, 0.2, weights.shape[1])
    for norm in ops.norms.values():
        norm.learned[:] = random.normal(1, 0.3, norm.learned.shape)
    return [w.copy() for w in ops.weights], {k: norm.learned.copy() for k, norm in ops.norms.items()}


@pytest.mark.parametrize("name", NETS)
def test_bp_goes_down_the_numeric_gradient(name):
    """One batch at the rate 1 takes off what central differences of the loss give, to one part in a million."""
    make, kind = NETS[name]
    graph = make()
    chip, (codes, labels) = chip_of(graph, loss=kind), samples(graph.inputs, CLASSES, 6)
    engine = DeepEngine(chip, deep_state(chip), codes, labels, datapath="float")
    weights, norms = values_into(engine._ops)
    engine.begin_epoch(0, np.arange(6))
    engine.train(0, 6)
    x = codes.reshape(6, *graph.input_shape) / 256
    square = {la.layer: 4.0**-la.norm.input.frac for la in graph.layers if la.norm}
    running = {k: (0.0, unit) for k, unit in square.items()}  # as they start

    def loss():
        return naive_float.loss(kind, *naive_float.outputs(graph, x, weights, norms, running), labels)

    pairs = [(engine._ops.weights[k], w) for k, w in enumerate(weights)]
    pairs += [(engine._ops.norms[k].learned, learned) for k, learned in norms.items()]
    for after, before in pairs:
        expected = naive_float.slopes(loss, before)
        assert np.abs(expected).max() > 1e-3
        assert np.abs(before - after - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("name", NETS)
def test_tests_use_running_statistics(name):
    """With κ = 0 they are those of the last batch, so that its samples are tested as they were trained."""
    graph, kind = NETS[name][0](), NETS[name][1]
    layers = [replace(la, norm=la.norm and replace(la.norm, shift=0, frozen=False)) for la in graph.layers]
    replaced = {la.index: la for la in layers}
    nodes = tuple(replaced.get(node.index, node) for node in graph.nodes)
    graph = replace(graph, nodes=nodes, layers=tuple(layers))
    chip, (codes, labels) = (
        chip_of(graph, loss=kind, lr_shift=(((0, 200),),) * len(layers)),
        samples(graph.inputs, CLASSES, 6),
    )
    engine = DeepEngine(chip, deep_state(chip), codes, labels, datapath="float")
    weights, norms = values_into(engine._ops)
    engine.begin_epoch(0, np.arange(6))
    trained = engine.train(0, 6)
    _, y = naive_float.outputs(graph, codes.reshape(6, *graph.input_shape) / 256, weights, norms)
    assert np.abs(engine.outputs(codes) - y).max() < 1e-12
    assert engine.infer(codes).tolist() == trained.tolist() == y.argmax(axis=1).tolist()
    assert np.abs(engine.outputs(codes[:2]) - y[:2]).max() < 1e-12  # no statistics of what is tested


# --- against the float twin of dense networks -------------------------------------------------------------

SETTINGS = {
    "plain": {},
    "momentum": {"momentum": Momentum(3, fmt("s24f16"))},
    "nesterov": {"momentum": Momentum(3, fmt("s24f16"), nesterov=True)},
    "adam": {"adam": Adam(0.01)},
    "decay": {"weight_decay": Decay(((0, 6),), 2)},
    "all layers decay": {"weight_decay": Decay(((0, 6),), 1, first_layer=True)},
    "dropout": {"dropout": 100},
    "gate": {"error_gate": 60},
    "mse": {"loss": "mse"},
}


@pytest.mark.parametrize("rule", ["bp", "dfa", "drtp", "sdfa", "shallow"])
@pytest.mark.parametrize("name", SETTINGS)
def test_dense_networks_are_those_of_the_other_float_twin(rule, name):
    layers = layers_of((12, 9, 7, 4), hidden="tanh")
    settings = {"sign_dead_zone": 20} | SETTINGS[name]
    old, new = pair(layers, learning_of(rule, 3, 7, **settings), numerics_of())
    codes, labels = samples(12, 4, 30)
    dense = FloatEngine(old, initial_state(old), codes, labels)
    deep = DeepEngine(new, deep_state(new), codes, labels, datapath="float")
    begun = [w.copy() for w in deep.matrices()[0]]
    for epoch in range(2):
        order = sample_order(1, epoch, 30)
        for engine in (dense, deep):
            engine.begin_epoch(epoch, order)
        assert dense.train(0, 30).tolist() == deep.train(0, 30).tolist()
        for engine in (dense, deep):
            engine.end_epoch()
    assert np.abs(dense.outputs(codes) - deep.outputs(codes)).max() < 1e-9
    for expected, found in zip(dense.matrices()[0], deep.matrices()[0], strict=True):
        assert np.abs(expected - found).max() < 1e-9
    assert np.abs(deep.matrices()[0][-1] - begun[-1]).max() > 1e-3
    assert (deep.state(), deep.tally(), deep.counts()) == (None, None, None)


# --- against integers -------------------------------------------------------------------------------------

WIDE = Formats(*map(fmt, ("s16f13", "s16f12", "s16f11", "s16f13")), preactivation=fmt("s16f12"))
LAST = Formats(*map(fmt, ("s16f13", "s16f12", "s16f11")), preactivation=fmt("s16f12"))
FINE = Norm(fmt("s16f12"), fmt("s16f12"), fmt("s16f12"), fmt("s16f11"), epsilon=1 << 16)


def wide_net(dropout):
    made = Builder((5, 4, 2), fmt("u9f8"))
    stem = made.conv(3, 3, WIDE, padding=1, activation="hard_tanh", norm=FINE)
    made.conv(3, 3, WIDE, padding=1, activation="relu", dropout=dropout)
    body = made.conv(3, 2, WIDE, padding=1, activation="hard_tanh", norm=FINE)
    body = made.pool("average", 2, 1)
    made.add(body, stem, WIDE, activation="hard_tanh")
    left, right = (
        made.conv(2, 3, WIDE, stride=2, activation="relu", source=stem),
        made.pool("max", 3, 2, source=body + 1),
    )
    made.concat([left, right], WIDE)
    made.dense(5, WIDE, activation="hard_tanh")
    made.dense(CLASSES, LAST, activation="identity")
    return made.graph()


@pytest.mark.parametrize("dropout", [0, 80])
@pytest.mark.parametrize("rule", ["bp", "drtp", "dfa"])
def test_wide_integers_do_the_same(rule, dropout):
    graph, moved = wide_net(bool(dropout)), {"momentum": Momentum(2, fmt("s24f16"))}
    rates = {"lr_shift": (((0, 9),),) * len(graph.layers), "feedback_range": "kaiming"}
    numerics = numerics_of(Rounding.RND)
    chip = chip_of(graph, rule, 10, numerics, dropout=dropout, **moved, **rates)
    codes, labels = samples(graph.inputs, CLASSES, 40)
    state = deep_state(chip)
    engines = [DeepEngine(chip, state, codes, labels, datapath=name) for name in ("fast", "float")]
    for engine in engines:
        engine.begin_epoch(0, np.arange(40))
        engine.train(0, 40)
    assert not engines[0].tally().events[:, 4:].any()  # nothing was clamped
    outputs = engines[0].outputs(codes) * 2.0**-12, engines[1].outputs(codes)
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-2
    for k, layer in enumerate(graph.layers):
        before, after = (w[k] * 2.0**-layer.weight.frac for w in (state.weights, engines[0].state().weights))
        gap = np.abs(after - engines[1].matrices()[0][k]).max()
        assert gap < 2e-3, k
        assert np.abs(after - before).max() > 1e-2, k
        if layer.norm:
            after = engines[0].state().norm[k] * 2.0 ** -np.array([[12], [12], [6 + 12], [12 + 2 * 12]])
            norm = engines[1]._ops.norms[k]
            assert np.abs(after[:2] - norm.learned).max() < 2e-3
            assert np.abs(after[2:] - [norm._mean, norm._variance]).max() < 2e-3


@pytest.mark.parametrize("stride", [1, 2])
def test_pools_choose_what_the_integers_choose(stride):
    """Ties go to the first in reading order; overlapping windows add."""
    made = Builder((6, 5, 2), fmt("u8f8"))
    made.conv(2, 1, formats(), activation="relu")
    made.pool("max", 3, stride)
    chip = chip_of(output(made))
    state, random = deep_state(chip), np.random.default_rng(4)
    node, codes = chip.graph.nodes[2], random.integers(0, 4, (3, 6, 5, 2)).astype(np.int16)
    errors, to = random.integers(-9, 9, (3, *node.shape)).astype(np.int16), fmt("s8f7")
    fast, floating = IntegerOps(chip, state), FloatOps(chip, state)
    floating.learning = True
    pooled, choice = fast.pool(codes, node)
    found, chosen = floating.pool(codes.astype(float), node)
    assert (found.tolist(), chosen.tolist()) == (pooled.tolist(), choice.tolist())
    back = fast.pool_back(errors, choice, node, to, 0)
    assert floating.pool_back(errors.astype(float), chosen, node, to, 0).tolist() == back.tolist()


# --- precision and refusals -------------------------------------------------------------------------------


def test_32_bits_stay_32_bits():
    graph = residual()
    found = []
    for precision in (32, 64):
        chip = chip_of(graph, dropout=40, lr_shift=(((0, 8),),) * len(graph.layers), adam=Adam())
        codes, labels = samples(graph.inputs, CLASSES, 18)
        engine = DeepEngine(chip, deep_state(chip), codes, labels, datapath="float", precision=precision)
        engine.begin_epoch(0, np.arange(18))
        engine.train(0, 18)
        kinds = {w.dtype for w in engine._ops.weights} | {n.learned.dtype for n in engine._ops.norms.values()}
        kinds |= {engine._walk.infer(codes).outputs.dtype}
        assert kinds == {np.dtype(f"float{precision}")}
        found.append(engine.outputs(codes))
    assert 0 < np.abs(found[0] - found[1]).max() < 1e-3


def test_what_the_float_twin_refuses():
    chip = chip_of(stack())
    state, (codes, labels) = deep_state(chip), samples(30, CLASSES, 4)
    with pytest.raises(RunError, match="64 or 32 bits, not 16"):
        DeepEngine(chip, state, codes, labels, datapath="float", precision=16)
    graph = residual()
    with pytest.raises(RunError, match="an error gate leaves samples out"):
        FloatOps(chip_of(graph, error_gate=3), state)
