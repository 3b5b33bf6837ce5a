"""Networks by name: their sizes beside published ones, what `check --expand` and `networks` print."""

from __future__ import annotations

import json

import pytest
from tiny_graph import PRESET, replaced

from neuro_emu.api.networks import macs_of, parameters_of, preset_options
from neuro_emu.cli import main
from neuro_emu.config.deep_resolve import PRESET as PLACE
from neuro_emu.config.deep_resolve import expanded, made_of
from neuro_emu.config.dump import dump
from neuro_emu.config.experiment import load_text
from neuro_emu.config.presets import PRESETS
from neuro_emu.config.schema import Config
from neuro_emu.config.typed import read_text
from neuro_emu.network.deep.graph import Add, Pool

NAME = "drtp_mnist: {hidden: 20}"
IMAGES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}


def read(preset, classes=10, dataset="cifar10"):
    """The configuration of a preset, and its graph, whatever the rule."""
    document = read_text(replaced(PRESET, {NAME: preset}), "c.yaml")
    config = document.build(Config)
    return config, made_of(config, IMAGES[dataset], classes, document).graph


@pytest.mark.parametrize(
    ("preset", "dataset", "parameters", "macs", "layers"),
    [
        # Counted by hand: a row of biases where there is no norm, γ and β where there is one.
        ("drtp_mnist: {}", "mnist", 832 + 6273 * 1000 + 10010, 784 * 25 * 32 + 6272 * 1000 + 10000, 3),
        ("drtp_cifar: {}", "cifar10", 1792 + 147712 + 16385000 + 1001000 + 10010, None, 5),
        ("dkp: {}", "mnist", 9 * 32 + 288 * 32 + 2 * 64 + (6272 + 2) * 128 + 1290, None, 4),
        ("dkp: {}", "cifar10", 27 * 32 + 288 * 32 + 2 * 64 + (8192 + 2) * 128 + 1290, None, 4),
        ("alexnet: {}", "cifar10", 29 * 64 + 578 * 128 + 1154 * 256 + 369666 * 1024 + 1026 * 1024 + 10250, None, 6),
        # Published counts of the CIFAR versions: 11.17 and 21.28 million, 0.56 and 1.16 GMAC.
        ("resnet: {}", "cifar10", 11_173_962, 555_422_720, 21),
        ("resnet: {depth: 34}", "cifar10", 21_282_122, 1_159_402_496, 37),
        ("resnet: {shortcuts: false}", "cifar10", 11_173_962 - 66 * 128 - 130 * 256 - 258 * 512, None, 18),
    ],
)
def test_sizes(preset, dataset, parameters, macs, layers):
    graph = read(preset, dataset=dataset)[1]
    assert len(graph.layers) == layers
    assert parameters_of(graph) == parameters
    assert macs is None or macs_of(graph) == macs


def test_the_maps_of_the_alexnet_grow():
    graph = read("alexnet: {}")[1]
    assert [layer.shape for layer in graph.layers[:3]] == [(34, 34, 64), (36, 36, 128), (38, 38, 256)]
    assert graph.layers[3].depth == 38 * 38 * 256
    pooled = read("alexnet: {pool: true}")[1]
    assert [node.shape[:2] for node in pooled.nodes if isinstance(node, Pool)] == [(17, 17), (9, 9), (5, 5)]
    assert all(layer.norm for layer in graph.hidden)
    assert graph.output.norm is None


@pytest.mark.parametrize(("depth", "blocks"), [(18, 8), (34, 16)])
def test_a_resnet_has_its_stages_and_shortcuts(depth, blocks):
    graph = read(f"resnet: {{depth: {depth}, width: 4}}")[1]
    joints = [node for node in graph.nodes if isinstance(node, Add)]
    assert len(joints) == blocks
    assert len(graph.chain) == depth
    assert [graph.layers[k].shape for k in graph.sides] == [(16, 16, 8), (8, 8, 16), (4, 4, 32)]
    assert joints[-1].shape == (4, 4, 32)
    assert graph.output.depth == 32
    plain = read(f"resnet: {{depth: {depth}, width: 4, shortcuts: false}}")[1]
    assert not [node for node in plain.nodes if isinstance(node, Add)]
    assert [plain.layers[k].shape for k in plain.chain] == [graph.layers[k].shape for k in graph.chain]
    assert {layer.activation for layer in plain.hidden} == {"relu"}


@pytest.mark.parametrize("classes", [10, 100])
def test_outputs_are_those_of_the_data_set(classes):
    for kind in PRESETS:
        assert read(f"{kind.yaml_tag}: {{}}", classes)[1].classes == classes


@pytest.mark.parametrize("kind", PRESETS, ids=lambda kind: kind.yaml_tag)
def test_the_layers_of_a_preset_make_its_graph(kind):
    config, graph = read(f"{kind.yaml_tag}: {{}}")
    text = dump(expanded(config, 10))
    document = read_text(text, "expanded.yaml")
    again = document.build(Config)
    assert again.network.preset is None
    written = made_of(again, IMAGES["cifar10"], 10, document).graph
    assert str(written) == str(graph)
    for one, other in zip(graph.nodes, written.nodes, strict=True):
        assert {**vars(one), "where": ""} == {**vars(other), "where": ""}
        assert one.where in {PLACE, "dataset", ""}


def test_kernels_of_the_drtp_networks_are_random_unless_they_are_trained():
    for name, kernels in (("drtp_mnist", 1), ("drtp_cifar", 2)):
        for trained in ("true", "false"):
            layers = read(f"{name}: {{trained: {trained}}}")[1].layers
            assert [layer.learns for layer in layers] == [trained == "true"] * kernels + [True] * (
                len(layers) - kernels
            )
            assert {layer.initial for layer in layers[:kernels]} == {"random"}


# --- the command ---


@pytest.fixture
def preset_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(PRESET)
    return path


def test_check_expand_prints_layers_that_are_the_same_chip(preset_file, capsys):
    assert main(["check", "--expand", str(preset_file)]) == 0
    printed = capsys.readouterr().out
    assert "\n  preset: null\n" in printed
    expanded_chip, chip = load_text(printed).chip, load_text(PRESET).chip
    assert str(expanded_chip.network) == str(chip.network) == "1x8x8-32c5-2p-20-10"
    assert expanded_chip.learning == chip.learning
    assert main(["check", str(preset_file)]) == 0
    assert "\n  preset:\n    drtp_mnist:\n      hidden: 20\n" in capsys.readouterr().out


def test_networks_are_listed(capsys):
    assert main(["networks"]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    for kind in PRESETS:
        assert f"\n{kind.yaml_tag}: " in "\n" + printed
    assert "11,173,962 parameters    555,422,720 MACs a sample" in printed
    assert "1x28x28-32c5-2p-1000-10" in printed


def test_networks_are_listed_as_a_record(capsys):
    assert main(["networks", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["presets"] == preset_options()
    assert {one["preset"] for one in record["networks"]} == {kind.yaml_tag for kind in PRESETS}
    (small,) = (one for one in record["networks"] if one["options"] == "depth: 18, width: 16")
    assert small["layers"] == 21
    assert small["macs"] == 35_046_656
