"""Verbs, options and exit codes, but for `run` and `eval`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from textwrap import dedent

import pytest
import yaml

from neuro_emu import __version__, api
from neuro_emu.cli import main
from neuro_emu.config.experiment import load, load_text
from neuro_emu.errors import MismatchError, NeuroEmuError, OverflowDetected

VERBS = [
    *("run", "check", "eval", "golden", "cosim", "data", "rules", "compare", "papers", "external", "analyse"),
    *("schema", "warmup"),
]
LIGHT = "import sys; from neuro_emu.cli import main; code = main({words!r}); print('numba' in sys.modules, code)"


@pytest.mark.parametrize("words", [[], *([verb] for verb in VERBS), ["data", "list"], ["data", "fetch"]], ids=" ".join)
def test_help(words, capsys):
    with pytest.raises(SystemExit) as end:
        main([*words, "--help"])
    printed = capsys.readouterr()
    assert end.value.code == 0
    assert printed.out.startswith(f"usage: {' '.join(['neuro-emu', *words])} [-h]")
    assert printed.err == ""


def test_help_lists_every_verb(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    for verb in VERBS:
        assert f"\n    {verb} " in printed


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"neuro_emu {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["walk"],
        ["run"],
        ["check"],
        ["eval"],
        ["run", "c.yaml", "--datapath", "quantum"],
        ["rules", "more", "words"],
    ],
    ids=" ".join,
)
def test_usage_errors(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage: neuro-emu" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OverflowDetected("the weight overflowed"), 1),
        (MismatchError("two differ"), 1),
        (NeuroEmuError("bad input"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(error, code, config, monkeypatch, capsys):
    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(api, "load", fail)
    assert main(["run", str(config)]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (f"error: {error}\n" if str(error) else "\ninterrupted\n")


# --- check --------------------------------------------------------------------------------------------------------


def test_check_prints_every_setting(config, capsys):
    assert main(["check", str(config)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    settings = yaml.safe_load(printed.out)
    assert settings["training"]["batch"] == 1
    assert settings["machine"]["weight_banks"] == 2
    assert load_text(printed.out).digest == load(config).digest


def test_check_quiet(config, capsys):
    assert main(["check", "--quiet", str(config)]) == 0
    assert capsys.readouterr().out == f"{config}: fine (64-12-10, dfa, config {load(config).digest})\n"


def test_check_many(config, capsys):
    other = config.with_name("other.yaml")
    other.write_text(config.read_text().replace("rule: dfa", "rule: drtp"))
    assert main(["check", str(config), str(other)]) == 0
    printed = capsys.readouterr().out
    heads = [line for line in printed.splitlines() if line.startswith("---")]
    assert [head.split(": ")[0] for head in heads] == [f"--- # {config}", f"--- # {other}"]
    assert [settings["training"]["rule"] for settings in yaml.safe_load_all(printed)] == ["dfa", "drtp"]


def test_check_goes_on_after_a_failure(config, capsys):
    bad = config.with_name("bad.yaml")
    bad.write_text(config.read_text().replace("rule: dfa", "rule: dfaa"))
    assert main(["check", "--quiet", str(bad), str(config), str(config.with_name("none.yaml"))]) == 2
    printed = capsys.readouterr()
    assert printed.out == f"{config}: fine (64-12-10, dfa, config {load(config).digest})\n"
    assert printed.err.count("error: ") == 2
    assert f"error: {bad}:8:18: unknown rule 'dfaa'\n" in printed.err
    assert "none.yaml: no such file\n" in printed.err


def test_check_missing_file(tmp_path, capsys):
    assert main(["check", str(tmp_path / "no.yaml")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"error: {tmp_path}/no.yaml: no such file\n      = help: give the path of a YAML file\n"


def test_check_directory(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 2
    assert "is a directory, not a file" in capsys.readouterr().err


def test_check_warns(config, capsys):
    assert main(["check", "--quiet", str(config), "--set", "numerics.update_rounding=TRN"]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("warning: numerics.update_rounding: TRN drifts negative")
    assert printed.out.count("\n") == 1


def test_set(config, capsys):
    words = ["--set", "training.epochs=7", "--set", "machine.lanes=4", "--set", "training.epochs=9"]
    assert main(["check", str(config), *words]) == 0
    settings = yaml.safe_load(capsys.readouterr().out)
    assert settings["training"]["epochs"] == 9
    assert settings["machine"]["lanes"] == 4


@pytest.mark.parametrize(
    ("override", "text"),
    [
        (
            "training.epoch=2",
            """\
            error: --set:1:10: unknown key 'epoch'
                1 | training.epoch=2
                  |          ^^^^^
                  = help: did you mean 'epochs'?
            """,
        ),
        (
            "training.epochs=two",
            """\
            error: --set:1:17: expected an integer, got the string 'two'
                1 | training.epochs=two
                  |                 ^^^
                  = help: passes over the training samples
            """,
        ),
        (
            "training.epochs=0",
            """\
            error: --set:1:17: 0 is out of range: 1 to 100000 is allowed
                1 | training.epochs=0
                  |                 ^
                  = help: passes over the training samples
            """,
        ),
        (
            "training.epochs",
            """\
            error: --set:1:1: an override without a value
                1 | training.epochs
                  | ^^^^^^^^^^^^^^^
                  = help: write a path and a value: training.epochs=2
            """,
        ),
    ],
)
def test_bad_overrides(override, text, config, capsys):
    assert main(["check", str(config), "--set", override]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == dedent(text)


def test_a_semantic_error_in_an_override(config, capsys):
    assert main(["check", str(config), "--set", "machine.weight_banks=3"]) == 2
    assert capsys.readouterr().err.startswith("error: --set:1:22: 3 is not a power of two\n")


def test_check_sees_that_nothing_is_left_to_learn_from(config, capsys):
    """The number of training samples is in the configuration, so `run` need not be the first to notice."""
    assert main(["check", str(config), "--set", "training.validation=200"]) == 2
    assert "leaves nothing to learn from" in capsys.readouterr().err


# --- lightness ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["check"], ["rules"], ["networks"], ["schema"], ["data", "list"]], ids=" ".join)
def test_light_verbs_do_not_import_numba(words, config):
    words = [*words, str(config)] if words == ["check"] else words
    done = subprocess.run(
        [sys.executable, "-c", LIGHT.format(words=words)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "False 0", done.stderr


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_help_imports_neither_numba_nor_the_kernels(words):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "neuro_emu.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "neuro_emu.errors" in imported
    assert not {name for name in imported if name.startswith(("numba", "llvmlite", "neuro_emu.kernels"))}


# --- schema, warmup ----------------------------------------------------------------------------------------


def test_schema(capsys):
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["rules"]["additionalProperties"] == {"type": "object"}
    assert set(schema["required"]) == {"dataset", "network", "training"}


def test_warmup_names_the_cache(command):
    """Twice: the second finds everything in the cache."""
    command("warmup")
    done = command("warmup")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("compiled in 0.0 s; cached in ")
    assert os.path.isdir(done.stdout.rpartition(" in ")[2].strip())  # noqa: PTH112


# --- pipes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["rules", "schema", "check", "eval", "--help"])
def test_a_reader_that_goes_away(words, command, config, finished):
    """As `neuro-emu rules | head -1`, but with the reader gone for certain."""
    extra = {"check": [config], "eval": [finished]}.get(words, [])
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        done = command(words, *extra, capture_output=False, stdout=stream, stderr=subprocess.PIPE)
    assert done.stderr == ""
    assert done.returncode == 0


def test_a_locale_without_unicode(command, config):
    done = command("run", config, "--set", "training.epochs=1", env={"PYTHONIOENCODING": "ascii"})
    assert "Traceback" not in done.stderr
    assert done.returncode == 0
