"""The gate formulas against the committed synthesis, and as functions of widths."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.estimate.blocks import blocks_of, lane
from neuro_emu.estimate.components import (
    activation,
    arithmetic,
    control,
    normalisation,
    randomness,
    rounding,
    storage,
    update,
)
from neuro_emu.estimate.components.modules import CORE_BLOCKS, OPERATIONS, of_module
from neuro_emu.estimate.gates import GATES_PER_FLOP, Gates, total_of
from neuro_emu.golden.build import Build

ROOT = Path(__file__).parents[2]
NUMBERS = json.loads((ROOT / "benchmarks" / "calibration" / "results" / "gates.json").read_text(encoding="utf-8"))
POINTS = NUMBERS["points"]
BARRED = {
    "nemu_lane",
    "nemu_requantise",
    "nemu_round_shift",
    "nemu_add_step",
    "cal_weight_update",
    "nemu_random",
}
BAR, CORE_BAR = 0.12, 0.15
BUILD = Build(
    lanes=16,
    banks=2,
    units=1,
    layers=3,
    weight_bits=8,
    feedback_bits=8,
    code_bits=9,
    delta_bits=9,
    accumulator_bits=32,
    aligned_bits=33,
    gradient_bits=0,
    codes=1152,
    weight_rows=3721,
    feedback_rows=160,
    kept_groups=16,
    error_groups=1,
)
PARAMETERS = {
    "lanes": "Lanes",
    "banks": "Banks",
    "units": "Units",
    "layers": "Layers",
    "weight_bits": "WeightW",
    "feedback_bits": "FeedbackW",
    "code_bits": "CodeW",
    "delta_bits": "DeltaW",
    "accumulator_bits": "AccW",
    "aligned_bits": "MidW",
    "gradient_bits": "GradientW",
    "codes": "Codes",
    "weight_rows": "WeightRows",
    "feedback_rows": "FeedbackRows",
    "kept_groups": "KeptGroups",
    "error_groups": "ErrorGroups",
}
COMBINATIONAL = {
    arithmetic.adder: 1,
    arithmetic.subtractor: 1,
    arithmetic.comparator: 1,
    arithmetic.incrementer: 1,
    rounding.wrap: 1,
    rounding.overflow: 1,
    rounding.round_shift: 1,
    randomness.noise_code: 1,
    randomness.xorshift_step: 1,
    activation.limits: 1,
    activation.ternary_sign: 1,
    storage.find_first: 1,
    control.bank_of: 1,
    normalisation.root: 1,
    arithmetic.multiplier: 2,
    arithmetic.mac: 3,
    rounding.saturate: 2,
    rounding.align: 2,
    rounding.requantise: 3,
    update.accumulate: 2,
    update.add_step: 2,
    update.weight_update: 2,
    normalisation.velocity_sum: 3,
    normalisation.divider: 2,
    normalisation.reciprocal: 1,
    normalisation.norm_factor: 2,
    normalisation.square_gap: 2,
    normalisation.hold_norm: 4,
    normalisation.mean: 2,
    activation.linear_activation: 2,
    activation.activation_unit: 5,
    randomness.random_words: 2,
}
"""Components and how many widths they take."""


def names(points):
    return [point["name"] for point in points]


MODULES = [point for point in POINTS if point["module"] != "nemu_core"]
CORES = [point for point in POINTS if point["module"] == "nemu_core" and not point["flat"]]
BARS = [
    point
    for point in MODULES
    if point["module"] in BARRED and point["parameters"].get("WeightW", point["parameters"].get("W", 8)) >= 8
]


def total_synthesised(point):
    blocks = point["modules"].values()
    logic = sum(block["logic"] * block["instances"] for block in blocks)
    return logic, sum(block["flops"] * block["instances"] for block in blocks)


def error(formula, logic, flops):
    truth = logic + GATES_PER_FLOP * flops
    return abs(formula.total - truth) / truth


def build_of(parameters):
    return Build(**{field.name: parameters[PARAMETERS[field.name]] for field in fields(Build)})


@pytest.mark.parametrize("point", BARS, ids=names(BARS))
def test_barred_modules(point):
    assert error(of_module(point["module"], point["parameters"]), *total_synthesised(point)) <= BAR


@pytest.mark.parametrize("point", MODULES, ids=names(MODULES))
def test_flip_flops_of_modules_are_exact(point):
    assert of_module(point["module"], point["parameters"]).flops == total_synthesised(point)[1]


@pytest.mark.parametrize("point", MODULES, ids=names(MODULES))
def test_every_module_is_near(point):
    logic, flops = total_synthesised(point)
    formula = of_module(point["module"], point["parameters"])
    if logic + flops == 0:
        assert formula == Gates()
    else:
        assert error(formula, logic, flops) <= 0.2


@pytest.mark.parametrize("point", CORES, ids=names(CORES))
def test_whole_cores(point):
    whole = total_of(blocks_of(build_of(point["parameters"])))
    logic, flops = total_synthesised(point)
    assert error(whole, logic, flops) <= CORE_BAR
    assert whole.flops == flops


def test_the_bars_have_points_that_were_not_fitted_to():
    held = {point["module"] for point in POINTS if point["held"]}
    assert held >= BARRED | {"nemu_core"}
    assert sum(point["held"] for point in CORES) >= 4


def test_every_rtl_operation_is_calibrated_and_has_a_formula():
    modules = {path.stem for path in (ROOT / "rtl_models" / "ops").glob("*.sv")}
    assert set(OPERATIONS) == modules
    assert {point["module"] for point in MODULES} >= modules


def test_every_block_of_the_core_has_a_formula():
    inside = {name for point in CORES for name in point["modules"]}
    assert set(CORE_BLOCKS) >= inside


def test_blocks_are_the_sum_of_the_modules():
    """What `blocks_of` says of a build is what the comparison adds up module by module."""
    point = next(point for point in CORES if point["parameters"]["Units"] > 1)
    parameters = dict(point["parameters"])
    parameters["OperandW"] = max(parameters["CodeW"], parameters["DeltaW"])
    parts = [of_module(name, parameters) * int(own["instances"]) for name, own in point["modules"].items()]
    added = sum(parts, Gates())
    whole = total_of(blocks_of(build_of(point["parameters"])))
    assert whole.total == pytest.approx(added.total)


@given(
    st.builds(Gates, st.floats(0, 1e6), st.integers(0, 10**6)),
    st.builds(Gates, st.floats(0, 1e6), st.integers(0, 10**6)),
    st.integers(0, 64),
)
def test_gates_add_and_multiply(one, other, times):
    assert (one + other).total == pytest.approx(one.total + other.total)
    assert (one * times).total == pytest.approx(times * one.total)
    assert times * one == one * times


@pytest.mark.parametrize("component", COMBINATIONAL, ids=lambda component: component.__name__)
@given(data=st.data())
def test_components_grow_with_every_width(component, data):
    widths = [data.draw(st.integers(2, 40)) for _ in range(COMBINATIONAL[component])]
    small = component(*widths)
    assert small.logic > 0
    everything = component(*[width + 2 for width in widths])
    crossed = any(width <= rounding.SHIFT_RANGE < width + 2 for width in widths)
    assert crossed or everything.total > small.total
    for at, width in enumerate(widths):
        wider = component(*widths[:at], width + 1, *widths[at + 1 :])
        assert width == rounding.SHIFT_RANGE or wider.total >= small.total


@given(st.integers(1, 64), st.integers(2, 32), st.booleans(), st.booleans())
def test_registers_and_multiplexers_grow(bits, ways, enable, reset):
    register = storage.register(bits, enable=enable, reset=reset)
    assert register.flops == bits
    assert register.logic <= storage.register(bits, enable=True, reset=True).logic
    assert storage.multiplexer(bits, ways).logic < storage.multiplexer(bits, ways + 1).logic
    assert storage.barrel_shifter(bits, ways).logic < storage.barrel_shifter(bits, ways, both=True).logic


@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 8))
def test_a_fixed_clamp_looks_at_what_it_drops(wide, result, more):
    clamp = rounding.saturate_fixed(wide, result)
    assert (clamp.logic > 0) == (wide > result)
    assert rounding.saturate_fixed(wide + more, result).logic >= clamp.logic


@given(st.integers(4, 24), st.integers(0, 12), st.integers(2, 16))
def test_fixed_forms_are_smaller(bits, shift, result):
    wide = bits + shift
    assert rounding.requantise_fixed(wide, result, shift).logic < rounding.requantise(wide, wide + 1, result).logic
    assert 0 < rounding.round_fixed(wide, shift).logic < rounding.round_shift(wide).logic
    assert update.weight_update_fixed(result, wide, shift).logic < update.weight_update(result, wide).logic


GROWING = [
    "lanes",
    "units",
    "layers",
    "weight_bits",
    "feedback_bits",
    "code_bits",
    "delta_bits",
    "accumulator_bits",
    "aligned_bits",
    "gradient_bits",
    "codes",
    "weight_rows",
    "feedback_rows",
]


@pytest.mark.parametrize("learning", [True, False])
@given(data=st.data())
def test_a_larger_build_has_more_gates(learning, data):
    name = data.draw(st.sampled_from(GROWING))
    build = replace(BUILD, weight_bits=data.draw(st.integers(4, 20)), lanes=data.draw(st.integers(2, 32)))
    more = replace(build, **{name: getattr(build, name) + data.draw(st.integers(1, 8))})
    small = total_of(blocks_of(build, learning=learning))
    assert total_of(blocks_of(more, learning=learning)).total >= small.total
    assert all(block.total > 0 for block in blocks_of(more, learning=learning).values())


def test_learning_costs_gates():
    learns, infers = blocks_of(BUILD), blocks_of(BUILD, learning=False)
    assert set(infers) < set(learns)
    assert all(infers[name].total <= learns[name].total for name in infers)
    assert set(lane(BUILD, learning=False)) == {"multiplier", "accumulate", "registers"}
    assert learns["lanes"] == total_of(lane(BUILD)) * BUILD.lanes


def test_mini_batches_have_a_part_of_the_lane():
    batched = lane(replace(BUILD, gradient_bits=24))
    assert set(batched) - set(lane(BUILD)) == {"gradient"}
    assert batched["gradient"].flops == 48
