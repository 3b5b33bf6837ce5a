"""Codes of many samples at once against the traced datapath, sample by sample."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from diagnosed import RULES, chip_of, regression_of, split_of

from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.diagnostics.codes import CodeSignals, elementwise, product
from neuro_emu.diagnostics.reference import Probe
from neuro_emu.machine.initialise import initial_state
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow

COUNT = 5
OTHERS = ("sdfa", "shallow", "sign_symmetry", "weight_mirror", "forward_alignment", "activation_sharing", "asfp")


def traced(chip, state, code, label, target=None):
    """q and δ (the lanes that W is written with) of every layer, and the weights after one sample."""
    units = [la.units for la in chip.network.layers]
    found = {"q": [np.zeros(n, int) for n in units], "lanes": [np.zeros(n, int) for n in units]}
    written = set()

    def record(what, layer, group, codes):
        is_of_layer = what in found and 4 * group < units[layer]  # L may have more groups than W
        if is_of_layer and (what, layer, group) not in written:
            written.add((what, layer, group))  # W comes first; what follows is L or B
            found[what][layer][4 * group : 4 * group + len(codes)] = codes

    path = TracedDatapath(chip, state, record)
    path.train(code.astype(np.int64), int(label), target)
    return found, path.state.weights


def check(chip, split, state=None, *, steps=True):
    state = state or initial_state(chip)
    signals = CodeSignals(chip, state, Probe.of(chip, split, COUNT))
    for n in range(COUNT):
        aim = None if split.targets is None else split.targets[n].astype(np.int64)
        found, weights = traced(chip, state, split.codes[n], split.labels[n], aim)
        for layer in chip.network.layers:
            k = layer.index
            assert np.array_equal(signals.addresses[k][n], found["q"][k]), (n, k)
            if not chip.plan.learns[k]:
                assert signals.deltas[k] is None
                continue
            assert np.array_equal(signals.deltas[k][n], found["lanes"][k]), (n, k)
            x = np.append(signals.activations[k][n], layer.bias_code)
            # truncated: floor of the product at the shift; a sample whose gate is closed writes zeros
            shift = chip.update_shift(layer, 0)
            step = np.floor_divide(np.outer(x, signals.deltas[k][n]), 2**shift)
            expected = np.clip(state.weights[k] + step, layer.weight.low, layer.weight.high)
            assert not steps or np.array_equal(weights[k], expected), (n, k)


@pytest.mark.parametrize("rule", [*RULES, *OTHERS])
@pytest.mark.parametrize("activation", ["tanh", "hard_tanh"])
def test_rules(rule, activation):
    check(chip_of(rule, activation=activation, rounding="TRN"), split_of(COUNT))


@pytest.mark.parametrize("matching", ["max_pool", "average_pool", "random"])
@pytest.mark.parametrize("rule", ["asap", "activation_sharing"])
def test_matching(rule, matching):
    check(chip_of(rule, f"options: {{matching: {matching}}}", rounding="TRN"), split_of(COUNT))


def test_local_classifiers():
    chip, draw = chip_of("asfp", "options: {local_classifier: true}", rounding="TRN"), np.random.default_rng(1)
    state = initial_state(chip)
    state.classifiers[2] = draw.integers(-4000, 4000, state.classifiers[2].shape).astype(np.int32)
    check(chip, split_of(COUNT), state)


@pytest.mark.parametrize("rule", ["dfa", "fa", "drtp"])
def test_the_error_gate(rule):
    check(chip_of(rule, "error_gate: 140", rounding="TRN"), split_of(COUNT))


@pytest.mark.parametrize("mode", [Overflow.SAT, Overflow.WRAP])
def test_accumulators_that_overflow(mode):
    """Narrower than what samples reach: clamped after every product in the order of the rows, or wrapped once."""
    chip = chip_of("fa", rounding="TRN")
    tight = replace(chip.numerics, accumulator_bits=19, accumulator_overflow=mode)
    chip = replace(chip, numerics=tight)
    state = initial_state(chip)
    probe = CodeSignals(chip, state, Probe.of(chip, split_of(COUNT), COUNT))
    wide = CodeSignals(chip_of("fa"), state, Probe.of(chip, split_of(COUNT), COUNT))
    assert not np.array_equal(probe.addresses[0], wide.addresses[0])
    check(chip, split_of(COUNT), state)


def test_a_sum_stays_at_the_lowest_code_of_its_accumulator():
    """4 bits, −8 … 7: −5 − 5 clamps to −8, and + 2 from there; wrapped, −10 + 2 is −8."""
    chip = chip_of("fa")
    for mode, expected in ((Overflow.SAT, [-6, -8]), (Overflow.WRAP, [-8, 6])):
        tight = replace(chip, numerics=replace(chip.numerics, accumulator_bits=4, accumulator_overflow=mode))
        signals = CodeSignals(tight, initial_state(tight), Probe.of(tight, split_of(1), 1))
        weights = np.array([[-5, -5], [-5, -3], [2, -2]])
        assert signals._sums(np.array([[1, 1, 1]]), weights, 0).tolist() == [expected]


def test_the_gate_opens_above_its_threshold():
    chip = chip_of("dfa", rounding="TRN")
    signals, split = CodeSignals(chip, initial_state(chip), Probe.of(chip, split_of(COUNT), COUNT)), split_of(COUNT)
    error = 255 - signals.outputs[-1][0][split.labels[0]]  # of the first sample
    for threshold in (int(error), int(error) - 1):
        gated = replace(chip, learning=replace(chip.learning, error_gate=threshold))
        found = CodeSignals(gated, initial_state(gated), Probe.of(gated, split, COUNT))
        assert found.deltas[0][0].any() == (threshold < error)
        check(gated, split)


@pytest.mark.parametrize("rule", ["bp", "sign_symmetry", "dfa", "fa", "asap", "asfp"])
def test_layers_of_different_formats(rule):
    options = ("options: {local_classifier: true}",) if rule == "asfp" else ()
    chip, parse = chip_of(rule, *options, rounding="TRN"), Format.parse
    below, low, high, top = chip.network.layers
    layers = (
        replace(below, weight=parse("s16f11"), delta=parse("s9f8"), projection=parse("s10f7")),
        replace(low, weight=parse("s14f10"), delta=parse("s8f6"), table_frac=5),
        replace(high, weight=parse("s15f13"), projection=parse("s9f6")),
        replace(top, weight=parse("s12f9")),
    )
    if rule == "asap":  # a twin has the fractional bits of the weights above
        twins = [replace(la, feedback=parse(f"s16f{up.weight.frac}")) for la, up in pairwise(layers)]
        layers = (*twins, layers[-1])
    chip = replace(chip, network=replace(chip.network, layers=layers))
    check(chip, split_of(COUNT))


@pytest.mark.parametrize("loss", ["mse", "cce"])
def test_losses(loss):
    chip = chip_of("fa", rounding="TRN")
    *below, top = chip.network.layers
    if loss == "cce":
        top = replace(top, activation="softmax")
    chip = replace(chip, network=replace(chip.network, layers=(*below, top)))
    check(replace(chip, learning=replace(chip.learning, loss=loss)), split_of(COUNT))


@pytest.mark.parametrize("rule", ["dfa", "bp"])
def test_regression(rule):
    chip, split = regression_of(rule)
    check(chip, split)


def test_narrow_formats_saturate():
    chip = chip_of("fa", rounding="TRN", layer="delta: s6f7, projection: s7f7", weight="s16f10")
    state = initial_state(chip)
    state.weights = [3 * weights for weights in state.weights]
    check(chip, split_of(COUNT), state)


def test_products_are_exact():
    draw = np.random.default_rng(2)
    for bound in (100, 2**31):
        left, right = draw.integers(-bound, bound, (3, 4)), draw.integers(-bound // 8, bound // 8, (4, 5))
        expected = [[sum(int(a) * int(b) for a, b in zip(row, col, strict=True)) for col in right.T] for row in left]
        assert product(left, right).tolist() == expected


def test_elementwise():
    codes = np.array([[3, -1], [3, 7]])
    asked = []
    assert elementwise(lambda c: asked.append(c) or 2 * c, codes).tolist() == [[6, -2], [6, 14]]
    assert sorted(asked) == [-1, 3, 7]
