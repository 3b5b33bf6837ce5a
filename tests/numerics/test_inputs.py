"""Codes of real numbers against the contract; those of bytes are in test_formats.py."""

from fractions import Fraction

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.inputs import input_codes, real_codes

pytestmark = pytest.mark.integer

GRID = st.integers(1 - 2**40, 2**40 - 1) | st.integers(-(2**24), 2**24) | st.integers(-100, 100)
SIGNED = [f"s{bits}f{frac}" for bits in range(1, 33) for frac in range(32)]
UNSIGNED = [f"u{bits}f{frac}" for bits in range(1, 32) for frac in range(32)]


@given(st.sampled_from(SIGNED + UNSIGNED), st.lists(GRID, min_size=1, max_size=20))
def test_codes_equal_the_definition(text, numerators):
    values = np.array([numerators], np.float64) * 2.0**-20
    codes = real_codes(values, Format.parse(text))
    expected = [naive.quantise(Fraction(n, 2**20), *naive.parse_format(text)) for n in numerators]
    assert codes.tolist() == [expected]
    assert codes.dtype == np.int32


def test_every_format_at_its_ties_and_ends():
    numerators = [*range(-9, 10), *(s * (2**e + d) for s in (-1, 1) for e in range(4, 40) for d in (-1, 0, 1))]
    values = np.array(numerators, np.float64) * 2.0**-20
    for text in SIGNED[::7]:
        expected = [naive.quantise(Fraction(n, 2**20), *naive.parse_format(text)) for n in numerators]
        assert real_codes(values, Format.parse(text)).tolist() == expected


def test_the_values_are_left_alone_and_the_codes_contiguous():
    values = np.array([[0.5, -1.25], [3.0, 100.0]])
    codes = input_codes(values.T, Format.parse("s8f4"))
    assert codes.tolist() == [[8, 48], [-20, 127]]
    assert codes.dtype == np.int32
    assert codes.flags.c_contiguous
    assert values.tolist() == [[0.5, -1.25], [3.0, 100.0]]


def test_unsigned_codes_of_32_bits_are_refused():
    with pytest.raises(ValueError, match="u32f31 do not fit"):
        real_codes(np.zeros(1), Format.parse("u32f31"))
