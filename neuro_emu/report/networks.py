"""Networks by name as a list."""

from __future__ import annotations

import textwrap
from typing import Any

_COLUMNS = 100


def networks_list(presets: list[dict[str, Any]], networks: list[dict[str, Any]]) -> str:
    """Return every preset with its options, and how large the networks are that it stands for.

    Args:
        presets: as :func:`neuro_emu.api.networks.preset_options` returns them.
        networks: as :func:`neuro_emu.api.networks.networks_table` returns them.

    """
    lines = []
    for preset in presets:
        lines += textwrap.wrap(f"{preset['preset']}: {preset['summary']}", _COLUMNS, subsequent_indent="  ")
        options = ", ".join(f"{name}: {_word(value)}" for name, value in preset["options"].items()) or "none"
        lines.append(f"  network.preset: {{{preset['preset']}: {{…}}}}, options: {options}")
        for one in networks:
            if one["preset"] == preset["preset"]:
                lines += _network(one)
        lines.append("")
    lines.append("MACs are those of one forward pass; a step of backpropagation has about three times as many.")
    return "\n".join(lines) + "\n"


def _network(one: dict[str, Any]) -> list[str]:
    title = one["dataset"] + (f", {one['options']}" if one["options"] else "")
    size = f"{one['layers']:>3} layers {one['parameters']:>12,} parameters {one['macs']:>14,} MACs a sample"
    return [f"  {title:34}{size}", *_broken(one["network"])]


def _broken(network: str) -> list[str]:
    """Return the short form of a network on lines that end at its dashes."""
    lines, line = [], "    "
    for part in network.split("-"):
        if len(line) + len(part) + 1 > _COLUMNS:
            lines.append(line)
            line = "    "
        line += f"{part}-"
    return [*lines, line[:-1]]


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
