"""A learning rule from outside the package: by `module:function` and by the name of an entry point."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import neuro_emu

CONFIG = """\
name: tiny
dataset: {name: synthetic, train: 200, test: 50}
network:
  layers:
    - dense: {units: 12, activation: tanh, weight: s10f8, output: s8f7}
    - dense: {units: 7, activation: hard_tanh, weight: s10f8, output: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8}
  initial_weights: random
training: {rule: dfa, epochs: 2, lr_shift: {hidden: 4, output: 4}}
numerics: {feedback: {range: kaiming}}
machine: {lanes: 5}
"""
RULE = '''\
"""Direct feedback alignment of the upper layers only."""

from neuro_emu.rules import Need, Option, rule

OPTIONS = {
    "depth": Option(1, "hidden layers, counted from the top, that learn"),
    "teacher": Option("error", "what is projected", choices=("error", "sign")),
    "idle": Option(False, "whether hidden layers rest"),
}


@rule("upper_dfa", needs=Need.ERROR, options=OPTIONS)
def upper(dp, k):
    """Direct feedback alignment of the upper layers."""
    if k >= dp.last - dp.option("depth") and not dp.option("idle"):
        signal = dp.error() if dp.option("teacher") == "error" else dp.error_sign()
        dp.update(k, dp.gate(k, dp.project(k, signal)))


def helper(dp, k):
    """No rule."""


@rule("wrong_need", needs=Need.LABEL)
def wrong(dp, k):
    """It asks for an error that it does not wait for."""
    dp.update(k, dp.gate(k, dp.project(k, dp.error())))
'''
COMPARE = """\
import json
import sys

import numpy as np

from neuro_emu import datasets
from neuro_emu.config.experiment import load
from neuro_emu.machine.initialise import initial_state
from neuro_emu.training.engines import ENGINES

name, *overrides = sys.argv[1:]
data = datasets.load("synthetic", train=25, test=1)
codes = data.train_images.reshape(25, -1)


def run(rule, datapath):
    chip = load("tiny.yaml", [f"training.rule={rule}", *overrides]).chip
    start = initial_state(chip)
    engine = ENGINES[datapath](chip, start.copy(), codes, data.train_labels)
    engine.begin_epoch(0, np.arange(25))
    predictions = engine.train(0, 25).tolist()
    engine.end_epoch()
    weights = [w.tolist() for w in engine.state().weights]
    moved = [one.tolist() != other for one, other in zip(start.weights, weights)]
    return predictions, weights, engine.tally().events.tolist(), engine.counts()[0].as_dict(), moved


fast, traced = run(name, "fast"), run(name, "traced")
alike = ["dfa", "sdfa"] + ["shallow"] * (not any("gate" in text for text in overrides))  # it has nothing to gate
shipped = {rule: run(rule, "fast") == fast for rule in alike}
print(json.dumps({"agree": fast == traced, "moved": fast[-1], "shipped": shipped}))
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a configuration and a module of rules; nothing of it is installed."""
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    (tmp_path / "my_module.py").write_text(RULE)
    (tmp_path / "compare.py").write_text(COMPARE)
    return tmp_path


@pytest.fixture
def python(folder):
    """Run Python in the folder; `path` goes before the package on PYTHONPATH."""

    def run(*words, path=()):
        places = [*map(str, path), str(Path(neuro_emu.__file__).parents[1])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
        return subprocess.run(
            [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def cli(python):
    def run(verb, rule, *settings, path=(), python_options=()):
        overrides = [word for text in (f"training.rule={rule}", *settings) for word in ("--set", text)]
        return python(*python_options, "-m", "neuro_emu.cli", verb, "tiny.yaml", *overrides, path=path)

    return run


def refused(done):
    """The message of a command that ended with exit code 2, without a traceback."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def load_rule(directory):
    """The rule in the configuration that a run has written."""
    return yaml.safe_load((directory / "config.yaml").read_text(encoding="utf-8"))["training"]["rule"]


def test_a_run_with_a_rule_of_ones_own(folder, cli, python):
    done = cli("run", "my_module:upper", "training.options.depth=2", "name=own")
    assert (done.returncode, done.stderr) == (0, "")
    (directory,) = (folder / "runs").iterdir()
    metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test_accuracy"] > 40  # by chance: 10
    assert load_rule(directory) == "my_module:upper"
    assert python("-m", "neuro_emu.cli", "eval", str(directory)).returncode == 0
    again = cli("run", "my_module:upper", "training.options.depth=2", "name=again", "training.options.teacher=sign")
    assert again.returncode == 0
    assert len(list((folder / "runs").iterdir())) == 2


def test_the_module_is_found_from_where_a_console_script_is_started(cli):
    """-P keeps Python from looking in the working directory by itself, as it does for a console script."""
    done = cli("check", "my_module:upper", python_options=["-P"])
    assert (done.returncode, done.stderr) == (0, "")
    assert yaml.safe_load(done.stdout)["training"]["rule"] == "my_module:upper"


@pytest.mark.parametrize(
    ("settings", "moved", "like"),
    [
        ((), [False, True, True], None),
        (("training.options.depth=2",), [True, True, True], "dfa"),
        (("training.options.depth=7", "training.options.teacher=sign"), [True, True, True], "sdfa"),
        (("training.options.idle=true",), [False, False, True], "shallow"),
        (("training.options.depth=2", "training.batch=4", "training.error_gate=150"), [True, True, True], "dfa"),
    ],
)
def test_fast_and_traced_agree_on_it(python, settings, moved, like):
    done = python("compare.py", "my_module:upper", *settings)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["agree"]
    assert found["moved"] == moved
    assert [rule for rule, same in found["shipped"].items() if same] == ([like] if like else [])


@pytest.mark.parametrize(
    ("setting", "message", "help"),
    [
        ("depth=0", "0 is no value of depth", "write an integer from 1 on"),
        ("depth=true", "True is no value of depth", "write an integer from 1 on"),
        ("depth=deep", "'deep' is no value of depth", "write an integer from 1 on"),
        ("teacher=label", "'label' is no value of teacher", "write one of: error, sign"),
        ("idle=1", "1 is no value of idle", "write true or false"),
        ("dept=1", "no rule has an option 'dept'", "options of upper_dfa: depth, idle, teacher"),
    ],
)
def test_its_options_are_checked(cli, setting, message, help):
    text = refused(cli("run", "my_module:upper", f"training.options.{setting}"))
    assert message in text
    assert f"help: {help}" in text
    assert f"training.options.{setting}" in text


BROKEN = {
    "raises": "raise ValueError('out of order')\n",
    "misspelt": "from neuro_emu.rules import rulle\n",
    "no_python": "def (\n",
    "takes_a_name": RULE.replace("upper_dfa", "dfa"),
}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("nowhere:upper", "cannot import 'nowhere': ModuleNotFoundError: No module named 'nowhere'"),
        ("my_module.inner:upper", "cannot import 'my_module.inner': ModuleNotFoundError"),
        ("raises:upper", "cannot import 'raises': ValueError: out of order"),
        ("misspelt:upper", "cannot import 'misspelt': ImportError: cannot import name 'rulle'"),
        ("no_python:upper", "cannot import 'no_python': SyntaxError"),
        ("takes_a_name:upper", "there is a rule 'dfa' already, in neuro_emu.rules.dfa"),
        ("my_module:helper", "'helper' of my_module is no learning rule: decorate it with neuro_emu.rules.rule"),
        ("my_module:OPTIONS", "'OPTIONS' of my_module is no learning rule"),
        ("my_module:lower", "'lower' of my_module is no learning rule"),
        ("my_module:wrong", "rule wrong_need uses the error of the output; declare needs=Need.ERROR"),
        ("upper_dfa", "unknown rule 'upper_dfa'"),
    ],
)
def test_what_is_no_rule_is_refused(folder, cli, rule, message):
    for name, source in BROKEN.items():
        (folder / f"{name}.py").write_text(source)
    text = refused(cli("run", rule))
    assert message in text
    assert f"training.rule={rule}" in text
    assert not (folder / "runs").exists()


# --- entry points -------------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path_factory):
    """A directory of installed packages: a distribution `fake` that offers rules in a package of its own."""
    site = tmp_path_factory.mktemp("site")
    package, info = site / "fake_rules", site / "fake-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("")
    (package / "upper.py").write_text(RULE.replace("upper_dfa", "fake_dfa"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake\nVersion: 1.0\n")
    points = {"fake_dfa": "fake_rules.upper:upper", "fake_helper": "fake_rules.upper:helper", "fake_gone": "gone:rule"}
    lines = ["[neuro_emu.rules]", *(f"{name} = {where}" for name, where in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site


def test_an_installed_rule_is_used_by_its_name(folder, cli, python, site):
    done = cli("run", "fake_dfa", "training.options.depth=2", path=[site])
    assert (done.returncode, done.stderr) == (0, "")
    (directory,) = (folder / "runs").iterdir()
    assert load_rule(directory) == "fake_dfa"
    compared = json.loads(python("compare.py", "fake_dfa", "training.options.depth=2", path=[site]).stdout)
    assert compared["agree"]
    assert compared["shipped"]["dfa"]
    assert "unknown rule 'fake_dfa'" in refused(cli("run", "fake_dfa"))  # where it is not installed


def test_an_installed_rule_is_checked_and_suggested(cli, site):
    text = refused(cli("check", "fake_dfa", "training.options.depth=0", path=[site]))
    assert "0 is no value of depth" in text
    text = refused(cli("check", "fake_dfaa", path=[site]))
    assert "did you mean 'fake_dfa'?" in text
    assert "fake_gone" in text  # among the known rules: a name is known before its module is imported


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fake_helper", "'helper' of fake_rules.upper is no learning rule"),
        ("fake_gone", "cannot import 'gone': ModuleNotFoundError: No module named 'gone'"),
    ],
)
def test_a_broken_entry_point_is_refused(cli, site, name, message):
    assert message in refused(cli("run", name, path=[site]))


FAILS = '''\
from neuro_emu.rules import Need, rule


@rule("broken", needs=Need.ERROR)
def broken(dp, k):
    """A body that asks for what there is not."""
    dp.nothing(k)
'''


@pytest.mark.parametrize(
    ("source", "message"),
    [(FAILS, "rule broken fails on layer 1"), ("raise SystemExit(7)\n", "cannot import 'odd_module': SystemExit")],
)
def test_what_fails_is_an_error_that_says_so(source, message, folder, python):
    (folder / "odd_module.py").write_text(source)
    done = python("-m", "neuro_emu.cli", "check", "tiny.yaml", "--set", "training.rule=odd_module:broken")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_options_without_effect_are_warned_about(python):
    words = ["--set", "training.rule=my_module:upper", "--set", "training.options.block=3"]
    done = python("-m", "neuro_emu.cli", "check", "--quiet", "tiny.yaml", *words)
    assert done.returncode == 0
    assert "training.options.block: upper_dfa has no such option" in done.stderr
