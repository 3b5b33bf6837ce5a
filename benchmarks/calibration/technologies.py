"""Write the interpolated technologies n65, n45, n40, n28 and n22 from the measured ones at 130 and 7 nm.

    python benchmarks/calibration/technologies.py           # writes neuro_emu/estimate/technologies/n*.yaml
    python benchmarks/calibration/technologies.py --check   # exits 1 if a file differs

Logic lies on a straight line, in logarithms, between the geometric mean of the two 130 nm libraries (IHP SG13G2 at
1.2 V, SKY130 brought to 1.2 V by the square of the voltage) and ASAP7 at 0.7 V; its range is what the two libraries
give alone, widened to figures that were published at the node. Memories have two routes: CACTI at the node, and IHP's
macros scaled by published areas of memory cells and by the energy of gates.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from neuro_emu.estimate.sram import load_fits
from neuro_emu.estimate.technology import FOLDER, find_technology

NODES = {"n65": 65.0, "n45": 45.0, "n40": 40.0, "n28": 28.0, "n22": 22.0}
CACTI = {
    "n65": "cacti65-lstp",
    "n45": "cacti45-lstp",
    "n40": "cacti45-lstp",
    "n28": "cacti28-lstp",
    "n22": "cacti22-lstp",
}
FAR, NEAR = 130.0, 7.0

CELLS = {130.0: 2.45, 65.0: 0.54, 45.0: 0.346, 28.0: 0.127, 22.0: 0.092, 7.0: 0.027}
"""Six-transistor cells in µm²: IBM 2005 (65), Intel 2007 (45), TSMC 2009 (28), Intel 2012 (22), TSMC 2016 (7), as
published at IEDM and VLSI; 130 nm between Intel's 2.09 of 2000 and the 2.5 of other foundries."""

ELSEWHERE = {
    "n65": {"gate_area": (1.44, "1.44 um2, a 65 nm low-power library")},
    "n28": {
        "gate_area": (0.614, "0.614 um2, ZigZag's table of 28 nm gates"),
        "gate_energy": (0.567, "0.567 fJ at 0.9 V, ZigZag's table of 28 nm gates"),
    },
}
"""Figures published at a node, which a range has to hold."""

LEAKIEST = 20.0
"""A gate of a general-purpose flavour leaks some twenty times one of a low-power flavour."""


def interpolate(node: float, far: float, near: float) -> float:
    """Value at *node* on a straight line, in logarithms, through 130 and 7 nm."""
    x = math.log(FAR / node) / math.log(FAR / NEAR)
    return far * (near / far) ** x


def cell(node: float) -> float:
    """Area of a memory cell in µm²: published, or between its neighbours."""
    if node in CELLS:
        return CELLS[node]
    above, below = min(n for n in CELLS if n > node), max(n for n in CELLS if n < node)
    x = math.log(above / node) / math.log(above / below)
    return CELLS[above] * (CELLS[below] / CELLS[above]) ** x


def logic(name: str, constant: str, unit: str) -> tuple[float, float, float, str]:
    """Value, low, high and source of a constant of logic."""
    ihp, sky, near = (find_technology(t).band(constant) for t in ("ihp130", "sky130", "asap7"))
    down = (1.2 / 1.8) ** 2 if unit.startswith("fJ") else 1.0
    value = interpolate(NODES[name], math.sqrt(ihp.nominal * sky.nominal * down), near.nominal)
    ends = [
        interpolate(NODES[name], far, n)
        for far, n in (
            (ihp.low, near.low),
            (ihp.high, near.high),
            (sky.low * down, near.low),
            (sky.high * down, near.high),
        )
    ]
    source = "logarithmic line between the geometric mean of ihp130 and sky130 (at 1.2 V) and asap7"
    if constant in ELSEWHERE.get(name, {}):
        figure, words = ELSEWHERE[name][constant]
        ends.append(figure)
        source += f"; range holds {words}"
    return value, min(*ends, value), max(*ends, value), source


def far_energy() -> float:
    """Energy of a gate at 130 nm and 1.2 V: the geometric mean of the two libraries."""
    ihp, sky = (find_technology(name).band("gate_energy").nominal for name in ("ihp130", "sky130"))
    return math.sqrt(ihp * sky * (1.2 / 1.8) ** 2)


def line(name: str, value: float, low: float, high: float, unit: str, kind: str, source: str) -> str:
    """One constant as YAML."""
    numbers = f"value: {value:.4g}, low: {low:.4g}, high: {high:.4g}"
    return f'  {name}:\n    {{{numbers}, unit: "{unit}", kind: {kind},\n     source: "{source}"}}\n'


def technology(name: str) -> str:
    """The file of one technology."""
    node = NODES[name]
    volt = interpolate(node, 1.2, 0.7)
    text = (
        "# Made by benchmarks/calibration/technologies.py: change that, not this."
        f" Nobody measured these constants at {node:g} nm.\n"
        f"name: {name}\ntitle: {node:g} nm, interpolated\nnode_nm: {node:g}\nconstants:\n"
    )
    text += line(
        "voltage",
        volt,
        0.55 * volt,
        1.3 * volt,
        "V",
        "interpolated",
        "logarithmic line from 1.2 V at 130 nm to 0.7 V at 7 nm; the range is where squares of the voltage hold",
    )
    text += line(
        "gate_area",
        *logic(name, "gate_area", "um2")[:3],
        "um2/gate",
        "interpolated",
        logic(name, "gate_area", "um2")[3],
    )
    for constant, unit in (("gate_energy", "fJ/gate"), ("flop_energy", "fJ/bit")):
        *numbers, source = logic(name, constant, unit)
        text += line(constant, *numbers, unit, "interpolated", source)
    text += line(
        "flop_gates",
        6.0,
        5.0,
        7.2,
        "1",
        "assumed",
        "IHP SG13G2 6.7 with reset, SKY130 5.3 plain, ZigZag's 28 nm table 6",
    )
    fits = load_fits()
    fit = fits[CACTI[name]]
    bit = fit.leakage(1024, 64) / 65536
    ratio = find_technology("ihp130").band("gate_leakage").nominal / 0.012086  # nW a bit of its macros
    text += line(
        "gate_leakage",
        ratio * bit,
        ratio * bit / 3,
        ratio * bit * LEAKIEST,
        "nW/gate",
        "assumed",
        f"{ratio:.1f} times what a bit of {fit.name} leaks, as at 130 nm (ihp130); high: a general-purpose flavour",
    )
    far, near = far_energy(), find_technology("asap7").band("gate_energy").nominal
    energy = interpolate(node, far, near) / far
    scale = (volt / fit.voltage) ** 2
    area = 1.0
    if fit.node_nm != node:
        other = interpolate(fit.node_nm, 1.2, 0.7)
        logic_here, logic_there = (interpolate(n, far, near) for n in (node, fit.node_nm))
        scale = (other / fit.voltage) ** 2 * logic_here / logic_there
        area = cell(node) / cell(fit.node_nm)
    text += "sram:\n  routes:\n"
    text += (
        f"    - {{fit: {fit.name}, energy: {scale:.4g}, area: {area:.4g},\n"
        f'       source: "CACTI 7 at {fit.node_nm:g} nm and {fit.voltage:g} V, '
        f'brought to {node:g} nm and the voltage above"}}\n'
        f"    - {{fit: ihp130, energy: {energy:.4g}, area: {cell(node) / cell(130.0):.4g},\n"
        "       source: \"IHP's macros, energy as that of gates, area as that of memory cells: "
        f'{cell(node):.3g} over 2.45 um2; leakage of a bit as at 130 nm, as it is a choice of threshold"}}\n'
    )
    text += "  energy_spread: 1.3\n  area_spread: 1.25\n  leakage_spread: 10\n"
    text += (
        '  why: "on either side of both routes: rms and most errors of the fits, 13 % and 34 %; leakage by flavour; '
        'largest as the sizes fitted, 128 bits wide"\n'
    )
    return text + "  widest: 128\n  deepest: 8192\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if a file differs")
    check = parser.parse_args().check
    stale = []
    for name in NODES:
        path, text = Path(FOLDER) / f"{name}.yaml", technology(name)
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            stale.append(name)
        elif not check:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.name}")
    if stale:
        print(f"not what the constants give: {', '.join(stale)}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
