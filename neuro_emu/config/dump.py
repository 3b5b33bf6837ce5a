"""Dataclasses back to YAML: the resolved configuration, every default written, the same bytes each time."""

from __future__ import annotations

import dataclasses
import enum
import math
import re
from typing import TypeAlias

from neuro_emu.config.nodes import AmbiguousError, ScalarValue, resolve, written

Plain: TypeAlias = "ScalarValue | list[Plain] | dict[str, Plain]"

_WIDTH = 100  # of a line that holds a whole list or layer

_PLAIN_WORD = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+][A-Za-z0-9_./+-]*)*")
# Text to this loader, but booleans to others that may read the same file.
_BOOLEANS_ELSEWHERE = frozenset({"y", "n", "yes", "no", "on", "off"})
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def is_parsed(tp: object) -> bool:
    """Whether a type is a parsed scalar: a class with ``parse(text)``, written by ``str``."""
    return isinstance(tp, type) and callable(getattr(tp, "parse", None))


def tag_of(tp: object) -> str:
    """Return the key that names a variant (its ``yaml_tag``), or an empty string for any other type."""
    tag = getattr(tp, "yaml_tag", "")
    return tag if isinstance(tag, str) else ""


def to_plain(value: object) -> Plain:
    """Return a configuration value as dicts, lists and scalars, as they are written in YAML and JSON."""
    if is_parsed(type(value)):
        return str(value)
    if isinstance(value, enum.Enum):
        return to_plain(value.value)
    if dataclasses.is_dataclass(value):
        fields = (field.name for field in dataclasses.fields(value) if field.init)
        body = {name: to_plain(getattr(value, name)) for name in fields}
        tag = tag_of(type(value))
        return {tag: body} if tag else body
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"a configuration cannot hold {value}")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a configuration cannot hold {value!r}")


def dump(value: object) -> str:
    """Return a configuration as YAML that loads to an equal value.

    Fields keep their order; a section or list that does not fit on its line is set off by blank lines.
    """
    plain = to_plain(value)
    if not isinstance(plain, dict) or not plain:
        return _flow(plain) + "\n"
    blocks: list[str] = []
    short = False  # whether the last block is a run of one-line entries, which share a block
    for key, item in plain.items():
        lines = _entry(f"{_scalar(key)}:", item, 0)
        if len(lines) == 1 and short:
            blocks[-1] += "\n" + lines[0]
        else:
            blocks.append("\n".join(lines))
        short = len(lines) == 1
    return "\n\n".join(blocks) + "\n"


def _entry(head: str, plain: Plain, indent: int) -> list[str]:
    """Return the lines of one entry; ``head`` is ``key:``, or ``-`` for an item of a list."""
    pad = " " * indent
    line = f"{pad}{head} {_flow(plain)}"
    if not isinstance(plain, dict | list) or not plain:
        return [line]
    in_list = head == "-"
    if in_list and isinstance(plain, dict) and len(plain) == 1:
        ((key, body),) = plain.items()
        line = f"{pad}- {_scalar(key)}: {_flow(body)}"  # a variant reads better without outer braces
    if len(line) <= _WIDTH and (in_list or (isinstance(plain, list) and _holds_scalars(plain))):
        return [line]
    if isinstance(plain, dict):
        entries = [(f"{_scalar(key)}:", item) for key, item in plain.items()]
    else:
        entries = [("-", item) for item in plain]
    lines = [line for head, item in entries for line in _entry(head, item, indent + 2)]
    if in_list:
        return [f"{pad}- {lines[0].lstrip(' ')}", *lines[1:]]
    return [pad + head, *lines]


def _holds_scalars(plain: Plain) -> bool:
    if isinstance(plain, list):
        return all(_holds_scalars(item) for item in plain)
    return not isinstance(plain, dict)


def _flow(plain: Plain) -> str:
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in plain.items()) + "}"
    if isinstance(plain, list):
        return "[" + ", ".join(map(_flow, plain)) + "]"
    return _scalar(plain)


def _scalar(value: ScalarValue) -> str:
    if isinstance(value, float):
        mantissa, e, exponent = repr(value).partition("e")
        # 1e-05 is text to a YAML 1.1 reader, 1.0e-05 a number to all.
        return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else repr(value)
    if not isinstance(value, str):
        return written(value)
    return value if _is_plain(value) else '"' + "".join(map(_escape, value)) + '"'


def _is_plain(text: str) -> bool:
    if not _PLAIN_WORD.fullmatch(text) or text.lower() in _BOOLEANS_ELSEWHERE:
        return False
    try:
        return resolve(text) == text
    except AmbiguousError:
        return False


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
