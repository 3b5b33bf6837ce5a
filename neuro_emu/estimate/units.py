"""Units of constants: an SI quantity with a prefix, per countable things, such as fJ/gate or um2/bit."""

from __future__ import annotations

import re

_PREFIXES = {"a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}
_QUANTITIES = {"J": "energy", "W": "power", "V": "voltage", "s": "time", "Hz": "frequency", "m2": "area", "m": "length"}
_THINGS = ("gate", "bit", "bits", "word", "image", "SOP", "synapse")
_FORM = re.compile(rf"([afpnuµmkMG]?)({'|'.join(_QUANTITIES)})(?:/({'|'.join(_THINGS)}))?")


class UnitError(ValueError):
    """A unit that is not known, or not of the quantity that is wanted."""


def parse(unit: str) -> tuple[float, str, str]:
    """Return (factor to the SI unit, quantity, what it is counted per).

    A plain factor has the unit "1".

    Raises:
        UnitError: if it is not a unit.

    """
    if unit == "1":
        return 1.0, "number", ""
    found = _FORM.fullmatch(unit)
    if not found:
        raise UnitError(f"{unit!r} is not a unit: write a prefix and J, W, V, m2 or s, and /gate or /bit: fJ/gate")
    prefix, quantity, thing = found[1], found[2], found[3] or ""
    exponent = _PREFIXES[prefix] * (2 if quantity == "m2" else 1)
    return 10.0**exponent, _QUANTITIES[quantity], "bit" if thing == "bits" else thing


def factor(unit: str, wanted: str) -> float:
    """Return what a figure in *unit* is multiplied by to be in *wanted*.

    Raises:
        UnitError: if the two do not measure the same.

    """
    (ours, quantity, thing), (theirs, other, counted) = parse(unit), parse(wanted)
    if (quantity, thing) != (other, counted):
        raise UnitError(f"{unit} is not a unit of what is wanted: write it in {wanted}")
    return ours / theirs
