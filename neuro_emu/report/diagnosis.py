"""What a rule does inside, as a self-contained SVG picture: a column a layer, a row a kind of measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from neuro_emu.report.curves import STYLE, _spread, _ticks

_LEFT, _TOP, _BOTTOM, _LEGEND = 24, 102, 44, 244
_PANEL, _GAP, _HEIGHT, _SPACE = 208, 60, 128, 52
"""Width of a panel and what is left of it for labels of the axis; its height and what is above it for its title."""

_COLOURS = """
  .one { stroke: #0b5cad } .two { stroke: #b45309 } .three { stroke: #3f7f33 } .four { stroke: #8b3fa0 }
  .five { stroke: #52606d } .line { fill: none; stroke-width: 2 } .dash { stroke-dasharray: 5 4 }
  .dot { stroke-width: 5; stroke-linecap: round } .mark { stroke: #9aa5b1; stroke-dasharray: 2 3 }
  .small { font-size: 12px } .head { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .one { stroke: #6cb2f5 } .two { stroke: #f0a04b } .three { stroke: #86cf76 } .four { stroke: #d08be3 }
    .five { stroke: #a3b1bf } .mark { stroke: #616e7c }
  }
"""


@dataclass(frozen=True)
class _Row:
    """Measures that share an axis.

    Attributes:
        title: with the unit.
        lines: key in the record of the chip (solid) and of the twin (dashed, "": none), label, class of the colour.
        ticks: choices for the axis, the first that holds the values; without one it is made to fit.
        mark: a value that is drawn as a line across.
        scale: what values are multiplied with.

    """

    title: str
    lines: tuple[tuple[str, str, str, str], ...]
    ticks: tuple[tuple[float, ...], ...] = ()
    mark: float | None = None
    scale: float = 1.0


_ROWS = (
    _Row(
        "angle, degrees",
        (
            ("feedback_angle", "feedback_angle", "B to transposed path", "one"),
            ("delta_angle", "delta_angle", "δ to backpropagation", "two"),
            ("update_angle", "update_angle", "ΔW to backpropagation", "three"),
            ("chip_bp_angle", "", "written ΔW to backpropagation", "four"),
        ),
        ((0.0, 30.0, 60.0, 90.0, 120.0), (0.0, 45.0, 90.0, 135.0, 180.0)),
        mark=90.0,
    ),
    _Row("norm of W", (("norm", "norm", "Frobenius norm", "one"),)),
    _Row(
        "share, percent",
        (
            ("underflow", "", "steps below one code", "one"),
            ("zero_updates", "", "steps rounded to 0", "two"),
            ("weights_saturated", "", "weights at an end", "three"),
            ("q_saturated", "", "q at an end of the table", "four"),
            ("delta_zero", "", "δ of code 0", "five"),
        ),
        ((0.0, 25.0, 50.0, 75.0, 100.0),),
        scale=100.0,
    ),
    _Row(
        "rate over nominal rate",
        (("effective_rate", "", "written by the chip", "one"), ("twin_rate", "", "by its float twin", "two")),
        mark=1.0,
    ),
)


def diagnosis_curves(record: dict[str, list[dict[str, Any]]], title: str) -> str:
    """Return measures over epochs: the chip solid, its float twin dashed.

    Args:
        record: ``{"chip": […], "twin": […]}`` of `diagnostics.diagnose_both`; one of them may be missing or empty.
        title: of the picture.

    """
    chip, twin = record.get("chip", []), record.get("twin", [])
    layers = len((chip or twin)[0]["layers"])
    width = _LEFT + layers * (_GAP + _PANEL) + _LEGEND
    rows = [row for row in _ROWS if any(_values(row, chip, twin, k) for k in range(layers))]
    height = _TOP + len(rows) * (_HEIGHT + _SPACE) + _BOTTOM - _SPACE + 20
    parts = [_frame(title, width, height)]
    for k in range(layers):
        name = f"layer {k}" if k < layers - 1 else f"layer {k}, output"
        parts.append(f'<text class="head" x="{_x(k)}" y="{_TOP - 28}">{name}</text>')
    for number, row in enumerate(rows):
        top = _TOP + number * (_HEIGHT + _SPACE)
        ticks = _axis(row, [value for k in range(layers) for value in _values(row, chip, twin, k)])
        for k in range(layers):
            parts += _panel(row, (chip, twin), k, top, ticks)
        parts += _legend(row, chip, twin, layers, top)
    for k in range(layers):
        y = height - _BOTTOM + 12
        parts.append(f'<text class="small" x="{_x(k) + _PANEL / 2}" y="{y}" text-anchor="middle">epochs done</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(layer: int) -> int:
    """Left end of the panels of a layer."""
    return _LEFT + layer * (_GAP + _PANEL) + _GAP - 16


def _frame(title: str, width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f" aria-label={quoteattr(title)}>\n"
        f"<style>{STYLE}{_COLOURS}</style>\n"
        f'<rect class="paper" width="{width}" height="{height}" fill="#ffffff"/>\n'
        f'<text class="title" x="{_LEFT}" y="26">{escape(title)}</text>\n'
        f'<text x="{_LEFT}" y="45">chip solid, float twin dashed</text>'
    )


def _points(entries: list[dict[str, Any]], row: _Row, key: str, k: int) -> list[tuple[int, float]]:
    """(epoch, value) of one measure of a layer, what is undefined left out."""
    found = []
    for entry in entries if key else ():
        layer = entry["layers"][k]
        value = layer.get(key)
        if value is not None and key.endswith("_rate"):
            value = value / layer["nominal_rate"]
        if value is not None:
            found.append((entry["epoch"], value * row.scale))
    return found


def _series(row: _Row, chip: Any, twin: Any, k: int) -> list[tuple[list[tuple[int, float]], str]]:
    """Points and classes of every line of a panel."""
    found = []
    for of_chip, of_twin, _, colour in row.lines:
        found.append((_points(chip, row, of_chip, k), colour))
        found.append((_points(twin, row, of_twin, k), f"{colour} dash"))
    return [(points, style) for points, style in found if points]


def _values(row: _Row, chip: Any, twin: Any, k: int) -> list[float]:
    return [value for points, _ in _series(row, chip, twin, k) for _, value in points]


def _axis(row: _Row, values: list[float]) -> list[float]:
    """Ticks that hold all values of a row, the mark and 0: its panels are to be compared."""
    held = [*values, *([] if row.mark is None else [row.mark])]
    for ticks in row.ticks:
        if min(held) >= ticks[0] and max(held) <= ticks[-1]:
            return list(ticks)
    low = min(*held, 0.0)
    made = _ticks(low, max(held), 1e-6)
    while made[0] > low:  # ticks of accuracies have no need of a negative one
        made.insert(0, round(made[0] - (made[-1] - made[-2]), 9))
    return made


def _panel(row: _Row, entries: tuple[Any, Any], k: int, top: int, ticks: list[float]) -> list[str]:
    left, right, base = _x(k), _x(k) + _PANEL, top + _HEIGHT
    parts = [f'<text class="small" x="{left}" y="{top - 9}">{escape(row.title)}</text>'] if k == 0 else []
    series = _series(row, *entries, k)
    if not series:
        return [*parts, f'<text class="small" x="{left + 8}" y="{top + _HEIGHT / 2:g}">none in this layer</text>']
    last = max(1, *(epoch for points, _ in series for epoch, _ in points))

    def x(epoch: float) -> float:
        return left + (right - left) * epoch / last

    def y(value: float) -> float:
        return base - _HEIGHT * (value - ticks[0]) / (ticks[-1] - ticks[0])

    for tick in ticks:
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        label = f'<text class="small" x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        parts.append(label)
    if row.mark is not None:
        parts.append(f'<line class="mark" x1="{left}" x2="{right}" y1="{y(row.mark):.1f}" y2="{y(row.mark):.1f}"/>')
    parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{base}" y2="{base}"/>')
    parts += [
        f'<text class="small" x="{x(epoch):.1f}" y="{base + 15}" text-anchor="middle">{epoch}</text>'
        for epoch in sorted({0, last // 2, last})
    ]
    for points, style in series:
        places = " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in points)
        if len(points) == 1:  # a line of one point cannot be seen
            parts.append(f'<polyline class="line {style} dot" points="{places} {places}"/>')
        else:
            parts.append(f'<polyline class="line {style}" points="{places}"/>')
    return parts


def _legend(row: _Row, chip: Any, twin: Any, layers: int, top: int) -> list[str]:
    """Names of the lines that some panel of a row shows."""
    left, parts = _x(layers - 1) + _PANEL + 18, []
    shown = [
        (label, colour)
        for of_chip, of_twin, label, colour in row.lines
        if any(_points(chip, row, of_chip, k) or _points(twin, row, of_twin, k) for k in range(layers))
    ]
    for (label, colour), y in zip(shown, _spread([top + 8.0] * len(shown), 20.0), strict=True):
        parts.append(f'<line class="line {colour}" x1="{left}" x2="{left + 18}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="small" x="{left + 25}" y="{y + 4}">{escape(label)}</text>')
    return parts
