"""One row of one group by the definitions in numerics/ops: what the traced datapath is made of."""

from __future__ import annotations

from neuro_emu.jit import kernel
from neuro_emu.kernels.fabric import Int32, Int64
from neuro_emu.numerics.modes import SAT
from neuro_emu.numerics.ops import (
    accumulate,
    add_step,
    hold_norm,
    norm_factor,
    overflow,
    round_shift,
    saturate,
    square_gap,
    velocity_sum,
)


@kernel
def accumulate_row(sums: Int64, weights: Int32, x: int, low: int, high: int, mode: int) -> int:
    """Multiply one input code with the weights of a group's lanes; returns the number of clamps (SAT)."""
    clamped = 0
    for lane in range(sums.shape[0]):
        exact = sums[lane] + int(weights[lane]) * x
        if mode == SAT:
            sums[lane] = accumulate(sums[lane], int(weights[lane]), x, low, high)
            clamped += sums[lane] != exact
        else:
            sums[lane] = exact
    return clamped


@kernel
def wrap_sums(sums: Int64, low: int, high: int, mode: int) -> int:
    """Bring finished sums into the accumulator's range; returns how many changed (WRAP)."""
    changed = 0
    for lane in range(sums.shape[0]):
        kept = overflow(sums[lane], low, high, mode)
        changed += kept != sums[lane]
        sums[lane] = kept
    return changed


@kernel
def update_row(weights: Int32, products: Int64, words: Int64, settings: Int64, counts: Int64) -> None:
    """Add the rounded products to one row of a group's weights.

    Args:
        weights: (lanes,) updated in place.
        products: (lanes,) δ·x, or gradient sums.
        words: (lanes,) 32-bit random words.
        settings: (5,) shift, rounding, lowest and highest weight, overflow mode.
        counts: (2,) zero steps and overflows, incremented.

    """
    for lane in range(weights.shape[0]):
        step = round_shift(products[lane], settings[0], settings[1], words[lane])
        exact = int(weights[lane]) + step
        kept = add_step(int(weights[lane]), step, settings[2], settings[3], settings[4])
        counts[0] += step == 0
        counts[1] += kept != exact
        weights[lane] = kept


@kernel
def decay_row(codes: Int32, words: Int64, settings: Int64) -> None:
    """Take its rounded 2^-shift part from each code of one row of a group: M ← M − R(M, d).

    Args:
        codes: (lanes,) updated in place.
        words: (lanes,) 32-bit random words.
        settings: (5,) as of :func:`update_row`; the mode is SAT, which nothing reaches.

    """
    for lane in range(codes.shape[0]):
        step = round_shift(int(codes[lane]), settings[0], settings[1], words[lane])
        codes[lane] = add_step(int(codes[lane]), -step, settings[2], settings[3], settings[4])


@kernel
def velocity_row(velocity: Int32, sums: Int64, words: Int64, settings: Int64) -> None:
    """V ← SAT(R((1 − 2^-m) V + G · 2^-s_V)) for one row of a group.

    Args:
        velocity: (lanes,) updated in place.
        sums: (lanes,) gradients G.
        words: (lanes,) 32-bit random words.
        settings: (5,) m, s_V, rounding, lowest and highest velocity.

    """
    for lane in range(velocity.shape[0]):
        exact = velocity_sum(int(velocity[lane]), sums[lane], settings[0], settings[1])
        rounded = round_shift(exact, max(settings[0], settings[1]), settings[2], words[lane])
        velocity[lane] = saturate(rounded, settings[3], settings[4])


@kernel
def norm_factors(squares: Int64, gamma: int, factors: Int64) -> None:
    """Γ / sqrt(Σ W²) of each lane, 16 fractional bits; 0 for neurons without weights, which stay as they are."""
    for lane in range(squares.shape[0]):
        factors[lane] = norm_factor(gamma, squares[lane]) if squares[lane] else 0


@kernel
def normalise_row(codes: Int32, factors: Int64, short: Int64, words: Int64, settings: Int64) -> None:
    """Scale one row of a group's weights, keeping account of what the squares are short of.

    Args:
        codes: (lanes,) updated in place.
        factors: (lanes,) of :func:`norm_factors`.
        short: (lanes,) what the rows before are short of, 20 fractional bits; updated.
        words: (lanes,) 32-bit random words.
        settings: (4,) Γ, rounding, lowest and highest code.

    """
    for lane in range(codes.shape[0]):
        if factors[lane]:
            exact = int(codes[lane]) * factors[lane]
            code = round_shift(exact, 16, settings[1], words[lane])
            code = hold_norm(exact, code, short[lane], settings[0])
            short[lane] += square_gap(exact, code)
            codes[lane] = saturate(code, settings[2], settings[3])
