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
NEAR_POWERS = st.builds(lambda bit, off: 2**bit + off, st.integers(2, 48), st.integers(-2, 2))
SCALED = st.one_of(
    st.integers(-(2**37), 2**37),
    st.integers(-(2**20), 2**20),
    st.builds(lambda code, off: code * 2**16 + off, st.integers(-(2**20), 2**20), st.integers(-65, 65)),
)
"""Scaled weights with 16 fractional bits."""
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


# --- softmax, dropout, momentum, weight normalisation ---------------------------------------------------


def test_a_word_drops_with_a_probability_of_threshold_256ths():
    for threshold in range(256):
        found = [ops.dropped(word_of(top, 8), threshold) for top in range(256)]
        assert found == [True] * threshold + [False] * (256 - threshold)
        if threshold:
            assert ops.dropped(threshold * 2**24 - 1, threshold)
        assert not ops.dropped(threshold * 2**24, threshold)


@given(st.one_of(st.integers(1, 2**16), st.integers(1, 2**48), NEAR_POWERS))
@example(1)
@example(65535)
@example(2**32)
def test_reciprocal_is_the_largest_number_whose_product_stays_below_2_to_the_32(total):
    assert ops.reciprocal(total) == math.ceil(Fraction(2**32, total)) - 1


@given(
    st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([-(2**31), 2**31 - 1])),
    st.integers(-(2**62), 2**62),
    st.integers(0, 31),
    st.integers(0, 31),
)
@example(-(2**31), -(2**62), 31, 31)
@example(2**31 - 1, 2**31, 31, 0)
@example(-5, 3, 0, 0)
def test_velocity_sum_equals_exact_fractions(velocity, gradient, decay, shift):
    more = max(decay, shift)
    gradient //= 2 ** max(more - shift, 1)
    exact = velocity * (1 - Fraction(1, 2**decay)) + Fraction(gradient, 2**shift)
    assert ops.velocity_sum(velocity, gradient, decay, shift) == exact * 2**more


def test_root_equals_isqrt_for_every_short_code():
    assert [ops.root(code) for code in range(2**12)] == [math.isqrt(code) for code in range(2**12)]


@given(
    st.one_of(
        st.integers(0, 2**62 - 1),
        st.integers(0, 2**32),
        st.builds(lambda root, off: root * root + off, st.integers(1, 2**31 - 1), st.integers(-1, 1)),
    )
)
@example(2**62 - 1)
@example((2**31 - 1) ** 2 - 1)
@example((2**31 - 1) ** 2)
def test_root_equals_isqrt_at_the_width_of_machine_words(code):
    assert ops.root(code) == math.isqrt(code)


@given(st.integers(1, 2**20 - 1), st.one_of(st.integers(1, 2**12), st.integers(1, 2**46 - 1), st.just(2**46 - 1)))
@example(2**20 - 1, 1)
@example(2**20 - 1, 2**46 - 1)
@example(1, 2**46 - 1)
def test_norm_factor_is_the_nearest_quotient_by_a_root_with_8_fractional_bits(gamma, squares):
    norm, found = Fraction(math.isqrt(squares * 2**16), 2**8), ops.norm_factor(gamma, squares)
    assert found == math.floor(gamma / norm * 2**16 + Fraction(1, 2))
    assert Fraction(2 * found + 1, 2**17) ** 2 * squares >= gamma**2  # the root is rounded down: never much too small


def fits(exact, code):
    """Square of a weight cut to 10 fractional bits, less that of its code, as a fraction."""
    return Fraction(math.floor(Fraction(exact, 2**6)), 2**10) ** 2 - code**2


@given(SCALED, st.integers(-(2**20), 2**20))
@example(-(2**37), 0)
@example(0, -(2**20))
@example(-1, 0)
def test_square_gap_equals_exact_fractions(exact, code):
    assert ops.square_gap(exact, code) == fits(exact, code) * 2**20


def test_square_gap_is_zero_for_whole_codes_alone():
    for exact in range(-4 * 2**16, 4 * 2**16 + 1, 64):
        gaps = [ops.square_gap(exact, code) for code in (exact >> 16, -(-exact >> 16))]
        assert sorted(gap == 0 for gap in gaps) == [exact % 2**16 == 0] * 2
        assert min(gaps) <= 0 <= max(gaps)


def held(exact, code, short, gamma):
    """The rule of section 6 in fractions; *short* is one too."""
    weight = Fraction(exact, 2**16)
    first, second = sorted((math.floor(weight), math.ceil(weight)), key=lambda neighbour: neighbour != code)
    strays = [abs(short + fits(exact, neighbour)) for neighbour in (first, second)]
    return second if strays[0] > gamma and strays[1] < strays[0] else first


@given(SCALED, st.booleans(), st.integers(1, 2**20 - 1), st.integers(-2, 2), st.data())
def test_hold_norm_takes_the_other_neighbour_only_where_it_helps(exact, up, gamma, off, data):
    code = exact // 2**16 + (up and exact % 2**16 > 0)
    other = exact // 2**16 + (not up and exact % 2**16 > 0)
    gap, other_gap = (int(fits(exact, neighbour) * 2**20) for neighbour in (code, other))
    band = gamma * 2**20
    near = [-band - gap, band - gap, -(gap + other_gap) // 2, 0]
    short = data.draw(st.one_of(st.sampled_from(near), st.integers(-(2**42), 2**42))) + off
    assert ops.hold_norm(exact, code, short, gamma) == held(exact, code, Fraction(short, 2**20), gamma)


def test_hold_norm_keeps_whole_codes_and_small_strays():
    for code in range(-3, 4):
        assert ops.hold_norm(code * 2**16, code, 2**40, 1) == code
    half = 5 * 2**16 + 2**15  # between 5 and 6: 30.25 is 5.25 more than 25 and 5.75 less than 36
    assert [ops.hold_norm(half, 5, short * 2**18, 6) for short in (-45, -3, 3, 4)] == [5, 5, 5, 6]
    assert [ops.hold_norm(half, 6, short * 2**18, 6) for short in (-2, -1, 1, 47)] == [5, 6, 6, 6]
    assert [ops.hold_norm(-half, -5, short * 2**18, 6) for short in (3, 4)] == [-5, -6]


@given(st.integers(2, 2**20 - 1), st.lists(st.tuples(st.fractions(-1, 1), st.booleans()), max_size=40))
def test_squares_never_stray_by_more_than_half_a_code_of_norm(gamma, rows):
    short = 0
    for share, up in rows:
        exact = math.floor(share * gamma * 2**16)
        rounded = exact // 2**16 + (up and exact % 2**16 > 0)
        code = ops.hold_norm(exact, rounded, short, gamma)
        assert code in {math.floor(Fraction(exact, 2**16)), math.ceil(Fraction(exact, 2**16))}
        short += ops.square_gap(exact, code)
        assert abs(short) <= gamma * 2**20


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
    here = ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
    used = {n.attr for n in here if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "ops"}
    assert defined <= used
