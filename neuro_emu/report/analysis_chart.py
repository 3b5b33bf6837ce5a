"""Panels of lines in one self-contained SVG picture, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor
from xml.sax.saxutils import escape, quoteattr

from neuro_emu.report.curves import STYLE

COLOURS = 6
"""How many colours there are; after that they begin again."""
_LIGHT = ("#0b5cad", "#b45309", "#3f7a33", "#7c3aad", "#b4234a", "#52606d")
_DARK = ("#6cb2f5", "#f0a35e", "#8ecb7f", "#c4a1ee", "#f2859f", "#b8c2cc")
_PLOT, _TALL, _LEFT, _RIGHT, _ABOVE, _BELOW, _HEAD = 340, 240, 62, 170, 44, 52, 62


@dataclass(frozen=True)
class Series:
    """A line.

    Attributes:
        label: written at its end.
        points: (x, y), in the order in which they are joined.
        colour: 0 … :data:`COLOURS` − 1.
        band: for each point how far the band around it reaches; none: no band.
        dots: indices of points to mark with a dot.
        rings: indices of points to mark with a ring.
        small_dots: whether every point has a small dot.

    """

    label: str
    points: Sequence[tuple[float, float]]
    colour: int
    band: Sequence[float] = ()
    dots: Sequence[int] = ()
    rings: Sequence[int] = ()
    small_dots: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines over one pair of axes.

    Attributes:
        title: above it.
        x_label, y_label: what the axes show, with units.
        series: the lines.
        marks: x at which a dashed line stands.
        x_ticks, y_ticks: where to write numbers; none: round ones.
        at_ends: whether labels stand beside the ends of their lines, and not in a column on the right.

    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    marks: Sequence[float] = ()
    x_ticks: Sequence[float] = ()
    y_ticks: Sequence[float] = ()
    at_ends: bool = False


def round_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return round numbers that enclose [low, high], about three to eight of them; *whole*: no fractions."""
    span = max(high - low, 1.0 if whole else 1e-9)
    powers = range(0 if whole else -10, 12)
    step = next(s * 10.0**p for p in powers for s in (1, 2, 5) if span / (s * 10.0**p) <= 6)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(n * step, 10) for n in range(first, max(last, first + 1) + 1)]


def picture(title: str, below: str, panels: Sequence[Panel], columns: int = 2) -> str:
    """Return panels, *columns* side by side, under a title and a line *below* it."""
    columns = min(columns, len(panels))
    wide, tall = _LEFT + _PLOT + _RIGHT, _ABOVE + _TALL + _BELOW
    width = max(columns * wide, 720)
    height = _HEAD + tall * ceil(len(panels) / columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f" aria-label={quoteattr(title)}>\n<style>{STYLE}{_style()}</style>\n"
        f'<rect class="paper" width="{width}" height="{height}" fill="#ffffff"/>\n'
        f'<text class="title" x="20" y="28">{escape(title)}</text>\n<text x="20" y="48">{escape(below)}</text>'
    ]
    for n, panel in enumerate(panels):
        place = f"translate({n % columns * wide + _LEFT} {_HEAD + n // columns * tall + _ABOVE})"
        parts += [f'<g transform="{place}">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _style() -> str:
    def rules(colours: Sequence[str]) -> str:
        return " ".join(
            f".c{n} {{ stroke: {c} }} .f{n} {{ fill: {c} }} text.f{n} {{ fill: {c} }}" for n, c in enumerate(colours)
        )

    return (
        ".line { fill: none; stroke-width: 2; stroke-linejoin: round } .band { fill-opacity: 0.15 }"
        " .ring { fill: none; stroke-width: 2 } .mark { stroke: #9aa5b1; stroke-dasharray: 4 4 }"
        " .head { font-weight: 600 }\n"
        f"  {rules(_LIGHT)}\n  @media (prefers-color-scheme: dark) {{ .mark {{ stroke: #52606d }} {rules(_DARK)} }}\n"
    )


def _panel(panel: Panel) -> list[str]:
    """Axes, marks and lines; the origin is the upper left corner of the plot."""
    xs = [x for series in panel.series for x, _ in series.points]
    bands = [(p[1], r) for s in panel.series for p, r in zip(s.points, s.band or [0.0] * len(s.points), strict=True)]
    parts = [f'<text class="head" x="0" y="-24">{escape(panel.title)}</text>']
    if not xs:
        return [*parts, '<text x="0" y="20">nothing to show: no angle is defined</text>']
    x_ticks = panel.x_ticks or round_ticks(min(xs), max(xs))
    y_ticks = panel.y_ticks or round_ticks(min(y - r for y, r in bands), max(y + r for y, r in bands))
    x_low, x_high = min(x_ticks[0], *xs), max(x_ticks[-1], *xs)

    def x(value: float) -> float:
        return _PLOT * (value - x_low) / ((x_high - x_low) or 1.0)

    def y(value: float) -> float:
        return _TALL - _TALL * (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])

    parts.append(f'<text x="0" y="-8">{escape(panel.y_label)}</text>')
    for tick in y_ticks:
        parts.append(f'<line class="grid" x1="0" x2="{_PLOT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text x="-8" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    parts += [
        f'<line class="mark" x1="{x(m):.1f}" x2="{x(m):.1f}" y1="0" y2="{_TALL}"/>'
        for m in panel.marks
        if x_low <= m <= x_high
    ]
    parts.append(f'<line class="axis" x1="0" x2="{_PLOT}" y1="{_TALL}" y2="{_TALL}"/>')
    parts += [f'<text x="{x(t):.1f}" y="{_TALL + 19}" text-anchor="middle">{t:g}</text>' for t in x_ticks]
    parts.append(f'<text x="{_PLOT / 2}" y="{_TALL + 39}" text-anchor="middle">{escape(panel.x_label)}</text>')
    for series in panel.series:
        parts += _line(series, x, y)
    shown = [series for series in panel.series if series.points]
    for series, at in zip(shown, _apart([y(series.points[-1][1]) for series in shown]), strict=True):
        left = (x(series.points[-1][0]) if panel.at_ends else _PLOT) + 9
        label = f'<text class="f{series.colour % COLOURS}" x="{left:.1f}" y="{at + (-6 if panel.at_ends else 4):.1f}">'
        parts.append(f"{label}{escape(series.label)}</text>")
    return parts


def _line(series: Series, x: Callable[[float], float], y: Callable[[float], float]) -> list[str]:
    colour, parts = series.colour % COLOURS, []
    if series.band:
        reach = list(zip(series.points, series.band, strict=True))
        edge = [(px, py + r) for (px, py), r in reach] + [(px, py - r) for (px, py), r in reversed(reach)]
        path = " ".join(f"{x(px):.1f},{y(py):.1f}" for px, py in edge)
        parts.append(f'<polygon class="band f{colour}" points="{path}"/>')
    places = [(x(px), y(py)) for px, py in series.points]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
    parts.append(f'<polyline class="line c{colour}" points="{path}"/>')
    dots = dict.fromkeys(range(len(places)), 2.2) if series.small_dots or len(places) == 1 else {}
    dots |= dict.fromkeys(series.dots, 4.5)
    for n, radius in dots.items():
        px, py = places[n]
        parts.append(f'<circle class="f{colour}" cx="{px:.1f}" cy="{py:.1f}" r="{radius}"/>')
    for n in series.rings:
        px, py = places[n]
        parts.append(f'<circle class="ring c{colour}" cx="{px:.1f}" cy="{py:.1f}" r="5.5"/>')
    return parts


def _apart(positions: Sequence[float], gap: float = 17.0) -> list[float]:
    """Move labels apart so that none covers another, and none lies below the plot."""
    order = sorted(range(len(positions)), key=positions.__getitem__)
    moved = list(positions)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + gap)
    limit = float(_TALL)
    for n in reversed(order):
        moved[n] = min(moved[n], limit)
        limit = moved[n] - gap
    return moved
