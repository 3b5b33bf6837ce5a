"""Published figures beside ours: a table of text, and a picture of how far the float twins lie from the papers."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

from neuro_emu.report.curves import STYLE

_LEFT, _WIDTH, _ROW, _TOP = 290, 800, 20, 70
_SPAN = 3.0
"""Points from the published value to the edge of the picture."""


def papers_table(record: dict[str, Any]) -> str:
    """Return every study as a block of lines: published, float twin, difference, integers, cost of quantisation."""
    blocks = []
    for name, study in record["studies"].items():
        lines = [f"{name}: {study['source']}", f"  {study['network']}"]
        if record["overrides"]:
            lines.append("  not as published: " + " ".join(record["overrides"]))
        elif study["shortened"]:
            lines.append(f"  float twin: {study['shortened']}")
        lines.append(_header())
        lines += [papers_row(entry) for entry in study["rows"]]
        lines += _verdict(study)
        blocks.append("\n".join(lines))
    blocks.append(_total(record))
    return "\n\n".join(blocks) + "\n"


def _header() -> str:
    return (
        f"  {'row':22}{'published':>15}{'float twin':>12}{'diff.':>8}{'':4}{'integers':>12}{'bits':>6}"
        f"{'their twin':>12}{'cost':>7}"
    )


def papers_row(entry: dict[str, Any]) -> str:
    """Return one row of the table, its angles below it."""
    published = "-" if entry["published"] is None else f"{entry['published']:.2f}"
    published += f" ± {entry['sd']:.2f}" if entry["sd"] is not None else ""
    difference = f"{entry['difference']:+.2f}" if "difference" in entry else "-"
    mark = {True: " in", False: " out"}[entry["inside"]] if "inside" in entry else ""
    bits = "/".join(dict.fromkeys(b[1:].partition("f")[0] for b in entry["chip"]["bits"])) if "chip" in entry else "-"
    cost = f"{entry['cost']:+.2f}" + ("*" if entry["cost_of"] == "paper" else "") if "cost" in entry else "-"
    lines = [
        f"  {entry['row']:22}{published:>15}{_value(entry, 'paper'):>12}{difference:>8}{mark:4}"
        f"{_value(entry, 'chip'):>12}{bits:>6}{_value(entry, 'twin'):>12}{cost:>7}"
    ]
    lines += [f"    {line}" for line in _angles(entry)]
    if entry["note"]:
        lines.append(f"    {entry['note']}")
    return "\n".join(lines)


def _value(entry: dict[str, Any], kind: str) -> str:
    if kind not in entry:
        return "-"
    result = entry[kind]
    return f"{result['test_loss']:.3g}" if "test_loss" in result else f"{result['test_accuracy']:.2f}"


def _angles(entry: dict[str, Any]) -> list[str]:
    lines = []
    names = sorted({name for kind in ("paper", "chip", "twin") for name in entry.get(kind, {}).get("angles", {})})
    for name in names:
        cells = []
        for kind in ("paper", "chip", "twin"):
            values = entry.get(kind, {}).get("angles", {}).get(name)
            if values:
                shown = " ".join("-" if v is None else f"{v:.1f}°" for v in values)
                cells.append(f"{ {'paper': 'float twin', 'chip': 'integers', 'twin': 'their twin'}[kind] } {shown}")
        published = entry["published_angles"].get(name)
        told = f" (published {published:g}°)" if published is not None else ""
        lines.append(f"{name.replace('_', ' ')}{told}: " + "; ".join(cells))
    return lines


def _verdict(study: dict[str, Any]) -> list[str]:
    lines = []
    for kind, words in (("paper", "float twins"), ("chip", "integers")):
        if f"{kind}_in_order" in study:
            holds = "holds" if study[f"{kind}_in_order"] else "does not hold"
            lines.append(f"  {words}: the order {' > '.join(study['order'])} {holds}")
    return lines


def _total(record: dict[str, Any]) -> str:
    judged = [e["inside"] for study in record["studies"].values() for e in study["rows"] if "inside" in e]
    share = f" ({100 * sum(judged) / len(judged):.0f} %)" if judged else ""
    return (
        f"{sum(judged)} of {len(judged)} float twins{share} lie within the band of their published value. Accuracies in"
        " percent, differences and costs in points.\ncost: integers below the float twin with the same recipe, or (*)"
        " below the one with the recipe of the paper."
    )


def papers_picture(record: dict[str, Any]) -> str:
    """Return one row a published figure: its band, the float twin and the integers, in points from the paper."""
    rows = [(name, study["band"], e) for name, study in record["studies"].items() for e in study["rows"]]
    rows = [row for row in rows if row[2]["published"] is not None]
    height = _TOP + _ROW * len(rows) + 50
    middle = (_LEFT + _WIDTH - 20) / 2
    scale = (_WIDTH - 20 - _LEFT) / 2 / _SPAN

    def x(points: float) -> float:
        return middle + scale * max(-_SPAN, min(_SPAN, points))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f" aria-label={quoteattr('test accuracy in points from the published value')}>\n<style>{STYLE}</style>\n"
        f'<rect class="paper" width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<text class="title" x="20" y="28">Published figures, run again</text>\n'
        '<circle cx="26" cy="46" r="4" fill="#0b5cad"/><text x="36" y="50">float twin, recipe of the paper</text>\n'
        '<rect x="252" y="42" width="8" height="8" fill="#b45309"/><text x="266" y="50">integers, recipe of a chip'
        "</text>"
    ]
    parts += [
        f'<line class="{"axis" if point == 0 else "grid"}" x1="{x(point):.1f}" x2="{x(point):.1f}" y1="{_TOP - 8}"'
        f' y2="{height - 40}"/><text x="{x(point):.1f}" y="{height - 22}" text-anchor="middle">'
        f"{point and format(point, '+d')}</text>"
        for point in range(-int(_SPAN), int(_SPAN) + 1)
    ]
    for n, (name, band, entry) in enumerate(rows):
        parts += _line(f"{name} · {entry['row']}", _TOP + _ROW * n + 6, x, max(band or 0.0, entry["sd"] or 0.0), entry)
    told = "points from the published value; what lies further off stands at the edge"
    parts.append(f'<text x="{middle:.0f}" y="{height - 6}" text-anchor="middle">{told}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(label: str, y: float, x: Any, band: float, entry: dict[str, Any]) -> list[str]:
    parts = [
        f'<text x="{_LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>',
        f'<rect x="{x(-band):.1f}" y="{y - 7:.1f}" width="{x(band) - x(-band):.1f}" height="14" fill="#0b5cad"'
        ' fill-opacity="0.15"/>',
    ]
    for kind, shape in (("paper", "circle"), ("chip", "rect")):
        if kind not in entry:
            continue
        at = x(entry[kind]["test_accuracy"] - entry["published"])
        title = f"<title>{entry[kind]['test_accuracy']:.2f} %</title>"
        if shape == "circle":
            parts.append(f'<circle cx="{at:.1f}" cy="{y:.1f}" r="4" fill="#0b5cad">{title}</circle>')
        else:
            parts.append(f'<rect x="{at - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="#b45309">{title}</rect>')
    return parts
