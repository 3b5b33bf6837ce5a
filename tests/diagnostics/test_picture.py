"""The picture of a diagnosis: every number it is given, in its place."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from diagnosed import chip_of, parts_of

from neuro_emu.diagnostics.diagnose import diagnose_both
from neuro_emu.report.diagnosis import _axis, _Row, diagnosis_curves

SVG = "{http://www.w3.org/2000/svg}"


def record_of(rule="dkp", epochs=2):
    return diagnose_both(chip_of(rule), parts_of(12), epochs, samples=6)[2]


def tree(record, title="tiny <chip> & twin"):
    return ElementTree.fromstring(diagnosis_curves(record, title))


def texts(root):
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def lines(root, name):
    return [
        [tuple(map(float, pair.split(","))) for pair in node.get("points").split()]
        for node in root.iter(f"{SVG}polyline")
        if node.get("class") == f"line {name}"
    ]


def test_labels():
    found = texts(tree(record_of()))
    assert "tiny <chip> & twin" in found
    for label in ("layer 0", "layer 3, output", "angle, degrees", "B to transposed path", "steps below one code"):
        assert label in found
    assert found.count("epochs done") == 4


def test_lines_follow_the_numbers():
    record = record_of()
    root = tree(record)
    chip, twin = lines(root, "one"), lines(root, "one dash")
    for k in range(3):  # the first row: degrees from 0 at the bottom, the same axis in every panel
        for found, entries in ((chip[k], record["chip"]), (twin[k], record["twin"])):
            values = [entry["layers"][k]["feedback_angle"] for entry in entries]
            places = [y for _, y in found]
            for n in (1, 2):
                rise = (places[0] - places[n]) / 128
                assert any(rise == pytest.approx((values[n] - values[0]) / span, abs=1.2e-3) for span in (120.0, 180.0))
            assert [x for x, _ in found] == sorted(x for x, _ in found)
    height = float(root.get("viewBox").split()[3])
    for points in chip + twin:
        assert all(0 < y < height for _, y in points)


@pytest.mark.parametrize("names", [("chip",), ("twin",)])
def test_one_of_both_alone(names):
    record = record_of("bp", epochs=1)
    root = tree({name: record[name] for name in names})
    dashed = [node for node in root.iter(f"{SVG}polyline") if "dash" in node.get("class")]
    assert bool(dashed) == (names == ("twin",))


def test_before_any_training():
    record = {name: entries[:1] for name, entries in record_of("shallow", epochs=1).items()}
    root = tree(record)
    assert lines(root, "one dot")
    assert "none in this layer" in texts(root)


def test_axes():
    row = _Row("", (), ((0.0, 50.0, 100.0),))
    assert _axis(row, [3.0, 99.0]) == [0.0, 50.0, 100.0]
    wide = _axis(row, [-3.0, 120.0])
    assert wide[0] <= -3.0
    assert wide[-1] >= 120.0
