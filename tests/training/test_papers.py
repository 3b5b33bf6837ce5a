"""Published experiments, run again: bands, order, costs, what is kept, table and picture; and the shipped studies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import neuro_emu.api
from neuro_emu.api import papers
from neuro_emu.errors import ConfigError, RunError
from neuro_emu.report.papers import papers_picture, papers_row, papers_table

SVG = "{http://www.w3.org/2000/svg}"
CONFIG = """\
name: {name}
dataset: {{name: synthetic, train: 30, test: 20}}
network:
  layers:
    - dense: {{units: 6, activation: hard_tanh, weight: {weight}, output: s8f7, table_frac: 5, delta: s8f7}}
    - dense: {{units: 10, activation: sigmoid, weight: s12f9, output: u8f8}}
  initial_weights: random
training: {{rule: bp, epochs: {epochs}, lr_shift: {{hidden: 5, output: 5}}}}
"""
STUDIES = """\
studies:
  one:
    source: "A paper & its table"
    network: 64-6-10
    paper: tiny_paper.yaml
    chip: tiny_chip.yaml
    set: [training.seed=5]
    last: 2
    band: 100
    order: [first, dfa]
    shortened: "2 epochs"
    rows:
      - {rule: bp, label: first, published: 50, sd: 0.25, note: "a <note>"}
      - {rule: dfa, published: 200, set: [network.layers.0.dense.units=7]}
  two:
    source: "Another"
    network: 64-6-10
    paper: tiny_paper.yaml
    chip: tiny_chip.yaml
    angles: true
    twin: false
    rows:
      - {rule: fa, angles: {delta: 12.5}}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tiny_paper.yaml").write_text(CONFIG.format(name="tiny_paper", weight="s20f14", epochs=2))
    (tmp_path / "tiny_chip.yaml").write_text(CONFIG.format(name="tiny_chip", weight="s8f7", epochs=1))
    (tmp_path / "studies.yaml").write_text(STUDIES)
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """Trainings that were done, as (rule, datapath)."""
    done, run = [], neuro_emu.api.run

    def counted(experiment, *args, **options):
        done.append((experiment.config.training.rule, options["datapath"]))
        return run(experiment, *args, **options)

    monkeypatch.setattr(neuro_emu.api, "run", counted)
    return done


@pytest.fixture
def record(folder, calls):
    return papers.run_papers(folder, out=folder / "out")


ALL = [("bp", "float"), ("bp", "fast"), ("bp", "float"), ("dfa", "float"), ("dfa", "fast"), ("dfa", "float")]
ALL += [("fa", "float"), ("fa", "fast")]


def test_each_row_is_trained_as_its_study_says(record, calls, folder):
    assert calls == ALL
    assert list(record["studies"]) == ["one", "two"]
    first, dfa = record["studies"]["one"]["rows"]
    fa = record["studies"]["two"]["rows"][0]
    assert [e["row"] for e in (first, dfa, fa)] == ["first", "dfa", "fa"]
    assert [kind for kind in papers.KINDS if kind in fa] == ["paper", "chip"]
    experiment = neuro_emu.api.load(
        folder / "tiny_chip.yaml", ["network.layers.0.dense.units=7", "training.seed=5", "training.rule=dfa"]
    )
    assert dfa["chip"]["identity"]["digest"] == dfa["twin"]["identity"]["digest"] == experiment.digest
    alone = neuro_emu.api.run(experiment, datapath="fast").metrics
    assert dfa["chip"]["test_accuracy"] == alone["test_accuracy"]
    assert first["chip"]["bits"] == ["s8f7", "s12f9"]
    assert [first[kind]["epochs"] for kind in papers.KINDS] == [2, 1, 1]


def test_accuracy_is_the_mean_of_the_last_epochs(record):
    for entry in record["studies"]["one"]["rows"]:
        assert entry["paper"]["test_accuracy"] == round(sum(entry["paper"]["curve"]) / 2, 4)
        assert entry["chip"]["curve"] == [entry["chip"]["test_accuracy"]]
    fa = record["studies"]["two"]["rows"][0]["paper"]
    assert fa["test_accuracy"] == fa["curve"][-1]


def test_differences_bands_and_costs(record):
    first, dfa = record["studies"]["one"]["rows"]
    fa = record["studies"]["two"]["rows"][0]
    assert first["difference"] == round(first["paper"]["test_accuracy"] - 50, 4)
    assert first["inside"] is True  # accuracies lie within 50 ± 50
    assert dfa["inside"] is (dfa["paper"]["test_accuracy"] >= 100)
    assert first["cost"] == round(first["twin"]["test_accuracy"] - first["chip"]["test_accuracy"], 4)
    assert first["cost_of"] == "twin"
    assert fa["cost"] == round(fa["paper"]["test_accuracy"] - fa["chip"]["test_accuracy"], 4)
    assert fa["cost_of"] == "paper"
    assert "inside" not in fa
    assert "difference" not in fa


@pytest.mark.parametrize(
    ("accuracy", "band", "sd", "inside"),
    [
        (98.5, 0.5, None, True),
        (98.51, 0.5, None, False),
        (97.5, 0.5, 0.1, True),
        (97.4, 0.5, 0.6, True),
        (97.3, 0.5, 0.6, False),
    ],
)
def test_the_band_is_the_wider_of_two(accuracy, band, sd, inside):
    study = papers.Study("", "", "", "", (), band=band)
    entry = {"row": "bp", "published": 98.0, "sd": sd, "paper": {"test_accuracy": accuracy}}
    papers.judge_row(study, entry)
    assert entry["inside"] is inside
    assert entry["difference"] == round(accuracy - 98.0, 4)
    assert "cost" not in entry


def judged(values, order=("a", "b", "c"), key="test_accuracy"):
    entries = [{"row": row, "paper": {key: value}} for row, value in values.items()]
    return papers.judge(papers.Study("", "", "", "", (), order=order), entries).get("paper_in_order")


def test_order():
    assert judged({"c": 1.0, "b": 2.0, "a": 2.0}) is True
    assert judged({"c": 2.5, "b": 2.0, "a": 3.0}) is False
    assert judged({"a": 3.0, "b": 2.0}) is None  # not all rows were run
    assert judged({"a": 3.0, "b": 2.0, "c": 1.0}, ()) is None
    assert judged({"a": 0.1, "b": 0.2, "c": 0.3}, key="test_loss") is True
    assert judged({"a": 0.3, "b": 0.2, "c": 0.1}, key="test_loss") is False


def test_what_was_run_is_kept(folder, record, calls):
    calls.clear()
    assert papers.run_papers(folder, out=folder / "out") == record
    assert calls == []
    assert papers.run_papers(folder, ["two"], out=folder / "out")["studies"] == {"two": record["studies"]["two"]}
    assert calls == []
    papers.run_papers(folder, ["two"], out=folder / "elsewhere")
    assert calls == ALL[-2:]


def test_what_has_changed_is_run_again(folder, record, calls):
    calls.clear()
    path = folder / "tiny_chip.yaml"
    path.write_text(path.read_text().replace("hidden: 5", "hidden: 6"))
    changed = papers.run_papers(folder, out=folder / "out")
    assert calls == [ALL[n] for n in (1, 2, 4, 5, 7)]
    first = [result["studies"]["one"]["rows"][0] for result in (record, changed)]
    assert first[0]["paper"] == first[1]["paper"]
    assert first[0]["chip"]["identity"] != first[1]["chip"]["identity"]
    calls.clear()
    (folder / "studies.yaml").write_text(STUDIES.replace("last: 2", "last: 1"))
    last = papers.run_papers(folder, ["one"], out=folder / "out")["studies"]["one"]["rows"][0]["paper"]
    assert calls == [("bp", "float"), ("dfa", "float")]  # a chip's accuracy is that of its last epoch
    assert last["test_accuracy"] == last["curve"][-1]


def test_a_damaged_or_lost_result_alone_is_run_again(folder, record, calls):
    calls.clear()
    kept = sorted((folder / "out/one").iterdir())
    assert len(kept) == 6
    kept[0].unlink()
    other = json.loads(kept[1].read_text())
    other["identity"]["semantics"] = "another"
    kept[1].write_text(json.dumps(other))
    again = papers.run_papers(folder, out=folder / "out")
    assert len(calls) == 2
    assert again["studies"]["one"]["paper_in_order"] == record["studies"]["one"]["paper_in_order"]
    for before, after in zip(record["studies"]["one"]["rows"], again["studies"]["one"]["rows"], strict=True):
        assert {kind: before[kind]["curve"] for kind in papers.KINDS} == {k: after[k]["curve"] for k in papers.KINDS}


def test_kinds_and_overrides(folder, calls):
    begun, ended = [], []
    record = papers.run_papers(
        folder,
        ["one"],
        out=folder / "out",
        kinds=["chip"],
        overrides=["training.epochs=2", "dataset.train=10"],
        started=begun.append,
        finished=lambda study, entry: ended.append((study, entry["row"])),
    )
    assert calls == [("bp", "fast"), ("dfa", "fast")]
    assert begun == ["one: first, chip", "one: dfa, chip"]
    assert ended == [("one", "first"), ("one", "dfa")]
    rows = record["studies"]["one"]["rows"]
    assert [row["chip"]["epochs"] for row in rows] == [2, 2]
    assert all("cost" not in row and "inside" not in row for row in rows)
    assert "chip_in_order" in record["studies"]["one"]
    assert "paper_in_order" not in record["studies"]["one"]
    assert "-" in papers_row(rows[0])


def test_each_training_has_the_samples_it_asks_for(folder, calls):
    path = folder / "tiny_chip.yaml"
    path.write_text(path.read_text().replace("train: 30, test: 20", "train: 60, test: 40"))
    both, alone = (
        papers.run_papers(folder, ["one"], out=folder / str(len(kinds)), kinds=kinds)
        for kinds in (["paper", "chip"], ["chip"])
    )
    curves = [[row["chip"]["curve"] for row in record["studies"]["one"]["rows"]] for record in (both, alone)]
    assert curves[0] == curves[1]


def test_angles_of_the_last_epoch(record):
    fa = record["studies"]["two"]["rows"][0]
    for kind in ("paper", "chip"):
        assert {"feedback", "delta", "update"} <= set(fa[kind]["angles"])
        for values in fa[kind]["angles"].values():
            assert len(values) == 1  # a hidden layer each, the output has none
            assert values[0] is None or 0 <= values[0] <= 180
    assert "angles" not in record["studies"]["one"]["rows"][0]["paper"]
    text = papers_row(fa)
    shown = [fa[kind]["angles"]["delta"][0] for kind in ("paper", "chip")]
    assert f"delta (published 12.5°): float twin {shown[0]:.1f}°; integers {shown[1]:.1f}°" in text


def test_errors(folder):
    with pytest.raises(RunError, match="no study 'three'; there are: one, two"):
        papers.run_papers(folder, ["one", "three"], out=folder / "out")
    assert not (folder / "out").exists()
    with pytest.raises(RunError, match=r"has no studies\.yaml"):
        papers.read_studies(folder / "out")
    (folder / "studies.yaml").write_text(STUDIES.replace("band: 100", "bnd: 100"))
    with pytest.raises(ConfigError, match=r"studies.yaml:9:5: .*bnd"):
        papers.read_studies(folder)


def test_table(record):
    lines = papers_table(record).splitlines()
    first, dfa = record["studies"]["one"]["rows"]
    assert lines[:3] == ["one: A paper & its table", "  64-6-10", "  float twin: 2 epochs"]
    row = next(line for line in lines if line.startswith("  first"))
    assert row.split()[1:] == [
        *("50.00", "±", "0.25", f"{first['paper']['test_accuracy']:.2f}", f"{first['difference']:+.2f}", "in"),
        *(
            f"{first['chip']['test_accuracy']:.2f}",
            "8/12",
            f"{first['twin']['test_accuracy']:.2f}",
            f"{first['cost']:+.2f}",
        ),
    ]
    assert lines[lines.index(row) + 1] == "    a <note>"
    assert next(line for line in lines if line.startswith("  dfa")).split()[4] == "out"
    holds = "holds" if first["paper"]["test_accuracy"] >= dfa["paper"]["test_accuracy"] else "does not hold"
    assert f"  float twins: the order first > dfa {holds}" in lines
    assert next(line for line in lines if line.startswith("  fa ")).split()[-1].endswith("*")
    assert any(line.startswith("1 of 2 float twins (50 %) lie within the band") for line in lines)


def test_picture_and_files(record, folder):
    papers.write_papers(record, folder / "written")
    assert json.loads((folder / "written/papers.json").read_text()) == record
    assert (folder / "written/papers.txt").read_text() == papers_table(record)
    root = ElementTree.parse(folder / "written/papers.svg").getroot()
    texts = ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]
    assert [text for text in texts if " · " in text] == ["one · first", "one · dfa"]  # what has a published value
    titles = [node.text for node in root.iter(f"{SVG}title")]
    rows = record["studies"]["one"]["rows"]
    assert titles == [f"{row[kind]['test_accuracy']:.2f} %" for row in rows for kind in ("paper", "chip")]


def test_places_in_the_picture():
    def entry(row, published, sd, paper, chip):
        return {"row": row, "published": published, "sd": sd} | {
            kind: {"test_accuracy": value} for kind, value in (("paper", paper), ("chip", chip))
        }

    rows = [entry("a&b", 98.0, None, 98.0, 97.0), entry("c", 98.0, 1.0, 99.0, 50.0)]
    root = ElementTree.fromstring(papers_picture({"studies": {"s": {"band": 0.5, "rows": rows}}}))
    circles = [float(node.get("cx")) for node in root.iter(f"{SVG}circle")][1:]  # the first is the legend
    marks = [node for node in root.iter(f"{SVG}rect") if node.find(f"{SVG}title") is not None]
    squares = [float(node.get("x")) + 4 for node in marks]
    bands = [float(node.get("width")) for node in root.iter(f"{SVG}rect") if node.get("fill-opacity")]
    point = circles[1] - circles[0]
    assert squares == pytest.approx(
        [circles[0] - point, circles[0] - 3 * point], abs=0.11
    )  # the edge for what is beyond
    assert bands == pytest.approx([point, 2 * point], abs=0.21)
    assert "s · a&b" in ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def test_nothing_published():
    record = {"studies": {"s": {"band": 0.5, "rows": []}}}
    ElementTree.fromstring(papers_picture(record))


SHIPPED = Path(__file__).parents[2] / "configs/papers"
SHIPPED_STUDIES = papers.read_studies(SHIPPED)
HEADERS = {
    path.name: re.match(r"(#.*\n)+", path.read_text(encoding="utf-8"))[0] for path in SHIPPED.glob("*_paper.yaml")
}


@pytest.mark.parametrize("name", SHIPPED_STUDIES)
def test_every_shipped_row_loads(name):
    study = SHIPPED_STUDIES[name]
    for row in study.rows:
        chosen = {kind: papers.experiment_of(SHIPPED, study, row, kind) for kind in papers.KINDS}
        assert chosen["chip"].digest == chosen["twin"].digest != chosen["paper"].digest
        assert {experiment.config.training.rule for experiment in chosen.values()} == {row.rule}
        assert chosen["chip"].chip.learning.adam is None  # integers have none
        assert all(study.last <= experiment.config.training.epochs for experiment in chosen.values())
        shape = study.network.split(",")[0]
        assert {str(experiment.chip.network) for experiment in chosen.values()} == {shape}
        if study.shortened:
            assert study.shortened.startswith(f"{chosen['paper'].config.training.epochs} epochs")
    assert set(study.order) <= {row.name for row in study.rows}
    assert len({row.name for row in study.rows}) == len(study.rows)


def test_every_shipped_configuration_belongs_to_a_study():
    used = {name for study in SHIPPED_STUDIES.values() for name in (study.paper, study.chip)}
    assert {path.name for path in SHIPPED.glob("*.yaml")} - used == {"studies.yaml"}


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_headers_say_paper_figure_ours_and_runtime(name):
    header = HEADERS[name]
    for pattern in (
        r"^# Paper: +\S",
        r"^# (Table|Figure): +\S",
        r"^# Recipe: +\S",
        r"^# Ours: +\S",
        r"Runtime: about \d+",
    ):
        assert re.search(pattern, header, re.MULTILINE), pattern
    command = re.search(r"neuro-emu papers (.+)$", header, re.MULTILINE)[1].split()
    assert command == [study for study, entry in SHIPPED_STUDIES.items() if entry.paper == name]


PRINTED = re.compile(r"(\w+) (\d+\.\d+)(?:±(\d+\.\d+))?")
NAMES = {"foa": "forward_alignment", "wm": "weight_mirror"}


def printed(line):
    """Figures of a header's line by rule: (value, deviation or None)."""
    found = {NAMES.get(name.lower(), name.lower()): (value, sd) for name, value, sd in PRINTED.findall(line)}
    return {name: (float(value), float(sd) if sd else None) for name, (value, sd) in found.items()}


@pytest.mark.parametrize(
    ("study", "start"),
    [
        ("drtp_fc500", "784-500-10:"),
        ("drtp_fc1000", "784-1000-10:"),
        ("drtp_fc500x2", "784-500-500-10:"),
        ("drtp_fc1000x2", "784-1000-1000-10:"),
        ("drtp_synthetic", "BP 1.85"),
    ],
)
def test_published_accuracies_are_what_is_left_of_the_printed_errors(study, start):
    lines = [line.lstrip("# ") for line in HEADERS[SHIPPED_STUDIES[study].paper].splitlines()]
    errors = printed(next(line for line in lines if line.startswith(start)))
    rows = SHIPPED_STUDIES[study].rows
    assert {row.rule: (round(100 - row.published, 4), row.sd) for row in rows} == errors


@pytest.mark.parametrize(
    ("study", "words"), [("weight_mirror", "test accuracy: "), ("forward_alignment", "test accuracy: ")]
)
def test_published_accuracies_are_those_printed(study, words):
    text = HEADERS[SHIPPED_STUDIES[study].paper].split(words)[1].splitlines()[0]
    assert {row.rule: (row.published, None) for row in SHIPPED_STUDIES[study].rows} == printed(text)
