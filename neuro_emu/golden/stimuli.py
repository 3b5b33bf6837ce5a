"""Input samples that drive a chip to its corners."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuro_emu.machine.chip import Chip

STIMULI = ("powers", "random", "stalling", "sparse", "single", "max", "alternating", "mixed", "zero")


def stalling(rng: Generator, banks: int, rows: int) -> NDArray[np.bool_]:
    """Rows (rows,) of which the fourth lies in the bank of the first, where the last of them may be the bias row."""
    apart = max(banks, 4)
    first = int(rng.integers(0, max(rows - apart, 0) + 1))
    active = np.zeros(max(rows, first + apart) + 1, dtype=np.bool_)
    active[[first, first + apart]] = True
    active[rng.choice(np.arange(first + 1, first + apart), 2, replace=False)] = True
    return active[:rows]


def stimulus(rng: Generator, chip: Chip, kind: str) -> NDArray[np.uint8]:
    """Input codes (inputs,) of one of the :data:`STIMULI`."""
    n, high = chip.network.inputs, chip.network.layers[0].input.high
    random = rng.integers(0, high + 1, n)
    powers = 2 ** rng.integers(0, high.bit_length(), n)
    if kind == "max":
        codes = np.full(n, high)
    elif kind == "zero":
        codes = np.zeros(n, dtype=np.int64)
    elif kind == "single":
        codes = np.where(np.arange(n) == rng.integers(0, n), rng.choice(powers), 0)
    elif kind == "stalling":
        codes = np.where(stalling(rng, chip.design.weight_banks, n), np.maximum(random, 1), 0)
    elif kind == "alternating":
        codes = np.where(np.arange(n) % 2 == rng.integers(0, 2), high, 0)
    elif kind == "sparse":
        codes = np.where(rng.random(n) < rng.choice([0.1, 0.3, 0.6]), random, 0)
    elif kind == "mixed":
        codes = rng.choice(np.stack([random, powers, np.zeros(n, dtype=np.int64), np.full(n, high)]))
    else:
        codes = powers if kind == "powers" else random
    return codes.astype(np.uint8)
