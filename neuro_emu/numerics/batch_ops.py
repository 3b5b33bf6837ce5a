"""Integer semantics of batch normalisation: each scalar below *is* the definition (docs/numerics.md, section 9).

Everything is in units of one code *a* of the norm's input, 16 bits, so its fraction cancels; only the error that goes
back sees it. A batch has N = 1 … 2^18 values a channel. Bounds are those of 64-bit hardware and hold for every
:class:`neuro_emu.numerics.norm_formats.NormFormats` that is not refused: f_γ = 6 … 18, epsilon at least 1.

Per channel and batch a serial unit divides four times (means) and once for v, and takes one root; per value there is
one multiplication for the statistics, two forward, one for the sums of the backward pass and two for its errors.
"""

from __future__ import annotations

from neuro_emu.jit import scalar_op
from neuro_emu.numerics import norm_numbers as numbers
from neuro_emu.numerics.modes import RND
from neuro_emu.numerics.ops import align, mean, root, round_shift, saturate

MEAN_FRAC, VALUE_FRAC, INVERSE_FRAC = numbers.MEAN_FRAC, numbers.VALUE_FRAC, numbers.INVERSE_FRAC
FOLD_FRAC, FACTOR_FRAC = numbers.FOLD_FRAC, numbers.FACTOR_FRAC
MOST_VALUES, FIRST_VARIANCE = numbers.MOST_VALUES, numbers.FIRST_VARIANCE


@scalar_op
def norm_mean(total: int, count: int) -> int:
    """Mean m of *count* codes, or of their errors, with 6 more fractional bits: s22.

    2 · |total| · 2^6 + count < 2^41. Hardware: one serial division, 48 cycles.
    """
    return mean(total << MEAN_FRAC, count)


@scalar_op
def norm_variance(total: int, squares: int, m: int, count: int, epsilon: int) -> int:
    """Mean square V of 64·a − m, plus *epsilon*: 12 fractional bits, below 2^43, at least *epsilon*.

    Σ (64·a − m)² = squares · 2^12 − m · (total · 2^7 − count · m), never negative however m was rounded.
    squares · 2^12 ≤ 2^60; total · 2^7 − count · m is total · 2^6 up to count / 2, so its product with m stays below
    2^61. A variance of numbers in a span of 2^22 is at most 2^42, so 2 · Σ + count < 2^62.
    Hardware: two serial multiplications with m, 22 cycles each, one serial division.
    """
    return mean((squares << 2 * MEAN_FRAC) - m * ((total << (MEAN_FRAC + 1)) - count * m), count) + epsilon


@scalar_op
def norm_inverse(variance: int) -> int:
    """1/std with 22 fractional bits, v = 2^36 div σ, σ = std · 2^14: 2^6 … 2^28, at most 2^24 with the epsilon 256.

    variance · 2^16 < 2^59. Hardware: 31 steps for the root, 37 for the division.
    """
    return (1 << (INVERSE_FRAC + FACTOR_FRAC)) // root(variance << 16)


@scalar_op
def norm_value(a: int, m: int, v: int) -> int:
    """Normalised value (64·a − m) · v before it saturates to s16, 12 fractional bits.

    |64·a − m| ≤ 2^22 and v ≤ 2^28: the product is at most 2^50.
    Hardware: one multiplication, with the epsilon 256 s23 × u25 bits.
    """
    return round_shift(((a << MEAN_FRAC) - m) * v, MEAN_FRAC + INVERSE_FRAC - VALUE_FRAC, RND, 0)


@scalar_op
def norm_affine(x: int, gamma: int, beta: int, shift: int) -> int:
    """Sum x · γ + β, exact, 12 + f_γ fractional bits; *shift* = 12 + f_γ − f_β is 0 … 30.

    2^30 + 2^45 at most. Hardware: one multiplication 16 × 16 bits, one addition.
    """
    return x * gamma + (beta << shift)


@scalar_op
def norm_running(running: int, now: int, shift: int) -> int:
    """Move a running mean or variance by 2^-*shift* of its distance to *now*; it stays between the two."""
    return running + round_shift(now - running, shift, RND, 0)


@scalar_op
def norm_factor_back(gamma: int, v: int, shift: int) -> int:
    """γ/std of a channel in units of values, s24f14 before it saturates; *shift* = f_γ + 8 − f_a is −17 … 26.

    |γ · v| ≤ 2^43; to the left at most 17 bits, 2^60. Hardware: one multiplication 16 × 25 bits a channel.
    """
    return align(gamma * v, shift)


@scalar_op
def norm_error(d: int, m1: int, x: int, m2: int) -> int:
    """Error less what the statistics of the batch take of it, 6 more fractional bits than *d*: below 2^28.

    m1: mean of the errors, 6 more fractional bits (s22); m2: mean of error · x, 12 more (|m2| ≤ 2^30).
    |x · m2| ≤ 2^45 loses 18 bits. Hardware: one multiplication; the one with the factor of 24 bits follows (2^51).
    """
    return (d << MEAN_FRAC) - m1 - round_shift(x * m2, 2 * VALUE_FRAC - MEAN_FRAC, RND, 0)


@scalar_op
def fold_scale(gamma: int, v: int, frac: int) -> int:
    """γ/std per code, u, 24 fractional bits; *frac* is f_γ, 6 … 18.

    |γ · v| ≤ 2^43, so |u| ≤ 2^39 (default formats and epsilon: 2^29). Hardware: one multiplication a channel.
    """
    return align(gamma * v, frac + INVERSE_FRAC - FOLD_FRAC)


@scalar_op
def fold_offset(beta: int, frac: int, running: int, scale: int) -> int:
    """β − mean · u, 24 fractional bits; *frac* is f_β, at most 24, *running* the running mean.

    |β| · 2^(24 − f_β) ≤ 2^39; |running · u| ≤ 2^60 loses 6 bits. Hardware: one multiplication a channel.
    """
    return align(beta, frac - FOLD_FRAC) - round_shift(running * scale, MEAN_FRAC, RND, 0)


@scalar_op
def fold_value(a: int, scale: int, offset: int) -> int:
    """Folded value a · u + b, 24 fractional bits, at most 2^54 + 2^55. Hardware: one multiply-addition a value."""
    return a * scale + offset


@scalar_op
def value_code(x: int) -> int:
    """Saturate a normalised value to s16."""
    return saturate(x, -(1 << 15), (1 << 15) - 1)


@scalar_op
def factor_code(k: int) -> int:
    """Saturate a factor of the way back to s24."""
    return saturate(k, -(1 << 23), (1 << 23) - 1)
