"""Chips with what lies around a rule: targets, losses, momentum, weight normalisation, dropout."""

from dataclasses import replace

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from strategies import CHAIN_NAMES, RTL_NAMES, Data, chips, data_for, exact_in_63_bits

from neuro_emu.machine.learning import Momentum, Targets, WeightNorm
from neuro_emu.network.layers import Network
from neuro_emu.numerics.activations import NAMES
from neuro_emu.numerics.formats import Format

ALL_NAMES = sorted({*CHAIN_NAMES, *RTL_NAMES})


def _fits_norms(chip, norm):
    """Whether every matrix that is normalised can have the norm, and none has a twin."""
    storages = [layer.weight for layer in chip.network.layers]
    storages += [
        layer.feedback
        for layer, use in zip(chip.network.hidden, chip.plan.feedback, strict=True)
        if norm.feedback and not use.learned
    ]
    sums = [m.rows * m.format.magnitude**2 * 2**16 for m in chip.matrices]
    alone = not any(use.twin for use in chip.plan.feedback)
    return alone and max(sums) < 2**62 and all(1 <= norm.code(s) < min(s.high, 2**20) for s in storages)


def _fits_velocities(chip):
    momentum, learning = chip.learning.momentum, chip.learning
    for matrix in filter(chip.has_velocity, chip.matrices):
        for epoch in range(3):
            inner, outer = chip.velocity_shifts(matrix, epoch)
            more = max(momentum.shift, inner)
            widest = (2 * momentum.velocity.magnitude + learning.batch * matrix.lane * matrix.code) * 2**31
            last = more + outer if momentum.nesterov else outer
            if not (0 <= inner <= 31 and outer >= 0 and last <= 31 and widest < 2**62):
                return False
    return True


@st.composite
def chips_around(draw, rules=None, wide=False, force=None):
    """A chip with some of the things around rules; *force*: a tuple of "momentum" and "norm"."""
    chip = draw(chips(wide=wide, rules=rules or ALL_NAMES))
    learning, layers = chip.learning, list(chip.network.layers)
    loss = draw(st.sampled_from(["bce", "mse"] if learning.rule.mirror else ["bce", "mse", "cce"]))
    local = dict(learning.options).get("local_classifier", False)
    if local:
        loss = "bce"
    hot, labels = 1, None
    by_label = learning.rule.name == "drtp"
    if loss != "cce" and not local:
        hot = draw(st.sampled_from([1, 1, 2, 3] + ([0] if loss == "mse" and not by_label else [])))
    if hot > 1:
        labels = draw(st.integers(1, 4))
        layers[-1] = replace(layers[-1], units=hot * labels + draw(st.integers(0, 2)))
    if loss != "bce":
        layers[-1] = replace(layers[-1], activation="softmax" if loss == "cce" else draw(st.sampled_from(NAMES)))
    if loss == "mse" and draw(st.booleans()):
        layers[-1] = replace(layers[-1], output=Format(True, 8, draw(st.integers(4, 7))))
    if draw(st.booleans()):  # real numbers
        layers[0] = replace(layers[0], input=Format(True, draw(st.sampled_from([2, 7, 8])), draw(st.integers(0, 8))))
    gate = learning.error_gate if hot == 1 else None
    learning = replace(
        learning,
        loss=loss,
        targets=Targets(hot, labels),
        dropout=draw(st.sampled_from([0, 1, 64, 128, 255])),
        error_gate=gate,
    )
    chip = replace(chip, network=Network(tuple(layers)), learning=learning)
    assume(exact_in_63_bits(chip))
    assume(all(0 <= chip.shift_of(matrix, epoch) <= 31 for matrix in chip.matrices for epoch in range(3)))
    assume(all(chip.format_of(s.sources[1]) == layers[s.layer].input for s in chip.plan.steps if s.op == "update"))
    for name in draw(st.sampled_from([force] if force else [(), ("momentum",), ("norm",), ("momentum", "norm")])):
        fitting = list(filter(_ALLOWED[name], (_with(chip, name, value) for value in _CHOICES[name])))
        assume(fitting)
        chip = draw(st.sampled_from(fitting))
    return chip


_CHOICES = {
    "momentum": [
        Momentum(shift, Format(True, bits, frac), ahead)
        for shift in (1, 3, 7)
        for bits in (6, 12, 20)
        for frac in range(0, 20, 3)
        for ahead in (False, True)
    ],
    "norm": [
        WeightNorm(gamma * 2.0**power, every, feedback)
        for gamma in (1.0, 1.7)
        for power in range(-6, 7)
        for every in (1, 2, 3)
        for feedback in (False, True)
    ],
}
_ALLOWED = {"momentum": _fits_velocities, "norm": lambda chip: _fits_norms(chip, chip.learning.weight_norm)}


def _with(chip, name, value):
    setting = {"momentum": "momentum", "norm": "weight_norm"}[name]
    return replace(chip, learning=replace(chip.learning, **{setting: value}))


@st.composite
def data_around(draw, chip, samples=(1, 6)):
    """Samples and, for regression, target codes of every size."""
    data = draw(data_for(chip, samples))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    output = chip.network.output
    labels = random.integers(0, chip.labels, len(data.labels), dtype=np.uint8)
    targets = None
    if chip.learning.targets.regression:
        shape = (len(labels), output.units)
        low, high = max(output.output.low, -(2**30)), min(output.output.high, 2**30)
        targets = random.integers(low, high + 1, shape).astype(np.int32)
    codes, storage = data.codes, chip.network.layers[0].input
    if storage.signed:
        codes = random.integers(storage.low, storage.high + 1, codes.shape).astype(np.int32)
        codes[random.random(codes.shape) < draw(st.sampled_from([0.0, 0.5]))] = 0
    return Data(codes, labels, targets)
