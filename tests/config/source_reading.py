"""Text and overrides in, plain values or the text of the refusal out; for the tests of `source`."""

from __future__ import annotations

import pytest

from neuro_emu.config.nodes import ListNode, MappingNode, Node
from neuro_emu.config.source import apply_overrides, parse_text
from neuro_emu.errors import ConfigError


def plain(node: Node) -> object:
    if isinstance(node, MappingNode):
        return {entry.key: plain(entry.value) for entry in node.entries}
    return [plain(item) for item in node.items] if isinstance(node, ListNode) else node.value


def parsed(text: str, *overrides: str) -> object:
    return plain(apply_overrides(parse_text(text, "c.yaml"), overrides))


def message(text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parsed(text, *overrides)
    return str(caught.value)
