"""A memory's figures from nothing but what the report prints: terms of the fits, scaling, routes, supply."""

import math
import re

import pytest

from neuro_emu import api
from neuro_emu.api.estimate import Settings, estimate_of
from neuro_emu.report.estimate import estimate_text

TERMS = {
    "one": lambda w, d: 1.0,
    "w": lambda w, d: w,
    "d": lambda w, d: d,
    "sqrt_d": lambda w, d: math.sqrt(d),
    "sqrt_wd": lambda w, d: math.sqrt(w * d),
    "w_sqrt_d": lambda w, d: w * math.sqrt(d),
    "wd": lambda w, d: w * d,
    "w_sqrt_wd": lambda w, d: w * math.sqrt(w * d),
}
NAMED = re.compile(r"([0-9.e+-]+) ([a-z0-9-]+)\[(\d+)x(\d+)(:1R1W)?\]")


def by_hand(sram, quantity, fit, words, bits, two):
    """One macro by one route, from the record alone."""
    (route,) = (one for one in sram["routes"] if one["fit"] == fit)
    value = sum(value * TERMS[name](bits, words) for name, value in route["terms"][quantity].items())
    scale = {"read_pj": "energy", "write_pj": "energy", "area_um2": "area", "leak_nw": "leakage"}[quantity]
    return value * route[scale] * (route["two_ports"][quantity] if two else 1.0)


@pytest.mark.parametrize("technology", ["ihp130", "n28", "n40", "asap7"])
def test_every_macro_worked_out_from_the_record(technology):
    made = estimate_of(api.load("configs/drtp_small.yaml"), Settings(technology=technology))
    seen = 0
    for part in made.record["parts"]:
        if part["component"] != "sram" or "macros" not in part:
            continue
        lines = {"area_um2": part["area_how"], "leak_nw": part["leakage_how"]}
        lines |= {f"{name}_pj": action["how_fj"] for name, action in part["actions"].items()}
        for quantity, how in lines.items():
            for value, fit, words, bits, two in NAMED.findall(how):
                hand = by_hand(made.record["sram"], quantity, fit, int(words), int(bits), bool(two))
                assert float(value) == pytest.approx(hand, rel=1e-4), (part["name"], quantity)
                seen += 1
    assert seen >= 20


def test_the_whole_way_for_one_memory():
    """Energy of a read of weights[0] on one route, by hand: macros across the width, pJ to fJ, the supply."""
    made = estimate_of(api.load("configs/drtp_small.yaml"), Settings(voltage=1.0))
    record = made.record
    part = next(one for one in record["parts"] if one["name"] == "weights[0]")
    words, bits = part["attributes"]["words"], part["attributes"]["bits"]
    slices = [64] * (bits // 64) + ([bits % 64] if bits % 64 else [])
    assert words <= record["sram"]["deepest"]
    read = sum(by_hand(record["sram"], "read_pj", "ihp130", words, width, two=False) for width in slices)
    assert part["actions"]["read"]["pj"]["nominal"] == pytest.approx(read * (1.0 / 1.2) ** 2, rel=1e-4)
    use = next(
        one
        for one in record["workloads"]["inference"]["uses"]
        if one["part"] == "weights[0]" and one["action"] == "read"
    )
    assert use["energy_pj"]["nominal"] == pytest.approx(use["count"] * read * (1.0 / 1.2) ** 2, rel=1e-4)
    text = estimate_text(record, full=True)
    for name, value in record["sram"]["routes"][0]["terms"]["read_pj"].items():
        assert re.search(rf"{re.escape(f'{value:.10f}'.rstrip('0'))} {name}\b", text), name
