"""Learning rates as shifts: numbers, pairs, steps and cosines; their text and their JSON Schema."""

from __future__ import annotations

import json
from math import cos, pi

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tiny_experiment import BASE, edited, refusal

from neuro_emu.api import schema
from neuro_emu.config.dump import dump, to_plain
from neuro_emu.config.experiment import load_text
from neuro_emu.config.fields import Cosine, Step
from neuro_emu.config.schedules import pairs

VALIDATOR = jsonschema.Draft202012Validator(schema())
FORMS = {
    "6": ((0, 6),),
    "[[0, 6], [3, 8]]": ((0, 6), (3, 8)),
    "{step: {first: 5, every: 2, steps: 3}}": ((0, 5), (2, 6), (4, 7), (6, 8)),
    "{step: {first: -2, every: 10, steps: 1, by: 4}}": ((0, -2), (10, 2)),
    "{cosine: {first: 4, last: 4, epochs: 9}}": ((0, 4),),
    # η(t) / η(0) = (17 + 15 cos(π t / 8)) / 32: 1, .96, .86, .71, .53, .35, .20, .10, 1/16
    "{cosine: {first: 3, last: 7, epochs: 8}}": ((0, 3), (4, 4), (5, 5), (7, 6), (8, 7)),
}


def test_a_number_and_pairs():
    assert pairs(-3) == ((0, -3),)
    assert pairs(((0, 6), (3, 8))) == ((0, 6), (3, 8))


@given(st.integers(-64, 64), st.integers(1, 1000), st.integers(1, 64), st.integers(1, 64))
def test_steps(first, every, steps, by):
    found = pairs(Step(first, every, steps, by))
    assert len(found) == steps + 1
    shift = dict(found)
    assert all(shift[n * every] == first + n * by for n in range(steps + 1))


@given(st.integers(-64, 64), st.integers(0, 64), st.integers(1, 300))
def test_cosines(first, fall, epochs):
    last = min(first + fall, 64)
    found = pairs(Cosine(first, last, epochs))
    assert found[0] == (0, first)
    assert found[-1][1] == last
    shifts, starts = [shift for _, shift in found], [epoch for epoch, _ in found]
    assert starts == sorted(set(starts))
    assert shifts == sorted(set(shifts))  # falls only, and no pair that says nothing
    assert starts[-1] <= epochs
    for t in range(epochs + 1):
        # half of 1 + cos is a squared cosine: no rate near the end is a difference of large ones
        rate = 2.0 ** (first - last) * (1 - cos(pi * t / (2 * epochs)) ** 2) + cos(pi * t / (2 * epochs)) ** 2
        shift = [s for epoch, s in found if epoch <= t][-1]
        assert 0.5 - 1e-9 <= (rate * 2.0 ** (shift - first)) ** 2 <= 2 + 1e-9  # nearest by its logarithm


def test_after_its_end_a_cosine_stays():
    experiment = load_text(edited({"hidden: 6": "hidden: {cosine: {first: 3, last: 7, epochs: 8}}"}))
    assert [experiment.chip.learning.shift_at(0, epoch) for epoch in (0, 3, 4, 6, 7, 8, 9, 1000)] == [
        *(3, 3, 4, 5, 6),
        *(7, 7, 7),
    ]


def test_a_rate_that_grows_is_refused():
    assert refusal({"hidden: 6": "hidden: {cosine: {first: 7, last: 6, epochs: 8}}"}) == (
        "c.yaml:7:79: from shift 7 to 6\n"
        "    7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: {cosine: {first: 7, last: 6, epochs: 8}},"
        " output: [[0, 6], [1, 7]]}}\n"
        "      |                                                                               ^\n"
        "      = help: a rate falls: last is not below first\n"
    )


@pytest.mark.parametrize(
    "text", ["{cosine: {first: 1, last: 2}}", "{step: {first: 1, every: 0, steps: 1}}", "{sine: {first: 1}}", "x"]
)
def test_other_texts_are_refused_by_loader_and_schema(text):
    assert refusal({"hidden: 6": f"hidden: {text}"}).startswith("c.yaml:7:")
    assert not VALIDATOR.is_valid(yaml.safe_load(edited({"hidden: 6": f"hidden: {text}"})))


@pytest.mark.parametrize(("text", "found"), FORMS.items(), ids=list(FORMS))
def test_each_form_is_resolved_dumped_and_valid(text, found):
    edits = {"hidden: 6": f"hidden: {text}", "output: u8f8": f"output: u8f8, lr_shift: {text}"}
    edits |= {"rule: dfa": f"rule: dfa, weight_decay: {{shift: 8}}, feedback_lr_shift: {text}"}
    experiment = load_text(edited(edits), "c.yaml")
    learning = experiment.chip.learning
    assert learning.lr_shift == (found, found)
    assert learning.feedback_lr_shift == found
    again = load_text(dump(experiment.config), "again.yaml")
    assert again.config == experiment.config
    assert again.digest == experiment.digest
    assert again.chip == experiment.chip
    for document in (yaml.safe_load(edited(edits)), to_plain(experiment.config)):
        VALIDATOR.validate(json.loads(json.dumps(document)))


def test_decay_has_schedules_too():
    text = "{shift: {cosine: {first: 3, last: 7, epochs: 8}}, every: 2}"
    chip = load_text(edited({"rule: dfa": f"rule: dfa, weight_decay: {text}"})).chip
    assert chip.learning.weight_decay.shift == FORMS["{cosine: {first: 3, last: 7, epochs: 8}}"]
    message = refusal({"rule: dfa": "rule: dfa, weight_decay: {shift: {step: {first: 20, every: 1, steps: 12}}}"})
    assert "shift 32 lies outside 1 … 31" in message


def test_the_base_is_valid():
    VALIDATOR.validate(yaml.safe_load(BASE))
