"""Overrides on the text that was read: what they set, and messages that point into them."""

from __future__ import annotations

import pytest
from config_messages import expect
from source_reading import message, parsed

BASE = "a: 1\nb:\n  - c: {d: 2}\n  - 5\nempty: null\n"


class TestOverrides:
    @pytest.mark.parametrize(
        ("override", "path", "value"),
        [
            ("a=2", "a", 2),
            ("a=1e-3", "a", 0.001),
            ("a=x=y", "a", "x=y"),
            ("a=", "a", None),
            ("a=[1, {x: on}]", "a", [1, {"x": "on"}]),
            ("b.0.c.d=7", "b", [{"c": {"d": 7}}, 5]),
            ("b.1=text", "b", [{"c": {"d": 2}}, "text"]),
            ("b.0.c.e=7", "b", [{"c": {"d": 2, "e": 7}}, 5]),
            ("new.key=1", "new", {"key": 1}),
            ("empty.key=1", "empty", {"key": 1}),
        ],
    )
    def test_applied(self, override: str, path: str, value: object) -> None:
        result = parsed(BASE, override)
        assert isinstance(result, dict)
        assert result[path] == value
        rest = {key: item for key, item in result.items() if key != path}
        original = parsed(BASE)
        assert isinstance(original, dict)
        assert rest == {key: item for key, item in original.items() if key != path}

    def test_later_wins(self) -> None:
        assert parsed("a: 1", "b.c=1", "b.c=2", "b.d=3") == {"a": 1, "b": {"c": 2, "d": 3}}

    def test_endless_index(self) -> None:
        assert "is not an index into this list" in message(BASE, f"b.{'1' * 5000}=1")

    @pytest.mark.parametrize(
        ("override", "expected"),
        [
            (
                "training.epochs",
                """
                --set:1:1: an override without a value
                    1 | training.epochs
                      | ^^^^^^^^^^^^^^^
                      = help: write a path and a value: training.epochs=2
                """,
            ),
            (
                "b..c=1",
                """
                --set:1:3: an empty key in the path
                    1 | b..c=1
                      |   ^
                      = help: write it as training.epochs=2
                """,
            ),
            (
                "a.x=1",
                """
                --set:1:3: there is no 'x' below the number 1
                    1 | a.x=1
                      |   ^
                      = help: set the value as a whole
                """,
            ),
            (
                "b.2=1",
                """
                --set:1:3: '2' is not an index into this list
                    1 | b.2=1
                      |   ^
                      = help: give an index from 0 to 1
                """,
            ),
            (
                "b.first.c=1",
                """
                --set:1:3: 'first' is not an index into this list
                    1 | b.first.c=1
                      |   ^^^^^
                      = help: give an index from 0 to 1
                """,
            ),
            (
                "a=010",
                """
                --set:1:3: 010 has a leading zero, which means octal to some YAML readers
                    1 | a=010
                      |   ^^^
                      = help: write 10 without the zero; for text, put it in quotes: '010'
                """,
            ),
            (
                "b.0.c.d=[1, 2",
                """
                --set:1:14: the text ends inside a list or mapping
                    1 | b.0.c.d=[1, 2
                      |              ^
                      = help: close its bracket or brace
                """,
            ),
            (
                "a=*x",
                """
                --set:1:3: anchors (&) and aliases (*) are not supported
                    1 | a=*x
                      |   ^^
                      = help: write the settings out where they apply
                """,
            ),
        ],
    )
    def test_errors(self, override: str, expected: str) -> None:
        assert message(BASE, override) == expect(expected)
