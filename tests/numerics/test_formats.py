"""Formats against the contract: names, limits, quantisation, input codes."""

import re
from fractions import Fraction

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.inputs import input_codes

pytestmark = pytest.mark.integer

ALL = [f"{sign}{bits}f{frac}" for sign in "su" for bits in range(1, 33) for frac in range(32)]
REFUSED = ["", "8f7", "s8", "s0f0", "s33f0", "u8f32", "s8f-1", "s8.7", "S8f7", "s8f7 ", "q8f7", "s8f7f1", "s-8f7"]


def test_every_format_is_read_as_the_contract_says():
    for text in ALL:
        storage = Format.parse(text)
        signed, bits, frac = naive.parse_format(text)
        assert (storage.signed, storage.bits, storage.frac) == (signed, bits, frac)
        assert (storage.low, storage.high) == naive.limits(signed, bits)
        assert storage.magnitude == max(map(abs, naive.limits(signed, bits)))
        assert storage.one == min(2**frac, naive.max_code(text))
        assert str(storage) == text


@pytest.mark.parametrize("text", REFUSED)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="format"):
        Format.parse(text)


@pytest.mark.parametrize("text", [*ALL[::97], *REFUSED])
def test_the_pattern_accepts_exactly_the_formats(text):
    assert bool(re.search(Format.pattern, text)) == (text in ALL)


@given(st.sampled_from(ALL), st.fractions(-300, 300, max_denominator=2**20))
def test_quantise_equals_the_definition(text, value):
    assert Format.parse(text).quantise(value) == naive.quantise(value, *naive.parse_format(text))


def test_quantise_rounds_ties_up_and_clamps():
    storage = Format.parse("s8f1")
    ties = [storage.quantise(Fraction(n, 4)) for n in (-3, -1, 1, 3)]
    assert ties == [-1, 0, 1, 2]
    assert [storage.quantise(v) for v in (-65, -64, Fraction(127, 2), 64)] == [-128, -128, 127, 127]


@pytest.mark.parametrize("bits", range(1, 9))
def test_input_codes_are_the_top_bits_of_each_byte(bits):
    images = np.arange(256, dtype=np.uint8).reshape(16, 16)
    codes = input_codes(images, Format(False, bits, 0))
    assert codes.ravel().tolist() == [naive.input_code(byte, f"u{bits}f0") for byte in range(256)]
    assert codes.dtype == np.uint8
    assert codes.flags.c_contiguous
