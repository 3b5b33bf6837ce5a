"""`neuro-emu papers`: the list, a tiny study beside its paper, and what is refused."""

import json
from xml.etree import ElementTree

import pytest

import neuro_emu.api
from neuro_emu.cli import main

CONFIG = """\
name: {name}
dataset: {{name: synthetic, train: 30, test: 20}}
network:
  layers:
    - dense: {{units: 6, activation: hard_tanh, weight: {weight}, output: s8f7, table_frac: 5, delta: s8f7}}
    - dense: {{units: 10, activation: sigmoid, weight: s12f9, output: u8f8}}
  initial_weights: random
training: {{rule: bp, epochs: 1, lr_shift: {{hidden: 5, output: 5}}}}
"""
STUDIES = """\
studies:
  small:
    source: "Table 1 of a paper"
    network: 64-6-10
    paper: p.yaml
    chip: c.yaml
    rows: [{rule: bp, published: 30, sd: 1}, {rule: dfa, label: direct}]
  other:
    source: "Table 2"
    network: 64-6-10
    paper: p.yaml
    chip: c.yaml
    rows: [{rule: shallow}]
"""


@pytest.fixture
def studies(tmp_path, monkeypatch):
    """A folder of studies below an otherwise empty working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "p.yaml").write_text(CONFIG.format(name="p", weight="s20f14"))
    (folder / "c.yaml").write_text(CONFIG.format(name="c", weight="s8f7"))
    (folder / "studies.yaml").write_text(STUDIES)
    return folder


def test_list_runs_nothing(studies, capsys):
    assert main(["papers", "--list", "--configs", "mine"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines() == [
        "small                64-6-10: bp, direct",
        "                     Table 1 of a paper",
        "other                64-6-10: shallow",
        "                     Table 2",
    ]
    assert [path.name for path in studies.parent.iterdir()] == ["mine"]


def test_a_study(studies, capsys):
    assert main(["papers", "small", "--configs", "mine", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    folder = studies.parent / "out"
    record = json.loads((folder / "papers.json").read_text())
    rows = record["studies"]["small"]["rows"]
    assert [row["row"] for row in rows] == ["bp", "direct"]
    assert set(record["studies"]) == {"small"}
    assert {"paper", "chip", "twin", "difference", "inside", "cost"} <= set(rows[0])
    table = (folder / "papers.txt").read_text()
    lines = printed.splitlines()
    assert lines[0] == "small"  # the rows as they come, then the whole table
    assert [line.split()[0] for line in lines[1:3]] == ["bp", "direct"]
    assert printed.endswith(f"\n\n{table}wrote out\n")
    ElementTree.parse(folder / "papers.svg")
    assert len(list((folder / "small").iterdir())) == 6


def test_a_second_time_says_the_same(studies, capsys):
    words = ["papers", "--configs", "mine", "--out", "out", "--json"]
    assert main(words) == 0
    first = capsys.readouterr().out
    assert json.loads(first) == json.loads((studies.parent / "out/papers.json").read_text())
    assert set(json.loads(first)["studies"]) == {"small", "other"}
    times = {path: path.stat().st_mtime_ns for path in (studies.parent / "out").glob("*/*.json")}
    assert main(words) == 0
    assert capsys.readouterr().out == first  # seconds and all: nothing was trained
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_only_some_kinds_with_other_settings(studies, capsys):
    words = ["--only", "chip", "--only", "twin", "--set", "training.epochs=2", "--set", "dataset.train=10", "--json"]
    assert main(["papers", "other", "--configs", "mine", *words]) == 0
    row = json.loads(capsys.readouterr().out)["studies"]["other"]["rows"][0]
    assert "paper" not in row
    assert row["chip"]["epochs"] == row["twin"]["epochs"] == 2
    assert row["cost_of"] == "twin"
    assert (studies.parent / "runs/papers/papers.json").is_file()  # the default place


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--configs", "nowhere"], "nowhere has no studies.yaml"),
        (["--configs", "nowhere", "--list"], "nowhere has no studies.yaml"),
        ([], "configs/papers has no studies.yaml; run from the project's folder, or name configs/papers"),
        (["--configs", "mine", "smal"], "no study 'smal'; there are: small, other"),
        (["--configs", "mine", "other", "--set", "training.epoch=2"], "epoch"),
        (["--configs", "mine", "--out", "mine/p.yaml"], "mine/p.yaml"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(words, message, studies, capsys, monkeypatch):
    monkeypatch.setattr(neuro_emu.api, "run", lambda *_, **__: pytest.fail("trained"))
    assert main(["papers", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert not list(studies.parent.glob("**/papers.json"))


def test_a_mistake_in_a_configuration_is_shown_where_it_stands(studies, capsys):
    path = studies / "c.yaml"
    path.write_text(path.read_text().replace("units: 6", "units: six"))
    assert main(["papers", "small", "--configs", "mine", "--only", "chip"]) == 2
    assert "mine/c.yaml:5:22" in capsys.readouterr().err
    assert not (studies.parent / "runs/papers/small").exists()


def test_other_kinds_are_refused(studies):
    with pytest.raises(SystemExit) as end:
        main(["papers", "--configs", "mine", "--only", "float"])
    assert end.value.code == 2
