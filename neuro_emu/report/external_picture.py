"""External memory as a picture: accesses relative to backpropagation over the depth of networks, after figure 6.1."""

from __future__ import annotations

from typing import Any

from neuro_emu.report.analysis_chart import Panel, Series, picture, round_ticks
from neuro_emu.report.quantities import digits, exact

Record = dict[str, Any]

_TITLES = {"thesis": "as the thesis counts", "full": "all that moves"}


def external_picture(record: Record) -> str:
    """Return a panel a family of networks and accounting, a line a rule, in one self-contained SVG picture."""
    families = dict.fromkeys(network["family"] for network in record["networks"])
    panels = [_panel(record, name, family) for name in record["accountings"] for family in families]
    on_chip = f"{exact(record['capacity_kib'])} KiB" if record["capacity_kib"] else "nothing"
    data = f"{record['data']}, " if record.get("data") else ""
    below = f"{data}mini-batch {record['batch']}, {on_chip} kept on the chip; thesis: parameters and activations alone"
    return picture("external memory of a training step, against backpropagation", below, panels)


def _panel(record: Record, accounting: str, family: str) -> Panel:
    networks = [network for network in record["networks"] if network["family"] == family]
    networks.sort(key=lambda network: network["depth"])
    found = {
        (e["network"], e["rule"]): e["percent"]
        for e in record["entries"]
        if e["accounting"] == accounting and e["percent"] is not None
    }
    lines, values = [], [100.0]
    for colour, rule in enumerate(record["pictured"]):
        points = [(n["depth"], found[n["name"], rule]) for n in networks if (n["name"], rule) in found]
        values += [value for _, value in points]
        label = record["rules"][rule]
        if points:
            label += f": {digits(points[-1][1])} %"
        lines.append(Series(label, points, colour, small_dots=True))
    title = f"{family or 'fully connected'}, {_TITLES.get(accounting, accounting)}"
    unit = "numbers" if accounting == "thesis" else "bits"
    depths = sorted({float(network["depth"]) for network in networks})
    return Panel(title, "layers with weights", f"per cent of the {unit} of bp", lines, (), depths, _ticks(values))


def _ticks(values: list[float]) -> list[float]:
    return round_ticks(0.0, max(values))
