"""Operations of softmax, dropout, momentum and weight normalisation against exact fractions."""

import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuro_emu.numerics import ops

pytestmark = pytest.mark.integer

NEAR_POWERS = st.builds(lambda bit, off: 2**bit + off, st.integers(2, 48), st.integers(-2, 2))
SCALED = st.one_of(
    st.integers(-(2**37), 2**37),
    st.integers(-(2**20), 2**20),
    st.builds(lambda code, off: code * 2**16 + off, st.integers(-(2**20), 2**20), st.integers(-65, 65)),
)
"""Scaled weights with 16 fractional bits."""


def test_a_word_drops_with_a_probability_of_threshold_256ths():
    for threshold in range(256):
        found = [ops.dropped(top * 2**24 + 2**24 - 1, threshold) for top in range(256)]
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
