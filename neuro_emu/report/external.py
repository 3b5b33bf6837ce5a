"""External memory as text: rules beside each other on networks, every access of one, or lines of an estimate."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from neuro_emu.report.quantities import ENERGY, Ladder, clipped, digits, ends, exact, shown

Record = dict[str, Any]

_COLUMNS, _LABEL, _CELL = 100, 32, 9
BASE = "bp"
COUNT: Ladder = ((0.0, 1.0, ""), (1e3, 1e3, "k"), (1e6, 1e6, "M"), (1e9, 1e9, "G"))
"""Numbers that move."""
SIZE: Ladder = ((0.0, 8.0, "B"), (8192.0, 8192.0, "KiB"), (8388608.0, 8388608.0, "MiB"), (2.0**33, 2.0**33, "GiB"))
"""From bits."""


def external_text(record: Record, *, full: bool = False) -> str:
    """Return a comparison in at most 100 columns, as many networks side by side as fit.

    Args:
        record: as of :func:`neuro_emu.api.external.external`.
        full: with phases, kinds and layers of every step; the record has to list them.

    """
    lines = [*_heading(record)]
    for name, about in record["accountings"].items():
        lines += ["", *textwrap.wrap(f"{name}: {about}", _COLUMNS, subsequent_indent="  ")]
        networks = [network["name"] for network in record["networks"]]
        side = (_COLUMNS - _LABEL) // _CELL
        for start in range(0, len(networks), side):
            lines += _table(record, name, networks[start : start + side])
    lines += ["", *_networks(record), "", *_closing(record)]
    if full:
        lines += [line for entry in record["entries"] for line in _steps(record, entry)]
    return "\n".join(lines) + "\n"


def _heading(record: Record) -> list[str]:
    data = record.get("data", "")
    told = "what a training step reads and writes in external memory, in per cent of backpropagation"
    on_chip = f"{exact(record['capacity_kib'])} KiB" if record["capacity_kib"] else "nothing"
    settings = [f"{data}, mini-batch {record['batch']}", f"{on_chip} of parameters and kept activations on the chip"]
    if "number_bits" in record:
        own = "; configurations: those of their formats" * bool(record.get("configurations"))
        settings.insert(1, f"{record['number_bits']} bits a number{own}")
    if record["generated"]:
        settings.append("fixed random matrices generated")
    return [told, *textwrap.wrap("; ".join(settings), _COLUMNS, subsequent_indent="  ")]


def _entry(record: Record, accounting: str, network: str, rule: str) -> Record:
    wanted = (accounting, network, rule)
    return next(e for e in record["entries"] if (e["accounting"], e["network"], e["rule"]) == wanted)


def _table(record: Record, accounting: str, networks: Sequence[str]) -> list[str]:
    """Return per cent by rule and network, and what backpropagation moves."""
    lines = [" " * _LABEL + "".join(f"{_short(name):>{_CELL}}" for name in networks)]
    for rule, label in record["rules"].items():
        found = [_entry(record, accounting, network, rule)["percent"] for network in networks]
        cells = "".join(f"{'-' if percent is None else digits(percent):>{_CELL}}" for percent in found)
        lines.append(f"  {label:{_LABEL - 2}}{cells}")
    base = next((rule for rule in record["rules"] if rule == BASE), None)
    if base:
        entries = [_entry(record, accounting, network, base) for network in networks]
        numbers = [("numbers", [shown(e["words"], COUNT) for e in entries])] if accounting == "thesis" else []
        for label, told in (
            *numbers,
            ("size", [shown(e["bits"], SIZE) for e in entries]),
            ("energy a sample", [shown(e["energy_pj"]["nominal"], ENERGY) for e in entries]),
        ):
            lines.append(f"  {f'{BASE}: {label}':{_LABEL - 2}}" + "".join(f"{cell:>{_CELL}}" for cell in told))
    return lines


def _short(name: str) -> str:
    return clipped(name, _CELL - 1)


def _networks(record: Record) -> list[str]:
    """Return sizes of the networks, and where their layer lists come from."""
    lines = [f"{'':{_LABEL}}{'parameters':>13}{'activations':>13}{'buffers':>13}{'layers':>9}"]
    sources: dict[str, list[str]] = {}
    for one in record["networks"]:
        name, size = f"  {clipped(one['name'], _LABEL - 3)}", shown(one["working_bits"], SIZE)
        numbers = f"{one['parameters']:>13,}{one['activations']:>13,}{size:>13}{one['depth']:>9}"
        lines.append(f"{name:{_LABEL}}{numbers}")
        sources.setdefault(one["about"], []).append(one["name"])
    for about, names in sources.items():
        lines += textwrap.wrap(f"{', '.join(names)}: {about}", _COLUMNS, initial_indent="  ", subsequent_indent="    ")
    return lines


def _closing(record: Record) -> list[str]:
    told = (
        "activations: of a sample, between layers. buffers: what the layer at work is given and gives, for the"
        " mini-batch, taken to lie on the chip. What else is assumed: docs/external-memory.md."
    )
    return [*textwrap.wrap(told, _COLUMNS), *_dram(record["dram"])]


def _dram(dram: Mapping[str, Any]) -> list[str]:
    text = f"a bit: {digits(dram['nominal'])} pJ ({digits(dram['low'])} to {digits(dram['high'])}); {dram['source']}"
    return textwrap.wrap(text, _COLUMNS, subsequent_indent="  ")


def _steps(record: Record, entry: Record) -> list[str]:
    """Return a step by phase, by kind and access by access."""
    label = record["rules"][entry["rule"]]
    lines = ["", f"{entry['network']}, {label}, {entry['accounting']}: {_totals(entry)}"]
    return lines + _split(entry) + _accesses(entry)


def _totals(step: Mapping[str, Any]) -> str:
    told = f"{shown(step['read_bits'], SIZE)} read, {shown(step['written_bits'], SIZE)} written"
    return f"{told}, {ends(step['energy_pj'], ENERGY)} a sample"


def _split(step: Mapping[str, Any]) -> list[str]:
    lines = [f"  {'':22}{'read':>12}{'written':>12}{'size':>14}"]
    for title in ("by_phase", "by_kind"):
        for name, one in step[title].items():
            cells = f"{shown(one['read'], COUNT):>12}{shown(one['written'], COUNT):>12}{shown(one['bits'], SIZE):>14}"
            lines.append(f"  {title[3:] + ' ' + name:22}{cells}".rstrip())
    return lines


def _accesses(step: Mapping[str, Any]) -> list[str]:
    lines = [f"  {'phase':10}{'what':26}{'way':7}{'numbers':>14}{'size':>14}"]
    for one in step.get("accesses", ()):
        where = one["kind"] if one["layer"] < 0 else f"{one['kind']}[{one['layer']}]"
        cells = f"{one['words']:>14,.10g}{shown(one['bits'], SIZE):>14}"
        lines.append(f"  {one['phase']:10}{where:26}{one['way']:7}{cells}")
    return lines if len(lines) > 1 else []


def _ranges(names: Sequence[str]) -> list[str]:
    """Return names such as `weights[3]` with those of neighbouring layers as one: `weights[3 to 5]`."""
    found: list[tuple[str, list[int]]] = []
    for name in names:
        kind, _, rest = name.partition("[")
        layer = int(rest[:-1]) if rest else -1
        if found and rest and found[-1][0] == kind and abs(layer - found[-1][1][-1]) == 1:
            found[-1][1].append(layer)
        else:
            found.append((kind, [layer]))
    texts = []
    for kind, layers in found:
        first, last = min(layers), max(layers)
        both = f"{first} to {last}" if last > first + 1 else ", ".join(map(str, sorted(layers)))
        texts.append(kind if first < 0 else f"{kind}[{both}]")
    return texts


def estimate_section(found: Record, *, full: bool = False) -> list[str]:
    """Return what external memory adds to an estimate.

    Args:
        found: part `external` of the record of an estimate.
        full: with every access.

    """
    on_chip = f"{exact(found['capacity_kib'])} KiB" if found["capacity_kib"] else "nothing"
    title = f"external memory, {on_chip} of the parameters and kept activations on the chip"
    lines = ["", title, f"{'':20}{'read':>12}{'written':>12}   energy, and with that of the chip"]
    for name, label in (("inference", "an inference"), ("training", "a training sample")):
        step = found[name]
        cells = "".join(f"{shown(step[way] / step['samples'], SIZE):>12}" for way in ("read_bits", "written_bits"))
        lines.append(f"  {label:18}{cells}   {ends(step['energy_pj'], ENERGY)}, {ends(step['together_pj'], ENERGY)}")
    lines.append("  every row counts, whether its input is 0 or not; the chip's own figures hold memory for all of it")
    for label, names in (
        ("outside", found["training"]["outside"]),
        ("on the chip", found["training"]["on_chip"]),
    ):
        told = f"{label}: {', '.join(_ranges(names)) or 'nothing'}"
        lines += textwrap.wrap(told, _COLUMNS, initial_indent="  ", subsequent_indent="    ")
    if full:
        for name in ("training", "inference"):
            lines += ["", f"  {name}: {_totals(found[name])}", *_split(found[name]), *_accesses(found[name])]
        lines += _dram(found["dram"])
    return lines
