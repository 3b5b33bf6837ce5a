"""`run --backend`, `--threads`: passed on where there is a choice, refused where there is none, never ignored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from neuro_emu import api
from neuro_emu.api.diagnosis import run_diagnosed
from neuro_emu.cli import main
from neuro_emu.config.experiment import load
from neuro_emu.datapath.backends import available
from neuro_emu.errors import RunError
from neuro_emu.training.engines import FastEngine
from neuro_emu.training.loop import train
from neuro_emu.training.means import Means

SHORT = ["--set", "training.epochs=1", "--set", "dataset.train=60", "--set", "dataset.test=20"]
WIDE = [
    *("--set", "network.layers.0.dense.units=64", "--set", "network.layers.1.dense.delta=s8f7"),
    *("--set", "training.rule=drtp", "--set", "training.lr_shift={hidden: 8, output: 6}"),
]
"""What makes the tiny chip one that vector code knows."""
CHOICES = [("--backend", "plain"), ("--backend", "portable"), ("--backend", "vector"), ("--threads", "2")]


def note(threads, kernels):
    return (
        f"note: --threads {threads} has no effect: this chip trains and tests on one thread, in {kernels} kernels;"
        " only vector kernels share work\n"
    )


@pytest.fixture
def engines(monkeypatch):
    """What the fast engines of a test are made with: (back-end, threads)."""
    made = []
    original = FastEngine.__init__

    def noted(self, *args, backend="auto", threads=1):
        made.append((backend, threads))
        original(self, *args, backend=backend, threads=threads)

    monkeypatch.setattr(FastEngine, "__init__", noted)
    return made


@pytest.mark.parametrize("more", [[], ["--diagnose"], ["--seeds", "2"], ["--json"]], ids=" ".join)
@pytest.mark.parametrize(("option", "value"), CHOICES)
@pytest.mark.parametrize("datapath", ["traced", "float"])
def test_other_datapaths_have_no_choice(datapath, option, value, more, config, capsys):
    assert main(["run", str(config), "--datapath", datapath, option, value, *more]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        f"error: {option} {value}: the {datapath} datapath has no back-ends and one thread;"
        f" leave {option} out, or use it with --datapath fast\n"
    )
    assert [path.name for path in config.parent.iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize("datapath", ["traced", "float"])
def test_the_defaults_may_be_said(datapath, config, capsys):
    words = ["--datapath", datapath, "--backend", "auto", "--threads", "1", "--out", "out"]
    assert main(["run", str(config), *SHORT, *words]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("given", [Means("plain"), Means(threads=2)])
@pytest.mark.parametrize("datapath", ["traced", "float"])
def test_functions_refuse_them_too(datapath, given, config):
    experiment = load(config)
    parts = api.split_data(experiment, api.load_data(experiment))
    with pytest.raises(RunError, match=f"the {datapath} datapath has no back-ends and one thread"):
        api.run(experiment, "out", datapath=datapath, means=given)
    with pytest.raises(RunError, match="leave --"):
        run_diagnosed(experiment, "out", datapath=datapath, means=given)
    with pytest.raises(RunError, match="leave --"):
        train(experiment.chip, parts, 1, datapath=datapath, means=given)
    assert not (config.parent / "out").exists()


def test_a_diagnosed_chip_runs_as_asked(config, engines, capsys):
    assert main(["run", str(config), *SHORT, "--diagnose", "--out", "usual"]) == 0
    assert main(["run", str(config), *SHORT, "--diagnose", "--backend", "plain", "--threads", "3", "--out", "out"]) == 0
    assert engines == [("auto", 1), ("plain", 3)]
    assert capsys.readouterr().err == note(3, "plain")
    assert "; plain kernels " in (config.parent / "out/summary.txt").read_text(encoding="utf-8")
    for name in ("metrics.json", "diagnosis.json"):
        assert (config.parent / "usual" / name).read_bytes() == (config.parent / "out" / name).read_bytes()


def test_seeds_run_with_the_back_end_asked_for_and_one_thread_each(config, engines, capsys):
    words = ["--seeds", "2", "--threads", "2", "--backend", "plain", "--out", "out"]
    assert main(["run", str(config), *SHORT, *words]) == 0
    assert engines == [("plain", 1)] * 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("backend", ["plain", "portable"])
def test_idle_threads_are_noted(backend, config, capsys):
    assert main(["run", str(config), *SHORT, *WIDE, "--backend", backend, "--threads", "2", "--out", "out"]) == 0
    assert capsys.readouterr().err == note(2, backend)


def test_the_note_leaves_the_record_alone(config, capsys):
    """Vector code does not know a chip of twelve neurons, whatever the back-end."""
    assert main(["run", str(config), *SHORT, "--threads", "4", "--json", "--out", "out"]) == 0
    printed = capsys.readouterr()
    assert printed.err == note(4, "portable")
    assert json.loads(printed.out) == json.loads((config.parent / "out/metrics.json").read_text(encoding="utf-8"))


def test_one_thread_needs_no_note(config, capsys):
    assert main(["run", str(config), *SHORT, "--out", "out"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not available(), reason="this processor has no vector code")
def test_threads_that_work_are_not_noted(config, engines, capsys):
    for threads in ("1", "2"):
        words = ["--backend", "vector", "--threads", threads, "--out", threads]
        assert main(["run", str(config), *SHORT, *WIDE, *words]) == 0
    assert capsys.readouterr().err == ""
    assert engines == [("vector", 1), ("vector", 2)]
    one, two = (np.load(config.parent / threads / "weights.npz") for threads in ("1", "2"))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert "; vector kernels " in (config.parent / "2/summary.txt").read_text(encoding="utf-8")


def test_an_observer_sees_the_diagnosed_chip(config):
    seen = []
    run_diagnosed(load(config, SHORT[1::2]), observe=lambda done, engine: seen.append((done, type(engine))))
    assert seen == [(0, FastEngine), (1, FastEngine)]
