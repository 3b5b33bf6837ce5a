"""A tiny configuration, and one finished run of it that the tests of this folder share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from neuro_emu.cli import main

TINY = """\
name: tiny
dataset: {name: synthetic, train: 200, test: 50}
network:
  layers:
    - dense: {units: 12, activation: hard_tanh, weight: s8f7, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8}
  initial_weights: random
training: {rule: dfa, epochs: 2, validation: 20, lr_shift: {hidden: 6, output: 6}}
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The tiny configuration as `tiny.yaml` in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The run directory of the tiny configuration: read only."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TINY)
    assert main(["run", str(folder / "tiny.yaml"), "--out", str(folder / "out")]) == 0
    return folder / "out"


@pytest.fixture
def command():
    """Run `neuro-emu` as a process of its own; standard output is buffered as for any user."""

    def run(*words, env=None, **options):
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | (env or {})
        program = Path(sys.executable).parent / "neuro-emu"
        settings = {"capture_output": True, "text": True, "timeout": 120} | options
        return subprocess.run([str(program), *map(str, words)], check=False, env=environment, **settings)

    return run
