"""Counts times prices: sums, splits, what each quantity hangs on, and a record worked out again from itself."""

import json
import math
from dataclasses import replace

import pytest
from how_text import worked_out
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.errors import RunError
from neuro_emu.estimate.cost import cost_of
from neuro_emu.estimate.parts import Design, Part, Use, Workload
from neuro_emu.estimate.price import Prices
from neuro_emu.estimate.record import record_of
from neuro_emu.estimate.technology import find_technology

TECHNOLOGY = find_technology("n28")
PRICES = Prices(TECHNOLOGY, TECHNOLOGY.nominal_voltage)
PARTS = (
    Part("lane multiplier", "multiplier", {"a": 8, "b": 8}, 16),
    Part("lane update", "update_block", {"logic": 600, "flops": 12}, 16, learns=True),
    Part("weights[0]", "sram", {"words": 4096, "bits": 64, "ports": "1RW"}, 2),
    Part("table", "rom", {"words": 256, "bits": 8}),
    Part("sequencer", "control", {"logic": 2000, "flops": 200}),
    Part("outside", "dram", {}),
)
INFERENCE = (
    Use("forward", 0, "lane multiplier", "operate", 1000.0),
    Use("forward", 1, "lane multiplier", "operate", 250.0),
    Use("forward", 0, "weights[0]", "read", 700.5),
    Use("forward", 1, "table", "read", 10.0),
    Use("forward", 0, "sequencer", "tick", 400.0),
    Use("load", 0, "outside", "read", 6272.0),
)
LEARNING = (
    *INFERENCE,
    Use("update", 0, "lane update", "operate", 500.0, "updates"),
    Use("update", 0, "lane update", "hold", 100.0, "cycles", (50.0, 300.0)),
    Use("update", 1, "weights[0]", "write", 500.0),
)
DESIGN = Design("small", PARTS, (Workload("inference", 400.0, INFERENCE), Workload("training", 900.0, LEARNING)))
COST = cost_of(DESIGN, PRICES, 50.0)


def ends(band):
    return band.low, band.nominal, band.high


def close(ours, theirs, rel=1e-9):
    return ends(ours) == pytest.approx(ends(theirs), rel=rel)


def scaled(design, factor, cycles=1.0):
    workloads = [
        replace(
            one,
            cycles=one.cycles * cycles,
            uses=tuple(
                replace(u, count=u.count * factor, span=u.span and (u.span[0] * factor, u.span[1] * factor))
                for u in one.uses
            ),
        )
        for one in design.workloads
    ]
    return replace(design, workloads=tuple(workloads))


def added(bands):
    return tuple(math.fsum(values) for values in zip(*map(ends, bands), strict=True))


def test_area_and_leakage_are_those_of_all_instances():
    for whole, each in ((COST.area, "area"), (COST.leakage, "leakage")):
        expected = [getattr(COST.each[part.name], each).band * part.count for part in PARTS]
        assert ends(whole) == pytest.approx(added(expected))
    assert COST.area_of(PARTS[0]).nominal == 16 * COST.each["lane multiplier"].area.band.nominal


@pytest.mark.parametrize("name", ["inference", "training"])
def test_energy_is_counts_times_prices_and_what_leaks(name):
    one = COST.workloads[name]
    actions = [COST.each[u.part].actions[u.action].band for u in one.workload.uses]
    by_hand = [action.nominal * u.count for action, u in zip(actions, one.workload.uses, strict=True)]
    assert one.dynamic.nominal == pytest.approx(math.fsum(by_hand))
    time = one.workload.cycles / 50.0
    assert one.latency_us == time
    assert close(one.leaked, COST.leakage * time)
    assert ends(one.energy) == pytest.approx(added([one.dynamic, one.leaked]))
    assert close(one.power * time, one.energy)


@pytest.mark.parametrize("key", ["phase", "layer", "part"])
@pytest.mark.parametrize("name", ["inference", "training"])
def test_splits_add_up(name, key):
    one = COST.workloads[name]
    found = one.split(key)
    assert set(found) == {str(getattr(u, key)) for u in one.workload.uses}
    assert added(found.values()) == pytest.approx(ends(one.dynamic))


def test_half_the_counts_are_half_the_energy():
    half = cost_of(scaled(DESIGN, 0.5), PRICES, 50.0)
    for name, one in COST.workloads.items():
        assert half.workloads[name].dynamic.nominal == one.dynamic.nominal / 2
        assert close(half.workloads[name].dynamic, one.dynamic / 2)
        assert half.workloads[name].leaked == one.leaked


@given(st.integers(0, len(LEARNING) - 1), st.floats(1.001, 1e6))
def test_energy_grows_with_every_count(index, factor):
    uses = [replace(u, count=u.count * factor, span=None) if i == index else u for i, u in enumerate(LEARNING)]
    design = replace(DESIGN, workloads=(Workload("training", 900.0, tuple(uses)),))
    more = cost_of(design, PRICES, 50.0).workloads["training"]
    assert more.dynamic.nominal > COST.workloads["training"].dynamic.nominal
    assert more.leaked == COST.workloads["training"].leaked


def test_a_faster_clock_leaks_for_a_shorter_time():
    fast = cost_of(DESIGN, PRICES, 100.0)
    for name, one in COST.workloads.items():
        other = fast.workloads[name]
        assert other.dynamic == one.dynamic
        assert close(other.leaked, one.leaked / 2)
        assert other.latency_us == one.latency_us / 2
        assert other.power.nominal > one.power.nominal
    assert (fast.area, fast.leakage) == (COST.area, COST.leakage)


def test_twice_the_cycles_leak_twice():
    slow = cost_of(scaled(DESIGN, 1.0, 2.0), PRICES, 50.0)
    for name, one in COST.workloads.items():
        assert slow.workloads[name].dynamic == one.dynamic
        assert close(slow.workloads[name].leaked, one.leaked * 2)


def test_nothing_done_takes_nothing():
    idle = cost_of(replace(DESIGN, workloads=(Workload("idle", 0.0, ()),)), PRICES, 50.0).workloads["idle"]
    assert ends(idle.energy) == ends(idle.power) == (0, 0, 0)
    assert idle.split("part") == {}


def test_counts_of_zero_are_left_out():
    uses = (*INFERENCE, Use("error", 0, "table", "read", 0.0))
    found = cost_of(replace(DESIGN, workloads=(Workload("inference", 400.0, uses),)), PRICES, 50.0)
    assert found.workloads["inference"].spent == COST.workloads["inference"].spent


def test_a_count_that_is_not_known_widens_the_energy():
    held = next(s for s in COST.workloads["training"].spent if s.use.action == "hold")
    assert held.energy.nominal == pytest.approx(held.each.nominal * 100)
    assert held.energy.nominal / held.energy.low >= max(held.each.nominal / held.each.low, 2.0)
    assert held.energy.high / held.energy.nominal >= max(held.each.high / held.each.nominal, 3.0)


def test_operands_that_were_seen_change_their_part_and_phase_alone():
    typical = TECHNOLOGY.band("operands").nominal
    seen = cost_of(DESIGN, replace(PRICES, operands={("lane multiplier", "forward"): typical / 2}), 50.0)
    for name, one in COST.workloads.items():
        for ours, theirs in zip(seen.workloads[name].spent, one.spent, strict=True):
            if ours.use.part == "lane multiplier":
                assert ours.seen == typical / 2
                assert ours.each.nominal == pytest.approx(theirs.each.nominal / 2)
            else:
                assert ours == theirs


@pytest.mark.parametrize(
    ("use", "complaint"),
    [
        (Use("forward", 0, "lanes", "operate", 1), "small: work uses 'lanes', which is no part: lane multiplier, "),
        (Use("forward", 0, "table", "write", 1), "small: table has no action 'write': read"),
        (Use("forward", 0, "lane multiplier", "clock", 1), "small: lane multiplier has no action 'clock': operate"),
        (Use("forward", 0, "table", "read", -1), "small: table read: -1 is no count"),
        (Use("forward", 0, "table", "read", math.nan), "is no range"),
        (Use("forward", 0, "table", "read", math.inf), "is no range"),
        (Use("forward", 0, "table", "read", 2, "", (3, 4)), "is no range"),
    ],
)
def test_uses_that_make_no_sense(use, complaint):
    with pytest.raises(RunError, match=complaint):
        _ = cost_of(replace(DESIGN, workloads=(Workload("work", 1.0, (use,)),)), PRICES, 50.0).workloads["work"].energy


def test_two_parts_of_one_name():
    with pytest.raises(RunError, match="small: two parts are called 'table'"):
        cost_of(replace(DESIGN, parts=(*PARTS, PARTS[3])), PRICES, 50.0)


def test_a_record_worked_out_again_from_itself():
    without = cost_of(replace(DESIGN, parts=PARTS[:1] + PARTS[2:], workloads=DESIGN.workloads[:1]), PRICES, 50.0)
    record = json.loads(json.dumps(record_of(COST, without), allow_nan=False))
    prices = {part["name"]: part["actions"] for part in record["parts"]}
    for one in record["workloads"].values():
        for row in one["uses"]:
            assert row["count"] * row["each_pj"]["nominal"] == pytest.approx(row["energy_pj"]["nominal"], rel=1e-4)
            action = prices[row["part"]][row["action"]]
            assert action["pj"] == row["each_pj"]
            assert worked_out(action["how_fj"]) / 1e3 == pytest.approx(action["pj"]["nominal"], rel=1e-4)
        for end in ("low", "nominal", "high"):
            rows = math.fsum(row["energy_pj"][end] for row in one["uses"])
            assert rows == pytest.approx(one["dynamic_pj"][end], rel=1e-4)
            assert rows + one["leakage_pj"][end] == pytest.approx(one["energy_pj"][end], rel=1e-4)
            assert one["energy_pj"][end] / one["latency_us"] == pytest.approx(one["power_uw"][end], rel=1e-4)
            for key in ("by_phase_pj", "by_layer_pj", "by_part_pj"):
                assert math.fsum(band[end] for band in one[key].values()) == pytest.approx(rows, rel=1e-4)
        assert one["cycles"] / record["technology"]["clock_mhz"] == pytest.approx(one["latency_us"], rel=1e-4)
        leaked = record["leakage_uw"]["nominal"] * one["latency_us"]
        assert leaked == pytest.approx(one["leakage_pj"]["nominal"], rel=1e-4)
    for quantity in ("area_um2", "leakage_uw"):
        for end in ("low", "nominal", "high"):
            whole = math.fsum(part[quantity][end] for part in record["parts"])
            assert whole == pytest.approx(record[quantity][end], rel=1e-4)
    for part in record["parts"]:
        if part["area_um2"]["nominal"]:
            assert part["count"] * worked_out(part["area_how"]) == pytest.approx(part["area_um2"]["nominal"], rel=1e-4)
    assert record["memory_bits"] == 2 * 4096 * 64 + 256 * 8


def test_what_learning_adds_is_a_ratio_of_the_record():
    without = cost_of(replace(DESIGN, parts=PARTS[:1] + PARTS[2:], workloads=DESIGN.workloads[:1]), PRICES, 50.0)
    record = record_of(COST, without)
    added_area = record["area_um2"]["nominal"] / record["learning"]["without"]["area_um2"]["nominal"] - 1
    assert record["learning"]["area"]["percent"] == pytest.approx(100 * added_area, rel=1e-3)
    training, inference = (record["workloads"][name]["energy_pj"]["nominal"] for name in ("training", "inference"))
    more = record["learning"]["training_energy_over_inference"]
    assert more["percent"] == pytest.approx(100 * (training / inference - 1), rel=1e-4)
    assert more["low"] <= more["percent"] <= more["high"]
    assert record["learning"]["cycles"] == {"with": 900.0, "without": 400.0, "percent": 125.0}


def test_a_record_names_every_constant():
    constants = record_of(COST)["constants"]
    assert constants.keys() == TECHNOLOGY.constants.keys()
    assert all(line["source"] and line["unit"] and line["kind"] and line["about"] for line in constants.values())
