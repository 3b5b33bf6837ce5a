"""Units of constants: conversions there and back, quantities kept apart, figures for people."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.estimate.technology import CONSTANTS
from neuro_emu.estimate.units import UnitError, factor, parse

PREFIXES = {"a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}
QUANTITIES = {"J": "energy", "W": "power", "V": "voltage", "s": "time", "Hz": "frequency", "m2": "area", "m": "length"}
THINGS = ("", "/gate", "/bit", "/bits", "/word", "/image", "/SOP", "/synapse")
UNITS = st.builds("".join, st.tuples(*map(st.sampled_from, (list(PREFIXES), list(QUANTITIES), THINGS))))


@pytest.mark.parametrize(("prefix", "quantity"), list(itertools.product(PREFIXES, QUANTITIES)))
def test_prefix_and_quantity(prefix, quantity):
    scale, name, thing = parse(f"{prefix}{quantity}/gate")
    assert math.log10(scale) == pytest.approx(PREFIXES[prefix] * (2 if quantity == "m2" else 1))
    assert (name, thing) == (QUANTITIES[quantity], "gate")


@given(UNITS, UNITS)
def test_there_and_back_or_refused(here, there):
    same = parse(here)[1:] == parse(there)[1:]
    if same:
        assert factor(here, there) * factor(there, here) == pytest.approx(1)
    else:
        with pytest.raises(UnitError, match="is not a unit of what is wanted: write it in"):
            factor(here, there)


@given(UNITS, st.sampled_from(list(PREFIXES)), st.sampled_from(list(PREFIXES)))
def test_by_way_of_another_prefix(unit, first, second):
    bare = unit.lstrip("".join(PREFIXES)) if unit not in {"m", "m2"} else unit
    try:
        one, two = f"{first}{bare}", f"{second}{bare}"
        direct = factor(one, two)
    except UnitError:
        return  # what is left is no quantity
    assert factor(one, bare) * factor(bare, two) == pytest.approx(direct)


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        ("pJ/bit", "fJ/bit", 1e3),
        ("um2", "mm2", 1e-6),
        ("um2/gate", "m2/gate", 1e-12),
        ("mV", "V", 1e-3),
        ("nW/gate", "uW/gate", 1e-3),
        ("fJ/bits", "fJ/bit", 1),
        ("1", "1", 1),
        ("m", "mm", 1e3),
    ],
)
def test_known_conversions(here, there, expected):
    assert factor(here, there) == pytest.approx(expected)


@pytest.mark.parametrize(
    "unit", ["", "fJ gate", "fj/gate", "xJ", "J/", "fJ/transistor", "2", "um^2", "pJ/bit/word", "%"]
)
def test_no_unit(unit):
    with pytest.raises(UnitError, match="is not a unit: write a prefix and"):
        parse(unit)


@pytest.mark.parametrize(
    ("here", "there"), [("fJ/gate", "fJ/bit"), ("fJ", "nW"), ("1", "V"), ("um", "um2"), ("fJ", "fJ/bit")]
)
def test_another_quantity_is_refused(here, there):
    with pytest.raises(UnitError, match=f"write it in {there}"):
        factor(here, there)


@pytest.mark.parametrize("name", CONSTANTS)
def test_units_of_constants_are_units(name):
    assert factor(CONSTANTS[name][0], CONSTANTS[name][0]) == 1
