"""The use cases as plain functions: what the command does, a notebook can do.

>>> from neuro_emu import load, run
>>> result = run(load("configs/drtp_mnist.yaml", ["training.epochs=1"]))
>>> result.metrics["test_accuracy"]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_emu.api.warm import warm_up
from neuro_emu.config.dump import dump
from neuro_emu.config.experiment import Experiment, load, load_text
from neuro_emu.errors import RunError
from neuro_emu.files import check_writable, json_text, write_bytes, write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from neuro_emu.datasets import Dataset
    from neuro_emu.numerics.augment import Augmentation
    from neuro_emu.training.engines import Engine
    from neuro_emu.training.finished import Run
    from neuro_emu.training.loop import Progress, Split
    from neuro_emu.training.means import Means


def load_data(experiment: Experiment, progress: Callable[[int, int | None, str], None] | None = None) -> Dataset:
    """Find or download the data set of *experiment*.

    Raises:
        DataError: if it is nowhere, corrupt or unreachable.

    """
    from neuro_emu import datasets
    from neuro_emu.datasets.registry import specification

    settings = experiment.config.dataset
    if not specification(settings.name).generated:
        return datasets.load(settings.name, settings.path, progress=progress)
    if settings.path is not None:
        raise experiment.document.error("dataset.path", f"{settings.name} samples are made, not read", "write null")
    if settings.name == "synthetic":
        return datasets.load("synthetic", train=settings.train or 512, test=settings.test or 128)
    return datasets.load(settings.name)  # whole, so that its digest does not hang on what is used of it


def split_data(experiment: Experiment, data: Dataset) -> tuple[Split, Split | None, Split]:
    """Return training, validation (or None) and test samples as input codes, with target codes in regression.

    Raises:
        DataError: if the samples cannot be averaged down to `dataset.side`.

    """
    from neuro_emu.numerics.inputs import real_codes
    from neuro_emu.training.loop import Split

    settings, held_out = experiment.config.dataset, experiment.config.training.validation
    output, augment = experiment.chip.network.output.output, _augmentation(experiment, data)

    def part(
        images: NDArray[Any], labels: NDArray[np.uint8], targets: NDArray[np.float64] | None, n: int | None
    ) -> Split:
        aims = None if targets is None else real_codes(targets[:n], output)
        return Split(_input_codes(experiment, data, images[:n]), labels[:n], aims)

    training = part(data.train_images, data.train_labels, data.train_targets, settings.train)
    test = part(data.test_images, data.test_labels, data.test_targets, settings.test)
    if not held_out:
        return replace(training, augment=augment), None, test
    cut = len(training) - held_out

    def cut_out(rows: slice) -> Split:
        targets = None if training.targets is None else training.targets[rows].copy()
        return Split(training.codes[rows].copy(), training.labels[rows].copy(), targets)

    return replace(cut_out(slice(cut)), augment=augment), cut_out(slice(cut, None)), test


def _input_codes(experiment: Experiment, data: Dataset, images: NDArray[Any]) -> NDArray[Any]:
    """Return the input codes of samples (n, features), averaged down, then normalised, if that is asked.

    Chips take them as (n, inputs), graphs that begin with a map as (n, rows, columns, channels).
    """
    import numpy as np

    from neuro_emu.network.deep.graph import Graph

    codes, network = _flat_codes(experiment, data, images), experiment.chip.network
    if not isinstance(network, Graph):
        # Narrow signed codes would compile every kernel once more, which takes a minute.
        return codes.astype(np.int32) if codes.dtype == np.int8 else codes
    if network.input_shape[:2] == (1, 1):
        return codes
    rows, columns, channels = network.input_shape
    return np.ascontiguousarray(codes.reshape(-1, channels, rows, columns).transpose(0, 2, 3, 1))


def _flat_codes(experiment: Experiment, data: Dataset, images: NDArray[Any]) -> NDArray[Any]:
    """Return the input codes (n, inputs), plane after plane."""
    from neuro_emu.datasets.resize import resize
    from neuro_emu.numerics.inputs import input_codes
    from neuro_emu.numerics.pixels import Normalisation

    settings = experiment.config.dataset
    if settings.side is not None:
        rows, columns = data.image_shape
        planes = resize(images.reshape(-1, rows * columns), data.image_shape, settings.side)
        images = planes.reshape(len(images), -1)
    if settings.normalise is None:
        return input_codes(images, settings.input)
    mean, multiplier = settings.normalise.mean, settings.normalise.multiplier
    normalisation = Normalisation(
        (mean,) if isinstance(mean, int) else mean,
        (multiplier,) if isinstance(multiplier, int) else multiplier,
        settings.normalise.shift,
    )
    return normalisation.codes(images, data.channels, settings.input)


def _augmentation(experiment: Experiment, data: Dataset) -> Augmentation | None:
    """Return what varies the training images; None: nothing."""
    from neuro_emu.numerics.augment import Augmentation

    settings = experiment.config.dataset
    if settings.augment is None:
        return None
    rows, columns = data.image_shape if settings.side is None else (settings.side, settings.side)
    seed = experiment.config.training.seed
    return Augmentation((data.channels, rows, columns), settings.augment.crop, settings.augment.flip, seed)


def run(
    experiment: Experiment,
    out: str | Path | None = None,
    *,
    data: Dataset | None = None,
    datapath: str = "fast",
    means: Means | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    observe: Callable[[int, Engine], None] | None = None,
) -> Run:
    """Train and test the chip of *experiment*.

    Args:
        experiment: see :func:`load`.
        out: directory to write; None: write nothing.
        data: the data set, if it is loaded already.
        datapath: ``fast``, ``traced`` (the same integers, slow) or ``float`` (the float twin).
        means: back-end and threads of the fast one, which change no integer; the others have no choice.
        report: called with the progress every few thousand samples.
        observe: called as observe(epochs done, engine) before the first epoch and after each.

    Raises:
        ConfigError, DataError: if configuration and data do not fit or data cannot be had.
        RunError: if *means* are for another datapath, or this processor has no code for the back-end.
        OverflowDetected: if `numerics.strict` is on and a tensor overflows.

    """
    from neuro_emu import jit
    from neuro_emu.training.finished import Run
    from neuro_emu.training.loop import train
    from neuro_emu.training.metrics import record_of

    if means:
        means.check(datapath)
    _check_start(experiment, out, datapath)
    clock = time.perf_counter
    begin = clock()
    data = data or load_data(experiment)
    parts = split_data(experiment, data)
    loaded = clock()
    ready = loaded

    def started() -> None:
        nonlocal ready
        ready = clock()

    result = train(
        experiment.chip,
        parts,
        experiment.config.training.epochs,
        datapath=datapath,
        means=means,
        started=started,
        report=report,
        observe=observe or (lambda *_: None),
    )
    identity = {
        "name": experiment.config.name,
        "config_digest": experiment.digest,
        "datapath": datapath,
        "dataset": {"name": data.name, "digest": data.digest},
    }
    metrics = record_of(experiment.chip, result, identity)
    finished = Run(experiment, metrics, result.state, kernels=result.kernels)
    finished.timing = {
        "data": loaded - begin,
        "compile": jit.compile_seconds(),
        "start": ready - loaded,
        "learn": clock() - ready,
    }
    if out is not None:
        write_run(finished, Path(out))
    return finished


def _check_start(experiment: Experiment, out: str | Path | None, datapath: str) -> None:
    """Refuse before the training what would only be noticed after it."""
    if experiment.chip.learning.adam and datapath != "float":
        raise experiment.document.error(
            "training.optimiser",
            "adam divides by a root for every weight: no integer datapath has it",
            "run the float twin (--datapath float), or choose sgd, momentum or nesterov",
        )
    if out is not None:
        from neuro_emu.api.estimate import check_settings

        check_writable(Path(out))
        check_settings(experiment)


def write_run(finished: Run, directory: Path) -> None:
    """Write the run directory: configuration, metrics, weights, estimate, summary and learning curves."""
    from neuro_emu.api.estimate import estimate_of_run, write_estimate
    from neuro_emu.network.weights import pack_weights
    from neuro_emu.report.curves import learning_curves
    from neuro_emu.report.text import summary

    experiment = finished.experiment
    write_text(directory / "config.yaml", dump(experiment.config))
    if finished.state is None:
        (directory / "weights.npz").unlink(missing_ok=True)  # of an earlier run: the float twin has no codes
    else:
        write_bytes(directory / "weights.npz", pack_weights(experiment.chip.network, finished.state))
    made = estimate_of_run(finished)
    if made is None:
        for name in (
            "estimate.json",
            "estimate.txt",
            "estimate.svg",
        ):  # of an earlier run: the float twin counts nothing
            (directory / name).unlink(missing_ok=True)
    else:
        finished.estimate = made.record
        write_estimate(made, directory)
    write_text(directory / "curves.svg", learning_curves(finished.metrics))
    write_text(directory / "summary.txt", summary(finished))
    write_text(directory / "metrics.json", json_text(finished.metrics))
    finished.directory = directory


def schema() -> dict[str, Any]:
    """Return the JSON Schema of configuration files, for editors."""
    from neuro_emu.config.json_schema import json_schema
    from neuro_emu.config.per_rule import SCHEMA, SECTION
    from neuro_emu.config.schema import Config

    record = json_schema(Config, "neuro_emu configuration")
    record["properties"][SECTION] = SCHEMA
    return record


__all__ = [
    "Experiment",
    "evaluate",
    "load",
    "load_data",
    "load_text",
    "run",
    "schema",
    "split_data",
    "warm_up",
    "write_run",
]


def evaluate(directory: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Test the saved weights of a run.

    Args:
        directory: a run directory.
        overrides: `section.key=value` texts, e.g. another `dataset.name` or `dataset.path` of the same shape.

    Returns:
        A record with `test_accuracy` and `per_class` in percent (None for a class without samples), and the
        `confusion` matrix; in regression `test_loss`, the mean squared error, in their place.

    Raises:
        RunError: if the directory is not a complete run.

    """
    import numpy as np

    from neuro_emu.network.weights import unpack_weights
    from neuro_emu.training.loop import confusion_matrix, engine_of, first_state, mean_squared_error, percent

    folder = Path(directory)
    weights = folder / "weights.npz"
    if not (folder / "config.yaml").is_file() or not weights.is_file():
        raise RunError(
            f"{folder} is not a run directory: it needs config.yaml and weights.npz, as `neuro-emu run` writes them"
        )
    experiment = load(folder / "config.yaml", overrides)
    data = load_data(experiment)
    _, _, test = split_data(experiment, data)
    state = first_state(experiment.chip)
    unpack_weights(weights.read_bytes(), experiment.chip.network, state, str(weights))
    engine = engine_of(experiment.chip, state, test)
    identity = {
        "name": experiment.config.name,
        "config_digest": experiment.digest,
        "dataset": {"name": data.name, "digest": data.digest},
        "samples": len(test),
    }
    if experiment.chip.learning.targets.regression:
        return identity | {"test_accuracy": None, "test_loss": mean_squared_error(experiment.chip, engine, test)}
    predictions = engine.infer(test.codes)
    confusion = confusion_matrix(test.labels, predictions, experiment.chip.labels)
    return identity | {
        "test_accuracy": percent(np.trace(confusion), len(test)),
        "per_class": [percent(row[c], row.sum()) if row.any() else None for c, row in enumerate(confusion)],
        "confusion": confusion.tolist(),
    }
