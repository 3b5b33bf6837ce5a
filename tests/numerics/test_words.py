"""Counter-based words and everything made from them before the first sample, against the naive reference."""

import naive
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import small_chip

from neuro_emu.machine.initialise import initial_state
from neuro_emu.numerics import words
from neuro_emu.numerics.formats import Format

pytestmark = pytest.mark.integer

SEEDS = st.one_of(st.integers(0, 10), st.integers(0, 2**64 - 1))
INDEX = st.integers(0, 2**32 - 1)
FORMATS = ["s8f7", "s1f0", "s4f2", "s16f12", "s32f20", "s8f31", "s2f0"]


@given(SEEDS, st.integers(1, 5), st.integers(0, 100), INDEX, INDEX)
@example(2**64 - 1, 1, 0, 2**32 - 1, 2**32 - 1)
def test_u_equals_the_definition(seed, tag, k, i, j):
    assert words.word(seed, tag, k, i, j) == naive.u(seed, tag, k, i, j)


def test_mix_gives_the_known_values_of_splitmix64():
    states = [words.mix(np.array([state], dtype=np.uint64)) for state in (0, 0x9E3779B97F4A7C15)]
    assert [int(s[0]) for s in states] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_words_of_an_array_are_the_words_of_its_elements():
    i, j = np.ogrid[:5, :7]
    expected = [[naive.u(9, 2, 3, a, b) for b in range(7)] for a in range(5)]
    assert words.uniform_words(9, 2, 3, i, j).tolist() == expected


@given(st.lists(INDEX, min_size=1, max_size=5), st.sampled_from([0, 1, 5, 127, 2**15, 2**31 - 1]))
@example([0, 2**31 - 1, 2**31, 2**32 - 1], 127)
@example([0, 2**32 - 1], 2**31 - 1)
def test_uniform_codes_equal_the_definition_and_keep_their_range(drawn, amplitude):
    codes = words.uniform_codes(np.array(drawn, dtype=np.uint64), amplitude).tolist()
    assert codes == [word * (2 * amplitude + 1) // 2**32 - amplitude for word in drawn]
    assert all(-amplitude <= code <= amplitude for code in codes)


@pytest.mark.parametrize("text", FORMATS)
def test_kaiming_amplitude_equals_the_definition(text):
    for n in (1, 2, 3, 6, 24, 100, 784, 100_000):
        assert words.kaiming_amplitude(Format.parse(text), n) == naive.code_range("kaiming", text, n)


@given(SEEDS, st.integers(0, 50), st.integers(1, 60))
def test_sample_order_is_the_defined_permutation(seed, epoch, samples):
    order = words.sample_order(seed, epoch, samples).tolist()
    assert sorted(order) == list(range(samples))
    assert order == naive.sample_order(seed, epoch, samples)


def test_epochs_have_their_own_orders():
    orders = {tuple(words.sample_order(1, epoch, 50).tolist()) for epoch in range(10)}
    assert len(orders) == 10


@given(SEEDS, st.integers(0, 5), st.integers(0, 12), st.integers(1, 20), st.integers(1, 32))
def test_lfsr_feedback_equals_the_definition(seed, layer, label, count, bits):
    expected = naive.feedback_row(seed, layer, label, count, f"s{bits}f0", "lfsr", "full")
    assert words.feedback_lfsr_codes(seed, layer, label, count, bits) == expected


@given(SEEDS, st.integers(0, 9))
def test_row_registers_start_at_their_word(seed, layer):
    assert words.row_register_seed(seed, layer) == (naive.u(seed, 4, layer, 0, 0) or 1)


@given(SEEDS, st.integers(1, 40))
@example(0x9E3779B9, 3)  # lane 0 would start at 0
def test_lane_registers_start_at_multiples_of_the_golden_ratio(seed, lanes):
    expected = [((lane + 1) * 0x9E3779B9 % 2**32 ^ seed % 2**32) or 1 for lane in range(lanes)]
    assert words.lane_register_seeds(seed, lanes).tolist() == expected
    assert all(expected)


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("source", ["random", "sign", "lfsr"])
@pytest.mark.parametrize("range_", ["full", "kaiming"])
def test_feedback_matrices_equal_the_definition(text, source, range_):
    state = initial_state(small_chip(source, range_, "zero", False, Format.parse(text)))
    assert [b.tolist() for b in state.feedback] == [naive.feedback_matrix(11, 0, 3, 6, text, source, range_)]
    assert not any(w.any() for w in state.weights)


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("initial_output", [True, False])
def test_initial_weights_equal_the_definition(text, initial_output):
    state = initial_state(small_chip("random", "full", "random", initial_output, Format.parse(text)))
    output = "random" if initial_output else "zero"
    assert state.weights[0].tolist() == naive.initial_weights(11, 0, 5, 6, text)
    assert state.weights[1].tolist() == naive.initial_weights(11, 1, 6, 3, text, output)
    assert not state.weights[0][-1].any()
