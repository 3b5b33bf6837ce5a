"""The integer matrix products against NumPy in 64 bits: every remainder of a tile, extreme codes, every form."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from environment import WITHOUT_JIT
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.jit import vector_level
from neuro_emu.kernels.vector import gemm as gm

pytestmark = pytest.mark.integer

BYTES, SHORTS = (np.uint8, np.int8), (np.int16, np.int16)
KINDS = pytest.mark.parametrize("kind", [BYTES, SHORTS], ids=["bytes", "shorts"])
MOST = (6, 9, 40) if WITHOUT_JIT else (100, 70, 150)
ASKED = "NEURO_EMU_TESTED_FORM"
OTHER_FORMS = {
    "avx2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+avx,+fma,+bmi,+bmi2,+popcnt,+sse4.2,+ssse3"},
    "": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+sse2"},
}


def codes(random, shape, dtype, bits=12):
    """Codes of the whole range of bytes, or of so many bits that no sum leaves 32."""
    info = np.iinfo(dtype)
    low, high = max(info.min, -(1 << bits - 1)), min(info.max, (1 << bits - 1) - 1)
    return random.integers(low, high + 1, shape).astype(dtype)


def packed(matrix):
    """Pack into an array full of rubbish: what packing leaves alone may not matter."""
    target = np.full(gm.packed_shape(*matrix.shape, matrix.itemsize), 77, matrix.dtype)
    gm.pack(matrix, target)
    return target


def begin(random, columns):
    return random.integers(-1000, 1000, gm.padded_columns(columns)).astype(np.int32)


def product(a, b, start):
    """A·B on rows padded with rubbish, checked not to touch the rows around C."""
    depth = -(-a.shape[1] // 4) * 4 + 4
    wide = np.full((a.shape[0], depth), 99, a.dtype)
    wide[:, : a.shape[1]] = a
    c = np.full((a.shape[0] + 2, start.shape[0]), 55, np.int32)
    gm.gemm(wide, packed(b), start, c[1:-1])
    assert (c[[0, -1]] == 55).all()
    return c[1:-1]


def transposed_product(a, b, start):
    c = np.full((a.shape[0] + 2, start.shape[0]), 55, np.int32)
    gm.gemm_transposed(packed(np.ascontiguousarray(a.T)), packed(b), start, c[1:-1])
    assert (c[[0, -1]] == 55).all()
    return c[1:-1]


def assert_exact(a, b, start):
    columns = b.shape[1]
    expected = start[:columns] + a.astype(np.int64) @ b.astype(np.int64)
    for computed in (product(a, b, start), transposed_product(a, b, start)):
        assert np.array_equal(computed[:, :columns], expected)


@KINDS
@given(st.data())
def test_products_are_exact(kind, data):
    rows, depth, columns = (data.draw(st.integers(1, most)) for most in MOST)
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    a, b = codes(random, (rows, depth), kind[0]), codes(random, (depth, columns), kind[1])
    assert_exact(a, b, begin(random, columns))


@KINDS
@pytest.mark.parametrize("columns", [10, 16, 17, 32, 33, 48, 64, 80])
def test_every_number_of_rows_beside_a_tile(kind, columns):
    random = np.random.default_rng(columns)
    for rows in (1, 2, 5) if WITHOUT_JIT else (*range(1, 20), 63, 64, 65, 67, 191, 193):
        a, b = codes(random, (rows, 7), kind[0]), codes(random, (7, columns), kind[1])
        assert_exact(a, b, begin(random, columns))


@pytest.mark.parametrize(("left", "right"), [(255, -128), (255, 127), (0, -128), (1, -1)])
@pytest.mark.parametrize("depth", [1, 2, 4, 6])
def test_bytes_never_saturate(left, right, depth):
    """Pairs of products leave 16 bits, where vpmaddubsw would saturate."""
    a, b = np.full((5, depth), left, np.uint8), np.full((depth, 3), right, np.int8)
    assert_exact(a, b, np.zeros(16, np.int32))


def test_the_largest_depth_whose_sums_always_fit():
    a, b = np.full((1, 65793), 255, np.uint8), np.full((65793, 1), -128, np.int8)
    assert_exact(a, b, np.zeros(16, np.int32))


def test_partial_sums_may_leave_32_bits():
    """The first group leaves them and the second returns: 2·2^30 − 1 and 2^31 − 1 + 4·127 − 4·128."""
    low = -(1 << 15)
    a, b = np.array([[low, low, 1, 0]] * 5, np.int16), np.array([[low] * 3, [low] * 3, [-1] * 3, [0] * 3], np.int16)
    assert_exact(a, b, np.zeros(16, np.int32))
    a, b = np.ones((5, 8), np.uint8), np.repeat(np.array([[127], [-128]], np.int8), 4, axis=0)
    assert_exact(a, b, np.full(16, (1 << 31) - 1, np.int32))


@pytest.mark.skipif(not WITHOUT_JIT, reason="compiled sums are modulo 2^32")
def test_a_sum_that_does_not_fit_is_an_error_without_jit():
    a, b = np.full((1, 2), -(1 << 15), np.int16), np.full((2, 1), -(1 << 15), np.int16)
    with pytest.raises(OverflowError):
        product(a, b, np.zeros(16, np.int32))


@given(st.integers(1, MOST[1]), st.integers(1, MOST[2]), st.integers(0, 99))
def test_an_offset_is_taken_out_again(depth, columns, seed):
    random = np.random.default_rng(seed)
    signed, b = codes(random, (3, depth), np.int8), codes(random, (depth, columns), np.int8)
    start = np.full(gm.padded_columns(columns), 33, np.int32)
    gm.offset_start(np.full(4, 128, np.uint8), packed(b), start)
    computed = product((signed.astype(np.int16) + 128).astype(np.uint8), b, start)
    assert np.array_equal(computed[:, :columns], signed.astype(np.int64) @ b.astype(np.int64))
    gm.offset_start(np.zeros(4, np.uint8), packed(b), start)
    assert not start.any()


@given(st.sampled_from([np.uint8, np.int8, np.int16]), st.integers(1, 40), st.integers(1, 150), st.integers(0, 99))
def test_packing(dtype, depth, columns, seed):
    matrix = codes(np.random.default_rng(seed), (depth, columns), dtype)
    blocks, groups, block, group = shape = gm.packed_shape(depth, columns, matrix.itemsize)
    assert (block, group * matrix.itemsize) == (64, 4)
    whole = np.zeros((groups * group, blocks * block), dtype)
    whole[:depth, :columns] = matrix
    expected = whole.reshape(groups, group, blocks, block).transpose(2, 0, 3, 1)
    target = np.full(shape, 77, dtype)
    gm.pack(matrix, target)
    read = np.arange(blocks * block).reshape(blocks, 1, block, 1) < gm.padded_columns(columns)
    assert np.array_equal(target, np.where(read, expected, 77))


def test_this_is_the_form_asked_for():
    assert vector_level() == os.environ.get(ASKED, vector_level())


@pytest.mark.skipif(WITHOUT_JIT or platform.machine() != "x86_64", reason="forms of compiled x86 code")
@pytest.mark.parametrize("level", OTHER_FORMS)
def test_other_forms(level):
    """Bytes again, compiled for a lesser processor."""
    if "NUMBA_CPU_NAME" in os.environ or (level == "avx2" and not vector_level()):
        pytest.skip("this process is such a one, or cannot run it")
    tests = "asked_for or saturate or (products_are_exact and bytes)"
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", tests, __file__]
    environment = os.environ | OTHER_FORMS[level] | {ASKED: level}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
