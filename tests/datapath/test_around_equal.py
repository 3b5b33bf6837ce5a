"""Targets, losses, momentum, normalisation and dropout: fast, traced and naive give the same integers and counts."""

import pytest
from around import chips_around, data_around
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import assert_all_equal

pytestmark = pytest.mark.integer

SOME = max(settings().max_examples // 3, 8)


@given(data=st.data())
@settings(max_examples=4 * SOME)
def test_small_chips_agree(data):
    chip = data.draw(chips_around())
    assert_all_equal(chip, data.draw(data_around(chip)), epochs=2)


@given(data=st.data())
@settings(max_examples=SOME)
def test_wide_chips_agree(data):
    chip = data.draw(chips_around(wide=True))
    assert_all_equal(chip, data.draw(data_around(chip, (1, 3))), epochs=2, with_naive=False)


@pytest.mark.parametrize("rule", ["kp", "asap", "dkp", "asfp"])
@given(data=st.data())
@settings(max_examples=SOME)
def test_momentum_of_learned_feedback(rule, data):
    chip = data.draw(chips_around(rules=[rule], force=("momentum",)))
    assert_all_equal(chip, data.draw(data_around(chip)), epochs=2)


@given(data=st.data())
@settings(max_examples=2 * SOME)
def test_norms(data):
    chip = data.draw(chips_around(force=("norm",)))
    assert_all_equal(chip, data.draw(data_around(chip)), epochs=2)
