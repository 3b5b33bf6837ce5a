"""`neuro-emu analyse`: every analysis on a small chip, as text, record and picture."""

import json
from xml.etree import ElementTree

import pytest

from neuro_emu.cli import main

CHIP = """\
name: small
dataset: {name: synthetic, train: 40, test: 20}
network:
  layers:
    - dense: {units: 9, activation: hard_tanh, weight: s12f9, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 7, activation: hard_tanh, weight: s12f9, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s12f9, output: u8f8}
  initial_weights: random
  initial_layers: all
training: {rule: fa, epochs: 3, batch: 8, lr_shift: {hidden: 5, output: 5}}
"""
WORDS = {
    "terms": ["--orders", "9", "--fractions", "0,100"],
    "open-loop": ["--iterations", "12", "--seeds", "2"],
    "labels": ["--fractions", "0,100"],
    "switch": ["--at", "0,1"],
    "trajectories": ["--datapath", "float"],
}
TITLES = {
    "terms": "alignment terms: small",
    "open-loop": "alignment without a task: 40-40-40",
    "labels": "shuffled labels: small",
    "switch": "from fa to bp: small",
    "trajectories": "trajectories of fa and bp: small",
}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(CHIP)
    return tmp_path / "small.yaml"


def words_of(what, config):
    return ["analyse", what, *([] if what == "open-loop" else [str(config)]), *WORDS[what]]


@pytest.mark.parametrize("what", WORDS)
def test_each_analysis_prints_and_writes_text_record_and_picture(what, small, capsys):
    assert main(words_of(what, small)) == 0
    shown = capsys.readouterr()
    folder = small.parent / "runs" / ("analyse-open-loop" if what == "open-loop" else f"analyse-{what}-small")
    lines = shown.out.splitlines()
    assert lines[0].startswith(TITLES[what])
    assert lines[-1] == f"wrote {folder.relative_to(small.parent)}"
    assert (folder / "analysis.txt").read_text().splitlines() == lines[:-1]
    assert max(map(len, lines)) <= 100
    assert not shown.err
    assert json.loads((folder / "analysis.json").read_text())["analysis"] == what
    picture = ElementTree.parse(folder / "analysis.svg").getroot()
    texts = ["".join(node.itertext()) for node in picture.iter(f"{SVG}text")]
    assert texts[0] == lines[0]
    assert len(list(picture.iter(f"{SVG}polyline"))) >= 2
    assert not {"nan", "inf"} & {word for node in picture.iter() for v in node.attrib.values() for word in v.split()}


@pytest.mark.parametrize("what", ["terms", "labels", "trajectories"])
def test_the_same_record_twice_and_as_json(what, small, capsys):
    assert main([*words_of(what, small), "--out", "one", "--json"]) == 0
    record = capsys.readouterr().out
    assert main([*words_of(what, small), "--out", "two"]) == 0
    for name in ("json", "txt", "svg"):
        first, second = (small.parent / run / f"analysis.{name}" for run in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
    assert (small.parent / "one/analysis.json").read_text() == record


def test_overrides_and_another_rule(small, capsys):
    words = ["--set", "training.epochs=1", "--to", "dfa", "--datapath", "float", "--json"]
    assert main(["analyse", "switch", str(small), *words]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["to"], record["epochs"], record["datapath"]) == ("dfa", 1, "float")
    assert [run["switched_after"] for run in record["runs"]] == [0, 1]  # of 0, 1, 2, 5 what fits


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["terms", "--set", "training.batch=1"], "one sample at a time"),
        (["terms", "--set", "training.rule=bp"], "bp does not have"),
        (["terms", "--set", "training.rule=dfa"], "dfa does not have"),
        (["terms", "--set", "training.rule=kp"], "kp does not have"),
        (["terms", "--orders", "11"], "--orders 10 at most"),
        (["terms", "--orders", "11"], "train for 4 epochs"),
        (["terms", "--orders", "0"], "at least one"),
        (["terms", "--fractions", "101"], "0 to 100"),
        (["labels", "--fractions", "few"], "expected numbers"),
        (["labels", "--set", "training.epoch=2"], "training.epoch"),
        (["labels", "--set", "training.optimiser=adam"], "adam"),
        (["switch", "--at", "4"], "between 0 and 3"),
        (["switch", "--to", "fa"], "own rule"),
        (["switch", "--to", "bpp"], "did you mean 'bp'"),
        (["trajectories", "--to", "bpp"], "with training.rule=bpp"),
    ],
)
def test_bad_input_is_refused(words, message, small, capsys):
    assert main(["analyse", words[0], str(small), *words[1:]]) == 2
    assert message in capsys.readouterr().err
    assert not (small.parent / "runs").exists()


def test_without_a_configuration_the_review_is_analysed(small, capsys):
    assert main(["analyse", "terms"]) == 2  # not in this folder
    assert "configs/papers/fa_review_paper.yaml" in capsys.readouterr().err
    assert main(["analyse", "open-loop", "--seeds", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["nothing"], ["open-loop", "--datapath", "float"], ["terms", "--at", "1"]])
def test_what_argparse_refuses(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["analyse", *words])
    assert ended.value.code == 2
    assert "usage: neuro-emu" in capsys.readouterr().err
