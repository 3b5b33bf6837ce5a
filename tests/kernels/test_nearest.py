"""Updates to the nearest code, and counts of active inputs, against their plain formulas."""

from functools import partial

import numpy as np
import pytest
from environment import WITHOUT_JIT
from hypothesis import given
from hypothesis import strategies as st
from vector_calls import assert_same, codes, compiled

from neuro_emu.jit import vector_level
from neuro_emu.kernels.events import flag_row
from neuro_emu.kernels.vector import flags, nearest

pytestmark = [
    pytest.mark.integer,
    pytest.mark.skipif(WITHOUT_JIT or not vector_level(), reason="vector code is not compiled here"),
]

SEEDS = st.integers(0, 2**32 - 1)
STORED = pytest.mark.parametrize("stored", [np.int8, np.int16])
NEAREST = {
    whole: (compiled(nearest.add_nearest_whole if whole else nearest.add_nearest), partial(nearest._add_nearest, whole))
    for whole in (False, True)
}


@STORED
@pytest.mark.parametrize("whole", NEAREST)
@given(SEEDS, st.integers(0, 15), st.integers(0, 5), st.integers(0, 2), st.integers(0, 2), st.integers(2, 16))
def test_nearest(whole, stored, seed, left, rows, first, chunks, bits):
    random, size = np.random.default_rng(seed), 64 if whole else 32
    width, kind = 4 * size, np.iinfo(stored)
    bits = kind.bits if whole else min(bits, kind.bits)
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    weights = codes(random, 8 * width, low, high, stored)
    delta = codes(random, width, -(1 << 15) + 1, (1 << 15) - 1, np.int16)
    most = ((1 << 15) - 1) >> left
    value = codes(random, rows + 1, -most, most, np.int16)
    index = random.permutation(7)[: rows + 1].astype(np.int32)
    numbers = (7, width, rows, first * size, chunks * size, left, low, high)
    assert_same(*NEAREST[whole], (weights, delta, index, value), numbers)


def test_the_formula_is_the_rounded_quotient():
    """Exhaustive: 8-bit codes, every shift of 8 to 15."""
    delta = np.arange(-128, 128, dtype=np.int64)[:, None]
    x = np.arange(256, dtype=np.int64)[None, :]
    for shift in range(8, 16):
        expected = (delta * x + (1 << (shift - 1))) // (1 << shift)
        weights = np.zeros((256, 256), np.int16)
        index, value = np.arange(256, dtype=np.int32), np.arange(256, dtype=np.int16)
        numbers = (0, 256, 256, 0, 256, 15 - shift, -(1 << 15), (1 << 15) - 1)
        flat = weights.reshape(-1)
        NEAREST[False][0]((flat, delta[:, 0].astype(np.int16), index, value, *numbers))
        assert np.array_equal(weights, expected.T)


@given(SEEDS, st.integers(1, 200), st.integers(1, 300), st.floats(0, 1))
def test_active_inputs_are_counted(seed, inputs, presented, share):
    random = np.random.default_rng(seed)
    active = random.random((40, inputs)) < share
    row = flag_row(inputs)
    packed = np.zeros((40, row), np.uint8)
    bits = np.packbits(active, axis=1, bitorder="little")
    packed[:, : bits.shape[1]] = bits
    order, counts = random.integers(0, 40, presented), np.zeros(8 * row, np.int64)
    flags.count_active(packed.reshape(-1), row, order, 0, presented, counts)
    assert np.array_equal(counts[:inputs], active[order].sum(axis=0))
    assert not counts[inputs:].any()
    mine = (packed.reshape(-1), order, counts)
    assert_same(compiled(flags.add_flags), flags._add_flags, mine, (0, min(presented, 255), row, 0))
