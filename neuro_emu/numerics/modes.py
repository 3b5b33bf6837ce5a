"""Names of the rounding, overflow and random-word modes, with the small codes that kernels switch on."""

from __future__ import annotations

from enum import Enum


class Rounding(Enum):
    """What happens to the bits that a right shift drops (docs/numerics.md, section 2)."""

    TRN = "TRN"
    TRN_ZERO = "TRN_ZERO"
    RND = "RND"
    RND_CONV = "RND_CONV"
    STOCH = "STOCH"

    @property
    def code(self) -> int:
        """Return the number by which kernels know this mode."""
        return list(Rounding).index(self)


class Overflow(Enum):
    """What happens to a value outside its format: clamp (SAT) or modulo 2^bits (WRAP)."""

    SAT = "SAT"
    WRAP = "WRAP"

    @property
    def code(self) -> int:
        """Return the number by which kernels know this mode."""
        return list(Overflow).index(self)


class WordSource(Enum):
    """Where the random words of stochastic rounding come from (docs/numerics.md, section 7)."""

    ROW_WORD = "row_word"
    ROW_LFSR = "row_lfsr"
    RAW = "raw"
    LANE_XORSHIFT = "lane_xorshift"
    LANE_LFSR = "lane_lfsr"

    @property
    def code(self) -> int:
        """Return the number by which kernels know this source."""
        return list(WordSource).index(self)

    @property
    def per_lane(self) -> bool:
        """Whether one register per physical lane is used instead of one per weight matrix."""
        return self in {WordSource.LANE_XORSHIFT, WordSource.LANE_LFSR}


TRN, TRN_ZERO, RND, RND_CONV, STOCH = range(5)
SAT, WRAP = range(2)
ROW_WORD, ROW_LFSR, RAW, LANE_XORSHIFT, LANE_LFSR = range(5)
