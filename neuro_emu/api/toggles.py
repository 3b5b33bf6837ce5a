"""Operands of the samples of a data set, for estimates that look at them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro_emu.config.experiment import Experiment
from neuro_emu.errors import RunError


def measured_operands(experiment: Experiment, samples: int, weights: Path | None) -> dict[tuple[str, str], float]:
    """Return the energy of operations relative to random operands, by part and phase.

    Args:
        experiment: the chip and its data.
        samples: training samples that are looked at.
        weights: archive of a run's weights; None: the chip's initial ones.

    Raises:
        RunError: if there are fewer samples, or the archive does not fit.

    """
    from neuro_emu.api import load_data, split_data
    from neuro_emu.estimate.toggles import toggles_of
    from neuro_emu.machine.initialise import initial_state
    from neuro_emu.network.weights import unpack_weights

    chip = experiment.dense_chip("operands to look at")
    chip.refuse_adam()
    training, _, _ = split_data(experiment, load_data(experiment))
    if samples > len(training):
        raise RunError(f"operands of {samples} samples wanted; there are {len(training):,}")
    state = initial_state(chip)
    if weights is not None:
        if not weights.is_file():
            raise RunError(f"{weights} is missing: operands are looked at with the run's weights")
        unpack_weights(weights.read_bytes(), chip.network, state, str(weights))
    targets = None if training.targets is None else training.targets[:samples].astype(np.int64)
    codes = training.codes[:samples].astype(np.int64)
    seen = toggles_of(chip, state, codes, training.labels[:samples].tolist(), targets)
    return seen.operands()
