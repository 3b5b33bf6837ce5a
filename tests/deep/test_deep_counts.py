"""Counts and memories of graphs against docs/machine.md worked out by hand, and against the dense machine."""

from dataclasses import replace

import numpy as np
import pytest
from dense_pair import DESIGN, fmt, layers_of, learning_of, numerics_of, pair, run, samples
from graphs import formats, output_formats

from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase, Port
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.initialise import initial_state as deep_state
from neuro_emu.machine.deep.mapping import cover, inside_taps
from neuro_emu.machine.design import Design, ZeroInput
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Decay, Mirror, Momentum
from neuro_emu.network.deep.builder import Builder
from neuro_emu.network.deep.graph import Norm
from neuro_emu.network.deep.shapes import window_on
from neuro_emu.training.deep_engine import DeepEngine
from neuro_emu.training.engines import FastEngine

pytestmark = pytest.mark.integer


def conv_net(rule, *, second=False, design=None, batch=1, **learning):
    """3×3×1, conv of 2 channels with padding, [a 2×2 conv of 3 channels,] 2 classes; two lanes, two positions."""
    made = Builder((3, 3, 1), fmt("u8f8"))
    made.conv(2, 3, formats(), padding=1, activation="relu")
    if second:
        made.conv(3, 2, formats(), activation="hard_tanh")
    made.dense(2, output_formats(), activation="sigmoid")
    graph = made.graph()
    chosen = design or Design(2, 100, 2, 1, ZeroInput.NONE, 2)
    return DeepChip(graph, numerics_of(), learning_of(rule, len(graph.layers), batch, **learning), chosen)


def one_sample(chip, codes):
    """Counts of one training sample."""
    engine = DeepEngine(chip, deep_state(chip), codes, np.array([1], np.uint8))
    engine.begin_epoch(0, np.arange(1))
    engine.train(0, 1)
    return engine.counts()[0]


def events(counts, phase, layer):
    return {C(c).name: int(n) for c, n in enumerate(counts.events[phase, layer]) if n}


def banked(counts, phase, layer):
    return {
        port.name: counts.banked[phase, layer, port].tolist()
        for port in Port
        if counts.banked[phase, layer, port].any()
    }


CODES = np.array([[0, 1, 2, 3, 0, 5, 6, 7, 8]], np.uint8)


def test_a_convolution_by_hand():
    """9 positions in 5 tiles, 9 rows and the bias row, 7 · 7 taps on the map."""
    counts = one_sample(conv_net("bp"), CODES)
    assert events(counts, Phase.LOAD, 0) == {"CYCLES": 9, "INPUT_WRITE": 9}
    assert events(counts, Phase.FORWARD, 0) == {
        "CYCLES": 9 * 10 + 5 * 2 + 9 * 2 + 5,
        "INPUT_READ": 49,
        "MAC": (49 + 9) * 2,
        "OUTPUT_WRITE": 18,
        "PREACTIVATION_WRITE": 18,
    }
    assert banked(counts, Phase.FORWARD, 0) == {"WEIGHT_READ": [25, 25]}
    assert events(counts, Phase.ERROR, 0) == {  # back through the dense layer, 9 groups of 2 neurons; then the gate
        "CYCLES": 9 * (1 + 2 + 3 + 1) + 9,
        "ERROR_READ": 18,
        "MAC": 36,
        "PARTIAL_WRITE": 18,
        "PARTIAL_READ": 18,
        "GATE": 18,
        "PREACTIVATION_READ": 18,
        "ERROR_WRITE": 18,
    }
    assert events(counts, Phase.UPDATE, 0) == {
        "CYCLES": 10 * (9 + 3) + 10 + 3,
        "INPUT_READ": 49,
        "ERROR_READ": (49 + 9) * 2,
        "MAC": (49 + 9) * 2,
        "UPDATE": 20,
        "RANDOM_WORD": 10,
    }
    assert banked(counts, Phase.UPDATE, 0) == {
        "WEIGHT_READ": [5, 5],
        "WEIGHT_WRITE": [5, 5],
        "GRADIENT_READ": [10, 10],
        "GRADIENT_WRITE": [10, 10],
    }
    assert events(counts, Phase.ERROR, 1) == {"CYCLES": 1, "ERROR_READ": 2, "ERROR_WRITE": 2}
    assert events(counts, Phase.UPDATE, 1)["CYCLES"] == 19 + 3 + 19 + 3


def test_zeros_cost_a_cycle_and_no_multiplication():
    """The corner is seen from 2 · 2 positions, the centre from 3 · 3; padding is no zero code that is read."""
    chip = conv_net("bp")
    for mode in (ZeroInput.GATE, ZeroInput.SKIP):
        counts = one_sample(replace(chip, design=replace(chip.design, zero_input=mode)), CODES)
        found = events(counts, Phase.FORWARD, 0)
        assert found["MAC"] == (49 - 4 - 9 + 9) * 2
        assert (found["CYCLES"], found["INPUT_READ"]) == (123, 49)
        assert banked(counts, Phase.FORWARD, 0) == {"WEIGHT_READ": [25, 25]}
        assert events(counts, Phase.UPDATE, 0)["MAC"] == (49 - 4 - 9 + 9) * 2


def test_errors_through_a_convolution_by_hand():
    """4 positions in 2 tiles, 8 rows, 3 channels in 2 groups; every tap is on the map."""
    counts = one_sample(conv_net("bp", second=True), CODES)
    found = events(counts, Phase.ERROR, 0)
    assert found["CYCLES"] == 2 * (4 * 8 + 2 * (3 + 1)) + 9
    assert found["ERROR_READ"] == 4 * 3
    assert found["MAC"] == 4 * 8 * 3
    assert found["PARTIAL_READ"] == found["PARTIAL_WRITE"] == 2 * 4 * 8
    assert banked(counts, Phase.ERROR, 1) == {"WEIGHT_READ": [16, 16]}  # 2 groups, 2 tiles, 8 rows


def test_a_label_rule_keeps_no_preactivation_and_reads_a_row():
    """18 neurons in 9 groups."""
    counts = one_sample(conv_net("drtp"), CODES)
    found = events(counts, Phase.ERROR, 0)
    assert found == {"CYCLES": 9 + 9, "FEEDBACK_READ": 9, "GATE": 18, "ERROR_WRITE": 18}
    assert "PREACTIVATION_WRITE" not in events(counts, Phase.FORWARD, 0)
    assert events(one_sample(conv_net("shallow"), CODES), Phase.ERROR, 0) == {}


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "padding"), [(1, 0), (2, 0), (2, 1), (3, 2), (3, 0)])
def test_cover_counts_taps(kernel, padding, stride):
    window = window_on((5, 4, 3), (kernel, kernel), stride, padding)
    expected = np.zeros((5, 4), dtype=int)
    for y, x, down, across in np.ndindex(window.rows, window.columns, kernel, kernel):
        at, there = y * stride + down - padding, x * stride + across - padding
        if 0 <= at < 5 and 0 <= there < 4:
            expected[at, there] += 1
    assert cover(window).tolist() == expected.tolist()
    assert inside_taps(window) == 3 * expected.sum()


def options(**chosen):
    return {"options": tuple(chosen.items())}


MOMENTUM = {"momentum": Momentum(3, fmt("s24f12"))}
DECAYS = {"weight_decay": Decay(((0, 6), (1, 8)), 2), "feedback_decay": Decay(((0, 5),), 1)}
DENSE = {
    "drtp": ("drtp", {}, {}),
    "sdfa, gate": ("sdfa", {"error_gate": 40}, {}),
    "dfa, dropout": ("dfa", {"dropout": 70}, {}),
    "bp, momentum": ("bp", {"momentum": Momentum(3, fmt("s24f12"))}, {}),
    "bp, decay, tables": ("bp", {"weight_decay": Decay(((0, 6), (1, 8)), 2)}, {"hidden": "tanh"}),
    "bp, softmax": ("bp", {"loss": "cce"}, {"output": "softmax"}),
    "bp, squared": ("bp", {"loss": "mse"}, {}),
    "fa": ("fa", {}, {}),
    "sign symmetry": ("sign_symmetry", {}, {}),
    "kp": ("kp", DECAYS, {"twins": True}),
    "dkp": ("dkp", DECAYS | MOMENTUM, {}),
    "asap": ("asap", options(block=2, lag=1, matching="max_pool"), {"twins": True}),
    "sharing": ("activation_sharing", options(block=2, lag=0, matching="random"), {}),
    "asfp": ("asfp", options(block=2, matching="average_pool") | MOMENTUM, {}),
    "asfp, local": ("asfp", options(block=2, local_classifier=True), {}),
    "mirror": ("weight_mirror", {"mirror": Mirror(7, 3, 2)} | MOMENTUM, {}),
}


@pytest.mark.parametrize(("rule", "learning", "layers"), DENSE.values(), ids=DENSE)
@pytest.mark.parametrize("mode", ZeroInput)
def test_dense_graphs_have_the_counts_of_the_dense_machine(rule, learning, layers, mode):
    old, new = pair(layers_of((20, 17, 9, 12, 5), **layers), learning_of(rule, 4, 7, **learning), numerics_of())
    design = replace(DESIGN, zero_input=mode, weight_banks=4, activation_units=2)
    old, new = replace(old, design=design), replace(new, design=design)
    count = 14 if "mirror" in learning else 16  # mirror mode comes where a batch ends; otherwise the last one is short
    codes, labels = samples(20, 5, count)
    dense = FastEngine(old, initial_state(old), codes, labels)
    graph = DeepEngine(new, deep_state(new), codes, labels)
    run(dense, old, labels, codes, 2, count)
    run(graph, new, labels, codes, 2, count)
    for one, other in zip(dense.counts(), graph.counts(), strict=True):
        assert one.cycles
        assert not one.differences(other)


# --- memories ---


def sizes(chip):
    """(words, bits, banks) of the memories by name."""
    return {macro.name: (macro.words, macro.bits, macro.banks) for macro in chip.memories()}


def test_memories_of_a_label_rule():
    """A sample is finished before the next; nothing waits for the error."""
    assert sizes(conv_net("drtp", batch=4)) == {
        "input": (9, 8, 1),
        "weights[0]": (5, 16, 2),  # one group of 10 rows over 2 banks, 2 lanes of 8 bits
        "gradients[0]": (5, 2 * (4 * 9 * 128 * 255).bit_length() + 2, 2),
        "feedback[0]": (9 * 2, 16, 1),
        "outputs[1]": (18, 8, 1),
        "deltas[1]": (18, 8, 1),
        "weights[1]": (10, 24, 2),  # 19 rows, 2 lanes of 12 bits
        "gradients[1]": (10, 2 * (4 * 256 * 128).bit_length() + 2, 2),
        "outputs[3]": (2, 8, 1),
        "table[1]": (256, 8, 1),
        "error": (2, 9, 1),
    }


def test_memories_of_a_chain():
    """Choices of the pool, one bit of f′ a neuron, sums of errors; the conv's outputs are forgotten after the pool."""
    made = Builder((4, 4, 1), fmt("u8f8"))
    made.conv(3, 3, formats(), padding=1, activation="relu")
    made.pool("max", 2)
    made.dense(5, formats(), activation="hard_tanh")
    made.dense(2, output_formats(), activation="softmax")
    design = Design(4, 100, 1, 1, ZeroInput.SKIP, 4)
    momentum = Momentum(3, fmt("s20f12"))
    chip = DeepChip(made.graph(), numerics_of(), learning_of("bp", 3, 10, loss="cce", momentum=momentum), design)
    found = sizes(chip)
    assert {name: size for name, size in found.items() if not name.startswith(("weights", "gradients"))} == {
        "input": (16, 8, 1),
        "velocities[0]": (10, 80, 1),
        "preactivation[1]": (48, 1, 1),
        "deltas[1]": (48, 8, 1),
        "outputs[2]": (12, 8, 1),
        "choices[2]": (12, 2, 1),
        "velocities[1]": (2 * 13, 80, 1),
        "outputs[4]": (5, 8, 1),
        "preactivation[4]": (5, 1, 1),
        "deltas[4]": (5, 8, 1),
        "velocities[2]": (6, 80, 1),
        "outputs[5]": (2, 8, 1),
        "preactivation[5]": (2, 8, 1),
        "exponential": (256, 16, 1),
        "passing": (48, 8, 2),
        "partial": (48, 32, 1),
        "error": (2, 9, 1),
    }


def test_fixed_layers_have_no_sums():
    made = Builder((4, 4, 1), fmt("u8f8"))
    made.conv(3, 3, formats(), padding=1, activation="relu", learns=False)
    made.dense(2, output_formats(), activation="sigmoid")
    chip = DeepChip(made.graph(), numerics_of(), learning_of("drtp", 2, 10), DESIGN)
    found = sizes(chip)
    assert not {"gradients[0]", "feedback[0]", "deltas[1]", "preactivation[1]"} & set(found)
    assert found["weights[0]"] == (5, 32, 2)
    assert found["outputs[1]"] == (48, 8, 1)


def residual_net(rule, **learning):
    """The input, a conv, two residuals of two convs with identity shortcuts, global average, 3 classes; all normed."""
    made, own = Builder((4, 4, 2), fmt("u8f4")), formats("s16f14", "u8f4", "s16f14", "s16f14", preactivation="s16f8")
    norm = Norm(fmt("s16f8"), fmt("s16f12"), fmt("s16f12"), fmt("s16f14"))
    start = made.conv(6, 3, own, padding=1, activation="relu", norm=norm)
    for _ in range(2):
        made.conv(6, 3, own, padding=1, activation="relu", norm=norm, source=start)
        branch = made.conv(6, 3, own, padding=1, activation="identity", norm=norm)
        start = made.add(branch, start, own, activation="relu")
    made.pool("average", None)
    made.dense(3, replace(output_formats("s16f14"), delta=fmt("s16f14")), activation="sigmoid")
    design = Design(4, 100, 2, 1, ZeroInput.SKIP, 8)
    return DeepChip(made.graph(), numerics_of(), learning_of(rule, 6, 10, **learning), design)


def test_norms_by_hand():
    """A batch of one sample: 16 positions, 6 channels in 2 groups, 2 tiles; input of 2 channels, 18 rows."""
    chip = residual_net("bp")
    codes = np.full((1, 32), 3, np.uint8)
    counts = one_sample(chip, codes)
    found, inside = events(counts, Phase.FORWARD, 0), 10 * 10 * 2
    lanes = 16 * (4 + 2)
    assert found["CYCLES"] == 2 * (16 * 18 + 2 * 2) + lanes + 2 * 2 + lanes + 2 * 208
    assert found["MAC"] == inside * 6 + 96
    assert (found["ADD"], found["SCALE"], found["NORM"]) == (96, 192, 208 * 6)
    assert (found["NORM_READ"], found["NORM_WRITE"]) == (96, 192)
    error = events(counts, Phase.ERROR, 5)
    assert error == {"CYCLES": 1, "ERROR_READ": 3, "ERROR_WRITE": 3}
    update = events(counts, Phase.UPDATE, 0)
    assert update["CYCLES"] == 2 * 18 * (16 + 3) + 2 * (18 + 3) + 2 * (2 + 3)
    assert update["NORM_READ"] == update["NORM_WRITE"] == 12
    engine = DeepEngine(chip, deep_state(chip), codes, np.array([1], np.uint8))
    for _ in range(2):
        engine.infer(codes)
    tested = events(engine.counts()[1], Phase.FORWARD, 0)
    assert tested["NORM"] == 68 * 6  # folded once, tested twice
    assert tested["CYCLES"] == 2 * (2 * (16 * 18 + 2 * 2) + lanes + 2 * 2) + 68 * 2


def test_memories_of_a_normed_residual_net():
    """All of a batch of 10 is kept; a shared activation frees the maps whose place it takes."""
    found = sizes(residual_net("bp"))
    assert found["norm[0]"] == (960, 16, 1)
    assert found["channels[0]"] == (6, 16 + 16 + 66, 1)
    assert found["input"] == (320, 8, 1)
    assert found["weights[1]"] == (-(-2 * 54 // 2), 4 * 16, 2)
    assert found["preactivation[1]"] == (960, 1, 1)
    assert "preactivation[3]" not in found  # the identity needs no q
    assert found["deltas[1]"] == (960, 16, 1)
    assert found["partial"] == (96, 32, 1)
    assert {name for name in found if name.startswith("arrived")} == {"arrived[1]", "arrived[4]"}
    assert found["error"] == (30, 16, 1)
    kept = {name for name in found if name.startswith("outputs")}
    assert kept == {"outputs[1]", "outputs[2]", "outputs[4]", "outputs[5]", "outputs[8]", "outputs[9]"}
    shared = sizes(residual_net("asap", options=(("block", 2), ("lag", 1), ("matching", "max_pool"))))
    gone = kept - {name for name in shared if name.startswith("outputs")}
    assert gone == {"outputs[2]", "outputs[5]", "outputs[8]"}
    assert shared["passing"] == found["passing"] == (960, 8, 2)
    assert shared["feedback[0]"] == shared["weights[1]"]  # a twin


def test_memories_of_what_stands_in_and_of_local_classifiers():
    """The input's map for the second conv has another shape; the block's end has a classifier on 2 × 2 means."""
    made, own = Builder((4, 4, 1), fmt("s8f7")), formats(delta="s8f7")
    for channels in (2, 3, 2):
        made.conv(channels, 3, own, padding=1, activation="relu")
    made.dense(2, output_formats("s12f7"), activation="sigmoid")
    chosen = options(block=2, lag=0, matching="average_pool", local_classifier=True)
    chip = DeepChip(made.graph(), numerics_of(), learning_of("asfp", 4, 5, **chosen), DESIGN)
    found = sizes(chip)
    assert found["matched[2]"] == (4 * 4 * 3, 8, 1)
    assert found["classifier[2]"] == (-(-(2 * 2 * 2 + 1) // 2), 4 * 12, 2)
    assert found["local_error[2]"] == (2, 9, 1)
    assert found["local_pool[2]"] == (8, 8, 1)
    assert found["feedback[2]"] == (2 * 2, 4 * 8, 1)  # 2 classes, 8 pooled neurons in 2 groups
    assert found["feedback[0]"] == (9, 4 * 8, 2)  # learned, as W of the second conv without its bias row
    assert found["outputs[2]"] == (48, 8, 1)  # W learns with its own input
