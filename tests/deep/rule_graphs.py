"""Small graphs for the rules, and what trains a chip beside its naive reference."""

from dataclasses import replace

import numpy as np
from dense_pair import DESIGN, fmt, learning_of, numerics_of, samples
from environment import WITHOUT_JIT
from graphs import formats, output_formats
from naive_rules import NaiveRules

from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.initialise import initial_state
from neuro_emu.machine.learning import Mirror
from neuro_emu.network.deep.builder import Builder
from neuro_emu.network.deep.graph import Norm
from neuro_emu.training.deep_engine import DeepEngine

COUNT, CLASSES = 9, 4
CHAINS = ("bp", "fa", "sign_symmetry", "kp", "weight_mirror", "asap", "activation_sharing", "asfp")
ALL = (*CHAINS, "drtp", "dfa", "sdfa", "dkp", "shallow")
OWN = formats("s8f7", "s8f6", "s8f7", "s9f7")


def plain():
    """Maps of many shapes: shared activations are larger, smaller, flat, and have more and fewer channels."""
    made = Builder((6, 5, 2), fmt("s8f6"))
    made.conv(3, 3, OWN, padding=1, activation="relu")
    made.conv(5, 2, OWN, activation="hard_tanh")
    made.pool("max", 2, 1)
    made.conv(4, 3, OWN, stride=2, padding=1, activation="relu")
    made.conv(4, 1, OWN, activation="hard_tanh")
    made.dense(7, OWN, activation="relu")
    made.dense(9, OWN, activation="hard_tanh")
    made.dense(CLASSES, output_formats("s12f7"), activation="sigmoid")
    return made.graph()


def residual():
    """A stem, a residual with a conv on its shortcut, one without, a global mean."""
    made = Builder((5, 6, 2), fmt("s8f6"))
    stem = made.conv(3, 3, OWN, padding=1, activation="relu")
    made.conv(4, 3, OWN, stride=2, padding=1, activation="relu")
    branch = made.conv(4, 3, OWN, padding=1, activation="identity")
    side = made.conv(4, 1, OWN, stride=2, source=stem, activation="identity")
    made.sides.append(made.nodes[side].layer)
    first = made.add(branch, side, OWN, activation="relu")
    made.conv(4, 3, OWN, padding=1, activation="hard_tanh", source=first)
    branch = made.conv(4, 1, OWN, activation="identity")
    made.add(branch, first, OWN, activation="relu")
    made.pool("average", None)
    made.dense(CLASSES, output_formats("s12f7"), activation="sigmoid")
    return made.graph()


def normed():
    """The same kinds of layers with batch normalisation, and errors of more bits."""
    own = formats("s16f12", "s8f6", "s16f12", "s16f12", preactivation="s16f8")
    norm = Norm(fmt("s16f8"), fmt("s16f12"), fmt("s16f12"), fmt("s16f12"))
    made = Builder((6, 6, 2), fmt("s8f6"))
    stem = made.conv(3, 3, own, padding=1, activation="relu", norm=norm)
    made.conv(4, 3, own, stride=2, padding=1, activation="relu", norm=norm)
    branch = made.conv(4, 3, own, padding=1, activation="identity", norm=norm)
    side = made.conv(4, 1, own, stride=2, source=stem, activation="identity", norm=norm)
    made.sides.append(made.nodes[side].layer)
    made.add(branch, side, own, activation="relu")
    made.conv(4, 3, own, padding=1, activation="relu", norm=norm)
    made.pool("average", None)
    made.dense(CLASSES, output_formats("s16f12"), activation="sigmoid")
    return made.graph()


def chip_of(rule, graph, **settings):
    rates = (((0, 7),),) * (len(graph.layers) - 1) + (((0, 6),),)
    usual = {
        "batch": 4,
        "lr_shift": rates,
        "feedback_lr_shift": ((0, 8),),
        "learned_range": "full",
        "mirror": Mirror(3, 2, 1),
    }
    learning = learning_of(rule, len(graph.layers), **{**usual, **settings})
    return DeepChip(graph, numerics_of(), learning, DESIGN)


def compare(chip, epochs=1):
    codes, labels = samples(chip.graph.inputs, CLASSES, COUNT)
    codes = codes.astype(np.int16) // 2
    state = initial_state(chip)
    engine, slow = DeepEngine(chip, state, codes, labels), NaiveRules(chip, state)
    for epoch in range(epochs):
        engine.begin_epoch(epoch, np.arange(COUNT))
        predictions = engine.train(0, COUNT).tolist()
        for first in range(0, COUNT, chip.learning.batch):
            chosen = slice(first, min(first + chip.learning.batch, COUNT))
            assert slow.learn(codes[chosen], labels[chosen]) == predictions[chosen]
    after = engine.state()
    assert after.row_registers.tolist() == slow.registers
    assert after.noise_registers.tolist() == slow.noise
    for name, expected in (("weights", slow.weights), ("feedback", slow.feedback), ("classifiers", slow.local)):
        for k, (found, wanted) in enumerate(zip(getattr(after, name), expected, strict=True)):
            assert found.tolist() == wanted.tolist(), (name, k)
    return engine, state, after


def changed(state, after, name):
    return [(a != b).any() for a, b in zip(getattr(state, name), getattr(after, name), strict=True)]


def trained(chip, state=None):
    codes, labels = samples(chip.graph.inputs, CLASSES, COUNT)
    engine = DeepEngine(chip, state or initial_state(chip), codes.astype(np.int16) // 2, labels)
    for epoch in range(1 if WITHOUT_JIT else 3):
        engine.begin_epoch(epoch, np.arange(COUNT))
        engine.train(0, COUNT)
    return engine.state()


def own_formats(graph):
    """The same graph with feedback in the formats of the weights that it stands for."""
    chip = chip_of("kp", graph)
    of = {k: chip.crossed(k).weight for k in range(len(graph.layers) - 1)}
    nodes = [replace(n, feedback=of[n.layer]) if getattr(n, "layer", None) in of else n for n in graph.nodes]
    layers = tuple(nodes[layer.index] for layer in graph.layers)
    return replace(graph, nodes=tuple(nodes), layers=layers)


def copied(chip):
    """Its first state, with the weights copied into the feedback that errors cross them with."""
    state = initial_state(chip)
    for k in range(len(chip.graph.layers) - 1):
        crossed = chip.crossed(k)
        w = state.weights[crossed.layer][: crossed.depth]
        state.feedback[k] = np.ascontiguousarray(w if crossed.window else w.T)
    return state
