"""Technologies and components as text: what there is, and every constant with its range and source."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from neuro_emu.report.quantities import exact

Record = dict[str, Any]

_COLUMNS = 100


def technologies_text(records: Sequence[Record]) -> str:
    """Return one line a technology: node, supply, and how many constants of which kind it stands on.

    Args:
        records: name, title, node_nm, voltage and kinds (kind to number) of each.

    """
    lines = [f"{'technology':12}{'node':>8}{'supply':>10}   title, and constants by kind"]
    for one in records:
        kinds = ", ".join(f"{count} {kind}" for kind, count in one["kinds"].items() if count)
        node, supply = f"{one['node_nm']:g} nm", f"{one['voltage']:g} V"
        first = f"{one['name']:12}{node:>8}{supply:>10}   "
        lines += textwrap.wrap(one["title"], _COLUMNS, initial_indent=first, subsequent_indent=" " * 33)
        lines += textwrap.wrap(kinds, _COLUMNS, initial_indent=" " * 33, subsequent_indent=" " * 33)
    return "\n".join(lines) + "\n"


def technology_text(record: Record) -> str:
    """Return a technology: every constant with its range, unit, kind and source, and the fits of its memories.

    Args:
        record: name, title, node_nm, voltage, constants and, if known, sram, as in the record of an estimate.

    """
    title = f"{record['name']}: {record['title']}; {record['node_nm']:g} nm, {record['voltage']:g} V"
    lines = textwrap.wrap(title, _COLUMNS, subsequent_indent="  ")
    lines += ["", "constants: value (low to high) unit, kind", *constant_lines(record["constants"])]
    if record.get("sram"):
        lines += ["", "memory macros: fits, and what they are multiplied by", *route_lines(record["sram"])]
    return "\n".join(lines) + "\n"


def constant_lines(constants: Mapping[str, Record]) -> list[str]:
    """Return constants: value, range, unit and kind, what it is, and below it the source, wrapped."""
    lines = []
    for name, one in constants.items():
        unit = "" if one["unit"] == "1" else f" {written(one['unit'])}"
        span = f" ({exact(one['low'])} to {exact(one['high'])})" if one["low"] != one["high"] else ""
        about = f": {one['about']}" if one.get("about") else ""
        at = f" at {one['at_voltage']:g} V" if one.get("at_voltage") else ""
        told = f"{exact(one['value'])}{span}{unit}, {one['kind']}{at}{about}"
        lines += textwrap.wrap(told, _COLUMNS, initial_indent=f"  {name:18}", subsequent_indent=" " * 20)
        lines += textwrap.wrap(one["source"], _COLUMNS, initial_indent=" " * 22, subsequent_indent=" " * 22)
    return lines


def _plain(value: float) -> str:
    """Return a coefficient in five significant digits without exponent."""
    places = max(0, 4 - math.floor(math.log10(value)))
    return f"{value:.{places}f}".rstrip("0").rstrip(".") if places else f"{value:.0f}"


def glitch_lines(glitches: Record) -> list[str]:
    """Return the factors of glitches by kind of logic."""
    return [f"  {name:18}{one['value']:g} ({one['low']:g} to {one['high']:g})" for name, one in glitches.items()]


def route_lines(sram: Record) -> list[str]:
    """Return the fits that memory macros come from, with their scaling and source, spreads and largest macro."""
    lines = []
    for one in sram["routes"]:
        scaled = ", ".join(f"{name} × {exact(one[name])}" for name in ("energy", "area", "leakage"))
        lines += textwrap.wrap(f"{one['fit']:18}{scaled}", _COLUMNS, initial_indent="  ", subsequent_indent=" " * 20)
        lines += textwrap.wrap(one["source"], _COLUMNS, initial_indent=" " * 22, subsequent_indent=" " * 22)
        for name, terms in one["terms"].items():
            told = " + ".join(f"{_plain(value)} {term}" for term, value in terms.items())
            told += f"; two ports × {exact(one['two_ports'][name])}"
            lines += textwrap.wrap(f"{name} = {told}", _COLUMNS, initial_indent=" " * 22, subsequent_indent=" " * 26)
        for name in ("energy", "area"):
            low, high = one[f"{name}_band"]["low"], one[f"{name}_band"]["high"]
            lines.append(" " * 22 + f"{name} of other macros of its technology: × {exact(low)} to {exact(high)}")
    spreads = ", ".join(f"{name} ×/÷ {exact(sram[f'{name}_spread'])}" for name in ("energy", "area", "leakage"))
    largest = f"macros of at most {sram['deepest']:,} × {sram['widest']} bit"
    told = f"{'uncertain by':18}at least {spreads}; {largest}; terms: w bits and d words of a macro"
    lines += textwrap.wrap(told, _COLUMNS, initial_indent="  ", subsequent_indent=" " * 20)
    lines += textwrap.wrap(sram["why"], _COLUMNS, initial_indent=" " * 22, subsequent_indent=" " * 22)
    return lines


def components_text(records: Sequence[Record]) -> str:
    """Return every component: what it is, its attributes and its actions.

    Args:
        records: name, about, attributes and actions of each.

    """
    width = max((len(one["name"]) for one in records), default=0) + 2
    lines = []
    for one in records:
        lists = [f"{key}: {', '.join(one[key])}" for key in ("attributes", "actions") if one[key]]
        text = "; ".join([one["about"], *lists])
        lines += textwrap.wrap(text, _COLUMNS, initial_indent=f"{one['name']:{width}}", subsequent_indent=" " * width)
    return "\n".join(lines) + "\n"


_WRITTEN = {"uJ": "µJ", "uW": "µW", "um2": "µm²", "mm2": "mm²", "us": "µs"}


def written(unit: str) -> str:
    """Return a unit of a file as people write it: µm²/gate for um2/gate."""
    quantity, slash, thing = unit.partition("/")
    return _WRITTEN.get(quantity, quantity) + slash + thing
