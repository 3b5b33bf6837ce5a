"""Published experiments, run again: the float twin with the paper's recipe, the chip and its own twin with the chip's.

Studies are data (`configs/papers/studies.yaml`): a row names a rule, the published figure and its band. What has been
run is kept by the digest of its configuration, so an interrupted set goes on where it stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from neuro_emu import __version__
from neuro_emu.config import typed
from neuro_emu.config.experiment import Experiment, load
from neuro_emu.errors import RunError
from neuro_emu.files import json_text, write_text
from neuro_emu.numerics import SEMANTICS_VERSION

if TYPE_CHECKING:
    from neuro_emu.datasets import Dataset
    from neuro_emu.training.loop import Progress

KINDS = ("paper", "chip", "twin")
"""The float twin with the paper's recipe; the integers of a chip; the float twin with the recipe of that chip."""


@dataclass(frozen=True)
class Row:
    """One published figure.

    Attributes:
        rule: the learning rule.
        published: accuracy in percent; None where the paper prints none.
        sd: its published standard deviation.
        label: what to print instead of the rule.
        set: overrides of this row alone, `section.key=value`.
        note: why it lies outside the band, or what is special.
        angles: published angles in degrees, by name.

    """

    rule: str
    published: float | None = None
    sd: float | None = None
    label: str | None = None
    set: tuple[str, ...] = ()
    note: str | None = None
    angles: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How the row is called."""
        return self.label or self.rule


@dataclass(frozen=True)
class Study:
    """One table or figure of a paper.

    Attributes:
        source: paper, table or figure.
        network: shape, for the reader.
        paper: configuration with the recipe of the paper, for the float twin.
        chip: configuration with the recipe of a chip, for the integers and their twin.
        rows: what is published.
        set: overrides of all rows.
        last: with the recipe of the paper accuracy is the mean over this many last epochs; a chip's is the last.
        band: points by which the float twin may differ; None: judged by order alone.
        order: rows from best to worst, where a study is judged by order.
        angles: whether the angles of the last epoch are measured.
        twin: whether the chip's own float twin is trained too.
        shortened: how its length differs from the paper's; None: as published.

    """

    source: str
    network: str
    paper: str
    chip: str
    rows: tuple[Row, ...]
    set: tuple[str, ...] = ()
    last: int = 1
    band: float | None = 0.5
    order: tuple[str, ...] = ()
    angles: bool = False
    twin: bool = True
    shortened: str | None = None


@dataclass(frozen=True)
class Studies:
    """All studies, by name."""

    studies: dict[str, Study]


def read_studies(folder: str | Path) -> dict[str, Study]:
    """Return the studies of a folder of configurations.

    Raises:
        ConfigError: with file, line and column of what is wrong.
        RunError: if the folder has no `studies.yaml`.

    """
    path = Path(folder) / "studies.yaml"
    if not path.is_file():
        raise RunError(f"{folder} has no studies.yaml; run from the project's folder, or name configs/papers")
    return typed.load(path, Studies).studies


def experiment_of(folder: str | Path, study: Study, row: Row, kind: str, overrides: Sequence[str] = ()) -> Experiment:
    """Return the configuration of one row and kind."""
    name = study.paper if kind == "paper" else study.chip
    return load(Path(folder) / name, [*study.set, *row.set, f"training.rule={row.rule}", *overrides])


def run_papers(
    folder: str | Path,
    names: Sequence[str] = (),
    *,
    out: str | Path = "runs/papers",
    kinds: Sequence[str] = KINDS,
    overrides: Sequence[str] = (),
    started: Callable[[str], None] = lambda _: None,
    report: Callable[[Progress], None] = lambda _: None,
    finished: Callable[[str, dict[str, Any]], None] = lambda *_: None,
) -> dict[str, Any]:
    """Run studies, or what is missing of them, and return the table.

    Args:
        folder: where `studies.yaml` and its configurations lie.
        names: studies; none: all.
        out: where results are kept, one file a training.
        kinds: of :data:`KINDS`.
        overrides: `section.key=value` texts for every training, e.g. fewer epochs; kept apart from the others.
        started: called with what begins.
        report: called with the progress of a training.
        finished: called with the study and the entry of each row when it is done.

    Raises:
        RunError: for a study that is not there.

    """
    studies = read_studies(folder)
    for name in names:
        if name not in studies:
            raise RunError(f"no study {name!r}; there are: {', '.join(studies)}")
    data: dict[str, Dataset] = {}
    for name in names or studies:  # whatever is missing or wrong is known before the first training, not after hours
        for row in studies[name].rows:
            for kind in kinds:
                _data_of(experiment_of(folder, studies[name], row, kind, overrides), data)
    table = {}
    for name in names or studies:
        study = studies[name]
        entries = []
        for row in study.rows:
            entry: dict[str, Any] = {"row": row.name, "rule": row.rule, "published": row.published, "sd": row.sd}
            entry |= {"note": row.note, "published_angles": row.angles}
            for kind in kinds:
                if kind == "twin" and not study.twin:
                    continue
                started(f"{name}: {row.name}, {kind}")
                entry[kind] = _measured(folder, name, study, row, kind, overrides, Path(out), data, report)
            judge_row(study, entry, as_published=not overrides)
            entries.append(entry)
            finished(name, entry)
        table[name] = {"source": study.source, "network": study.network, "rows": entries} | judge(study, entries)
    return {"schema": 1, "version": __version__, "overrides": list(overrides), "studies": table}


def _measured(
    folder: str | Path,
    name: str,
    study: Study,
    row: Row,
    kind: str,
    overrides: Sequence[str],
    out: Path,
    data: dict[str, Dataset],
    report: Callable[[Progress], None],
) -> dict[str, Any]:
    """Train one row, or read what it gave before with the same configuration."""
    from neuro_emu.api import run

    experiment = experiment_of(folder, study, row, kind, overrides)
    datapath, last = "fast" if kind == "chip" else "float", study.last if kind == "paper" else 1
    samples = _data_of(experiment, data)
    identity = {
        "version": __version__,
        "data": samples.digest,
        "digest": experiment.digest,
        "datapath": datapath,
        "semantics": SEMANTICS_VERSION,
        "last": last,
    }
    path = out / name / f"{row.name}-{kind}-{experiment.digest[:8]}.json"
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept.get("identity") == identity and ("angles" in kept or not study.angles):
            return dict(kept)
    begin = time.perf_counter()
    angles: dict[str, Any] = {}
    observe = None
    if study.angles:
        from neuro_emu.api.diagnosis import last_angles

        observe = last_angles(experiment, samples, angles)
    metrics = run(experiment, data=samples, datapath=datapath, report=report, observe=observe).metrics
    key = "test_loss" if "test_loss" in metrics else "test_accuracy"
    curve = [epoch[key] for epoch in metrics["epochs"]]
    result = {
        "identity": identity,
        key: round(fmean(curve[-last:]), 9 if key == "test_loss" else 4),
        "curve": curve,
        "epochs": len(curve),
        "batch": experiment.config.training.batch,
        "bits": [str(layer.weight) for layer in experiment.chip.network.layers],
        "seconds": round(time.perf_counter() - begin, 1),
        "command": list(experiment.command),
        **({"angles": angles} if study.angles else {}),
    }
    write_text(path, json_text(result))
    return result


def _data_of(experiment: Experiment, known: dict[str, Dataset]) -> Dataset:
    """Return the data set of an experiment, loaded once."""
    from neuro_emu.api import load_data

    wanted = experiment.config.dataset
    source = f"{wanted.name} {wanted.path} {wanted.train} {wanted.test}"  # sets that are made have as many as asked for
    if source not in known:
        known[source] = load_data(experiment)
    return known[source]


def judge_row(study: Study, entry: dict[str, Any], *, as_published: bool = True) -> None:
    """Add to a row how far its float twin lies from the paper, and what quantisation costs.

    Trainings with overrides of their own are not judged.
    """
    if as_published and entry["published"] is not None and "test_accuracy" in entry.get("paper", {}):
        difference = entry["paper"]["test_accuracy"] - entry["published"]
        entry["difference"] = round(difference, 4)
        if study.band is not None:
            entry["inside"] = abs(difference) <= max(study.band, entry["sd"] or 0.0) + 1e-9
    reference = next((kind for kind in ("twin", "paper") if kind in entry), None)
    if reference and "chip" in entry and "test_accuracy" in entry["chip"]:
        entry["cost"] = round(entry[reference]["test_accuracy"] - entry["chip"]["test_accuracy"], 4)
        entry["cost_of"] = reference


def judge(study: Study, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a study says as a whole: whether its rows come in the published order."""
    found: dict[str, Any] = {"band": study.band, "shortened": study.shortened, "order": list(study.order)}
    for kind in ("paper", "chip"):
        values = {e["row"]: e[kind] for e in entries if kind in e}
        if study.order and all(name in values for name in study.order):
            found[f"{kind}_in_order"] = _ordered([_merit(values[name]) for name in study.order])
    return found


def _merit(result: dict[str, Any]) -> float:
    """The larger the better."""
    return float(result["test_accuracy"]) if "test_accuracy" in result else -float(result["test_loss"])


def _ordered(merits: list[float]) -> bool:
    return all(better >= worse for better, worse in pairwise(merits))


def write_papers(record: dict[str, Any], directory: str | Path) -> None:
    """Write `papers.json`, `papers.txt` and `papers.svg`."""
    from neuro_emu.report.papers import papers_picture, papers_table

    folder = Path(directory)
    write_text(folder / "papers.json", json_text(record))
    write_text(folder / "papers.txt", papers_table(record))
    write_text(folder / "papers.svg", papers_picture(record))
