"""Sets of integers that a signal may take: what proofs of reach are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd

_MOST_POINTS = 1 << 16
_DEEPEST = 63


@dataclass(frozen=True)
class Numbers:
    """Integers: exactly *points*, or, without points, the multiples of *step* from *low* to *high* and *ends*.

    Attributes:
        low: the smallest.
        high: the largest.
        step: divides all but the ends; 0 for a set that holds 0 alone.
        points: all of them in ascending order, where they are few.
        ends: where a saturation put members that are no multiples.

    """

    low: int
    high: int
    step: int
    points: tuple[int, ...] | None = None
    ends: tuple[int, ...] = ()

    @classmethod
    def of(cls, values: Iterable[int]) -> Numbers:
        """Return the set of *values*, at least one."""
        points = tuple(sorted({int(value) for value in values}))
        return cls(points[0], points[-1], gcd(*points), points)

    @classmethod
    def between(cls, low: int, high: int, step: int = 1) -> Numbers:
        """Multiples of *step* from *low* ≤ 0 to *high* ≥ 0."""
        if step == 0 or (high - low) // step < _MOST_POINTS // 16:
            return cls.of(range(-(-low // step) * step, high + 1, step) if step else [0])
        return cls(low, high, step)

    def __contains__(self, value: int) -> bool:
        if self.points is not None:
            return value in self.points
        return value in self.ends or (self.low <= value <= self.high and value % self.step == 0)

    def any_between(self, low: int, high: int) -> bool:
        """Whether a member lies in [*low*, *high*]."""
        if self.points is not None:
            return any(low <= point <= high for point in self.points)
        low, high = max(low, self.low), min(high, self.high)
        return any(low <= end <= high for end in self.ends) or -(-low // self.step) * self.step <= high

    def representatives(self) -> tuple[int, ...]:
        """Members that decide every question about ties.

        Of each class of equal sign, equal number of factors 2 and equal odd part modulo 4, the one of the least
        magnitude; and 0, the smallest and the largest.
        """
        found = {self.low, self.high, *self.ends} | ({0} if 0 in self else set())
        if self.points is not None:
            best: dict[tuple[bool, int, int], int] = {}
            for point in sorted(self.points, key=abs):
                if point:
                    best.setdefault((point > 0, *_odd_part(point)), point)
            return tuple(sorted(found | set(best.values())))
        for depth in range(_DEEPEST):
            for factor in (1, -1, 3, -3):
                value = self.step * factor * (1 << depth)
                if self.low <= value <= self.high:
                    found.add(value)
        return tuple(sorted(found))

    def times(self, factors: tuple[int, ...]) -> Numbers:
        """Products of each member and each of *factors*."""
        if self.points is not None and len(self.points) * len(factors) <= _MOST_POINTS * 4:
            return Numbers.of({point * factor for point in self.points for factor in set(factors)})
        if not any(factors):
            return Numbers.of([0])
        corners = [end * factor for end in (self.low, self.high) for factor in (min(factors), max(factors))]
        ends = {end * factor for end in self.ends for factor in factors}
        return Numbers(min(corners), max(corners), self.step * gcd(*factors), None, tuple(sorted(ends)))

    def narrowed(self, shift: int, low: int, high: int) -> Numbers:
        """What requantising by *shift* to [*low*, *high*] may make of the members."""

        def narrow(value: int) -> int:
            return min(max(align(value, shift), low), high)

        if self.points is not None:
            return Numbers.of(narrow(point) for point in self.points)
        smallest, largest = narrow(self.low), narrow(self.high)
        ends = tuple(sorted({smallest, largest, *map(narrow, self.ends)}))
        step = align(self.step, shift) if shift <= 0 or self.step % (1 << shift) == 0 else 1
        return Numbers(smallest, largest, step, None, ends)


def _odd_part(value: int) -> tuple[int, int]:
    """(factors 2, odd part modulo 4) of a number that is not 0."""
    depth = 0
    while value % 2 == 0:
        value, depth = value // 2, depth + 1
    return depth, value % 4


def align(value: int, shift: int) -> int:
    """`align` of docs/numerics.md for numbers of any size."""
    if shift <= 0:
        return value * (1 << -shift)
    return (value + (1 << (shift - 1))) // (1 << shift)
