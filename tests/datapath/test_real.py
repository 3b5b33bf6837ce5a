"""Fast and traced agree on real images, at the sizes of the papers."""

import numpy as np
import pytest
from machines import Fast, Traced, assert_same
from strategies import Data

from neuro_emu import datasets
from neuro_emu.machine.chip import Chip, Numerics
from neuro_emu.machine.design import Design, ZeroInput
from neuro_emu.machine.learning import Learning
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.rules import RULES

F = Format.parse


@pytest.fixture(scope="module")
def mnist():
    return datasets.load("mnist")  # downloaded if need be; that it cannot be had is a failure, not a skip


def chip_of(rule, units=100, lanes=16, batch=1, gate=None, words=WordSource.ROW_WORD):
    layers = (
        DenseLayer(0, 784, units, "hard_tanh", 5, F("u8f8"), F("s8f8"), F("s8f7"), F("s8f7"), F("s8f7"), F("s8f7")),
        DenseLayer(1, units, 10, "sigmoid", 4, F("s8f7"), F("s12f9"), F("u8f8"), F("s9f8"), F("s9f8"), None),
    )
    numerics = Numerics(Rounding.STOCH, Overflow.SAT, 32, Overflow.SAT, words, False)
    rates = (((0, 10),), ((0, 6),))
    learning = Learning(RULES[rule], 1, batch, gate, 0, rates, True, "random", False, "random", "full")
    return Chip(Network(layers), numerics, learning, Design(lanes, 100.0, 2, 1, ZeroInput.SKIP))


CHIPS = {
    "drtp": chip_of("drtp"),
    "drtp, one lane a neuron": chip_of("drtp", lanes=100),
    "drtp, lane words": chip_of("drtp", words=WordSource.LANE_LFSR),
    "dfa": chip_of("dfa"),
    "sdfa, gated": chip_of("sdfa", gate=100),
    "shallow": chip_of("shallow"),
    "dfa, batches": chip_of("dfa", batch=4),
}


def compare(chip, mnist, count):
    data = Data(mnist.train_images[:count], mnist.train_labels[:count])
    fast, traced = Fast(chip), Traced(chip)
    for machine in (fast, traced):
        machine.train_epoch(data, 0)
    assert_same(fast.result(), traced.result(), "fast and traced")
    assert not fast.counts().differences(traced.counts())
    assert np.count_nonzero(fast.path.state().weights[1])
    assert fast.infer(data) == traced.infer(data)
    assert not fast.counts(learning=False).differences(traced.counts(learning=False))


@pytest.mark.parametrize("name", CHIPS)
def test_real_images_give_the_same_integers_and_counts(mnist, name):
    compare(CHIPS[name], mnist, 6)


def test_a_wide_layer_on_a_real_image(mnist):
    compare(chip_of("drtp", units=500), mnist, 1)
