"""The JSON Schema: its text, and that it accepts and refuses what the loader does."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.config.dump import to_plain
from neuro_emu.config.json_schema import json_schema
from neuro_emu.config.typed import load_text
from neuro_emu.errors import ConfigError


class Overflow(enum.Enum):
    SAT = "SAT"
    WRAP = "WRAP"


@dataclass(frozen=True)
class Format:
    bits: int
    pattern: ClassVar[str] = "s[1-9]|s1[0-6]"

    @classmethod
    def parse(cls, text: str) -> Format:
        if text not in [f"s{bits}" for bits in range(1, 17)]:
            raise ValueError("not a format")
        return cls(int(text[1:]))

    def __str__(self) -> str:
        return f"s{self.bits}"


@dataclass(frozen=True)
class Dense:
    """A fully connected layer.

    More about it.
    """

    yaml_tag: ClassVar[str] = "dense"
    units: int = field(metadata={"help": "neurons", "min": 1})
    weight: Format = Format(8)


@dataclass(frozen=True)
class Flatten:
    yaml_tag: ClassVar[str] = "flatten"


@dataclass(frozen=True)
class Numerics:
    overflow: Overflow = Overflow.SAT
    mode: Literal["on", 2] = "on"
    rate: float = field(default=0.5, metadata={"min": 0, "max": 1})


@dataclass(frozen=True)
class Root:
    name: str
    layers: tuple[Dense | Flatten, ...] = ()
    gate: int | None = field(default=None, metadata={"help": "threshold", "min": 0})
    strict: bool = False
    window: tuple[int, float] = (0, 1.0)
    table: dict[str, tuple[int, ...]] = field(default_factory=dict)
    numerics: Numerics = Numerics()


@dataclass(frozen=True)
class Tree:
    children: tuple[Tree, ...] = ()


SCHEMA = json_schema(Root, "sample")
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_is_a_schema_and_json() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_root_text() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["title"] == "sample"
    assert SCHEMA["required"] == ["name"]
    assert SCHEMA["additionalProperties"] is False
    assert list(SCHEMA["$defs"]) == ["Dense", "Flatten", "Numerics"]
    properties = SCHEMA["properties"]
    assert properties["name"] == {"type": "string"}
    assert properties["gate"] == {
        "description": "threshold",
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}],
        "default": None,
    }
    assert properties["numerics"] == {
        "$ref": "#/$defs/Numerics",
        "default": {"overflow": "SAT", "mode": "on", "rate": 0.5},
    }


def test_definitions() -> None:
    assert SCHEMA["$defs"]["Dense"] == {
        "description": "A fully connected layer.",
        "type": "object",
        "properties": {
            "units": {"description": "neurons", "type": "integer", "minimum": 1},
            "weight": {"type": "string", "pattern": "^(?:s[1-9]|s1[0-6])$", "default": "s8"},
        },
        "additionalProperties": False,
        "required": ["units"],
    }
    assert SCHEMA["$defs"]["Numerics"]["properties"]["rate"] == {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0.5,
    }
    assert SCHEMA["$defs"]["Numerics"]["properties"]["overflow"] == {
        "enum": ["SAT", "WRAP"],
        "default": "SAT",
    }
    assert "description" not in SCHEMA["$defs"]["Flatten"]


def test_recursive() -> None:
    schema = json_schema(Tree, "tree")
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"children": [{"children": []}]})
    assert not validator.is_valid({"children": [{"child": []}]})


# Values that some field takes and others refuse; no 1.0, an integer to JSON Schema alone.
POOL: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, False, 0, 1, 2, -1, 0.5, 1.5, "", "SAT", "on", "s4", "s17", "auto", [], {},
        [1, 2], [1, 0.5], [1, 2, 3], ["x"], {"a": [1]}, {"a": 1}, {"overflow": "WRAP"}, {"overflow": "sat"},
        {"mode": 2}, {"rate": 1}, {"mode": True}, {"rate": 2}, {"other": 1},
        [{"dense": {"units": 1}}], [{"dense": {"units": 0}}],
        [{"dense": {"units": 1, "weight": "s16"}}, {"flatten": {}}],
        [{"dense": {"units": 1, "weight": "s0"}}],
        [{"dense": {}}], [{"flatten": None}], [{"flatten": {}, "dense": {"units": 1}}], ["flatten"], [{}],
    ]
)  # fmt: skip
KEYS = ("name", "layers", "gate", "strict", "window", "table", "numerics", "nmae")


def loads(document: Any) -> bool:
    try:
        load_text(json.dumps(document), "c.json", Root)
    except ConfigError:
        return False
    return True


@given(st.sampled_from(KEYS), POOL)
def test_agrees_with_the_loader_on_each_field(key: str, value: object) -> None:
    document = {"name": "x", key: value}
    assert VALIDATOR.is_valid(document) == loads(document)


@given(st.dictionaries(st.sampled_from(KEYS), POOL))
def test_agrees_with_the_loader(document: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(document) == loads(document)


@pytest.mark.parametrize(
    "value",
    [
        Root("a"),
        Root("b", (Dense(3), Flatten()), 4, True, (1, 0.5), {"x": (1,)}, Numerics(Overflow.WRAP, 2, 1.0)),
    ],
)
def test_accepts_what_is_dumped(value: Root) -> None:
    VALIDATOR.validate(to_plain(value))
