"""Small chips for tests of the float twin, and what a step of the twin is without its optimiser."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neuro_emu.config.experiment import load_text
from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.machine.initialise import initial_state

CHIP = """
dataset: {{name: synthetic, train: 20, test: 10}}
network:
  layers:
{layers}
  initial_weights: random
  initial_layers: all
training: {{rule: {rule}, seed: 3, lr_shift: {{hidden: 4, output: 3}}, feedback_lr_shift: 5, options: {{{options}}}}}
numerics: {{feedback: {{format: s8f6, range: kaiming}}}}
"""
LAYER = "    - dense: {{units: {units}, activation: {activation}, weight: s16f12, output: {output}}}"
HIDDEN_RATE, OUTPUT_RATE, FEEDBACK_RATE = 2.0**-4, 2.0**-3, 2.0**-5


def chip_of(rule, hidden=(7, 6), activation="tanh", output="sigmoid", options="", **learning):
    """A chip with 64 inputs and 10 outputs of any activation; keywords replace fields of its Learning."""
    layers = [LAYER.format(units=n, activation=activation, output="s16f12") for n in hidden]
    layers.append(LAYER.format(units=10, activation="sigmoid", output="u8f8"))
    chip = load_text(CHIP.format(layers="\n".join(layers), rule=rule, options=options)).chip
    *below, top = chip.network.layers
    network = replace(chip.network, layers=(*below, replace(top, activation=output)))
    return replace(chip, network=network, learning=replace(chip.learning, **learning))


def twin_of(chip):
    return FloatDatapath(chip, initial_state(chip))


def samples(count, seed=5):
    """Sparse codes (count, 64) and labels (count,)."""
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, 256, (count, 64)) * (draw.random((count, 64)) < 0.3)
    return codes.astype(np.uint8), draw.integers(0, 10, count).astype(np.uint8)


def live(twin):
    """The matrices themselves, by name."""
    parts = {"W": twin.weights, "B": twin.feedback, "L": twin.classifiers}
    return {f"{name}{k}": matrix for name, part in parts.items() for k, matrix in enumerate(part)}


def matrices(twin):
    """Copies of them."""
    return {name: matrix.copy() for name, matrix in live(twin).items()}


def rate_of(chip, name):
    last = len(chip.network.layers) - 1
    kind, k = name[0], int(name[1:])
    if kind == "B" and not chip.plan.feedback[k].twin:
        return FEEDBACK_RATE
    if kind == "B":
        return OUTPUT_RATE if k + 1 == last else HIDDEN_RATE
    return OUTPUT_RATE if kind == "L" or k == last else HIDDEN_RATE


def same(one, other, what=""):
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12, err_msg=what)


def same_matrices(one, other):
    assert one.keys() == other.keys()
    for name, matrix in one.items():
        same(matrix, other[name], name)
