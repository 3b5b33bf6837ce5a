"""An estimate of energy and area as text: one screen, everything behind it, or the lines for the summary of a run.

Records are those of :mod:`neuro_emu.estimate.record`: energies in pJ, powers in µW, areas in µm², times in µs.
"""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import Any

from neuro_emu.report.estimate_full import everything
from neuro_emu.report.external import estimate_section
from neuro_emu.report.quantities import (
    AREA,
    ENERGY,
    POWER,
    TIME,
    Ladder,
    clipped,
    digits,
    ends,
    exact,
    memory,
    percent,
    share,
    shown,
    unit_of,
)

Record = dict[str, Any]

_COLUMNS, _SCREEN = 100, 45
_LABEL, _LEFT, _MEMORIES = 20, 53, 4
_TITLES = {"inference": "an inference", "training": "a training sample"}


def estimate_text(record: Record, *, full: bool = False) -> str:
    """Return an estimate in at most 100 columns.

    Args:
        record: the estimate.
        full: with every part, use and constant; otherwise one screen.

    """
    above = [*_headline(record), "", *_figures(record), *_learning(record)]
    below = [*_memories(record), *_closing(record, full=full)]
    rows = max(5, min(10, _SCREEN - len(above) - len(below) - 4))
    lines = [*above, *_biggest(record, rows), *_external(record, full=full), *below]
    if full:
        lines += everything(record)
    return "\n".join(lines) + "\n"


def _external(record: Record, *, full: bool) -> list[str]:
    """Return what memory outside the chip adds, if it was asked for."""
    found = record.get("external")
    return estimate_section(found, full=full) if found else []


def estimate_lines(record: Record) -> list[str]:
    """Return the estimate in a few lines, for the summary of a run."""
    works = [(_TITLES.get(name, name), one) for name, one in record["workloads"].items()]
    energies = ", ".join(f"{ends(one['energy_pj'], ENERGY)} {title}" for title, one in works)
    powers = ", ".join(f"{ends(one['power_uw'], POWER)} in {name}" for name, one in record["workloads"].items())
    stored = f"; {memory(record['memory_bits'])} of memory" if record["memory_bits"] else ""
    entries = [
        ("estimate", _technology(record)),
        ("energy", energies),
        ("power", powers),
        ("area", f"{ends(record['area_um2'], AREA)}{stored}; {shown(record['leakage_uw']['nominal'], POWER)} leak"),
    ]
    if added := _added(record):
        entries.append(("learning adds", added))
    return [line for label, text in entries for line in _entry(label, text)]


def _entry(label: str, text: str) -> list[str]:
    return textwrap.wrap(text, _COLUMNS, initial_indent=f"{label:18}", subsequent_indent=" " * 18)


def _added(record: Record) -> str:
    """Return what learning adds in one sentence."""
    learning = record["learning"]
    if learning is None:
        return ""
    over = [("area", "area"), ("memory_bits", "memory")]
    same = [("training_energy_over_inference", "energy"), ("training_power_over_inference", "power")]
    chip = ", ".join(f"{percent(learning[k]['percent'])} {word}" for k, word in over if learning[k]["percent"])
    work = ", ".join(f"{percent(learning[k]['percent'])} {word}" for k, word in same if learning[k]["percent"])
    return "; ".join(filter(None, (chip, f"over inference: {work}" if work else "")))


def _technology(record: Record) -> str:
    found = record["technology"]
    lowered = found["voltage"] != found["nominal_voltage"]
    nominal = f" (nominal {found['nominal_voltage']:g} V)" if lowered else ""
    return f"{found['title']} ({found['name']}), {found['voltage']:g} V{nominal}, {found['clock_mhz']:g} MHz"


def _counts(record: Record) -> str:
    """Return what the counts stand on."""
    about = dict.fromkeys(one["about"] for one in record["workloads"].values() if one["about"])
    return f"; {'; '.join(about)}" if about else ""


def _headline(record: Record) -> list[str]:
    return textwrap.wrap(f"{record['name']}: {_technology(record)}{_counts(record)}", _COLUMNS, subsequent_indent="  ")


def _cell(band: dict[str, float], ladder: Ladder) -> str:
    """Return low, nominal and high in one unit, in 32 columns; a figure of 0 leaves them empty."""
    if not band["nominal"]:
        return " " * 32
    divisor, unit = unit_of(band["nominal"], ladder)
    return "".join(f"{digits(band[key] / divisor):>9}" for key in ("low", "nominal", "high")) + f" {unit:4}"


def _row(label: str, cells: list[str]) -> list[str]:
    """Return a row, or none where nothing is to be said."""
    return [f"{label:{_LABEL}}{(' ' * 15).join(cells)}".rstrip()] if any(cell.strip() for cell in cells) else []


def _figures(record: Record) -> list[str]:
    """Return energy, power and time, two workloads side by side, and area and leakage of the chip."""
    lines: list[str] = []
    named = list(record["workloads"].items())
    for pair in (named[n : n + 2] for n in range(0, len(named), 2)):
        works = [one for _, one in pair]
        lines += _row("", [f"{clipped(_TITLES.get(name, name), 27):>27}{'':5}" for name, _ in pair])
        lines += _row("", [f"{'low':>9}{'nominal':>9}{'high':>9}{'':5}" for _ in pair])
        for label, key, ladder in (
            ("energy", "energy_pj", ENERGY),
            ("  dynamic", "dynamic_pj", ENERGY),
            ("  leakage", "leakage_pj", ENERGY),
            ("power", "power_uw", POWER),
        ):
            lines += _row(label, [_cell(one[key], ladder) for one in works])
        lines += _row("latency", [_time(one["latency_us"]) for one in works])
        lines += _row("cycles", [f"{exact(one['cycles']):>18}{'':14}" if one["cycles"] else "" for one in works])
    left, right = _cell(record["area_um2"], AREA), _cell(record["leakage_uw"], POWER)
    told = [f"{'area':{_LABEL}}{left}   {'leakage':12}{right}".rstrip()]
    if not left.strip() or not right.strip():
        told = [*_row("area", [left]), *_row("leakage", [right])]
    return [*lines, *told]


def _time(us: float) -> str:
    if not us:
        return " " * 32
    divisor, unit = unit_of(us, TIME)
    return f"{digits(us / divisor):>18} {unit:13}"


def _learning(record: Record) -> list[str]:
    """Return what learning adds: to the same chip without it, and training over inference."""
    found = record["learning"]
    if found is None:
        return []
    plain, inference, training = found["without"], record["workloads"]["inference"], record["workloads"]["training"]
    rows = [
        ("area", record["area_um2"], plain["area_um2"], AREA, "area"),
        ("leakage power", record["leakage_uw"], plain["leakage_uw"], POWER, "leakage"),
        ("energy of an inference", inference["energy_pj"], plain["energy_pj"], ENERGY, "inference_energy"),
        (
            "energy, training over inference without it",
            training["energy_pj"],
            plain["energy_pj"],
            ENERGY,
            "training_energy",
        ),
        ("power, training over inference without it", training["power_uw"], plain["power_uw"], POWER, "training_power"),
    ]
    cells = [
        (label, shown(one["nominal"], ladder), shown(other["nominal"], ladder), found[key])
        for label, one, other, ladder, key in rows
    ]
    cells.insert(2, ("memory", *_both(found["memory_bits"], memory), found["memory_bits"]))
    cells.append(("cycles, training over inference without it", *_both(found["cycles"], exact), found["cycles"]))
    lines = ["", _added_row("learning adds", "with", "without", "more", "from low to high")]
    lines += [_added_row(f"  {label}", a, b, *_more(entry)) for label, a, b, entry in cells if entry["percent"]]
    for label, key, unit, ladder in (("energy", "energy", "pj", ENERGY), ("power", "power", "uw", POWER)):
        a, b = (shown(one[f"{key}_{unit}"]["nominal"], ladder) for one in (training, inference))
        entry = found[f"training_{key}_over_inference"]
        if entry["percent"]:
            lines.append(_added_row(f"  {label}, training over inference, same chip", a, b, *_more(entry)))
    return lines


def _both(entry: dict[str, float], write: Any) -> tuple[str, str]:
    return write(entry["with"]), write(entry["without"])


def _added_row(label: str, one: str, other: str, more: str, span: str) -> str:
    return f"{label:44}{one:>12}{other:>12}{more:>11}  {span:>19}".rstrip()


def _more(entry: dict[str, float]) -> tuple[str, str]:
    """Return how much is added, and the range of it where there is one."""
    span = f"{percent(entry['low'])[:-2]} to {percent(entry['high'])}" if "low" in entry else ""
    return percent(entry["percent"]), span


def _detailed(record: Record) -> tuple[str, Record] | None:
    """Return the workload that is told in detail: training, else inference, else the first."""
    works = record["workloads"]
    name = next((name for name in ("training", "inference", *works) if name in works), None)
    return None if name is None else (name, works[name])


def _biggest(record: Record, rows: int) -> list[str]:
    """Return the biggest contributions to energy beside the biggest parts by area, *rows* of each."""
    areas = _area_rows(record, rows)
    detailed = _detailed(record)
    if detailed is None or not detailed[1]["energy_pj"]["nominal"]:
        return ["", "area by part", *areas] if areas else []
    name, one = detailed
    title = clipped(_TITLES.get(name, name), 24)
    lines = ["", f"{f'energy of {title}: phase, layer, part':{_LEFT + 4}}{'area by part' if areas else ''}".rstrip()]
    pairs = zip_longest(_energy_rows(one, rows), areas, fillvalue="")
    lines += [f"{left:{_LEFT}}    {right}".rstrip() for left, right in pairs]
    whole = one["energy_pj"]["nominal"]
    phases = {phase: band["nominal"] for phase, band in one["by_phase_pj"].items()}
    phases["leakage"] = one["leakage_pj"]["nominal"]
    told = "by phase: " + ", ".join(f"{phase} {share(pj, whole)}" for phase, pj in phases.items() if pj)
    return lines + textwrap.wrap(told, _COLUMNS, initial_indent="  ", subsequent_indent="    ")


def _energy_rows(one: Record, rows: int) -> list[str]:
    """Return contributions by phase, layer and part, with leakage as one of them."""
    sums: dict[tuple[str, str, str], float] = {}
    for use in one["uses"]:
        key = (use["phase"], str(use["layer"]), use["part"])
        sums[key] = sums.get(key, 0.0) + use["energy_pj"]["nominal"]
    leakage = ("leakage", "", "")
    sums[leakage] = one["leakage_pj"]["nominal"]
    order = sorted((key for key in sums if sums[key]), key=lambda key: -sums[key])
    top, others = (order, []) if len(order) <= rows + 1 else (order[:rows], order[rows:])
    whole = one["energy_pj"]["nominal"]
    wide = min(10, max(len(phase) for phase, *_ in order))
    lines = []
    for key in top:
        phase, layer, part = key
        label = f"  {clipped(phase, wide):{wide}} {layer:>2}  {clipped(part, 29 - wide)}"
        lines.append(f"{label:34}{shown(sums[key], ENERGY):>10}{share(sums[key], whole):>9}")
    if others:
        rest = sum(sums[key] for key in others)
        also = " and leakage" if leakage in others else ""
        label = f"  {len(others) - bool(also)} others{also}, summed"
        lines.append(f"{label:34}{shown(rest, ENERGY):>10}{share(rest, whole):>9}")
    return lines


def _area_rows(record: Record, rows: int) -> list[str]:
    areas = {part["name"]: part["area_um2"]["nominal"] for part in record["parts"] if part["area_um2"]["nominal"]}
    order = sorted(areas, key=lambda name: -areas[name])
    top, others = (order, []) if len(order) <= rows + 1 else (order[:rows], order[rows:])
    cells = [(name, areas[name]) for name in top]
    if others:
        cells.append((f"{len(others)} others, summed", sum(areas[name] for name in others)))
    whole = record["area_um2"]["nominal"]
    return [f"{clipped(name, 22):22}{shown(area, AREA):>12}{share(area, whole):>9}" for name, area in cells]


def _memories(record: Record) -> list[str]:
    """Return which macros the memories are taken to be made of, the biggest first."""
    found = [part for part in record["parts"] if {"words", "bits"} <= part["attributes"].keys()]
    found.sort(key=lambda part: -part["area_um2"]["nominal"])
    if not found:
        return []
    size = f"memory, {memory(record['memory_bits'])}"
    lines = ["", f"{size:26}{'banks × words × bits':>26}{'made of':>32}{'area':>15}"]
    top, others = (found, []) if len(found) <= _MEMORIES + 1 else (found[:_MEMORIES], found[_MEMORIES:])
    for part in top:
        attributes = part["attributes"]
        logical = f"{part['count']:,} × {attributes['words']:,} × {attributes['bits']:,}"
        area = shown(part["area_um2"]["nominal"], AREA)
        name = clipped(part["name"] + (" (ROM)" if part["component"] == "rom" else ""), 24)
        lines.append(f"  {name:24}{logical:>26}{_made_of(part):>32}{area:>15}")
    if others:
        rest = shown(sum(part["area_um2"]["nominal"] for part in others), AREA)
        lines.append(f"  {f'{len(others)} others, summed':82}{rest:>15}")
    return lines


def _made_of(part: Record) -> str:
    macros = part.get("macros")
    if not macros:
        return "gates" if part["component"] == "rom" else "flip-flops"
    number = part["count"] * macros["macros"]
    most = "of up to" if macros["macros"] > 1 else "of"
    return f"{number:,} macro{'s' if number > 1 else ''} {most} {macros['words']:,} × {macros['bits']:,}"


def _closing(record: Record, *, full: bool) -> list[str]:
    lines = [""]
    if record["limits"]:
        lines += textwrap.wrap("limits: " + " ".join(record["limits"]), _COLUMNS, subsequent_indent="  ")
    if not full:
        lines.append("low to high: what the constants' ranges allow; everything with sources: --full; as data: --json")
    return lines
