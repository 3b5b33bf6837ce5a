"""A figure with its uncertainty: low, nominal, high."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from neuro_emu.errors import RunError


@dataclass(frozen=True)
class Band:
    """A positive figure and the range it is expected in.

    Factors that are uncertain independently of each other are multiplied by :meth:`times`, parts of one whole are added
    with their uncertainties in step (the same constants stand behind all parts): what is printed never narrows by
    adding.

    Attributes:
        low: lower end.
        nominal: best estimate.
        high: upper end.

    Raises:
        RunError: unless 0 <= low <= nominal <= high, all finite.

    """

    low: float
    nominal: float
    high: float

    def __post_init__(self) -> None:
        ordered = 0 <= self.low <= self.nominal <= self.high
        if not (ordered and math.isfinite(self.high)):
            raise RunError(f"{self.low:g} / {self.nominal:g} / {self.high:g} is no range: low <= nominal <= high")

    @classmethod
    def exact(cls, value: float) -> Band:
        """Return a figure without uncertainty."""
        return cls(value, value, value)

    def __add__(self, other: Band) -> Band:
        return Band(self.low + other.low, self.nominal + other.nominal, self.high + other.high)

    def __mul__(self, factor: float) -> Band:
        return Band(self.low * factor, self.nominal * factor, self.high * factor)

    def __truediv__(self, divisor: float) -> Band:
        return Band(self.low / divisor, self.nominal / divisor, self.high / divisor)

    def times(self, *others: Band) -> Band:
        """Return the product of independent figures: their logarithmic deviations add in squares."""
        bands = [band for band in (self, *others) if band.low != band.high]
        nominal = math.prod(band.nominal for band in (self, *others))
        if nominal == 0:
            return Band.exact(0.0)
        if any(band.low == 0 for band in bands):
            down = math.inf
        else:
            down = math.sqrt(sum(math.log(band.nominal / band.low) ** 2 for band in bands))
        up = math.sqrt(sum(math.log(band.high / band.nominal) ** 2 for band in bands))
        return Band(min(nominal, nominal * math.exp(-down)), nominal, max(nominal, nominal * math.exp(up)))

    def contains(self, value: float) -> bool:
        """Whether *value* lies in the range."""
        return self.low <= value <= self.high

    def as_dict(self, scale: float = 1.0) -> dict[str, float]:
        """Return the record of reports, times *scale*, in six significant digits."""
        return {
            name: float(f"{scale * value:.6g}")
            for name, value in (("low", self.low), ("nominal", self.nominal), ("high", self.high))
        }


ZERO = Band.exact(0.0)


def total(bands: Iterable[Band]) -> Band:
    """Return the sum of parts."""
    return sum(bands, ZERO)


def between(*routes: Band) -> Band:
    """Return what several independent routes to one figure say: their geometric mean, in the range of them all."""
    nominal = math.exp(math.fsum(math.log(route.nominal) for route in routes) / len(routes))
    nominals = [route.nominal for route in routes]
    nominal = min(max(nominal, min(nominals)), max(nominals))  # rounding may carry a mean past what it is a mean of
    return Band(min(route.low for route in routes), nominal, max(route.high for route in routes))
