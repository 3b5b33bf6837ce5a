"""Dataclasses from text, files and overrides: the value, and errors that point into either."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_messages import expect
from typed_sample import Dense, Flatten, Root, Steps, build, message

from neuro_emu.config.typed import load, read, read_text
from neuro_emu.errors import ConfigError

BASE = "count: 2\nlayers:\n  - dense: {units: 5}\n  - flatten: {}\n"

OVERRIDE_ERRORS = {
    "steps.frst=2": """
        --set:1:7: unknown key 'frst'
            1 | steps.frst=2
              |       ^^^^
              = help: did you mean 'first'?
        """,
    "stepps.first=2": """
        --set:1:1: unknown key 'stepps'
            1 | stepps.first=2
              | ^^^^^^
              = help: did you mean 'steps'?
        """,
    "steps.last=2": """
        --set:1:1: missing key 'first'
            1 | steps.last=2
              | ^^^^^
              = help: first is an integer
        """,
    "layers.0.dense.units=0": """
        --set:1:22: 0 is out of range: at least 1 is allowed
            1 | layers.0.dense.units=0
              |                      ^
              = help: neurons of the layer
        """,
    "layers.0.flatten.order=x": """
        --set:1:10: 'flatten' beside 'dense': expected a mapping with one key
            1 | layers.0.flatten.order=x
              |          ^^^^^^^
              = help: indent the settings of 'dense' below it
        """,
    "overflow=warp": """
        --set:1:10: the string 'warp' is not one of the choices
            1 | overflow=warp
              |          ^^^^
              = help: did you mean 'WRAP'? (choices: SAT, WRAP)
        """,
    "count=": """
        --set:1:1: expected an integer, got null
            1 | count=
              | ^^^^^
              = help: how many
        """,
}


def test_overrides() -> None:
    value = build(BASE, "count=3", "layers.0.dense.units=128", "steps.first=4", "layers.1.flatten.order=columns")
    assert value == Root(count=3, layers=(Dense(128), Flatten("columns")), steps=Steps(4))


@pytest.mark.parametrize(("override", "expected"), OVERRIDE_ERRORS.items(), ids=OVERRIDE_ERRORS)
def test_override_errors(override: str, expected: str) -> None:
    assert message(BASE, override) == expect(expected)


LOCATED = {
    "layers.0.dense.units": """
        c.yaml:3:20: why
            3 |   - dense: {units: 5}
              |                    ^
              = help: because
        """,
    "layers.0.dense.weight": """
        c.yaml:3:12: why (layers.0.dense.weight has its default)
            3 |   - dense: {units: 5}
              |            ^^^^^^^^^^
              = help: because
        """,
    "layers.7": """
        c.yaml:2:1: why (layers.7 has its default)
            2 | layers:
              | ^^^^^^
              = help: because
        """,
    "count": """
        --set:1:7: why
            1 | count=4
              |       ^
              = help: because
        """,
    "steps.first": """
        c.yaml:1:1: why (steps.first has its default)
            1 | count: 2
              | ^^^^^
              = help: because
        """,
}


@pytest.mark.parametrize(("path", "expected"), LOCATED.items(), ids=LOCATED)
def test_document_error(path: str, expected: str) -> None:
    document = read_text(BASE, "c.yaml", ["count=4"])
    assert document.build(Root).count == 4
    error = document.error(path, "why", help="because")
    assert isinstance(error, ConfigError)
    assert str(error) == expect(expected)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(BASE)
    assert load(path, Root, ["count=3"]).count == 3
    assert read(path).build(Root).count == 2
