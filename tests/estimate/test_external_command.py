"""External memory of a configuration, and the commands `estimate --external` and `external`."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from neuro_emu import api
from neuro_emu.api.estimate import Settings, estimate_of
from neuro_emu.api.external import Settings as External
from neuro_emu.api.external import external
from neuro_emu.cli import main
from neuro_emu.errors import RunError
from neuro_emu.estimate.external.of_chip import learner_of_chip, network_of_chip
from neuro_emu.report.external import external_text
from neuro_emu.report.external_picture import external_picture
from neuro_emu.report.quantities import digits
from neuro_emu.rules import RULES

MIXED = """
name: small
dataset: {name: synthetic, train: 60, test: 30}
network:
  layers:
    - dense: {units: 12, activation: relu, weight: s8f6, output: u8f7}
    - dense: {units: 10, activation: relu, weight: s6f4, output: u4f3, feedback: s5f4}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8}
training: {rule: RULE, epochs: 1, batch: BATCH, lr_shift: {hidden: 6, output: 6}}
machine: {lanes: 4}
"""


EQUAL = MIXED.replace("output: u4f3, feedback: s5f4", "output: u8f7").replace("s6f4", "s8f6").replace("s10f8", "s8f6")
"""Formats that rules with twins and shared activations can have."""


def experiment(rule, text=MIXED, batch=1):
    return api.load_text(text.replace("RULE", rule).replace("BATCH", str(batch)))


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "chip.yaml"
    path.write_text(EQUAL.replace("RULE", "kp").replace("BATCH", "1"))
    return path


@pytest.mark.parametrize("rule", [name for name, one in RULES.items() if one.learn.__module__.startswith("neuro_emu.")])
def test_the_plan_is_that_of_the_chip(rule):
    chip = experiment(rule, EQUAL).chip
    assert learner_of_chip(chip).plan(network_of_chip(chip, "small")) == chip.plan


def test_formats_of_the_chip_are_the_bits_that_move():
    chip = experiment("dfa").chip
    network = network_of_chip(chip, "small")
    inputs = chip.network.inputs
    assert [la.bits.weight for la in network.layers] == [8, 6, 10]
    assert [la.bits.activation for la in network.layers] == [chip.network.layers[0].input.bits, 8, 4]
    assert network.layers[1].bits.feedback == 5
    assert {la.bits.slope for la in network.layers} == {8}
    assert network.parameters == 12 * (inputs + 1) + 10 * 13 + 10 * 11
    record = estimate_of(experiment("dfa"), Settings(external=0)).record["external"]
    found = {
        (one["phase"], one["kind"], one["layer"], one["way"]): one["bits"] for one in record["training"]["accesses"]
    }
    assert found["forward", "weights", 1, "read"] == 6 * 130
    assert found["update", "weights", 2, "write"] == 10 * 110
    assert found["error", "feedback", 0, "read"] == 8 * 12 * 10
    assert found["error", "feedback", 1, "read"] == 5 * 10 * 10
    assert found["forward", "slopes", 1, "write"] == 8 * 10
    assert found["forward", "activations", 1, "write"] == 4 * 10


def test_momentum_batches_dropout_and_gates_of_a_configuration():
    more = "batch: 4, optimiser: momentum, momentum: {shift: 3, velocity: s20f9}, dropout: 64"
    chip = api.load_text(MIXED.replace("RULE", "bp").replace("batch: BATCH", more)).chip
    network = network_of_chip(chip, "small")
    assert {(la.bits.slope, la.bits.velocity) for la in network.layers} == {(9, 20)}
    assert learner_of_chip(chip).batch == 4
    gated = MIXED.replace("RULE", "drtp").replace("batch: BATCH", "error_gate: 32")
    assert learner_of_chip(api.load_text(gated).chip).waits
    assert not learner_of_chip(experiment("drtp").chip).waits


def test_energies_stand_beside_those_of_the_chip():
    made = estimate_of(experiment("drtp", batch=2), Settings(external=0))
    found = made.record["external"]
    assert found["training"]["samples"] == 2
    for name in ("training", "inference"):
        step, chip = found[name], made.record["workloads"][name]
        for end, each in (("low", 4), ("nominal", 20), ("high", 41)):
            outside = step["bits"] / step["samples"] * each
            assert step["energy_pj"][end] == pytest.approx(outside, rel=1e-5)
            assert step["together_pj"][end] == pytest.approx(outside + chip["energy_pj"][end], rel=1e-5)
    assert "external" not in estimate_of(experiment("drtp")).record


def test_with_memory_enough_only_samples_move():
    record = estimate_of(experiment("bp"), Settings(external=1000)).record["external"]
    samples = [{"phase": "forward", "kind": "input", "layer": -1, "way": "read"}]
    for name in ("training", "inference"):
        assert [{k: a[k] for k in samples[0]} for a in record[name]["accesses"]] == samples
    with pytest.raises(RunError, match="give 0 or more"):
        estimate_of(experiment("bp"), Settings(external=-1))


def test_estimate_prints_and_writes_external_memory(config, tmp_path, capsys):
    assert main(["estimate", str(config), "--external", "1", "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "external memory, 1 KiB of the parameters and kept activations on the chip" in text
    assert max(map(len, text.splitlines())) <= 100
    record = json.loads((tmp_path / "out" / "estimate.json").read_text())["external"]
    assert record["capacity_kib"] == 1
    assert 0 < record["training"]["on_chip_bits"] <= 8192
    written = (tmp_path / "out" / "estimate.txt").read_text()
    assert "training: " in written
    assert "weights[0]" in written
    assert main(["estimate", str(config), "--external", "0", "--full"]) == 0
    assert "Horowitz" in capsys.readouterr().out
    assert main(["estimate", str(config)]) == 0
    assert "external memory," not in capsys.readouterr().out
    assert main(["estimate", str(config), "--external", "-2"]) == 2
    assert "give 0 or more" in capsys.readouterr().err


def test_the_verb_prints_a_table_a_record_and_a_picture(tmp_path, capsys):
    assert main(["external", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("  asap, block 2 ")] == ["51.3", "63.6"]
    assert (tmp_path / "external.txt").read_text() + f"wrote {tmp_path}\n" == text
    record = json.loads((tmp_path / "external.json").read_text())
    assert main(["external", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == record
    picture = ET.fromstring((tmp_path / "external.svg").read_text())
    lines = picture.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 4 * 6  # two families by two ways to count; six rules
    told = "".join(picture.itertext())
    assert "ResNet, as the thesis counts" in told
    assert "asap, block 4: 28.2 %" in told


def test_settings_of_the_verb(capsys):
    words = ["external", "resnet18", "784-100-10", "--rules", "bp, dfa", "--count", "full", "--data", "imagenet"]
    words += ["--batch", "2", "--bits", "16", "--slope-bits", "8", "--velocity-bits", "32", "--capacity", "64"]
    assert main([*words, "--generated", "--full"]) == 0
    text = capsys.readouterr().out
    assert "imagenet, mini-batch 2; 16 bits a number; 64 KiB of parameters" in text
    assert "fixed random matrices generated" in text
    assert "resnet18, bp, full: " in text
    assert "velocities[0]" in text
    assert "feedback[" not in text
    assert main([*words, "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)["entries"][0]
    assert "accesses" not in entry
    assert entry["by_kind"].keys() == {"weights", "velocities", "input", "activations", "slopes"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lenet"], "network 'lenet'"),
        (["--rules", ","], "--rules: name some"),
        (["--rules", "asap/blok=2"], "did you mean 'block'?"),
        (["--batch", "0"], "mini-batch of 0"),
        (["--bits", "0"], "0 bits of weight"),
        (["--capacity", "nan"], "give 0 or more"),
        (["--technology", "n3"], "technology 'n3'"),
    ],
)
def test_bad_settings_are_refused(words, message, capsys):
    assert main(["external", *words]) == 2
    assert message in capsys.readouterr().err


def test_text_and_picture_of_any_record():
    """More networks than fit side by side, long names, no backpropagation, nothing left to compare with."""
    names = [f"{n}-{n}-{n + 1}" for n in range(100000000, 100000009)]
    text = external_text(external(names, ("drtp", "dfa"), ("thesis",)))
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("  drtp ") == 2
    one = external(("8-4-2",), ("bp", "fa"))
    for entry in one["entries"]:
        entry["percent"] = None
    assert "  fa                                    -" in external_text(one)
    ET.fromstring(external_picture(one))


# --- the page ---------------------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (thesis|full), batch (\d+) \| ([^|]+) \| ([^\n]+) \|$", re.MULTILINE)


def test_the_page_shows_what_the_command_prints():
    rows = ROW.findall((ROOT / "docs/external-memory.md").read_text(encoding="utf-8"))
    records = {batch: external(settings=External(batch=int(batch))) for _, batch, *_ in rows}
    assert len(rows) == 11
    for counts, batch, label, cells in rows:
        record = records[batch]
        found = [
            digits(e["percent"])
            for e in record["entries"]
            if e["accounting"] == counts and record["rules"][e["rule"]] == label
        ]
        assert found == cells.split(" | "), (counts, batch, label)


def test_the_picture_of_the_page_is_that_of_the_command():
    assert (ROOT / "docs/images/external.svg").read_text(encoding="utf-8") == external_picture(external())
