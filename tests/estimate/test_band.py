"""Figures with a range: order, sums, products of independent figures, means of routes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.errors import RunError
from neuro_emu.estimate.band import ZERO, Band, between, total

VALUES = st.floats(1e-6, 1e6)
SPREADS = st.floats(1.001, 100.0)
WIDE = st.builds(lambda value, down, up: Band(value / down, value, value * up), VALUES, SPREADS, SPREADS)
BANDS = WIDE | st.builds(Band.exact, VALUES)


def close(ours, theirs):
    ends = (ours.low, ours.nominal, ours.high)
    return ends == pytest.approx((theirs.low, theirs.nominal, theirs.high), rel=1e-9)


@pytest.mark.parametrize(
    ("low", "nominal", "high"),
    [(2, 1, 3), (1, 3, 2), (-1, 1, 2), (1, 2, math.inf), (math.nan, 1, 2), (1, math.nan, 2), (1, 2, math.nan)],
)
def test_no_range(low, nominal, high):
    with pytest.raises(RunError, match="is no range: low <= nominal <= high"):
        Band(low, nominal, high)


def test_exact_has_no_width():
    band = Band.exact(3.5)
    assert (band.low, band.nominal, band.high) == (3.5, 3.5, 3.5)
    assert band.contains(3.5)
    assert not band.contains(3.6)


@given(BANDS, BANDS)
def test_sums_keep_uncertainties_in_step(a, b):
    both = a + b
    assert (both.low, both.nominal, both.high) == (a.low + b.low, a.nominal + b.nominal, a.high + b.high)
    assert both.high / both.low <= max(a.high / a.low, b.high / b.low) * (1 + 1e-12)
    assert both.high / both.low >= min(a.high / a.low, b.high / b.low) * (1 - 1e-12)


@given(st.lists(BANDS, max_size=5))
def test_total_is_the_sum(bands):
    found = total(bands)
    assert found.nominal == pytest.approx(sum(band.nominal for band in bands))
    assert found.low <= found.nominal <= found.high
    if not bands:
        assert found == ZERO


@given(BANDS, st.floats(1e-3, 1e3))
def test_scaling_moves_all_alike(band, factor):
    assert close(band * factor / factor, band)
    assert close(band * factor, band.times(Band.exact(factor)))


@given(st.lists(BANDS, min_size=1, max_size=5))
def test_products_add_logarithmic_deviations_in_squares(bands):
    first, *others = bands
    found = first.times(*others)
    assert found.nominal == pytest.approx(math.prod(band.nominal for band in bands))
    down = math.log(found.nominal / found.low) ** 2
    up = math.log(found.high / found.nominal) ** 2
    assert down == pytest.approx(sum(math.log(b.nominal / b.low) ** 2 for b in bands), rel=1e-6, abs=1e-9)
    assert up == pytest.approx(sum(math.log(b.high / b.nominal) ** 2 for b in bands), rel=1e-6, abs=1e-9)


@given(BANDS, BANDS)
def test_products_are_narrower_than_the_product_of_the_ends_and_wider_than_each(a, b):
    found = a.times(b)
    assert found.low >= a.low * b.low * (1 - 1e-12)
    assert found.high <= a.high * b.high * (1 + 1e-12)
    for one in (a, b):
        assert found.nominal / found.low >= one.nominal / one.low * (1 - 1e-9)
        assert found.high / found.nominal >= one.high / one.nominal * (1 - 1e-9)
    assert close(found, b.times(a))


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_products_of_exact_figures_are_exact(values):
    first, *others = map(Band.exact, values)
    found = first.times(*others)
    assert found == Band.exact(math.prod(values))


def test_a_product_worked_by_hand():
    found = Band(2.0, 4.0, 8.0).times(Band(5.0, 10.0, 10.0), Band.exact(3.0))
    assert found.nominal == 120
    assert found.low == pytest.approx(120 / 2 ** math.sqrt(2))
    assert found.high == pytest.approx(240)


def test_nothing_times_anything_is_nothing():
    assert Band(0.0, 0.0, 5.0).times(Band(1.0, 2.0, 3.0)) == ZERO
    assert ZERO.times(Band.exact(7.0)) == ZERO


@given(VALUES, st.integers(1, 4))
def test_between_exact_routes_that_agree(value, routes):
    found = between(*[Band.exact(value)] * routes)
    assert found.nominal == pytest.approx(value)
    assert found.low <= found.nominal <= found.high


@given(st.lists(WIDE, min_size=1, max_size=4))
def test_between_is_the_geometric_mean_in_the_range_of_all(bands):
    found = between(*bands)
    assert found.nominal == pytest.approx(math.prod(band.nominal ** (1 / len(bands)) for band in bands))
    assert found.low == min(band.low for band in bands)
    assert found.high == max(band.high for band in bands)


def test_records_have_six_digits():
    assert Band(1.0, 1.23456789, 2.0).as_dict(1e3) == {"low": 1000.0, "nominal": 1234.57, "high": 2000.0}
