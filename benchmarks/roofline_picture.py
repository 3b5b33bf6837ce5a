"""The roofline: operations a byte against operations a second, with what the processor allows and where ours lie.

An operation is a MAC of the forward pass or of the update. A byte is one of the weights that has to be moved at least
once: forward passes read, updates read and write, a mini-batch does both once and reads its inputs; of matrix
products, one of both operands and of the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import atan2, ceil, degrees, floor, log10
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from roofline import Peaks, stored

_WIDTH, _HEIGHT = 860, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 250, 86, 58
_STYLE = """
  .roof { stroke: #52606d; stroke-width: 2; fill: none } .slope { stroke: #9aa5b1; stroke-width: 1.5 }
  .ours { fill: #0b5cad } .product { fill: #b45309 } .small { font-size: 12px }
  .lead { stroke: #9aa5b1; stroke-width: 0.75 }
  @media (prefers-color-scheme: dark) {
    .roof { stroke: #b8c2cc } .slope { stroke: #627d98 } .ours { fill: #6cb2f5 } .product { fill: #f0a35e }
  }
"""


@dataclass(frozen=True)
class Point:
    """Something of ours: operations a byte, and 10⁹ of them a second."""

    name: str
    intensity: float
    rate: float


def point_of(name: str, record: Mapping[str, Any], *, infers: bool = False) -> Point:
    """Return where a chip of ours lies."""
    work = record["work"]
    macs, updates, sizes = work["macs"], [] if infers else work["updates"], work["bytes"]
    operations = sum(macs) + sum(updates)
    if work["batch"] > 1 and not infers:
        moved = 3 * stored(work) / work["batch"] + work["inputs"]
    else:
        moved = sum(n * b for n, b in zip(macs, sizes, strict=True))
        moved += 2 * sum(n * b for n, b in zip(updates, sizes, strict=False))
    return Point(name, operations / moved, operations / record["typical_us"] / 1e3)


def product_point(name: str, size: Sequence[int], rate: float) -> Point:
    """Return where a matrix product of (rows, depth, columns) lies."""
    rows, depth, columns = size
    moved = rows * depth + depth * columns + 4 * rows * columns
    return Point(f"product, {name}", rows * depth * columns / moved, rate)


@dataclass(frozen=True)
class _Axes:
    """Where a pair of numbers lies in the picture; both axes count in powers of ten."""

    left: int
    right: int
    low: int
    high: int

    def x(self, value: float) -> float:
        share = (log10(value) - self.left) / (self.right - self.left)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share

    def y(self, value: float) -> float:
        share = (log10(value) - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def picture(title: str, peaks: Peaks, points: Sequence[Point]) -> str:
    """Return the roofline as one self-contained SVG picture, light and dark."""
    from neuro_emu.report.curves import STYLE

    rates = [peaks.vnni, *(p.rate for p in points)]
    axes = _Axes(
        floor(log10(min(p.intensity for p in points)) - 0.3),
        ceil(log10(max(p.intensity for p in points)) + 0.1),
        floor(log10(min(rates)) - 0.1),
        ceil(log10(max(rates)) + 0.1),
    )
    below = "slopes: reading; read, changed and written: "
    below += ", ".join(f"{name} {rate:.0f} GB/s" for name, rate in peaks.change.items())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f" aria-label={quoteattr(title)}>\n<style>{STYLE}{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text class="title" x="20" y="28">{escape(title)}</text>\n<text x="20" y="48">{escape(below)}</text>',
        *_grid(axes),
        *_roofs(axes, peaks),
        *_dots(axes, points),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _grid(axes: _Axes) -> Iterator[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for power in range(axes.left, axes.right + 1):
        x = axes.x(10.0**power)
        yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{10.0**power:g}</text>'
    for power in range(axes.low, axes.high + 1):
        y = axes.y(10.0**power)
        yield f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>'
    yield f'<text x="{(_LEFT + right) / 2:.0f}" y="{bottom + 42}" text-anchor="middle">MAC per byte</text>'
    yield f'<text x="{_LEFT - 46}" y="{_TOP - 10}">GMAC/s</text>'


def _roofs(axes: _Axes, peaks: Peaks) -> Iterator[str]:
    """Yield the peak, and for each cache the slope up to it, with its name along the slope."""
    top, right = axes.y(peaks.vnni), axes.x(10.0**axes.right)
    left = axes.x(max(peaks.vnni / max(peaks.read.values()), 10.0**axes.left))
    yield f'<line class="roof" x1="{left:.1f}" y1="{top:.1f}" x2="{right:.1f}" y2="{top:.1f}"/>'
    told = f"products of bytes: {peaks.vnni:.0f} GMAC/s"
    yield f'<text x="{right - 8:.0f}" y="{top - 8:.1f}" text-anchor="end">{told}</text>'
    for n, (name, rate) in enumerate(peaks.read.items()):
        first = max(10.0**axes.left, 10.0**axes.low / rate)
        last = min(peaks.vnni / rate, 10.0**axes.right)
        ends = [(axes.x(value), axes.y(value * rate)) for value in (first, last)]
        (x, y), (far, up) = ends
        yield f'<line class="slope" x1="{x:.1f}" y1="{y:.1f}" x2="{far:.1f}" y2="{up:.1f}"/>'
        turn = f"translate({x:.1f} {y:.1f}) rotate({degrees(atan2(up - y, far - x)):.1f})"
        yield (
            f'<text class="small" transform="{turn}" x="12" y="{-5 if n < len(peaks.read) / 2 else 14}">'
            f"{name}: {rate:.0f} GB/s</text>"
        )


def _dots(axes: _Axes, points: Sequence[Point]) -> Iterator[str]:
    """Yield points, with their names in a column on the right, in their order from top to bottom."""
    placed, last = [], _TOP + 30.0
    for point in sorted(points, key=lambda p: -p.rate):
        last = max(axes.y(point.rate), last + 17)
        placed.append((point, last))
    over = max(0.0, last - (_HEIGHT - _BOTTOM))
    for point, at in placed:
        x, y, kind = axes.x(point.intensity), axes.y(point.rate), "product" if "product" in point.name else "ours"
        label = _WIDTH - _RIGHT + 12
        yield f'<line class="lead" x1="{x:.1f}" y1="{y:.1f}" x2="{label - 4}" y2="{at - over:.1f}"/>'
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
        yield f'<text class="small" x="{label}" y="{at - over + 4:.1f}">{escape(point.name)}: {point.rate:.3g}</text>'
