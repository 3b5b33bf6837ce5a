"""Angles: against equation 17 as it is written, and where it has no answer."""

from __future__ import annotations

import numpy as np
import pytest
from diagnosed import degrees, mean_degrees

from neuro_emu.diagnostics.angles import angle, mean_angle, ratio, rounded

DRAW = np.random.default_rng(3)


@pytest.mark.parametrize("shape", [(5,), (4, 6), (2, 3, 4)])
def test_the_formula(shape):
    for _ in range(20):
        one, other = DRAW.normal(size=shape), DRAW.normal(size=shape)
        assert angle(one, other) == pytest.approx(degrees(one, other), abs=1e-9)
        assert angle(-3.0 * one, other) == pytest.approx(180.0 - degrees(one, other), abs=1e-9)


def test_known_angles():
    assert angle([1, 0], [0, 5]) == pytest.approx(90.0)
    assert angle([1, 0], [1, 1]) == pytest.approx(45.0)
    same = DRAW.normal(size=(30, 40))
    assert angle(same, 7 * same) == pytest.approx(0.0, abs=1e-12)
    assert angle(same, -same) == pytest.approx(180.0)
    tiny = angle([1.0, 0.0], [1.0, 1e-9])  # the arc cosine gives 0 here
    assert tiny == pytest.approx(np.degrees(1e-9))


def test_no_angle():
    assert angle([0.0, 0.0], [1.0, 2.0]) is None
    assert angle([1.0, 2.0], [0.0, 0.0]) is None
    assert angle([], []) is None
    with pytest.raises(ValueError, match="shapes"):
        angle([1.0], [1.0, 2.0])


def test_the_mean_leaves_silent_samples_out():
    one, other = DRAW.normal(size=(2, 9, 5))
    one[2], other[5] = 0.0, 0.0
    assert mean_angle(one, other) == pytest.approx(mean_degrees(one, other), abs=1e-9)
    assert mean_angle(np.zeros((3, 5)), other[:3]) is None


def test_numbers_of_records():
    assert rounded(1.23456789) == 1.234568
    assert rounded(1.23456789e-7, significant=True) == 1.23457e-7
    assert rounded(None) is None
    assert rounded(float("nan")) is None
    assert ratio(1, 0) is None
    assert ratio(1, 4) == 0.25
