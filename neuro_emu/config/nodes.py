"""The tree a configuration is read into: nodes that remember where they were written, and what words mean.

Every complaint about a configuration is made by :meth:`Place.error`, so all of them look the same:
``file:line:column: what is wrong``, the source line with carets, and what would be right.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from neuro_emu.errors import ConfigError

# The line breaks PyYAML counts; str.splitlines knows more of them and would drift from its marks.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

ScalarValue = None | bool | int | float | str

_WORDS: dict[str, ScalarValue] = {"": None, "~": None}
for _value, _word in ((None, "null"), (True, "true"), (False, "false")):
    _WORDS |= {_word: _value, _word.capitalize(): _value, _word.upper(): _value}

_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_OTHER_BASE = re.compile(r"[-+]?0[oObB][0-9_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_GROUPED = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_MAX_DIGITS = 100
_INDEX = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Source:
    """A named text: a file, or one ``--set`` argument."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """Return line ``number`` (from zero), or an empty string past the end."""
        lines = _LINE_BREAK.split(self.text)
        return lines[number] if number < len(lines) else ""

    def place_at(self, offset: int) -> Place:
        """Return the place of the character at ``offset``."""
        lines = _LINE_BREAK.split(self.text[:offset])
        return Place(self, len(lines) - 1, len(lines[-1]))


@dataclass(frozen=True)
class Place:
    """A run of characters on one line of a source; line and column count from zero."""

    source: Source
    line: int
    column: int
    width: int = 1

    def error(self, message: str, help: str = "") -> ConfigError:
        """Return the error that points here (the caller raises it)."""
        text = f"{self.source.name}:{self.line + 1}:{self.column + 1}: {message}"
        line = self.source.line(self.line).rstrip()
        if line:
            # A control character would act on the terminal that shows the message.
            line = "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)
            # Tabs are kept in front of the carets, so that they line up however wide a tab is shown.
            pad = "".join(c if c == "\t" else " " for c in line[: self.column].ljust(self.column))
            text += f"\n{self.line + 1:>5} | {line}\n      | {pad}{'^' * max(1, self.width)}"
        if help:
            text += f"\n      = help: {help}"
        return ConfigError(text)


@dataclass(frozen=True)
class ScalarNode:
    """A single value: as written (``text``) and as understood (``value``)."""

    place: Place
    text: str
    value: ScalarValue


@dataclass(frozen=True)
class ListNode:
    """A list."""

    place: Place
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Entry:
    """One ``key: value`` of a mapping; ``place`` is that of the key."""

    key: str
    place: Place
    value: Node


@dataclass(frozen=True)
class MappingNode:
    """A mapping with its entries in the order written."""

    place: Place
    entries: tuple[Entry, ...]

    def get(self, key: str) -> Node | None:
        """Return the value of ``key``, or None when it was not written."""
        return next((entry.value for entry in self.entries if entry.key == key), None)


Node = ScalarNode | ListNode | MappingNode


def find(node: Node, path: str) -> tuple[Node, bool]:
    """Return the node at a dotted path and True, or its nearest ancestor that was written and False."""
    for part in path.split("."):
        child = child_of(node, part)
        if child is None:
            return node, False
        node = child
    return node, True


def child_of(node: Node, part: str) -> Node | None:
    """Return the child that one part of a dotted path names: a key, or an index into a list."""
    if isinstance(node, MappingNode):
        return node.get(part)
    if isinstance(node, ListNode) and _INDEX.fullmatch(part) and int(part) < len(node.items):
        return node.items[int(part)]
    return None


def written(value: ScalarValue) -> str:
    """Return a value the way a configuration writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def describe(node: Node) -> str:
    """Say what was found, for the end of an ``expected …, got …`` message."""
    if isinstance(node, ListNode):
        return "a list"
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node.value, str):
        return f"the string {node.value!r}"
    if node.value is None or isinstance(node.value, bool):
        return written(node.value)
    return f"the number {node.text}"


def suggest(word: str, options: Iterable[str], heading: str) -> str:
    """Return a did-you-mean for ``word``, or all the options after ``heading`` when none is near."""
    known = {option.casefold(): option for option in options}
    near = difflib.get_close_matches(word.casefold(), known, 1)
    return f"did you mean {known[near[0]]!r}?" if near else f"{heading}: {', '.join(known.values())}"


def resolve(text: str) -> ScalarValue:
    """Return what an unquoted word means; ValueError (with ``help``) when readers of YAML disagree on it."""
    if text in _WORDS:
        return _WORDS[text]
    _refuse_ambiguous(text)
    if _DECIMAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise AmbiguousError(f"an integer of {len(text)} digits is too long", "put text in quotes")
        return int(text, 16 if "x" in text else 10)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise AmbiguousError(f"{text} is too large for a number", "numbers end near 1.8e308")
        return number
    return text


class AmbiguousError(ValueError):
    """An unquoted word that not every YAML reader understands in the same way."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


def _refuse_ambiguous(text: str) -> None:
    quotes = f"for text, put it in quotes: '{text}'"
    if _SEXAGESIMAL.fullmatch(text):
        raise AmbiguousError(f"{text} is a base-60 number to some YAML readers", quotes)
    if _LEADING_ZERO.fullmatch(text):
        decimal = str(int(text.replace("_", ""))) if len(text) <= _MAX_DIGITS else "it"
        raise AmbiguousError(
            f"{text} has a leading zero, which means octal to some YAML readers",
            f"write {decimal} without the zero; {quotes}",
        )
    if _OTHER_BASE.fullmatch(text):
        raise AmbiguousError(f"{text}: octal and binary integers are not accepted", f"write it in decimal; {quotes}")
    if _GROUPED.fullmatch(text):
        raise AmbiguousError(
            f"{text} is a number to some YAML readers and text to others",
            f"write the number without underscores; {quotes}",
        )
    if _NOT_FINITE.fullmatch(text):
        raise AmbiguousError(f"{text} is not a finite number", "no setting is infinite or not a number")
