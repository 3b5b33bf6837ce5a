"""Where training leads in the space of all learnable parameters: principal components (Panjehpour 2022, figure 6e)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuro_emu.diagnostics.angles import Float
from neuro_emu.diagnostics.probe import path_of
from neuro_emu.machine.chip import Chip
from neuro_emu.training.engines import Engine

Weights = Sequence[Any]
"""W_k of every layer at one time."""


class Snapshots:
    """Collects the weights of a run in values, bias rows included: ``train(…, observe=snapshots.observe)``.

    Attributes:
        taken: W_k of every layer, before the first epoch and after each.

    """

    def __init__(self, chip: Chip) -> None:
        self.taken: list[list[Float]] = []
        self._chip = chip

    def observe(self, epochs_done: int, engine: Engine) -> None:
        """Take a snapshot; the engine is not changed."""
        self.taken.append(path_of(self._chip, engine).weights)


@dataclass(frozen=True)
class Trajectories:
    """Runs seen along the directions in which all of them together vary most.

    Attributes:
        coordinates: (snapshots, components) of each run.
        explained: (components,) share of the whole variance that lies along each.

    """

    coordinates: list[Float]
    explained: Float


def principal_components(runs: Sequence[Sequence[Weights]], components: int = 2) -> Trajectories:
    """Return the principal components of the parameters of several runs.

    All snapshots of all runs share one centre and one pair of directions. The sign of a direction is arbitrary; it is
    chosen so that the coordinate of largest magnitude is positive.

    Args:
        runs: of each run its snapshots, of each snapshot its matrices; all alike in shape.
        components: how many directions.

    """
    flat = [np.concatenate([np.asarray(m, dtype=np.float64).ravel() for m in one]) for run in runs for one in run]
    points = np.stack(flat)
    centred = points - points.mean(axis=0)
    left, scales, _ = np.linalg.svd(centred, full_matrices=False)
    found = np.zeros((len(points), components))
    count = min(components, len(scales))
    found[:, :count] = left[:, :count] * scales[:count]
    largest = found[np.abs(found).argmax(axis=0), np.arange(components)]
    found *= np.where(largest < 0.0, -1.0, 1.0)
    explained = np.zeros(components)
    total = float(np.sum(scales**2))
    if total > 0.0:
        explained[:count] = scales[:count] ** 2 / total
    ends = np.cumsum([len(run) for run in runs])
    return Trajectories(np.split(found, ends[:-1]), explained)
