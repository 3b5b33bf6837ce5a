"""Building dataclasses from nodes: every kind of field."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typed_sample import Banks, Dense, Flatten, Format, Overflow, Ramp, Steps, build, message

from neuro_emu.config.typed import load_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("name: on", "on"),
        ("name: ''", ""),
        ("layers: [dense: {units: 3}, flatten: {}]", (Dense(3), Flatten())),
        ("layers:\n- dense:\n    units: 3\n    weight: s4\n", (Dense(3, Format(4)),)),
        ("only: {dense: {units: 2}}", Dense(2)),
        ("only: null", None),
        ("count: 0xA", 10),
        ("rate: 1e-3", 0.001),
        ("rate: 2", 2.0),
        ("strict: TRUE", True),
        ("gate:", None),
        ("gate: 3", 3),
        ("overflow: WRAP", Overflow.WRAP),
        ("banks: 2", Banks.TWO),
        ("mode: off", "off"),
        ("mode: 3", 3),
        ("mode: true", True),
        ("window: [3, 4]", (3, 4)),
        ("table: {010: [[0, 9]], on: []}", {"010": ((0, 9),), "on": ()}),
        ("format: s12", Format(12)),
        ("format: auto", "auto"),
        ("either: 3", 3),
        ("either: 3.0", 3.0),
        ("either: x", "x"),
        ("either: ~", None),
        ("schedule: {first: 1}", Steps(1)),
        ("schedule: {slope: 1, steps: [2]}", Ramp(1.0, (2,))),
        ("schedule: [1, 2]", (1, 2)),
        ("schedule: 3", 3.0),
        ("layer: none", "none"),
        ("layer: {flatten: {order: columns}}", Flatten("columns")),
        ("steps: {first: 2}", Steps(2)),
    ],
)
def test_values(text: str, value: object) -> None:
    key = text.partition(":")[0]
    found = getattr(build(text), key)
    assert found == value
    assert type(found) is type(value)


@given(st.integers(-20, 20))
def test_range(number: float) -> None:
    if 1 <= number <= 10:
        assert build(f"count: {number}").count == number
    else:
        assert "is out of range" in message(f"count: {number}")


def test_unsupported_type_is_the_programmers_error() -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        load_text("a: 1", "c.yaml", list[int])


def test_import_is_light() -> None:
    code = "import sys, neuro_emu.config.typed; print({'numpy', 'numba'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
