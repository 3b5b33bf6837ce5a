"""Pieces of words that fast kernels take apart and put together: no operation of the chip."""

from __future__ import annotations

from neuro_emu.jit import scalar_op


@scalar_op
def low_bits(word: int, count: int) -> int:
    """Lowest *count* bits of a word that is not negative."""
    return word & ((1 << count) - 1)


@scalar_op
def byte_of(word: int, position: int) -> int:
    """Byte *position* of a word, 0 the lowest."""
    return (word >> 8 * position) & 0xFF


@scalar_op
def join_halves(high: int, low: int) -> int:
    """Return the sum whose parts are ``high`` = Σ (p >> 8) and ``low`` ≡ Σ p modulo 2^16, if Σ (p mod 2^8) < 2^16."""
    return (high << 8) + ((low - (high << 8)) & 0xFFFF)
