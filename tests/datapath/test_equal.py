"""Fast, traced and naive give the same integers, and fast and traced the same counts, on any chip."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from machines import Fast, assert_all_equal, assert_same, integers_of, order_of
from strategies import Data, chips, data_for

from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.kernels import fabric as fb
from neuro_emu.machine.chip import Chip, Numerics
from neuro_emu.machine.design import Design, ZeroInput
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Learning
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.rules import RULES

pytestmark = pytest.mark.integer


def note_what(fast):
    table = fast.path._fabric.layers
    for kind in table[:, fb.FORWARD_KIND].tolist():
        event(f"forward kernel {kind}")
    for kind in table[:, fb.UPDATE_KIND].tolist():
        event(f"update kernel {kind}")
    for column, any_event in enumerate(fast.path.activity.events.any(axis=0)):
        event(f"tally {column}: {bool(any_event)}")


@given(st.data())
def test_small_chips_agree_on_every_integer(data):
    chip = data.draw(chips(wide=False))
    note_what(assert_all_equal(chip, data.draw(data_for(chip)), epochs=2))


@given(st.data())
def test_wide_chips_agree_on_every_integer(data):
    chip = data.draw(chips(wide=True))
    note_what(assert_all_equal(chip, data.draw(data_for(chip, (1, 4))), epochs=2))


@given(st.data())
def test_schedules_and_short_batches_agree_over_epochs(data):
    chip = data.draw(chips(epochs=4, wide=False))
    chip = replace(chip, learning=replace(chip.learning, batch=data.draw(st.sampled_from([1, 2, 3, 4]))))
    assert_all_equal(chip, data.draw(data_for(chip, (1, 5))), epochs=4)


@given(st.data())
def test_a_block_in_pieces_trains_as_one(data):
    chip = data.draw(chips())
    given_data = data.draw(data_for(chip, (2, 9)))
    count = len(given_data.labels)
    whole = Fast(chip)
    whole.train_epoch(given_data, 0)
    cuts = [0, *sorted(data.draw(st.sets(st.integers(0, count), max_size=3))), count]
    path, predictions = FastDatapath(chip, initial_state(chip)), []
    path.begin_epoch(0)
    order = order_of(chip, 0, count)
    for start, stop in pairwise(cuts):
        flush = stop == count and start < stop
        samples = path.samples(given_data.codes, given_data.labels, order, learn=True, flush=flush)
        path.train(samples, start, stop)
        predictions += samples.predictions[start:stop].tolist()
    if cuts[-2] != count:  # else the last piece was empty and nothing was flushed after it
        pieces = integers_of(chip, path.state(), path.activity.events, predictions)
        assert_same(whole.result(), pieces, "whole and pieces")
        assert not path.counts(path.activity, learning=True).differences(whole.counts())


@given(st.data())
def test_a_saved_state_resumes_to_the_same_integers(data):
    chip = data.draw(chips())
    given_data = data.draw(data_for(chip, (2, 6)))
    count = len(given_data.labels)
    half, order = count // 2, order_of(chip, 1, count)
    straight = FastDatapath(chip, initial_state(chip))
    straight.begin_epoch(1)
    samples = straight.samples(given_data.codes, given_data.labels, order, learn=True, flush=False)
    straight.train(samples, 0, half)
    saved = straight.state()
    straight.train(samples, half, count)
    resumed = FastDatapath(chip, saved)
    again = resumed.samples(given_data.codes, given_data.labels, order, learn=True, flush=False)
    resumed.train(again, half, count)
    none = np.zeros(0)
    one, two = (integers_of(chip, path.state(), none, []) for path in (straight, resumed))
    assert_same(one, two, "straight and resumed")
    assert resumed.state().epoch == 1
    assert samples.predictions[half:].tolist() == again.predictions[half:].tolist()


def chip_with_outputs(storage, activation):
    """6 - 8 - 3 with the hidden outputs in a given format, and update shifts of 20."""
    base = Format.parse
    hidden = DenseLayer(
        0,
        6,
        8,
        activation,
        5,
        base("u8f8"),
        base("s8f8"),
        base(storage),
        base("s8f7"),
        base("s8f7"),
        base("s8f7"),
    )
    output = DenseLayer(
        1, 8, 3, "sigmoid", 4, base(storage), base("s12f9"), base("u8f8"), base("s9f8"), base("s9f8"), None
    )
    numerics = Numerics(Rounding.STOCH, Overflow.SAT, 63, Overflow.SAT, WordSource.ROW_WORD, False)
    rates = tuple(((0, 20 - layer.update_shift(0)),) for layer in (hidden, output))
    learning = Learning(RULES["drtp"], 1, 1, None, 0, rates, True, "random", False, "random", "full")
    return Chip(Network((hidden, output)), numerics, learning, Design(4, 100.0, 2, 1, ZeroInput.SKIP))


@pytest.mark.parametrize(
    ("storage", "activation"),
    [
        ("u32f31", "sigmoid"),  # the bias code is 2^31
        ("u32f31", "relu"),
        ("u32f30", "relu"),
        ("u32f30", "sigmoid"),
        ("u32f0", "relu"),
        ("s32f31", "relu"),
        ("u31f31", "sigmoid"),
    ],
)
def test_outputs_of_full_width_agree(storage, activation):
    codes = np.random.default_rng(0).integers(0, 256, (3, 6), dtype=np.uint8)
    assert_all_equal(chip_with_outputs(storage, activation), Data(codes, np.arange(3, dtype=np.uint8)), epochs=1)
