"""The same dense network on the per-sample datapath and on the one of graphs."""

from itertools import pairwise

import numpy as np

from neuro_emu.machine.chip import Chip, Numerics
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.initialise import initial_state as deep_state
from neuro_emu.machine.design import Design, ZeroInput
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Learning
from neuro_emu.network.deep.graph import Graph, Input, Weighted
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.numerics.words import sample_order
from neuro_emu.rules import RULES
from neuro_emu.training.deep_engine import DeepEngine
from neuro_emu.training.engines import FastEngine

DESIGN = Design(4, 100, 2, 1, ZeroInput.SKIP)


def fmt(text):
    return Format.parse(text)


def layers_of(
    sizes, *, hidden="hard_tanh", output="sigmoid", weight="s8f7", last="s12f9", delta="s8f7", code="s8f7", twins=False
):
    """Dense layers of a net of *sizes* with inputs u8f8; feedback has the fraction of the weights above for *twins*."""
    found = []
    for k, (inputs, units) in enumerate(pairwise(sizes)):
        is_last = k == len(sizes) - 2
        above = fmt(last if k == len(sizes) - 3 else weight)
        found.append(
            DenseLayer(
                k,
                inputs,
                units,
                output if is_last else hidden,
                4,
                fmt("u8f8" if k == 0 else code),
                fmt(last if is_last else weight),
                fmt("u8f8" if is_last else code),
                fmt("s9f8" if is_last else delta),
                fmt("s9f8" if is_last else delta),
                None if is_last else fmt(f"s10f{above.frac}" if twins else "s8f7"),
            )
        )
    return tuple(found)


def graph_of(layers):
    """The same layers as a graph."""
    nodes = [Input(0, (1, 1, layers[0].inputs), layers[0].input, layers[0].input, (), "dataset")]
    for la in layers:
        address = Format(True, 8, la.table_frac)
        shape, seen = (1, 1, la.units), (1, 1, la.inputs)
        base = (len(nodes), shape, la.output, la.projection, (len(nodes) - 1,), "", la.index, seen, la.input, None)
        rest = (la.activation, address, la.weight, la.delta, la.feedback)
        nodes.append(Weighted(*base, *rest, dropout=la is not layers[-1]))
    return Graph(tuple(nodes), tuple(nodes[1:]), tuple(range(len(layers))))


def learning_of(rule, layers, batch, **more):
    settings = {
        "error_gate": None,
        "sign_dead_zone": 0,
        "lr_shift": (((0, 7), (1, 8)),) * (layers - 1) + (((0, 6),),),
        "shuffled": True,
        "initial": "random",
        "initial_output": True,
        "feedback_source": "random",
        "feedback_range": "full",
    }
    return Learning(RULES[rule], 1, batch, **{**settings, **more})


def numerics_of(rounding=Rounding.STOCH, overflow=Overflow.SAT, bits=32, words=WordSource.ROW_WORD):
    return Numerics(rounding, overflow, bits, Overflow.WRAP, words, False)


def pair(layers, learning, numerics):
    """Both chips."""
    return (
        Chip(Network(layers), numerics, learning, DESIGN),
        DeepChip(graph_of(layers), numerics, learning, DESIGN),
    )


def samples(inputs, classes, count, seed=0):
    random = np.random.default_rng(seed)
    codes = random.integers(0, 256, (count, inputs)).astype(np.uint8)
    codes[random.random(codes.shape) < 0.4] = 0
    return codes, random.integers(0, classes, count).astype(np.uint8)


def run(engine, chip, labels, codes, epochs, block):
    """Predictions and outputs, after epochs presented in blocks of *block* samples."""
    found = []
    for epoch in range(epochs):
        order = sample_order(chip.learning.seed, epoch, len(labels))
        engine.begin_epoch(epoch, order)
        found += [engine.train(at, min(at + block, len(labels))).tolist() for at in range(0, len(labels), block)]
        engine.end_epoch()
    return found, engine.infer(codes).tolist(), engine.outputs(codes).tolist()


def assert_equal_bytes(layers, learning, numerics, *, count=150, epochs=2):
    """Train both chips and compare everything that outlives a batch, counters and predictions."""
    old, new = pair(layers, learning, numerics)
    codes, labels = samples(layers[0].inputs, layers[-1].units, count)
    fast = FastEngine(old, initial_state(old), codes, labels)
    deep = DeepEngine(new, deep_state(new), codes, labels)
    begun, found = fast.state(), deep.state()
    for name in ("weights", "feedback", "classifiers", "forward"):
        assert [w.tobytes() for w in getattr(begun, name)] == [w.tobytes() for w in getattr(found, name)], name
    whole = count if count % learning.batch else learning.batch
    expected = run(fast, old, labels, codes, epochs, whole)
    assert run(deep, new, labels, codes, epochs, whole) == expected
    begun, found = fast.state(), deep.state()
    for name in ("weights", "feedback", "velocities", "classifiers", "forward"):
        pairs = zip(getattr(begun, name), getattr(found, name), strict=True)
        assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in pairs), name
    for name in ("row_registers", "dropout_registers", "noise_registers"):
        assert getattr(begun, name).tolist() == getattr(found, name).tolist(), name
    counters = [(state.samples, state.updates, state.epoch, state.mirrored) for state in (begun, found)]
    assert counters[0] == counters[1]
    assert deep.tally().events.tolist() == fast.tally().events.tolist()
    return fast, deep
