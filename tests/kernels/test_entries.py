"""Steps in listed blocks: the operations against their plain formulas, and together against the rule itself."""

from functools import partial

import numpy as np
import pytest
from environment import WITHOUT_JIT
from hypothesis import given
from hypothesis import strategies as st
from vector_calls import assert_same, codes, compiled

from neuro_emu.jit import vector_level
from neuro_emu.kernels.vector import entries
from neuro_emu.numerics.ops import bit_reverse, draw

pytestmark = [
    pytest.mark.integer,
    pytest.mark.skipif(WITHOUT_JIT or not vector_level(), reason="vector code is not compiled here"),
]

SEEDS = st.integers(0, 2**32 - 1)
STORED = pytest.mark.parametrize("stored", [np.int8, np.int16])
LIST = compiled(entries.list_blocks)
STEPPERS = {
    (up, checked, size): compiled(getattr(entries, f"{'up' if up else 'down'}{size}{'_checked' if checked else ''}"))
    for up in (False, True)
    for checked in (False, True)
    for size in entries.SIZES[: 2 if checked else 3]
}


def words_of(random, count):
    return random.integers(0, 1 << 32, count, dtype=np.uint64).astype(np.uint32)


@given(SEEDS, st.integers(0, 40), st.integers(1, 31), st.integers(1, 5), st.integers(0, 3), st.data())
def test_lists(seed, count, shift, level, tile, data):
    level = min(level, shift)
    random, size = np.random.default_rng(seed), 32 * data.draw(st.integers(1, 3))
    positions = size << level
    index = random.integers(0, 50, count + 16).astype(np.int32)
    value = codes(random, count + 16, -255, 255, np.int16)
    room = count + 32
    lists = [np.full(entries.COLUMNS * room, 77, np.int32) for _ in range(2)]
    width = positions if tile == 0 else size * (1 + tile % (1 << level))
    first = size * data.draw(st.integers(0, (positions - width) // size))
    arrays = (index, value, words_of(random, count + 16), *lists)
    numbers = (room, count, shift, level, 1000, positions, positions, first, first + width)
    # What lies behind the entries of a column is anything.
    (mine, theirs) = assert_same(LIST, entries._list_blocks, arrays, numbers, but=(3, 4))
    found = LIST((*(array.copy() for array in arrays), *numbers))
    for place, n in ((3, found % 2**32), (4, found >> 32)):
        left, right = (array[place].reshape(entries.COLUMNS, room)[:, :n] for array in (mine, theirs))
        assert np.array_equal(left, right)


@STORED
@pytest.mark.parametrize("kind", STEPPERS)
@given(SEEDS, st.integers(0, 12), st.integers(1, 18))
def test_steps(kind, stored, seed, count, bits):
    (up, checked, size), random = kind, np.random.default_rng(seed)
    below = min(bits, 15)
    limit = int(random.integers(1, np.iinfo(stored).max + 1))
    weights = codes(random, 60 * size, -limit - 1, limit, stored)
    x = codes(random, count, -255, 255, np.int32)
    largest = (1 << 15) - 1
    delta = codes(random, 8 * size, -(largest // 255), largest // 255, np.int16)
    lows = codes(random, size, 0, (1 << below) - 1, np.int16)
    tops = codes(random, size, 0, 3, np.int16)
    low = codes(random, count, 0, (1 << below) - 1, np.int32)
    room = count + 3
    lists = np.zeros((entries.COLUMNS, room), np.int32)
    lists[entries.PLACE, :count] = random.permutation(59)[:count] * size + int(random.integers(0, size))
    lists[entries.POSITION, :count] = random.integers(0, 8, count) * size
    lists[entries.LOW, :count] = low if up else ~low
    lists[entries.TOP, :count] = random.integers(0, 4, count)
    lists[entries.CODE, :count] = x
    plain = partial(entries._step_blocks, up, checked, size)
    arrays = (weights, delta, lows, tops, lists.reshape(-1))
    assert_same(STEPPERS[kind], plain, arrays, (room, count, limit if up else -limit - 1))


@given(SEEDS, st.sampled_from([(16, 2), (17, 2), (17, 3), (18, 3), (20, 4), (22, 4)]))
def test_both_together_are_the_rule(seed, case):
    """W ← SAT(W + floor((δ·x + r) / 2^s)), every lane with its own draw, in Python from the formula."""
    (shift, level), random = case, np.random.default_rng(seed)
    positions, rows = 512, 9
    size, neurons = positions >> level, [bit_reverse(j) for j in range(positions)]
    masks = np.array(sorted(neurons), dtype=np.uint32)
    draws = [draw(int(mask), shift) for mask in masks]
    below = min(shift - level, 15)
    lows = np.array([d % (1 << (shift - level)) % (1 << below) for d in draws[:size]], np.int16)
    tops = np.array([d % (1 << (shift - level)) >> below for d in draws[:size]], np.int16)
    largest = min(255, (1 << (shift - level)) // 255)
    delta = codes(random, positions, -min(largest, 127), min(largest, 127), np.int16)
    value, index = codes(random, rows + 16, 0, 255, np.int16), np.arange(rows + 16, dtype=np.int32)
    words, weights = words_of(random, rows + 16), codes(random, rows * positions, -128, 127, np.int8)
    expected = weights.astype(int).reshape(rows, positions)
    moved = clamped = 0
    for a in range(rows):
        for p in range(positions):
            step = (int(delta[p]) * int(value[a]) + draw(int(words[a]) ^ int(masks[p]), shift)) >> shift
            total = expected[a, p] + step
            expected[a, p] = min(max(total, -128), 127)
            moved += step != 0
            clamped += total != expected[a, p]
    room = rows + 16
    down, up = (np.zeros(entries.COLUMNS * room, np.int32) for _ in range(2))
    found = LIST((index, value, words, down, up, room, rows, shift, level, 0, positions, positions, 0, positions))
    checked = shift - level > 15
    for side, entry, n, limit in ((False, down, found % 2**32, -128), (True, up, found >> 32, 127)):
        result = STEPPERS[side, checked, size]((weights, delta, lows, tops, entry, room, n, limit))
        moved, clamped = moved - result % 2**32, clamped - (result >> 32)
    assert (moved, clamped) == (0, 0)
    assert np.array_equal(weights.reshape(rows, positions), expected)
