"""From layers in a configuration to a graph: formats followed through, defaults, places, dump and digest."""

from __future__ import annotations

import dataclasses

import pytest
from tiny_experiment import BASE
from tiny_graph import GRAPH, OUTPUT, RESIDUAL, chip_of, refusal_of, replaced

from neuro_emu.config.deep_resolve import made_of
from neuro_emu.config.dump import dump
from neuro_emu.config.experiment import load, load_text
from neuro_emu.config.schema import Config
from neuro_emu.config.typed import read_text
from neuro_emu.errors import ConfigError
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.network.deep.builder import Builder, Formats
from neuro_emu.network.deep.graph import Add, Concat, Norm, Pool, Weighted
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow

CONV = "padding: 1, activation: hard_tanh}"


def fmt(text):
    return Format.parse(text)


def graph_of(text):
    """The graph alone, whatever the rule."""
    document = read_text(text, "c.yaml")
    return made_of(document.build(Config), (1, 8, 8), 10, document).graph


def nodes_of(chip, kind):
    return [node for node in chip.graph.nodes if type(node) is kind]


def bare(graph):
    """A graph without the places that its nodes were written at."""
    nodes = [dataclasses.replace(node, where="") for node in graph.nodes]
    layers = [dataclasses.replace(layer, where="") for layer in graph.layers]
    return nodes, layers, graph.chain


def test_it_is_the_graph_that_the_builder_makes():
    shared = Formats(fmt("s8f7"), fmt("s8f7"), fmt("s8f7"), fmt("s8f7"), preactivation=fmt("s8f4"))
    fine = dataclasses.replace(shared, preactivation=fmt("s8f5"))
    made = Builder((8, 8, 1), fmt("u8f8"))
    made.conv(4, 3, shared, padding=1, activation="hard_tanh")
    pooled = made.pool("max", 2)
    body = made.conv(4, 3, shared, padding=1, activation="identity")
    made.add(body, pooled, shared, activation="relu")
    made.dense(12, fine, activation="hard_tanh")
    made.dense(10, Formats(fmt("s10f8"), fmt("u8f8"), fmt("s9f8")), activation="sigmoid")
    chip = chip_of({"rule: bp": "rule: drtp"})
    assert isinstance(chip, DeepChip)
    assert bare(chip.graph) == bare(made.graph())
    assert str(chip.graph) == "1x8x8-4c3-2p-4c3-add-12-10"


def test_nodes_know_where_they_were_written():
    where = [node.where for node in chip_of().graph.nodes]
    assert where == [
        "dataset",
        "network.layers.0.conv",
        "network.layers.1.max_pool",
        "network.layers.2.residual.body.0.conv",
        "network.layers.2.residual",
        "",  # flattens what the dense layer reads
        "network.layers.3.dense",
        "network.layers.4.dense",
    ]


@pytest.mark.parametrize(
    "first", ["conv: {channels: 2, kernel: 1, activation: relu}", "flatten: {}", "max_pool: {kernel: 1}"]
)
def test_any_layer_that_is_not_dense_makes_a_graph(first):
    formats = "  formats: {weight: s8f7, output: s8f7}\n"
    edits = {"  layers:\n": f"{formats}  layers:\n    - {first}\n"}
    assert isinstance(load_text(replaced(BASE, edits)).chip, DeepChip)
    assert isinstance(load_text(replaced(BASE, {"  layers:\n": f"{formats}  layers:\n"})).chip, Chip)


@pytest.mark.parametrize("batched", ["true", "false"])
def test_dense_layers_alone_are_a_graph_if_they_are_to_be(batched):
    chip = load_text(replaced(BASE, {"  layers:\n": f"  batched: {batched}\n  layers:\n"})).chip
    assert isinstance(chip, DeepChip if batched == "true" else Chip)
    assert [(la.weight, la.output, la.delta, la.feedback, la.table_frac) for la in chip.network.layers] == [
        (fmt("s8f7"), fmt("s8f7"), fmt("s8f7"), fmt("s8f7"), 4),
        (fmt("s10f8"), fmt("u8f8"), fmt("s9f8"), None, 4),
    ]


def test_a_first_dense_layer_reads_samples_as_they_are_stored():
    dense = load_text(replaced(BASE, {"  layers:\n": "  batched: true\n  layers:\n", "synthetic": "cifar10"})).chip
    assert dense.graph.input_shape == (1, 1, 3072)
    maps = chip_of({"synthetic, train: 200": "cifar10, train: 200"})
    assert maps.graph.input_shape == (32, 32, 3)
    flat = load_text(
        replaced(
            BASE, {"    - dense: {units: 20": "    - flatten: {}\n    - dense: {units: 20", "synthetic": "cifar10"}
        )
    )
    assert flat.chip.graph.input_shape == (32, 32, 3)
    assert flat.chip.graph.layers[0].seen == (1, 1, 3072)


# --- formats ---


COMMON = "weight: s8f7, output: s8f7, delta: s8f7"


@pytest.mark.parametrize("name", ["weight", "output", "delta", "projection", "feedback", "preactivation"])
def test_a_layer_has_its_own_format_then_that_of_all_layers(name):
    formats = {part.partition(":")[0]: part.partition(": ")[2] for part in COMMON.split(", ")} | {name: "s9f6"}
    common = ", ".join(f"{key}: {value}" for key, value in formats.items())
    chip = chip_of({COMMON: common, CONV: CONV.replace("}", f", {name}: s7f5}}")})
    read = {"output": "code"}.get(name, name)
    assert [getattr(layer, read) for layer in chip.graph.layers[:2]] == [fmt("s7f5"), fmt("s9f6")]
    assert name == "projection" or getattr(chip.graph.output, read) != fmt("s9f6")  # nothing arrives behind the last


def test_without_any_delta_is_that_of_the_chip():
    chip = chip_of({"output: s8f7, delta: s8f7": "output: s8f7", "training: {": "numerics: {delta: s7f5}\ntraining: {"})
    assert [layer.delta for layer in chip.graph.layers] == [fmt("s7f5")] * 3 + [fmt("s9f8")]
    assert [layer.projection for layer in chip.graph.layers] == [fmt("s7f5")] * 3 + [fmt("s9f8")]
    assert nodes_of(chip, Add)[0].delta == fmt("s7f5")


def test_an_identity_is_not_given_an_unsigned_output_of_all_layers():
    edits = {"output: s8f7, delta": "output: u8f4, delta"}
    chip = chip_of(edits)
    assert [layer.code for layer in chip.graph.layers] == [fmt("u8f4"), fmt("s8f4"), fmt("u8f4"), fmt("u8f8")]
    assert nodes_of(chip, Add)[0].code == fmt("u8f4")
    wide = chip_of({"output: s8f7, delta": "output: u8f4, preactivation: s16f9, delta"})
    assert wide.graph.layers[1].code == wide.graph.layers[1].preactivation == fmt("s16f9")
    own = chip_of({**edits, "activation: identity": "activation: identity, output: u8f3"})
    assert own.graph.layers[1].code == fmt("u8f3")


def test_the_pre_activation_of_all_layers_is_for_those_that_look_nothing_up():
    chip = chip_of({"weight: s8f7": "weight: s8f7, preactivation: s12f7", "units: 12, activation: hard_tanh": TANH})
    found = [layer.preactivation for layer in chip.graph.layers]
    assert found == [fmt("s12f7"), fmt("s12f7"), fmt("s8f5"), fmt("s8f4")]
    assert nodes_of(chip, Add)[0].preactivation == fmt("s12f7")


TANH = "units: 12, activation: tanh"


def test_norms():
    chip = chip_of(
        {CONV: CONV.replace("}", ", norm: {}}"), "identity}": "identity, norm: {error: s9f4, frozen: true}}"}
    )
    usual = Norm(fmt("s16f6"), fmt("s16f12"), fmt("s16f12"), fmt("s8f7"))
    assert [layer.norm for layer in chip.graph.layers] == [
        usual,
        dataclasses.replace(usual, error=fmt("s9f4"), frozen=True),
        None,
        None,
    ]
    assert (usual.shift, usual.epsilon) == (3, 256)
    assert [layer.biased for layer in chip.graph.layers] == [False, False, True, True]


def test_what_hangs_on_the_layer():
    text = ", learns: false, initial: centred, dropout: true}"
    chip = chip_of({CONV: CONV.replace("}", text), "identity}": "identity, initial: zero}"})
    found = [(la.learns, la.initial, la.dropout) for la in chip.graph.layers]
    assert found == [(False, "centred", True), (True, "zero", False), (True, "", True), (True, "", False)]


def test_rates():
    rates = {"table_frac: 5": "lr_shift: [[0, 5], [3, 6]]", "identity}": "identity, lr_shift: 4}"}
    assert chip_of(rates).learning.lr_shift == (((0, 9),), ((0, 4),), ((0, 5), (3, 6)), ((0, 8),))


# --- joints ---


def test_a_projection_is_on_no_path_of_its_own():
    body = "residual: {body: [conv: {kernel: 3, channels: 6, stride: 2, padding: 1, activation: identity}],"
    rest = " projection: {channels: 6, stride: 2, norm: {}}, activation: tanh, output: s6f5}"
    graph = graph_of(replaced(GRAPH, {RESIDUAL: body + rest}))
    (add,) = (node for node in graph.nodes if isinstance(node, Add))
    branch, side = (graph.nodes[source] for source in add.sources)
    assert (branch.layer, side.layer) == (1, 2)
    assert graph.chain == (0, 1, 3, 4)
    assert graph.sides == (2,)
    assert isinstance(side, Weighted)
    assert (side.sources, side.activation, side.window.kernel_height) == ((2,), "identity", 1)
    assert side.norm is not None
    assert (add.activation, add.code, add.preactivation) == ("tanh", fmt("s6f5"), fmt("s8f4"))
    assert graph.head(1) == graph.head(2) == add.index
    assert side.where == "network.layers.2.residual.projection"


def test_without_a_shortcut_a_residual_is_a_chain():
    plain = chip_of({RESIDUAL: "conv: {kernel: 3, channels: 4, padding: 1, activation: tanh, table_frac: 3}"})
    chip = chip_of({"table_frac: 4}": "table_frac: 3, activation: tanh, shortcut: false}"})
    assert bare(chip.graph) == bare(plain.graph)


def test_concatenation():
    text = "concat: {branches: [[], [conv: {channels: 3, kernel: 1, activation: relu}], [max_pool: {kernel: 1}, conv: "
    text += "{channels: 2, kernel: 3, padding: 1, activation: relu}]], output: u6f4}"
    chip = chip_of({RESIDUAL: text})
    (concat,) = nodes_of(chip, Concat)
    assert (concat.shape, concat.code) == ((4, 4, 9), fmt("u6f4"))
    empty, first, second = (chip.graph.nodes[source] for source in concat.sources)
    assert empty.index == 2
    assert first.sources == (2,)
    pool = chip.graph.nodes[second.sources[0]]
    assert isinstance(pool, Pool)
    assert pool.sources == (2,)


def test_pools():
    chip = chip_of({"max_pool: {kernel: 2}": "average_pool: {kernel: 3, stride: 2}", RESIDUAL: "average_pool: {}"})
    first, second = nodes_of(chip, Pool)
    assert (first.kind, first.kernel, first.stride, first.shape) == ("average", (3, 3), 2, (3, 3, 4))
    assert (second.kind, second.kernel, second.shape) == ("average", (3, 3), (1, 1, 4))
    (third,) = nodes_of(chip_of({RESIDUAL: "flatten: {}"}), Pool)
    assert (third.kind, third.kernel, third.stride) == ("max", (2, 2), 2)


# --- the chip ---


def test_accumulators_of_graphs_wrap_unless_they_are_to_saturate():
    assert chip_of().numerics.accumulator_overflow is Overflow.WRAP
    assert chip_of({"training: {": "numerics: {accumulator: {bits: 31}}\ntraining: {"}).numerics.accumulator_bits == 31
    wide = chip_of({"training: {": "numerics: {accumulator: {overflow: SAT}}\ntraining: {"})
    assert wide.numerics.accumulator_overflow is Overflow.SAT
    assert load_text(BASE).chip.numerics.accumulator_overflow is Overflow.SAT


def test_the_dump_is_the_same_chip():
    edits = {CONV: CONV.replace("}", ", norm: {shift: 4}, lr_shift: {step: {first: 3, every: 2, steps: 4}}}")}
    experiment = load_text(replaced(GRAPH, edits), "c.yaml")
    text = dump(experiment.config)
    again = load_text(text)
    assert (again.config, again.digest, again.chip) == (experiment.config, experiment.digest, experiment.chip)
    assert dump(again.config) == text
    assert "overflow: WRAP" in text


@pytest.mark.parametrize(
    "layer",
    [
        "residual: {body: [conv: {kernel: 1, channels: 4, activation: relu}], projection: {channels: 4, norm: {}}}",
        "concat: {branches: [[], [conv: {channels: 2, kernel: 1, activation: relu}]], output: u4f2}",
        "average_pool: {}",
        "flatten: {}",
    ],
)
def test_the_dump_of_every_layer_reads_as_the_same(layer):
    config = read_text(replaced(GRAPH, {RESIDUAL: layer}), "c.yaml").build(Config)
    assert read_text(dump(config), "again").build(Config) == config
    assert graph_of(dump(config)) == graph_of(replaced(GRAPH, {RESIDUAL: layer}))


@pytest.mark.parametrize(
    "edits",
    [
        {"channels: 4, kernel: 3": "channels: 5, kernel: 3", "kernel: 3, channels: 4": "kernel: 3, channels: 5"},
        {"max_pool: {kernel: 2}": "average_pool: {kernel: 2}"},
        {CONV: CONV.replace("}", ", norm: {}}")},
        {CONV: CONV.replace("}", ", learns: false}")},
        {CONV: CONV.replace("}", ", initial: zero}")},
        {CONV: CONV.replace("}", ", dropout: true}")},
        {CONV: CONV.replace("}", ", preactivation: s9f4}")},
        {"weight: s8f7": "weight: s9f7"},
        {"weight: s8f7": "weight: s8f7, preactivation: s9f4"},
    ],
)
def test_every_change_has_a_digest_of_its_own(edits):
    texts = [replaced(text, {"rule: bp": "rule: drtp"}) for text in (GRAPH, replaced(GRAPH, edits))]
    assert len({load_text(text).digest for text in texts}) == 2


def test_seeds_and_overrides(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(replaced(GRAPH, {"rule: bp": "rule: drtp"}))
    experiment = load(path, ["network.layers.0.conv.channels=5", "network.layers.2.residual.shortcut=false"])
    assert str(experiment.chip.network) == "1x8x8-5c3-2p-4c3-12-10"
    seeded = experiment.with_seed(7)
    assert seeded.chip.learning.seed == 7
    assert seeded.chip.graph == experiment.chip.graph


def test_a_rule_of_the_section_rules_reaches_into_layers():
    text = replaced(GRAPH, {"rule: bp": "rule: drtp"}) + "rules: {drtp: {network.layers.0.conv.kernel: 1}}\n"
    with pytest.raises(ConfigError, match="a padding of 1 around a map that is seen 1 by 1"):
        load_text(text)


def test_only_dense_chips_go_where_graphs_cannot():
    experiment = load_text(replaced(GRAPH, {"rule: bp": "rule: drtp"}), "c.yaml")
    with pytest.raises(ConfigError, match=r"^c.yaml:3:1: graphs of layers have no golden vectors yet\n"):
        experiment.dense_chip("golden vectors")
    assert load_text(BASE).dense_chip("golden vectors") == load_text(BASE).chip


def test_the_output_is_named_where_it_is():
    assert "10:22: the output layer has 11 neurons" in refusal_of({OUTPUT: OUTPUT.replace("10", "11", 1)})
