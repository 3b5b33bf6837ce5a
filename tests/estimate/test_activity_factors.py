"""Glitches and operand statistics: the constants against the simulations that are on record, the model's shape."""

import json
import math
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.errors import RunError
from neuro_emu.estimate.activity_factors import (
    ACCUMULATOR_TOGGLES,
    CEILING,
    ERROR,
    GLITCH,
    ONE_OPERAND,
    OPERAND_CLASSES,
    SHARES,
    SWITCHING,
    glitch,
    operand_class,
    relative_distance,
    relative_energy,
    switching,
)

RECORD = json.loads(
    (Path(__file__).parents[2] / "benchmarks/calibration/results/toggles.json").read_text(encoding="utf-8")
)
BLOCKS = RECORD["blocks"]
FITTED = {name: block for name, block in BLOCKS.items() if name not in RECORD["not_fitted"]}
SIMULATED = sorted(RECORD["models"])
LANE = "MAC 12×9+32 of a lane, product registered"
UNREGISTERED = "MAC 12×9+32"
IN_REGISTERS = {
    "mac": (LANE,),
    "accumulator": ("accumulator 21+32",),
    "update": ("update 21→12",),
    "requantise": ("requantise 32→9", "requantise 32→9, saturating"),
}
DISTANCES = st.floats(0, 2)


def blocks_of(component):
    return {name: block for name, block in FITTED.items() if block["component"] == component}


def relative(block, workload):
    """Distances and energy of a point over those on random operands, written again."""
    point, random = block["points"][workload], block["points"]["random"]
    h = {key: point[key] / random[key] for key in ("h_a", "h_b", "h_out", "h_word") if key in point}
    return h, point["gates"] / random["gates"]


def points(component):
    for name, block in blocks_of(component).items():
        for workload in block["points"]:
            yield name, workload, *relative(block, workload)


@pytest.mark.parametrize("component", SIMULATED)
def test_the_model_is_as_good_as_it_says(component):
    errors = [relative_energy(component, **h) - energy for _, w, h, energy in points(component) if "inverted" not in w]
    rms, worst = ERROR[component]
    assert len(errors) == RECORD["models"][component]["points"]
    assert math.sqrt(fmean(error**2 for error in errors)) <= rms
    assert max(map(abs, errors)) <= worst
    assert worst <= max(map(abs, errors)) + 0.02, "the promise has become too weak"


@pytest.mark.parametrize("component", SIMULATED)
def test_the_shares_are_those_of_the_fit(component):
    assert list(SHARES[component]) == pytest.approx(RECORD["models"][component]["shares"], abs=0.006)


@pytest.mark.parametrize("component", SIMULATED)
def test_no_operands_exceed_the_ceiling(component):
    assert max(energy for *_, energy in points(component)) <= CEILING[component]


def test_the_worst_of_the_multiplier_are_too_high_and_unsigned():
    errors = {w: relative_energy("multiplier", **h) - energy for _, w, h, energy in points("multiplier")}
    assert all("positive" in w or "half zero" in w for w, error in errors.items() if error > 0.2)
    assert min(errors.values()) > -0.2


@pytest.mark.parametrize("component", ["multiplier", "mac"])
def test_without_the_output_zeros_are_overlooked_on_the_high_side(component):
    errors = [relative_energy(component, h["h_a"], h["h_b"]) - energy for _, _, h, energy in points(component)]
    assert min(errors) > -0.2
    assert 0.5 < max(errors) < 0.75


@pytest.mark.parametrize("component", sorted(SHARES))
def test_shares_are_not_negative_and_add_up_to_one(component):
    assert min(SHARES[component]) >= 0
    assert sum(SHARES[component]) == pytest.approx(1)


@pytest.mark.parametrize("component", sorted(SHARES))
def test_nothing_toggles_and_everything_is_random(component):
    assert relative_energy(component, 0) == 0
    assert relative_energy(component, 0, 0, 0, h_word=0) == 0
    assert relative_energy(component, 1) == pytest.approx(1)
    assert relative_energy(component, 1, 1, 1, h_word=1) == pytest.approx(1)


@given(st.sampled_from(sorted(SHARES)), st.tuples(*[DISTANCES] * 4), st.tuples(*[DISTANCES] * 4))
def test_it_grows_with_every_distance(component, these, those):
    less, more = (tuple(pick(pair) for pair in zip(these, those, strict=True)) for pick in (min, max))
    low, high = (relative_energy(component, a, b, out, h_word=word) for a, b, out, word in (less, more))
    assert 0 <= low <= high <= CEILING[component]


@given(st.sampled_from(sorted(SHARES)), st.tuples(*[st.floats(0, 1)] * 4), st.floats(0, 1))
def test_held_cycles_count_in_proportion(component, distances, active):
    a, b, out, word = distances
    all_the_time = relative_energy(component, a, b, out, h_word=word)
    scaled = [active * h for h in distances]
    some = relative_energy(component, *scaled[:3], h_word=scaled[3])
    assert some == pytest.approx(active * all_the_time, abs=1e-12)


@given(st.sampled_from(["multiplier", "mac", "adder"]), DISTANCES, DISTANCES, DISTANCES)
def test_operands_may_change_places(component, a, b, out):
    assert relative_energy(component, a, b, out) == relative_energy(component, b, a, out)


@given(st.sampled_from(ONE_OPERAND), DISTANCES, DISTANCES, DISTANCES)
def test_components_with_one_operand_ignore_another(component, a, b, out):
    assert relative_energy(component, a, b, out) == relative_energy(component, a, h_out=out)


@pytest.mark.parametrize("component", ["multiplier", "mac", "adder", "update"])
def test_the_nominal_glitches_are_the_mean_of_three_libraries(component):
    ratios = [late / early for early, late in RECORD["sdf_delayed"]["fully"][component].values()]
    partly = [late / early for early, late in RECORD["sdf_delayed"]["partly"][component].values()]
    low, nominal, high = glitch(component)
    assert len(ratios) == 3
    assert nominal == pytest.approx(fmean(ratios), abs=0.05)
    assert low == 1
    assert max(ratios + partly) <= high


@pytest.mark.parametrize("name", sorted(RECORD["glitch"]))
def test_the_glitches_of_our_gates_lie_in_the_band(name):
    component = "mac_unregistered" if name == UNREGISTERED else BLOCKS[name]["component"]
    ratios, random = RECORD["glitch"][name], BLOCKS[name]["points"]["random"]
    assert ratios["gates"] == pytest.approx(random["gates"] / random["zero"], abs=0.001)
    low, _, high = glitch(component)
    assert low <= min(ratios["gates"], ratios["loaded"])
    assert max(ratios["gates"], ratios["loaded"]) <= high


def test_a_lane_is_its_multiplier_and_its_accumulator():
    for workload, point in BLOCKS[LANE]["points"].items():
        parts = [BLOCKS[name]["points"][workload] for name in ("multiplier 12×9", "accumulator 21+32")]
        assert point["zero"] == pytest.approx(sum(part["zero"] for part in parts))
        assert point["gates"] == pytest.approx(sum(part["gates"] for part in parts))


@pytest.mark.parametrize("component", sorted(SWITCHING))
def test_switching_per_gate(component):
    def per_gate(block):
        return block["points"]["random"]["zero"] / block["area_nand2"]

    reference = per_gate(BLOCKS["MAC 8×8+24, fixed limits"])
    variable = IN_REGISTERS.get(component, ())
    for name, block in blocks_of(component).items():
        if name != UNREGISTERED:
            expected = switching(component, in_registers=name in variable)
            assert per_gate(block) / reference == pytest.approx(expected, rel=0.08)


def test_a_random_accumulator_toggles_a_share_of_the_product():
    for name, product, bits in (("accumulator 21+32", 21, 32), ("accumulator 16+24, fixed limits", 16, 24)):
        toggles = BLOCKS[name]["points"]["random"]["h_out"] * bits
        assert relative_distance(toggles, product, ACCUMULATOR_TOGGLES) == pytest.approx(1, abs=0.04)


def test_operand_classes_hold_what_was_simulated():
    typical = ("a small 1/8, b half zero", "a small 1/8, b positive", "drifting", "a small, b drifting")
    for component in ("multiplier", "mac"):
        for name, workload, _, energy in points(component):
            for kind, workloads in (("typical", typical), ("one_held", ("a held", "b held"))):
                if workload in workloads:
                    low, _, high = operand_class(kind)
                    assert low <= energy <= high, (name, workload)
            if workload.startswith("all small"):
                assert 0.85 < energy < 1.05
    assert operand_class("zero_gated") == (0, 0, 0)
    assert operand_class("random") == (1, 1, 1)


@pytest.mark.parametrize("band", [*GLITCH.values(), *OPERAND_CLASSES.values()])
def test_bands_are_in_order(band):
    assert 0 <= band[0] <= band[1] <= band[2]


@given(st.floats(0, 64), st.floats(1, 64))
def test_half_the_bits_are_random(toggles, bits):
    assert relative_distance(bits / 2, bits) == pytest.approx(1)
    assert relative_distance(toggles, bits) == pytest.approx(2 * toggles / bits)


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_a_distance_is_a_number_from_zero_on(value):
    for distances in ({"h_a": value}, {"h_a": 1, "h_b": value}, {"h_a": 1, "h_out": value}):
        with pytest.raises(RunError, match="from 0 on"):
            relative_energy("adder", **distances)
    with pytest.raises(RunError, match="from 0 on"):
        relative_energy("update", 1, h_word=value)
    with pytest.raises(RunError, match="from 0 on"):
        relative_distance(value, 8)


def test_a_width_is_positive():
    with pytest.raises(RunError, match="above 0"):
        relative_distance(1, 0)


@pytest.mark.parametrize("function", [glitch, operand_class, switching, lambda name: relative_energy(name, 1)])
def test_unknown_names_are_refused_with_those_known(function):
    with pytest.raises(RunError, match="'abacus' has no activity factors; known are "):
        function("abacus")
