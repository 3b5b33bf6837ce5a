"""Estimates, external memory and reports of configurations with graphs, from the command and from a run."""

import json

import pytest
import yaml

from neuro_emu import api
from neuro_emu.api.estimate import Settings, estimate, estimate_of
from neuro_emu.api.external import Settings as ExternalSettings
from neuro_emu.api.external import external
from neuro_emu.cli import main
from neuro_emu.config.experiment import load_text
from neuro_emu.errors import NeuroEmuError, RunError
from neuro_emu.estimate.external.learner import FULL, Learner
from neuro_emu.estimate.external.of_chip import learner_of_chip, network_of_chip
from neuro_emu.estimate.external.published import resnet
from neuro_emu.estimate.external.step import training_step
from neuro_emu.report.external import _ranges
from neuro_emu.report.text import memory_lines, summary
from neuro_emu.rules import RULES

CONV = """\
name: small_conv
dataset: {name: synthetic, train: 40, test: 20}
network:
  formats: {weight: s8f7, output: s8f7, delta: s8f7}
  layers:
    - conv: {channels: 4, kernel: 3, padding: 1, activation: hard_tanh, table_frac: 5, learns: %s}
    - max_pool: {kernel: 2}
    - dense: {units: 24, activation: hard_tanh, table_frac: 5}
    - dense: {units: 10, activation: sigmoid, weight: s12f9, output: u8f8, delta: s9f8}
  initial_weights: random
training: {rule: drtp, epochs: 1, batch: 20, lr_shift: {hidden: 11, output: 6}}
"""
RESNET = """\
name: small_resnet
dataset: {name: %s, input: u8f8}
network:
  preset: {resnet: {depth: 18, width: %d}}
  formats: {weight: s16f14, output: u8f4, delta: s16f15, feedback: s16f14}
  initial_weights: random
  initial_layers: all
training:
  rule: asap
  options: {block: 2, lag: 1}
  loss: cce
  batch: 10
  optimiser: momentum
  momentum: {shift: 3, velocity: s24f18}
  lr_shift: {hidden: 11, output: 11}
numerics: {feedback: {format: s16f14, range: kaiming}}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("conv") / "small_conv.yaml"
    path.write_text(CONV % "true")
    return path


@pytest.fixture(scope="module")
def finished(config):
    assert main(["run", str(config), "--out", str(config.parent / "out")]) == 0
    return config.parent / "out"


@pytest.fixture(scope="module")
def deep():
    return load_text(RESNET % ("synthetic", 2))


def test_an_estimate_of_a_run_is_that_of_its_counts(finished):
    written = json.loads((finished / "estimate.json").read_text(encoding="utf-8"))
    assert estimate(finished).record == written
    metrics = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    about = "counts of the run: 40 training samples, 20 inferences"
    assert {work["about"] for work in written["workloads"].values()} == {about}
    for name, work in written["workloads"].items():
        assert work["cycles"] == pytest.approx(metrics[name]["cycles_per_sample"], rel=1e-5)
    text = (finished / "summary.txt").read_text(encoding="utf-8")
    assert "energy" in text
    assert "learning adds" in text
    assert "memory" in text


def test_before_a_training_the_same_parts_are_expected(config, finished):
    counted, expected = estimate(finished).record, estimate(config).record
    assert counted["area_um2"] == expected["area_um2"]
    for name in ("training", "inference"):
        found, wanted = (one["workloads"][name]["energy_pj"]["nominal"] for one in (expected, counted))
        assert 0.5 * wanted < found < 2 * wanted
        assert expected["workloads"][name]["cycles"] == pytest.approx(counted["workloads"][name]["cycles"], rel=0.05)


def test_the_screen_has_phases_layers_parts_and_limits(config, capsys):
    assert main(["estimate", str(config), "--external", "2"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    for word in ("gradients[", "area by part", "by phase: load", "Graphs have no RTL", "external memory, 2 KiB"):
        assert word in text


def test_every_line_of_a_long_graph_is_short(deep, capsys, tmp_path):
    made = estimate_of(deep, Settings(external=8.0))
    api_lines = memory_lines([memory.as_dict() for memory in deep.chip.memories()], by_kind=True)
    assert len(api_lines) < 30 < len(deep.chip.memories())
    assert max(map(len, api_lines)) <= 100
    told = {line.split()[0] for line in api_lines[1:] if line[2] != " "}
    assert told == {memory.name.split("[")[0] for memory in deep.chip.memories()}
    weights = [memory for memory in deep.chip.memories() if memory.name.startswith("weights[")]
    size = sum(memory.words * memory.bits * memory.banks for memory in weights) / 8192
    line = next(line for line in api_lines if line.startswith("  weights "))
    assert f"{size:,.2f} KiB  21 memories, the largest weights[" in line
    assert any("assumed" in limit for limit in made.record["limits"])
    path = tmp_path / "resnet.yaml"
    path.write_text(RESNET % ("synthetic", 2))
    assert main(["check", str(path)]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("# ")]
    assert shown[0].startswith("# memory ")
    assert len(shown) == len(api_lines)
    assert max(map(len, shown)) <= 102


def test_the_summary_of_a_long_graph_sums_layers(deep, finished, monkeypatch):
    run = api.run(load_text(CONV % "false"))
    few = summary(run)
    monkeypatch.setattr("neuro_emu.report.text._FEW_LAYERS", 2)
    many = summary(run)
    assert "weight_read[1]" in few
    assert "weights[1]" in few
    assert "accesses a sample, all layers" in many
    assert "weight_read[" not in many
    assert max(map(len, many.splitlines())) <= 100
    counts = run.metrics["training"]["counts"]["forward"]
    total = sum(sum(layer["weight_read"]) for layer in counts) / run.metrics["training"]["samples"]
    row = next(line for line in many.splitlines() if line.startswith("  weight_read"))
    assert f"{total:,.1f}" in row


# --- external memory ---


def words(accesses):
    return {(a.phase, a.tensor.name, "write" if a.writes else "read"): a.words for a in accesses}


@pytest.mark.parametrize("learns", [True, False])
def test_external_memory_of_a_convolution_by_hand(learns):
    """10 samples a step of 64 pixels; 3·3·4 kernels and 4 biases, 64·24 + 24, 24·10 + 10; rows of B by label."""
    chip = load_text(CONV % str(learns).lower()).chip
    network = network_of_chip(chip, "conv")
    assert [(la.weights, la.offsets, la.inputs, la.outputs) for la in network.layers] == [
        (36, 4, 64, 256),
        (64 * 24, 24, 64, 24),
        (240, 10, 24, 10),
    ]
    found = words(training_step(network, learner_of_chip(chip), FULL))
    rows = {("error", "feedback[0]", "read"): 10 * 256} if learns else {}
    writes = {("update", "weights[0]", "write"): 40} if learns else {}
    assert found == {
        **rows,
        **writes,
        ("forward", "input", "read"): 20 * 64,
        ("forward", "weights[0]", "read"): 40,
        ("forward", "weights[1]", "read"): 1560,
        ("forward", "weights[2]", "read"): 250,
        ("error", "feedback[1]", "read"): 10 * 24,
        ("update", "weights[1]", "write"): 1560,
        ("update", "weights[2]", "write"): 250,
    }


def test_a_fixed_layer_below_a_chain_needs_no_error():
    network = network_of_chip(load_text(CONV % "false").chip, "conv")
    found = words(training_step(network, Learner(RULES["bp"], batch=20), FULL))
    assert ("update", "weights[0]", "write") not in found
    assert ("error", "slopes[0]", "read") not in found
    assert ("error", "weights[2]", "read") in found
    assert ("error", "weights[1]", "read") not in found


def test_a_resnet_is_the_published_one():
    ours = network_of_chip(load_text(RESNET % ("cifar10", 16)).chip, "ours")
    theirs = resnet("resnet18", width=16)
    assert [(a.weights, a.offsets, a.inputs, a.outputs) for a in ours.layers] == [
        (b.weights, b.offsets, b.inputs, b.outputs) for b in theirs.layers
    ]
    first, second = ours.layers[1].bits, ours.layers[2].bits
    assert (first.weight, first.activation, first.velocity, first.feedback) == (16, 8, 24, 16)
    assert first.slope == 16 + 1  # x̂ and the bit of relu
    assert second.slope == 16 + 1  # the identity before the addition needs none, the addition's relu one
    assert ours.layers[6].bits.slope == 2 * 16 + 1  # a norm on the shortcut too


def test_configurations_stand_beside_published_networks(config, capsys, tmp_path):
    record = external([str(config), "784-20-10"], ("bp", "drtp"), ("full",), ExternalSettings(batch=10))
    assert [one["name"] for one in record["networks"]] == ["small_conv", "784-20-10"]
    assert record["configurations"] == ["small_conv"]
    assert main(["external", str(config), "--rules", "drtp", "--count", "full"]) == 0
    assert "configurations: those of their formats" in capsys.readouterr().out
    other = tmp_path / "other.yaml"
    other.write_text(CONV % "false")
    with pytest.raises(RunError, match="two networks are called 'small_conv'"):
        external([str(config), str(other)], ("bp",), ("full",))


# --- what is refused ---


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--density", "0.1,0.2,0.3,0.4"], "4 shares, and the chip has 3 layers"),
        (["--density", "1.5"], "a share lies between 0 and 1"),
        (["--learning", "2"], "a share lies between 0 and 1"),
        (["--external", "-1"], "KiB on the chip: give 0 or more"),
        (["--toggles", "3"], "graphs of layers have no operands to look at"),
        (["--technology", "n3"], "n3"),
        (["--set", "training.batch=0"], "batch"),
    ],
)
def test_hostile_settings_are_told_in_one_line(config, more, message, capsys):
    assert main(["estimate", str(config), *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_damaged_run_is_refused(finished, tmp_path):
    record = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    record["training"]["counts"]["update"][0]["norm"] = 7
    (tmp_path / "config.yaml").write_text((finished / "config.yaml").read_text(encoding="utf-8"))
    (tmp_path / "metrics.json").write_text(json.dumps(record))
    with pytest.raises(NeuroEmuError, match="counted norm in phase update of layer 0"):
        estimate(tmp_path)


def test_adam_has_no_estimate(tmp_path):
    text = yaml.safe_load(CONV % "true")
    text["training"] |= {"optimiser": "adam", "adam": {}}
    path = tmp_path / "adam.yaml"
    path.write_text(yaml.safe_dump(text))
    with pytest.raises(NeuroEmuError, match="adam"):
        estimate(path)


def test_neighbouring_layers_are_told_as_one():
    names = ["input", "weights[1]", "weights[2]", "weights[3]", "weights[5]", "slopes[4]", "slopes[3]"]
    assert _ranges(names) == ["input", "weights[1 to 3]", "weights[5]", "slopes[3, 4]"]
    assert _ranges([]) == []
