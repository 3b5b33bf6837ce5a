"""An estimate as a picture: energy by group of parts and by phase, and area by the same groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from neuro_emu.report.analysis_chart import round_ticks
from neuro_emu.report.curves import STYLE
from neuro_emu.report.quantities import AREA, ENERGY, Ladder, ends, share, shown, unit_of

Record = dict[str, Any]

LEAKAGE, OTHER = "leakage", "other"
_NAMES = {
    "weight memories": ("weights", "weights[", "weights ", "classifier[", "synapses", "kernels"),
    "other memories": (
        *("input", "outputs[", "preactivation[", "deltas[", "feedback[", "table[", "tested[", "derivative["),
        *("exponential", "error", "local_error[", "driven", "random_forward[", "random_forward_", "pool_outputs["),
        *("gradients[", "velocities[", "classifier_", "feedback_"),
    ),
    "lanes: multiply, accumulate": (
        *(
            "lane multiplier",
            "lane operand select",
            "lane accumulate",
            "lane operands",
            "lane accumulator",
            "adder tree",
        ),
        *("multiply", "accumulate"),
    ),
    "lanes: learning": ("lane ", "updates", "neuron update", "synapse updates"),
    "random words": ("random words",),
    "activation, output": ("activation units", "output stage"),
    "control and its clock": ("row finder", "sequencer", "registers", "row path", "core", "code memory", "control"),
}
_COMPONENTS = dict.fromkeys(("sram", "rom", "dram"), "other memories")
_COMPONENTS |= dict.fromkeys(("multiplier", "adder", "mac", "accumulate"), "lanes: multiply, accumulate")
_COMPONENTS |= dict.fromkeys(("lfsr", "xorshift", "random_words", "random_block"), "random words")
_COMPONENTS |= {"control": "control and its clock"}
_HEADING = 10
GROUPS = (*_NAMES, OTHER, LEAKAGE)
"""Groups of parts, in the order in which they are stacked; what leaks is none of energy's parts."""

_LIGHT = ("#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#cc79a7", "#f0e442", "#009e73", "#b8c2cc", "#3e4c59")
_PHASES = ("#dde4ea", "#9fb3c8", "#d3cbe8", "#7d6fb3", "#627d98", "#f0f4f8")
_STYLE = """
  .seg { stroke: #1f2933; stroke-width: 0.5 } .head { font-weight: 600 } .small { font-size: 12px }
  .halo { stroke: #ffffff; stroke-width: 4 } .whisker { stroke: #1f2933; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    .seg { stroke: #f5f7fa } .leak { fill: #7b8794 }
    .halo { stroke: #14181d } .whisker { stroke: #f5f7fa }
  }
"""
_X, _ENERGY, _GAP, _AREA, _TOP, _ROW, _BAR, _THIN, _LEGEND, _COLUMN = 20, 540, 50, 350, 74, 84, 28, 11, 20, 92


def group_of(name: str, component: str = "", *, learns: bool = False) -> str:
    """Return the group of a part: by its name or, where that says nothing, by its component."""
    if name == "lane array":  # lines around the lanes, and in none of them
        return "control and its clock"
    for group, words in _NAMES.items():
        if name in words or name.startswith(tuple(word for word in words if word[-1] in "[_ ")):
            return group
    group = _COMPONENTS.get(component, OTHER)
    return "lanes: learning" if learns and group == "lanes: multiply, accumulate" else group


def estimate_picture(record: Record) -> str:
    """Return energy and area, stacked by groups of parts, in one self-contained SVG picture."""
    groups = {
        part["name"]: group_of(part["name"], part["component"], learns=part["learns"]) for part in record["parts"]
    }
    works = {name: one for name, one in record["workloads"].items() if one["energy_pj"]["nominal"]}
    energies = {name: _energy_groups(one, groups) for name, one in works.items()}
    areas = _stacked((groups[part["name"]], part["area_um2"]["nominal"]) for part in record["parts"])
    present = [group for group in GROUPS if any(group in one for one in (*energies.values(), areas))]
    base = _TOP + _ROW * max(len(works), 1)
    height = base + 64 + _LEGEND * (len(present) + 1)
    width = _X + _ENERGY + _GAP + _AREA + 2 * _X + 2 * _COLUMN * max(0, len(works) - 2)
    parts = [_frame(record, width, height)]
    if works:
        parts += _energy_panel(works, energies, base)
    if areas:
        parts += _area_panel(record, areas, base)
    parts += _group_legend(present, {**energies, "area": areas}, base + 60)
    parts += _phase_legend(works, _X + 320 + _COLUMN * (len(works) + 1), base + 60)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _energy_groups(one: Record, groups: Mapping[str, str]) -> dict[str, float]:
    """Return what the actions of each group take, and what leaks."""
    pairs = [(groups.get(name, OTHER), band["nominal"]) for name, band in one["by_part_pj"].items()]
    return _stacked([*pairs, (LEAKAGE, one["leakage_pj"]["nominal"])])


def _stacked(pairs: Any) -> dict[str, float]:
    """Return sums by group in the order of the stack, without those of nothing."""
    sums = dict.fromkeys(GROUPS, 0.0)
    for group, value in pairs:
        sums[group] += value
    return {group: value for group, value in sums.items() if value}


def _frame(record: Record, width: float, height: float) -> str:
    technology = record["technology"]
    title = f"{record['name']}: {technology['title']}, {technology['voltage']:g} V, {technology['clock_mhz']:g} MHz"
    told = [f"{name} {ends(one['energy_pj'], ENERGY)}" for name, one in record["workloads"].items()]
    told.append(f"area {ends(record['area_um2'], AREA)}")
    label = f"{title}: {', '.join(told)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f" aria-label={quoteattr(label)}>\n<style>{STYLE}{_STYLE}</style>\n"
        f'<rect class="paper" width="{width}" height="{height}" fill="#ffffff"/>\n'
        f'<text class="title" x="{_X}" y="28">{escape(title)}</text>\n'
        f'<text x="{_X}" y="48">estimated; thick: by parts, thin: by phases; whiskers: what the ranges of the'
        " constants allow</text>"
    )


def _energy_panel(works: Mapping[str, Record], energies: Mapping[str, Mapping[str, float]], base: float) -> list[str]:
    """Return for every workload a bar by group of parts, and a thin one by phase."""
    scale, parts = _axis(_X, _ENERGY, max(one["energy_pj"]["high"] for one in works.values()), ENERGY, base)
    phases = _phases(works)
    for n, (name, one) in enumerate(works.items()):
        y, told = _TOP + _ROW * n, f"{_titled(name)} {ends(one['energy_pj'], ENERGY)}"
        parts.append(f'<text class="head" x="{_X}" y="{y + 12}">{escape(told)}</text>')
        parts += _bar(name, energies[name], _X, y + 20, _BAR, scale, ENERGY, _group_style)
        by_phase = _by_phase(one)
        thin = y + 20 + _BAR + 3
        parts += _bar(f"{name} by phase", by_phase, _X, thin, _THIN, scale, ENERGY, lambda p: _phase_style(p, phases))
        parts.append(_whisker(one["energy_pj"], _X, y + 20 + _BAR / 2, scale))
    return parts


def _area_panel(record: Record, areas: Mapping[str, float], base: float) -> list[str]:
    left, band = _X + _ENERGY + _GAP, record["area_um2"]
    scale, parts = _axis(left, _AREA, band["high"], AREA, base)
    parts.append(f'<text class="head" x="{left}" y="{_TOP + 12}">area {escape(ends(band, AREA))}</text>')
    parts += _bar("area", areas, left, _TOP + 20, _BAR, scale, AREA, _group_style)
    parts.append(_whisker(band, left, _TOP + 20 + _BAR / 2, scale))
    return parts


def _titled(name: str) -> str:
    return {"training": "training sample"}.get(name, name)


def _by_phase(one: Record) -> dict[str, float]:
    found = {name: band["nominal"] for name, band in one["by_phase_pj"].items()}
    found[LEAKAGE] = found.get(LEAKAGE, 0.0) + one["leakage_pj"]["nominal"]
    return {name: value for name, value in found.items() if value}


def _phases(works: Mapping[str, Record]) -> list[str]:
    """Return all phases in order, leakage last."""
    names = dict.fromkeys(name for one in works.values() for name in _by_phase(one) if name != LEAKAGE)
    leaks = [LEAKAGE] if any(LEAKAGE in _by_phase(one) for one in works.values()) else []
    return [*names, *leaks]


def _axis(left: float, wide: float, most: float, ladder: Ladder, base: float) -> tuple[float, list[str]]:
    """Return columns a unit, and lines and numbers of the scale, the unit at its last."""
    divisor, unit = unit_of(most, ladder)
    ticks = [tick for tick in round_ticks(0.0, most / divisor) if tick <= most / divisor * 1.0001]
    scale = wide / most
    parts = []
    for tick in ticks:
        x = left + scale * tick * divisor
        text = f"{tick:g} {unit}" if tick == ticks[-1] else f"{tick:g}"
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP + 18}" y2="{base}"/>')
        parts.append(f'<text class="small" x="{x:.1f}" y="{base + 16}" text-anchor="middle">{text}</text>')
    parts.append(f'<line class="axis" x1="{left}" x2="{left + wide}" y1="{base}" y2="{base}"/>')
    return scale, parts


def _bar(
    name: str, values: Mapping[str, float], x: float, y: float, tall: float, scale: float, ladder: Ladder, style: Any
) -> list[str]:
    """Return segments beside each other, each with name, value and share for who points at it."""
    whole, parts = sum(values.values()), [f"<g data-bar={quoteattr(name)}>"]
    for label, value in values.items():
        wide = scale * value
        told = f"{label}: {shown(value, ladder)}, {share(value, whole)}"
        parts.append(
            f'<rect {style(label)} x="{x:.3f}" y="{y}" width="{wide:.3f}" height="{tall}">'
            f"<title>{escape(told)}</title></rect>"
        )
        x += wide
    return [*parts, "</g>"]


def _group_style(group: str) -> str:
    return f'class="seg{" leak" * (group == LEAKAGE)}" fill="{_LIGHT[GROUPS.index(group)]}"'


def _phase_style(phase: str, phases: Sequence[str]) -> str:
    return (
        _group_style(LEAKAGE)
        if phase == LEAKAGE
        else f'class="seg" fill="{_PHASES[phases.index(phase) % len(_PHASES)]}"'
    )


def _whisker(band: Mapping[str, float], left: float, y: float, scale: float) -> str:
    """Return a line from low to high, with ends, that stands out from bars and paper."""
    if band["low"] == band["high"]:
        return ""
    low, high = left + scale * band["low"], left + scale * band["high"]
    path = f"M{low:.1f},{y}H{high:.1f}M{low:.1f},{y - 6}v12M{high:.1f},{y - 6}v12"
    return f'<path class="halo" d="{path}"/><path class="whisker" d="{path}"/>'


def _group_legend(present: Sequence[str], columns: Mapping[str, Mapping[str, float]], y: float) -> list[str]:
    """Return groups with their shares of every bar."""
    rows = [(group, _group_style(group), [one.get(group, 0.0) for one in columns.values()]) for group in present]
    wholes = [sum(one.values()) for one in columns.values()]
    return _legend("parts", rows, _headings(columns), wholes, _X, 208, y)


def _headings(names: Iterable[str]) -> list[str]:
    """Return names of bars that are short enough to stand above columns, else their numbers from above."""
    return [name if len(name) <= _HEADING else f"bar {n}" for n, name in enumerate(names, 1)]


def _phase_legend(works: Mapping[str, Record], left: float, y: float) -> list[str]:
    """Return phases with their shares of the thin bars."""
    phases, splits = _phases(works), [_by_phase(one) for one in works.values()]
    if not phases:
        return []
    rows = [(phase, _phase_style(phase, phases), [one.get(phase, 0.0) for one in splits]) for phase in phases]
    return _legend("phases", rows, _headings(works), [sum(one.values()) for one in splits], left, 96, y)


def _legend(
    title: str,
    rows: Sequence[tuple[str, str, Sequence[float]]],
    columns: Sequence[str],
    wholes: Sequence[float],
    left: float,
    first: float,
    y: float,
) -> list[str]:
    """Return a table: swatch, name, shares."""
    xs = [left + first + _COLUMN * (n + 1) for n in range(len(columns))]
    parts = [f'<text class="head" x="{left}" y="{y}">{title}</text>']
    parts += [
        f'<text class="head" x="{x:.0f}" y="{y}" text-anchor="end">{escape(name)}</text>'
        for x, name in zip(xs, columns, strict=True)
    ]
    for n, (name, style, values) in enumerate(rows, 1):
        at = y + _LEGEND * n
        parts.append(f'<rect {style} x="{left}" y="{at - 11}" width="13" height="13"/>')
        parts.append(f'<text x="{left + 20}" y="{at}">{escape(name)}</text>')
        parts += [
            f'<text x="{x:.0f}" y="{at}" text-anchor="end">{escape(share(value, whole))}</text>'
            for x, value, whole in zip(xs, values, wholes, strict=True)
            if value
        ]
    return parts


__all__ = ["GROUPS", "LEAKAGE", "OTHER", "estimate_picture", "group_of"]
