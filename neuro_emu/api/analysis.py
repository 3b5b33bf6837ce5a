"""Why feedback aligns: the analyses of Panjehpour and EsmaielZadeh 2022, on chips and on their float twins.

Each returns a record of plain data, which :func:`write_analysis` writes as data, text and picture. *fetch* loads the
data set once the configuration has been checked, *started* is called with what begins, and *report* with the progress
of a training. *fractions* are percent of the training samples, which swap their labels among themselves. Two rules are
a pair of configurations of one design point; see :func:`with_rule`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

import numpy as np

from neuro_emu.api import load, load_data, split_data
from neuro_emu.config.experiment import Experiment
from neuro_emu.diagnostics import open_loop, studies
from neuro_emu.diagnostics.alignment_terms import Batch, Recorder, Term, terms
from neuro_emu.diagnostics.angles import angle, rounded
from neuro_emu.diagnostics.probe import path_of, transposed_path
from neuro_emu.diagnostics.trajectories import Snapshots, principal_components
from neuro_emu.errors import ConfigError, RunError
from neuro_emu.files import json_text, write_text
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import initial_state
from neuro_emu.training.engines import Engine
from neuro_emu.training.loop import Progress, Split, train

if TYPE_CHECKING:
    from neuro_emu.datasets import Dataset

Fetch = Callable[[Experiment], "Dataset"]
Note = Callable[[str], None]
Report = Callable[[Progress], None]
Parts = tuple[Split, Split | None, Split]

FRACTIONS = (0.0, 25.0, 50.0, 75.0, 100.0)
"""Percent of the labels that are shuffled, as in figure 5."""
ORDERS = ("as_stored", "shuffled")
"""Orders of the samples, as in figures 3b and 3c."""
PHASES = ("start", "end")


def _quiet(_: Any) -> None:
    """Say nothing."""


def _chip(experiment: Experiment) -> Chip:
    """Return the chip that is analysed; refuse a graph of layers."""
    return experiment.dense_chip("analyses of alignment")


def _about(what: str, experiment: Experiment, datapath: str, data: Dataset) -> dict[str, Any]:
    training = experiment.config.training
    return {
        "schema": 1,
        "analysis": what,
        "name": experiment.config.name,
        "network": str(experiment.chip.network),
        "rule": training.rule,
        "datapath": datapath,
        "epochs": training.epochs,
        "seed": training.seed,
        "dataset": {"name": data.name, "digest": data.digest},
        "config_digest": experiment.digest,
    }


def _check(experiment: Experiment, datapath: str) -> None:
    """Refuse what cannot be trained on a datapath, and what has no labels."""
    if _chip(experiment).learning.adam and datapath != "float":
        raise experiment.document.error(
            "training.optimiser",
            "adam divides by a root for every weight: no integer datapath has it",
            "analyse the float twin (--datapath float), or choose sgd, momentum or nesterov",
        )
    if _chip(experiment).learning.targets.regression:
        name = experiment.config.dataset.name
        raise experiment.document.error("dataset.name", f"{name} has no classes to tell apart", "e.g. write mnist")


# --- alignment terms ----------------------------------------------------------------------------------------------


class _Measured(Recorder):
    """A recorder that measures the terms of the mini-batches in *windows* (counted from 0), by phase and layer."""

    def __init__(self, chip: Chip, orders: int, windows: dict[str, range]) -> None:
        super().__init__(chip, orders + 1)
        self._orders, self._windows, self._steps = range(1, orders + 1), windows, 0
        self.found: dict[str, list[list[list[Term]]]] = {phase: [[] for _ in self.history] for phase in windows}

    def step(self, *arguments: Any, **keywords: Any) -> None:
        """Learn from a mini-batch, and measure it if its turn has come; B is fixed."""
        super().step(*arguments, **keywords)
        for ring in self.history:  # all that a linear term needs of a batch is δᵀL, a thousand times smaller
            sums = ring[-1].above.T @ ring[-1].inputs
            ring[-1] = Batch(sums, np.eye(len(sums)), np.zeros((0, 0)))
        for phase, window in self._windows.items():
            if self._steps in window:
                for found, ring, feedback in zip(self.found[phase], self.history, self.path.feedback, strict=True):
                    found.append(terms(ring, feedback, self._orders))
        self._steps += 1


def alignment_terms(
    experiment: Experiment,
    orders: int = 120,
    fractions: Sequence[float] = (0.0,),
    *,
    batches: int = 5,
    fetch: Fetch = load_data,
    started: Note = _quiet,
) -> dict[str, Any]:
    """Measure the alignment terms of the float twin, samples as stored and shuffled (figures 3b, 3c and 5c).

    A pair of trainings for each of *fractions*. *orders* is the highest order, how many mini-batches a term looks back;
    means are over as many *batches*: the first that have enough past, and the last.

    Raises:
        ConfigError: if the configuration has no mini-batches, or no fixed feedback from the layer above.

    """
    if orders < 1:
        raise RunError(f"--orders {orders}: a term looks back at least one mini-batch")
    _check_fractions(fractions)
    _check_terms(experiment)
    data = fetch(experiment)
    split = split_data(experiment, data)[0]
    training = experiment.config.training
    period = -(-len(split) // training.batch)
    total = period * training.epochs
    if total < orders + batches:
        less = f", or --orders {total - batches} at most" if total > batches else ""
        raise experiment.document.error(
            "training.epochs",
            f"{total} mini-batches in all ({period} an epoch) do not reach back {orders} orders",
            f"train for {-(-(orders + batches) // period)} epochs{less}",
        )
    windows = dict(zip(PHASES, (range(orders, orders + batches), range(total - batches, total)), strict=True))
    runs = []
    for fraction in fractions:
        given = studies.shuffle_labels(split, fraction / 100.0, training.seed)
        for order in ORDERS:
            shuffled = order == "shuffled"
            chip = replace(_chip(experiment), learning=replace(experiment.chip.learning, shuffled=shuffled))
            recorder = _Measured(chip, orders, windows)
            for epoch in range(training.epochs):
                started(f"samples {order}, {fraction:g} % of labels shuffled: epoch {epoch + 1}/{training.epochs}")
                recorder.train(given, 1, epoch)
            runs.append({"order": order, "labels_shuffled": fraction} | _summed(recorder, period))
    return _about("terms", experiment, "float", data) | {
        "orders": orders,
        "batches": batches,
        "batches_per_epoch": period,
        "first_measured": {phase: window.start for phase, window in windows.items()},
        "runs": runs,
    }


def _check_terms(experiment: Experiment) -> None:
    error, training = experiment.document.error, experiment.config.training
    if training.batch == 1:
        raise error(
            "training.batch",
            "alignment terms relate mini-batches, and this chip learns from one sample at a time",
            "e.g. training.batch=1000, as configs/papers/fa_review_paper.yaml has it",
        )
    try:
        Recorder(_chip(experiment), 2)
    except ValueError:
        text = f"alignment terms need fixed feedback from the layer above, which {training.rule} does not have"
        raise error("training.rule", text, "write fa") from None
    if not _chip(experiment).network.hidden:
        raise error("network.layers", "alignment terms are of hidden layers, and there is none")


def _summed(recorder: _Measured, period: int) -> dict[str, Any]:
    """Means over the measured mini-batches, an entry an order; and over orders that are multiples of an epoch."""
    record: dict[str, Any] = {}
    for phase, layers in recorder.found.items():
        record[phase] = []
        for measured in layers:
            entry: dict[str, Any] = {}
            for key in ("angle", "symmetric_angle", "skewness"):
                columns = zip(*([getattr(term, key) for term in one] for one in measured), strict=True)
                entry[key] = [rounded(_mean(column)) for column in columns]
            for key in ("angle", "symmetric_angle", "skewness"):
                entry[f"{key}_of_multiples"] = rounded(_mean(entry[key][period - 1 :: period]))
                others = [value for n, value in enumerate(entry[key], start=1) if n % period]
                entry[f"{key}_of_others"] = rounded(_mean(others))
            record[phase].append(entry)
    return record


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


# --- without a task -----------------------------------------------------------------------------------------------


def open_loops(iterations: int = 300, seeds: int = 10, *, started: Note = _quiet) -> dict[str, Any]:
    """Measure the angle between W_1 and Bᵀ without a task, in floats and integers (figure 2b).

    Mean and deviation are over *seeds* draws.
    """
    if iterations < 1 or seeds < 1:
        raise RunError(f"--iterations {iterations} --seeds {seeds}: each is at least 1")
    loop = open_loop.OpenLoop(iterations=iterations)
    record: dict[str, Any] = {
        "schema": 1,
        "analysis": "open-loop",
        "name": "open-loop",
        "network": f"{loop.inputs}-{loop.hidden}-{loop.outputs}",
        "batch": loop.batch,
        "iterations": iterations,
        "seeds": seeds,
    }
    for number, run in (("float", open_loop.run), ("integers", open_loop.run_integers)):
        record[number] = {}
        for condition in open_loop.CONDITIONS:
            started(f"{number}: {condition}")
            runs = [run(replace(loop, seed=seed), condition) for seed in range(1, seeds + 1)]
            columns = [[value for value in column if value is not None] for column in zip(*runs, strict=True)]
            record[number][condition] = {
                "angle": [rounded(_mean(column)) for column in columns],
                "deviation": [rounded(pstdev(column) if column else None) for column in columns],
            }
    return record


# --- labels without meaning ---------------------------------------------------------------------------------------


def shuffled_labels(
    experiment: Experiment,
    fractions: Sequence[float] = FRACTIONS,
    *,
    datapath: str = "fast",
    fetch: Fetch = load_data,
    started: Note = _quiet,
    report: Report = _quiet,
) -> dict[str, Any]:
    """Train with part of the labels shuffled: accuracies, and the angles of the feedback an epoch (figure 5)."""
    _check_fractions(fractions)
    _check(experiment, datapath)
    data = fetch(experiment)
    chip, parts, runs = _chip(experiment), split_data(experiment, data), []
    for fraction in fractions:
        started(f"{fraction:g} % of the labels shuffled")
        given = studies.shuffle_labels(parts[0], fraction / 100.0, experiment.config.training.seed)
        angles: list[list[float | None]] = []

        def observe(_done: int, engine: Engine, angles: list[list[float | None]] = angles) -> None:
            angles.append(_feedback_angles(chip, engine))

        found = train(
            chip,
            (given, parts[1], parts[2]),
            experiment.config.training.epochs,
            datapath=datapath,
            report=report,
            observe=observe,
        )
        runs.append(
            {
                "labels_shuffled": fraction,
                "test_accuracy": [epoch.test_accuracy for epoch in found.epochs],
                "train_accuracy": [epoch.train_accuracy for epoch in found.epochs],
                "feedback_angles": angles,
            }
        )
    return _about("labels", experiment, datapath, data) | {"runs": runs}


def _check_fractions(fractions: Sequence[float]) -> None:
    if not fractions or not all(0.0 <= fraction <= 100.0 for fraction in fractions):
        raise RunError("--fractions: name shares of the labels in percent, 0 to 100, e.g. 0,50,100")


def _feedback_angles(chip: Chip, engine: Engine) -> list[float | None]:
    """Degrees between B_k and the transposed path it stands for, an entry a hidden layer."""
    path, found = path_of(chip, engine), []
    for k, feedback in enumerate(path.feedback):
        transposed = transposed_path(chip, path, k)
        alike = transposed is not None and transposed.shape == feedback.shape
        found.append(rounded(angle(feedback, transposed)) if alike else None)
    return found


# --- two rules ----------------------------------------------------------------------------------------------------


def with_rule(path: str | Path, rule: str, overrides: Sequence[str], first: Experiment) -> Experiment:
    """Return the configuration of *first* with another rule; layers, weight formats and data have to stay."""
    if rule == first.config.training.rule:
        raise RunError(f"--to {rule}: that is the configuration's own rule; name another")
    try:
        second = load(path, [*overrides, f"training.rule={rule}"])
    except ConfigError as error:
        raise ConfigError(f"with training.rule={rule}: {error}") from error
    shapes = [[(la.rows, la.units, la.weight) for la in _chip(one).network.layers] for one in (first, second)]
    if shapes[0] != shapes[1] or first.config.dataset != second.config.dataset:
        text = f"{first.config.training.rule} and {rule} have other layers, weight formats or data"
        raise first.document.error("training.rule", text, "the two rules need the same ones")
    return second


def switched(
    pair: tuple[Experiment, Experiment],
    at: Sequence[int] = (0, 1, 2, 5),
    *,
    datapath: str = "fast",
    fetch: Fetch = load_data,
    started: Note = _quiet,
) -> dict[str, Any]:
    """Train with one rule, then go on with another, and once without going over (figure 7).

    *at* are numbers of epochs with the first rule.
    """
    first, second = pair
    epochs = first.config.training.epochs
    if not at or not all(0 <= number <= epochs for number in at):
        raise RunError(f"--at: name epochs between 0 and {epochs} (training.epochs), e.g. 0,1")
    for experiment in pair:
        _check(experiment, datapath)
    data = fetch(first)
    parts, runs = split_data(first, data), []
    for number in sorted({*at, epochs}):
        started(f"{number} of {epochs} epochs with {first.config.training.rule}")
        before, after = studies.switch(_chip(first), _chip(second), parts, number, epochs - number, datapath)
        entry = {"test_accuracy": before.test + after.test, "train_accuracy": before.learning + after.learning}
        runs.append({"switched_after": number, **entry})
    return _about("switch", first, datapath, data) | {"to": second.config.training.rule, "runs": runs}


def trajectories(
    pair: tuple[Experiment, Experiment],
    *,
    datapath: str = "fast",
    fetch: Fetch = load_data,
    started: Note = _quiet,
    report: Report = _quiet,
) -> dict[str, Any]:
    """Train two rules from equal weights and follow all parameters along two principal components (figure 6e)."""
    first, second = pair
    for experiment in pair:
        _check(experiment, datapath)
    data = fetch(first)
    parts, taken = split_data(first, data), []
    runs: list[dict[str, Any]] = []
    for experiment in pair:
        rule = experiment.config.training.rule
        started(rule)
        chip = _chip(experiment)
        snapshots = Snapshots(chip)
        start = studies.hand_over(_chip(first), chip, initial_state(_chip(first)))
        epochs = first.config.training.epochs
        found = train(chip, parts, epochs, datapath=datapath, report=report, observe=snapshots.observe, state=start)
        flat = np.stack([np.concatenate([matrix.ravel() for matrix in one]) for one in snapshots.taken])
        taken.append((snapshots.taken, flat))
        runs.append({"rule": rule, "test_accuracy": [epoch.test_accuracy for epoch in found.epochs]})
    seen = principal_components([snapshots for snapshots, _ in taken])
    moved = [flat - flat[0] for _, flat in taken]
    for run, steps, coordinates in zip(runs, moved, seen.coordinates, strict=True):
        run["coordinates"] = [[rounded(float(value)) for value in point] for point in coordinates]
        run["distance_from_start"] = [rounded(float(np.linalg.norm(step))) for step in steps]
    return _about("trajectories", first, datapath, data) | {
        "to": second.config.training.rule,
        "explained": [rounded(float(share)) for share in seen.explained],
        "distance_apart": [rounded(float(np.linalg.norm(a - b))) for a, b in zip(*moved, strict=True)],
        "angle_of_displacements": rounded(angle(moved[0][-1], moved[1][-1])),
        "runs": runs,
    }


def write_analysis(record: dict[str, Any], directory: str | Path) -> None:
    """Write `analysis.json`, `analysis.txt` and `analysis.svg`."""
    from neuro_emu.report.analysis import analysis_text
    from neuro_emu.report.analysis_pictures import analysis_picture

    folder = Path(directory)
    write_text(folder / "analysis.json", json_text(record))
    write_text(folder / "analysis.txt", analysis_text(record))
    write_text(folder / "analysis.svg", analysis_picture(record))
