"""Graphs with norms, residuals, branches and pools against plain Python integers, batch by batch."""

from dataclasses import replace

import naive_deep
import naive_graph
import numpy as np
import pytest
from dense_pair import DESIGN, fmt, learning_of, numerics_of, samples
from environment import WITHOUT_JIT
from graphs import formats, output_formats
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import CLASSES, MOMENTUM, chips

from neuro_emu.datapath.deep.integer import IntegerOps
from neuro_emu.errors import RunError
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.initialise import initial_state
from neuro_emu.network.deep.builder import Builder
from neuro_emu.network.deep.graph import Add, Norm, Pool
from neuro_emu.network.deep.shapes import window_on
from neuro_emu.network.state import DELTA_OVF, PREACTIVATION_OVF, PROJECTION_OVF
from neuro_emu.numerics.words import word
from neuro_emu.training.deep_engine import DeepEngine

pytestmark = pytest.mark.integer

COUNT = 4
NORM = Norm(fmt("s16f8"), fmt("s16f12"), fmt("s16f12"), fmt("s8f7"))


def compare(chip, count=COUNT, epochs=1):
    """Train and test both ways; returns the engine and the reference."""
    codes, labels = samples(chip.graph.inputs, chip.graph.classes, count)
    state = initial_state(chip)
    engine, slow = DeepEngine(chip, state, codes, labels), naive_graph.NaiveGraph(chip, state)
    batch = chip.learning.batch
    for epoch in range(epochs):
        engine.begin_epoch(epoch, np.arange(count))
        found = engine.train(0, count).tolist()
        for first in range(0, count, batch):
            part = slice(first, first + batch)
            assert slow.learn(codes[part], labels[part], epoch) == found[part]
    after = engine.state()
    assert [w.tolist() for w in after.weights] == [w.tolist() for w in slow.weights]
    for layer in chip.graph.layers:
        found = after.norm[layer.layer].tolist()
        assert found == (slow.norms[layer.layer].state if layer.norm else [[]] * 4)
    assert after.row_registers.tolist() == slow.registers
    assert [v.tolist() for v in after.velocities] == [v.tolist() for v in slow.velocities]
    assert after.dropout_registers.tolist() == slow.drops
    if not slow.norms:
        clamps = [PREACTIVATION_OVF, DELTA_OVF, PROJECTION_OVF]
        assert engine.tally().events[:, clamps].tolist() == slow.events[:, clamps].tolist()
    assert engine.infer(codes).tolist() == slow.predict(codes)
    return engine, slow


@settings(max_examples=6 if WITHOUT_JIT else 25)
@given(chip=chips())
def test_random_graphs(chip):
    compare(chip)


def built(graph, rule="bp", batch=3, **more):
    return DeepChip(graph, numerics_of(), learning_of(rule, len(graph.layers), batch, **more), DESIGN)


def resnet(norm=NORM, **dropout):
    """A stem, an identity block, a block with stride and projection, a global average."""
    made, own = Builder((4, 4, 2), fmt("u8f8")), formats()
    stem = made.conv(3, 3, own, padding=1, activation="relu", norm=norm, **dropout)
    made.conv(3, 3, own, padding=1, activation="relu", norm=norm)
    body = made.conv(3, 3, own, padding=1, activation="identity", norm=norm)
    first = made.add(body, stem, own)
    made.conv(4, 3, own, padding=1, stride=2, activation="relu", norm=norm)
    body = made.conv(4, 3, own, padding=1, activation="identity", norm=norm)
    side = made.conv(4, 1, own, stride=2, source=first, activation="identity", norm=norm)
    made.add(body, side, own)
    made.pool("average", None)
    made.dense(CLASSES, output_formats(), activation="sigmoid")
    return made.graph()


@pytest.mark.parametrize("more", [{}, MOMENTUM], ids=["plain", "momentum"])
def test_a_residual_network(more):
    engine, slow = compare(built(resnet(), **more), 7, 2)
    for k, norm in slow.norms.items():
        begun = initial_state(engine._chip).norm[k]
        assert all((engine.state().norm[k][row] != begun[row]).any() for row in range(4)), k
        assert norm.state[3] != begun[3].tolist()


@pytest.mark.parametrize("theta", [0, 120])
def test_an_error_gate_without_norms(theta):
    """Residuals and average pools see the open samples alone."""
    graph = resnet(None)
    codes, labels = samples(graph.inputs, CLASSES, 6)
    gated = DeepEngine(chip := built(graph, batch=6, error_gate=theta), initial_state(chip), codes, labels)
    gated.begin_epoch(0, np.arange(6))
    gated.train(0, 6)
    y = gated._ops  # what was open is what a chip without a gate learns hidden layers from
    first = DeepEngine(chip, initial_state(chip), codes, labels)
    outputs = first.outputs(codes)
    kept = np.flatnonzero(255 - outputs[np.arange(6), labels] > theta)
    open_chip = built(graph, batch=len(kept))
    alone = DeepEngine(open_chip, initial_state(open_chip), codes[kept], labels[kept])
    alone.begin_epoch(0, np.arange(len(kept)))
    alone.train(0, len(kept))
    assert len(kept)
    assert y.learning
    pairs = zip(gated.state().weights[:-1], alone.state().weights[:-1], strict=True)
    assert all(a.tolist() == b.tolist() for a, b in pairs)


@pytest.mark.parametrize("rule", ["bp", "drtp"])
def test_convolutions_drop(rule):
    made = Builder((4, 3, 2), fmt("u8f8"))
    made.conv(3, 2, formats(), activation="relu", dropout=True)
    made.conv(2, 2, formats(), activation="hard_tanh", dropout=True, norm=NORM)
    made.dense(4, formats(), activation="relu", dropout=False)
    made.dense(CLASSES, output_formats(), activation="sigmoid")
    compare(built(made.graph(), rule, dropout=90), 7)


# --- fixed points ----------------------------------------------------------------------------------------


def test_a_body_of_zeros_passes_errors_unchanged():
    """What the stem below a residual whose body has no weights learns is what it learns without the residual."""
    wide = formats(delta="s12f9", projection="s12f9")

    def stem(residual):
        made = Builder((4, 4, 2), fmt("u8f8"))
        below = made.conv(3, 3, wide, padding=1, activation="relu", initial="random")
        if residual:
            zero = {"initial": "zero", "learns": False, "padding": 1}
            made.conv(3, 3, wide, activation="relu", **zero)
            body = made.conv(3, 3, wide, activation="identity", **zero)
            made.add(
                body, below, formats(delta="s12f9", projection="s12f9", preactivation="s12f7"), activation="identity"
            )
        made.dense(CLASSES, output_formats(), activation="sigmoid", initial="random")
        return built(made.graph())

    trained = []
    for residual in (True, False):
        chip = stem(residual)
        codes, labels = samples(chip.graph.inputs, CLASSES, 6)
        state = initial_state(chip)
        state.weights[-1][:] = np.arange(state.weights[-1].size).reshape(state.weights[-1].shape) % 301 - 150
        engine = DeepEngine(chip, state, codes, labels)
        engine.begin_epoch(0, np.arange(6))
        engine.train(0, 6)
        assert (engine.state().weights[0] != state.weights[0]).any()
        trained.append(engine.state().weights[0].tolist())
    assert trained[0] == trained[1]


def test_a_concat_of_one_branch_is_the_branch():
    trained = []
    for joined in (True, False):
        made = Builder((4, 3, 2), fmt("u8f8"))
        made.conv(3, 2, formats(), activation="relu")
        if joined:
            made.concat([len(made.nodes) - 1], formats())
        made.conv(2, 2, formats(), activation="relu")
        made.dense(CLASSES, output_formats(), activation="sigmoid")
        engine, _ = compare(built(made.graph()), 6, 2)
        trained.append([w.tolist() for w in engine.state().weights])
    assert trained[0] == trained[1]


# --- single operations at their rails --------------------------------------------------------------------


def ops_of():
    made = Builder((2, 2, 1), fmt("u8f8"))
    made.dense(2, output_formats(), activation="sigmoid")
    chip = built(made.graph())
    return IntegerOps(chip, initial_state(chip))


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3)),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    gained=st.integers(0, 4),
    span=st.sampled_from([3, 40, 32767]),
    seed=st.integers(0, 99),
)
def test_average_pools(shape, size, stride, gained, span, seed):
    size = min(size[0], shape[0]), min(size[1], shape[1])
    window, random = window_on(shape, size, stride), np.random.default_rng(seed)
    code, to = fmt("s16f7"), fmt(f"s12f{4 + gained}")
    node = Pool(
        1, (window.rows, window.columns, shape[2]), code, fmt("s16f4"), (0,), "", "average", shape, size, stride
    )
    x = random.integers(-span - 1, span + 1, (2, *shape)).astype(np.int16)
    ops = ops_of()
    pooled, choice = ops.pool(x, node)
    assert choice is None
    assert pooled.tolist() == naive_graph.average_pool(x, size, stride).tolist()
    errors = random.integers(-span - 1, span + 1, pooled.shape).astype(np.int16)
    exact = naive_graph.average_pool_back(errors, shape, size, stride, gained)
    assert ops.pool_back(errors, choice, node, to, 0).tolist() == np.clip(exact, to.low, to.high).tolist()
    assert ops.tested[0, PROJECTION_OVF] == np.count_nonzero(np.clip(exact, to.low, to.high) != exact)


@given(
    fracs=st.tuples(st.integers(3, 9), st.integers(3, 9), st.integers(0, 9)),
    bits=st.sampled_from([8, 12, 16]),
    seed=st.integers(0, 99),
)
def test_sums_of_residuals_at_the_rails(fracs, bits, seed):
    random, ops = np.random.default_rng(seed), ops_of()
    sources, to = [fmt(f"s16f{frac}") for frac in fracs[:2]], fmt(f"s{bits}f{fracs[2]}")
    a, b = (random.choice([-32768, -9, 0, 5, 40, 32767], (2, 3, 2, 2)).astype(np.int16) for _ in range(2))
    node = Add(2, (3, 2, 2), to, to, (0, 1), "", "identity", to, to)
    frac = max(fracs[:2])
    exact = a.astype(object) * 2 ** (frac - fracs[0]) + b.astype(object) * 2 ** (frac - fracs[1])
    q = ops.add(a, b, node, tuple(sources), 0)
    expected = naive_graph.values(lambda v: naive_deep.requantise(v, frac - to.frac, to.low, to.high), exact)
    assert q.tolist() == expected.tolist()
    wide = naive_graph.values(lambda v: naive_deep.requantise(v, frac - to.frac, -(2**40), 2**40), exact)
    assert ops.tested[0, PREACTIVATION_OVF] == np.count_nonzero(wide != expected)


def test_registers_of_norms_lie_behind_those_of_matrices():
    """Seeds u(12, k, 0, 0) of the layers that have a norm; first γ is 1, first variance one code."""
    made = Builder((4, 4, 2), fmt("u8f8"))
    made.conv(2, 3, formats(), activation="relu")
    made.conv(2, 1, formats(), activation="relu", norm=NORM)
    made.dense(3, formats(), activation="relu", norm=NORM)
    made.dense(CLASSES, output_formats(), activation="sigmoid")
    chip = built(made.graph(), **MOMENTUM)
    state = initial_state(chip)
    assert state.row_registers[len(chip.matrices) :].tolist() == [word(1, 12, k) for k in (1, 2)]
    assert [v.shape for v in state.velocities[len(chip.matrices) :]] == [(2, 2), (2, 3)]
    assert state.norm[1].tolist() == [[4096] * 2, [0] * 2, [0] * 2, [4096] * 2]


# --- what is refused -------------------------------------------------------------------------------------


def net(norm, activation="relu", **fields):
    made = Builder((4, 4, 2), fmt("u8f8"))
    made.conv(3, 3, formats(), activation=activation, norm=norm, **fields)
    made.dense(CLASSES, output_formats(), activation="sigmoid")
    return made.graph()


REFUSED = {
    "an error gate leaves samples out": (net(NORM), {"error_gate": 9}),
    "batches of at most 65536 samples": (net(NORM), {"batch": 70000}),
    "layer 0 .*the norm's input must be signed": (net(replace(NORM, input=fmt("u8f4"))), {}),
    "update shifts": (net(NORM), {"lr_shift": (((0, 40),), ((0, 6),))}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_norms_that_are_refused(message):
    graph, more = REFUSED[message]
    batch = more.pop("batch", 3)
    with pytest.raises(RunError, match=message):
        built(graph, "drtp", batch, **more).refuse_unheld()


def test_a_norm_of_the_output_layer_is_refused():
    made = Builder((4, 4, 2), fmt("u8f8"))
    made.dense(CLASSES, output_formats(), activation="sigmoid", norm=NORM)
    with pytest.raises(RunError, match=r"layer 0 .*the output layer has no norm"):
        built(made.graph()).refuse_unheld()


def test_an_average_that_loses_bits_is_refused():
    made = Builder((4, 4, 2), fmt("u8f8"))
    made.conv(3, 3, formats(), activation="relu")
    made.pool("average", 2)
    made.dense(CLASSES, output_formats(), activation="sigmoid")
    graph = made.graph()
    node = replace(graph.nodes[2], projection=fmt("s8f8"))
    graph = replace(graph, nodes=(*graph.nodes[:2], node, *graph.nodes[3:]))
    with pytest.raises(RunError, match=r"node 2 .*average pool"):
        built(graph).refuse_unheld()


def test_shapes_that_do_not_meet_are_refused():
    made = Builder((4, 4, 2), fmt("u8f8"))
    small = made.conv(2, 3, formats(), activation="relu")
    with pytest.raises(ValueError, match="different shapes"):
        made.add(small, 0, formats())
    for sources in ([small, 0], []):
        with pytest.raises(ValueError, match="different heights or widths"):
            made.concat(sources, formats())
