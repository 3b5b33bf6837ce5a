"""The record of a run: plain data without timings or paths, so that the same command gives the same bytes."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

from neuro_emu import __version__
from neuro_emu.machine.counts import Counts
from neuro_emu.machine.deep.either import AnyChip
from neuro_emu.numerics import SEMANTICS_VERSION
from neuro_emu.training.loop import EpochResult, Result

Record = dict[str, Any]

SCHEMA = 1


def record_of(chip: AnyChip, result: Result, identity: Record) -> Record:
    """Return the record of one run.

    Args:
        chip: the chip that ran.
        result: what the training gave.
        identity: name, config digest, data set and whatever else tells this run from others.

    """
    last = result.epochs[-1]
    return {
        "schema": SCHEMA,
        "version": __version__,
        "semantics": SEMANTICS_VERSION,
        **identity,
        "network": str(chip.network),
        "rule": chip.learning.rule.name,
        "seed": chip.learning.seed,
        "test_accuracy": last.test_accuracy,
        "validation_accuracy": last.validation_accuracy,
        **_losses(last),
        "epochs": [_epoch(epoch) for epoch in result.epochs],
        "confusion": result.confusion.tolist(),
        "feedback_angles": result.feedback_angles,
        "tally": result.tally.as_dict() if result.tally else None,
        "training": _counted(result.training, result.train_samples),
        "inference": _counted(result.inference, result.inferences),
        "memories": [memory.as_dict() for memory in chip.memories()],
    }


def _losses(epoch: EpochResult) -> Record:
    """Losses of regression; the records of classification have none."""
    if epoch.test_loss is None:
        return {}
    return {"test_loss": epoch.test_loss, "validation_loss": epoch.validation_loss}


def _epoch(epoch: EpochResult) -> Record:
    return {
        "epoch": epoch.epoch,
        "lr_shift": list(epoch.lr_shift),
        "train_accuracy": epoch.train_accuracy,
        "validation_accuracy": epoch.validation_accuracy,
        "test_accuracy": epoch.test_accuracy,
        **_losses(epoch),
        "tally": epoch.tally.as_dict() if epoch.tally else None,
    }


def _counted(counts: Counts | None, samples: int) -> Record | None:
    if counts is None:
        return None
    return {
        "samples": samples,
        "cycles": counts.cycles,
        "cycles_per_sample": round(counts.cycles / samples, 2),
        "counts": counts.as_dict(),
    }


def summary_of_seeds(records: list[Record]) -> Record:
    """Return the record of several seeds of one configuration: mean and sample standard deviation."""
    first = records[0]
    shared = (
        "schema",
        "version",
        "semantics",
        "name",
        "config_digest",
        "dataset",
        "datapath",
        "network",
        "rule",
    )
    result: Record = {key: first[key] for key in shared}
    result["seeds"] = [record["seed"] for record in records]
    losses = ("test_loss", "validation_loss") if "test_loss" in first else ()
    for key in ("test_accuracy", "validation_accuracy", *losses):
        values, digits = [record[key] for record in records], 9 if key in losses else 4
        if None in values:
            result[key] = None
            continue
        result[key] = round(fmean(values), digits)
        result[f"{key}_sd"] = round(stdev(values), digits) if len(values) > 1 else None
        result[f"{key}_by_seed"] = values
    return result
