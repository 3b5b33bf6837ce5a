"""Figures for people: three significant digits and the unit that suits them."""

from __future__ import annotations

import math
from collections.abc import Mapping

Ladder = tuple[tuple[float, float, str], ...]
"""Units of a quantity, smallest first: from which value on, divisor, name."""

ENERGY: Ladder = tuple((size, size, name) for size, name in ((1e-3, "fJ"), (1.0, "pJ"), (1e3, "nJ"), (1e6, "µJ")))
ENERGY += ((1e9, 1e9, "mJ"), (1e12, 1e12, "J"))
"""From pJ."""
POWER: Ladder = tuple((size, size, name) for size, name in ((1e-6, "pW"), (1e-3, "nW"), (1.0, "µW"), (1e3, "mW")))
POWER += ((1e6, 1e6, "W"),)
"""From µW."""
AREA: Ladder = ((0.0, 1.0, "µm²"), (1e4, 1e6, "mm²"))
"""From µm²; four digits stay µm²."""
TIME: Ladder = ((1e-3, 1e-3, "ns"), (1.0, 1.0, "µs"), (1e3, 1e3, "ms"), (1e6, 1e6, "s"))
"""From µs."""

_DIGITS = 3


def digits(value: float) -> str:
    """Return *value* in three significant digits, never with an exponent."""
    if not value:
        return "0"
    rounded = float(f"{value:.{_DIGITS}g}")
    decimals = max(0, _DIGITS - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def exact(value: float) -> str:
    """Return a count or a constant as it stands in a record, which keeps six digits."""
    return f"{value:,.10g}"


def unit_of(value: float, ladder: Ladder) -> tuple[float, str]:
    """Return divisor and name of the unit that *value* is best written in."""
    rounded = float(f"{value:.{_DIGITS}g}")
    fitting = [(divisor, name) for start, divisor, name in ladder if rounded >= start]
    return fitting[-1] if fitting else ladder[0][1:]


def shown(value: float, ladder: Ladder) -> str:
    """Return a figure with its unit."""
    divisor, name = unit_of(value, ladder)
    return f"{digits(value / divisor)} {name}"


def ends(band: Mapping[str, float], ladder: Ladder) -> str:
    """Return a figure with its unit and, in brackets, its range in the same unit."""
    divisor, name = unit_of(band["nominal"], ladder)
    low, nominal, high = (digits(band[key] / divisor) for key in ("low", "nominal", "high"))
    return f"{nominal} {name}" + (f" ({low} to {high})" if band["low"] != band["high"] else "")


def memory(bits: float) -> str:
    """Return the size of a memory."""
    return f"{digits(bits / 8192)} KiB" if bits >= 8192 else f"{exact(bits)} bit"


def percent(value: float) -> str:
    """Return how much more, with its sign."""
    return ("+" if value >= 0 else "") + f"{digits(value)} %"


def share(part: float, whole: float) -> str:
    """Return a part of a whole in per cent; what is there never shows as 0."""
    found = 100 * part / whole
    return f"{found:.1f} %" if found >= 0.05 else "<0.1 %"


def clipped(text: str, width: int) -> str:
    """Return *text* in at most *width* columns."""
    return text if len(text) <= width else text[: width - 1] + "…"
