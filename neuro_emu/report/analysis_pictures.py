"""Analyses of alignment and of training as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuro_emu.report.analysis import degrees, heading
from neuro_emu.report.analysis_chart import Panel, Series, picture, round_ticks


def analysis_picture(record: dict[str, Any]) -> str:
    """Return one analysis as a self-contained SVG picture."""
    make = {
        "terms": _terms,
        "open-loop": _open_loop,
        "labels": _labels,
        "switch": _switch,
        "trajectories": _trajectories,
    }
    below, panels = make[record["analysis"]](record)
    return picture(heading(record), below, panels)


def _angle_ticks(panels: Sequence[Sequence[Series]]) -> list[float]:
    """Ticks shared by panels that are to be compared, 90° among them."""
    values = [y + r for lines in panels for s in lines for (_, y), r in _reach(s)]
    low = min([y - r for lines in panels for s in lines for (_, y), r in _reach(s)], default=0.0)
    high = max([*values, 90.0])
    ticks = [30.0 * n for n in range(7)]
    if high - low > 45.0:
        return [t for t in ticks if low - 30.0 < t < high + 30.0]
    return round_ticks(low, high)


def _reach(series: Series) -> list[tuple[tuple[float, float], float]]:
    return list(zip(series.points, series.band or [0.0] * len(series.points), strict=True))


def _known(values: Sequence[float | None], first: float) -> list[tuple[float, float]]:
    return [(first + n, value) for n, value in enumerate(values) if value is not None]


def _whole_ticks(low: int, high: int) -> list[float]:
    return [tick for tick in round_ticks(low, high, whole=True) if low <= tick <= high] or [low]


def _terms(record: dict[str, Any]) -> tuple[str, list[Panel]]:
    titles, grid = [], []
    for run in record["runs"]:
        shuffled = run["labels_shuffled"]
        labels = f", {shuffled:g} % of labels shuffled" if shuffled else ""
        for phase in ("start", "end"):
            titles.append(f"samples {run['order'].replace('_', ' ')}{labels}: {phase} of training")
            grid.append([Series(f"layer {k}", _known(entry["angle"], 1), k) for k, entry in enumerate(run[phase])])
    period, orders = record["batches_per_epoch"], record["orders"]
    ticks = _angle_ticks(grid)
    marks = range(period, orders + 1, period) if period > 1 else ()
    x_ticks = sorted({1, *range(period, orders + 1, period)}) if 1 <= orders / period <= 8 else [1, orders]
    panels = [
        Panel(title, "order: mini-batches ago", "degrees between term and B", lines, list(marks), x_ticks, ticks)
        for title, lines in zip(titles, grid, strict=True)
    ]
    told = f"90°: no alignment; dashed: orders that are multiples of an epoch ({period} mini-batches)"
    return told, panels


def _open_loop(record: dict[str, Any]) -> tuple[str, list[Panel]]:
    grid = []
    for number in ("float", "integers"):
        lines = []
        for n, (condition, found) in enumerate(record[number].items()):
            pairs = [(i, a, d) for i, (a, d) in enumerate(zip(found["angle"], found["deviation"], strict=True))]
            kept = [(i, a, d) for i, a, d in pairs if a is not None]
            band = [d for *_, d in kept] if record["seeds"] > 1 else []
            label = f"{condition} {degrees(found['angle'][-1])}"
            lines.append(Series(label, [(i, a) for i, a, _ in kept], n, band))
        grid.append(lines)
    ticks = _angle_ticks(grid)
    x_ticks = _whole_ticks(0, record["iterations"])
    panels = [
        Panel(title, "iteration", "degrees between W₁ and Bᵀ", lines, (), x_ticks, ticks)
        for title, lines in zip(("floats", "integers"), grid, strict=True)
    ]
    spread = "; shaded: one standard deviation" if record["seeds"] > 1 else ""
    return f"inputs and errors are noise; 90°: no alignment{spread}", panels


def _labels(record: dict[str, Any]) -> tuple[str, list[Panel]]:
    runs, epochs = record["runs"], record["epochs"]
    accuracy = [
        Series(f"{run['labels_shuffled']:g} %: {run['test_accuracy'][-1]:.2f} %", _known(run["test_accuracy"], 1), n)
        for n, run in enumerate(runs)
    ]
    layers = range(len(runs[0]["feedback_angles"][0]))
    ends = []
    for k in layers:
        found = [(run["labels_shuffled"], run["feedback_angles"][-1][k]) for run in runs]
        points = sorted((share, value) for share, value in found if value is not None)
        if points:
            ends.append(Series(f"layer {k}", points, k, small_dots=True))
    panels = [
        Panel("accuracy, by share of labels shuffled", "epoch", "percent of test samples right", accuracy, (),
              _whole_ticks(1, epochs)),
    ]  # fmt: skip
    if ends:
        shares = sorted({run["labels_shuffled"] for run in runs})
        y_label = "degrees between B and transposed weights"
        panels.append(
            Panel("alignment at the end", "percent of labels shuffled", y_label, ends, (), shares, _angle_ticks([ends]))
        )
    for k in layers:
        lines = [
            Series(f"{run['labels_shuffled']:g} %", _known([one[k] for one in run["feedback_angles"]], 0), n)
            for n, run in enumerate(runs)
        ]
        if any(line.points for line in lines):
            title = f"alignment of layer {k}, by share of labels shuffled"
            ticks = _whole_ticks(0, epochs)
            panels.append(Panel(title, "epochs done", "degrees", lines, (), ticks, _angle_ticks([lines])))
    return "labels swap places among their samples before training; 90°: no alignment", panels


def _switch(record: dict[str, Any]) -> tuple[str, list[Panel]]:
    epochs, rule, to = record["epochs"], record["rule"], record["to"]
    panels = []
    for key, title, y_label in (
        ("test_accuracy", "test", "percent of test samples right"),
        ("train_accuracy", "while learning", "percent of training samples right"),
    ):
        lines = []
        for n, run in enumerate(record["runs"]):
            number = run["switched_after"]
            label = f"{to} alone" if number == 0 else f"{rule} alone" if number == epochs else f"{to} after {number}"
            rings = [number - 1] if 0 < number < epochs else []
            lines.append(Series(f"{label} {run[key][-1]:.2f}", _known(run[key], 1), n, rings=rings))
        panels.append(Panel(title, "epoch", y_label, lines, (), _whole_ticks(1, epochs)))
    return f"ring: last epoch with {rule}", panels


def _trajectories(record: dict[str, Any]) -> tuple[str, list[Panel]]:
    runs = record["runs"]
    ways = [
        Series(run["rule"], [(x, y) for x, y in run["coordinates"]], n, (), [len(run["coordinates"]) - 1], [0], True)
        for n, run in enumerate(runs)
    ]
    shares = [100 * share for share in record["explained"]]
    accuracy = [
        Series(f"{run['rule']} {run['test_accuracy'][-1]:.2f}", _known(run["test_accuracy"], 1), n)
        for n, run in enumerate(runs)
    ]
    distance = [
        *(Series(f"{run['rule']} from start", _known(run["distance_from_start"], 0), n) for n, run in enumerate(runs)),
        Series("apart", _known(record["distance_apart"], 0), 2),
    ]
    epochs = record["epochs"]
    panels = [
        Panel("all weights and biases", f"component 1 ({shares[0]:.1f} % of variance)",
              f"component 2 ({shares[1]:.1f} % of variance)", ways, at_ends=True),
        Panel("how far", "epochs done", "Euclidean distance", distance, (), _whole_ticks(0, epochs)),
        Panel("accuracy", "epoch", "percent of test samples right", accuracy, (), _whole_ticks(1, epochs)),
    ]  # fmt: skip
    return "a point an epoch; ring: the common start; large dot: the end", panels
