"""`run`: what it writes, and that it writes the same again."""

from __future__ import annotations

import json
from statistics import mean, stdev
from textwrap import dedent
from xml.etree import ElementTree

import numpy as np
import pytest

from neuro_emu import api
from neuro_emu.cli import main
from neuro_emu.config.experiment import load

ESTIMATE = ["estimate.json", "estimate.svg", "estimate.txt"]
FILES = ["config.yaml", "curves.svg", *ESTIMATE, "metrics.json", "summary.txt", "weights.npz"]
REPRODUCIBLE = ["config.yaml", "curves.svg", *ESTIMATE, "metrics.json", "weights.npz"]


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def metrics_of(directory):
    return json.loads((directory / "metrics.json").read_text(encoding="utf-8"))


def run(config, out, *words):
    assert main(["run", str(config), "--out", str(out), *words]) == 0
    return out


def test_files(finished, config):
    assert names(finished) == FILES
    assert load(finished / "config.yaml").digest == load(config).digest
    metrics = metrics_of(finished)
    assert metrics["config_digest"] == load(config).digest
    assert (metrics["name"], metrics["network"], metrics["rule"]) == ("tiny", "64-12-10", "dfa")
    assert metrics["test_accuracy"] > 60
    with np.load(finished / "weights.npz") as weights:
        assert {name: weights[name].shape for name in weights} == {
            "weights_0": (65, 12),
            "weights_0_format": (),
            "weights_1": (13, 10),
            "weights_1_format": (),
            "feedback_0": (10, 12),
            "feedback_0_format": (),
        }
        assert [weights[f"weights_{k}"].dtype for k in (0, 1)] == [np.int8, np.int16]
    assert ElementTree.parse(finished / "curves.svg").getroot().tag.endswith("svg")


def test_files_are_readable_by_others(finished):
    assert {(finished / name).stat().st_mode & 0o444 for name in FILES} == {0o444}


def test_printed(config, capsys):
    assert main(["run", str(config), "--out", "here"]) == 0
    printed = capsys.readouterr()
    summary = (config.parent / "here" / "summary.txt").read_text(encoding="utf-8")
    assert printed.out == summary + "wrote here\n"
    assert printed.err == ""


def test_the_default_directory(config, capsys):
    assert main(["run", str(config)]) == 0
    digest = load(config).digest[:8]
    assert names(config.parent / "runs") == [f"tiny-seed1-{digest}"]
    assert capsys.readouterr().out.rstrip().endswith(f"\nwrote runs/tiny-seed1-{digest}")
    assert main(["run", str(config), "--datapath", "float"]) == 0
    assert main(["run", str(config), "--seeds", "2"]) == 0
    assert set(names(config.parent / "runs")) == {
        f"tiny-seed1-{digest}",
        f"tiny-seed1-float-{digest}",
        f"tiny-seed1-2seeds-{digest}",
    }


def test_json(config, capsys):
    out = run(config, config.parent / "out", "--json")
    printed = capsys.readouterr().out
    assert printed == (out / "metrics.json").read_text(encoding="utf-8")
    assert json.loads(printed)["epochs"][1]["epoch"] == 1


def test_the_record_holds_no_time_and_no_path(finished):
    text = (finished / "metrics.json").read_text(encoding="utf-8")
    assert str(finished.parent) not in text
    assert not {"timing", "seconds", "date", "directory"} & metrics_of(finished).keys()


# --- the same again -----------------------------------------------------------------------------------------------


def test_twice(finished, config):
    again = run(config, config.parent / "again")
    for name in REPRODUCIBLE:
        assert (again / name).read_bytes() == (finished / name).read_bytes(), name


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_in_another_process(hash_seed, finished, config, command):
    done = command("run", config, "--out", "other", env={"PYTHONHASHSEED": hash_seed}, cwd=config.parent)
    assert done.returncode == 0, done.stderr
    for name in REPRODUCIBLE:
        assert (config.parent / "other" / name).read_bytes() == (finished / name).read_bytes(), name


def test_from_the_resolved_configuration(finished, config):
    again = run(finished / "config.yaml", config.parent / "again")
    for name in REPRODUCIBLE:
        assert (again / name).read_bytes() == (finished / name).read_bytes(), name


def test_overwriting(finished, config):
    out = run(config, config.parent / "out", "--set", "training.seed=2")
    assert metrics_of(out) != metrics_of(finished)
    run(config, out)
    assert names(out) == FILES
    for name in REPRODUCIBLE:
        assert (out / name).read_bytes() == (finished / name).read_bytes(), name


def test_another_seed_is_another_run(finished, config):
    out = run(config, config.parent / "out", "--set", "training.seed=2")
    assert metrics_of(out)["seed"] == 2
    assert (out / "weights.npz").read_bytes() != (finished / "weights.npz").read_bytes()


# --- seeds --------------------------------------------------------------------------------------------------------


def test_seeds(config, capsys):
    out = run(config, config.parent / "out", "--seeds", "3", "--set", "training.seed=5")
    printed = capsys.readouterr().out.splitlines()
    assert names(out) == ["metrics.json", "seed-5", "seed-6", "seed-7"]
    each = [metrics_of(out / f"seed-{n}") for n in (5, 6, 7)]
    assert [m["seed"] for m in each] == [5, 6, 7]
    total = metrics_of(out)
    assert total["seeds"] == [5, 6, 7]
    for key in ("test_accuracy", "validation_accuracy"):
        values = [m[key] for m in each]
        assert len(set(values)) > 1
        assert total[f"{key}_by_seed"] == values
        assert total[key] == round(mean(values), 4)
        assert total[f"{key}_sd"] == round(stdev(values), 4)
        assert total[f"{key}_sd"] == round((sum((v - mean(values)) ** 2 for v in values) / 2) ** 0.5, 4)
    assert printed[:3] == [f"seed {m['seed']}: test accuracy {m['test_accuracy']:.2f} %" for m in each]
    assert printed[3] == (
        f"tiny: test accuracy {total['test_accuracy']:.2f} ± {total['test_accuracy_sd']:.2f} %"
        f" over 3 seeds; wrote {out}"
    )
    assert len(printed) == 4


def test_a_seed_of_many_is_the_run_of_that_seed(config):
    out = run(config, config.parent / "out", "--seeds", "2")
    alone = run(config, config.parent / "alone", "--set", "training.seed=2")
    for name in REPRODUCIBLE:
        assert (alone / name).read_bytes() == (out / "seed-2" / name).read_bytes(), name


def test_seeds_as_json(config, capsys):
    out = run(config, config.parent / "out", "--seeds", "2", "--json")
    assert capsys.readouterr().out == (out / "metrics.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("seeds", ["0", "-3"])
def test_no_seeds(seeds, config, capsys):
    assert main(["run", str(config), "--seeds", seeds]) == 2
    assert capsys.readouterr().err == f"error: --seeds {seeds}: train at least one seed\n"
    assert names(config.parent) == ["tiny.yaml"]


def test_seeds_beyond_the_largest(config):
    """The schema allows seeds below 2^64; the second of these is 2^64."""
    assert main(["run", str(config), "--seeds", "2", "--set", f"training.seed={2**64 - 1}"]) == 2


# --- datapaths ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["dfa", "drtp", "sdfa", "shallow"])
def test_traced_equals_fast(rule, config):
    words = ["--set", f"training.rule={rule}", "--set", "dataset.train=70", "--set", "dataset.test=20"]
    fast = run(config, config.parent / "fast", *words)
    traced = run(config, config.parent / "traced", *words, "--datapath", "traced")
    assert (fast / "weights.npz").read_bytes() == (traced / "weights.npz").read_bytes()
    assert metrics_of(traced)["datapath"] == "traced"
    assert metrics_of(traced) | {"datapath": "fast"} == metrics_of(fast)
    assert (fast / "curves.svg").read_bytes() == (traced / "curves.svg").read_bytes()


def test_float(config, finished):
    out = run(config, config.parent / "out", "--datapath", "float")
    metrics = metrics_of(out)
    assert names(out) == [name for name in FILES if name not in {"weights.npz", *ESTIMATE}]
    assert metrics["datapath"] == "float"
    assert metrics["training"] is metrics["inference"] is None
    assert metrics["test_accuracy"] > 60
    assert metrics["config_digest"] == metrics_of(finished)["config_digest"]
    assert "float64" in (out / "summary.txt").read_text(encoding="utf-8").splitlines()[0]


def test_a_float_run_leaves_no_weights_of_another_behind(config):
    """`eval` would test them as if they were this run's."""
    out = run(config, config.parent / "out")
    run(config, out, "--datapath", "float")
    assert names(out) == [name for name in FILES if name not in {"weights.npz", *ESTIMATE}]


# --- strict -------------------------------------------------------------------------------------------------------

LOOSE = [
    "network.layers.0.dense.weight=s16f7",
    "network.layers.0.dense.table_frac=0",
    "network.layers.0.dense.delta=s16f7",
    "network.layers.0.dense.projection=s16f7",
    "network.layers.1.dense.weight=s16f8",
    "network.layers.1.dense.table_frac=0",
    "numerics.strict=true",
]
"""Formats in which nothing of the tiny run overflows."""

OVERFLOWS = {
    "weight": (["network.layers.1.dense.weight=s3f2", "training.lr_shift.output=0"], 1),
    "accumulator": (["numerics.accumulator.bits=10"], 0),
    "preactivation": (["network.layers.0.dense.table_frac=6", "training.lr_shift.hidden=0"], 0),
    "delta": (["network.layers.1.dense.delta=s6f8"], 1),
    "projection": (["network.layers.0.dense.projection=s5f7"], 0),
}


def strict_words(*settings):
    return [word for text in (*LOOSE, *settings) for word in ("--set", text)]


@pytest.mark.parametrize("datapath", ["fast", "traced"])
@pytest.mark.parametrize("tensor", OVERFLOWS)
def test_strict_names_the_tensor(tensor, datapath, config, capsys):
    settings, layer = OVERFLOWS[tensor]
    assert main(["run", str(config), "--out", "out", *strict_words(*settings), "--datapath", datapath]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: numerics.strict: {tensor} of layer {layer} overflowed in sample ")
    assert "numerics.strict: false" in printed.err
    assert not (config.parent / "out").exists()


@pytest.mark.parametrize("tensor", OVERFLOWS)
def test_strict_stops_both_datapaths_at_the_same_sample(tensor, config, capsys):
    said = []
    for datapath in ("fast", "traced"):
        assert main(["run", str(config), *strict_words(*OVERFLOWS[tensor][0]), "--datapath", datapath]) == 1
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]


def test_strict_lets_a_clean_run_pass(config):
    strict = run(config, config.parent / "strict", *strict_words())
    loose = run(config, config.parent / "loose", *strict_words("numerics.strict=false"))
    assert (strict / "weights.npz").read_bytes() == (loose / "weights.npz").read_bytes()
    overflows = [n for layer in metrics_of(loose)["tally"] for key, n in layer.items() if "overflows" in key]
    assert overflows == [0] * 12


# --- failures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_directory_that_cannot_be_made(out, config, capsys):
    (config.parent / "file").write_text("in the way")
    assert main(["run", str(config), "--out", out]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert (config.parent / "file").read_text() == "in the way"


def test_a_name_that_leaves_the_runs_directory(config):
    """`name` comes from a file that may be someone else's."""
    main(["run", str(config), "--set", "name=../outside"])
    assert {name for name in names(config.parent) if name not in ("runs", "tiny.yaml")} == set()


def test_too_large_a_validation_split(config, capsys):
    assert main(["run", str(config), "--set", "training.validation=200"]) == 2
    assert capsys.readouterr().err == dedent("""\
        error: --set:1:21: holding out 200 of 200 training samples leaves nothing to learn from
            1 | training.validation=200
              |                     ^^^
              = help: hold out fewer than 200
        """)


def test_a_bad_configuration_writes_nothing(config, capsys):
    assert main(["run", str(config), "--set", "training.rule=dfaa"]) == 2
    assert "did you mean 'dfa'?" in capsys.readouterr().err
    assert names(config.parent) == ["tiny.yaml"]


def test_warnings_come_before_the_run(config, capsys):
    run(config, config.parent / "out", "--set", "numerics.overflow=WRAP")
    assert capsys.readouterr().err.startswith("warning: numerics.overflow: WRAP")


def test_an_interrupt_while_learning_writes_nothing(config, monkeypatch, capsys):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("neuro_emu.training.engines.FastEngine.train", interrupted)
    assert main(["run", str(config), "--out", "out"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"
    assert names(config.parent) == ["tiny.yaml"]


def test_an_interrupt_while_writing_leaves_whole_files(config, finished, monkeypatch):
    """Whatever is there afterwards is one of the two runs' file, byte for byte."""
    from neuro_emu import files

    out = run(config, config.parent / "out", "--set", "training.seed=2")
    before = {name: (out / name).read_bytes() for name in REPRODUCIBLE}
    for allowed in range(5):
        calls = iter(range(allowed))

        def fsync(_handle, calls=calls):
            if next(calls, None) is None:
                raise KeyboardInterrupt

        monkeypatch.setattr(files.os, "fsync", fsync)
        assert main(["run", str(config), "--out", str(out)]) == 130
        monkeypatch.undo()
        assert names(out) == FILES
        for name in REPRODUCIBLE:
            assert (out / name).read_bytes() in (before[name], (finished / name).read_bytes()), name


def test_nothing_is_written_without_a_directory(config):
    """`api.run` as a notebook calls it."""
    result = api.run(load(config))
    assert result.directory is None
    assert names(config.parent) == ["tiny.yaml"]
