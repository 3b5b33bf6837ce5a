"""Published chips: every field says what it stands on, promised bars are kept, files with mistakes are refused."""

import re
from pathlib import Path

import pytest

from neuro_emu.cli import main
from neuro_emu.errors import ConfigError
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
        ("words: 8192, bits: 32", "words: 0, bits: 32", "synapses: sram: words 0 is no whole number"),
        ("words: 8192, bits: 32", "wrods: 8192, bits: 32", "has no attribute 'wrods'"),
        ("title: ODIN", "titel: ODIN", "did you mean 'title'"),
    ],
)
def test_mistakes_are_named(tmp_path, capsys, old, new, said):
    error = complaint(tmp_path, capsys, "odin", old, new)
    assert said in error
    assert "chip.yaml:" in error


FIELDS = [
    ("odin", "value: 12.7, unit: pJ", "value: 12.7, unit: mW", "mW is no unit of energy", "write pJ or nJ or uJ"),
    ("odin", "value: 477, unit: uW", "value: 477, unit: uJ", "uJ is no unit of power", "write uW or mW"),
    ("odin", "value: 0.0864, unit: mm2", "value: 0.0864, unit: '%'", "% is no unit of area", "write um2 or mm2"),
    ("odin", "value: 0.0864, unit", "value: 0, unit", "0 as a published figure", "write null"),
    ("odin", "parts: [synapses]", "parts: [synapses, synapses]", "'synapses' a second time", "counts once"),
    ("odin", "{value: 0.55,", "{value: 0.55, low: 0.5,", "a range of voltage", "say the range in `why`"),
    ("odin", "{value: 75,", "{value: 75, high: 80,", "a range of clock_mhz", "say the range in `why`"),
    ("odin", "cycles: {value: 2,", "cycles: {value: 2, high: 3,", "a range of cycles", "say the range in `why`"),
    ("odin", "{value: 0.55,", "{value: 0,", "voltage is 0", "above 0"),
    ("odin", "{value: 75,", "{value: 0,", "clock_mhz is 0", "above 0"),
    ("odin", "cycles: {value: 2,", "cycles: {value: 0,", "cycles is 0", "above 0"),
    ("odin", "name: neurons, component", "name: synapses, component", "'synapses' a second time", "of its own"),
    ("spoon", "- name: training", "- name: inference", "'inference' a second time", "of its own"),
    ("spoon", "includes: inference", "includes: training", "training includes itself", "leave it out"),
    ("spoon", "includes: inference", "includes: inferences", "which is no workload", "did you mean 'inference'"),
    ("spoon", "- name: inference", "- name: inference\n    includes: training", "itself includes another", "its uses"),
    ("spoon", "parts: [updates, random words, feedback, learning control], ", "", "area overhead of all parts", "name"),
]


@pytest.mark.parametrize(("chip", "old", "new", "said", "hint"), FIELDS)
def test_fields_that_make_no_sense(tmp_path, capsys, chip, old, new, said, hint):
    error = complaint(tmp_path, capsys, chip, old, new)
    assert re.search(r"chip\.yaml:\d+:\d+: ", error)
    assert said in error
    assert hint in error


def test_an_area_overhead_over_every_part(tmp_path, capsys):
    names = ", ".join(part.name for part in read_preset(FOLDER / "spoon.yaml").parts)
    error = complaint(tmp_path, capsys, "spoon", "updates, random words, feedback, learning control", names)
    assert re.search(r"chip\.yaml:\d+:\d+: an area overhead of all parts", error)


def test_other_errors_name_the_file(tmp_path, capsys):
    error = complaint(tmp_path, capsys, "odin", "words: 8192, bits: 32", "words: 1.5, bits: 32")
    assert f"{tmp_path / 'chip.yaml'}: synapses: sram: words 1.5 is no whole number" in error


def complaint(folder, capsys, chip, old, new):
    """Return what is said about a chip's file in which *new* stands for *old*."""
    text = (FOLDER / f"{chip}.yaml").read_text(encoding="utf-8")
    assert old in text
    path = folder / "chip.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert main(["chips", str(path)]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_a_number_that_stands_on_nothing(tmp_path):
    text = (FOLDER / "odin.yaml").read_text(encoding="utf-8")
    path = tmp_path / "chip.yaml"
    path.write_text(text.replace('why: "supply of the 12.7 pJ"', 'why: " "'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"chip\.yaml:\d+:\d+"):
        read_preset(path)
