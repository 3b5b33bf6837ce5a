"""Each operation of the vector back-end, compiled for this processor, against the plain formula that it stands for."""

from functools import partial

import numpy as np
import pytest
from environment import WITHOUT_JIT
from hypothesis import assume, example, given
from hypothesis import strategies as st
from vector_calls import assert_same, both, codes, compiled

from neuro_emu.jit import vector_level
from neuro_emu.kernels.fabric import CHUNK
from neuro_emu.kernels.vector import codes as looked_up
from neuro_emu.kernels.vector import signals, steps, sums, words
from neuro_emu.numerics.ops import draw

pytestmark = [
    pytest.mark.integer,
    pytest.mark.skipif(WITHOUT_JIT or not vector_level(), reason="vector code is not compiled here"),
]

MOST = (1 << 31) - 1
SEEDS = st.integers(0, 2**32 - 1)
FEW = st.integers(0, 4)
STORED = pytest.mark.parametrize("stored", [np.int8, np.int16])


def random_of(seed):
    return np.random.default_rng(seed)


# --- requantisation, gates, dot products ---------------------------------------------------------------

REQUANTISE = {
    8: (compiled(signals.requantise8), partial(signals._requantise, 8), np.int8),
    32: (compiled(signals.requantise32), partial(signals._requantise, 32), np.int32),
}


@pytest.mark.parametrize("bits", REQUANTISE)
@given(SEEDS, FEW, FEW, st.integers(0, 24), st.integers(1, 16))
def test_requantise(bits, seed, skipped, count, shift, kept):
    call, plain, stored = REQUANTISE[bits]
    random, half = random_of(seed), (1 << shift) >> 1
    values = codes(random, 192, -MOST - 1, MOST - half, np.int32)
    values[::3] >>= random.integers(0, 31)
    kept = min(kept, 8) if bits == 8 else 2 * kept - 1
    out = np.full(192, 7, stored)
    assert_same(call, plain, (values, out), (16 * skipped, 16 * count, shift, -(1 << kept - 1), (1 << kept - 1) - 1))


def test_requantise_in_place():
    call, plain, _ = REQUANTISE[32]
    mine = np.arange(-64, 64, dtype=np.int32) * 1000
    theirs = mine.copy()
    assert call((mine, mine, 0, 96, 5, -500, 300)) == plain(theirs, theirs, 0, 96, 5, -500, 300)
    assert np.array_equal(mine, theirs)


GATES = {
    True: (compiled(signals.gate_one_bit), partial(signals._gate, True)),
    False: (compiled(signals.gate_by_slope), partial(signals._gate, False)),
}


@pytest.mark.parametrize("one_bit", GATES)
@given(SEEDS, FEW, FEW, st.integers(0, 24), st.integers(2, 16), st.integers(-128, 127), st.integers(-128, 127))
def test_gate(one_bit, seed, skipped, count, shift, bits, start, stop):
    random = random_of(seed)
    steepest = 1 if one_bit else int(random.choice([1, 127, 255]))
    slopes = codes(random, 192, 0, steepest, np.int32)
    largest = (MOST - (1 << shift)) // steepest
    signal = codes(random, 192, -largest, largest, np.int32)
    signal[::2] >>= random.integers(0, 31)
    q, delta = codes(random, 192, -128, 127, np.int8), np.full(192, 7, np.int16)
    numbers = (16 * skipped, 16 * count, start, stop, shift, -(1 << bits - 1), (1 << bits - 1) - 1)
    assert_same(*GATES[one_bit], (signal, q, slopes, delta), numbers)


DOTS = {
    np.int8: (compiled(signals.dot), signals._dot),
    np.int16: (compiled(signals.dot), signals._dot),
}


@STORED
@given(SEEDS, st.integers(0, 70), st.integers(0, 6))
def test_dot(stored, seed, start, count):
    random, info = random_of(seed), np.iinfo(stored)
    weights = codes(random, 300, info.min, info.max, stored)
    highest = min(MOST // (-info.min * max(32 * count, 1)), (1 << 15) - 1)
    signal = codes(random, 200, -highest, highest, np.int16)
    assert_same(*DOTS[stored], (weights, signal), (start, 32 * count))


# --- sums over rows -------------------------------------------------------------------------------------

ROWS8 = {
    1: (compiled(sums.sum_rows8), partial(sums._rows8, 1)),
    sums.GROUP: (compiled(sums.sum_group8), partial(sums._rows8, sums.GROUP)),
}


@pytest.mark.parametrize("tiles", ROWS8)
@given(SEEDS, FEW, FEW, st.integers(0, 1), st.integers(0, 70))
def test_sums_of_bytes(tiles, seed, negative, positive, skipped, base):
    random, width = random_of(seed), (sums.GROUP + 1) * sums.TILE
    weights = codes(random, base + 9 * width, -128, 127, np.int8)
    count, at = 4 * (negative + positive), skipped * sums.TILE
    offsets = (random.integers(0, 9, count + 1) * width).astype(np.int32)
    sizes = codes(random, count + 1, 0, 255, np.uint8)
    arrays = (weights, offsets, sizes, np.full(width + 16, 77, np.int32))
    assert_same(*ROWS8[tiles], arrays, (base, at, 4 * negative, count))


ROWS16 = {
    1: (compiled(sums.sum_rows16), partial(sums._rows16, 1)),
    2 * sums.GROUP: (compiled(sums.sum_group16), partial(sums._rows16, 2 * sums.GROUP)),
}


@pytest.mark.parametrize("tiles", ROWS16)
@given(SEEDS, st.integers(0, 6), st.integers(0, 1), st.integers(0, 70))
def test_sums_of_shorts(tiles, seed, pairs, skipped, base):
    random, width, count = random_of(seed), (2 * sums.GROUP + 1) * sums.TILE // 2, 2 * pairs
    weights = codes(random, base + 9 * width, -(1 << 15), (1 << 15) - 1, np.int16)
    offsets = (random.integers(0, 9, count + 1) * width).astype(np.int32)
    highest = min(MOST // (max(count, 1) << 15), (1 << 15) - 1)
    values = codes(random, count + 1, -highest, highest, np.int16)
    arrays = (weights, offsets, values, np.full(width + 16, 77, np.int32))
    assert_same(*ROWS16[tiles], arrays, (base, skipped * sums.TILE // 2, count))


# --- steps ----------------------------------------------------------------------------------------------

SIGNED = (compiled(steps.step_signed), steps._step_signed)
ADD = (compiled(steps.add_steps), steps._add_steps)


def row_of(random, stored, shift, blocks):
    """A row of *blocks* chunks whose products fit: arrays, x, (low, high), and the limits of a weight.

    Some lanes agree with the high part of the draw.
    """
    size, below = blocks * CHUNK, min(shift, 15)
    above = shift - below
    largest = min((1 << below) - (below == 15), (1 << 15) - 1)
    x = int(random.integers(0, min(largest, 255) + 1)) * int(random.choice([-1, 1]))
    delta = codes(random, size, -(largest // max(abs(x), 1)), largest // max(abs(x), 1), np.int16)
    bits = int(random.integers(2, 8 * np.dtype(stored).itemsize + 1))
    bottom, top = -(1 << bits - 1), (1 << bits - 1) - 1
    weights = codes(random, size + 40, bottom, top, stored)
    lows = codes(random, size, 0, (1 << below) - 1, np.int16)
    high = int(random.choice([0, (1 << above) - 1, random.integers(0, 1 << above)]))
    highs = codes(random, size, 0, (1 << min(above, 15)) - 1, np.int16)
    highs[random.random(size) < 0.5] = np.array(high, np.uint16).astype(np.int16)
    low = int(random.choice([0, (1 << below) - 1, random.integers(0, 1 << below)]))
    return (weights, delta, lows, highs), x, (low, high), (bottom, top)


@STORED
@pytest.mark.parametrize("sign", [1, -1])
@given(SEEDS, st.integers(1, 31), FEW, FEW, st.integers(0, 40))
def test_a_step(sign, stored, seed, shift, first, count, start):
    arrays, x, draws, limits = row_of(random_of(seed), stored, shift, 8)
    assert_same(*SIGNED, arrays, (start, first * CHUNK, count * CHUNK, x, *draws, limits[sign > 0], sign))


@STORED
@given(SEEDS, st.integers(0, 14), st.integers(0, 14), FEW, FEW, st.integers(0, 40))
def test_steps_of_any_size(stored, seed, split, rest, first, count, start):
    random, room = random_of(seed), (1 << 15) - 1
    largest = min(room - (1 << split) + 1, (room - (1 << rest) << split) - (1 << split) + 1)
    assume(largest > 0)
    x = int(random.integers(1, min(largest, 255) + 1)) * int(random.choice([-1, 1]))
    delta = codes(random, 8 * CHUNK, -(largest // abs(x)), largest // abs(x), np.int16)
    bits = int(random.integers(1, 8 * np.dtype(stored).itemsize + 1))
    bottom, top = -(1 << bits - 1), (1 << bits - 1) - 1
    weights = codes(random, 8 * CHUNK + 40, bottom, top, stored)
    lows, highs = (codes(random, 8 * CHUNK, 0, (1 << n) - 1, np.int16) for n in (split, rest))
    low, high = (int(random.integers(0, 1 << n)) for n in (split, rest))
    numbers = (start, first * CHUNK, count * CHUNK, x, low, high, split, rest, bottom, top)
    assert_same(*ADD, (weights, delta, lows, highs), numbers)


LEVELS = compiled(steps.levels)


@given(st.integers(1, 31), st.integers(0, 5), st.data())
@example(31, 5, None)
def test_levels(shift, most, data):
    peak = 1 if data is None else data.draw(st.integers(1, 1 << shift))
    expected = max(m for m in range(min(most, shift) + 1) if peak <= 1 << (shift - m))
    assert LEVELS((peak, shift, min(most, shift))) == steps._levels(peak, shift, min(most, shift)) == expected


# --- outputs --------------------------------------------------------------------------------------------

OUTPUTS = {
    levels: (compiled(getattr(looked_up, f"outputs{levels}")), partial(looked_up._outputs, levels))
    for levels in (range(1, looked_up.MOST_LEVELS + 1) if looked_up.LOOKS_UP else ())
}


@pytest.mark.skipif(not OUTPUTS, reason="nothing is looked up in registers here")
@given(SEEDS, st.integers(1, looked_up.MOST_LEVELS), FEW, st.integers(0, 1), st.sampled_from([0, 8, 128]))
def test_outputs(seed, levels, groups, more, offset):
    random, per = random_of(seed), looked_up.GROUP
    positions = max(groups * per, CHUNK << levels) + more * (CHUNK << levels)
    positions = -(-positions // (CHUNK << levels)) * (CHUNK << levels)
    q, table = codes(random, positions, -128, 127, np.int8), random.integers(0, 256, 256).astype(np.uint8)
    arrays = (q, table, np.full(positions + 70, 77, np.int16))
    assert_same(*OUTPUTS[levels], arrays, (positions, min(groups * per, positions), offset))


# --- random words ---------------------------------------------------------------------------------------

BATCHES = {
    False: (compiled(words.batch_xorshift), partial(words._batch, False)),
    True: (compiled(words.batch_lfsr), partial(words._batch, True)),
}
SCAN = (compiled(words.scan), words.scan_codes)
TRAILING = compiled(words.trailing_zeros)


@pytest.mark.parametrize("is_lfsr", BATCHES)
@given(SEEDS, st.integers(0, 100))
def test_a_batch_of_words(is_lfsr, seed, at):
    starts = random_of(seed).integers(0, 2**32, words.STRETCHES).astype(np.uint32)
    starts[seed % words.STRETCHES] = seed % 3  # 0 stays 0
    filled = np.full(words.BATCH + 128, 77, np.uint32)
    assert_same(*BATCHES[is_lfsr], (filled, starts), (at,))


@given(SEEDS, st.integers(0, 5), st.integers(0, 40), st.integers(1, 31), st.integers(0, 15))
def test_scan(seed, groups, at, shift, split):
    random, count, split = random_of(seed), 16 * groups, max(min(split, shift), shift - 15)
    active = codes(random, 96, -(1 << 15), (1 << 15) - 1, np.int16)
    active[random.random(96) > random.choice([0.0, 0.5, 1.0])] = 0
    drawn = random.integers(0, 2**32, 160).astype(np.uint32)
    arrays = (active, drawn, np.zeros(96, np.int16), np.zeros(96, np.int16), np.arange(96), np.full(8, 77, np.int16))
    mine, theirs = assert_same(*SCAN, arrays, (at, count, shift, split), but=(2, 3))
    used, beyond = active[:count] != 0, np.arange(96) >= count
    for place in (2, 3):
        assert np.array_equal(mine[place][:count][used], theirs[place][:count][used])
        assert np.array_equal(mine[place][beyond], theirs[place][beyond])
    heads = [draw(int(word), shift) for word in drawn[at : at + used.sum()]]
    assert (mine[2][:count][used] + (mine[3][:count][used].astype(int) << split)).tolist() == heads


@given(st.one_of(st.integers(0, (1 << 63) - 1), st.integers(0, 62).map(lambda n: 1 << n)))
@example(0)
def test_trailing_zeros(word):
    assert TRAILING((word,)) == words._trailing_zeros(word)


def test_the_comparison_sees_a_difference():
    (left, _), (right, _) = both(TRAILING, lambda word: words._trailing_zeros(word) + 1, (), (8,))
    assert (left, right) == (3, 4)
