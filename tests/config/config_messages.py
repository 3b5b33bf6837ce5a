"""How the tests of tests/config write the text of a message."""

from __future__ import annotations

from textwrap import dedent


def expect(text: str) -> str:
    return dedent(text).strip("\n")
