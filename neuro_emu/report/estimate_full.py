"""Everything behind an estimate as text: every part, every use, every constant, with arithmetic and sources."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

from neuro_emu.report.quantities import AREA, ENERGY, POWER, clipped, ends, exact, shown
from neuro_emu.report.technologies import constant_lines, glitch_lines, route_lines

Record = dict[str, Any]

_COLUMNS = 100


def everything(record: Record) -> list[str]:
    """Return parts, uses, constants and memory models of an estimate, in at most 100 columns."""
    lines = ["", f"parts ({len(record['parts'])}); arithmetic is that of one instance"]
    for part in record["parts"]:
        lines += _part(part)
    for name, one in record["workloads"].items():
        lines += ["", *_workload(name, one)]
    lines += ["", "constants: value (low to high) unit, kind"]
    lines += constant_lines(record["constants"])
    lines += [
        "",
        "glitches, by kind of logic: energy with delays over energy without",
        *glitch_lines(record["glitches"]),
    ]
    return [*lines, "", "memory macros: fits, and what they are multiplied by", *route_lines(record["sram"])]


def _wrapped(label: str, text: str, width: int = 16) -> list[str]:
    """Return a label and a text that hangs beside it."""
    return textwrap.wrap(f"{label:{width}}{text}", _COLUMNS, initial_indent="    ", subsequent_indent=" " * (width + 6))


def _part(part: Record) -> list[str]:
    attributes = ", ".join(f"{name} {_plain(value)}" for name, value in part["attributes"].items())
    times = f"{part['count']:,} × " if part["count"] != 1 else ""
    kind = f"{times}{part['component']}" + (f" ({attributes})" if attributes else "")
    notes = [part["note"], "for learning alone" if part["learns"] else ""]
    told = "; ".join(note for note in notes if note)
    title = f"{part['name']}: {kind}" + (f"; {told}" if told else "")
    lines = textwrap.wrap(title, _COLUMNS, initial_indent="  ", subsequent_indent="      ")
    size = [f"{exact(part['gates'])} gates"] * bool(part["gates"])
    size += [f"{part['flops']:,} flops"] * bool(part["flops"])
    if macros := part.get("macros"):
        size.append(f"{macros['macros']:,} × up to {macros['words']:,} × {macros['bits']:,} bit of memory macros")
    if size:
        lines += _wrapped("size", ", ".join(size) + (", each" if part["count"] > 1 else ""))
    many = part["count"] if part["count"] > 1 else 0
    for label, band, how, unit, write in (
        ("area", part["area_um2"], part["area_how"], "µm²", lambda band: ends(band, AREA)),
        ("leakage", part["leakage_uw"], part["leakage_how"], "nW", lambda band: ends(band, POWER)),
    ):
        lines += _figure(label, band, f"{how} {unit}", many, write)
    for name, action in part["actions"].items():
        lines += _figure(name, action["pj"], f"{action['how_fj']} fJ", 0, lambda band: ends(band, ENERGY))
    return lines


def _figure(label: str, band: Record, how: str, many: int, write: Callable[[Record], str]) -> list[str]:
    if not band["nominal"]:
        return []
    return _wrapped(label, f"{write(band)} = {many:,} × [{how}]" if many else f"{write(band)} = {how}")


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else exact(value)


def _workload(name: str, one: Record) -> list[str]:
    """Return every use: count times each is energy; what the count comes from stands behind it."""
    about = f"; {one['about']}" if one["about"] else ""
    title = f"{name}: {exact(one['cycles'])} cycles{about}; count × each = energy (low to high), from"
    lines = textwrap.wrap(title, _COLUMNS, subsequent_indent="  ")
    for use in one["uses"]:
        if use["energy_pj"]["nominal"]:
            lines += _use(use)
    return lines


def _use(use: Record) -> list[str]:
    where = f"  {clipped(use['phase'], 8):8}{use['layer']:>2} {use['part']} {use['action']}"
    sum_ = f"{exact(use['count'])} × {shown(use['each_pj']['nominal'], ENERGY)} = {ends(use['energy_pj'], ENERGY)}"
    source = f", {use['from']}" if use["from"] else ""
    return textwrap.wrap(f"{where:38}  {sum_}{source}", _COLUMNS, subsequent_indent=" " * 42)
