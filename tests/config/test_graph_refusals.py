"""Networks with convolutions that are refused: what each refusal says, where it points, what it recommends."""

from __future__ import annotations

import pytest
from tiny_experiment import BASE
from tiny_graph import GRAPH, OUTPUT, PRESET, RESIDUAL, refusal_of

from neuro_emu.rules import RULES, Need, Rule

REFUSED_GRAPHS = [
    (
        {"formats: {weight: s8f7, ": "formats: {"},
        "6:13",
        "missing key 'weight'",
        "weight is a Format: format of the weights, e.g. s8f8; network.formats.",
    ),
    (
        {"output: s8f7, delta": "delta"},
        "6:13",
        "missing key 'output'",
        "output is a Format: format of the outputs, e.g. s8f7; network.formats.",
    ),
    (
        {"channels: 4, kernel: 3, padding: 1": "channels: 4, kernel: 3, padding: 3"},
        "6:47",
        "a padding of 3 around a map that is seen 3 by 3",
        "at most 2",
    ),
    (
        {"channels: 4, kernel: 3, padding: 1": "channels: 4, kernel: 11, padding: 1"},
        "6:35",
        "a kernel of 11 × 11 has no place on a map of 8 × 8 with padding 1",
        "choose a smaller kernel, or keep the map larger",
    ),
    (
        {"max_pool: {kernel: 2}": "max_pool: {kernel: 9}"},
        "7:26",
        "a kernel of 9 × 9 has no place on a map of 8 × 8",
        "choose a smaller kernel, or keep the map larger",
    ),
    (
        {"max_pool: {kernel: 2}": "average_pool: {stride: 2}"},
        "7:30",
        "the mean of the whole map has no stride",
        "leave it out",
    ),
    (
        {"kernel: 3, channels: 4": "kernel: 3, channels: 8"},
        "8:24",
        "the body makes maps of 4 × 4 × 8, the shortcut of 4 × 4 × 4; these do not add",
        "write a projection with the body's channels and strides, or shortcut: ",
    ),
    (
        {"conv: {kernel: 3": "conv: {stride: 2, kernel: 3"},
        "8:24",
        "the body makes maps of 2 × 2 × 4, the shortcut of 4 × 4 × 4; these do not add",
        "write a projection with the body's channels and strides, or shortcut: ",
    ),
    (
        {"table_frac: 4}": "table_frac: 4, projection: {channels: 5}}"},
        "8:119",
        "the body makes maps of 4 × 4 × 4, the shortcut of 4 × 4 × 5; these do not add",
        "write a projection with the body's channels and strides, or shortcut: ",
    ),
    (
        {"table_frac: 4}": "table_frac: 4, projection: {channels: 4}, shortcut: false}"},
        "8:119",
        "the convolution of a shortcut that is not there",
        "write null",
    ),
    (
        {"identity}], table_frac: 4}": "relu}], table_frac: 4, shortcut: false}"},
        "8:113",
        "the last layer of the body takes the activation relu, and it is no identity",
        "end the body with a conv or dense layer with activation: identity",
    ),
    ({RESIDUAL: "residual: {body: []}"}, "8:24", "a residual without layers", "write at least one"),
    ({RESIDUAL: "concat: {branches: []}"}, "8:26", "nothing to put side by side", "write at least one branch"),
    (
        {RESIDUAL: "concat: {branches: [[], [max_pool: {kernel: 2}]]}"},
        "8:26",
        "branches make maps of 4 × 4 × 4, 2 × 2 × 4",
        "maps of equal height and width go side by side",
    ),
    (
        {RESIDUAL: "concat: {branches: [[], [conv: {channels: 2, kernel: 5, activation: relu}]]}"},
        "8:60",
        "a kernel of 5 × 5 has no place on a map of 4 × 4",
        "choose a smaller kernel, or keep the map larger",
    ),
    (
        {f"    - {OUTPUT}\n": ""},
        "9:22",
        "the output layer has 12 neurons, synthetic has 10 classes",
        "write units: 10",
    ),
    (
        {OUTPUT: "max_pool: {kernel: 1}"},
        "10:7",
        "the last layer makes the outputs",
        "end with a dense layer",
    ),
    ({"units: 10": "units: 9"}, "10:22", "the output layer has 9 neurons, synthetic has 10 classes", "write units: 10"),
    (
        {"activation: sigmoid": "activation: softmax"},
        "10:38",
        "the output layer is softmax, which is not for loss bce",
        "write sigmoid, or training.loss: mse (any activation) or cce",
    ),
    (
        {"activation: sigmoid": "activation: relu"},
        "10:38",
        "the output layer is relu, which is not for loss bce",
        "write sigmoid, or training.loss: mse (any activation) or cce",
    ),
    (
        {"rule: bp": "rule: bp, loss: mse", "activation: sigmoid": "activation: softmax"},
        "10:38",
        "softmax outputs have no squared error here",
        "write training.loss: cce",
    ),
    (
        {"units: 12, activation: hard_tanh": "units: 12, activation: softmax"},
        "9:38",
        "a hidden layer is softmax",
        "only outputs can be",
    ),
    ({"output: u8f8": "output: u1f8, norm: {}"}, "10:82", "the output layer has no norm", "leave it out"),
    ({"output: u8f8": "output: s1f0"}, "10:70", "s1f0 cannot hold a target: its largest code is 0", "write u8f8"),
    ({"output: u8f8": "output: u8f8, feedback: s8f7"}, "10:86", "the output layer has no feedback", "leave it out"),
    ({"output: u8f8": "output: u8f8, projection: s8f7"}, "10:88", "the output layer has no projection", "leave it out"),
    ({"weight: s8f7": "weight: u8f7"}, "4:21", "weight needs a signed format, got u8f7", "write s8f7"),
    ({"weight: s8f7": "weight: s17f7"}, "4:21", "weight in s17f7: products take 16 bits with the sign", "at most s16"),
    (
        {"output: s8f7, delta: s8f7": "output: u16f7, delta: s8f7"},
        "4:35",
        "output in u16f7: products take 16 bits with the sign",
        "at most s16 or u15",
    ),
    (
        {"output: s8f7, delta: s8f7": "output: s8f7, delta: u8f7"},
        "4:48",
        "delta needs a signed format, got u8f7",
        "write s8f7",
    ),
    (
        {"delta: s8f7}": "delta: s8f7, projection: u8f7}"},
        "4:66",
        "projection needs a signed format, got u8f7",
        "write s8f7",
    ),
    (
        {"delta: s8f7}": "delta: s8f7, feedback: u8f7}"},
        "4:64",
        "feedback needs a signed format, got u8f7",
        "write s8f7",
    ),
    (
        {"delta: s8f7}": "delta: s8f7, preactivation: u8f7}"},
        "4:69",
        "preactivation needs a signed format, got u8f7",
        "write s8f7",
    ),
    (
        {"delta: s8f7}": "delta: s8f7, preactivation: s18f7}"},
        "4:69",
        "preactivation in s18f7: products take 16 bits with the sign",
        "at most s16",
    ),
    (
        {"delta: s9f8": "delta: s9f8, preactivation: s9f4"},
        "10:104",
        "sigmoid looks its values up with 8 bits, not with s9f4",
        "leave it out, or write table_frac",
    ),
    (
        {"padding: 1, activation: hard_tanh}": "padding: 1, activation: hard_tanh, norm: {scale: s16f5}}"},
        "6:79",
        "the norm's fractional bits of scale must be 6 to 18, not 5",
        "docs/deep.md has the formats that are taken",
    ),
    (
        {
            "padding: 1, activation: hard_tanh}": "padding: 1, activation: hard_tanh, norm: {}}",
            "batch: 20": "batch: 4097",
        },
        "11:40",
        "layer 0 brings 262208 values of a channel to its norm, which takes 262144",
        "at most 4096",
    ),
    (
        {
            "training: {": "training: {error_gate: 4, ",
            "padding: 1, activation: hard_tanh}": "padding: 1, activation: hard_tanh, norm: {}}",
        },
        "11:24",
        "the gate leaves samples out of a batch whose statistics they are part of",
        "write null, or norm: null for all layers",
    ),
    ({"training: {": "training: {hot: 2, "}, "11:17", "graphs of layers have one hot output a class", "write 1"),
    (
        {"training: {": "training: {weight_norm: {}, "},
        "11:25",
        "graphs of layers do not normalise weights",
        "write null; norm: {} of a layer normalises its sums",
    ),
    (
        {"name: synthetic, train: 200, test: 50": "name: cosines, input: s8f4"},
        "2:17",
        "cosines has numbers to approximate; graphs of layers learn classes",
        "e.g. write mnist",
    ),
    (
        {"training: {": "training: {error_gate: 255, "},
        "11:24",
        "the gate never opens: e is at most 255",
        "choose a code below 255",
    ),
    (
        {"training: {": "training: {validation: 200, "},
        "11:24",
        "holding out 200 of 200 training samples leaves nothing to learn from",
        "hold out fewer than 200",
    ),
    (
        {"training: {": "training: {sign_dead_zone: 2, "},
        "11:28",
        "bp does not use the sign of the error",
        "leave it out",
    ),
    (
        {"training: {": "training: {weight_decay: {shift: 0}, "},
        "11:34",
        "shift 0 lies outside 1 … 31",
        "e.g. 11, for λ = 2^-11",
    ),
    (
        {"training: {": "training: {feedback_lr_shift: [[1, 2]], "},
        "11:31",
        "a schedule starts with epoch 0 and its epochs ascend",
        "e.g. [[0, 9], [4, 10]]",
    ),
    (
        {"training: {": "training: {optimiser: momentum, momentum: {velocity: u16f12}, "},
        "11:54",
        "velocities have both signs",
        "e.g. s16f12",
    ),
    (
        {"training: {": "training: {optimiser: momentum, momentum: {velocity: s30f28}, "},
        "11:54",
        "gradients of layer 0 with 15 fractional bits cannot enter velocities s30f28",
        "give velocities fewer fractional bits than gradients, by at most 31",
    ),
    (
        {"hidden: 9": "hidden: 28", "training: {": "training: {optimiser: momentum, "},
        "11:84",
        "in epoch 0 velocities s16f12 of layer 0 enter s8f7 with a shift of 33, not 0 … 31",
        "change lr_shift or the velocity's fractional bits; momentum: shift 3",
    ),
    (
        {"hidden: 9": "hidden: 25"},
        "11:63",
        "lr_shift 25 (epoch 0) gives layer 0 an update shift of 33, not 0 … 31",
        "update shift = delta frac 7 + input frac 8 − weight frac 7 + lr_shift",
    ),
    (
        {"hidden: 9": "hidden: [[1, 9]]"},
        "11:63",
        "a schedule starts with epoch 0 and its epochs ascend",
        "e.g. [[0, 9], [4, 10]]",
    ),
    (
        {"table_frac: 5": "lr_shift: 26"},
        "9:59",
        "lr_shift 26 (epoch 0) gives layer 2 an update shift of 33, not 0 … 31",
        "update shift = delta frac 7 + input frac 7 − weight frac 7 + lr_shift",
    ),
    (
        {"output: 8}": "output: 26}"},
        "11:74",
        "lr_shift 26 (epoch 0) gives layer 3 an update shift of 33, not 0 … 31",
        "update shift = delta frac 8 + input frac 7 − weight frac 8 + lr_shift",
    ),
    (
        {"training: {": "numerics: {random_words: raw}\ntraining: {"},
        "11:26",
        "graphs of layers draw row words, not raw",
        "write row_word or row_lfsr",
    ),
    (
        {"training: {": "numerics: {accumulator: {bits: 16, overflow: SAT}}\ntraining: {"},
        "11:46",
        "sums of layer 0 reach 20 bits, and graphs of layers do not saturate them",
        "write WRAP, or more bits",
    ),
    (
        {"training: {": "estimate: {density: []}\ntraining: {"},
        "11:21",
        "no density, and the chip has 4 layers",
        "a share a layer, the last for all above, or null",
    ),
    ({"rule: bp": "rule: bpp"}, "11:18", "unknown rule 'bpp'", "did you mean 'bp'?"),
    ({"training: {": "machine: {weight_banks: 3}\ntraining: {"}, "11:25", "3 is not a power of two", "write 2 or 4"),
    (
        {"  layers:\n": "  preset: {dkp: {}}\n  layers:\n"},
        "6:3",
        "layers beside a preset, which stands for all of them",
        "leave out one",
    ),
    ({"conv: {channels": "conv: {channel"}, "6:14", "unknown key 'channel'", "did you mean 'channels'?"),
    ({"- conv: {channels": "- con: {channels"}, "6:7", "unknown key 'con'", "did you mean 'conv'?"),
    (
        {"padding: 1, activation: hard_tanh": "padding: 1, activation: softmax"},
        "6:62",
        "the string 'softmax' is not one of the choices",
        "choices: hard_tanh, relu, identity, tanh, sigmoid, tanh_relu",
    ),
    (
        {"output: u8f8, delta: s9f8": "output: u8f8, delta: s9f8, initial: ones"},
        "10:98",
        "the string 'ones' is not one of the choices",
        "choices: zero, random, centred",
    ),
    (
        {"max_pool: {kernel: 2}": "max_pool: {kernel: 17}"},
        "7:26",
        "17 is out of range: 1 to 16 is allowed",
        "rows and columns of a window",
    ),
    (
        {
            "batch: 20": "batch: 65536",
            "output: s8f7, delta: s8f7": "output: s16f7, delta: s16f7",
            "training: {": "training: {optimiser: momentum, momentum: {shift: 30, velocity: s30f10}, ",
        },
        "11:102",
        "gradients of layer 0 can need 76 bits; at most 62 are exact",
        "choose a smaller batch, or narrower formats",
    ),
    (
        {"table_frac: 4}": "table_frac: 4, preactivation: s18f4}"},
        "8:122",
        "preactivation in s18f4: products take 16 bits with the sign",
        "at most s16",
    ),
    ({"table_frac: 4}": "table_frac: 4, delta: u8f4}"}, "8:114", "delta needs a signed format, got u8f4", "write s8f4"),
    (
        {"table_frac: 4}": "activation: tanh, preactivation: s9f4}"},
        "8:125",
        "tanh looks its values up with 8 bits, not with s9f4",
        "write table_frac",
    ),
    (
        {"table_frac: 4}": "table_frac: 4, output: u16f4}"},
        "8:115",
        "output in u16f4: products take 16 bits with the sign",
        "at most s16 or u15",
    ),
    (
        {RESIDUAL: "concat: {branches: [[]], output: u16f4}"},
        "8:40",
        "output in u16f4: products take 16 bits with the sign",
        "at most s16 or u15",
    ),
    (
        {"table_frac: 4}": "table_frac: 4, output: u17f4}"},
        "8:115",
        "output in u17f4: products take 16 bits with the sign",
        "at most s16 or u15",
    ),
]
REFUSED_PRESETS = [
    (
        {"preset: {drtp_mnist: {hidden: 20}}": "preset: drtp_mnist"},
        "4:11",
        "expected a mapping with one key or null, got the string 'drtp_mnist'",
        "write 'drtp_mnist: {}'",
    ),
    (
        {"preset: {drtp_mnist: {hidden: 20}}": "preset: {drtp_mist: {}}"},
        "4:12",
        "unknown key 'drtp_mist'",
        "did you mean 'drtp_mnist'?",
    ),
    (
        {"hidden: 20}}": "hidden: 0}}"},
        "4:33",
        "0 is out of range: 1 to 65536 is allowed",
        "units of the dense hidden layer",
    ),
    (
        {"preset: {drtp_mnist: {hidden: 20}}": "preset: {resnet: {depth: 50}}"},
        "4:28",
        "the number 50 is not one of the choices",
        "choices: 18, 34",
    ),
    (
        {"preset: {drtp_mnist: {hidden: 20}}": "preset: {dkp: {}}"},
        "4:11",
        "layer 3 of this network: the output layer is softmax, which is not for loss bce",
        "write training.loss: cce",
    ),
    (
        {"rule: drtp": "rule: drtp, loss: cce"},
        "4:11",
        "layer 2 of this network: the output layer is sigmoid, which is not for loss cce",
        "write training.loss: bce",
    ),
    (
        {"weight: s8f7, ": ""},
        "4:11",
        "missing key 'weight'",
        "weight is a Format: format of the weights, e.g. s8f8; network.formats.",
    ),
    ({"weight: s8f7": "weight: u8f7"}, "5:21", "weight needs a signed format, got u8f7", "write s8f7"),
    (
        {"name: synthetic, train: 200, test: 50": "name: synthetic, side: 1"},
        "4:11",
        "layer 1 of this network: a kernel of 2 × 2 has no place on a map of 1 × 1",
        "choose a smaller kernel, or keep the map larger",
    ),
    (
        {"hidden: 9": "hidden: 29"},
        "6:65",
        "lr_shift 29 (epoch 0) gives layer 1 an update shift of 36, not 0 … 31",
        "update shift = delta frac 7 + input frac 7 − weight frac 7 + lr_shift",
    ),
    (
        {"preset: {drtp_mnist: {hidden: 20}}": "preset: null"},
        "3:1",
        "a network needs at least an output layer (network.layers has its default)",
        "write layers, or a preset",
    ),
]
REFUSED_DENSE = [
    (
        {"delta: s8f7": "delta: s8f7, norm: {}"},
        "5:91",
        "norm is for networks that learn a mini-batch at a time",
        "leave it out, or write network.batched: true",
    ),
    (
        {"delta: s8f7": "delta: s8f7, learns: false"},
        "5:93",
        "learns is for networks that learn a mini-batch at a time",
        "leave it out, or write network.batched: true",
    ),
    (
        {"delta: s8f7": "delta: s8f7, initial: zero"},
        "5:94",
        "initial is for networks that learn a mini-batch at a time",
        "leave it out, or write network.batched: true",
    ),
    (
        {"delta: s8f7": "delta: s8f7, dropout: false"},
        "5:94",
        "dropout is for networks that learn a mini-batch at a time",
        "leave it out, or write network.batched: true",
    ),
    (
        {"delta: s8f7": "delta: s8f7, preactivation: s9f4"},
        "5:100",
        "preactivation is for networks that learn a mini-batch at a time",
        "leave it out, or write network.batched: true",
    ),
    (
        {"  layers:\n": "  formats: {preactivation: s9f4}\n  layers:\n"},
        "4:28",
        "pre-activations have table_frac where networks learn sample by sample",
        "leave it out, or write network.batched: true",
    ),
    (
        {"weight: s8f7, ": ""},
        "5:14",
        "missing key 'weight'",
        "weight is a Format: format of the weights, e.g. s8f8; network.formats.",
    ),
    (
        {"output: s8f7, ": "", "  layers:\n": "  formats: {delta: u8f7}\n  layers:\n"},
        "6:14",
        "missing key 'output'",
        "output is a Format: format of the outputs, e.g. s8f7; network.formats.",
    ),
    (
        {"output: s8f7, delta: s8f7": "output: s8f7", "  layers:\n": "  formats: {delta: u8f7}\n  layers:\n"},
        "4:20",
        "delta needs a signed format, got u8f7",
        "write s8f7",
    ),
    (
        {"weight: s8f7, ": "", "  layers:\n": "  formats: {weight: u8f7}\n  layers:\n"},
        "4:21",
        "weight needs a signed format, got u8f7",
        "write s8f7",
    ),
    (
        {"  layers:\n": "  formats: {feedback: u8f7}\n  layers:\n"},
        "4:23",
        "feedback needs a signed format, got u8f7",
        "write s8f7",
    ),
    (
        {"  layers:\n": "  formats: {projection: u8f7}\n  layers:\n"},
        "4:25",
        "projection needs a signed format, got u8f7",
        "write s8f7",
    ),
]
TABLES = ((GRAPH, REFUSED_GRAPHS), (PRESET, REFUSED_PRESETS), (BASE, REFUSED_DENSE))
CASES = [(text, *case) for text, cases in TABLES for case in cases]
MESSAGES = {case[3] for case in CASES}


@pytest.mark.parametrize(
    ("text", "edits", "place", "message", "hint"), CASES, ids=lambda value: value[:50] if str(value) in MESSAGES else ""
)
def test_refusals(text, edits, place, message, hint):
    """The whole first line, the beginning of the last one, and carets under the place."""
    lines = refusal_of(edits, text).splitlines()
    assert lines[0] == f"c.yaml:{place}: {message}"
    assert lines[-1].startswith(f"      = help: {hint}")
    line, column = map(int, place.split(":"))
    number, _, shown = lines[1].partition(" | ")
    assert int(number) == line
    assert len(shown) >= column
    assert lines[2].partition(" | ")[2].startswith(" " * (column - 1) + "^")


def not_through_the_slope(dp, k):
    dp.update(k, dp.project(k, dp.error()))


def the_error_twice(dp, k):
    dp.update(k, dp.gate(k, dp.gate(k, dp.project(k, dp.error()))))


@pytest.mark.parametrize("body", [not_through_the_slope, the_error_twice])
def test_rules_that_ask_for_something_else_are_refused_where_they_stand(body, monkeypatch):
    monkeypatch.setitem(RULES, "odd", Rule("odd", Need.ERROR, body, "odd"))
    message = refusal_of({"rule: bp": "rule: odd"})
    assert message.startswith("c.yaml:11:18: rule odd ")
    assert "in layer" in message or "graphs" in message
