"""Semantic checks: what is accepted, where the limits lie, and warnings."""

from __future__ import annotations

import pytest
from tiny_experiment import BASE, edited, refusal

from neuro_emu.config.experiment import load_text


def test_the_base_is_accepted():
    experiment = load_text(BASE, "c.yaml")
    assert str(experiment.chip.network) == "64-20-10"
    assert experiment.chip.learning.lr_shift == (((0, 6),), ((0, 6), (1, 7)))
    assert experiment.warnings == ()


@pytest.mark.parametrize(
    ("edits", "shift"),
    [
        ({"hidden: 6": "hidden: 23"}, 31),
        ({"hidden: 6": "hidden: -8"}, 0),
        ({"delta: s8f7": "delta: s8f7, lr_shift: 23"}, 31),
        ({"delta: s8f7": "delta: s8f7, lr_shift: -8"}, 0),
    ],
)
def test_update_shifts_of_0_and_31_are_allowed(edits, shift):
    chip = load_text(edited(edits)).chip
    assert chip.update_shift(chip.network.layers[0], 0) == shift


def test_a_layer_overrides_the_common_rate():
    chip = load_text(edited({"delta: s8f7": "delta: s8f7, lr_shift: [[0, 3], [5, 4]]"})).chip
    assert [chip.learning.shift_at(0, epoch) for epoch in (0, 4, 5, 9)] == [3, 3, 4, 4]
    assert [chip.learning.shift_at(1, epoch) for epoch in (0, 1, 2)] == [6, 7, 7]


@pytest.mark.parametrize("banks", [1, 2, 4, 8, 16, 32, 64])
def test_powers_of_two_are_banks(banks):
    assert load_text(edited({"lanes: 16": f"weight_banks: {banks}"})).chip.design.weight_banks == banks


@pytest.mark.parametrize(("banks", "near"), [(3, "2 or 4"), (5, "4 or 8"), (63, "32 or 64"), (48, "32 or 64")])
def test_other_numbers_are_not(banks, near):
    message = refusal({"lanes: 16": f"weight_banks: {banks}"})
    assert f"{banks} is not a power of two" in message
    assert f"write {near}\n" in message


@pytest.mark.parametrize("code", [0, 254])
def test_gates_that_open(code):
    assert load_text(edited({"epochs: 2": f"error_gate: {code}"})).chip.learning.error_gate == code


def test_a_gate_is_measured_in_codes_of_the_output():
    # u8f4: the hot target is 1.0, the code 16.
    message = refusal({"output: u8f8": "output: u8f4", "epochs: 2": "error_gate: 16"})
    assert "the gate never opens: e is at most 16" in message
    load_text(edited({"output: u8f8": "output: u8f4", "epochs: 2": "error_gate: 15"}))


@pytest.mark.parametrize("rule", ["dfa", "drtp", "shallow"])
def test_only_sdfa_takes_a_dead_zone(rule):
    assert f"{rule} does not use the sign" in refusal({"rule: dfa, epochs: 2": f"rule: {rule}, sign_dead_zone: 5"})
    load_text(edited({"rule: dfa, epochs: 2": f"rule: {rule}, sign_dead_zone: 0"}))


def test_sdfa_takes_a_dead_zone():
    chip = load_text(edited({"rule: dfa, epochs: 2": "rule: sdfa, sign_dead_zone: 5"})).chip
    assert chip.learning.sign_dead_zone == 5


@pytest.mark.parametrize(("frac", "accepted"), [(3, True), (4, False)])
def test_the_widest_accumulator(frac, accepted):
    """One hidden neuron in s32f31: 2^31 · (2^31 + 2^31 − 1) + 2^(frac + 27) passes 2^63 − 1 from frac = 4 on."""
    edits = {
        "units: 20": "units: 1",
        "output: s8f7": "output: s32f31",
        "weight: s10f8": f"weight: s32f{frac}, lr_shift: -20",
    }
    if accepted:
        load_text(edited(edits))
    else:
        assert "the accumulator of this layer can need 65 bits" in refusal(edits)


@pytest.mark.parametrize(("batch", "accepted"), [(1, True), (2, False)])
def test_the_widest_update(batch, accepted):
    edits = {
        "output: s8f7": "output: s32f7",
        "output: u8f8": "output: u8f8, delta: s32f8",
        "epochs: 2": f"batch: {batch}",
    }
    if accepted:
        load_text(edited(edits))
    else:
        assert "the weight update of this layer can need 65 bits" in refusal(edits)


def test_a_projected_sign_is_bounded_by_itself():
    """sdfa projects t = ±1 with frac 0, so the left shift to s32f31 is 31 whatever the format of δ_K is."""
    edits = {
        "rule: dfa": "rule: sdfa",
        "delta: s8f7": "feedback: s32f0, projection: s32f31",
        "output: u8f8": "output: u8f8, delta: s2f31, lr_shift: 0",
        "hidden: 6": "hidden: 0",
    }
    # 10 · 2^31 · 2^31 needs 67 bits with its sign.
    assert "the projection of this layer can need 67 bits" in refusal(edits)


@pytest.mark.parametrize(("mode", "why"), [("TRN", "drifts negative"), ("TRN_ZERO", "loses every step")])
def test_truncating_updates_are_warned_of(mode, why):
    (warning,) = load_text(edited({"strict: false": f"update_rounding: {mode}"})).warnings
    assert warning.startswith(f"numerics.update_rounding: {mode} {why}")


def test_wrapping_weights_are_warned_of():
    (warning,) = load_text(edited({"strict: false": "overflow: WRAP"})).warnings
    assert warning.startswith("numerics.overflow: WRAP")


def test_two_warnings():
    experiment = load_text(edited({"strict: false": "overflow: WRAP, update_rounding: TRN"}))
    assert [text.split(":")[0] for text in experiment.warnings] == ["numerics.update_rounding", "numerics.overflow"]


@pytest.mark.parametrize(
    "setting", ["update_rounding: RND", "update_rounding: RND_CONV", "accumulator: {overflow: WRAP}"]
)
def test_what_is_not_warned_of(setting):
    assert load_text(edited({"strict: false": setting})).warnings == ()
