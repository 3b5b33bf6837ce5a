"""What a chip costs: energy, area, power and leakage, before a training or from the counts of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_emu.config.experiment import Experiment, load
from neuro_emu.errors import ConfigError, RunError
from neuro_emu.estimate.chip import design_of
from neuro_emu.estimate.cost import Cost, cost_of
from neuro_emu.estimate.price import Prices
from neuro_emu.estimate.record import record_of
from neuro_emu.estimate.technology import NAMES, Technology, find_technology
from neuro_emu.files import check_writable, json_text, write_text
from neuro_emu.machine.counts import Counts, whole_count
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.either import AnyChip

if TYPE_CHECKING:
    from neuro_emu.estimate.exchange import Tables
    from neuro_emu.training.finished import Run

DENSITIES = {"mnist": 0.191, "fashion_mnist": 0.498}
"""Share of the pixels of all training images that are not 0, counted."""

Counted = tuple[Counts, int]
"""Counts, and the samples that they are over."""


@dataclass(frozen=True)
class Settings:
    """What an estimate is asked for beside the configuration, whose section `estimate` holds the defaults.

    Attributes:
        technology: name or YAML file; None: the configuration's.
        voltage: supply in V; None: the configuration's, or the technology's.
        clock_mhz: clock frequency in MHz; None: the configuration's.
        constants: files of constants that replace those of the technology.
        density: share of input codes that are not 0, by layer; None: the configuration's.
        tables: energies and areas of the user's own, by part.
        toggles: samples whose operands are looked at; 0: typical operands.
        learning: share of the samples that hidden layers learn from, where an error gate stops them.
        external: KiB on the chip for parameters and kept activations, the rest outside; None: all on the chip.

    """

    technology: str | None = None
    voltage: float | None = None
    clock_mhz: float | None = None
    constants: tuple[str | Path, ...] = ()
    density: tuple[float, ...] | None = None
    tables: Tables | None = None
    toggles: int = 0
    learning: float = 1.0
    external: float | None = None


@dataclass
class Estimate:
    """An estimate: the costs, and the record that `estimate.json` holds."""

    cost: Cost
    record: dict[str, Any]
    experiment: Experiment | None = field(default=None, repr=False)


def estimate(path: str | Path, overrides: Sequence[str] = (), settings: Settings | None = None) -> Estimate:
    """Return what the chip of a configuration, or of a finished run, costs.

    Args:
        path: configuration, or run directory: then its counts are taken.
        overrides: `section.key=value` texts.
        settings: technology, supply and the like.

    Raises:
        ConfigError: if configuration or technology are wrong, with the place.
        RunError: if the directory is no run of an integer datapath.

    """
    folder = Path(path)
    if folder.is_dir():
        if settings is not None and settings.density is not None:
            raise RunError(f"{folder} is a run directory: its counts are counted, and take no density")
        if any(text.startswith("estimate.density") for text in overrides):
            raise RunError(f"{folder} is a run directory: its counts are counted, and take no density")
        if settings and settings.learning != 1:
            raise RunError(f"{folder}: a run's counts are counted: --learning is for configurations")
        experiment, training, inference = _counted_run(folder, overrides)
        return estimate_of(experiment, settings, training, inference, weights=folder / "weights.npz")
    return estimate_of(load(path, overrides), settings)


def estimate_of(
    experiment: Experiment,
    settings: Settings | None = None,
    training: Counted | None = None,
    inference: Counted | None = None,
    *,
    weights: Path | None = None,
) -> Estimate:
    """Return what the chip of *experiment* costs, with counts of a run or, without, those to expect."""
    settings = settings or Settings()
    wanted, chip = experiment.config.estimate, experiment.chip
    chip.refuse_adam()
    technology = _technology(experiment, settings)
    voltage = settings.voltage or wanted.voltage or technology.nominal_voltage
    clock = settings.clock_mhz or chip.design.clock_mhz
    if training is None or inference is None:
        training, inference, about = _expected(experiment, settings)
    else:
        about = f"counts of the run: {training[1]:,} training samples, {inference[1]:,} inferences"
    operands = {}
    if settings.toggles:
        from neuro_emu.api.toggles import measured_operands

        operands = measured_operands(experiment, settings.toggles, weights)
        about += f"; operands seen in {settings.toggles} samples" + ("" if weights else " with initial weights")
    if settings.tables and settings.tables.files:
        about += f"; figures of {', '.join(settings.tables.files)} in place of the technology's"
    prices = Prices(technology, voltage, operands)
    name = experiment.config.name
    cost = cost_of(design_of(chip, training, inference, about, name), prices, clock, settings.tables)
    without = cost_of(design_of(chip, None, inference, about, name), prices, clock, settings.tables, cost)
    record = record_of(cost, without)
    record["config_digest"] = experiment.digest
    if settings.external is not None:
        from neuro_emu.estimate.external.record import chip_record

        energies = {which: one.energy * 1e-3 for which, one in cost.workloads.items()}
        record["external"] = chip_record(chip, settings.external, technology, name, energies)
    return Estimate(cost, record, experiment)


def estimate_of_run(finished: Run) -> Estimate | None:
    """Return the estimate from the counts of a run; None for the float twin."""
    training, inference = (
        counted_of(finished.experiment, finished.metrics, name) for name in ("training", "inference")
    )
    if training is None or inference is None:
        return None
    return estimate_of(finished.experiment, None, training, inference)


def check_settings(experiment: Experiment) -> None:
    """Refuse a section `estimate` that no estimate could be made with.

    Raises:
        ConfigError: with the place of what is wrong.

    """
    technology, voltage = _technology(experiment, Settings()), experiment.config.estimate.voltage
    if voltage is not None:
        try:
            technology.at(voltage)
        except RunError as error:
            raise experiment.document.error(
                "estimate.voltage", str(error), "write null for the nominal supply"
            ) from None


def _technology(experiment: Experiment, settings: Settings) -> Technology:
    wanted = experiment.config.estimate
    files = [*([wanted.constants] if wanted.constants else []), *settings.constants]
    try:
        return find_technology(settings.technology or wanted.technology, files)
    except RunError as error:
        if settings.technology:
            raise
        raise experiment.document.error("estimate.technology", str(error), f"one of {', '.join(NAMES)}") from None


def _expected(experiment: Experiment, settings: Settings) -> tuple[Counted, Counted, str]:
    """Return the counts to expect of training and inference, and what they stand on."""
    data, wanted = experiment.config.dataset, experiment.config.estimate
    density = wanted.density if settings.density is None else settings.density
    layers = len(experiment.chip.network.layers)
    if density is not None and not 1 <= len(density) <= layers:
        given = ", ".join(f"{share:g}" for share in density) or "none"
        raise RunError(f"density {given}: {len(density)} shares, and the chip has {layers} layer{'s' * (layers != 1)}")
    if density is None:
        whole_bytes = (data.input.bits, data.input.frac, data.side, data.normalise) == (8, 8, None, None)
        first = DENSITIES.get(data.name, 1.0) if whole_bytes else 1.0
        density = (first, 1.0)
    if any(not 0 <= share <= 1 for share in density):
        raise RunError(f"density {', '.join(f'{share:g}' for share in density)}: a share lies between 0 and 1")
    if not 0 <= settings.learning <= 1:
        raise RunError(f"hidden layers learn from {settings.learning:g} of the samples: a share lies between 0 and 1")
    training, inference, samples = _counts_to_expect(experiment.chip, density, settings.learning)
    shares = ", ".join(f"{share:.3g}" for share in density)
    about = f"counts to expect: share of inputs that are not 0, by layer: {shares}"
    if settings.learning != 1:
        about += f"; hidden layers learn from {settings.learning:.3g} of the samples"
    elif experiment.chip.learning.error_gate is not None:
        about += "; the error gate taken as open (--learning SHARE; a run counts when it is)"
    return (training, samples), (inference, samples), about


def _counts_to_expect(chip: AnyChip, density: Sequence[float], share: float) -> tuple[Counts, Counts, int]:
    """Return the counts of training and of inference, and the samples that both are over."""
    if isinstance(chip, DeepChip):
        from neuro_emu.datapath.deep import expected as deep

        chip.refuse_unheld()
        return deep.expected_counts(chip, density, share)
    from neuro_emu.machine.expected import expected_counts

    return expected_counts(chip, density, share)


def _counted_run(folder: Path, overrides: Sequence[str]) -> tuple[Experiment, Counted, Counted]:
    """Return configuration and counts of a run directory."""
    config, metrics = folder / "config.yaml", folder / "metrics.json"
    if not config.is_file() or not metrics.is_file():
        raise RunError(f"{folder} is not a run directory: it needs config.yaml and metrics.json, as `run` writes them")
    experiment = load(config, overrides)
    try:
        record = json.loads(metrics.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError("no mapping")
        if "seeds" in record:
            raise ValueError("it is over several seeds; estimate one seed's directory")
        if "config_digest" not in record:
            raise ValueError("'config_digest' is missing")
        if record["config_digest"] != experiment.digest:
            raise RunError(
                f"{folder}: the counts are those of configuration {record['config_digest']}: an estimate of a run takes"
                " settings of the section `estimate` and --clock alone"
            )
        training, inference = (counted_of(experiment, record, name) for name in ("training", "inference"))
    except (ValueError, RecursionError) as error:
        told = "nested too deep" if isinstance(error, RecursionError) else error
        raise RunError(f"{metrics} does not hold the counts of one run: {told}") from None
    if training is None or inference is None:
        raise RunError(f"{folder} is a run of the float twin, which counts nothing: run the integers")
    return experiment, training, inference


def counted_of(experiment: Experiment, metrics: dict[str, Any], name: str) -> Counted | None:
    """Return the counts of a part of a run's record, `training` or `inference`; None: nothing was counted.

    Raises:
        ValueError: with what is wrong, if the record is not that of such a chip.

    """
    if name not in metrics:
        raise ValueError(f"{name!r} is missing")
    record, chip = metrics[name], experiment.chip
    if record is None:
        return None
    if not isinstance(record, dict) or not {"counts", "samples"} <= record.keys():
        raise ValueError(f"{name}: no `counts` over `samples`")
    try:
        samples = whole_count(record["samples"], "samples")
        counts = Counts.from_dict(record["counts"], len(chip.network.layers), chip.design.weight_banks)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not samples or not counts.cycles:
        raise ValueError(f"{name}: {counts.cycles} cycles of {samples} samples")
    return counts, samples


def write_estimate(made: Estimate, directory: str | Path) -> None:
    """Write `estimate.json`, `estimate.txt` and `estimate.svg`."""
    from neuro_emu.report.estimate import estimate_text
    from neuro_emu.report.estimate_picture import estimate_picture

    folder = Path(directory)
    check_writable(folder)
    write_text(folder / "estimate.json", json_text(made.record))
    write_text(folder / "estimate.txt", estimate_text(made.record, full=True))
    write_text(folder / "estimate.svg", estimate_picture(made.record))


def export_tables(made: Estimate, directory: str | Path) -> None:
    """Write `ERT.yaml` and `ART.yaml`: energy of every action and area of every part."""
    from neuro_emu.estimate import exchange

    folder = Path(directory)
    check_writable(folder)
    energies, areas = exchange.export_tables(made.cost)
    write_text(folder / "ERT.yaml", energies)
    write_text(folder / "ART.yaml", areas)


def compared_chips(paths: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Return published figures beside estimates, one entry a figure.

    Raises:
        ConfigError: with file, line and column of what is wrong in a preset.
        RunError: with the file, if what a preset describes cannot be priced.

    """
    from neuro_emu.estimate.preset import compare, read_preset

    if not paths:
        raise ConfigError("no chips: name files such as configs/chips/odin.yaml")
    rows: list[dict[str, Any]] = []
    for path in paths:
        preset = read_preset(path)
        try:
            rows += compare(preset)
        except RunError as error:
            raise RunError(f"{path}: {error}") from None
    return rows
