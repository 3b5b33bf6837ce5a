"""Reading YAML: what words mean, what is refused, and that every message points at the place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from config_messages import expect
from hypothesis import given
from hypothesis import strategies as st
from source_reading import message, parsed

from neuro_emu.config.nodes import ScalarNode, find, resolve
from neuro_emu.config.source import parse_file, parse_text
from neuro_emu.errors import ConfigError


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1e-3", 0.001),
        ("1.5E+2", 150.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0", 0),
        ("+12", 12),
        ("0x1F", 31),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("null", None),
        ("NULL", None),
        ("~", None),
        ("", None),
        *((text, text) for text in ("on", "off", "yes", "No", "y", "tRUE", "2024-01-01", "s8f6", "1e", "-a", "..")),
    ],
)
def test_words(word: str, value: object) -> None:
    node = parse_text(f"a: {word}\n", "c.yaml")
    found, _ = find(node, "a")
    assert isinstance(found, ScalarNode)
    assert found.value == value
    assert type(found.value) is type(value)


def test_quoted_words_are_text() -> None:
    assert parsed("a: '010'\nb: \"true\"\nc: ''\nd: '12:30'\n") == {
        "a": "010",
        "b": "true",
        "c": "",
        "d": "12:30",
    }


@given(st.integers(-(10**30), 10**30))
def test_integers_are_decimal(number: float) -> None:
    assert resolve(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_survive(number: float) -> None:
    value = resolve(repr(number))
    assert type(value) is float
    assert value == number


@pytest.mark.parametrize(
    ("word", "text", "help"),
    [
        (
            "010",
            "010 has a leading zero, which means octal to some YAML readers",
            "write 10 without the zero; for text, put it in quotes: '010'",
        ),
        (
            "-08",
            "-08 has a leading zero, which means octal to some YAML readers",
            "write -8 without the zero; for text, put it in quotes: '-08'",
        ),
        (
            "0o10",
            "0o10: octal and binary integers are not accepted",
            "write it in decimal; for text, put it in quotes: '0o10'",
        ),
        (
            "0b11",
            "0b11: octal and binary integers are not accepted",
            "write it in decimal; for text, put it in quotes: '0b11'",
        ),
        ("12:30", "12:30 is a base-60 number to some YAML readers", "for text, put it in quotes: '12:30'"),
        (
            "1:30:00.5",
            "1:30:00.5 is a base-60 number to some YAML readers",
            "for text, put it in quotes: '1:30:00.5'",
        ),
        (
            "1_000",
            "1_000 is a number to some YAML readers and text to others",
            "write the number without underscores; for text, put it in quotes: '1_000'",
        ),
        (".nan", ".nan is not a finite number", "no setting is infinite or not a number"),
        ("-.inf", "-.inf is not a finite number", "no setting is infinite or not a number"),
        ("1e999", "1e999 is too large for a number", "numbers end near 1.8e308"),
    ],
)
def test_ambiguous_words_are_refused(word: str, text: str, help: str) -> None:
    assert message(f"a:\n  b: {word}  # note\n") == (
        f"c.yaml:2:6: {text}\n    2 |   b: {word}  # note\n      |      {'^' * len(word)}\n      = help: {help}"
    )


def test_endless_integer() -> None:
    assert message(f"a: {'1' * 5000}\n").startswith("c.yaml:1:4: an integer of 5000 digits is too long\n")
    assert "0 has a leading zero" in message(f"a: {'0' * 5000}\n")


REFUSED = {
    "a: 1\nb: 2\na: 3\n": """
        c.yaml:3:1: duplicate key 'a', first given on line 1
            3 | a: 3
              | ^
              = help: remove one of the two
        """,
    "a: {b: 1, 'b': 2}\n": """
        c.yaml:1:11: duplicate key 'b', first given on line 1
            1 | a: {b: 1, 'b': 2}
              |           ^^^
              = help: remove one of the two
        """,
    "a: &base {b: 1}\n": """
        c.yaml:1:4: anchors (&) and aliases (*) are not supported
            1 | a: &base {b: 1}
              |    ^^^^^
              = help: write the settings out where they apply
        """,
    "a: [*base, 2]\n": """
        c.yaml:1:5: anchors (&) and aliases (*) are not supported
            1 | a: [*base, 2]
              |     ^^^^^
              = help: write the settings out where they apply
        """,
    "a:\n  <<: {b: 1}\n": """
        c.yaml:2:3: merge keys (<<) are not supported
            2 |   <<: {b: 1}
              |   ^^
              = help: write the settings out where they apply
        """,
    "a: !!python/object:os.system x\n": """
        c.yaml:1:4: tags (!) are not supported
            1 | a: !!python/object:os.system x
              |    ^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: remove it; put text that begins with ! in quotes
        """,
    "a: ! x\n": """
        c.yaml:1:4: tags (!) are not supported
            1 | a: ! x
              |    ^
              = help: remove it; put text that begins with ! in quotes
        """,
    "a:\n\tb: 1\n": """
        c.yaml:2:1: a tab character between YAML words
            2 | \tb: 1
              | ^
              = help: use spaces
        """,
    "a: 1\t# note\n": """
        c.yaml:1:5: a tab character between YAML words
            1 | a: 1\t# note
              |     ^
              = help: use spaces
        """,
    "a: b: c\n": """
        c.yaml:1:5: not valid YAML: mapping values are not allowed here
            1 | a: b: c
              |     ^
              = help: check the indentation, or put text that holds ': ' in quotes
        """,
    "a: @b\n": """
        c.yaml:1:4: not valid YAML: found character '@' that cannot start any token
            1 | a: @b
              |    ^
              = help: put text that begins with this character in quotes
        """,
    "a: 1\nbc\n\n": """
        c.yaml:2:2: not valid YAML: could not find expected ':'
            2 | bc
              |  ^
              = help: write 'key: value', with a space after the colon
        """,
    "a: [1, {b: 2}\n\n": """
        c.yaml:1:13: the text ends inside a list or mapping
            1 | a: [1, {b: 2}
              |             ^
              = help: close its bracket or brace
        """,
    "a: [1, 2\nb: 3\n": """
        c.yaml:2:2: not valid YAML: expected ',' or ']', but got ':'
            2 | b: 3
              |  ^
              = help: check that brackets and braces are closed and entries parted by commas
        """,
    "a: 'b\n": """
        c.yaml:1:4: not valid YAML: found unexpected end of stream
            1 | a: 'b
              |    ^
              = help: close the quotes
        """,
    "a: 1\n---\nb: 2\n": """
        c.yaml:2:1: a second document
            2 | ---
              | ^^^
              = help: keep one document in a file
        """,
    "? [a, b]\n: 1\n": """
        c.yaml:1:3: a list or mapping as a key
            1 | ? [a, b]
              |   ^
              = help: a key is a single word
        """,
    "{? , a: 1}\n": """
        c.yaml:1:3: a value without a key
            1 | {? , a: 1}
              |   ^
              = help: write 'key: value'
        """,
    "{: 1}\n": """
        c.yaml:1:2: not valid YAML: expected the node content, but found ':'
            1 | {: 1}
              |  ^
              = help: a value is missing here
        """,
    "a: - b\n": """
        c.yaml:1:4: not valid YAML: sequence entries are not allowed here
            1 | a: - b
              |    ^
              = help: begin the list on a line of its own, or write [a, b]
        """,
    "a: %b\n": """
        c.yaml:1:4: not valid YAML: found character '%' that cannot start any token
            1 | a: %b
              |    ^
              = help: put text that begins with this character in quotes
        """,
    "": """
        c.yaml:1:1: there is nothing in it but space or comments
              = help: write a mapping
        """,
    "# only this\n": """
        c.yaml:1:1: there is nothing in it but space or comments
            1 | # only this
              | ^
              = help: write a mapping
        """,
    "a: 1\nb: \x1b[2J\n": """
        c.yaml:2:4: the control character U+001B is not allowed
            2 | b: \N{REPLACEMENT CHARACTER}[2J
              |    ^
              = help: remove it
        """,
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=[repr(text)[:20] for text in REFUSED])
def test_refused(text: str, expected: str) -> None:
    assert message(text) == expect(expected)


def test_explicit_single_document_and_directives() -> None:
    assert parsed("%YAML 1.1\n---\na: yes\n...\n") == {"a": "yes"}
    assert "nothing in it" in message("---\n")


def test_depth_is_limited() -> None:
    assert message("a: " + "[" * 5000).startswith("c.yaml:1:44: nested more than 40 levels deep\n")


@given(st.text(alphabet="ab:-[]{},&*!|>'\"%@` \n\t#?~01.\x00\x85é<", max_size=30))
def test_any_text_is_read_or_refused_in_form(text: str) -> None:
    complaint = ""
    try:
        parse_text(text, "c.yaml")
    except ConfigError as error:
        complaint = str(error)
    assert not complaint or re.match(r"c\.yaml:\d+:\d+: .+\n(.*\n)*      = help: .+", complaint)


class TestFiles:
    def test_byte_order_mark_and_crlf(self, tmp_path: Path) -> None:
        path = tmp_path / "c.yaml"
        path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 010\r\n")
        with pytest.raises(ConfigError, match=r"c\.yaml:2:4: 010 has a leading zero"):
            parse_file(path)

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_not_utf8(self, tmp_path: Path, mark: bytes) -> None:
        path = tmp_path / "c.yaml"
        path.write_bytes(mark + "é: 1\nb: né\n".encode() + b"c: caf\xe9\n")
        with pytest.raises(ConfigError) as caught:
            parse_file(path)
        assert str(caught.value) == (
            f"{path}:3:7: byte 0xe9 is not UTF-8 text\n"
            "    3 | c: caf\N{REPLACEMENT CHARACTER}\n      |       ^\n"
            "      = help: save the file in the UTF-8 encoding"
        )

    def test_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "c.yaml"
        with pytest.raises(ConfigError) as caught:
            parse_file(path)
        assert str(caught.value) == f"{path}: no such file\n      = help: give the path of a YAML file"

    def test_directory(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_file(tmp_path)
        expected = f"{tmp_path}: is a directory, not a file\n      = help: give the path of a YAML file"
        assert str(caught.value) == expected

    def test_empty(self, tmp_path: Path) -> None:
        path = tmp_path / "c.yaml"
        path.write_bytes(b"")
        with pytest.raises(ConfigError, match=r"c\.yaml:1:1: there is nothing in it"):
            parse_file(path)
