"""Targets, losses, momentum, norms and real data: what is refused, where, and what is accepted just beside it."""

from __future__ import annotations

from textwrap import dedent

import pytest
from tiny_experiment import BASE, edited, refusal

from neuro_emu.api import run
from neuro_emu.config.experiment import load_text
from neuro_emu.errors import ConfigError

DATA = "name: synthetic, train: 200, test: 50"
REGRESSION = {
    DATA: "name: cosines, input: s8f4",
    "activation: sigmoid": "activation: tanh",
    "output: u8f8": "output: s8f7",
}
SOFTMAX = {"activation: sigmoid": "activation: softmax"}
HIDDEN = "    - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, delta: s8f7}\n"
BLOCKS = {HIDDEN: 3 * HIDDEN}


def training(text):
    return {"rule: dfa": text}


def brief(text):
    """The same in a line of `training` that fits this page."""
    old = "rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}"
    return {old: f"{text}, lr_shift: {{hidden: 6, output: 6}}"}


FULL = [
    (
        {**REGRESSION, **brief("rule: dfa, loss: bce")},
        """\
        c.yaml:7:29: bce is for classes; cosines has numbers to approximate, no classes
            7 | training: {rule: dfa, loss: bce, lr_shift: {hidden: 6, output: 6}}
              |                             ^^^
              = help: write mse
        """,
    ),
    (
        {**BLOCKS, **brief("rule: asfp, loss: mse, options: {local_classifier: true}")},
        """\
        c.yaml:9:44: local classifiers learn with loss bce and one hot output
            9 | training: {rule: asfp, loss: mse, options: {local_classifier: true}, lr_shift: {hidden: 6, output: 6}}
              |                                            ^^^^^^^^^^^^^^^^^^^^^^^^
              = help: write local_classifier: false
        """,
    ),
    (
        {"weight: s8f7": "weight: s10f7", **brief("rule: dfa, weight_norm: {gamma: 1.0}")},
        """\
        c.yaml:7:44: a norm of 1.0 is the code 128, out of the reach of feedback s8f7 of layer 0
            7 | training: {rule: dfa, weight_norm: {gamma: 1.0}, lr_shift: {hidden: 6, output: 6}}
              |                                            ^^^
              = help: it must lie in 1 … 126: choose another norm or format
        """,
    ),
    (
        brief("rule: fa, optimiser: nesterov, momentum: {velocity: s9f16}"),
        """\
        c.yaml:7:64: gradients of layer 0 with 15 fractional bits cannot enter velocities s9f16
            7 | training: {rule: fa, optimiser: nesterov, momentum: {velocity: s9f16}, lr_shift: {hidden: 6, output: 6}}
              |                                                                ^^^^^
              = help: give velocities fewer fractional bits than gradients, by at most 31
        """,
    ),
    (
        {**SOFTMAX, **brief("rule: dfa, loss: mse")},
        """\
        c.yaml:6:38: softmax outputs have no squared error here
            6 |     - dense: {units: 10, activation: softmax, weight: s10f8, output: u8f8}
              |                                      ^^^^^^^
              = help: write training.loss: cce
        """,
    ),
    (
        {"weight: s10f8": "weight: s22f8", **brief("rule: dfa, weight_norm: {gamma: 0.5}")},
        # 21 · 2^42 · 2^17 lies between 2^63 and 2^64; one more bit is the sign.
        """\
        c.yaml:6:14: the sum of squared weights of this layer can need 65 bits; at most 64 are exact
            6 |     - dense: {units: 10, activation: sigmoid, weight: s22f8, output: u8f8}
              |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: use narrower formats, a smaller batch or formats whose fractional bits are closer together
        """,
    ),
    (
        {"units: 10": "units: 19", **brief("rule: dfa, hot: 2")},
        """\
        c.yaml:6:22: the output layer has 19 neurons, synthetic has 10 classes of 2 outputs each
            6 |     - dense: {units: 19, activation: sigmoid, weight: s10f8, output: u8f8}
              |                      ^^
              = help: write units: 20 or more
        """,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "text"), FULL, ids=lambda case: case[14:50].strip() if isinstance(case, str) else "")
def test_refusals_in_full(edits, text):
    assert refusal(edits) == dedent(text)


def images(text):
    return {DATA: f"name: synthetic, {text}"}


MOMENTUM = "rule: dfa, optimiser: momentum"
NESTEROV = "rule: dfa, optimiser: nesterov"
WIDE = "weight: s32f20, lr_shift: 12"
NORM = "rule: dfa, weight_norm: {gamma: %s, feedback: false}"
PLACES = [
    # check_task
    (
        {**REGRESSION, **training("rule: dfa, loss: cce")},
        "7:29: cce is for classes; cosines has numbers to approximate",
    ),
    ({**REGRESSION, **training("rule: drtp, loss: mse")}, "7:18: drtp looks rows up by the label; there is none"),
    ({**REGRESSION, **training("rule: dfa, loss: mse, hot: 2")}, "7:39: cosines has no classes"),
    (
        {**SOFTMAX, **training("rule: weight_mirror, loss: cce")},
        "7:39: mirror mode of weight_mirror looks at outputs one by one; softmax has none",
    ),
    (
        {**SOFTMAX, "units: 10": "units: 20", **training("rule: dfa, loss: cce, hot: 2")},
        "7:29: softmax with several hot",
    ),
    (
        {"units: 10": "units: 20", **training("rule: dfa, hot: 2, error_gate: 3")},
        "7:43: the gate looks at the one output",
    ),
    ({**REGRESSION, **training("rule: dfa, loss: mse, error_gate: 3")}, "7:46: the gate looks at the one output of"),
    (
        {**BLOCKS, "units: 10": "units: 20", **training("rule: asfp, hot: 2, options: {local_classifier: true}")},
        "9:41: local classifiers learn with loss bce and one hot output",
    ),
    # check_optimiser
    (training("rule: kp, weight_norm: {gamma: 0.5}"), "7:35: kp keeps weights and feedback alike step by step"),
    (training("rule: asap, weight_norm: {gamma: 0.5}"), "7:37: asap keeps weights and feedback alike step by step"),
    (training(NORM % 0.003), "7:44: a norm of 0.003 is the code 0, out of the reach of weights s8f7 of layer 0"),
    (training(NORM % 0.992), "7:44: a norm of 0.992 is the code 127, out of the reach of weights s8f7 of layer 0"),
    (
        {"weight: s8f7": "weight: s10f7", "weight: s10f8": WIDE, **training(NORM % 1.0)},
        "7:44: a norm of 1.0 is the code 1048576, out of the reach of weights s32f20 of layer 1",
    ),
    (training(f"{MOMENTUM}, momentum: {{velocity: u16f12}}"), "7:65: velocities have both signs"),
    (
        {"hidden: 6": "hidden: 27", **training(MOMENTUM)},
        "7:65: in epoch 0 velocities s16f12 of layer 0 enter s8f7 with a shift of 32, not 0 … 31",
    ),
    (
        {"hidden: 6": "hidden: -6", **training(MOMENTUM)},
        "7:65: in epoch 0 velocities s16f12 of layer 0 enter s8f7 with a shift of -1, not 0 … 31",
    ),
    (
        {"[1, 7]": "[2, 25]", **training(NESTEROV)},  # 12 − 8 + 25 and, for the look ahead, 3 more
        "7:65: in epoch 2 velocities s16f12 of layer 1 enter s10f8 with a shift of 32, not 0 … 31",
    ),
    # _check_ends
    (training("rule: dfa, loss: cce"), "6:38: the output layer is sigmoid, which is not for loss cce"),
    (SOFTMAX, "6:38: the output layer is softmax, which is not for loss bce"),
    ({"activation: sigmoid": "activation: relu"}, "6:38: the output layer is relu, which is not for loss bce"),
    ({"activation: tanh": "activation: softmax"}, "5:38: a hidden layer is softmax"),
    (
        {**REGRESSION, "output: u8f8": "output: s1f0", **training("rule: dfa, loss: mse")},
        "6:67: s1f0 cannot hold a target",
    ),
    # _check_bounds
    (
        {"delta: s8f7": "feedback: s32f8", **training("rule: dfa, weight_norm: {gamma: 0.5}")},
        "5:14: the sum of squared feedback of this layer can need 84 bits",  # 10 · 2^62 · 2^17
    ),
    (
        # 2 · 2^31 · 2^31, and the gradient
        training(f"{MOMENTUM}, momentum: {{shift: 31, velocity: s32f12}}"),
        "5:14: the velocity of this layer can need 65 bits",
    ),
    # resolve
    ({"name: synthetic": "name: synthetic, side: 9"}, "2:34: synthetic has images of 8 × 8 pixels"),
    ({**REGRESSION, DATA: "name: cosines, input: s8f4, side: 4"}, "2:45: cosines has no images"),
    ({DATA: "name: hypercube, input: u4f4"}, "2:35: hypercube has negative numbers, u4f4 none"),
    ({DATA: "name: hypercube"}, "2:10: hypercube has negative numbers, u8f8 none (dataset.input has its default)"),
    # check_inputs
    (images("normalise: {mean: 3}"), "2:10: normalised images have both signs, u8f8 none (dataset.input has its"),
    (images("input: u8f8, normalise: {mean: 3}"), "2:35: normalised images have both signs, u8f8 none"),
    (images("input: s8f7, normalise: {mean: [1, 2, 3]}"), "2:59: 3 values for images of 1 channel"),
    (images("input: s8f7, normalise: {mean: []}"), "2:59: 0 values for images of 1 channel"),
    (images("input: s8f7, normalise: {mean: 256}"), "2:59: 256 is out of range: 0 to 255 is allowed"),
    (images("input: s8f7, normalise: {mean: 3, multiplier: [1, 1]}"), "2:74: 2 values for images of 1 channel"),
    (images("input: s8f7, normalise: {mean: 3, multiplier: 0}"), "2:74: 0 is out of range: 1 to 255 is allowed"),
    (images("augment: {crop: 8}"), "2:44: images of 8 pixels a side moved by up to 8: nothing of them would stay"),
    (images("side: 4, augment: {crop: 4}"), "2:53: images of 4 pixels a side moved by up to 4"),
    ({DATA: "name: cosines, input: s8f4, augment: {crop: 1}"}, "2:48: cosines has no images"),
    ({DATA: "name: hypercube, input: s8f4, normalise: {mean: 1}"}, "2:52: hypercube has no images"),
    ({DATA: "name: cifar10, input: s8f7, normalise: {mean: [1, 2]}"}, "2:57: 2 values for images of 3 channels"),
    ({DATA: "name: cifar100"}, "6:22: the output layer has 10 neurons, cifar100 has 100 classes"),
    ({DATA: "name: cifar10, side: 33"}, "2:32: cifar10 has images of 32 × 32 pixels"),
    ({DATA: "name: svhn, train: 73258"}, "2:30: svhn has 73257 samples, not 73258"),
    ({**REGRESSION, "units: 10": "units: 11"}, "6:22: the output layer has 11 neurons, cosines has 10 functions"),
    ({**REGRESSION, "units: 10": "units: 9"}, "6:22: the output layer has 9 neurons, cosines has 10 functions"),
]


@pytest.mark.parametrize(("edits", "start"), PLACES, ids=lambda case: case[:50] if isinstance(case, str) else "")
def test_what_is_refused_and_where(edits, start):
    assert refusal(edits).startswith(f"c.yaml:{start}")


FINE = [
    {**REGRESSION, **training("rule: dfa, loss: mse")},
    {**SOFTMAX, **training("rule: dfa, loss: cce")},
    training("rule: weight_mirror, loss: mse"),
    {"units: 10": "units: 23", **training("rule: dfa, hot: 2")},
    {**SOFTMAX, **training("rule: dfa, loss: cce, error_gate: 3")},
    {**BLOCKS, **training("rule: asfp, options: {local_classifier: true}")},
    {**BLOCKS, **training("rule: asfp, loss: mse")},
    training(NORM % 0.988),  # code 126
    {"weight: s8f7": "weight: s10f7", **training(NORM % 1.0)},
    {"weight: s10f8": "weight: s21f8", **training("rule: dfa, weight_norm: {gamma: 0.5}")},
    training(f"{MOMENTUM}, momentum: {{velocity: s16f15}}"),
    {"hidden: 6": "hidden: 26", **training(MOMENTUM)},
    {"hidden: 6": "hidden: -5", **training(MOMENTUM)},
    {"[1, 7]": "[2, 24]", **training(NESTEROV)},
    {"[1, 7]": "[2, 27]", **training(MOMENTUM)},
    training(f"{MOMENTUM}, momentum: {{shift: 31, velocity: s31f12}}"),
    {"activation: sigmoid": "activation: relu", **training("rule: dfa, loss: mse")},
    {  # the widest error of an output: 2^32 − 1, 31 bits to the left
        **REGRESSION,
        "activation: sigmoid": "activation: identity",
        "output: u8f8": "output: s32f0, delta: s8f31, lr_shift: -20",
        **training("rule: dfa, loss: mse"),
    },
    {"name: synthetic": "name: synthetic, side: 8"},
    {DATA: "name: hypercube, input: s4f2"},
    images("input: s8f7, normalise: {mean: 255, multiplier: 255, shift: 31}, augment: {crop: 7, flip: true}"),
    images("input: s12f4, normalise: {mean: [0], multiplier: [1]}"),
    images("side: 4, augment: {crop: 3}"),
    {DATA: "name: cifar10, input: s8f7, normalise: {mean: [125, 123, 114], multiplier: 130, shift: 8}"},
]


@pytest.mark.parametrize("edits", FINE, ids=str)
def test_what_lies_just_inside(edits):
    assert load_text(edited(edits), "c.yaml").warnings == ()


@pytest.mark.parametrize(
    ("name", "side", "inputs"),
    [("mnist", "null", 784), ("cifar10", "null", 3072), ("cifar10", "16", 768), ("synthetic", "4", 16)],
)
def test_a_colour_image_has_an_input_for_each_pixel_of_each_channel(name, side, inputs):
    experiment = load_text(edited({DATA: f"name: {name}, side: {side}"}), "c.yaml")
    assert experiment.chip.network.inputs == inputs


def test_a_hundred_and_two_hundred_classes():
    for name, classes, inputs in (
        ("cifar100", 100, 3072),
        ("cifar100_coarse", 20, 3072),
        ("tiny_imagenet", 200, 12288),
    ):
        chip = load_text(edited({DATA: f"name: {name}", "units: 10": f"units: {classes}"}), "c.yaml").chip
        assert (chip.network.inputs, chip.network.classes) == (inputs, classes)


def warned(edits):
    return load_text(edited(edits), "c.yaml").warnings


def test_a_norm_too_small_for_its_weights_is_warned_of():
    text = "training.weight_norm.gamma: layer {} has more weights than squares of its norm in codes; most become 0"
    # 64 and 20 inputs; γ as codes of s8f7 and s10f8: 7 and 15, 8 and 16, 2 and 4
    assert warned(training(NORM % 0.0585)) == (text.format(0),)
    assert warned(training(NORM % 0.0625)) == ()
    assert warned(training(NORM % 0.004)) == (text.format(0), text.format(1))  # code 1, the least there is
    assert warned(training(NORM % 0.0156)) == (text.format(0), text.format(1))


ADAM = brief("rule: dfa, epochs: 1, optimiser: adam, adam: {learning_rate: 0.01}")
NO_ADAM = """\
c.yaml:7:45: adam divides by a root for every weight: no integer datapath has it
    7 | training: {rule: dfa, epochs: 1, optimiser: adam, adam: {learning_rate: 0.01}, lr_shift: {hidden: 6, output: 6}}
      |                                             ^^^^
      = help: run the float twin (--datapath float), or choose sgd, momentum or nesterov
"""


def test_adam_is_for_the_float_twin_alone():
    experiment = load_text(edited({**ADAM, DATA: "name: synthetic, train: 20, test: 10"}), "c.yaml")
    assert experiment.chip.learning.adam.learning_rate == 0.01
    for datapath in ("fast", "traced"):
        with pytest.raises(ConfigError) as caught:
            run(experiment, datapath=datapath)
        assert str(caught.value) + "\n" == NO_ADAM
    assert run(experiment, datapath="float").metrics["test_accuracy"] is not None


def test_steps_of_local_classifiers_in_later_epochs():
    """Gradients of the first classifier have 7 bits more than velocities, those of W_K 2: 7 + 25 and 2 + 25."""
    third = HIDDEN.replace("output: s8f7", "output: s8f2")
    edits = {HIDDEN: 2 * HIDDEN + third, "weight: s10f8": "weight: s10f6", "[1, 7]": "[1, 23]"}
    options = "options: {local_classifier: true, block: 1}, momentum: {shift: 1, velocity: s16f8}"
    message = refusal({**edits, **training(f"rule: asfp, optimiser: nesterov, {options}")})
    assert "with a shift of 32, not 0 … 31" in message


def test_feedback_that_is_not_normalised_may_be_wide():
    load_text(edited({"delta: s8f7": "feedback: s32f8", **training(NORM % 0.5)}))


def test_targets_of_regression_have_at_most_31_bits_and_a_sign():
    edits = {
        "activation: sigmoid": "activation: relu",
        "output: u8f8": "output: u32f8",
        DATA: "name: cosines, input: s8f4",
    }
    edits |= {"epochs: 2": "epochs: 1", **training("rule: dfa, loss: mse")}
    with pytest.raises(ConfigError):
        run(load_text(edited({**edits, DATA: "name: cosines, input: s8f4, train: 3, test: 3"})), datapath="float")


def test_the_base_has_what_the_edits_replace():
    assert BASE.count(HIDDEN) == BASE.count(DATA) == BASE.count("rule: dfa") == 1
