"""The compiled loops of batch normalisation against the scalars, one value at a time, the rails included."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuro_emu.kernels.deep import norm as kernels
from neuro_emu.kernels.deep.norm import Narrow
from neuro_emu.numerics import batch_ops as ops
from neuro_emu.numerics.ops import mean, requantise

pytestmark = pytest.mark.integer

RAIL = 2**15
SEEDS = st.integers(0, 2**32 - 1)
ROWS, CHANNELS = st.integers(1, 9), st.sampled_from([1, 3, 7, 16, 37])
BITS = st.sampled_from([2, 8, 16])
RAILS = st.sampled_from([None, -1, 0, 1])


def numbers(random, shape, bits, rails=None):
    """Signed numbers of *bits* bits of all magnitudes; at the rails: -1 and 1 all at one, 0 at either."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if rails is not None:
        return np.where(random.random(shape) * 2 - 1 < rails, high, low)
    return random.integers(low, high + 1, shape) >> random.integers(0, bits, shape)


def limits(bits, shift=0):
    return Narrow(shift, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def narrow(value, to):
    """Requantised, and whether the clamp changed it."""
    code = requantise(value, *to)
    return code, code != requantise(value, to.shift, -(2**62), 2**62)


def each(shape, function):
    """The results of function(row, channel) as integer arrays, one for every part of its tuple."""
    table = [[function(i, c) for c in range(shape[1])] for i in range(shape[0])]
    return np.moveaxis(np.array(table, dtype=np.int64), 2, 0)


def by_scalars(statistic, state):
    """m, v, γ, β of every channel."""
    inverses = [ops.norm_inverse(int(variance)) for variance in statistic[1]]
    return np.array([statistic[0], inverses, state[0], state[1]], np.int32)


def channels_of(random, count):
    """Rows as :func:`prepare` writes them, extremes included."""
    m, v = numbers(random, count, 22), 2 ** random.integers(6, 29, count) - random.integers(0, 2, count)
    return np.array([m, np.maximum(v, 64), numbers(random, count, 16), numbers(random, count, 16)], np.int32)


def tally():
    return np.zeros(kernels.EVENTS, np.int64)


@given(SEEDS, ROWS, CHANNELS, st.integers(0, 5), st.integers(-3, 20), BITS, RAILS)
def test_statistics(seed, rows, channels, padding, shift, bits, rails):
    random = np.random.default_rng(seed)
    z = numbers(random, (rows, channels + padding), 32, rails).astype(np.int32)
    to, found, events = limits(bits, shift), np.empty((rows, channels), np.int16), tally()
    sums = np.full((2, channels), 5, np.int64)
    kernels.statistics(z, to, found, sums, events)
    codes, clamped = each(found.shape, lambda i, c: narrow(int(z[i, c]), to))
    assert np.array_equal(found, codes)
    assert np.array_equal(sums - 5, [codes.sum(0), (codes**2).sum(0)])
    assert events.tolist() == [clamped.sum(), 0, 0, 0, 0]


@given(SEEDS, CHANNELS, st.integers(1, ops.MOST_VALUES), st.sampled_from([1, 256]), st.integers(0, 9))
def test_channels(seed, channels, count, epsilon, shift):
    random = np.random.default_rng(seed)
    lows, spans = numbers(random, channels, 16), random.integers(0, 100, channels)
    totals = lows * count + spans
    sums = np.array([totals, lows * lows * count + 2 * lows * spans + spans * spans], np.int64)
    now = np.empty((2, channels), np.int64)
    kernels.measure(sums, count, epsilon, now)
    means = [ops.norm_mean(int(total), count) for total in totals]
    parts = zip(sums.T.tolist(), means, strict=True)
    assert now.tolist() == [means, [ops.norm_variance(*pair, m, count, epsilon) for pair, m in parts]]

    state = np.array([*numbers(random, (3, channels), 16), 2 ** random.integers(0, 42, channels)])
    moved = state.copy()
    kernels.move(now, shift, moved)
    running = [[ops.norm_running(int(old), int(new), shift) for old, new in zip(*pair, strict=True)]
               for pair in zip(state[2:], now, strict=True)]  # fmt: skip
    assert moved.tolist() == [*state[:2].tolist(), *running]

    given_to = np.empty((4, channels), np.int32)
    kernels.prepare(now, state, given_to)
    assert np.array_equal(given_to, by_scalars(now, state))

    folded = np.empty((2, channels), np.int64)
    kernels.fold_channels(state, 12, 11, folded)
    inverses = [ops.norm_inverse(int(variance)) for variance in state[3]]
    scales = [ops.fold_scale(int(gamma), v, 12) for gamma, v in zip(state[0], inverses, strict=True)]
    assert folded[0].tolist() == scales
    triples = zip(state[1], state[2], scales, strict=True)
    assert folded[1].tolist() == [ops.fold_offset(int(beta), 11, int(m), scale) for beta, m, scale in triples]


@given(SEEDS, ROWS, CHANNELS, st.integers(0, 12), st.integers(-2, 24), BITS, RAILS)
def test_normalise(seed, rows, channels, offset_shift, shift, bits, rails):
    random = np.random.default_rng(seed)
    a, given_to = numbers(random, (rows, channels), 16, rails).astype(np.int16), channels_of(random, channels)
    to, events = limits(bits, shift), tally()
    m, v, gamma, beta = given_to.tolist()

    def scalars(i, c):
        value = ops.norm_value(int(a[i, c]), m[c], v[c])
        x = ops.value_code(value)
        return x, x != value, *narrow(ops.norm_affine(x, gamma[c], beta[c], offset_shift), to)

    x, beyond, codes, clamped = each(a.shape, scalars)
    alone, alone_events = a.copy(), tally()
    q = np.empty(a.shape, np.int8 if bits == 8 else np.int16)
    kernels.normalise(a, given_to, offset_shift, to, q, events)
    assert np.array_equal(a, x)
    assert np.array_equal(q, codes)
    assert events.tolist() == [0, beyond.sum(), clamped.sum(), 0, 0]
    kernels.values(alone, given_to, alone_events)
    assert np.array_equal(alone, x)
    assert alone_events.tolist() == [0, beyond.sum(), 0, 0, 0]


@given(SEEDS, ROWS, CHANNELS, st.integers(0, 5), st.integers(0, 24), BITS, RAILS)
def test_fold(seed, rows, channels, padding, shift, bits, rails):
    random = np.random.default_rng(seed)
    z = numbers(random, (rows, channels + padding), 32, rails).astype(np.int32)
    folded = numbers(random, (2, channels), 40)
    by, to, events = limits(16, 9), limits(bits, shift), tally()

    def scalars(i, c):
        a, beyond = narrow(int(z[i, c]), by)
        return a, beyond, *narrow(ops.fold_value(a, int(folded[0, c]), int(folded[1, c])), to)

    a, beyond, codes, clamped = each((rows, channels), scalars)
    q = np.empty((rows, channels), np.int16)
    kernels.fold(z, by, folded, to, q, events)
    assert np.array_equal(q, codes)
    assert events.tolist() == [beyond.sum(), 0, clamped.sum(), 0, 0]
    kernels.fold(np.ascontiguousarray(a, np.int16), limits(16), folded, to, q, events)  # codes instead of sums
    assert np.array_equal(q, codes)


@given(SEEDS, ROWS, CHANNELS, st.integers(0, 30), st.integers(-6, 20), BITS, st.booleans(), RAILS)
@example(1, 9, 37, 20, 4, 16, False, 1)
@example(1, 9, 37, 20, 4, 16, False, -1)
def test_back(seed, rows, channels, shift, factor_shift, bits, frozen, rails):
    random = np.random.default_rng(seed)
    d, x = (numbers(random, (rows, channels), 16, rails).astype(np.int16) for _ in range(2))
    given_to, to, events = channels_of(random, channels), limits(bits, shift), tally()
    sums = np.zeros((2, channels), np.int64)
    kernels.back_sums(d, x, sums)
    wide = d.astype(np.int64)
    assert np.array_equal(sums, [(wide * x).sum(0), wide.sum(0)])

    factors = [ops.norm_factor_back(int(gamma), int(v), factor_shift) for _, v, gamma, _ in given_to.T]
    m1, m2 = ([0] * channels,) * 2
    if not frozen:
        m1, m2 = [ops.norm_mean(total, rows) for total in sums[1].tolist()], [mean(s, rows) for s in sums[0].tolist()]
    back_channels = np.empty((3, channels), np.int32)
    kernels.prepare_back(sums, rows, frozen, given_to, factor_shift, back_channels, events)
    k = [ops.factor_code(factor) for factor in factors]
    assert back_channels.tolist() == [m1, m2, k]

    def scalars(i, c):
        return narrow(ops.norm_error(int(d[i, c]), m1[c], int(x[i, c]), m2[c]) * k[c], to)

    codes, clamped = each(d.shape, scalars)
    found = np.empty(d.shape, np.int16)
    kernels.back(d, x, back_channels, to, found, events)
    assert np.array_equal(found, codes)
    beyond = sum(before != after for before, after in zip(factors, k, strict=True))
    assert events.tolist() == [0, 0, 0, beyond, clamped.sum()]


def test_the_most_values_of_a_batch_at_the_rails():
    z = np.full((ops.MOST_VALUES // 256, 256), -(2**31), np.int32)
    a, sums, now = np.empty(z.shape, np.int16), np.zeros((2, 256), np.int64), np.empty((2, 1), np.int64)
    kernels.statistics(z, limits(16), a, sums, tally())
    total = sums.sum(axis=1, keepdims=True)
    assert total.tolist() == [[-RAIL * z.size], [RAIL * RAIL * z.size]]
    kernels.measure(total, z.size, 1, now)
    assert now.tolist() == [[-64 * RAIL], [1]]
