"""The text of an estimate: every figure is that of the record, nothing is printed as 0, and it fits a screen."""

from __future__ import annotations

import copy
import re

import pytest

from neuro_emu.config.experiment import load_text
from neuro_emu.estimate.chip import design_of
from neuro_emu.estimate.cost import cost_of
from neuro_emu.estimate.price import Prices
from neuro_emu.estimate.record import record_of
from neuro_emu.estimate.technology import find_technology
from neuro_emu.machine.expected import expected_counts
from neuro_emu.report.chips import chips_text
from neuro_emu.report.estimate import estimate_lines, estimate_text
from neuro_emu.report.quantities import AREA, ENERGY, POWER, TIME, digits, ends, percent, share, shown
from neuro_emu.report.technologies import components_text, technologies_text, technology_text

CONFIG = """\
name: tiny
dataset: {name: synthetic, train: 100, test: 40}
network:
  layers:
    - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8}
training: {rule: RULE, lr_shift: {hidden: 6, output: 6}}
numerics: {strict: false}
machine: {lanes: 16, clock_mhz: 80}
"""


def estimate_record(rule="drtp", technology="ihp130", voltage=None, learning=True):
    """A record as the package makes it."""
    chip = load_text(CONFIG.replace("RULE", rule), "tiny.yaml").chip
    training, inference, samples = expected_counts(chip, [0.3, 1.0])
    found = find_technology(technology)
    prices = Prices(found, voltage or found.nominal_voltage)
    without = cost_of(design_of(chip, None, (inference, samples), "counts to expect", "tiny"), prices, 80)
    if not learning:
        return record_of(without)
    counted = (training, samples), (inference, samples)
    return record_of(cost_of(design_of(chip, *counted, "counts to expect", "tiny"), prices, 80), without)


CASES = [("drtp", "ihp130"), ("bp", "n28"), ("dfa", "sky130"), ("shallow", "asap7")]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def record(request):
    return estimate_record(*request.param)


def rows_of(text, head):
    """Lines below a heading, up to an empty one."""
    lines = text.splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith(head))
    found = []
    for line in lines[at + 1 :]:
        if not line:
            break
        found.append(line)
    return found


# --- figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1.00"), (12.345, "12.3"), (999.4, "999"), (999.6, "1,000"), (1234, "1,230"), (0.00023456, "0.000235")],
)
def test_three_digits(value, text):
    assert digits(value) == text
    assert digits(-value) == f"-{text}"


@pytest.mark.parametrize(
    ("value", "ladder", "text"),
    [
        (0.5, ENERGY, "500 fJ"),
        (999.6, ENERGY, "1.00 nJ"),
        (19.0e6, ENERGY, "19.0 µJ"),
        (132459, POWER, "132 mW"),
        (0.02, POWER, "20.0 nW"),
        (7120, AREA, "7,120 µm²"),
        (13.9e6, AREA, "13.9 mm²"),
        (9999, AREA, "0.0100 mm²"),
        (0.5, TIME, "500 ns"),
        (143.75, TIME, "144 µs"),
        (1e-9, ENERGY, "0.00000100 fJ"),
    ],
)
def test_units(value, ladder, text):
    assert shown(value, ladder) == text


def test_a_range_has_one_unit():
    assert ends({"low": 500.0, "nominal": 1500.0, "high": 3e6}, ENERGY) == "1.50 nJ (0.500 to 3,000)"
    assert ends({"low": 5.0, "nominal": 5.0, "high": 5.0}, ENERGY) == "5.00 pJ"


def test_what_is_there_is_never_0_percent():
    assert share(1e-9, 1.0) == "<0.1 %"
    assert share(0.0006, 1.0) == "0.1 %"
    assert (percent(6.0187), percent(-3.25)) == ("+6.02 %", "-3.25 %")


# --- the screen -----------------------------------------------------------------------------------------------------


def test_it_fits_a_screen(record):
    lines = estimate_text(record).splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 100
    assert max(map(len, estimate_text(record, full=True).splitlines())) <= 100
    assert all(len(line) <= 100 for line in estimate_lines(record))


def test_nothing_is_printed_that_is_no_number(record):
    for text in (estimate_text(record, full=True), "\n".join(estimate_lines(record))):
        assert not re.search(r"\b(nan|inf|None)\b|[0-9]e[-+][0-9]", text, re.IGNORECASE)
        assert not re.search(r"(?<![\d.,])[+-]?0(\.0+)? (%|[fpnµm]?[JW]|µm²|mm²)", text)
        assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_bands_are_those_of_the_record(record):
    text = estimate_text(record)
    table = text.split("learning adds")[0].splitlines()
    for label, key, ladder in (
        ("energy", "energy_pj", ENERGY),
        ("  dynamic", "dynamic_pj", ENERGY),
        ("  leakage", "leakage_pj", ENERGY),
        ("power", "power_uw", POWER),
    ):
        (row,) = (line for line in table if line.startswith(f"{label} "))
        words = row.split()[1:]
        assert len(words) == 8
        for n, name in enumerate(("inference", "training")):
            *numbers, unit = words[4 * n : 4 * n + 4]
            band = record["workloads"][name][key]
            assert f"{numbers[1]} {unit}" == shown(band["nominal"], ladder)
            scale = band["nominal"] / float(numbers[1].replace(",", ""))
            for number, end in zip(numbers, ("low", "nominal", "high"), strict=True):
                assert float(number.replace(",", "")) * scale == pytest.approx(band[end], rel=0.011)


def test_learning_adds_what_the_record_says(record):
    rows = rows_of(estimate_text(record), "learning adds")
    shown_percent = [re.search(r"\S+ %", row)[0] for row in rows]
    learning = record["learning"]
    keys = ("area", "leakage", "memory_bits", "inference_energy", "training_energy", "training_power", "cycles")
    keys += ("training_energy_over_inference", "training_power_over_inference")
    assert shown_percent == [percent(learning[key]["percent"]) for key in keys if learning[key]["percent"]]
    assert learning["area"]["percent"] > 0


def test_shares_sum_to_the_whole(record):
    rows = rows_of(estimate_text(record), "energy of a training sample: phase")[:-1]
    energy = [re.match(r"(.*?) +([\d.,]+ [fpnµ]J) +([<\d.]+) %", row[:53]) for row in rows]
    energy = [found.groups() for found in energy if found]
    shares = [float(share.lstrip("<")) for *_, share in energy]
    assert sum(shares) == pytest.approx(100, abs=0.06 * len(shares))
    assert shares[:-1] == sorted(shares[:-1], reverse=True)
    assert len(shares) >= 6
    used = {(use["phase"], use["layer"], use["part"]) for use in record["workloads"]["training"]["uses"]}
    others = int(re.search(r"(\d+) others", energy[-1][0])[1])
    listed = len(energy) - 1 + ("leakage" in energy[-1][0])
    assert others + listed == len(used) + 1
    areas = [float(re.search(r"([<\d.]+) %$", row)[1].lstrip("<")) for row in rows if row[57:].strip()]
    assert sum(areas) == pytest.approx(100, abs=0.06 * len(areas))


def test_contributions_are_sums_over_actions(record):
    rows = rows_of(estimate_text(record), "energy of a training sample: phase")
    phase, layer, part = re.match(r" +(\S+) +(\d+) +(.*?)  ", rows[0]).groups()
    uses = [u for u in record["workloads"]["training"]["uses"] if u["phase"] == phase]
    found = sum(u["energy_pj"]["nominal"] for u in uses if u["layer"] == int(layer) and u["part"] == part)
    assert f" {shown(found, ENERGY)} " in rows[0]
    assert share(found, record["workloads"]["training"]["energy_pj"]["nominal"]) in rows[0]


def test_phases_sum_to_the_whole(record):
    (line,) = (line for line in estimate_text(record).splitlines() if line.startswith("  by phase: "))
    shares = [float(found) for found in re.findall(r"<?([\d.]+) %", line)]
    assert sum(shares) == pytest.approx(100, abs=0.4)
    assert [name for name in record["workloads"]["training"]["by_phase_pj"] if name not in line] == []


def test_macros_of_the_biggest_memory(record):
    rows = rows_of(estimate_text(record), "memory, ")
    memories = [part for part in record["parts"] if part["component"] in {"sram", "rom"}]
    part = max(memories, key=lambda one: one["area_um2"]["nominal"])
    assert rows[0].split()[0] == part["name"]
    assert f"{part['count']} × {part['attributes']['words']:,} × {part['attributes']['bits']}" in rows[0]
    assert f" {part['count'] * part['macros']['macros']} macro" in rows[0]
    assert f"{part['macros']['words']:,} × {part['macros']['bits']}" in rows[0]
    assert rows[0].endswith(shown(part["area_um2"]["nominal"], AREA))


def test_limits_and_how_to_see_more(record):
    flat = " ".join(estimate_text(record).split())
    assert all(limit in flat for limit in record["limits"])
    assert "--full" in flat
    assert "--json" in flat
    assert "--full" not in estimate_text(record, full=True)


# --- everything -----------------------------------------------------------------------------------------------------


def test_everything_is_in_full(record):
    flat = " ".join(estimate_text(record, full=True).split())
    for part in record["parts"]:
        assert f"{part['name']}: " in flat
        if part["area_um2"]["nominal"]:
            assert part["area_how"] in flat
            assert part["leakage_how"] in flat
        for name, action in part["actions"].items():
            assert f"{name} {ends(action['pj'], ENERGY)} = {action['how_fj']} fJ" in flat
    for one in record["workloads"].values():
        for use in one["uses"]:
            energy = ends(use["energy_pj"], ENERGY)
            each = shown(use["each_pj"]["nominal"], ENERGY)
            assert (
                f"{use['layer']} {use['part']} {use['action']} {use['count']:,.10g} × {each} = {energy}, {use['from']}"
                in flat
            )
    for name, constant in record["constants"].items():
        assert f"{name} {constant['value']:,.10g}" in flat
        assert constant["source"].replace("  ", " ") in flat
    assert all(route["source"] in flat for route in record["sram"]["routes"])


def test_another_supply_is_said():
    record = estimate_record("drtp", "ihp130", voltage=1.0)
    assert "1 V (nominal 1.2 V)" in estimate_text(record).splitlines()[0]
    assert "nominal 1.2" not in estimate_text(estimate_record()).splitlines()[0]


def test_a_chip_that_only_infers():
    record = estimate_record(learning=False)
    text = estimate_text(record, full=True)
    assert "learning adds" not in text
    assert "energy of an inference: phase" in text
    assert not [line for line in estimate_lines(record) if "learning" in line]


def test_what_is_0_is_left_out():
    record = copy.deepcopy(estimate_record())
    nothing = {"low": 0.0, "nominal": 0.0, "high": 0.0}
    record["learning"]["memory_bits"]["percent"] = 0.0
    record["learning"]["cycles"]["percent"] = 0.0
    record["workloads"]["training"]["uses"][0]["energy_pj"] = nothing
    record["parts"][0]["area_um2"] = nothing
    for one in record["workloads"].values():
        one["leakage_pj"] = nothing
    text = estimate_text(record, full=True)
    learned = rows_of(text, "learning adds")
    assert not [row for row in learned if "memory" in row or "cycles" in row]
    assert not [line for line in text.splitlines() if re.match("  leakage  +[0-9<]", line)]
    assert not re.search(r"(?<![\d.,])[+-]?0(\.0+)? (%|[fpnµm]?[JW]|µm²|mm²)", text)
    assert "0 memory" not in " ".join(estimate_lines(record))


def test_other_workloads_and_long_names():
    record = copy.deepcopy(estimate_record(learning=False))
    one = record["workloads"].pop("inference")
    record["workloads"] = {f"a synaptic operation of a very long name, number {n}": one for n in range(3)}
    record["parts"][0]["name"] = one["uses"][0]["part"] = "a part whose name is as long as names of parts ever become"
    record["limits"] = ["What is left out " + "and what else " * 20 + "is left out."]
    for full in (False, True):
        assert max(map(len, estimate_text(record, full=full).splitlines())) <= 100
    assert estimate_text(record).count("low  nominal") == 3
    assert max(map(len, estimate_lines(record))) <= 100


def test_no_workload_at_all():
    record = copy.deepcopy(estimate_record(learning=False))
    record["workloads"] = {}
    assert "area by part" in estimate_text(record, full=True)


def test_lines_for_a_run(record):
    lines = estimate_lines(record)
    flat = " ".join(" ".join(lines).split())
    for name, one in record["workloads"].items():
        assert ends(one["energy_pj"], ENERGY) in flat
        assert f"{ends(one['power_uw'], POWER)} in {name}" in flat
    assert f"area {ends(record['area_um2'], AREA)}" in flat
    assert f"{percent(record['learning']['area']['percent'])} area" in flat
    assert 4 <= len(lines) <= 7


# --- chips and technologies -----------------------------------------------------------------------------------------


def row_of(**changes):
    row = {"chip": "odin", "title": "ODIN", "figure": "energy of a synaptic operation", "published": 12.7, "unit": "pJ"}
    row |= {"low": 3.6, "nominal": 13.6, "high": 57.8, "ratio": 1.07, "inside": True, "bar": "factor 1.5", "met": True}
    return row | {"source": "TBioCAS 2019"} | changes


def test_chips():
    rows = [
        row_of(),
        row_of(figure="area", published=0.0446, unit="mm2", nominal=0.1, low=0.09, high=0.11, ratio=2.24, inside=False,
               met=False),
        row_of(chip="park", title="P " * 70, figure="what training adds", published=7.5, unit="%", low=1.86,
               nominal=4.99, high=7.85, ratio=None, bar="4 points", source="ISSCC " * 30),
        row_of(chip="other", published=None, ratio=None, inside=None, bar="", met=None, unit="uW"),
    ]  # fmt: skip
    text = chips_text(rows)
    assert max(map(len, text.splitlines())) <= 100
    flat = " ".join(text.split())
    assert "12.7 pJ 13.6 3.60 to 57.8 ×1.07 in factor 1.5 met" in flat
    assert "0.0446 mm² 0.100 0.0900 to 0.110 ×2.24 out factor 1.5 missed" in flat
    assert "7.5 % 4.99 1.86 to 7.85 -2.5 pt in 4 points met" in flat
    assert "- µW 13.6 3.60 to 57.8 - -" in flat
    assert "2 of 3 published figures lie within the band of their estimate; 2 of 3 bars are met" in flat
    assert flat.count("TBioCAS 2019") == 2
    assert "None" not in text


def test_technologies():
    one = {"name": "n28", "title": "28 nm, interpolated", "node_nm": 28.0, "voltage": 0.904}
    text = technologies_text([one | {"kinds": {"assumed": 8, "published": 0, "gate level": 3}}])
    assert "n28            28 nm   0.904 V   28 nm, interpolated" in text
    assert "8 assumed, 3 gate level" in text
    assert "published" not in text
    constants = estimate_record(technology="n28", learning=False)["constants"]
    text = technology_text(one | {"constants": constants})
    assert max(map(len, text.splitlines())) <= 100
    flat = " ".join(text.split())
    assert all(constant["source"] in flat and constant["kind"] in flat for constant in constants.values())
    assert "gate_area 0.4706 (0.3894 to 0.614) µm²/gate, interpolated" in flat


def test_components():
    text = components_text(
        [
            {"name": "adder", "about": "sum of two words", "attributes": ["bits"], "actions": ["operate"]},
            {"name": "dram", "about": "external memory", "attributes": [], "actions": ["read", "write"]},
        ]
    )
    assert "adder  sum of two words; attributes: bits; actions: operate" in text
    assert "dram   external memory; actions: read, write" in text
