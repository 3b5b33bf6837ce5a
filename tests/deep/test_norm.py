"""A layer's batch normalisation: against the contract in Python integers, and against the gradient of real numbers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from naive_norm import Naive

from neuro_emu.datapath.deep import norm
from neuro_emu.datapath.deep.norm import BatchNorm, first_state
from neuro_emu.kernels.deep import norm as kernels
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.norm_formats import NormFormats

pytestmark = pytest.mark.integer

SUM_FRAC = 18


def formats_of(epsilon=256, shift=3, **changed):
    texts = {
        "input": "s16f8",
        "scale": "s16f12",
        "offset": "s16f12",
        "output": "s16f10",
        "delta": "s16f15",
        "error": "s16f15",
    } | changed
    formats = {name: Format.parse(text) for name, text in texts.items()}
    return NormFormats(SUM_FRAC, **formats, epsilon=epsilon, shift=shift)


class Threads:
    """Three uneven parts at once, the first of them perhaps empty."""

    parts = 3

    def __call__(self, rows, work):
        cuts = [0, rows // 5, rows // 2, rows]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(3), cuts, cuts[1:]))


def naive_of(layer):
    pairs = {}
    for name in ("input", "scale", "offset", "output", "delta", "error"):
        given_format = getattr(layer.formats, name)
        pairs[name] = (given_format.bits, given_format.frac)
    formats = layer.formats
    return Naive(formats.sum_frac, *pairs.values(), formats.epsilon, formats.shift, layer.state.tolist(), layer.frozen)


# --- the contract ----------------------------------------------------------------------------------------

FRACS = st.tuples(*[st.integers(*pair) for pair in ((4, 12), (8, 14), (4, 14), (0, 12), (4, 16), (6, 20))])
SHAPES = st.sampled_from([(1,), (2, 1, 1), (3, 2, 2), (5, 3, 1), (12,), (40,)])


def sums_of(random, shape, channels, spread):
    """Sums with means of their own in every channel, padded columns behind them that mean nothing."""
    centre = random.integers(-(2**22), 2**22, channels)
    z = random.normal(0, 1, (*shape, channels)) * 2.0 ** (spread - 4 * random.integers(0, 3, channels)) + centre
    return np.clip(z, -(2**31), 2**31 - 1).astype(np.int32)


@given(
    st.integers(0, 2**32 - 1),
    SHAPES,
    st.sampled_from([1, 3, 16]),
    FRACS,
    st.tuples(*[st.sampled_from([8, 16])] * 6),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 256]),
)
@example(1, (12,), 3, (8, 12, 12, 4, 15, 15), (16,) * 6, False, False, 256)
def test_passes_are_those_of_the_contract(seed, shape, channels, fracs, bits, frozen, threads, epsilon):
    random = np.random.default_rng(seed)
    named = zip(("input", "scale", "offset", "output", "delta", "error"), bits, fracs, strict=True)
    formats = formats_of(epsilon, int(random.integers(0, 5)), **{name: f"s{b}f{f}" for name, b, f in named})
    state = first_state(formats, channels)
    for row, to in ((0, formats.scale), (1, formats.offset)):
        state[row] = random.integers(to.low, to.high + 1, channels)
    layer = BatchNorm(formats, state, frozen=frozen, spread=Threads() if threads else None)
    naive = naive_of(layer)
    for _ in range(3):
        z, padding = sums_of(random, shape, channels, random.integers(8, 28)), int(random.integers(0, 3))
        padded = np.concatenate([z, random.integers(0, 99, (*shape, padding), np.int32)], axis=-1)
        d = random.integers(formats.delta.low, formats.delta.high + 1, z.shape).astype(np.int16)
        d >>= int(random.integers(0, 9))
        gammas = state[0].tolist()
        q, x = layer.train(padded)
        errors = layer.back(d, x)
        assert q.shape == x.shape == errors.shape == z.shape
        for c in range(channels):
            columns = [array[..., c].reshape(-1).tolist() for array in (z, d, q, x, errors)]
            wanted_q, wanted_x, v = naive.channel(c, columns[0])
            assert columns[2:4] == [wanted_q, wanted_x]
            wanted_errors, gradients = naive.back(gammas[c], columns[1], wanted_x, v)
            assert columns[4] == wanted_errors
            assert layer.gradients[:, c].tolist() == list(gradients)
        assert state.tolist() == naive.state
        tested = layer.infer(padded)
        for c in range(channels):
            assert tested[..., c].reshape(-1).tolist() == naive.folded(c, z[..., c].reshape(-1).tolist())
        state[:2] += 1 - state[:2] % 3  # γ and β learn
        state[:2] = np.clip(state[:2], -128, 127)
        naive.state = state.tolist()


@pytest.mark.parametrize("frozen", [False, True])
def test_threads_and_columns_change_nothing(frozen):
    """Many shapes of the same values: rows side by side or not, in one part or in three."""
    random = np.random.default_rng(3)
    z = sums_of(random, (60, 2, 2), 10, 20)
    d = random.integers(-999, 999, z.shape).astype(np.int16)
    seen = []
    for spread, padding in ((None, 0), (Threads(), 0), (None, 6), (Threads(), 6)):
        layer = BatchNorm(formats_of(), first_state(formats_of(), 10), frozen=frozen, spread=spread)
        padded = np.concatenate([z, np.zeros((*z.shape[:-1], padding), np.int32)], axis=-1)
        q, x = layer.train(padded)
        arrays = (q, x, layer.back(d, x), layer.infer(padded), layer.gradients, layer.state, layer.tally)
        seen.append([array.tolist() for array in arrays])
    assert all(other == seen[0] for other in seen[1:])


def test_events_of_training_and_inference_are_counted_apart():
    formats = formats_of(output="s8f7", error="s8f7")
    state = first_state(formats, 2)
    state[0] = 2**14
    layer = BatchNorm(formats, state)
    z = np.zeros((200, 2), np.int32)
    z[0] = 2**31 - 1, -(2**31)
    z[1:, 0] = np.arange(199) - 99
    layer.train(z)
    training = layer.tally[norm.TRAINING]
    assert training[kernels.INPUT_EVENTS] == 2
    assert training[kernels.VALUE_EVENTS] == 2  # 14 standard deviations away
    assert training[kernels.OUTPUT_EVENTS] >= 2
    _, x = layer.train(z[1:])
    layer.back(np.where(np.arange(398).reshape(-1, 2) % 3, 2**14, -(2**14)).astype(np.int16), x)
    assert training[kernels.FACTOR_EVENTS] == 2  # both channels all but constant: γ/std is beyond 512
    assert training[kernels.ERROR_EVENTS] > 0
    assert not layer.tally[norm.INFERENCE].any()
    before = training.copy()
    layer.infer(z)
    assert np.array_equal(layer.tally[norm.TRAINING], before)
    assert layer.tally[norm.INFERENCE, [kernels.INPUT_EVENTS, kernels.VALUE_EVENTS]].tolist() == [2, 0]


def test_a_batch_of_one_value_gives_beta_and_no_error():
    layer = BatchNorm(formats_of(), first_state(formats_of(), 3))
    layer.state[1] = 4096, -4096, 1
    q, x = layer.train(np.array([[5, -(2**31), 1 << 20]], np.int32))
    assert q.tolist() == [[1024, -1024, 0]]
    assert not x.any()
    assert layer.back(np.array([[9, -9, 5]], np.int16), x).tolist() == [[0, 0, 0]]


def test_arrays_that_would_be_copied_are_refused():
    layer = BatchNorm(formats_of(), first_state(formats_of(), 4))
    z = np.zeros((8, 4), np.int32)
    with pytest.raises(ValueError, match="contiguous"):
        layer.train(z, np.zeros((8, 5), np.int16)[:, :4])
    with pytest.raises(ValueError, match="shape"):
        layer.train(z, np.zeros((4, 8), np.int16))
    given_place = np.zeros((8, 4), np.int8)
    assert np.shares_memory(layer.train(z, given_place)[0], given_place)
    with pytest.raises(ValueError, match="at most 262144"):
        layer.train(np.zeros((2**18 + 1, 4), np.int32))
    with pytest.raises(ValueError, match="scale"):
        BatchNorm(formats_of(scale="s8f2"), layer.state)


# --- real numbers ----------------------------------------------------------------------------------------


def real(z, gamma, beta, epsilon):
    """Batch normalisation in double precision, over the first axis."""
    x = (z - z.mean(0)) / np.sqrt(z.var(0) + epsilon)
    return gamma * x + beta, x


def real_back(d, z, gamma, epsilon):
    """Gradient of Σ d · y in z, through the statistics; in γ and β."""
    _, x = real(z, gamma, 0, epsilon)
    products = (d * x).mean(0)
    return gamma / np.sqrt(z.var(0) + epsilon) * (d - d.mean(0) - x * products), (d * x).sum(0), d.sum(0)


def test_the_real_gradient_is_that_of_differences():
    random = np.random.default_rng(7)
    z, d, gamma, beta = random.normal(3, 2, (9, 4)), random.normal(size=(9, 4)), random.normal(size=4), np.ones(4)
    found, in_gamma, in_beta = real_back(d, z, gamma, 0.01)
    step = 1e-6
    for i, c in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[i, c] += step
        down[i, c] -= step
        difference = (d * (real(up, gamma, beta, 0.01)[0] - real(down, gamma, beta, 0.01)[0])).sum() / (2 * step)
        assert found[i, c] == pytest.approx(difference, abs=1e-7)
    for gradient, more in ((in_gamma, (step, 0)), (in_beta, (0, step))):
        difference = real(z, gamma + more[0], beta + more[1], 0.01)[0] - real(z, gamma, beta, 0.01)[0]
        assert np.allclose(gradient, (d * difference).sum(0) / step, atol=1e-5)


@pytest.mark.parametrize("std", [0.05, 0.5, 4.0])
@pytest.mark.parametrize("mean", [0.0, 3.0, -20.0])
@pytest.mark.parametrize("values", [2, 33, 400])
def test_integers_are_real_numbers_rounded(std, mean, values):
    """Forward, backward and folded inference to a few units of the last places."""
    random, channels = np.random.default_rng(values), 6
    formats = formats_of(offset="s16f10", output="s16f9")
    state = first_state(formats, channels)
    state[0] = random.integers(-8192, 8192, channels)
    state[1] = random.integers(-2048, 2048, channels)
    gamma, beta = state[0] / 2**12, state[1] / 2**10
    layer = BatchNorm(formats, state)
    z = np.rint(random.normal(mean, std, (values, channels)) * 2**SUM_FRAC).astype(np.int32)
    a = np.floor(z / 2**10 + 0.5) / 2**8  # what is normalised is the code
    d = random.integers(-(2**12), 2**12, z.shape).astype(np.int16)
    epsilon = 256 / 2**12 / 2**16
    y, x = real(a, gamma, beta, epsilon)
    found_q, found_x = layer.train(z)
    tiny = 2**-12 + np.abs(x) * 2**-11  # one place of x̂, and of 1/std: v has some ten bits or more
    assert (np.abs(found_x / 2**12 - x) <= 8 * tiny).all()
    assert (np.abs(found_q / 2**9 - y) <= 2**-10 + 2 * 8 * tiny).all()

    errors, in_gamma, in_beta = real_back(d / 2**15, a, gamma, epsilon)
    found = layer.back(d, found_x) / 2**15
    scale = np.abs(gamma) / np.sqrt(a.var(0) + epsilon)
    assert (np.abs(found - np.clip(errors, -1, 1 - 2**-15)) <= 2**-15 + scale * 2**-13 + np.abs(errors) / 1024).all()
    assert np.allclose(layer.gradients[0] / 2**27, in_gamma, atol=values * 2**-12)
    assert np.allclose(layer.gradients[1] / 2**15, in_beta, atol=1e-12)


@pytest.mark.parametrize("frozen", [False, True])
def test_inference_uses_the_running_statistics(frozen):
    random, channels = np.random.default_rng(5), 4
    formats = formats_of()
    layer = BatchNorm(formats, first_state(formats, channels))
    centres, spreads = np.array([0, 3, -5, 8]), np.array([1, 0.25, 4, 2])

    def batch():
        return np.rint(random.normal(centres, spreads, (256, channels)) * 2**SUM_FRAC).astype(np.int32)

    for _ in range(60):
        layer.train(batch())
    running, variance = layer.state[2] / 2**14, layer.state[3] / 2**28
    assert np.allclose(running, centres, atol=0.3 * spreads)
    assert np.allclose(np.sqrt(variance), spreads, rtol=0.15)
    layer.frozen = frozen
    z = batch()
    exact = (z / 2**SUM_FRAC - running) / np.sqrt(variance)
    tested, before = layer.infer(z), layer.state.copy()
    assert np.abs(tested / 2**10 - exact).max() < 0.02
    q, x = layer.train(z)
    assert np.array_equal(q, tested) == frozen
    assert np.array_equal(layer.state, before) == frozen
    if frozen:
        d = random.integers(-(2**12), 2**12, z.shape).astype(np.int16)
        assert np.abs(x / 2**12 - exact).max() < 0.02
        back = np.clip(d / np.sqrt(variance), -(2**15), 2**15 - 1)
        assert np.abs(layer.back(d, x) - back).max() <= 1 + 2**15 / 2**10
