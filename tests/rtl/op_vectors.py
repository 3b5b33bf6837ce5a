"""Operands for the RTL of the operations: everything where that is at most 2^16 rows, else corners and random ones.

Every function returns one row per vector, a column per argument of the Python function, and always the same rows.
Limits are those of real formats, signed or unsigned, of every number of bits that fits.
"""

import numpy as np
import numpy.typing as npt

from neuro_emu.numerics.modes import SAT, STOCH, WRAP

Vectors = npt.NDArray[np.int64]

EXHAUSTIVE, RANDOM = 1 << 16, 100_000
MODES = (SAT, WRAP)
SHIFTS = range(32)
ALL_SHIFTS = range(-64, 64)  # what seven bits hold
CORNER_WORDS = (0, 1, 0x55555555, 0x7FFFFFFF, 0x80000000, 0xAAAAAAAA, 0xFFFFFFFE, 0xFFFFFFFF)


def low_of(width):
    return -(1 << (width - 1))


def high_of(width):
    return (1 << (width - 1)) - 1


def codes(width):
    """Every signed code."""
    return range(low_of(width), high_of(width) + 1)


def formats(width):
    """Limits of every signed and unsigned format that a signed port of *width* bits carries."""
    signed = [(low_of(bits), high_of(bits)) for bits in range(1, width + 1)]
    return signed + [(0, (1 << bits) - 1) for bits in range(1, width)]


def product(*sets):
    """Every combination of rows of *sets*; a set is a list of numbers or of tuples."""
    columns = [np.array(list(rows), dtype=np.int64).reshape(len(rows), -1) for rows in sets]
    places = np.meshgrid(*[np.arange(len(rows)) for rows in columns], indexing="ij")
    return np.hstack([rows[place.ravel()] for rows, place in zip(columns, places, strict=True)])


def folded(values, width):
    """The low *width* bits of *values*, a number or an array of widths, as signed numbers."""
    return (values << (64 - width)) >> (64 - width)


def corners(width, low=0, high=0):
    """Codes where something happens, those beside the limits included."""
    found = {low_of(width), low_of(width) + 1, high_of(width) - 1, high_of(width), -2, -1, 0, 1, 2}
    found |= {limit + step for limit in (low, high) for step in (-1, 0, 1)}
    return sorted(code for code in found if low_of(width) <= code <= high_of(width))


def mixture(rng, width, *near):
    """Random codes: a share uniform, a share of every magnitude, and a share a few units from each array of *near*."""
    uniform = rng.integers(low_of(width), high_of(width), RANDOM, dtype=np.int64, endpoint=True)
    kinds = [uniform, uniform >> rng.integers(0, width, RANDOM)]
    kinds += [values + rng.integers(-2, 3, RANDOM) for values in near]
    return folded(np.choose(rng.integers(0, len(kinds), RANDOM), kinds), width)


def some_formats(rng, width):
    """Random limits, as two columns."""
    return np.array(formats(width), dtype=np.int64)[rng.integers(0, 2 * width - 1, RANDOM)].T


def clamp(in_width, out_width, modes=()):
    """Code, low, high and perhaps a mode."""
    tail = [modes] if modes else []
    if (2 * out_width - 1) << (in_width + len(tail)) <= EXHAUSTIVE:
        return product(codes(in_width), formats(out_width), *tail)
    rng = np.random.default_rng(1)
    low, high = some_formats(rng, out_width)
    columns = [mixture(rng, in_width, low, high), low, high]
    columns += [rng.integers(0, len(modes), RANDOM)] if modes else []
    edges = [product(corners(in_width, *limits), [limits], *tail) for limits in formats(out_width)]
    return np.vstack([*edges, np.column_stack(columns)])


def clamp_or_wrap(in_width, out_width):
    """Code, low, high, mode."""
    return clamp(in_width, out_width, MODES)


def addition(first_width, second_width):
    """Two terms, low, high, mode; the limits are those of the first."""
    if (2 * first_width - 1) << (first_width + second_width + 1) <= EXHAUSTIVE:
        return product(codes(first_width), codes(second_width), formats(first_width), MODES)
    rng = np.random.default_rng(2)
    low, high = some_formats(rng, first_width)
    first = mixture(rng, first_width, low, high)
    second = mixture(rng, second_width, low - first, high - first)
    edges = [
        product(corners(first_width, *limits), corners(second_width, *limits), [limits], MODES)
        for limits in formats(first_width)
    ]
    return np.vstack([*edges, np.column_stack([first, second, low, high, rng.integers(0, 2, RANDOM)])])


def rounding(width):
    """Code, shift, rounding, word."""
    rng = np.random.default_rng(3)
    shift = rng.integers(0, 32, RANDOM)
    half = np.int64(1) << np.maximum(shift - 1, 0)
    near_tie = (rng.integers(low_of(width), high_of(width), RANDOM, endpoint=True) & -2 * half) + half
    word = rng.integers(0, 1 << 32, RANDOM)
    word[::8] = np.array(CORNER_WORDS)[rng.integers(0, len(CORNER_WORDS), len(word[::8]))]
    rows = [np.column_stack([mixture(rng, width, near_tie), shift, rng.integers(0, STOCH + 1, RANDOM), word])]
    if width <= 8:  # every code and shift in every mode; every draw of up to 8 bits for the narrowest
        rows += [product(codes(width), SHIFTS, range(STOCH), [0xFFFFFFFF])]
        rows += [product(codes(width), SHIFTS, [STOCH], CORNER_WORDS)]
    if width <= 5:
        rows += [product(codes(width), range(9), [STOCH], [byte << 24 | 0x5A5A5A for byte in range(256)])]
    else:
        rows += [product(corners(width), SHIFTS, range(STOCH + 1), CORNER_WORDS)]
    return np.vstack(rows)


def without_lost_bits(rows, width):
    """Shorten the codes (column 0) whose left shift (column 1, negative) would not fit *width* bits."""
    kept = np.minimum(width + rows[:, 1], 64)
    rows[:, 0] = np.where(kept < 1, 0, folded(rows[:, 0], np.maximum(kept, 1)))
    return rows


def _shifts_and_codes(rng, width, *limits):
    """Random shifts and codes that come to lie near a tie or near the limits after the shift."""
    shift = np.where(rng.integers(0, 4, RANDOM) > 0, rng.integers(-12, 32, RANDOM), rng.integers(-64, 64, RANDOM))
    right, left = np.clip(shift, 0, 63), np.clip(-shift, 0, 63)
    half = np.where(shift > 0, np.int64(1) << np.maximum(right - 1, 0), 0)
    near = [((limit << right) >> left) - half for limit in limits]
    tie = ((rng.integers(low_of(width), high_of(width), RANDOM, endpoint=True) >> right) << right) + half
    return shift, mixture(rng, width, tie, *near)


def alignment(in_width, out_width):
    """Code, shift."""
    if 128 << in_width <= EXHAUSTIVE:
        return without_lost_bits(product(codes(in_width), ALL_SHIFTS), out_width)
    shift, code = _shifts_and_codes(np.random.default_rng(4), in_width)
    rows = [product(corners(in_width), ALL_SHIFTS), np.column_stack([code, shift])]
    return without_lost_bits(np.vstack(rows), out_width)


def requantising(in_width, mid_width, out_width):
    """Code, shift, low, high."""
    if (128 * (2 * out_width - 1)) << in_width <= EXHAUSTIVE:
        return without_lost_bits(product(codes(in_width), ALL_SHIFTS, formats(out_width)), mid_width)
    rng = np.random.default_rng(5)
    low, high = some_formats(rng, out_width)
    shift, code = _shifts_and_codes(rng, in_width, low, high, high + 1)
    edges = [product(corners(in_width, *limits), (-31, -1, 0, 1, 2, 30, 31), [limits]) for limits in formats(out_width)]
    return without_lost_bits(np.vstack([*edges, np.column_stack([code, shift, low, high])]), mid_width)


def signs(width):
    """Error, dead zone (not negative)."""
    if 1 << (2 * width - 1) <= EXHAUSTIVE:
        return product(codes(width), range(high_of(width) + 1))
    rng = np.random.default_rng(6)
    zone = np.abs(mixture(rng, width - 1))
    zones = sorted({0, 1, 2, high_of(width) - 1, high_of(width)})
    edges = [product(corners(width, -zone, zone), [zone]) for zone in zones]
    return np.vstack([*edges, np.column_stack([mixture(rng, width, zone, -zone), zone])])


def sums(total_width, count_width):
    """Sums and how many codes they are of, at least one."""
    counts = range(1, 1 << count_width)
    if len(counts) << total_width <= EXHAUSTIVE:
        return product(codes(total_width), counts)
    rng = np.random.default_rng([total_width, count_width])
    totals = mixture(rng, total_width)
    edges = product(corners(total_width), [1, 2, 3, (1 << count_width) - 1])
    return np.vstack([edges, np.column_stack([totals, rng.integers(1, 1 << count_width, len(totals))])])


def noises(width):
    """Words at both sides of their sign, and amplitudes."""
    rng = np.random.default_rng([width])
    some = [*CORNER_WORDS, *rng.integers(0, 1 << 32, 200).tolist()]
    return product(some, codes(width)[1:] if width <= 8 else [c for c in corners(width) if c > low_of(width)])


def banks(address_width, banks_width):
    """Address, banks (a power of two)."""
    powers = [1 << bit for bit in range(banks_width)]
    if banks_width << address_width <= EXHAUSTIVE:
        return product(range(1 << address_width), powers)
    rng = np.random.default_rng(7)
    address = rng.integers(0, 1 << address_width, RANDOM)
    edges = product([0, 1, (1 << address_width) - 1, 1 << (address_width - 1)], powers)
    return np.vstack([edges, np.column_stack([address, np.array(powers)[rng.integers(0, banks_width, RANDOM)]])])


def _corner_words():
    one_bit = [1 << bit for bit in range(32)]
    return [*CORNER_WORDS, *one_bit, *[0xFFFFFFFF ^ bit for bit in one_bit]]


def words():
    """A word: every low half, every high half, every single bit, random ones."""
    halves = np.arange(1 << 16)
    random = np.random.default_rng(8).integers(0, 1 << 32, RANDOM)
    return np.concatenate([_corner_words(), halves, halves << 16, random]).reshape(-1, 1)


def draws():
    """Word, shift."""
    rng = np.random.default_rng(9)
    random = np.column_stack([rng.integers(0, 1 << 32, RANDOM), rng.integers(0, 32, RANDOM)])
    return np.vstack([product(_corner_words(), SHIFTS), random])


def addresses():
    """Every signed byte."""
    return product(codes(8))


def dropouts():
    """Word, threshold: every pair of top bits and threshold, the bits below all zeros or all ones."""
    return product([top << 24 | below for top in range(256) for below in (0, 0xFFFFFF)], range(256))


def unsigned(rng, width):
    """Random numbers of up to *width* bits, at least one: uniform and of every magnitude."""
    uniform = rng.integers(1, (1 << width) - 1, RANDOM, endpoint=True)
    return np.maximum(uniform >> (rng.integers(0, 2, RANDOM) * rng.integers(0, width, RANDOM)), 1)


def near_powers(width):
    """Numbers of up to *width* bits, at least one, beside every power of two."""
    found = {(1 << bit) + step for bit in range(width + 1) for step in (-2, -1, 0, 1, 2)}
    return sorted(number for number in found if 1 <= number < 1 << width)


def totals(width):
    """Totals, at least one; also those where the quotient changes."""
    if 1 << width <= EXHAUSTIVE:
        return product(range(1, 1 << width))
    rng = np.random.default_rng([10, width])
    change = 0xFFFFFFFF // unsigned(rng, 32) + rng.integers(0, 2, RANDOM)
    return np.concatenate([near_powers(width), unsigned(rng, width), np.minimum(change, (1 << width) - 1)])[:, None]


def velocities(velocity_width, gradient_width, sum_width):
    """Velocity, gradient, decay, shift; operands are shortened until the sum fits."""
    if 1024 << (velocity_width + gradient_width) <= EXHAUSTIVE:
        rows = product(codes(velocity_width), codes(gradient_width), SHIFTS, SHIFTS)
    else:
        rng = np.random.default_rng([11, velocity_width, gradient_width])
        shifts = rng.integers(0, 32, (2, RANDOM))
        random = [mixture(rng, velocity_width), mixture(rng, gradient_width), *shifts]
        some = (0, 1, 2, 30, 31)
        edges = product(corners(velocity_width), corners(gradient_width), some, some)
        rows = np.vstack([edges, np.column_stack(random)])
    more = np.maximum(rows[:, 2], rows[:, 3])
    rows[:, 0] = folded(rows[:, 0], np.minimum(velocity_width, sum_width - 1 - more))
    rows[:, 1] = folded(rows[:, 1], np.minimum(gradient_width, sum_width - 1 - more + rows[:, 3]))
    return rows


def radicands(code_width, root_width):
    """Codes, 0 too; also squares and what lies beside them."""
    if 1 << code_width <= EXHAUSTIVE:
        return product(range(1 << code_width))
    rng = np.random.default_rng([12, code_width])
    root = unsigned(rng, root_width)
    beside = np.clip(root * root + rng.integers(-1, 2, RANDOM), 0, (1 << code_width) - 1)
    return np.concatenate([[0], near_powers(code_width), unsigned(rng, code_width), beside])[:, None]


def norms(gamma_width, squares_width, _factor_width):
    """Gamma, squares (at least one)."""
    if 1 << (gamma_width + squares_width) <= EXHAUSTIVE:
        return product(range(1 << gamma_width), range(1, 1 << squares_width))
    rng = np.random.default_rng([13, gamma_width, squares_width])
    edges = product([0, 1, 2, (1 << gamma_width) - 1], near_powers(squares_width))
    return np.vstack([edges, np.column_stack([unsigned(rng, gamma_width), unsigned(rng, squares_width)])])


def _scaled(rng, width):
    """Scaled weights with 16 fractional bits; one in eight is a whole code."""
    exact = mixture(rng, width)
    exact[::8] &= -1 << 16
    return exact


def squares(exact_width, code_width, _gap_width):
    """Exact, code: any, and neighbours."""
    if 1 << (exact_width + code_width) <= EXHAUSTIVE:
        return product(codes(exact_width), codes(code_width))
    rng = np.random.default_rng([14, exact_width, code_width])
    exact = _scaled(rng, exact_width)
    code = mixture(rng, code_width, exact >> 16)
    return np.vstack([product(corners(exact_width), corners(code_width)), np.column_stack([exact, code])])


def holds(exact_width, code_width, short_width, gamma_width):
    """Exact, one of its neighbours, short, gamma; short at random or where the choice changes."""
    rng = np.random.default_rng([15, exact_width, short_width])
    exact = _scaled(rng, min(exact_width, code_width + 15))
    side = ((exact & 0xFFFF) > 0) * rng.integers(0, 2, RANDOM)
    below, gamma = exact >> 16, unsigned(rng, gamma_width)
    gap, other = ((exact >> 6) ** 2 - ((below + step) << 10) ** 2 for step in (side, 1 - side))
    band, sign = gamma << 20, rng.choice([-1, 1], RANDOM)
    within = (rng.random(RANDOM) * 2 - 1) * band
    ends = np.where(sign > 0, high_of(short_width), low_of(short_width))
    kinds = [mixture(rng, short_width, ends), within.astype(np.int64), sign * band - gap, -(gap + other) // 2]
    short = np.choose(rng.integers(0, len(kinds), RANDOM), kinds) + rng.integers(-1, 2, RANDOM)
    return np.column_stack([exact, below + side, folded(short, short_width), gamma])
