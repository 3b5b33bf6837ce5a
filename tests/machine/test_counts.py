"""What the machine options change, and what they must not: results never depend on costs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import Fast, assert_same
from strategies import Data, chips, data_for
from test_schedule import CODES, shallow_chip

from neuro_emu.machine.counts import Component, Phase
from neuro_emu.machine.design import ZeroInput
from neuro_emu.numerics.modes import Rounding, WordSource

pytestmark = pytest.mark.integer


def trained(chip, data, **design):
    machine = Fast(replace(chip, design=replace(chip.design, **design)))
    machine.train_epoch(data, 0)
    return machine


@given(st.data())
def test_zero_skipping_changes_costs_and_no_integer(data):
    chip = data.draw(chips(epochs=1))
    samples = data.draw(data_for(chip))
    skip, gate, none = (trained(chip, samples, zero_input=mode) for mode in reversed(ZeroInput))
    assert_same(skip.result(), gate.result(), "skip and gate")
    assert_same(skip.result(), none.result(), "skip and none")
    fewest, fewer, most = (machine.counts() for machine in (skip, gate, none))
    assert np.array_equal(fewest.banked, fewer.banked)  # gating saves the accesses, skipping also their cycles
    assert (fewer.banked <= most.banked).all()
    assert np.array_equal(fewer.events[Phase.FORWARD, :, Component.CYCLES], most.events[Phase.FORWARD, :, 0])
    for component in (Component.MAC, Component.UPDATE):
        assert (fewest.events[:, :, component] == fewer.events[:, :, component]).all()
        assert (fewer.events[:, :, component] <= most.events[:, :, component]).all()
    for component in (Component.INPUT_READ, Component.OUTPUT_READ):
        assert (fewest.events[:, :, component] <= fewer.events[:, :, component]).all()
        assert (fewer.events[:, :, component] == most.events[:, :, component]).all()
    assert (fewest.events[Phase.FORWARD] <= fewer.events[Phase.FORWARD]).all()
    for untouched in (Phase.LOAD, Phase.ERROR):
        assert np.array_equal(fewest.events[untouched], most.events[untouched])
    words = [machine.events[:, :, Component.RANDOM_WORD].tolist() for machine in (fewest, fewer, most)]
    assert words[0] == words[1] == words[2]  # a zero row draws nothing, accessed or not


@given(st.data(), st.integers(1, 20), st.sampled_from([1, 2, 4, 8]), st.integers(1, 4))
def test_lanes_and_banks_change_no_integer_with_row_words(data, lanes, banks, activation_units):
    chip = data.draw(chips(epochs=1).filter(lambda chip: not chip.numerics.word_source.per_lane))
    samples = data.draw(data_for(chip))
    one = trained(chip, samples).result()
    other = trained(chip, samples, lanes=lanes, weight_banks=banks, activation_units=activation_units).result()
    one["lane registers"] = other["lane registers"]  # as many as there are lanes, and never advanced
    assert_same(one, other, "two design points")


@given(st.data(), st.sampled_from([1, 2, 4, 8]), st.integers(1, 4))
def test_banks_change_no_integer_with_lane_words(data, banks, activation_units):
    chip = data.draw(chips(epochs=1))
    numerics = replace(chip.numerics, update_rounding=Rounding.STOCH, word_source=WordSource.LANE_XORSHIFT)
    chip = replace(chip, numerics=numerics)
    samples = data.draw(data_for(chip))
    other = trained(chip, samples, weight_banks=banks, activation_units=activation_units)
    assert_same(trained(chip, samples).result(), other.result(), "two design points")


@pytest.mark.parametrize("source", list(WordSource), ids=lambda s: s.value)
def test_lanes_change_weights_exactly_with_lane_words(source):
    chip = shallow_chip()
    chip = replace(chip, numerics=replace(chip.numerics, word_source=source))
    samples = Data(np.array([CODES] * 4, dtype=np.uint8), np.arange(4, dtype=np.uint8) % 3)
    weights = [trained(chip, samples, lanes=lanes).result()["weights"] for lanes in (1, 2, 3)]
    assert (weights[0] == weights[1] == weights[2]) == (not source.per_lane)
    assert (weights[0] != weights[1]) == source.per_lane
