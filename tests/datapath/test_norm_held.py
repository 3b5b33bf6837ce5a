"""Weight normalisation: the norm after a pass lies within one code of Γ, whatever was drawn; biases learn on."""

from math import isqrt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neuro_emu.config.experiment import load_text
from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.datasets import load
from neuro_emu.kernels.plain import norm_factors, normalise_row
from neuro_emu.machine.initialise import initial_state
from neuro_emu.numerics.modes import Rounding

pytestmark = pytest.mark.integer

HIGH = (1 << 23) - 1


def squares_of(codes):
    return sum(int(c) ** 2 for c in codes)


def within_one(codes, gamma):
    """Whether |‖W‖ − Γ| ≤ 1, in integers."""
    return max(gamma - 1, 0) ** 2 <= squares_of(codes) <= (gamma + 1) ** 2


def scaled(columns, gamma, rounding, words):
    """One pass over columns of equal length, as the datapaths do it."""
    codes = np.array(columns, dtype=np.int32).T.copy()
    rows, lanes = codes.shape
    factors, short = np.zeros((2, lanes), dtype=np.int64)
    norm_factors(np.array([squares_of(column) for column in columns], dtype=np.int64), gamma, factors)
    settings = np.array([gamma, rounding.code, -HIGH - 1, HIGH])
    for i in range(rows):
        normalise_row(codes[i], factors, short, words[i], settings)
    return codes.T


def column_of(random, rows, shape, norm):
    """Codes of about a given norm: a cloud, few that are not 0, one that outweighs the others, or all alike."""
    values = {
        "cloud": random.normal(size=rows),
        "sparse": random.normal(size=rows) * (random.random(rows) < 0.1),
        "one": np.where(np.arange(rows) == random.integers(rows), 1.0, random.normal(size=rows) / (20 * rows)),
        "alike": random.choice([-1.0, 1.0], rows),
    }[shape]
    return np.rint(values * norm / max(np.linalg.norm(values), 1e-9)).astype(np.int64).tolist()


SHAPES = st.sampled_from(["cloud", "sparse", "one", "alike"])


@st.composite
def passes(draw):
    """Columns whose norms lie between Γ/16 and 2^15, Γ, a rounding mode and random words."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gamma = draw(st.one_of(st.integers(1, 40), st.integers(1, 1 << 12), st.integers(1, 1 << 18)))
    rows, lanes = draw(st.one_of(st.integers(1, 6), st.integers(1, 300))), draw(st.integers(1, 3))
    columns = []
    for _ in range(lanes):
        exponent = draw(st.floats(np.log2(max(gamma / 15, 1)), 14.99))
        columns.append(column_of(random, rows, draw(SHAPES), 2.0**exponent))
    for column in columns:
        squares = squares_of(column)
        assume(0 < squares < 1 << 30)
        assume(256 * squares >= gamma**2)
    words = random.integers(0, 1 << 32, (rows, lanes), dtype=np.int64)
    if draw(st.booleans()):
        words[:] = draw(st.sampled_from([0, (1 << 32) - 1, 1 << 31]))
    return columns, gamma, draw(st.sampled_from(list(Rounding))), words


@given(passes())
def test_the_norm_is_held(case):
    columns, gamma, rounding, words = case
    found = scaled(columns, gamma, rounding, words)
    for before, after in zip(columns, found, strict=True):
        assert within_one(after, gamma), (squares_of(after) ** 0.5, gamma)
        root = isqrt(squares_of(before) << 16)
        factor = ((gamma << 24) + root // 2) // root
        for old, new in zip(before, after.tolist(), strict=True):
            exact = old * factor  # a neighbour of the exact product, and the product itself where that is a code
            assert new in {exact >> 16, -(-exact >> 16)}
        assert all(abs(new) <= gamma + 1 for new in after)


@given(passes())
def test_neurons_without_weights_stay(case):
    columns, gamma, rounding, words = case
    columns[0] = [0] * len(columns[0])
    assert scaled(columns, gamma, rounding, words)[0].tolist() == columns[0]


@pytest.mark.parametrize("rounding", list(Rounding))
def test_rounding_alone_would_stray(rounding):
    """Many weights just below half a code: every mode but STOCH would round them all one way."""
    columns, words = [[100] * 256], np.full((256, 1), 0x7FFFFFFF, dtype=np.int64)
    found = scaled(columns, 23, rounding, words)[0]  # 23 / 16 = 1.44 codes each
    assert within_one(found, 23)
    assert set(found.tolist()) == {1, 2}


TEXT = """
dataset: {{name: synthetic, train: 24, test: 10}}
network:
  layers:
    - dense: {{units: 9, activation: tanh, weight: s16f12, output: s8f7, delta: s12f10}}
    - dense: {{units: 7, activation: hard_tanh, weight: s16f12, output: s8f7, delta: s12f10}}
    - dense: {{units: 10, activation: sigmoid, weight: s16f12, output: u8f8, delta: s12f10}}
  initial_weights: random
  initial_layers: all
training:
  rule: {rule}
  seed: {seed}
  epochs: 1
  lr_shift: {{hidden: 5, output: 5}}
  weight_norm: {{gamma: {gamma}, feedback: false}}
numerics: {{update_rounding: {rounding}}}
"""


@pytest.mark.parametrize("rule", ["bp", "fa", "drtp"])
@pytest.mark.parametrize(("gamma", "rounding", "seed"), [(1.0, "STOCH", 1), (2.5, "RND", 2), (0.7, "TRN", 3)])
def test_a_chip_holds_the_norm_after_every_sample(rule, gamma, rounding, seed):
    chip = load_text(TEXT.format(rule=rule, gamma=gamma, rounding=rounding, seed=seed)).chip
    data, code = load("synthetic", train=24, test=10), round(gamma * 4096)
    start = initial_state(chip)
    path = FastDatapath(chip, start)
    before = start.weights
    for codes in before:
        assert all(within_one(column, code) for column in codes[:-1].T)
    moved = set()
    for n in range(24):
        samples = path.samples(data.train_images, data.train_labels, np.array([n]), learn=True)
        assert path.train(samples, 0, 1) == 1
        after = path.state().weights
        for k, codes in enumerate(after):
            assert all(within_one(column, code) for column in codes[:-1].T), (n, k)
            moved |= {k} if (codes[:-1] != before[k][:-1]).any() else set()
        before = after
    assert moved == {0, 1, 2}
    for first, last in zip(start.weights, before, strict=True):
        assert (first[-1] != last[-1]).any()
        assert np.abs(last[-1]).max() > 1
