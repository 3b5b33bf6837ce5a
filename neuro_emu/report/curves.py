"""Learning curves as a self-contained SVG picture."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from xml.sax.saxutils import escape, quoteattr

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 180, 56, 48
_SERIES = (
    ("test_accuracy", "test", "#0b5cad", ""),
    ("validation_accuracy", "validation", "#b45309", "6 3"),
    ("train_accuracy", "while learning", "#4b7f3f", "2 3"),
)
_LONGEST_NETWORK = 60
"""Characters that a title has room for."""
_LOSSES = (("test_loss", "test", "#0b5cad", ""), ("validation_loss", "validation", "#b45309", "6 3"))
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2933 }
  .title { font-size: 16px; font-weight: 600 }
  .axis { stroke: #52606d }
  .grid { stroke: #d9e2ec }
  .twin { stroke: #1f2933; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #14181d } text { fill: #e4e7eb } .axis { stroke: #9aa5b1 } .grid { stroke: #323f4b }
    .twin { stroke: #f5f7fa }
  }
"""
"""Style of all pictures: light, and dark where the reader prefers it."""


def learning_curves(metrics: dict[str, Any]) -> str:
    """Return accuracy in percent (regression: mean squared error) over epochs.

    Test, validation where there is one, and while learning.
    """
    epochs = metrics["epochs"]
    regression = "test_loss" in metrics
    shown = [s for s in (_LOSSES if regression else _SERIES) if epochs[0][s[0]] is not None]
    values = [e[key] for e in epochs for key, *_ in shown]
    ticks = _ticks(min(values), max(values), 1e-6 if regression else 0.5)
    low, high = ticks[0], ticks[-1]

    def x(epoch: float) -> float:
        span = max(1, len(epochs) - 1)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (epoch / span if len(epochs) > 1 else 0.5)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low)

    parts = [_frame(metrics), *_horizontal(ticks, y), *_epoch_labels(len(epochs), x)]
    ends = _spread([y(epochs[-1][key]) for key, *_ in shown])
    for (key, label, colour, dash), end in zip(shown, ends, strict=True):
        points = [(x(e["epoch"]), y(e[key])) for e in epochs]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in points]
        text = f"{label} {epochs[-1][key]:.3g}" if regression else f"{label} {epochs[-1][key]:.2f} %"
        parts.append(f'<text x="{_WIDTH - _RIGHT + 10}" y="{end + 4:.1f}" style="fill: {colour}">{escape(text)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(metrics: dict[str, Any]) -> str:
    network = f"{metrics['network']}, " if len(metrics["network"]) <= _LONGEST_NETWORK else ""
    title = f"{metrics['name']}: {network}{metrics['rule']}, seed {metrics['seed']}"
    last, error = metrics["epochs"][-1]["test_accuracy"], metrics.get("test_loss")
    told = f"{last:.2f} % on the test set" if error is None else f"error {error:.3g} on the test set"
    axis = "accuracy in percent, by epoch" if error is None else "mean squared error, by epoch"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f" aria-label={quoteattr(f'{title}: {told}')}>\n"
        f"<style>{STYLE}</style>\n"
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>\n'
        f'<text class="title" x="{_LEFT}" y="26">{escape(title)}</text>\n'
        f'<text x="{_LEFT}" y="44">{axis}</text>'
    )


def _ticks(low: float, high: float, least: float = 0.5) -> list[float]:
    """Round numbers that enclose [low, high], a span of at least *least*; four to eight of them."""
    span = max(high - low, least)
    step = next(s * 10.0**p for p in range(-7, 3) for s in (1, 2, 5) if span / (s * 10.0**p) <= 6)
    first = int(low / step) * step
    ticks = [first]
    while ticks[-1] < high:
        ticks.append(round(ticks[-1] + step, 9))
    if len(ticks) > 1:
        return ticks
    return [first - step, first] if first >= 100 else [first, first + step]


def _horizontal(ticks: list[float], y: Any) -> list[str]:
    parts = []
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    base = _HEIGHT - _BOTTOM
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>')
    return parts


def _epoch_labels(epochs: int, x: Any) -> list[str]:
    step = max(1, -(-epochs // 12))
    y = _HEIGHT - _BOTTOM + 20
    labels = [f'<text x="{x(e):.1f}" y="{y}" text-anchor="middle">{e + 1}</text>' for e in range(0, epochs, step)]
    return [
        *labels,
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{y + 20}" text-anchor="middle">epoch</text>',
    ]


def _spread(positions: list[float], gap: float = 18.0) -> list[float]:
    """Move label positions apart so that none covers another."""
    order = sorted(range(len(positions)), key=positions.__getitem__)
    moved = list(positions)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + gap)
    return moved
