"""Every scalar operation against exact fractions, the contract's own table, and literal known values."""

import ast
import inspect
import math
from fractions import Fraction
from pathlib import Path

import naive
import pytest
from environment import WITHOUT_JIT
from hypothesis import example, given
from hypothesis import strategies as st

from neuro_emu.kernels import pieces
from neuro_emu.kernels.update import leap, leap_table
from neuro_emu.numerics import ops
from neuro_emu.numerics.modes import RAW, RND, ROW_LFSR, SAT, STOCH, TRN, WRAP, Overflow, Rounding, WordSource

pytestmark = pytest.mark.integer

BITS = 7 if WITHOUT_JIT else 10
CODES = range(-(2 ** (BITS - 1)), 2 ** (BITS - 1))
SHIFTS = range(9)
EDGES = [sign * (2**bits + off) for bits in (31, 32, 33, 61) for off in range(-2, 3) for sign in (-1, 1)]
WIDE = st.one_of(
    st.sampled_from(EDGES),
    st.integers(-(2**33), 2**33),
    st.integers(-(2**62), 2**62),
    st.builds(lambda edge, off: edge + off, st.sampled_from(EDGES), st.integers(-(2**12), 2**12)),
)
WORDS = st.integers(0, 2**32 - 1)
LEAPS = leap_table()

SECTION_2 = {
    (Rounding.TRN, 0): [-3, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2],
    (Rounding.TRN_ZERO, 0): [-2, -2, -1, -1, 0, 0, 0, 1, 1, 2, 2],
    (Rounding.RND, 0): [-2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3],
    (Rounding.RND_CONV, 0): [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2],
    (Rounding.STOCH, 0): [-3, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2],
    (Rounding.STOCH, 1): [-2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3],
}


def word_of(r, shift):
    """A 32-bit word whose top *shift* bits are *r*; the others are ones, which must not matter."""
    return (r << (32 - shift)) | (2 ** (32 - shift) - 1)


def limits(bits, signed=True):
    return naive.limits(signed, bits)


# --- rounding -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "r"), SECTION_2, ids=lambda v: getattr(v, "value", v))
def test_rounding_gives_the_table_of_section_2(mode, r):
    found = [ops.round_shift(code, 1, mode.code, word_of(r, 1)) for code in range(-5, 6)]
    assert found == SECTION_2[mode, r]


@pytest.mark.parametrize("mode", [m for m in Rounding if m is not Rounding.STOCH], ids=lambda m: m.value)
def test_rounding_equals_exact_fractions_for_every_short_code(mode):
    for shift in SHIFTS:
        found = [ops.round_shift(code, shift, mode.code, 0xFFFFFFFF) for code in CODES]
        assert found == [naive.round_shift(code, shift, mode.value) for code in CODES]


@pytest.mark.parametrize("shift", SHIFTS)
def test_stochastic_rounding_equals_exact_fractions_for_every_draw(shift):
    for r in range(2**shift):
        word = word_of(r, shift)
        found = [ops.round_shift(code, shift, STOCH, word) for code in CODES]
        assert found == [naive.round_shift(code, shift, "STOCH", r) for code in CODES]


@pytest.mark.parametrize("shift", range(1, 9))
def test_stochastic_rounding_is_exact_on_average(shift):
    for code in CODES[:: 1 if shift < 5 else 37]:
        steps = [ops.round_shift(code, shift, STOCH, r << (32 - shift)) for r in range(2**shift)]
        assert sum(steps) == code
        assert max(steps) - min(steps) <= 1


@given(WIDE, st.integers(0, 31), st.sampled_from(list(Rounding)), WORDS)
@example(2**62 - 1, 31, Rounding.RND, 0)
@example(-(2**62), 31, Rounding.TRN_ZERO, 0)
@example(2**31 - 1, 31, Rounding.STOCH, 0xFFFFFFFF)
@example(-(2**32) - 1, 1, Rounding.RND_CONV, 0)
def test_rounding_equals_exact_fractions_at_the_width_of_machine_words(code, shift, mode, word):
    r = word // 2 ** (32 - shift)
    assert ops.round_shift(code, shift, mode.code, word) == naive.round_shift(code, shift, mode.value, r)


@given(WIDE, st.integers(0, 31), WORDS)
def test_rounding_never_moves_further_than_one_code(code, shift, word):
    floor = ops.round_shift(code, shift, TRN, 0)
    assert {ops.round_shift(code, shift, mode.code, word) - floor for mode in Rounding} <= {0, 1}


# --- alignment and requantisation ---------------------------------------------------------------------


@pytest.mark.parametrize("shift", range(-6, 9))
def test_requantise_equals_exact_fractions_for_every_short_code(shift):
    for text in ("s8f0", "s4f0", "s1f0", "u8f0", "u3f0", "s32f0"):
        low, high = naive.limits(*naive.parse_format(text)[:2])
        found = [ops.requantise(code, shift, low, high) for code in CODES]
        assert found == [naive.requantise(code, shift, text) for code in CODES]


@pytest.mark.parametrize("shift", range(-6, 0))
def test_a_negative_shift_is_exact_to_the_left(shift):
    assert [ops.align(code, shift) for code in CODES] == [code * 2**-shift for code in CODES]


@given(WIDE, st.integers(0, 31), st.sampled_from(["s8f0", "u8f0", "s31f0", "s32f0", "u32f0"]))
def test_requantise_equals_exact_fractions_at_the_width_of_machine_words(code, shift, text):
    low, high = naive.limits(*naive.parse_format(text)[:2])
    assert ops.requantise(code, shift, low, high) == naive.requantise(code, shift, text)
    assert ops.align(code, shift) == naive.round_shift(code, shift, "RND")


@given(st.integers(-(2**31), 2**31), st.integers(0, 31))
def test_a_wide_negative_shift_is_exact_to_the_left(code, places):
    assert ops.align(code, -places) == code * 2**places


# --- overflow -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(Overflow), ids=lambda m: m.value)
@pytest.mark.parametrize("signed", [True, False])
def test_overflow_equals_the_definition_for_every_short_code(mode, signed):
    for bits in range(1, BITS):
        low, high = limits(bits, signed)
        found = [ops.overflow(code, low, high, mode.code) for code in CODES]
        assert found == [naive.overflow(code, signed, bits, mode.value) for code in CODES]


@given(WIDE, st.sampled_from([1, 2, 8, 30, 31, 32]), st.booleans())
def test_saturate_and_wrap_equal_the_definitions_at_the_width_of_machine_words(code, bits, signed):
    low, high = limits(bits, signed)
    assert ops.saturate(code, low, high) == naive.overflow(code, signed, bits, "SAT")
    assert ops.wrap(code, low, high) == naive.overflow(code, signed, bits, "WRAP")


@given(WIDE, st.integers(2, 63))
def test_wrap_reaches_every_accumulator_width(code, bits):
    low, high = limits(bits)
    if low <= code <= high or bits <= 62:
        assert ops.wrap(code, low, high) == naive.overflow(code, True, bits, "WRAP")


@given(WIDE, st.integers(-(2**31), 2**31 - 1), st.integers(-(2**20), 2**20), st.sampled_from([8, 32, 33, 63]))
def test_accumulate_clamps_the_exact_sum(acc, weight, x, bits):
    low, high = limits(bits)
    assert ops.accumulate(acc, weight, x, low, high) == naive.overflow(acc + weight * x, True, bits, "SAT")


def test_add_step_brings_every_sum_into_the_weight_format():
    low, high = limits(4)
    for weight in range(low, high + 1):
        for step in range(-40, 41):
            for mode, name in ((SAT, "SAT"), (WRAP, "WRAP")):
                expected = naive.overflow(weight + step, True, 4, name)
                assert ops.add_step(weight, step, low, high, mode) == expected


# --- small operations ---------------------------------------------------------------------------------


def test_table_address_is_q_modulo_256():
    assert [ops.table_address(q) for q in range(-128, 128)] == [*range(128, 256), *range(128)]


@pytest.mark.parametrize("zone", [0, 1, 7])
def test_ternary_sign_is_zero_within_the_dead_zone_and_at_its_border(zone):
    signs = [ops.ternary_sign(error, zone) for error in range(-9, 10)]
    assert signs == [-1] * (9 - zone) + [0] * (2 * zone + 1) + [1] * (9 - zone)


@given(st.integers(0, 2**62), st.integers(0, 32), st.integers(0, 3))
def test_fields_of_a_word_are_its_digits(word, count, position):
    assert pieces.low_bits(word, count) == word % 2**count
    assert pieces.byte_of(word, position) == word // 256**position % 256


def test_mean_is_the_nearest_code_and_ties_go_up():
    for count in range(1, 9):
        for total in range(-40, 41):
            assert ops.mean(total, count) == math.floor(Fraction(total, count) + Fraction(1, 2))


def test_noise_has_the_sign_of_the_top_bit():
    words = [0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]
    assert [ops.noise_code(word, 5) for word in words] == [-5, -5, -5, 5, 5, 5]


@given(st.integers(0, 2**20), st.sampled_from([1, 2, 4, 8, 16]))
def test_bank_of_is_the_address_modulo_the_banks(address, banks):
    assert ops.bank_of(address, banks) == address % banks


@given(st.lists(st.integers(-(2**15), 2**15 - 1), max_size=255))
@example([-1] * 255)
@example([255] * 255)
@example([2**15 - 1] * 255)
@example([-(2**15)] * 255)
def test_join_halves_rebuilds_a_sum_of_255_products(products):
    high = sum(p // 256 for p in products)
    low = naive.overflow(sum(products), True, 16, "WRAP")
    assert pieces.join_halves(high, low) == sum(products)


# --- random words -------------------------------------------------------------------------------------


def words_after(seed, count, step=ops.xorshift):
    words = [seed]
    for _ in range(count):
        words.append(step(words[-1]))
    return words[1:]


def test_xorshift_gives_the_known_words():
    assert words_after(0x9E3779B9, 3) == [0x510C4619, 0xE02E553E, 0x7BB98F3A]
    assert words_after(0x85EBCA6B, 3) == [0x687C5338, 0xA17F6495, 0xF051AE03]
    assert ops.xorshift(1) == 270369  # Marsaglia 2003


def test_lfsr_gives_the_known_words():
    assert words_after(1, 3, ops.lfsr) == [0x80200003, 0xC0300002, 0x60180001]


@pytest.mark.parametrize("step", ["xorshift", "lfsr"])
def test_registers_equal_the_definition_from_single_bits_and_never_stop(step):
    reference = {"xorshift": naive.xorshift32, "lfsr": naive.lfsr32}[step]
    for seed in [1 << bit for bit in range(32)] + [0xFFFFFFFF, 0x80000001]:
        found = words_after(seed, 40, getattr(ops, step))
        assert found == words_after(seed, 40, reference)
        assert 0 < min(found) <= max(found) < 2**32


@given(WORDS)
def test_registers_and_mirror_equal_the_definitions(word):
    assert ops.xorshift(word) == naive.xorshift32(word)
    assert ops.lfsr(word) == naive.lfsr32(word)
    assert ops.bit_reverse(word) == naive.bitreverse32(word)
    assert ops.bit_reverse(ops.bit_reverse(word)) == word


def test_bit_reverse_mirrors_every_single_bit():
    assert [ops.bit_reverse(1 << bit) for bit in range(32)] == [1 << bit for bit in reversed(range(32))]


@given(WORDS, st.integers(0, 31))
def test_a_draw_is_the_top_bits(word, shift):
    assert ops.draw(word, shift) == word // 2 ** (32 - shift)


@given(WORDS)
def test_leap_is_four_xorshift_steps(word):
    assert leap(word, LEAPS) == words_after(word, 4)[-1]


# --- the lists that kernels switch on -----------------------------------------------------------------


def test_mode_numbers_are_those_of_the_names():
    assert [m.code for m in Rounding] == [0, 1, 2, 3, 4]
    assert (Rounding.TRN.code, Rounding.RND.code, Rounding.STOCH.code) == (TRN, RND, STOCH)
    assert (Overflow.SAT.code, Overflow.WRAP.code) == (SAT, WRAP)
    assert (WordSource.ROW_LFSR.code, WordSource.RAW.code) == (ROW_LFSR, RAW)
    assert [w.value for w in WordSource if w.per_lane] == list(naive.LANE_MODES)
    assert [w.value for w in WordSource if not w.per_lane] == list(naive.ROW_MODES)


def test_every_operation_is_tested_here():
    tree = ast.parse(inspect.getsource(ops))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    here = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_ops*.py")]
    nodes = [node for text in here for node in ast.walk(ast.parse(text))]
    used = {n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "ops"}
    assert defined <= used
