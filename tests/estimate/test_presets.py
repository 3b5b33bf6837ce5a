"""Published chips: every field says what it stands on, promised bars are kept, files with mistakes are refused."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from neuro_emu.cli import main
from neuro_emu.errors import ConfigError, RunError
from neuro_emu.estimate.preset import FACTOR, POINTS, PublishedFigure, compare, estimated, read_preset

FOLDER = Path(__file__).parents[2] / "configs" / "chips"
FILES = sorted(FOLDER.glob("*.yaml"))


def rows(name):
    return {row["figure"]: row for row in compare(read_preset(FOLDER / f"{name}.yaml"))}


def test_the_chips_are_there():
    assert [path.stem for path in FILES] == ["df_lnpu", "odin", "park2019", "spoon"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_says_what_it_stands_on(path):
    preset = read_preset(path)
    known = [preset.voltage, preset.clock_mhz]
    for workload in preset.workloads:
        known += [workload.cycles, *(use.count for use in workload.uses)]
    for one in [*known, *preset.parts]:
        assert one.status in {"published", "derived", "assumed"}
        assert len(one.why.strip()) >= 5
    assert all(figure.source.strip() for figure in preset.figures)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_assumption_rests_on_the_figure_it_is_checked_against(path):
    preset = read_preset(path)
    forbidden = [f"{figure.value:g}" for figure in preset.figures if figure.value is not None]
    reasons = [part.why for part in preset.parts] + [workload.cycles.why for workload in preset.workloads]
    reasons += [use.count.why for workload in preset.workloads for use in workload.uses]
    for value in forbidden:
        pattern = re.compile(rf"(?<![\d.]){re.escape(value)}(?![\d.])\s*(pJ|nJ|%|mm2|mW|uW)")
        assert not [reason for reason in reasons if pattern.search(reason)]


@pytest.mark.parametrize(
    ("chip", "figure"),
    [
        ("odin", "energy of a synaptic operation"),
        ("odin", "area of the synapse array"),
        ("odin", "area of the core"),
        ("park2019", "energy of an image"),
    ],
)
def test_within_the_promised_factor_and_the_band(chip, figure):
    row = rows(chip)[figure]
    assert row["published"] / FACTOR <= row["nominal"] <= row["published"] * FACTOR
    assert row["low"] <= row["published"] <= row["high"]
    assert row["met"] is True
    assert row["bar"] == "factor 1.5"
    assert FACTOR == 1.5


def test_what_training_adds_on_park():
    row = rows("park2019")["what training adds"]
    assert abs(row["nominal"] - 7.5) <= 4.0 == POINTS
    assert row["low"] <= 7.5 <= row["high"]
    assert row["met"] is True


def test_a_missed_bar_fails(tmp_path, capsys):
    text = (FOLDER / "odin.yaml").read_text(encoding="utf-8")
    path = tmp_path / "odin.yaml"
    path.write_text(text.replace("value: 12.7, unit: pJ", "value: 2.7, unit: pJ"), encoding="utf-8")
    assert main(["chips", str(path)]) == 1
    assert "missed" in capsys.readouterr().out
    assert main(["chips", str(FOLDER / "odin.yaml")]) == 0


def test_an_overhead_is_a_ratio_and_areas_add_up():
    preset = read_preset(FOLDER / "park2019.yaml")
    cost = preset.cost()
    added = PublishedFigure("x", "energy overhead", 1.0, "%", "test", "training", "inference")
    training, inference = cost.workloads["training"].energy, cost.workloads["inference"].energy
    assert estimated(cost, added).nominal == pytest.approx(100 * (training.nominal / inference.nominal - 1))
    assert training.nominal > inference.nominal
    whole = estimated(cost, PublishedFigure("x", "area", 1.0, "um2", "test"))
    parts = [
        estimated(cost, PublishedFigure("x", "area", 1.0, "um2", "test", parts=(part.name,))) for part in preset.parts
    ]
    assert whole.nominal == pytest.approx(sum(part.nominal for part in parts))
    latency = estimated(cost, PublishedFigure("x", "latency", 1.0, "us", "test", "inference"))
    assert latency.nominal == pytest.approx(200 / 20)


def test_an_included_workload_happens_too():
    preset = read_preset(FOLDER / "park2019.yaml")
    inference, training = preset.design().workloads
    assert training.uses[: len(inference.uses)] == inference.uses
    broken = replace(preset, workloads=(replace(preset.workloads[1], includes="sleep"),))
    with pytest.raises(RunError, match="sleep"):
        broken.design()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("technology: n28", "technology: n29", "did you mean 'n28'"),
        ("component: sram", "component: sarm", "did you mean 'sram'"),
        ("{part: neurons, action: read", "{part: neurones, action: read", "which is no part"),
        ("{part: neurons, action: read", "{part: neurons, action: sleep", "has no action 'sleep'"),
        ("workload: synaptic operation, value: 12.7", "workload: spike, value: 12.7", "is no workload"),
        ('status: published, why: "supply of', 'status: rumour, why: "supply of', "not one of the choices"),
        ("low: 0.2, high: 2, status", "low: 0.0, high: 2, status", "a range starts above 0"),
        ("voltage: {value: 0.55", "voltage: {value: 0.1", "energies are scaled"),
        ("words: 8192, bits: 32", "words: 0, bits: 32", "at least one word"),
        ("words: 8192, bits: 32", "wrods: 8192, bits: 32", "has no attribute 'wrods'"),
        ("title: ODIN", "titel: ODIN", "did you mean 'title'"),
    ],
)
def test_mistakes_are_named(tmp_path, capsys, old, new, said):
    text = (FOLDER / "odin.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "chip.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert main(["chips", str(path)]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_a_number_that_stands_on_nothing(tmp_path):
    text = (FOLDER / "odin.yaml").read_text(encoding="utf-8")
    path = tmp_path / "chip.yaml"
    path.write_text(text.replace('why: "supply of the 12.7 pJ"', 'why: " "'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"chip\.yaml:\d+:\d+"):
        read_preset(path)
