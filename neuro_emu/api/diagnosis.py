"""Runs that say what happens inside: `neuro-emu run --diagnose`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_emu.config.experiment import Experiment
from neuro_emu.files import json_text, write_text

if TYPE_CHECKING:
    from neuro_emu.datasets import Dataset
    from neuro_emu.training.engines import Engine
    from neuro_emu.training.finished import Run
    from neuro_emu.training.loop import Progress
    from neuro_emu.training.means import Means

_WHAT = "diagnosis"
"""That graphs of layers do not have."""

ANGLES = {
    "feedback": "feedback_angle",
    "delta": "delta_angle",
    "update": "update_angle",
    "estimate": "estimate_angle",
}
"""Angles of :func:`last_angles`, and the measurement that each is (see :mod:`neuro_emu.diagnostics.probe`)."""


def run_diagnosed(
    experiment: Experiment,
    out: str | Path | None = None,
    *,
    data: Dataset | None = None,
    datapath: str = "fast",
    means: Means | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    observe: Callable[[int, Engine], None] = lambda *_: None,
    twin_started: Callable[[], None] = lambda: None,
) -> Run:
    """Train and test a chip as :func:`neuro_emu.api.run` does, and its float twin beside it, both diagnosed.

    Args:
        experiment: see :func:`neuro_emu.load`.
        out: directory to write, `diagnosis.json` and `diagnosis.svg` with the rest; None: write nothing.
        data: the data set, if it is loaded already.
        datapath: as for `run`; ``float`` diagnoses the twin alone.
        means: as for `run`; of the chip, since the float twin has no choice.
        report: called with the progress of each training.
        observe: as for `run`, before the diagnosis; of the chip, or of the twin if it is alone.
        twin_started: called before the training of the float twin, which takes longer.

    """
    from neuro_emu.api import load_data, run, split_data
    from neuro_emu.diagnostics.diagnose import Diagnosis
    from neuro_emu.training.loop import train

    chip, epochs = experiment.dense_chip(_WHAT), experiment.config.training.epochs
    data = data or load_data(experiment)
    training = split_data(experiment, data)[0]
    first = Diagnosis(chip, training)

    def both(epochs_done: int, engine: Engine) -> None:
        observe(epochs_done, engine)
        first.observe(epochs_done, engine)

    finished = run(experiment, out, data=data, datapath=datapath, means=means, report=report, observe=both)
    name = "twin" if datapath == "float" else "chip"
    finished.diagnosis = {name: first.record}
    if name == "chip":
        twin_started()
        twin = Diagnosis(chip, training)
        result = train(
            chip, split_data(experiment, data), epochs, datapath="float", report=report, observe=twin.observe
        )
        last = result.epochs[-1]
        finished.diagnosis["twin"] = twin.record
        finished.twin = {"test_accuracy": last.test_accuracy, "test_loss": last.test_loss}
    if out is not None:
        write_diagnosis(finished, Path(out))
    return finished


def write_diagnosis(finished: Run, directory: Path) -> None:
    """Write `diagnosis.json` and `diagnosis.svg`."""
    from neuro_emu.report.diagnosis import diagnosis_curves

    assert finished.diagnosis is not None
    metrics = finished.metrics
    record = {"schema": 1, "name": metrics["name"], "config_digest": metrics["config_digest"], **finished.diagnosis}
    if finished.twin:
        record["twin_result"] = finished.twin
    write_text(directory / "diagnosis.json", json_text(record))
    title = f"{metrics['name']}: {metrics['network']}, {metrics['rule']}"
    write_text(directory / "diagnosis.svg", diagnosis_curves(finished.diagnosis, title))


def last_angles(
    experiment: Experiment, data: Dataset, angles: dict[str, list[float | None]]
) -> Callable[[int, Engine], None]:
    """Return an observer that puts the angles after the last epoch into *angles*, a list by layer for each name."""
    from neuro_emu.api import split_data
    from neuro_emu.diagnostics.diagnose import Diagnosis

    diagnosis = Diagnosis(experiment.dense_chip(_WHAT), split_data(experiment, data)[0])

    def observe(epochs_done: int, engine: Engine) -> None:
        if epochs_done == experiment.config.training.epochs:
            diagnosis.observe(epochs_done, engine)
            layers: list[dict[str, Any]] = diagnosis.record[-1]["layers"]
            for name, key in ANGLES.items():
                found = [layer[key] for layer in layers[:-1]]
                if any(value is not None for value in found):
                    angles[name] = found

    return observe
