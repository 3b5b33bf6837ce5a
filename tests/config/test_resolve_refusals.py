"""Semantic checks: what each refusal says and where it points."""

from __future__ import annotations

from textwrap import dedent

import pytest
from tiny_experiment import BASE, refusal

RULES = (
    "activation_sharing, asap, asfp, bp, dfa, dkp, drtp, fa, forward_alignment, kp, sdfa, shallow, sign_symmetry,"
    " weight_mirror; a rule of your own is module:function"
)
REFUSED = [
    (
        {"rule: dfa": "rule: dfaa"},
        """\
        c.yaml:7:18: unknown rule 'dfaa'
            7 | training: {rule: dfaa, epochs: 2, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
              |                  ^^^^
              = help: did you mean 'dfa'? known rules: {RULES}
        """,
    ),
    (
        {"rule: dfa": "rule: backprop"},
        """\
        c.yaml:7:18: unknown rule 'backprop'
            7 | training: {rule: backprop, epochs: 2, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
              |                  ^^^^^^^^
              = help: known rules: {RULES}
        """,
    ),
    (
        {"activation: sigmoid": "activation: tanh"},
        """\
        c.yaml:6:38: the output layer is tanh, which is not for loss bce
            6 |     - dense: {units: 10, activation: tanh, weight: s10f8, output: u8f8}
              |                                      ^^^^
              = help: write sigmoid, or training.loss: mse (any activation) or cce
        """,
    ),
    (
        {"units: 10": "units: 11"},
        """\
        c.yaml:6:22: the output layer has 11 neurons, synthetic has 10 classes
            6 |     - dense: {units: 11, activation: sigmoid, weight: s10f8, output: u8f8}
              |                      ^^
              = help: write units: 10
        """,
    ),
    (
        {"weight: s10f8": "weight: u10f8"},
        """\
        c.yaml:6:55: weight needs a signed format, got u10f8
            6 |     - dense: {units: 10, activation: sigmoid, weight: u10f8, output: u8f8}
              |                                                       ^^^^^
              = help: write s10f8
        """,
    ),
    (
        {"delta: s8f7": "delta: u8f7"},
        """\
        c.yaml:5:79: delta needs a signed format, got u8f7
            5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, delta: u8f7}
              |                                                                               ^^^^
              = help: write s8f7
        """,
    ),
    (
        {"delta: s8f7": "projection: u9f7"},
        """\
        c.yaml:5:84: projection needs a signed format, got u9f7
            5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, projection: u9f7}
              |                                                                                    ^^^^
              = help: write s9f7
        """,
    ),
    (
        {"delta: s8f7": "feedback: u4f3"},
        """\
        c.yaml:5:82: feedback needs a signed format, got u4f3
            5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, feedback: u4f3}
              |                                                                                  ^^^^
              = help: write s4f3
        """,
    ),
    (
        {"rule: dfa, epochs: 2": "rule: shallow, error_gate: 3"},
        """\
        c.yaml:7:39: shallow has no hidden learning to gate
            7 | training: {rule: shallow, error_gate: 3, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
              |                                       ^
              = help: write null
        """,
    ),
    (
        {"epochs: 2": "error_gate: 255"},
        """\
        c.yaml:7:35: the gate never opens: e is at most 255
            7 | training: {rule: dfa, error_gate: 255, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
              |                                   ^^^
              = help: choose a code below 255
        """,
    ),
    (
        {"epochs: 2": "sign_dead_zone: 1"},
        """\
        c.yaml:7:39: dfa does not use the sign of the error
            7 | training: {rule: dfa, sign_dead_zone: 1, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
              |                                       ^
              = help: leave it out
        """,
    ),
    (
        {"[[0, 6], [1, 7]]": "[[1, 6], [2, 7]]"},
        """\
        c.yaml:7:64: a schedule starts with epoch 0 and its epochs ascend
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: [[1, 6], [2, 7]]}}
              |                                                                ^^^^^^^^^^^^^^^^
              = help: e.g. [[0, 9], [4, 10]]
        """,
    ),
    (
        {"[[0, 6], [1, 7]]": "[[0, 6], [3, 7], [2, 8]]"},
        """\
        c.yaml:7:64: a schedule starts with epoch 0 and its epochs ascend
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: [[0, 6], [3, 7], [2, 8]]}}
              |                                                                ^^^^^^^^^^^^^^^^^^^^^^^^
              = help: e.g. [[0, 9], [4, 10]]
        """,
    ),
    (
        {"[[0, 6], [1, 7]]": "[]"},
        """\
        c.yaml:7:64: a schedule starts with epoch 0 and its epochs ascend
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: []}}
              |                                                                ^^
              = help: e.g. [[0, 9], [4, 10]]
        """,
    ),
    (
        {"delta: s8f7": "lr_shift: [[0, 7], [0, 8]]"},
        """\
        c.yaml:5:82: a schedule starts with epoch 0 and its epochs ascend
            5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, lr_shift: [[0, 7], [0, 8]]}
              |                                                                                  ^^^^^^^^^^^^^^^^
              = help: e.g. [[0, 9], [4, 10]]
        """,
    ),
    (
        {"hidden: 6": "hidden: 24"},
        """\
        c.yaml:7:53: lr_shift 24 (epoch 0) gives layer 0 an update shift of 32, not 0 … 31
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: 24, output: [[0, 6], [1, 7]]}}
              |                                                     ^^
              = help: update shift = delta frac 7 + input frac 8 − weight frac 7 + lr_shift
        """,
    ),
    (
        {"hidden: 6": "hidden: -9"},
        """\
        c.yaml:7:53: lr_shift -9 (epoch 0) gives layer 0 an update shift of -1, not 0 … 31
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: -9, output: [[0, 6], [1, 7]]}}
              |                                                     ^^
              = help: update shift = delta frac 7 + input frac 8 − weight frac 7 + lr_shift
        """,
    ),
    (
        {"[[0, 6], [1, 7]]": "[[0, 24], [1, 25]]"},
        """\
        c.yaml:7:64: lr_shift 25 (epoch 1) gives layer 1 an update shift of 32, not 0 … 31
            7 | training: {rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: [[0, 24], [1, 25]]}}
              |                                                                ^^^^^^^^^^^^^^^^^^
              = help: update shift = delta frac 8 + input frac 7 − weight frac 8 + lr_shift
        """,
    ),
    (
        {"output: u8f8": "output: u8f8, lr_shift: [[0, 1], [3, -8]]"},
        """\
        c.yaml:6:86: lr_shift -8 (epoch 3) gives layer 1 an update shift of -1, not 0 … 31
            6 |     - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8, lr_shift: [[0, 1], [3, -8]]}
              |                                                                                      ^^^^^^^^^^^^^^^^^
              = help: update shift = delta frac 8 + input frac 7 − weight frac 8 + lr_shift
        """,
    ),
    (
        {"delta: s8f7": "delta: s8f7, lr_shift: 24"},
        """\
        c.yaml:5:95: lr_shift 24 (epoch 0) gives layer 0 an update shift of 32, not 0 … 31
            5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, delta: s8f7, lr_shift: 24}
              |                                                                                               ^^
              = help: update shift = delta frac 7 + input frac 8 − weight frac 7 + lr_shift
        """,
    ),
    (
        {"lanes: 16": "weight_banks: 12"},
        """\
        c.yaml:9:25: 12 is not a power of two
            9 | machine: {weight_banks: 12}
              |                         ^^
              = help: write 8 or 16
        """,
    ),
    (
        {"train: 200": "input: s8f7"},
        """\
        c.yaml:2:35: image bytes do not fit s8f7
            2 | dataset: {name: synthetic, input: s8f7, test: 50}
              |                                   ^^^^
              = help: use u8f8, or fewer bits: u4f4, u1f1; signed: with dataset.normalise
        """,
    ),
    (
        {"train: 200": "input: u9f8"},
        """\
        c.yaml:2:35: image bytes do not fit u9f8
            2 | dataset: {name: synthetic, input: u9f8, test: 50}
              |                                   ^^^^
              = help: use u8f8, or fewer bits: u4f4, u1f1
        """,
    ),
    (
        {"weight: s10f8": "weight: s32f31, lr_shift: 16", "output: s8f7": "output: s32f31"},
        # 2^31 · (20 · 2^31 + 2^31 − 1) + 2^58 lies between 2^66 and 2^67; one more bit is the sign.
        """\
        c.yaml:6:14: the accumulator of this layer can need 68 bits; at most 64 are exact
            6 |     - dense: {units: 10, activation: sigmoid, weight: s32f31, lr_shift: 16, output: u8f8}
              |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: use narrower formats, a smaller batch or formats whose fractional bits are closer together
        """,
    ),
    (
        {"output: s8f7": "output: s32f7", "output: u8f8": "output: u8f8, delta: s32f8", "epochs: 2": "batch: 3"},
        # 3 · 2^31 · 2^31 + 2^31 + 2^9
        """\
        c.yaml:6:14: the weight update of this layer can need 65 bits; at most 64 are exact
            6 |     - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8, delta: s32f8}
              |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: use narrower formats, a smaller batch or formats whose fractional bits are closer together
        """,
    ),
    (
        {"delta: s8f7": "feedback: s32f0, projection: s32f31"},
        # 10 · 2^31 · 2^8, left by 31 − 8
        """\
    c.yaml:5:14: the projection of this layer can need 67 bits; at most 64 are exact
        5 |     - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, feedback: s32f0, projection: s32f31}
          |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = help: use narrower formats, a smaller batch or formats whose fractional bits are closer together
    """,
    ),
]


@pytest.mark.parametrize(("edits", "text"), REFUSED, ids=lambda case: str(case)[:60] if isinstance(case, dict) else "")
def test_refusals_in_full(edits, text):
    assert refusal(edits) == dedent(text).replace("{RULES}", RULES)


def test_no_layers():
    layers = BASE[BASE.index("  layers:") : BASE.index("training:")]
    assert refusal({layers: "  layers: []\n"}) == dedent("""\
        c.yaml:4:11: a network needs at least an output layer
            4 |   layers: []
              |           ^^
              = help: write layers, or a preset
        """)


@pytest.mark.parametrize(
    ("setting", "named"),
    [("delta: u9f8", "delta needs a signed format, got u9f8"), ("feedback: {format: u8f7}", "got u8f7")],
)
def test_an_unsigned_common_format_is_shown_where_it_was_written(setting, named):
    message = refusal({"strict: false": setting})
    assert named in message
    assert message.startswith("c.yaml:8:"), message
