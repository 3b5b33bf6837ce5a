"""Integer semantics of every operation the silicon has: each scalar below *is* the definition.

Kernels inline them and the RTL module has the same stem. Operands are unbounded in the contract; here they
are 64-bit, which the configuration proves to be wide enough. Shifts are 0…31, words are 0…2^32−1.
"""

from __future__ import annotations

from neuro_emu.jit import scalar_op
from neuro_emu.numerics.modes import RND, RND_CONV, SAT, STOCH, TRN_ZERO


@scalar_op
def saturate(code: int, low: int, high: int) -> int:
    """Clamp *code* to [*low*, *high*]."""
    return min(max(code, low), high)


@scalar_op
def wrap(code: int, low: int, high: int) -> int:
    """Keep the low bits of *code*: modulo the span of [*low*, *high*], a power of two."""
    return ((code - low) & (high - low)) + low


@scalar_op
def overflow(code: int, low: int, high: int, mode: int) -> int:
    """Bring *code* into [*low*, *high*] by the overflow *mode*."""
    if mode == SAT:
        return saturate(code, low, high)
    return wrap(code, low, high)


@scalar_op
def round_shift(code: int, shift: int, rounding: int, word: int) -> int:
    """Divide *code* by 2^*shift* (0…31); *word* is the 32-bit random word of STOCH."""
    if shift == 0:
        return code
    if rounding == STOCH:
        return (code + draw(word, shift)) >> shift
    if rounding == RND:
        return (code + (1 << (shift - 1))) >> shift
    if rounding == RND_CONV:
        return (code + (1 << (shift - 1)) - 1 + ((code >> shift) & 1)) >> shift
    if rounding == TRN_ZERO and code < 0:
        return (code + (1 << shift) - 1) >> shift
    return code >> shift


@scalar_op
def align(code: int, shift: int) -> int:
    """Drop *shift* fractional bits, rounding to nearest with ties up; a negative shift is exact to the left."""
    if shift < 0:
        return code << -shift
    return round_shift(code, shift, RND, 0)


@scalar_op
def requantise(code: int, shift: int, low: int, high: int) -> int:
    """Narrow *code*: align by *shift* = f_src − f_dst, then saturate to [*low*, *high*]."""
    return saturate(align(code, shift), low, high)


@scalar_op
def accumulate(acc: int, weight: int, x: int, low: int, high: int) -> int:
    """One saturating step of a multiply-accumulate unit."""
    return saturate(acc + weight * x, low, high)


@scalar_op
def add_step(weight: int, step: int, low: int, high: int, mode: int) -> int:
    """Add a rounded *step* to a stored weight."""
    return overflow(weight + step, low, high, mode)


@scalar_op
def table_address(q: int) -> int:
    """Return where the entry of the signed 8-bit pre-activation *q* is stored: q mod 256."""
    return q & 255


@scalar_op
def ternary_sign(error: int, dead_zone: int) -> int:
    """Sign of *error*, 0 inside the dead zone."""
    if error > dead_zone:
        return 1
    if error < -dead_zone:
        return -1
    return 0


@scalar_op
def mean(total: int, count: int) -> int:
    """Mean of *count* codes with the sum *total*, rounded to nearest, ties up."""
    return (2 * total + count) // (2 * count)


@scalar_op
def noise_code(word: int, amplitude: int) -> int:
    """Zero-mean noise: +*amplitude* if the top bit of a 32-bit random word is set, else −*amplitude*."""
    return amplitude if word >= 1 << 31 else -amplitude


@scalar_op
def dropped(word: int, threshold: int) -> bool:
    """Whether the top 8 bits of a 32-bit random word are below *threshold* (0…255): a probability in 256ths."""
    return word >> 24 < threshold


@scalar_op
def reciprocal(total: int) -> int:
    """Return (2^32 − 1) / *total*, rounded down: softmax multiplies with it."""
    return 0xFFFFFFFF // total


@scalar_op
def velocity_sum(velocity: int, gradient: int, decay: int, shift: int) -> int:
    """(1 − 2^-*decay*) · velocity + gradient · 2^-*shift*, exact, with max(decay, shift) more fractional bits."""
    more = max(decay, shift)
    return (velocity << more) - (velocity << (more - decay)) + (gradient << (more - shift))


@scalar_op
def root(code: int) -> int:
    """Return the integer square root of *code*, 0 … 2^62 − 1, bit by bit."""
    result = 0
    for bit in range(30, -1, -1):
        trial = result | (1 << bit)
        if trial * trial <= code:
            result = trial
    return result


@scalar_op
def norm_factor(gamma: int, squares: int) -> int:
    """Return gamma / sqrt(*squares*) with 16 fractional bits; the root has 8, *squares* is positive."""
    norm = root(squares << 16)
    return ((gamma << 24) + (norm >> 1)) // norm


@scalar_op
def square_gap(exact: int, code: int) -> int:
    """Square of *exact* (16 fractional bits) less the square of *code*, with 20 fractional bits."""
    scaled = exact >> 6
    return scaled * scaled - (code << 10) * (code << 10)


@scalar_op
def hold_norm(exact: int, code: int, short: int, gamma: int) -> int:
    """Return *code*, or the other neighbour of *exact* where squares would stray by more than half a code of norm.

    *short* is what the squares of the rows before are short of, with 20 fractional bits.
    """
    gap = short + square_gap(exact, code)
    other = 2 * (exact >> 16) + 1 - code
    if abs(gap) <= gamma << 20 or exact & 0xFFFF == 0:
        return code
    return other if abs(short + square_gap(exact, other)) < abs(gap) else code


@scalar_op
def bank_of(address: int, banks: int) -> int:
    """Return the SRAM bank of a row address; *banks* is a power of two."""
    return address & (banks - 1)


@scalar_op
def xorshift(word: int) -> int:
    """Advance a 32-bit xorshift register (13, 17, 5)."""
    word ^= (word << 13) & 0xFFFFFFFF
    word ^= word >> 17
    return word ^ ((word << 5) & 0xFFFFFFFF)


@scalar_op
def lfsr(word: int) -> int:
    """Advance a 32-bit Galois LFSR: right shift, taps 0x80200003."""
    return (word >> 1) ^ (0x80200003 * (word & 1))


@scalar_op
def bit_reverse(word: int) -> int:
    """Mirror the 32 bits of *word*."""
    word = ((word >> 1) & 0x55555555) | ((word & 0x55555555) << 1)
    word = ((word >> 2) & 0x33333333) | ((word & 0x33333333) << 2)
    word = ((word >> 4) & 0x0F0F0F0F) | ((word & 0x0F0F0F0F) << 4)
    word = ((word >> 8) & 0x00FF00FF) | ((word & 0x00FF00FF) << 8)
    return (word >> 16) | ((word & 0xFFFF) << 16)


@scalar_op
def draw(word: int, shift: int) -> int:
    """Top *shift* bits of a 32-bit random word, uniform in 0 … 2^shift − 1."""
    return word >> (32 - shift)
