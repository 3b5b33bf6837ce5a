"""Input samples that drive a chip to its corners."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuro_emu.machine.chip import Chip

STIMULI = ("powers", "random", "sparse", "single", "max", "alternating", "mixed", "zero")


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
    elif kind == "alternating":
        codes = np.where(np.arange(n) % 2 == rng.integers(0, 2), high, 0)
    elif kind == "sparse":
        codes = np.where(rng.random(n) < rng.choice([0.1, 0.3, 0.6]), random, 0)
    elif kind == "mixed":
        codes = rng.choice(np.stack([random, powers, np.zeros(n, dtype=np.int64), np.full(n, high)]))
    else:
        codes = powers if kind == "powers" else random
    return codes.astype(np.uint8)
