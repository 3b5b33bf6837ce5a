"""Fixed-point formats: how an integer code reads as a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

MAX_BITS = 32
MAX_FRAC = 31


@dataclass(frozen=True)
class Format:
    """A stored word: ``s<bits>f<frac>`` or ``u<bits>f<frac>``; value = code · 2^-frac.

    Attributes:
        signed: two's complement if true.
        bits: width in all, 1…32, the sign included.
        frac: fractional bits, 0…31; may exceed ``bits``.

    """

    signed: bool
    bits: int
    frac: int

    pattern: ClassVar[str] = r"^[su](?:[1-9]|[12][0-9]|3[0-2])f(?:[0-9]|[12][0-9]|3[01])$"

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MAX_BITS:
            raise ValueError(f"a format has 1 to {MAX_BITS} bits, got {self.bits}")
        if not 0 <= self.frac <= MAX_FRAC:
            raise ValueError(f"a format has 0 to {MAX_FRAC} fractional bits, got {self.frac}")

    @classmethod
    def parse(cls, text: str) -> Format:
        """Read ``s8f6`` or ``u8f8``. Raises ValueError for anything else."""
        match = re.fullmatch(r"([su])(\d{1,3})f(\d{1,3})", text)
        if match is None:
            raise ValueError(f"{text!r} is not a format; write s8f6 (signed, 8 bits, 6 fractional) or u8f8")
        return cls(match[1] == "s", int(match[2]), int(match[3]))

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.bits}f{self.frac}"

    @property
    def low(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def magnitude(self) -> int:
        """Largest absolute value of a code."""
        return max(-self.low, self.high)

    @property
    def one(self) -> int:
        """Code of the value 1, or the largest code where 1 does not fit."""
        return min(1 << self.frac, self.high)

    def quantise(self, value: Fraction | int) -> int:
        """Return the code nearest to an exact *value* (ties up), clamped; done on the host, once."""
        scaled = Fraction(value) * (1 << self.frac) + Fraction(1, 2)
        return min(max(scaled.numerator // scaled.denominator, self.low), self.high)
