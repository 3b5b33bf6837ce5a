"""The schema that the types of a configuration spell: for the loader, and as JSON Schema for editors.

An editor that is given the JSON Schema accepts and refuses the same files as :mod:`neuro_emu.config.typed`,
but for what only ``parse`` and ``__post_init__`` can know. (JSON Schema also takes 1.0 for an integer.)
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin

from neuro_emu.config.dump import is_parsed, tag_of, to_plain
from neuro_emu.config.nodes import ScalarValue, written

# A type, or a form such as ``int | None``; Python has no type for these.
TypeForm: TypeAlias = Any

SCALAR_NAMES = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    types.NoneType: "null",
}


EXAMPLES = {
    "a string": "write a word, or text in quotes",
    "an integer": "write a whole number, such as 8",
    "a number": "write a number, such as 0.5 or 1e-3",
    "a list": "write [a, b], or one '- ' item a line",
    "a mapping": "write {key: value}, or one 'key: value' a line below it",
}


class Kind(enum.Enum):
    """How a type is written."""

    UNION = enum.auto()
    PARSED = enum.auto()
    CHOICE = enum.auto()
    SCALAR = enum.auto()
    TUPLE = enum.auto()
    TABLE = enum.auto()
    VARIANT = enum.auto()
    SECTION = enum.auto()


@dataclass(frozen=True)
class Spec:
    """What a field says about its value beyond the type."""

    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    nullable: bool = False


NO_SPEC = Spec()


@dataclass(frozen=True)
class Setting:
    """A field of a section, with its type resolved."""

    name: str
    type: TypeForm
    default: object  # dataclasses.MISSING when it must be written
    spec: Spec

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is dataclasses.MISSING


def kind_of(tp: TypeForm) -> Kind:
    """Return how ``tp`` is written; TypeError for a type that a configuration cannot hold."""
    origin: object = get_origin(tp)
    rules = (
        (Kind.UNION, origin in (Union, types.UnionType)),
        (Kind.PARSED, is_parsed(tp)),
        (Kind.CHOICE, origin is Literal or (isinstance(tp, type) and issubclass(tp, enum.Enum))),
        (Kind.SCALAR, tp in SCALAR_NAMES),
        (Kind.TUPLE, origin is tuple and len(get_args(tp)) > 0),
        (Kind.TABLE, origin is dict and get_args(tp)[0] is str),
        (Kind.VARIANT, dataclasses.is_dataclass(tp) and tag_of(tp) != ""),
        (Kind.SECTION, dataclasses.is_dataclass(tp)),
    )
    kind = next((kind for kind, holds in rules if holds), None)
    if kind is None:
        raise TypeError(f"a configuration cannot hold {tp!r}")
    return kind


@functools.cache
def settings_of(tp: type) -> dict[str, Setting]:
    """Return the settings of a section (a dataclass) by name, in order."""
    hints = typing.get_type_hints(tp)
    return {
        f.name: Setting(
            f.name,
            hints[f.name],
            _default(f),
            Spec(f.metadata.get("help", ""), f.metadata.get("min"), f.metadata.get("max")),
        )
        for f in dataclasses.fields(tp)
        if f.init
    }


def choices_of(tp: TypeForm) -> list[tuple[ScalarValue, Any]]:
    """Return the choices of an Enum or Literal: as written, and the value each stands for."""
    if get_origin(tp) is Literal:  # type: ignore[comparison-overlap]
        return [(value, value) for value in get_args(tp)]
    return [(member.value, member) for member in tp]


def expected(tp: TypeForm) -> str:
    """Say what a type wants, for an ``expected …, got …`` message."""
    kind = kind_of(tp)
    if kind is Kind.UNION:
        return " or ".join(dict.fromkeys(expected(member) for member in get_args(tp)))
    if kind is Kind.TUPLE:
        arguments = get_args(tp)
        return "a list" if arguments[-1] is Ellipsis else f"a list of {len(arguments)}"
    if kind is Kind.CHOICE:
        return f"one of {', '.join(written(value) for value, _ in choices_of(tp))}"
    named = {Kind.PARSED: f"a {getattr(tp, '__name__', tp)}", Kind.VARIANT: f"a '{tag_of(tp)}:' mapping"}
    return named.get(kind) or SCALAR_NAMES.get(tp, "a mapping")


def json_schema(tp: type, title: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of documents that describe a ``tp``."""
    writer = _Writer()
    root = writer.schema(tp, NO_SPEC)
    # The root is written out in place: a bare reference there confuses some editors.
    if "$ref" in root:
        reference, name = root["$ref"], root["$ref"].rpartition("/")[2]
        root = writer.definitions[name]
        if repr(reference) not in repr(writer.definitions):
            del writer.definitions[name]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return {**head, **root, "$defs": writer.definitions}


_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", types.NoneType: "null"}


class _Writer:
    """Writes schemas of types, gathering those of sections as definitions."""

    def __init__(self) -> None:
        self.definitions: dict[str, dict[str, Any]] = {}
        self._names: dict[type, str] = {}

    def schema(self, tp: TypeForm, spec: Spec) -> dict[str, Any]:
        """Return the schema of a value of type ``tp``."""
        kind = kind_of(tp)
        if kind is Kind.SCALAR:
            limits = {"minimum": spec.minimum, "maximum": spec.maximum} if tp in (int, float) else {}
            return {"type": _JSON_TYPES[tp]} | {k: v for k, v in limits.items() if v is not None}
        if kind is Kind.CHOICE:
            return {"enum": [value for value, _ in choices_of(tp)]}
        if kind is Kind.PARSED:
            return {"type": "string"} | _pattern(tp)
        if kind is Kind.UNION:
            return {"anyOf": [self.schema(member, spec) for member in get_args(tp)]}
        return self._collection(kind, tp, spec)

    def _collection(self, kind: Kind, tp: TypeForm, spec: Spec) -> dict[str, Any]:
        if kind is Kind.TUPLE:
            *items, last = get_args(tp)
            if last is Ellipsis:
                return {"type": "array", "items": self.schema(items[0], spec)}
            schemas = [self.schema(item, spec) for item in (*items, last)]
            size = len(schemas)
            return {
                "type": "array",
                "prefixItems": schemas,
                "items": False,
                "minItems": size,
                "maxItems": size,
            }
        if kind is Kind.TABLE:
            return {"type": "object", "additionalProperties": self.schema(get_args(tp)[1], spec)}
        reference = {"$ref": f"#/$defs/{self._define(tp)}"}
        if kind is Kind.VARIANT:
            return _object({tag_of(tp): reference}, [tag_of(tp)])
        return reference

    def _define(self, tp: type) -> str:
        if tp in self._names:
            return self._names[tp]
        name = tp.__name__ if tp.__name__ not in self.definitions else f"{tp.__module__}.{tp.__qualname__}"
        self._names[tp] = name
        self.definitions[name] = {}  # holds the place, for a section that contains itself
        settings = settings_of(tp).values()
        properties = {setting.name: self._property(setting) for setting in settings}
        body = _object(properties, [setting.name for setting in settings if setting.required])
        self.definitions[name].update(_description(tp) | body)
        return name

    def _property(self, setting: Setting) -> dict[str, Any]:
        schema = self.schema(setting.type, setting.spec)
        if setting.spec.help:
            schema = {"description": setting.spec.help, **schema}
        return schema if setting.required else {**schema, "default": to_plain(setting.default)}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    body = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**body, "required": required} if required else body


def _pattern(tp: TypeForm) -> dict[str, str]:
    pattern = getattr(tp, "pattern", None)
    # A search in JSON Schema, hence the anchors.
    return {"pattern": f"^(?:{pattern})$"} if isinstance(pattern, str) else {}


def _description(tp: type) -> dict[str, str]:
    text = inspect.getdoc(tp) or ""
    # A dataclass without a docstring is given its signature as one.
    if not text or text.startswith(f"{tp.__name__}("):
        return {}
    return {"description": text.partition("\n\n")[0].replace("\n", " ")}


def _default(field: dataclasses.Field[Any]) -> object:
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()
