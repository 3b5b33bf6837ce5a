"""Random chips through the RTL in Verilator: trace, predictions, clock cycles and weights are those of the emulator."""

from dataclasses import fields

import pytest
from rtl_chips import check_all, drawn

from neuro_emu.golden.build import Build


def test_forty_chips_on_one_build_agree_in_everything():
    found = drawn(40, number=1, most_lanes=8)
    assert {case.chip.learning.rule.name for case in found} == {"drtp", "dfa", "sdfa", "shallow"}
    assert {case.chip.design.zero_input.value for case in found} == {"none", "gate", "skip"}
    assert any(case.chip.learning.batch > 1 for case in found)
    total = check_all(found)
    assert total["records"] > 5000


def test_waiting_samples_and_results_change_nothing_but_time():
    found = drawn(40, number=1, most_lanes=8)
    build = Build.of_all([case.chip for case in found])
    check_all(found[:12], build, stall=2463534242)


def test_one_lane_one_bank_one_activation_unit():
    found = drawn(8, number=2, most_lanes=1, weight_banks=1, activation_units=1)
    build = Build.of_all([case.chip for case in found])
    assert (build.lanes, build.banks, build.units) == (1, 1, 1)
    check_all(found, build)


@pytest.mark.parametrize("number", [3, 4])
def test_the_smallest_build_holds_its_chip(number):
    (case,) = drawn(1, number=number, most_lanes=5)
    build = Build.of(case.chip)
    assert build.misfits(case.chip) == []
    check_all([case], build)


def test_a_build_says_what_does_not_fit():
    (case,) = drawn(1, number=3, most_lanes=5)
    build = Build.of(case.chip)
    for field in fields(build):
        value = getattr(build, field.name)
        if value > 1:
            smaller = Build(**{**{f.name: getattr(build, f.name) for f in fields(build)}, field.name: value - 1})
            assert any(field.name in line for line in smaller.misfits(case.chip))
