"""Building dataclasses from nodes: every kind of field, and the full text of every error."""

from __future__ import annotations

import enum
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.config.typed import FieldError, load, load_text, read, read_text
from neuro_emu.errors import ConfigError


class Overflow(enum.Enum):
    SAT = "SAT"
    WRAP = "WRAP"


class Banks(enum.Enum):
    ONE = 1
    TWO = 2


@dataclass(frozen=True)
class Format:
    bits: int

    @classmethod
    def parse(cls, text: str) -> Format:
        if not (text.startswith("s") and text[1:].isdigit()):
            raise ValueError(f"{text!r} is not a number format")
        if text == "s0":
            raise FieldError("", "a format of no bits", "write s1 or more")
        return cls(int(text[1:]))


@dataclass(frozen=True)
class Dense:
    yaml_tag: ClassVar[str] = "dense"
    units: int = field(metadata={"help": "neurons of the layer", "min": 1})
    weight: Format = Format(8)


@dataclass(frozen=True)
class Flatten:
    yaml_tag: ClassVar[str] = "flatten"
    order: str = "rows"


@dataclass(frozen=True)
class Steps:
    first: int
    last: int = 9

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise FieldError("last", f"last is {self.last}, before first", f"write {self.first} or more")
        if self.first == 5:
            raise ValueError("five is right out")


@dataclass(frozen=True)
class Ramp:
    slope: float
    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Root:
    name: str = "run"
    layers: tuple[Dense | Flatten, ...] = ()
    only: Dense | None = None
    count: int = field(default=1, metadata={"help": "how many", "min": 1, "max": 10})
    low: int = field(default=1, metadata={"min": 1})
    high: float = field(default=0.5, metadata={"max": 1.0})
    rate: float = 0.5
    strict: bool = False
    gate: int | None = None
    overflow: Overflow = Overflow.SAT
    banks: Banks = Banks.ONE
    mode: Literal["on", "off", 3, True] = "on"
    window: tuple[int, int] = (0, 1)
    table: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    percents: tuple[int, ...] = field(default=(), metadata={"max": 100})
    format: Format | Literal["auto"] = "auto"
    either: int | float | str | None = None
    schedule: Steps | Ramp | tuple[int, ...] | float = 1.0
    layer: Dense | Flatten | Literal["none"] = "none"
    steps: Steps = Steps(0)


@dataclass(frozen=True)
class Step:
    @classmethod
    def parse(cls, text: str) -> Step:
        return cls()


@dataclass(frozen=True)
class Walk:
    step: Step


@dataclass(frozen=True)
class Needs:
    epochs: int = field(metadata={"help": "passes over the training set"})
    steps: Steps


def build(text: str, *overrides: str, tp: type[Any] = Root) -> Any:
    return load_text(text, "c.yaml", tp, overrides)


def message(text: str, *overrides: str, tp: type[Any] = Root) -> str:
    with pytest.raises(ConfigError) as caught:
        build(text, *overrides, tp=tp)
    return str(caught.value)


def expect(text: str) -> str:
    return dedent(text).strip("\n")


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


ERRORS = {
    "layers:\n  - dense:\n      unit: 3  # typo\n": """
        c.yaml:3:7: unknown key 'unit'
            3 |       unit: 3  # typo
              |       ^^^^
              = help: did you mean 'units'?
        """,
    "steps: {first: 1, zzz: 2}": """
        c.yaml:1:19: unknown key 'zzz'
            1 | steps: {first: 1, zzz: 2}
              |                   ^^^
              = help: known keys: first, last
        """,
    "layers:\n  - dense:\n      weight: s4\n": """
        c.yaml:2:5: missing key 'units'
            2 |   - dense:
              |     ^^^^^
              = help: units is an integer: neurons of the layer
        """,
    "layers: [{dense: {weight: s4}}]": """
        c.yaml:1:18: missing key 'units'
            1 | layers: [{dense: {weight: s4}}]
              |                  ^^^^^^^^^^^^
              = help: units is an integer: neurons of the layer
        """,
    "count: eight": """
        c.yaml:1:8: expected an integer, got the string 'eight'
            1 | count: eight
              |        ^^^^^
              = help: how many
        """,
    "low: eight": """
        c.yaml:1:6: expected an integer, got the string 'eight'
            1 | low: eight
              |      ^^^^^
              = help: write a whole number, such as 8
        """,
    "count: 3.0": """
        c.yaml:1:8: expected an integer, got the number 3.0
            1 | count: 3.0
              |        ^^^
              = help: write 3
        """,
    "count: 1e3": """
        c.yaml:1:8: expected an integer, got the number 1e3
            1 | count: 1e3
              |        ^^^
              = help: write 1000
        """,
    "low: true": """
        c.yaml:1:6: expected an integer, got true
            1 | low: true
              |      ^^^^
              = help: write a whole number, such as 8
        """,
    "count: 11": """
        c.yaml:1:8: 11 is out of range: 1 to 10 is allowed
            1 | count: 11
              |        ^^
              = help: how many
        """,
    "low: -3": """
        c.yaml:1:6: -3 is out of range: at least 1 is allowed
            1 | low: -3
              |      ^^
              = help: write at least 1
        """,
    "high: 1.5": """
        c.yaml:1:7: 1.5 is out of range: at most 1.0 is allowed
            1 | high: 1.5
              |       ^^^
              = help: write at most 1.0
        """,
    "percents:\n- 50\n- 101\n": """
        c.yaml:3:3: 101 is out of range: at most 100 is allowed
            3 | - 101
              |   ^^^
              = help: write at most 100
        """,
    "rate: fast": """
        c.yaml:1:7: expected a number, got the string 'fast'
            1 | rate: fast
              |       ^^^^
              = help: write a number, such as 0.5 or 1e-3
        """,
    "strict: yes": """
        c.yaml:1:9: expected true or false, got the string 'yes'
            1 | strict: yes
              |         ^^^
              = help: write true
        """,
    "strict: off": """
        c.yaml:1:9: expected true or false, got the string 'off'
            1 | strict: off
              |         ^^^
              = help: write false
        """,
    "strict: 1": """
        c.yaml:1:9: expected true or false, got the number 1
            1 | strict: 1
              |         ^
              = help: write true or false
        """,
    "name: 123": """
        c.yaml:1:7: expected a string, got the number 123
            1 | name: 123
              |       ^^^
              = help: for text, put it in quotes: '123'
        """,
    "name:": """
        c.yaml:1:1: expected a string, got null
            1 | name:
              | ^^^^
              = help: write a word, or text in quotes
        """,
    "name: [a,\n  b]\n": """
        c.yaml:1:1: expected a string, got a list
            1 | name: [a,
              | ^^^^
              = help: write a word, or text in quotes
        """,
    "gate: none": """
        c.yaml:1:7: expected an integer or null, got the string 'none'
            1 | gate: none
              |       ^^^^
              = help: write null
        """,
    "overflow: sat": """
        c.yaml:1:11: the string 'sat' is not one of the choices
            1 | overflow: sat
              |           ^^^
              = help: did you mean 'SAT'? (choices: SAT, WRAP)
        """,
    "overflow: clip": """
        c.yaml:1:11: the string 'clip' is not one of the choices
            1 | overflow: clip
              |           ^^^^
              = help: choices: SAT, WRAP
        """,
    "overflow: {a: 1}": """
        c.yaml:1:11: expected one of SAT, WRAP, got a mapping
            1 | overflow: {a: 1}
              |           ^^^^^^
              = help: write one of SAT, WRAP
        """,
    "banks: true": """
        c.yaml:1:8: true is not one of the choices
            1 | banks: true
              |        ^^^^
              = help: choices: 1, 2
        """,
    "mode: offf": """
        c.yaml:1:7: the string 'offf' is not one of the choices
            1 | mode: offf
              |       ^^^^
              = help: did you mean 'off'? (choices: on, off, 3, true)
        """,
    "window: [1, 2, 3]": """
        c.yaml:1:9: expected a list of 2, got 3
            1 | window: [1, 2, 3]
              |         ^^^^^^^^^
              = help: write [an integer, an integer]
        """,
    "window: 3": """
        c.yaml:1:9: expected a list of 2, got the number 3
            1 | window: 3
              |         ^
              = help: write a list of 2
        """,
    "layers:\n  dense: {units: 3}\n": """
        c.yaml:1:1: expected a list, got a mapping
            1 | layers:
              | ^^^^^^
              = help: write [a, b], or one '- ' item a line
        """,
    "table: [1]": """
        c.yaml:1:8: expected a mapping, got a list
            1 | table: [1]
              |        ^^^
              = help: write {key: value}, or one 'key: value' a line below it
        """,
    "table: {a: [[0, x]]}": """
        c.yaml:1:17: expected an integer, got the string 'x'
            1 | table: {a: [[0, x]]}
              |                 ^
              = help: write a whole number, such as 8
        """,
    "layers: [dense: {units: 1, weight: u4}]": """
        c.yaml:1:36: 'u4' is not a number format
            1 | layers: [dense: {units: 1, weight: u4}]
              |                                    ^^
              = help: write a Format
        """,
    "layers: [dense: {units: 1, weight: s0}]": """
        c.yaml:1:36: a format of no bits
            1 | layers: [dense: {units: 1, weight: s0}]
              |                                    ^^
              = help: write s1 or more
        """,
    "layers: [dense: {units: 1, weight: [s1]}]": """
        c.yaml:1:36: expected a Format, got a list
            1 | layers: [dense: {units: 1, weight: [s1]}]
              |                                    ^^^^
              = help: write a Format
        """,
    "format: u4": """
        c.yaml:1:9: expected a Format or one of auto, got the string 'u4'
            1 | format: u4
              |         ^^
              = help: write a Format or one of auto
        """,
    "either: [1]": """
        c.yaml:1:9: expected an integer or a number or a string or null, got a list
            1 | either: [1]
              |         ^^^
              = help: write an integer or a number or a string
        """,
    "schedule: {slope: x}": """
        c.yaml:1:19: expected a number, got the string 'x'
            1 | schedule: {slope: x}
              |                   ^
              = help: write a number, such as 0.5 or 1e-3
        """,
    "layers:\n  - dens: {units: 3}\n": """
        c.yaml:2:5: unknown key 'dens'
            2 |   - dens: {units: 3}
              |     ^^^^
              = help: did you mean 'dense'?
        """,
    "layers: [pool: {}]": """
        c.yaml:1:10: unknown key 'pool'
            1 | layers: [pool: {}]
              |          ^^^^
              = help: known keys: dense, flatten
        """,
    "layers:\n  - dense:\n    units: 3\n": """
        c.yaml:3:5: 'units' beside 'dense': expected a mapping with one key
            3 |     units: 3
              |     ^^^^^
              = help: indent the settings of 'dense' below it
        """,
    "layers: [flatten]": """
        c.yaml:1:10: expected a mapping with one key, got the string 'flatten'
            1 | layers: [flatten]
              |          ^^^^^^^
              = help: write 'flatten: {}'
        """,
    "layers: [3]": """
        c.yaml:1:10: expected a mapping with one key, got the number 3
            1 | layers: [3]
              |          ^
              = help: its key is one of: dense, flatten
        """,
    "layers: [flatten: ]": """
        c.yaml:1:10: expected a mapping, got null
            1 | layers: [flatten: ]
              |          ^^^^^^^
              = help: write {} to take the defaults
        """,
    "steps:\n  first: 3\n  last: 2\n": """
        c.yaml:3:9: last is 2, before first
            3 |   last: 2
              |         ^
              = help: write 3 or more
        """,
    "steps: {first: 12}\n": """
        c.yaml:1:8: last is 9, before first
            1 | steps: {first: 12}
              |        ^^^^^^^^^^^
              = help: write 12 or more
        """,
    "steps:\n  first: 5\n": """
        c.yaml:1:1: five is right out
            1 | steps:
              | ^^^^^
        """,
    "[1]": """
        c.yaml:1:1: expected a mapping, got a list
            1 | [1]
              | ^^^
              = help: write {key: value}, or one 'key: value' a line below it
        """,
}


@pytest.mark.parametrize(("text", "expected"), ERRORS.items(), ids=[repr(text)[1:-1] for text in ERRORS])
def test_errors(text: str, expected: str) -> None:
    assert message(text) == expect(expected)


def test_missing_at_the_root() -> None:
    assert message("steps: {first: 1}\n", tp=Needs) == expect("""
        c.yaml:1:1: missing key 'epochs'
            1 | steps: {first: 1}
              | ^^^^^
              = help: epochs is an integer: passes over the training set
        """)


def test_number_for_a_parsed_scalar() -> None:
    assert message("step: 8", tp=Walk) == expect("""
        c.yaml:1:7: expected a Step, got the number 8
            1 | step: 8
              |       ^
              = help: put it in quotes: '8'
        """)


@given(st.integers(-20, 20))
def test_range(number: float) -> None:
    if 1 <= number <= 10:
        assert build(f"count: {number}").count == number
    else:
        assert "is out of range" in message(f"count: {number}")


def test_unsupported_type_is_the_programmers_error() -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        load_text("a: 1", "c.yaml", list[int])


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


def test_import_is_light() -> None:
    code = "import sys, neuro_emu.config.typed; print({'numpy', 'numba'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
