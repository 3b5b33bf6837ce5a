"""Rules side by side: the list of `neuro-emu rules`, the table and the picture of `neuro-emu compare`."""

from __future__ import annotations

import textwrap
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from neuro_emu.report.curves import STYLE

_KIB = 8192
_COLUMNS = 100


def rules_list(record: dict[str, Any]) -> str:
    """Return one entry a rule: what it waits for and what it adds to a chip that learns in its output layer alone."""
    lines = [
        f"on {record['network']} ({record['design']}); beside the memories and multiplications of shallow learning:",
        "",
        f"{'rule':20}{'waits for':>10}{'memory':>15}{'feedback':>14}{'multiplications':>18}",
    ]
    for entry in record["rules"]:
        kib = f"+{entry['extra_memory_bits'] / _KIB:,.1f} KiB"
        feedback = f"{entry['feedback_bits'] / _KIB:,.1f} KiB{' *' if entry['learns_feedback'] else '  '}"
        times = f"+{entry['extra_multiplications']:,}"
        lines.append(f"{entry['rule']:20}{entry['needs']:>10}{kib:>15}{feedback:>14}{times:>18}")
    lines += ["", "* learns; multiplications of a training sample without zero inputs", ""]
    for name, reason in record["refused"].items():
        text = f"{name} does not fit this design point: {' '.join(reason.split())}"
        lines += [*textwrap.wrap(text, _COLUMNS, subsequent_indent="  "), ""]
    for entry in record["rules"]:
        options = ", ".join(f"{name}: {str(value).lower()}" for name, value in entry["options"].items())
        text = f"{entry['rule']:20}{entry['summary']}" + (f" Options: {options}." if options else "")
        lines += textwrap.wrap(text, _COLUMNS, subsequent_indent=" " * 20)
    return "\n".join(lines) + "\n"


def _accuracy(entry: dict[str, Any]) -> str:
    """Accuracy in percent or, in regression, mean squared error, with its deviation."""
    key, form = ("test_loss", ".3g") if "test_loss" in entry else ("test_accuracy", ".2f")
    deviation = entry.get(f"{key}_sd")
    return f"{entry[key]:{form}}" + (f" ± {deviation:{form}}" if deviation is not None else "")


def comparison_header(record_has_float: bool, *, regression: bool = False) -> str:
    """Return the heading of the table."""
    twin, quality = f"{'float':>15}" if record_has_float else "", "squared error" if regression else "accuracy %"
    return (
        f"{'rule':20}{'waits for':>10}{quality:>15}{twin}{'cycles':>10}{'accesses':>11}"
        f"{'memory KiB':>12}{'feedback':>10}{'multiplic.':>12}"
    )


def comparison_row(entry: dict[str, Any]) -> str:
    """Return one rule as a line of the table."""
    twin = f"{_accuracy(entry['float']):>15}" if "float" in entry else ""
    return (
        f"{entry['rule']:20}{entry['needs']:>10}{_accuracy(entry):>15}{twin}{entry['cycles_per_sample']:>10,.0f}"
        f"{entry['accesses_per_sample']:>11,.0f}{entry['memory_bits'] / _KIB:>12,.1f}"
        f"{entry['feedback_bits'] / _KIB:>10,.1f}{entry['multiplications']:>12,}"
    )


def comparison_title(record: dict[str, Any]) -> str:
    """Return what was compared."""
    seeds = f", mean ± sd of {record['seeds']} seeds" if record["seeds"] > 1 else ""
    counts = sorted({entry["epochs"] for entry in record["rules"]})
    epochs = " or ".join(map(str, counts)) + (" epoch" if counts == [1] else " epochs")
    return f"{record['name']}: {record['network']}, {record['dataset']['name']}, {epochs}{seeds}"


def comparison(record: dict[str, Any]) -> str:
    """Return the table: accuracy on the test set; cycles and accesses (words) of a training sample, as counted."""
    has_float = any("float" in entry for entry in record["rules"])
    rows = [comparison_row(entry) for entry in record["rules"]]
    header = comparison_header(has_float, regression=_regression(record))
    for name, reason in record.get("refused", {}).items():
        text = f"{name} does not fit: {' '.join(reason.split())}"
        rows += textwrap.wrap(text, _COLUMNS, subsequent_indent="  ")
    return "\n".join([comparison_title(record), "", header, *rows]) + "\n"


def _regression(record: dict[str, Any]) -> bool:
    return any("test_loss" in entry for entry in record["rules"])


_WIDTH, _LEFT, _BAR, _ROW, _TOP = 860, 150, 300, 24, 84
_CYCLES = 540
_COLOURS = {"nothing": "#7b8794", "label": "#4b7f3f", "error": "#b45309", "chain": "#0b5cad"}


def comparison_picture(record: dict[str, Any]) -> str:
    """Return accuracy and cycles of every rule as bars, in one self-contained SVG picture."""
    entries = record["rules"]
    height = _TOP + _ROW * len(entries) + 40
    key = "test_loss" if _regression(record) else "test_accuracy"
    both = [one[key] for e in entries for one in (e, e.get("float", e))]
    floor = 0.0 if key == "test_loss" else max(0.0, 5.0 * int((min(both) - 1.0) / 5.0))
    top = max(*both, 1e-9) if key == "test_loss" else 100.0
    axis = "mean squared error" if key == "test_loss" else f"test accuracy, percent (from {floor:g})"
    most = max(e["cycles_per_sample"] for e in entries)
    title = comparison_title(record)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f" aria-label={quoteattr(title)}>\n<style>{STYLE}</style>\n"
        f'<rect class="paper" width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<text class="title" x="20" y="28">{escape(title)}</text>\n'
        f'<text x="{_LEFT}" y="{_TOP - 14}">{axis}</text>\n'
        f'<text x="{_CYCLES}" y="{_TOP - 14}">cycles of a training sample</text>'
    ]
    parts += [_legend()]
    for n, entry in enumerate(entries):
        y = _TOP + _ROW * n
        accuracy = _BAR * (entry[key] - floor) / (top - floor)
        cycles = (_WIDTH - _CYCLES - 80) * entry["cycles_per_sample"] / most
        colour = _COLOURS[entry["needs"]]
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(entry["rule"])}</text>')
        parts.append(_bar(_LEFT, y, accuracy, colour, _accuracy(entry).split(" ")[0]))
        if "float" in entry:
            at = _LEFT + _BAR * (entry["float"][key] - floor) / (top - floor)
            parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 1}" y2="{y + 19}" class="twin"/>')
        parts.append(_bar(_CYCLES, y, cycles, colour, f"{entry['cycles_per_sample']:,.0f}"))
    if any("float" in entry for entry in entries):
        parts.append(f'<text x="{_LEFT}" y="{height - 14}">dark line: float twin</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(x: float, y: float, length: float, colour: str, text: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{max(length, 1):.1f}" height="18" fill="{colour}"/>'
        f'<text x="{x + max(length, 1) + 6:.1f}" y="{y + 14}">{escape(text)}</text>'
    )


def _legend() -> str:
    parts, x = ['<text x="20" y="50">hidden layers wait for:</text>'], 180
    for word, colour in _COLOURS.items():
        parts.append(f'<rect x="{x}" y="39" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="50">{word}</text>')
        x += 90
    return "\n".join(parts)
