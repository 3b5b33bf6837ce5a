"""YAML text to nodes, without the parts of YAML that surprise.

The tree is made from PyYAML's event stream, not by its constructor: what a plain word means is decided by
:func:`resolve` (the YAML 1.2 core rules), and whatever two YAML readers would understand differently, such
as ``010`` or ``12:30``, is refused.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from neuro_emu.config.nodes import (
    AmbiguousError,
    Entry,
    ListNode,
    MappingNode,
    Node,
    Place,
    ScalarNode,
    Source,
    child_of,
    describe,
    resolve,
)
from neuro_emu.errors import ConfigError

_MAX_DEPTH = 40  # far above any configuration, far below Python's recursion limit

_SYNTAX_HELP = (
    ("that cannot start any token", "put text that begins with this character in quotes"),
    ("mapping values are not allowed", "check the indentation, or put text that holds ': ' in quotes"),
    ("could not find expected ':'", "write 'key: value', with a space after the colon"),
    ("expected <block end>", "check the indentation: entries of one block begin in one column"),
    ("expected ',' or", "check that brackets and braces are closed and entries parted by commas"),
    ("sequence entries are not allowed", "begin the list on a line of its own, or write [a, b]"),
    ("expected the node content", "a value is missing here"),
    ("unexpected end of stream", "close the quotes"),
)


def parse_file(path: Path) -> Node:
    """Read a YAML file; every problem with it is a ConfigError."""
    try:
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        reason = {FileNotFoundError: "no such file", IsADirectoryError: "is a directory, not a file"}.get(
            type(error), error.strerror or str(error)
        )
        raise ConfigError(f"{path}: {reason}\n      = help: give the path of a YAML file") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        source = Source(str(path), data.decode("utf-8", errors="replace"))
        place = source.place_at(len(data[: error.start].decode("utf-8")))
        message = f"byte 0x{data[error.start]:02x} is not UTF-8 text"
        raise place.error(message, "save the file in the UTF-8 encoding") from None
    return parse_text(text, str(path))


def parse_text(text: str, name: str) -> Node:
    """Read one YAML document; ``name`` stands for the file in messages."""
    source = Source(name, text)
    node = _Parser(source, text).document(None)
    if node is None:
        raise Place(source, 0, 0).error("there is nothing in it but space or comments", "write a mapping")
    return node


def apply_overrides(root: Node, overrides: Sequence[str]) -> Node:
    """Return the tree with each ``training.epochs=2`` put in its place, later ones winning.

    A path is made where it does not exist yet: whether its keys are known is the schema's to say, and
    the new keys point into the text of the override.
    """
    for text in overrides:
        source = Source("--set", text)
        head, equals, value = text.partition("=")
        if not equals:
            place = Place(source, 0, 0, len(text))
            raise place.error("an override without a value", "write a path and a value: training.epochs=2")
        steps, column = [], 0
        for part in head.split("."):
            steps.append((part, Place(source, 0, column, len(part))))
            if not part:
                raise steps[-1][1].error("an empty key in the path", "write it as training.epochs=2")
            column += len(part) + 1
        # Spaces stand for the path, so that the marks of the value fit the whole override.
        owner = steps[-1][1]
        node = _Parser(source, " " * (len(head) + 1) + value).document(owner)
        root = put(root, steps, node or ScalarNode(owner, "", None))
    return root


def put(node: Node, steps: Sequence[tuple[str, Place]], value: Node) -> Node:
    """Return *node* with *value* below the keys of *steps*; keys that do not exist are made."""
    if not steps:
        return value
    (key, place), rest = steps[0], steps[1:]
    if isinstance(node, ScalarNode) and node.value is None:
        node = MappingNode(place, ())
    if isinstance(node, ScalarNode):
        raise place.error(f"there is no {key!r} below {describe(node)}", "set the value as a whole")
    child = child_of(node, key)
    if isinstance(node, ListNode):
        if child is None:
            last = len(node.items) - 1
            hint = f"give an index from 0 to {last}" if node.items else "the list is empty; set it as a whole"
            raise place.error(f"{key!r} is not an index into this list", hint)
        index = int(key)
        items = (*node.items[:index], put(child, rest, value), *node.items[index + 1 :])
        return replace(node, items=items)
    if child is None:
        return replace(node, entries=(*node.entries, Entry(key, place, put(MappingNode(place, ()), rest, value))))
    entries = (replace(e, value=put(child, rest, value)) if e.key == key else e for e in node.entries)
    return replace(node, entries=tuple(entries))


@dataclass
class _Parser:
    """Turns the events of ``text`` into nodes; places refer to ``source``, which may differ (``--set``)."""

    source: Source
    text: str
    _events: Iterator[yaml.Event] = field(init=False)

    def document(self, owner: Place | None) -> Node | None:
        """Return the only document, or None when there is none."""
        try:
            self._events = iter(yaml.parse(self.text, Loader=yaml.SafeLoader))
            next(self._events)  # the start of the stream
            if isinstance(next(self._events), yaml.StreamEndEvent):
                return None
            root = self._node(next(self._events), owner, 0)
            next(self._events)  # the end of the document
            extra = next(self._events)
        except yaml.MarkedYAMLError as error:
            raise self._syntax_error(error) from None
        except yaml.reader.ReaderError as error:
            place = Source(self.source.name, self.text).place_at(error.position)
            code = int(error.character)
            message = f"the control character U+{code:04X} is not allowed"
            raise replace(place, source=self.source).error(message, "remove it") from None
        if isinstance(extra, yaml.DocumentStartEvent):
            raise self._word(extra).error("a second document", "keep one document in a file")
        return None if isinstance(root, ScalarNode) and not root.text else root

    def _node(self, event: yaml.Event, owner: Place | None, depth: int) -> Node:
        self._refuse_references(event)
        if depth > _MAX_DEPTH:
            place = self._start(event)
            raise place.error(f"nested more than {_MAX_DEPTH} levels deep", "use fewer levels")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, owner)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(inner, None, depth + 1))
            return ListNode(self._extent(event, inner, owner), tuple(items))
        assert isinstance(event, yaml.MappingStartEvent)
        entries: dict[str, Entry] = {}
        while not isinstance(inner := next(self._events), yaml.MappingEndEvent):
            key, place = self._key(inner, entries)
            entries[key] = Entry(key, place, self._node(next(self._events), place, depth + 1))
        first = next((entry.place for entry in entries.values()), None)
        return MappingNode(self._extent(event, inner, owner or first), tuple(entries.values()))

    def _key(self, event: yaml.Event, entries: dict[str, Entry]) -> tuple[str, Place]:
        self._refuse_references(event)
        place = self._span(event, event)
        if not isinstance(event, yaml.ScalarEvent):
            raise place.error("a list or mapping as a key", "a key is a single word")
        key, plain = event.value, event.style is None
        if plain and key == "<<":
            raise place.error("merge keys (<<) are not supported", "write the settings out where they apply")
        if plain and not key:
            raise place.error("a value without a key", "write 'key: value'")
        if key in entries:
            first = entries[key].place.line + 1
            raise place.error(f"duplicate key {key!r}, first given on line {first}", "remove one of the two")
        return key, place

    def _scalar(self, event: yaml.ScalarEvent, owner: Place | None) -> ScalarNode:
        place = self._span(event, event)
        if event.style is not None:
            # The text of a quoted value is never empty: an empty text marks a value that was left out.
            return ScalarNode(place, event.value or "''", event.value)
        if not event.value:
            return ScalarNode(owner or place, "", None)
        try:
            return ScalarNode(place, event.value, resolve(event.value))
        except AmbiguousError as error:
            raise place.error(str(error), error.help) from None

    def _refuse_references(self, event: yaml.Event) -> None:
        place = self._word(event)
        if getattr(event, "anchor", None) is not None:  # of an anchor, and of an alias
            hint = "write the settings out where they apply"
            raise place.error("anchors (&) and aliases (*) are not supported", hint)
        if getattr(event, "tag", None) is not None:
            raise place.error("tags (!) are not supported", "remove it; put text that begins with ! in quotes")

    def _extent(self, start: yaml.Event, end: yaml.Event, owner: Place | None) -> Place:
        """Return what to point at for a collection: all of a flow one, the key that owns a block."""
        flow = isinstance(start, yaml.CollectionStartEvent) and start.flow_style
        if flow and end.end_mark is not None and end.end_mark.line == self._start(start).line:
            return self._span(start, end)
        return owner or self._start(start)

    def _start(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        assert mark is not None  # as in every event that was read from text
        return Place(self.source, mark.line, mark.column)

    def _span(self, first: yaml.Event, last: yaml.Event) -> Place:
        place, end = self._start(first), last.end_mark
        assert end is not None
        stop = end.column if end.line == place.line else len(self.source.line(place.line).rstrip())
        return replace(place, width=max(1, stop - place.column))

    def _word(self, event: yaml.Event) -> Place:
        place = self._start(event)
        found = re.match(r"[^\s,\[\]{}]+", self.source.line(place.line)[place.column :])
        return replace(place, width=len(found[0]) if found else 1)

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> ConfigError:
        mark = error.problem_mark or error.context_mark
        assert mark is not None
        place, problem = Place(self.source, mark.line, mark.column), str(error.problem)
        if not self.source.line(mark.line).strip():
            # Past the end there is nothing to point at: take the last character, or where the quotes began.
            place = self.source.place_at(len(self.text.rstrip()) - 1)
            if "end of stream" in problem and error.context_mark:
                place = Place(self.source, error.context_mark.line, error.context_mark.column)
        if "<stream end>" in problem:
            return place.error("the text ends inside a list or mapping", "close its bracket or brace")
        if "'\\t'" in problem:
            return place.error("a tab character between YAML words", "use spaces")
        hints = (hint for part, hint in _SYNTAX_HELP if part in problem)
        return place.error(f"not valid YAML: {problem}", next(hints, "check the indentation, quotes and brackets here"))
