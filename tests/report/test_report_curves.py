"""Learning curves: a self-contained SVG picture that shows every number it is given."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from neuro_emu.report.curves import _ticks, learning_curves

SVG = "{http://www.w3.org/2000/svg}"


def metrics_of(test, validation=None, learning=None, **more):
    """A record with the given accuracies by epoch."""
    learning = learning or [max(0.0, value - 3) for value in test]
    validation = validation or [None] * len(test)
    epochs = [
        {"epoch": n, "test_accuracy": a, "validation_accuracy": b, "train_accuracy": c}
        for n, (a, b, c) in enumerate(zip(test, validation, learning, strict=True))
    ]
    return {"name": "tiny", "network": "64-20-10", "rule": "dfa", "seed": 1, "epochs": epochs} | more


def tree_of(metrics):
    return ElementTree.fromstring(learning_curves(metrics))


def texts(root):
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def polylines(root):
    return [
        [tuple(map(float, pair.split(","))) for pair in node.get("points").split()]
        for node in root.iter(f"{SVG}polyline")
    ]


def tick_positions(root):
    """Value → y of the labels left of the axis."""
    return {
        float(node.text): float(node.get("y")) for node in root.iter(f"{SVG}text") if node.get("text-anchor") == "end"
    }


TEST, VALIDATION, LEARNING = [71.5, 88.25, 93.75], [70.0, 86.0, 92.0], [41.0, 80.0, 90.5]


def test_labels():
    labels = texts(tree_of(metrics_of(TEST, VALIDATION, LEARNING)))
    for label in (
        "tiny: 64-20-10, dfa, seed 1",
        "accuracy in percent, by epoch",
        "epoch",
        "test 93.75 %",
        "validation 92.00 %",
        "while learning 90.50 %",
        "1",
        "2",
        "3",
    ):
        assert labels.count(label) == 1, label


def test_no_validation_no_curve():
    root = tree_of(metrics_of(TEST, None, LEARNING))
    assert len(polylines(root)) == 2
    assert not [label for label in texts(root) if "validation" in label]


def test_nothing_is_loaded_from_elsewhere():
    picture = learning_curves(metrics_of(TEST, VALIDATION, LEARNING))
    assert re.findall(r"https?://[^\"\s]+", picture) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"href|url\(|@import|<script|<image|<use|<!", picture)


@pytest.mark.parametrize("name", ["a & b", "<b>", 'the "best"', "it's", "δ-Netz", "a > b", "&amp;"])
def test_any_name(name):
    root = tree_of(metrics_of(TEST, name=name))
    assert f"{name}: 64-20-10, dfa, seed 1" in texts(root)
    assert root.get("aria-label") == f"{name}: 64-20-10, dfa, seed 1: 93.75 % on the test set"


@pytest.mark.parametrize("values", [[93.0], [0.0], [100.0]])
def test_a_single_epoch(values):
    root = tree_of(metrics_of(values, values, values))
    labels = texts(root)
    assert f"test {values[0]:.2f} %" in labels
    assert labels.count("1") >= 1
    assert len(list(root.iter(f"{SVG}circle"))) == 3
    ys = tick_positions(root)
    assert min(ys) <= values[0] <= max(ys)


SHAPES = [
    [10.0, 10.0],
    [0.0, 100.0],
    [99.99, 100.0],
    [97.3, 97.7, 97.8],
    [0.0, 0.0],
    [100.0, 100.0],
    [33.3333, 66.6667],
    [9.9, 90.1],
    [95.0, 98.0],
    [49.95, 50.05],
]


@pytest.mark.parametrize("values", SHAPES, ids=str)
def test_ticks_cover_the_values(values):
    root = tree_of(metrics_of(values, learning=values))
    ticks = tick_positions(root)
    assert 2 <= len(ticks) <= 8
    assert min(ticks) <= min(values)
    assert max(ticks) >= max(values)
    steps = {round(b - a, 6) for a, b in pairwise(sorted(ticks))}
    assert len(steps) == 1


@pytest.mark.parametrize("values", SHAPES, ids=str)
def test_no_tick_beyond_a_hundred_percent(values):
    assert max(tick_positions(tree_of(metrics_of(values, learning=values)))) <= 100


def test_points_stand_where_the_ticks_say():
    root = tree_of(metrics_of(TEST, VALIDATION, LEARNING))
    ticks = sorted(tick_positions(root).items())
    (low, y_low), (high, y_high) = ticks[0], ticks[-1]
    for points, values in zip(polylines(root), (TEST, VALIDATION, LEARNING), strict=True):
        for (_, y), value in zip(points, values, strict=True):
            # Labels hang 4 below their line; everything is written to a tenth.
            assert abs(y - (y_low - 4 + (y_high - y_low) * (value - low) / (high - low))) < 0.11
        xs = [x for x, _ in points]
        assert xs == sorted(set(xs))
        assert abs((xs[1] - xs[0]) - (xs[2] - xs[1])) < 0.11


@pytest.mark.parametrize("values", SHAPES, ids=str)
def test_everything_lies_inside_the_picture(values):
    root = tree_of(metrics_of(values, values, values))
    _, _, width, height = map(float, root.get("viewBox").split())
    places = [(float(n.get("x")), float(n.get("y"))) for n in root.iter(f"{SVG}text")]
    places += [point for line in polylines(root) for point in line]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in places)


def test_end_labels_do_not_cover_each_other():
    root = tree_of(metrics_of([90.0, 95.0], [90.0, 95.0], [90.0, 95.0]))
    ys = sorted(float(n.get("y")) for n in root.iter(f"{SVG}text") if (n.text or "").endswith(" %"))
    assert len(ys) == 3
    assert all(below - above >= 13 for above, below in pairwise(ys))


@pytest.mark.parametrize(("epochs", "labels"), [(12, 12), (13, 7), (100, 12), (1000, 12)])
def test_many_epochs_share_labels(epochs, labels):
    root = tree_of(metrics_of([50.0 + n / epochs for n in range(epochs)]))
    numbers = [n.text for n in root.iter(f"{SVG}text") if n.get("text-anchor") == "middle" and n.text.isdigit()]
    assert len(numbers) == labels
    assert numbers[0] == "1"
    assert len(polylines(root)[0]) == epochs


def test_ticks_over_the_whole_range():
    for low in range(0, 1000, 7):
        for high in range(low, 1001, 31):
            ticks = _ticks(low / 10, high / 10)
            assert ticks[0] <= low / 10 + 1e-9
            assert ticks[-1] >= high / 10
            assert 2 <= len(ticks) <= 8, (low, high)
