"""Vector operations that write weights: batches, decay, and steps in their wide and maskless forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vector_calls import assert_same, codes, compiled

from neuro_emu.kernels.vector import decay, steps, write

pytestmark = pytest.mark.integer

SEEDS = st.integers(0, 2**32 - 1)
STORED = pytest.mark.parametrize("stored", [np.int8, np.int16])
WRITE = (compiled(write.write_lanes), write._write)
DECAY = (compiled(decay.decay_lanes), decay._decay)
SAME = (compiled(steps.add_same_steps), steps._add_steps)


def words_of(random, count):
    """Random 32-bit words."""
    return random.integers(0, 2**32, count, dtype=np.uint64).astype(np.uint32)


def limits_of(random, stored):
    """Lowest and highest weight of a format that *stored* holds."""
    bits = int(random.integers(2, 8 * np.dtype(stored).itemsize + 1))
    return -(1 << bits - 1), (1 << bits - 1) - 1


@STORED
@given(SEEDS, st.integers(1, 30), st.integers(0, 6), st.integers(0, 40))
def test_summed_gradients(stored, seed, shift, chunks, start):
    random = np.random.default_rng(seed)
    low, high = limits_of(random, stored)
    weights = codes(random, 140, low, high, stored)
    room = (1 << 31) - 1 - (1 << shift)
    sums = codes(random, 112, -room, room, np.int32) // int(random.choice([1, 1 << 10, 1 << 20]))
    word = int(words_of(random, 1)[0])
    numbers = (start, 16 * chunks, word, shift, low, high)
    assert_same(*WRITE, (weights, sums.astype(np.int32), words_of(random, 112)), numbers)


@STORED
@given(SEEDS, st.integers(1, 15), st.integers(0, 6), st.integers(0, 40))
def test_decay(stored, seed, shift, chunks, start):
    random = np.random.default_rng(seed)
    low, high = limits_of(random, stored)
    word = int(words_of(random, 1)[0])
    arrays = (codes(random, 140, low, high, stored), words_of(random, 112))
    assert_same(*DECAY, arrays, (start, 16 * chunks, word, shift, low, high))


@STORED
@given(SEEDS, st.integers(0, 12), st.integers(0, 12), st.integers(0, 7), st.integers(0, 40))
def test_steps_without_masks(stored, seed, split, rest, count, start):
    random, room = np.random.default_rng(seed), (1 << 15) - 1
    low, high = limits_of(random, stored)
    largest = min(room - (1 << split) + 1, (room - (1 << rest) << split) - (1 << split) + 1)
    if largest <= 0:
        return
    x = int(random.integers(1, min(largest, 255) + 1))
    delta, none = codes(random, 256, -(largest // x), largest // x, np.int16), np.zeros(256, np.int16)
    parts = (int(random.integers(0, 1 << split)), int(random.integers(0, 1 << rest)))
    numbers = (start, 32, 32 * count, x, *parts, split, rest, low, high)
    assert_same(*SAME, (codes(random, 300, low, high, stored), delta, none, none.copy()), numbers)
