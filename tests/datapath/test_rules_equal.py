"""Every rule by itself: fast, traced and naive give the same integers, and fast and traced the same counts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import assert_all_equal
from strategies import CHAIN_NAMES, chips, data_for

pytestmark = pytest.mark.integer

SOME = max(settings().max_examples // 3, 8)


@pytest.mark.parametrize("rule", CHAIN_NAMES)
@given(data=st.data())
@settings(max_examples=SOME)
def test_small_chips_agree(rule, data):
    chip = data.draw(chips(wide=False, rules=[rule]))
    assert_all_equal(chip, data.draw(data_for(chip, (1, 5))), epochs=2)


@pytest.mark.parametrize("rule", CHAIN_NAMES)
@given(data=st.data())
@settings(max_examples=SOME // 4)
def test_wide_chips_agree(rule, data):
    chip = data.draw(chips(wide=True, rules=[rule]))
    assert_all_equal(chip, data.draw(data_for(chip, (1, 3))), epochs=2, with_naive=False)
