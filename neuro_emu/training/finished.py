"""A finished run: what the use cases hand to the reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neuro_emu.config.experiment import Experiment
from neuro_emu.network.state import ChipState


@dataclass
class Run:
    """A finished run.

    Attributes:
        experiment: what was run.
        metrics: the record that `metrics.json` holds.
        state: final integer state; None for the float twin.
        timing: seconds by activity: not part of the record, because it differs from run to run.
        kernels: ``vector``, ``portable`` or ``plain``; empty on other datapaths. No part of the record either.
        directory: where it was written; None if it was not.
        diagnosis: entries by epoch of ``chip`` and ``twin``; None without `--diagnose`.
        twin: what the float twin of a diagnosed run reached.
        estimate: record of energy and area from the counts of the run; None if not written, or of the float twin.
    """

    experiment: Experiment
    metrics: dict[str, Any]
    state: ChipState | None
    timing: dict[str, float] = field(default_factory=dict)
    kernels: str = ""
    directory: Path | None = None
    diagnosis: dict[str, Any] | None = None
    twin: dict[str, float | None] | None = None
    estimate: dict[str, Any] | None = None
