"""Target codes of the classes: one hot output, or several (docs/numerics.md, sections 4 and 7)."""

from __future__ import annotations

import numpy as np

from neuro_emu.machine.chip import Chip
from neuro_emu.network.state import Int32
from neuro_emu.numerics.words import TAG_HOT, sample_order


def target_table(chip: Chip) -> Int32:
    """Target codes y* (labels, outputs) of each class; (0, outputs) for regression, whose samples bring their own."""
    targets, outputs = chip.learning.targets, chip.network.classes
    if targets.regression:
        return np.zeros((0, outputs), dtype=np.int32)
    owners = np.arange(outputs) if targets.hot == 1 else sample_order(chip.learning.seed, 0, outputs, TAG_HOT)
    table = np.zeros((chip.labels, outputs), dtype=np.int32)
    for c in range(chip.labels):
        table[c, owners[c * targets.hot : (c + 1) * targets.hot]] = chip.network.hot
    return table
