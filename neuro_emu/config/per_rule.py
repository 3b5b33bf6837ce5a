"""The section `rules`: settings that take the place of others with one rule, so that one file serves them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neuro_emu.config.nodes import MappingNode, Node, ScalarNode
from neuro_emu.config.source import apply_overrides, put
from neuro_emu.rules import RULES, installed_rules

SECTION = "rules"

SCHEMA = {
    "type": "object",
    "description": "settings of single rules: rule → {section.key: value}; they take the place of those above when"
    " training.rule is that rule, and `--set` takes theirs",
    "additionalProperties": {"type": "object"},
}
"""JSON Schema of the section."""


def settle(root: Node, overrides: Sequence[str]) -> Node:
    """Return the tree with the settings of the chosen rule in their places, and without the section.

    Args:
        root: the file, overrides applied.
        overrides: the same ones; they win over the section.

    Raises:
        ConfigError: if the section is no mapping of mappings, or names no rule.

    """
    section = root.get(SECTION) if isinstance(root, MappingNode) else None
    if not isinstance(root, MappingNode) or section is None:
        return root
    if not isinstance(section, MappingNode):
        raise section.place.error("expected rules with their settings", "e.g. rules: {drtp: {training.epochs: 5}}")
    root = replace(root, entries=tuple(entry for entry in root.entries if entry.key != SECTION))
    chosen = _chosen(root)
    for rule in section.entries:
        if rule.key not in RULES and ":" not in rule.key and rule.key not in installed_rules():
            raise rule.place.error(f"unknown rule {rule.key!r}", "known rules: " + ", ".join(sorted(RULES)))
        if not isinstance(rule.value, MappingNode):
            raise rule.value.place.error("expected settings", f"e.g. {rule.key}: {{training.epochs: 5}}")
        if rule.key == chosen:
            for entry in rule.value.entries:
                steps = [(part, entry.place) for part in entry.key.split(".")]
                root = _as_mapping(put(root, steps, entry.value))
    return apply_overrides(root, [text for text in overrides if text.partition(".")[0] != SECTION])


def _as_mapping(node: Node) -> MappingNode:
    assert isinstance(node, MappingNode)
    return node


def _chosen(root: MappingNode) -> str | None:
    training = root.get("training")
    rule = training.get("rule") if isinstance(training, MappingNode) else None
    return str(rule.value) if isinstance(rule, ScalarNode) else None
