"""Published chips beside their estimates as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from neuro_emu.report.quantities import digits, exact
from neuro_emu.report.technologies import written

Record = dict[str, Any]

_COLUMNS, _FIGURE = 100, 27


def chips_text(rows: Sequence[Record]) -> str:
    """Return published figures against estimated ones, in at most 100 columns, and their sources below.

    Args:
        rows: chip, title, figure, published, unit, low, nominal, high, ratio (estimate over published), inside (whether
            the published figure lies in the band), bar (what is promised, may be empty), met (None: nothing promised)
            and source of each; where nothing is published, published, ratio and inside are None.

    """
    head = f"{'published':>13}{'estimate':>9}{'low to high':>17}{'off':>10}{'':2}{'band':4} bar"
    lines = [f"{'':{_FIGURE}}{head}"]
    chip = None
    for row in rows:
        if row["chip"] != chip:
            chip = row["chip"]
            lines += textwrap.wrap(f"{chip}: {row['title']}", _COLUMNS, subsequent_indent="  ")
        lines += _row(row)
    lines += ["", *_verdict(rows), "", "sources of what is published"]
    lines += _sources(rows)
    return "\n".join(lines) + "\n"


def _row(row: Record) -> list[str]:
    """Return the line of a figure; a long name or bar goes on below."""
    unit = written(row["unit"])
    names = textwrap.wrap(row["figure"], _FIGURE - 4)
    published = f"- {unit}" if row["published"] is None else f"{exact(row['published'])} {unit}"
    span = f"{digits(row['low'])} to {digits(row['high'])}" if row["low"] != row["high"] else "-"
    bars = textwrap.wrap(_bar(row), _COLUMNS - _FIGURE - 56) or [""]
    inside = {True: "in", False: "out", None: "-"}[row["inside"]]
    numbers = f"{published:>13}{digits(row['nominal']):>9}{span:>17}{_off(row):>10}  {inside:4} "
    blank = " " * len(numbers)
    lines = []
    for n in range(max(len(names), len(bars))):
        name, bar = (texts[n] if n < len(texts) else "" for texts in (names, bars))
        lines.append(f"  {'  ' * bool(n)}{name:{_FIGURE - 2 - 2 * bool(n)}}{blank if n else numbers}{bar}".rstrip())
    return lines


def _off(row: Record) -> str:
    """Return how far the estimate is off: in points for percentages, as a factor otherwise."""
    if row["unit"] == "%" and row["published"] is not None:
        return f"{row['nominal'] - row['published']:+.1f} pt"
    return "-" if row["ratio"] is None else f"×{digits(row['ratio'])}"


def _bar(row: Record) -> str:
    if not row["bar"]:
        return ""
    return f"{row['bar']}{ {True: ' met', False: ' missed', None: ''}[row['met']] }"


def _verdict(rows: Sequence[Record]) -> list[str]:
    published, inside = sum(row["published"] is not None for row in rows), sum(bool(row["inside"]) for row in rows)
    judged = [row["met"] for row in rows if row["met"] is not None]
    told = f"{inside} of {published} published figures lie within the band of their estimate"
    if judged:
        told += f"; {sum(judged)} of {len(judged)} bars are met"
    told += ". off: estimate over published; of percentages, the difference in points."
    return textwrap.wrap(told, _COLUMNS)


def _sources(rows: Sequence[Record]) -> list[str]:
    """Return each source once, with the figures that it gives."""
    figures: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        figures.setdefault((row["chip"], row["source"]), []).append(row["figure"])
    lines = []
    for (chip, source), names in figures.items():
        text = f"{chip}, {', '.join(names)}: {source}"
        lines += textwrap.wrap(text, _COLUMNS, initial_indent="  ", subsequent_indent="    ")
    return lines
