"""Nodes to frozen dataclasses: the types are the schema.

A field may be a scalar, an ``Enum`` (written by value), a ``Literal``, a *parsed scalar* (a class with
``parse(text)`` raising ValueError), a dataclass, ``tuple[...]``, ``dict[str, T]``, or a union of these. A
dataclass with a class attribute ``yaml_tag`` is written as a mapping with that key: ``dense: {units: 10}``.
Metadata of a field: ``help``, and ``min`` and ``max`` for the numbers in it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast, get_args

from neuro_emu.config.dump import tag_of
from neuro_emu.config.json_schema import (
    EXAMPLES,
    NO_SPEC,
    SCALAR_NAMES,
    Kind,
    Spec,
    TypeForm,
    choices_of,
    expected,
    kind_of,
    settings_of,
)
from neuro_emu.config.nodes import (
    ListNode,
    MappingNode,
    Node,
    ScalarNode,
    describe,
    find,
    suggest,
    written,
)
from neuro_emu.config.per_rule import settle
from neuro_emu.config.source import apply_overrides, parse_file, parse_text
from neuro_emu.errors import ConfigError

T = TypeVar("T")


class FieldError(ValueError):
    """For ``__post_init__``: a ValueError that names the field (or dotted path below) that is wrong."""

    def __init__(self, field: str, message: str, help: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.help = help


def build(node: Node, tp: TypeForm, spec: Spec = NO_SPEC) -> object:
    """Return the value of type ``tp`` that a node describes, or raise the ConfigError that points at it."""
    return _BUILDERS[kind_of(tp)](node, tp, spec)


def _mismatch(node: Node, wanted: str, spec: Spec, help: str = "") -> ConfigError:
    example = EXAMPLES.get(wanted, f"write {wanted}")
    if spec.nullable:
        wanted += " or null"
        if isinstance(node, ScalarNode) and node.text.lower() in ("none", "nil"):
            help = "write null"
    return node.place.error(f"expected {wanted}, got {describe(node)}", help or spec.help or example)


def _scalar(node: Node, tp: TypeForm, spec: Spec) -> object:
    if not isinstance(node, ScalarNode):
        raise _mismatch(node, SCALAR_NAMES[tp], spec)
    value = node.value
    if tp is float and type(value) is int:
        value = float(value)
    if type(value) is not tp:
        help = ""
        if tp is str and value is not None:
            help = f"for text, put it in quotes: '{node.text}'"
        elif tp is int and isinstance(value, float) and value.is_integer():
            help = f"write {int(value)}" if abs(value) < 1e15 else "write out its digits"
        elif tp is bool and str(value).lower() in ("yes", "no", "on", "off"):
            help = f"write {'true' if str(value).lower() in ('yes', 'on') else 'false'}"
        raise _mismatch(node, SCALAR_NAMES[tp], spec, help)
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_range(node, value, spec)
    return value


def _check_range(node: Node, value: float, spec: Spec) -> None:
    low, high = spec.minimum, spec.maximum
    if (low is None or value >= low) and (high is None or value <= high):
        return
    wanted = f"at least {low}" if high is None else f"at most {high}" if low is None else f"{low} to {high}"
    raise node.place.error(f"{value} is out of range: {wanted} is allowed", spec.help or f"write {wanted}")


def _parsed(node: Node, tp: TypeForm, spec: Spec) -> object:
    if not isinstance(node, ScalarNode) or node.value is None:
        raise _mismatch(node, expected(tp), spec)
    try:
        value = tp.parse(node.value if isinstance(node.value, str) else node.text)
    except ValueError as error:
        raise node.place.error(str(error), getattr(error, "help", "") or spec.help or f"write {expected(tp)}") from None
    if not isinstance(node.value, str):
        raise _mismatch(node, expected(tp), spec, f"put it in quotes: '{node.text}'")
    return value


def _choice(node: Node, tp: TypeForm, spec: Spec) -> object:
    if not isinstance(node, ScalarNode):
        raise _mismatch(node, expected(tp), spec)
    choices = choices_of(tp)
    for value, result in choices:
        # The type too, as True == 1 in Python.
        if type(value) is type(node.value) and value == node.value:
            return result
    help = suggest(node.text, [written(value) for value, _ in choices], "choices")
    if help.startswith("did you mean"):
        help += f" (choices: {', '.join(written(value) for value, _ in choices)})"
    raise node.place.error(f"{describe(node)} is not one of the choices", help)


def _tuple(node: Node, tp: TypeForm, spec: Spec) -> object:
    if not isinstance(node, ListNode):
        raise _mismatch(node, expected(tp), spec)
    arguments, spec = get_args(tp), replace(spec, nullable=False)
    if arguments[-1] is Ellipsis:
        return tuple(build(item, arguments[0], spec) for item in node.items)
    if len(node.items) != len(arguments):
        wanted = ", ".join(expected(argument) for argument in arguments)
        message = f"expected a list of {len(arguments)}, got {len(node.items)}"
        raise node.place.error(message, spec.help or f"write [{wanted}]")
    return tuple(build(item, argument, spec) for item, argument in zip(node.items, arguments, strict=True))


def _table(node: Node, tp: TypeForm, spec: Spec) -> object:
    if not isinstance(node, MappingNode):
        raise _mismatch(node, "a mapping", spec)
    inner = replace(spec, nullable=False)
    return {entry.key: build(entry.value, get_args(tp)[1], inner) for entry in node.entries}


def _variant(node: Node, tp: TypeForm, spec: Spec) -> object:
    return _one_of_variants(node, (tp,), spec)


def _one_of_variants(node: Node, variants: Sequence[TypeForm], spec: Spec) -> object:
    tags = {tag_of(tp): tp for tp in variants}
    if not isinstance(node, MappingNode) or not node.entries:
        word = node.text if isinstance(node, ScalarNode) else ""
        help = f"write '{word}: {{}}'" if word in tags else f"its key is one of: {', '.join(tags)}"
        raise _mismatch(node, "a mapping with one key", spec, help)
    first, *others = node.entries
    if first.key not in tags:
        raise first.place.error(f"unknown key {first.key!r}", suggest(first.key, tags, "known keys"))
    if others:
        message = f"{others[0].key!r} beside {first.key!r}: expected a mapping with one key"
        raise others[0].place.error(message, f"indent the settings of {first.key!r} below it")
    return _section(first.value, tags[first.key], NO_SPEC)


def _section(node: Node, tp: TypeForm, spec: Spec) -> object:
    settings = settings_of(tp)
    if not isinstance(node, MappingNode):
        bare = isinstance(node, ScalarNode) and node.value is None
        optional = bare and not any(setting.required for setting in settings.values())
        raise _mismatch(node, "a mapping", spec, "write {} to take the defaults" if optional else "")
    for entry in node.entries:
        if entry.key not in settings:
            help = suggest(entry.key, settings, "known keys")
            raise entry.place.error(f"unknown key {entry.key!r}", help)
    for setting in settings.values():
        if setting.required and node.get(setting.name) is None:
            note = f": {setting.spec.help}" if setting.spec.help else ""
            help = f"{setting.name} is {expected(setting.type)}{note}"
            raise node.place.error(f"missing key {setting.name!r}", help)
    values = {}
    for entry in node.entries:
        setting = settings[entry.key]
        values[entry.key] = build(entry.value, setting.type, setting.spec)
    try:
        return tp(**values)
    except ValueError as error:
        field = getattr(error, "field", "")
        help = getattr(error, "help", "") or (settings[field].spec.help if field in settings else "")
        raise find(node, field)[0].place.error(str(error), help) from None


def _union(node: Node, tp: TypeForm, spec: Spec) -> object:
    members = [member for member in get_args(tp) if member is not types.NoneType]
    if len(members) < len(get_args(tp)):
        if isinstance(node, ScalarNode) and node.value is None:
            return None
        spec = replace(spec, nullable=True)
    variants = [member for member in members if kind_of(member) is Kind.VARIANT]
    others = [member for member in members if member not in variants]
    if not others:
        return _one_of_variants(node, variants, spec)
    if variants and isinstance(node, MappingNode):
        return _one_of_variants(node, variants, spec)
    if len(others) == 1 and not variants:
        return build(node, others[0], spec)
    candidates = sorted((member for member in others if _fits(node, member)), key=_rank(node))
    errors = []
    for member in candidates:
        try:
            return build(node, member, spec)
        except ConfigError as error:
            errors.append(error)
    if errors and (len(errors) == 1 or not isinstance(node, ScalarNode)):
        raise errors[0]  # the best candidate's own complaint says more than "expected this or that"
    raise _mismatch(node, " or ".join(dict.fromkeys(expected(member) for member in members)), spec)


def _fits(node: Node, tp: TypeForm) -> bool:
    """Whether a node has the outer shape of ``tp``, so that trying it makes sense."""
    kind = kind_of(tp)
    if isinstance(node, MappingNode):
        return kind in (Kind.SECTION, Kind.TABLE)
    if isinstance(node, ListNode):
        return kind is Kind.TUPLE
    if kind is Kind.SCALAR:
        numeric = type(node.value) in (int, float) and tp in (int, float)
        return numeric or type(node.value) is tp
    if kind is Kind.CHOICE:
        return any(type(value) is type(node.value) for value, _ in choices_of(tp))
    return kind is Kind.PARSED and isinstance(node.value, str)


def _rank(node: Node) -> Callable[[TypeForm], int]:
    """Order candidates: the exact before the general, sections by the keys they share with the node."""
    keys = {entry.key for entry in node.entries} if isinstance(node, MappingNode) else set()
    scalars = {int: 2, float: 3, str: 4}

    def rank(tp: TypeForm) -> int:
        kind = kind_of(tp)
        if kind is Kind.SECTION:
            return -len(keys & settings_of(tp).keys())
        return 0 if kind is Kind.CHOICE else 1 if kind is Kind.PARSED else scalars.get(tp, 5)

    return rank


_BUILDERS: dict[Kind, Callable[[Node, TypeForm, Spec], object]] = {
    Kind.UNION: _union,
    Kind.PARSED: _parsed,
    Kind.CHOICE: _choice,
    Kind.SCALAR: _scalar,
    Kind.TUPLE: _tuple,
    Kind.TABLE: _table,
    Kind.VARIANT: _variant,
    Kind.SECTION: _section,
}


@dataclass(frozen=True)
class Document:
    """A configuration as written, for building values and for pointing at places in it afterwards."""

    root: Node

    def build(self, tp: type[T]) -> T:
        """Return the value of type ``tp`` that the document describes."""
        return cast(T, build(self.root, tp))

    def holds(self, path: str) -> bool:
        """Whether something was written at a dotted path."""
        return find(self.root, path)[1]

    def error(self, path: str, message: str, help: str = "") -> ConfigError:
        """Return an error at a dotted path such as ``network.layers.1.dense.weight``.

        When the key was left to its default, the error says so and points at the nearest ancestor written.
        """
        node, whole = find(self.root, path)
        return node.place.error(message if whole else f"{message} ({path} has its default)", help)


def read(path: Path, overrides: Iterable[str] = ()) -> Document:
    """Read a YAML file and apply ``--set`` overrides to it."""
    given = tuple(overrides)
    return Document(settle(apply_overrides(parse_file(path), given), given))


def read_text(text: str, name: str, overrides: Iterable[str] = ()) -> Document:
    """Read YAML text (``name`` stands for the file in messages) and apply ``--set`` overrides to it."""
    given = tuple(overrides)
    return Document(settle(apply_overrides(parse_text(text, name), given), given))


def load(path: Path, tp: type[T], overrides: Iterable[str] = ()) -> T:
    """Read a YAML file and return the value of type ``tp`` it describes."""
    return read(path, overrides).build(tp)


def load_text(text: str, name: str, tp: type[T], overrides: Iterable[str] = ()) -> T:
    """Read YAML text and return the value of type ``tp`` it describes."""
    return read_text(text, name, overrides).build(tp)
