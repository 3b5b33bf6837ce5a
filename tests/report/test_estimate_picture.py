"""The picture of an estimate: segments that sum to the figures of the record, every part in a group."""

from __future__ import annotations

import copy
import re
from xml.etree import ElementTree

import pytest
from test_estimate_text import CASES, estimate_record

from neuro_emu.report.estimate_picture import GROUPS, LEAKAGE, OTHER, estimate_picture, group_of
from neuro_emu.report.quantities import AREA, ENERGY, ends

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def record(request):
    return estimate_record(*request.param)


def tree_of(record):
    return ElementTree.fromstring(estimate_picture(record))


def bars_of(root):
    """Segments of every bar: (title, x, width)."""
    return {
        bar.get("data-bar"): [
            (rect.find(f"{SVG}title").text, float(rect.get("x")), float(rect.get("width"))) for rect in bar
        ]
        for bar in root.iter(f"{SVG}g")
    }


def texts(root):
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def test_it_says_what_it_shows(record):
    root = tree_of(record)
    assert root.get("role") == "img"
    label = root.get("aria-label")
    for name, one in record["workloads"].items():
        assert f"{name} {ends(one['energy_pj'], ENERGY)}" in label
    area = f"area {ends(record['area_um2'], AREA)}"
    assert area in label
    assert area in texts(root)


def test_widths_are_to_scale(record):
    """All bars of energy share a scale: widths over energies are the same for all, and sum to the totals."""
    bars = bars_of(tree_of(record))
    scale = 540 / max(one["energy_pj"]["high"] for one in record["workloads"].values())
    wanted = {name: one["energy_pj"]["nominal"] * scale for name, one in record["workloads"].items()}
    wanted |= {f"{name} by phase": wide for name, wide in wanted.items()}
    wanted["area"] = 350 * record["area_um2"]["nominal"] / record["area_um2"]["high"]
    assert set(bars) == set(wanted)
    for name, segments in bars.items():
        assert sum(wide for *_, wide in segments) == pytest.approx(wanted[name], abs=0.02)
        x = segments[0][1]
        for _, at, wide in segments:
            assert at == pytest.approx(x, abs=0.01)
            assert wide >= 0
            x += wide


def test_every_segment_has_name_value_and_share(record):
    for name, segments in bars_of(tree_of(record)).items():
        unit = "[µm]m²" if name == "area" else "[fpnµm]?J"
        for title, *_ in segments:
            assert re.fullmatch(rf"[^:]+(: [^:]+)?: [\d.,]+ {unit}, (<0.1|\d+\.\d) %", title), title
        names = [title.rpartition(": ")[0] for title, *_ in segments]
        assert len(set(names)) == len(names)
        shares = [float(title.split(", ")[-1][:-2].lstrip("<")) for title, *_ in segments]
        assert sum(shares) == pytest.approx(100, abs=0.1 * len(shares))


def test_every_part_falls_in_a_group(record):
    names = [part["name"] for part in record["parts"]]
    assert [name for name in names if group_of(name) in {OTHER, LEAKAGE}] == []
    assert OTHER not in texts(tree_of(record))


RULES = ["asap", "fa", "kp", "sign_symmetry", "weight_mirror", "forward_alignment"]


@pytest.mark.parametrize("rule", RULES)
def test_parts_of_more_rules(rule):
    record = estimate_record(rule)
    assert [part["name"] for part in record["parts"] if group_of(part["name"]) == OTHER] == []


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("weights[12]", "weight memories"),
        ("weights 1", "weight memories"),
        ("gradients[0]", "other memories"),
        ("classifier[0]", "weight memories"),
        ("classifier_gradients[0]", "other memories"),
        ("error", "other memories"),
        ("input", "other memories"),
        ("lane array", "control and its clock"),
        ("lane velocity", "lanes: learning"),
        ("lane accumulate", "lanes: multiply, accumulate"),
        ("adder tree", "lanes: multiply, accumulate"),
        ("error multiplier", OTHER),
        ("something new", OTHER),
    ],
)
def test_groups(name, group):
    assert group_of(name) == group


def test_groups_by_component():
    assert group_of("something new", "sram") == "other memories"
    assert group_of("something new", "control") == "control and its clock"
    assert group_of("something new", "adder") == "lanes: multiply, accumulate"
    assert group_of("something new", "adder", learns=True) == "lanes: learning"
    assert group_of("something new", "shifter") == OTHER


def test_an_unknown_part_is_drawn():
    record = copy.deepcopy(estimate_record())
    one = next(part for part in record["parts"] if part["name"] == "output stage")
    one["name"], one["component"] = "something & new", "something"
    for work in record["workloads"].values():
        work["by_part_pj"]["something & new"] = work["by_part_pj"].pop("output stage")
    root = tree_of(record)
    assert OTHER in texts(root)
    assert any(title.startswith("other: ") for title, *_ in bars_of(root)["area"])
    assert any(title.startswith("other: ") for title, *_ in bars_of(root)["training"])


def test_the_legend_tells_shares(record):
    labels = texts(tree_of(record))
    present = [group for group in GROUPS if group in labels]
    assert {"weight memories", "control and its clock", LEAKAGE} <= set(present)
    for title, *_ in bars_of(tree_of(record))["training"]:
        assert title.split(", ")[-1] in labels
    assert [phase for phase in record["workloads"]["training"]["by_phase_pj"] if phase not in labels] == []


@pytest.mark.parametrize("name", ["a & b", "<b>", 'the "best"', "δ-Netz"])
def test_any_name(name):
    root = tree_of(estimate_record() | {"name": name})
    assert root.get("aria-label").startswith(f"{name}: ")
    assert [text for text in texts(root) if text.startswith(f"{name}: ")]


def test_other_workloads():
    record = copy.deepcopy(estimate_record(learning=False))
    one = record["workloads"].pop("inference")
    record["workloads"] = {f"an operation of a long name, {n}": one for n in range(4)}
    root = tree_of(record)
    assert len(bars_of(root)) == 9
    assert {"bar 1", "bar 4"} <= set(texts(root))
    record["workloads"] = {}
    assert list(bars_of(tree_of(record))) == ["area"]


def test_everything_lies_inside_the_picture(record):
    root = tree_of(record)
    _, _, width, height = map(float, root.get("viewBox").split())
    places = [(float(n.get("x")), float(n.get("y"))) for n in root.iter(f"{SVG}text")]
    places += [
        (float(n.get("x", 0)) + float(n.get("width")), float(n.get("y", 0)) + float(n.get("height")))
        for n in root.iter(f"{SVG}rect")
    ]
    for path in root.iter(f"{SVG}path"):
        places += [(float(x), 0.0) for x in re.findall(r"[MH]([\d.]+)", path.get("d"))]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in places)


def test_whiskers_reach_from_low_to_high(record):
    paths = [path.get("d") for path in tree_of(record).iter(f"{SVG}path") if path.get("class") == "whisker"]
    ends_of = [tuple(map(float, re.match(r"M([\d.]+),[\d.]+H([\d.]+)", path).groups())) for path in paths]
    bands = [one["energy_pj"] for one in record["workloads"].values()]
    scale = 540 / max(band["high"] for band in bands)
    wanted = [(20 + scale * band["low"], 20 + scale * band["high"]) for band in bands]
    band = record["area_um2"]
    wanted.append((610 + 350 * band["low"] / band["high"], 960.0))
    assert [end for pair in ends_of for end in pair] == pytest.approx(
        [end for pair in wanted for end in pair], abs=0.06
    )


def test_nothing_is_loaded_from_elsewhere(record):
    picture = estimate_picture(record)
    assert re.findall(r"https?://[^\"\s]+", picture) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"href|url\(|@import|<script|<image|<use|<!", picture)
    assert not re.search(r"\b(nan|inf|None)\b", picture)
    assert "prefers-color-scheme: dark" in picture
