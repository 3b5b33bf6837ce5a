"""Small random chips with graphs, and random designs for them."""

from dataclasses import replace

import numpy as np
from dense_pair import DESIGN, fmt, learning_of, numerics_of
from graphs import formats, output_formats

from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.design import Design, ZeroInput
from neuro_emu.machine.learning import Decay, Momentum
from neuro_emu.network.deep.builder import Builder

CLASSES = 3
RULES = ("drtp", "dfa", "sdfa", "bp", "shallow")


def design_of(random):
    """Lanes, banks, activation units, positions and zero mode at random."""
    lanes, units, positions = (int(random.integers(1, most + 1)) for most in (5, 3, 7))
    return Design(lanes, 100, 2 ** int(random.integers(0, 4)), units, random.choice(list(ZeroInput)), positions)


def conv_of(random, made, **fields):
    """Add a convolution that has a place on the last map."""
    height, width, _ = made.nodes[-1].shape
    kernel = int(random.integers(1, min(3, height, width) + 1))
    stride, padding = int(random.integers(1, 3)), int(random.integers(0, kernel))
    activation = str(random.choice(["hard_tanh", "relu", "tanh"]))
    given = {"activation": activation, "learns": bool(random.random() < 0.8)} | fields
    made.conv(int(random.integers(1, 6)), kernel, formats(), stride=stride, padding=padding, **given)


def chain(random):
    """A chain of convolutions, max pools and dense layers."""
    shape = tuple(int(random.integers(3, 7)) for _ in range(2))
    made = Builder((*shape, int(random.integers(1, 4))), fmt("u8f8"))
    for _ in range(int(random.integers(1, 3))):
        conv_of(random, made)
        if min(made.nodes[-1].shape[:2]) > 1 and random.random() < 0.6:
            made.pool("max", 2, int(random.integers(1, 3)))
    if random.random() < 0.7:
        made.dense(int(random.integers(1, 8)), formats(), activation="hard_tanh")
    made.dense(CLASSES, output_formats(), activation=str(random.choice(["sigmoid", "softmax"])))
    return made.graph()


def settings_of(random):
    """Settings of learning, each now and then."""
    found = {}
    if random.random() < 0.3:
        found["error_gate"] = int(random.integers(60, 250))
    if random.random() < 0.3:
        found["dropout"] = 70
    if random.random() < 0.3:
        found["momentum"] = Momentum(3, fmt("s24f14"), nesterov=bool(random.random() < 0.5))
    if random.random() < 0.3:
        found["weight_decay"] = Decay(((0, 6),), int(random.integers(1, 3)), first_layer=bool(random.random() < 0.5))
    return found


def chip_of(graph, rule, random, batch=3, design=DESIGN, **settings):
    """A chip that learns a graph by a rule."""
    loss = "cce" if graph.output.activation == "softmax" else str(random.choice(["bce", "mse"]))
    learning = learning_of(rule, len(graph.layers), batch, loss=loss, **settings)
    return DeepChip(graph, numerics_of(), replace(learning, seed=int(random.integers(1, 99))), design)


def samples_of(chip, random, count):
    """Samples with as many zeros as others, and labels."""
    codes = random.integers(0, 256, (count, chip.graph.inputs)).astype(np.uint8)
    codes[random.random(codes.shape) < 0.5] = 0
    return codes, random.integers(0, CLASSES, count).astype(np.uint8)
