"""The updates that take any words, rounding, overflow and width: whole rows in 32 bits against the definitions."""

import numpy as np
import pytest
from environment import WITHOUT_JIT
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_emu.kernels.update import add_apart, add_steps, fits32
from neuro_emu.kernels.walk import open_lanes
from neuro_emu.numerics.modes import RND, RND_CONV, SAT, STOCH, TRN, TRN_ZERO, WRAP
from neuro_emu.numerics.ops import lfsr, xorshift

pytestmark = pytest.mark.integer


@given(
    shift=st.integers(0, 31),
    rounding=st.sampled_from([TRN, TRN_ZERO, RND, RND_CONV, STOCH]),
    mode=st.sampled_from([SAT, WRAP]),
    bits=st.sampled_from([2, 8, 12, 16]),
    scale=st.integers(-255, 255),
    largest=st.sampled_from([1, 127, 32767, 1 << 22]),
    seed=st.integers(0, 1 << 32),
)
@settings(max_examples=30 if WITHOUT_JIT else 300, deadline=None)
def test_rows_of_steps_equal_the_plain_form(shift, rounding, mode, bits, scale, largest, seed):
    random = np.random.default_rng(seed)
    n = 96
    factors = random.integers(-largest, largest, n, endpoint=True)
    words = random.integers(-(1 << 31), 1 << 31, n).astype(np.int32)
    if rounding != STOCH:
        words[:] = -(1 << 31) if rounding == RND else 0
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    limits = np.array([low, high, shift, rounding, mode], dtype=np.int64)
    weights = random.integers(low, high, n, endpoint=True).astype(np.int16)
    fits = fits32(largest * abs(scale), limits)
    apart = np.zeros(3 * n, dtype=np.int16)
    apart[::3] = weights
    expected = add_apart(apart, 0, 3, factors, 1, scale, words, limits)
    assert add_steps(weights, factors, scale, words, limits, fits) == expected
    assert weights.tolist() == apart[::3].tolist()


@pytest.mark.parametrize("room", [4, 40], ids=["step by step", "jumping"])
@pytest.mark.parametrize("is_lfsr", [False, True], ids=["xorshift", "lfsr"])
@pytest.mark.parametrize(("units", "lanes"), [(10, 16), (50, 16), (48, 16), (70, 33)])
def test_lane_registers_start_where_the_groups_before_them_end(units, lanes, is_lfsr, room):
    step = lfsr if is_lfsr else xorshift
    count = 7
    registers = np.random.default_rng(units).integers(1, 1 << 32, lanes)
    position = np.random.default_rng(lanes).permutation(units).astype(np.int32)
    lane_words, expected = registers.tolist(), [0] * units
    for first in range(0, units, lanes):
        for lane in range(min(lanes, units - first)):
            expected[position[first + lane]] = lane_words[lane]
        for _ in range(count):
            lane_words = [step(word) for word in lane_words]
    words = np.zeros(units, dtype=np.int32)
    open_lanes(units, count, position, words, registers, np.zeros(room, dtype=np.int64), is_lfsr)
    assert (words.astype(np.int64) & 0xFFFFFFFF).tolist() == expected
    assert registers.tolist() == lane_words
