"""Analyses of alignment and of training as text."""

from __future__ import annotations

import textwrap
from typing import Any

_COLUMNS = 100


def analysis_text(record: dict[str, Any]) -> str:
    """Return the tables of one analysis, what was analysed above them, how to read them below."""
    make = {
        "terms": _terms,
        "open-loop": _open_loop,
        "labels": _labels,
        "switch": _switch,
        "trajectories": _trajectories,
    }
    lines, reading = make[record["analysis"]](record)
    return "\n".join([heading(record), "", *lines, "", *textwrap.wrap(reading, _COLUMNS)]) + "\n"


def heading(record: dict[str, Any]) -> str:
    """Return what was analysed, in one line."""
    titles = {
        "terms": "alignment terms",
        "open-loop": "alignment without a task",
        "labels": "shuffled labels",
        "switch": f"from {record.get('rule')} to {record.get('to')}",
        "trajectories": f"trajectories of {record.get('rule')} and {record.get('to')}",
    }
    if record["analysis"] == "open-loop":
        seeds = f"mean ± sd of {record['seeds']} draws" if record["seeds"] > 1 else "one draw"
        return f"{titles['open-loop']}: {record['network']}, batch {record['batch']}, {seeds}"
    rule = "" if "to" in record else f" {record['rule']},"
    data = "float twin" if record["datapath"] == "float" else "integers"
    epochs = f"{record['epochs']} epoch{'s' if record['epochs'] > 1 else ''}"
    return (
        f"{titles[record['analysis']]}: {record['name']}, {record['network']},{rule} {data},"
        f" {record['dataset']['name']}, {epochs}"
    )


def degrees(value: float | None) -> str:
    """Return an angle with its sign; a dash where there is none."""
    return "–" if value is None else f"{value:.1f}°"


def _terms(record: dict[str, Any]) -> tuple[list[str], str]:
    period, lines = record["batches_per_epoch"], []
    for run in record["runs"]:
        shuffled = run["labels_shuffled"]
        labels = f", {shuffled:g} % of the labels shuffled" if shuffled else ""
        lines.append(f"samples {run['order']}{labels}")
        lines.append(f"  {'':10}{f'orders that are multiples of {period}':^36}{'all other orders':^36}")
        columns = f"{'angle':>12}{'symmetric':>12}{'skewness':>12}"
        lines.append(f"  {'layer':10}{columns}{columns}")
        for phase in ("start", "end"):
            for k, entry in enumerate(run[phase]):
                cells = "".join(_term_cells(entry, which) for which in ("multiples", "others"))
                lines.append(f"  {f'{k} {phase}':10}{cells}")
        lines.append("")
    first = record["first_measured"]
    reading = (
        f"Angle between a term of order o and B: the mini-batch now against the one o mini-batches ago; 90° is no"
        f" alignment. Means over the orders 1 to {record['orders']} and over {record['batches']} mini-batches, from"
        f" number {first['start'] + 1} (start) and {first['end'] + 1} (end) on; an epoch has {period}. symmetric: the"
        " same angle for the symmetric part of the term; skewness: norm of the skew-symmetric part, which cannot"
        " align, over that of the symmetric part. Samples in stored order come back after an epoch, so orders that are"
        " its multiples align better (Panjehpour and EsmaielZadeh 2022, figures 3 and 5c). –: no such order, or terms"
        " of zeros, as in a layer that gets no error."
    )
    return lines[:-1], reading


def _term_cells(entry: dict[str, Any], which: str) -> str:
    skewness = entry[f"skewness_of_{which}"]
    ratio = "–" if skewness is None else f"{skewness:.2f}"
    angles = (entry[f"{key}_of_{which}"] for key in ("angle", "symmetric_angle"))
    return "".join(f"{degrees(value):>12}" for value in angles) + f"{ratio:>12}"


def _open_loop(record: dict[str, Any]) -> tuple[list[str], str]:
    half = record["iterations"] // 2
    last = record["iterations"]
    lines = [
        f"{'angle between W_1 and Bᵀ':26}{'floats':^30}{'integers':^30}",
        f"{'after iteration':26}" + 2 * f"{half:>15}{last:>15}",
    ]
    for condition in record["float"]:
        cells = []
        for number in ("float", "integers"):
            found = record[number][condition]
            for n in (half, last):
                spread = f" ± {found['deviation'][n]:.1f}" if record["seeds"] > 1 else ""
                cells.append(f"{degrees(found['angle'][n]) + spread:>15}")
        lines.append(f"{condition:26}{''.join(cells)}")
    reading = (
        "A ReLU network whose inputs and errors are noise: kept for all iterations (autocorrelation), equal to each"
        " other (cross-correlation), both, or neither. Feedback aligns where the noise has memory or the two belong"
        " together, without anything to learn (Panjehpour and EsmaielZadeh 2022, figure 2b)."
    )
    return lines, reading


def _labels(record: dict[str, Any]) -> tuple[list[str], str]:
    layers = len(record["runs"][0]["feedback_angles"][0])
    heads = "".join(f"{f'layer {k}':>10}" for k in range(layers))
    lines = [
        f"{'':10}{'test':>12}{'learning':>12}   angle between B and the transposed weights it stands for",
        f"{'shuffled':10}{'accuracy':>12}{'accuracy':>12}{heads}",
    ]
    for run in record["runs"]:
        angles = "".join(f"{degrees(value):>10}" for value in run["feedback_angles"][-1])
        accuracies = "".join(f"{run[key][-1]:>10.2f} %" for key in ("test_accuracy", "train_accuracy"))
        lines.append(f"{run['labels_shuffled']:>8g} %{accuracies}{angles}")
    lines.append(f"{'at first':34}" + "".join(f"{degrees(v):>10}" for v in record["runs"][0]["feedback_angles"][0]))
    reading = (
        "Shuffled labels swap places among their samples, once, before training; chance gives 90°. In the paper"
        " the angles grow with the share of shuffled labels and towards the first layer (Panjehpour and EsmaielZadeh"
        " 2022, figure 5). Test labels are the true ones; learning accuracy is of the labels as they were given."
    )
    return lines, reading


def _switch(record: dict[str, Any]) -> tuple[list[str], str]:
    epochs, rule, to = record["epochs"], record["rule"], record["to"]
    shown = [n for n in range(1, epochs + 1) if n in {1, 2, 5, epochs} or n % max(10, epochs // 5) == 0]
    lines = [
        "test accuracy in percent after epoch",
        f"{'':24}" + "".join(f"{n:>8}" for n in shown) + f"{'best':>8}",
    ]
    for run in record["runs"]:
        number, curve = run["switched_after"], run["test_accuracy"]
        label = f"{to} alone" if number == 0 else f"{rule} alone" if number == epochs else f"{to} after {number}"
        lines.append(f"{label:24}" + "".join(f"{curve[n - 1]:>8.2f}" for n in shown) + f"{max(curve):>8.2f}")
    reading = (
        f"{rule} for some epochs, then {to} from the weights reached. Where {to} after n epochs ends below {to} alone,"
        f" the weights that {rule} found are a worse start than random ones (Panjehpour and EsmaielZadeh 2022,"
        " figure 7, report that backpropagation then gets stuck)."
    )
    return lines, reading


def _trajectories(record: dict[str, Any]) -> tuple[list[str], str]:
    lines = [f"{'rule':16}{'test accuracy':>15}{'from the start':>16}{'component 1':>13}{'component 2':>13}"]
    for run in record["runs"]:
        end = "".join(f"{value:>13.2f}" for value in run["coordinates"][-1])
        accuracy = f"{run['test_accuracy'][-1]:.2f} %"
        lines.append(f"{run['rule']:16}{accuracy:>15}{run['distance_from_start'][-1]:>16.2f}{end}")
    shares = " and ".join(f"{100 * share:.1f} %" for share in record["explained"])
    lines += [
        "",
        f"{'apart at the end':31}{record['distance_apart'][-1]:>16.2f}",
        f"{'angle between the ways':31}{degrees(record['angle_of_displacements']):>16}",
        f"the two components hold {shares} of the variance",
    ]
    reading = (
        "All weights and biases as one point, from equal starts, a point an epoch; distances are Euclidean, in values."
        " Ways at a large angle that end far apart lead to different minima (Panjehpour and EsmaielZadeh 2022, figure"
        " 6e; its contours of the loss are left out)."
    )
    return lines, reading
