"""Small chips to diagnose, their samples, and angles by the textbook formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neuro_emu.config.experiment import load_text
from neuro_emu.machine.learning import Targets
from neuro_emu.numerics.formats import Format
from neuro_emu.training.loop import Split

CHIP = """
dataset: {{name: synthetic, train: 20, test: 10}}
network:
  layers:
    - dense: {{units: 11, activation: {activation}, weight: {weight}, output: s8f7{layer}}}
    - dense: {{units: 7, activation: {activation}, weight: {weight}, output: s8f7{layer}}}
    - dense: {{units: 7, activation: {activation}, weight: {weight}, output: s8f7{layer}}}
    - dense: {{units: 10, activation: sigmoid, weight: {weight}, output: u8f8}}
  initial_weights: random
  initial_layers: all
training: {{rule: {rule}, seed: 6, batch: {batch}, lr_shift: {{hidden: {shift}, output: 3}}, {training}}}
numerics: {{update_rounding: {rounding}, {numerics}}}
machine: {{lanes: 4}}
"""
RULES = ("bp", "fa", "dfa", "drtp", "kp", "dkp", "asap")


def chip_of(
    rule="dfa", *training, activation="tanh", weight="s16f12", rounding="STOCH", batch=1, shift=3, layer="", numerics=""
):
    filled = CHIP.format(
        rule=rule,
        activation=activation,
        weight=weight,
        layer=layer and f", {layer}",
        batch=batch,
        shift=shift,
        training=", ".join(training) or "epochs: 1",
        rounding=rounding,
        numerics=numerics or "overflow: SAT",
    )
    return load_text(filled).chip


def split_of(count, seed=4):
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, 256, (count, 64)) * (draw.random((count, 64)) < 0.2)
    return Split(codes.astype(np.uint8), draw.integers(0, 10, count).astype(np.uint8))


def regression_of(rule, count=8):
    """A chip with tanh outputs and squared error, and samples with targets."""
    chip, split = chip_of(rule, rounding="TRN"), split_of(count)
    *below, top = chip.network.layers
    top = replace(top, activation="tanh", output=Format.parse("s8f7"), delta=Format.parse("s9f7"))
    learning = replace(chip.learning, loss="mse", targets=Targets(hot=0))
    targets = np.random.default_rng(2).integers(-100, 101, (count, 10)).astype(np.int32)
    chip = replace(chip, network=replace(chip.network, layers=(*below, top)), learning=learning)
    return chip, Split(split.codes, np.zeros(count, dtype=np.uint8), targets)


def parts_of(training=24, test=10):
    return split_of(training), None, split_of(test, seed=9)


def degrees(a, b):
    """Equation 17, as it is written."""
    cosine = np.sum(a * b) / (np.sqrt(np.sum(a**2)) * np.sqrt(np.sum(b**2)))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def mean_degrees(a, b):
    found = [degrees(x, y) for x, y in zip(a, b, strict=True) if np.any(x) and np.any(y)]
    return float(np.mean(found)) if found else None


def near(found, expected, tolerance=2e-5):
    """Whether an angle is right; a difference below 1e-5 is what the arc cosine loses."""
    if expected is None or found is None:
        assert found is expected
    else:
        assert abs(found - expected) < tolerance, (found, expected)
