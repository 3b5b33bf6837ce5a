"""The scalars of batch normalisation against exact fractions, up to the bounds that their docstrings state."""

from fractions import Fraction
from math import isqrt

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from naive_norm import clamp, nearest, scaled

from neuro_emu.numerics import batch_ops as ops
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.norm_formats import NormFormats

pytestmark = pytest.mark.integer

LIMIT = 2**62
MOST = ops.MOST_VALUES
RAIL = 2**15
SHORT = st.integers(-RAIL, RAIL - 1) | st.sampled_from([-RAIL, RAIL - 1, -1, 0, 1])
COUNTS = st.integers(1, MOST) | st.sampled_from([1, 2, MOST - 1, MOST])
SCALE_FRACS = st.integers(6, 18)
INVERSES = st.integers(2**6, 2**28) | st.sampled_from([2**6, 2**24, 2**28])
MEANS = st.integers(-(2**21), 2**21)


@st.composite
def batches(draw):
    """Sum, sum of squares and number of the codes of some batch: three codes, each repeated."""
    codes, repeats = draw(st.tuples(SHORT, SHORT, SHORT)), draw(st.tuples(*[st.integers(0, MOST // 3)] * 3))
    assume(sum(repeats))
    pairs = list(zip(codes, repeats, strict=True))
    return pairs, sum(code * times for code, times in pairs), sum(code * code * times for code, times in pairs)


RAILS = ([(-RAIL, MOST)], -RAIL * MOST, RAIL * RAIL * MOST)
BOTH_RAILS = ([(-RAIL, MOST // 2), (RAIL - 1, MOST // 2)], -MOST // 2, (2 * RAIL**2 - 2 * RAIL + 1) * MOST // 2)


@given(batches(), st.integers(1, 2**42))
@example(RAILS, 1)
@example(BOTH_RAILS, 2**42)
def test_mean_and_variance(batch, epsilon):
    pairs, total, squares = batch
    count = sum(times for _, times in pairs)
    m = ops.norm_mean(total, count)
    assert m == nearest(Fraction(64 * total, count))
    assert abs(m) <= 2**21
    exact = Fraction(sum(times * (64 * code - m) ** 2 for code, times in pairs), count)
    variance = ops.norm_variance(total, squares, m, count, epsilon)
    assert variance == nearest(exact) + epsilon
    assert epsilon <= variance < 2**43
    parts = squares * 2**12, m * (total * 2**7 - count * m), 2 * nearest(exact * count) + count
    assert max(map(abs, parts)) < LIMIT


@given(st.integers(1, 2**43), st.integers(0, 43))
@example(1, 0)
@example(2**43, 0)
def test_inverse(variance, fewer):
    variance = max(variance >> fewer, 1)
    v = ops.norm_inverse(variance)
    assert v == 2**36 // isqrt(variance * 2**16)
    assert 2**6 <= v <= 2**28
    assert v <= 2**24 or variance < 256
    # v / 2^22 is 1/std to the larger of 2^-8 of itself (the root's last bit) and its own last bit
    squared = Fraction(2**56, variance)
    assert (v * v) <= squared * (1 + Fraction(1, 64))
    assert (v + 1) ** 2 >= squared


@given(SHORT, MEANS, INVERSES)
@example(-RAIL, 2**21, 2**28)
@example(RAIL - 1, -(2**21), 2**28)
def test_value(a, m, v):
    assert ops.norm_value(a, m, v) == nearest(Fraction((64 * a - m) * v, 2**16))
    assert abs((64 * a - m) * v) + 2**15 < LIMIT


@given(SHORT, SHORT, SHORT, st.integers(0, 30))
def test_affine(x, gamma, beta, shift):
    assert ops.norm_affine(x, gamma, beta, shift) == x * gamma + beta * 2**shift
    assert abs(x * gamma + beta * 2**shift) <= 2**30 + 2**45


@given(st.integers(-(2**43), 2**43), st.integers(-(2**43), 2**43), st.integers(0, 31))
def test_running_statistics_stay_between_the_old_and_the_new(running, now, shift):
    moved = ops.norm_running(running, now, shift)
    assert moved == running + nearest(Fraction(now - running, 2**shift))
    assert min(running, now) <= moved <= max(running, now)


@given(SHORT, INVERSES, SCALE_FRACS, st.integers(0, 31))
@example(-RAIL, 2**28, 6, 31)
def test_factor_of_the_way_back(gamma, v, scale_frac, input_frac):
    shift = scale_frac + 8 - input_frac
    k = ops.norm_factor_back(gamma, v, shift)
    assert k == nearest(scaled(gamma * v, -shift))
    assert abs(k) < LIMIT
    assert ops.factor_code(k) == clamp(k, 24)


@given(SHORT, MEANS, SHORT, st.integers(-(2**30), 2**30))
@example(-RAIL, 2**21, -RAIL, -(2**30))
@example(RAIL - 1, -(2**21), -RAIL, 2**30)
def test_error(d, m1, x, m2):
    t = ops.norm_error(d, m1, x, m2)
    assert t == 64 * d - m1 - nearest(Fraction(x * m2, 2**18))
    assert abs(t) < 2**28


@given(SHORT, SHORT, SHORT, INVERSES, MEANS, SCALE_FRACS, st.integers(0, 24))
@example(-RAIL, -RAIL, -RAIL, 2**28, 2**21, 6, 0)
@example(-RAIL, RAIL - 1, -RAIL, 2**28, -(2**21), 6, 24)
def test_folded_words(a, gamma, beta, v, running, scale_frac, offset_frac):
    u = ops.fold_scale(gamma, v, scale_frac)
    assert u == nearest(scaled(gamma * v, 2 - scale_frac))
    b = ops.fold_offset(beta, offset_frac, running, u)
    assert b == beta * 2 ** (24 - offset_frac) - nearest(Fraction(running * u, 64))
    assert ops.fold_value(a, u, b) == a * u + b
    assert max(abs(gamma * v), abs(running * u) + 32, abs(a * u) + abs(b)) < LIMIT


def test_codes_of_values_and_factors():
    for code in (-(2**40), -RAIL - 1, -RAIL, -1, 0, RAIL - 1, RAIL, 2**23 - 1, 2**23, 2**40):
        assert (ops.value_code(code), ops.factor_code(code)) == (clamp(code, 16), clamp(code, 24))


def test_every_short_value_at_one_statistic():
    m, v = 4660, 27_183
    codes = range(-RAIL, RAIL, 7)
    assert [ops.norm_value(a, m, v) for a in codes] == [((64 * a - m) * v + 2**15) // 2**16 for a in codes]


# --- formats ---------------------------------------------------------------------------------------------


def signed(fracs):
    return st.builds(Format, st.just(True), st.sampled_from([2, 8, 16]), fracs)


FORMATS = st.builds(
    NormFormats,
    st.integers(0, 40),
    *(
        signed(fracs)
        for fracs in (st.integers(0, 31), SCALE_FRACS, *[st.integers(0, 26)] * 2, *[st.integers(0, 31)] * 2)
    ),
    st.sampled_from([1, 256, 2**42]),
    st.integers(0, 31),
)
GOOD = NormFormats(22, *(Format.parse(text) for text in ("s16f8", "s16f12", "s16f12", "s8f4", "s16f15", "s16f15")))


def largest(formats):
    """Largest intermediate values and shifts of everything that these formats lead to."""
    v = ops.norm_inverse(min(formats.epsilon, ops.FIRST_VARIANCE))
    gamma, beta = formats.scale.magnitude, formats.offset.magnitude
    u = scaled(gamma * v, 2 - formats.scale.frac)
    b = scaled(beta, 24 - formats.offset.frac) + 2**15 * u
    affine = 2**15 * gamma + scaled(beta, formats.offset_shift)
    widened = [
        scaled(2**31, -formats.input_shift),
        affine,
        scaled(affine, -formats.output_shift),
        scaled(gamma * v, -formats.factor_shift),
        2**21 * u,
        2**15 * u + b,
        scaled(2**15 * u + b, -formats.fold_shift),
        scaled(2**51, -formats.error_shift),
    ]
    shifts = [
        formats.input_shift,
        formats.output_shift,
        formats.factor_shift,
        formats.fold_shift,
        formats.error_shift,
        formats.shift,
    ]
    return max(widened), max(shifts), min(formats.offset_shift, formats.fold_shift)


@given(FORMATS)
@example(GOOD)
def test_formats_that_are_not_refused_fit(formats):
    assume(not formats.complaint())
    widest, shift, exact = largest(formats)
    assert widest + 2**31 < LIMIT
    assert shift <= 31
    assert exact >= 0


EXTREMES = [
    (0, 0, 6, 0, 24, 0, 10, 1),
    (30, 0, 6, 18, 24, 0, 0, 1),
    (1, 31, 6, 0, 24, 31, 31, 1),
    (31, 0, 18, 24, 0, 11, 0, 1 << 42),
    (62, 31, 18, 0, 24, 31, 20, 1),
]


@pytest.mark.parametrize("fracs", EXTREMES)
def test_extreme_formats_fit(fracs):
    sums, *others, epsilon = fracs
    formats = NormFormats(sums, *(Format(True, 16, frac) for frac in others), epsilon)
    assert not formats.complaint()
    widest, shift, exact = largest(formats)
    assert widest + 2**31 < LIMIT
    assert shift <= 31
    assert exact >= 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input": "u16f8"}, "input must be signed"),
        ({"scale": "s17f12"}, "scale must be signed"),
        ({"scale": "s16f5"}, "scale must be 6 to 18"),
        ({"offset": "s16f25"}, "offset must be 0 to 24"),
        ({"output": "s16f25"}, "pre-activation must be 0 to 24"),
        ({"sum_frac": 40}, "sums to input must be -30 to 31, not 32"),
        ({"delta": "s16f0", "error": "s16f31"}, "delta to error must be -10 to 31, not -11"),
        ({"epsilon": 0}, "epsilon must be 1 to"),
        ({"shift": 32}, "shift must be 0 to 31"),
    ],
)
def test_refused_formats_are_named(change, words):
    given = {name: getattr(GOOD, name) for name in GOOD.__dataclass_fields__}
    given |= {name: Format.parse(value) if isinstance(value, str) else value for name, value in change.items()}
    assert words in NormFormats(**given).complaint()
    assert not GOOD.complaint()
