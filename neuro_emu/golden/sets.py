"""Sets of golden vectors: an initial state, stimuli, and what a chip must make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neuro_emu.golden.sites import SiteCounter
from neuro_emu.golden.trace import Golden, Samples, golden
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import initial_state
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.words import sample_order


@dataclass(frozen=True)
class VectorSet:
    """One set.

    Attributes:
        name: of its directory.
        state: what the memories hold before the first sample.
        samples: stimuli.
        flush: whether a short last mini-batch is written at the end.
        golden: what must come out.
        sites: how often each site of the arithmetic fired; see :mod:`neuro_emu.golden.sites`.

    """

    name: str
    state: ChipState
    samples: Samples
    flush: bool
    golden: Golden
    sites: dict[str, int] = field(default_factory=dict)


def vector_set(chip: Chip, name: str, state: ChipState, samples: Samples) -> VectorSet:
    """Run the traced datapath over *samples* and keep everything."""
    sites = SiteCounter(chip)
    flush = chip.learning.batch > 1
    result = golden(chip, state, samples, flush=flush, sites=sites)
    return VectorSet(name, state, samples, flush, result, dict(sites.counts))


def natural_samples(chip: Chip, codes: NDArray[np.uint8], labels: NDArray[np.uint8], count: int) -> Samples:
    """Return the first *count* training samples in the order of epoch 0."""
    total = len(labels)
    order = sample_order(chip.learning.seed, 0, total) if chip.learning.shuffled else np.arange(total)
    chosen = order[:count]
    return Samples(
        np.ascontiguousarray(codes[chosen]), labels[chosen].astype(np.int64), np.ones(len(chosen), dtype=np.bool_)
    )


def natural_set(chip: Chip, codes: NDArray[np.uint8], labels: NDArray[np.uint8], count: int) -> VectorSet:
    """The chip as it starts its first epoch."""
    return vector_set(chip, "natural", initial_state(chip), natural_samples(chip, codes, labels, count))


def adversarial_sets(chip: Chip) -> list[VectorSet]:
    """Chosen weights and samples that reach every saturation, tie and wrap site that can be reached."""
    from neuro_emu.golden.adversarial import adversarial

    return [vector_set(chip, name, state, samples) for name, state, samples in adversarial(chip, chip.learning.seed)]


def total_sites(sets: Sequence[VectorSet]) -> dict[str, int]:
    """Sum over *sets* of how often each site fired."""
    total: dict[str, int] = {}
    for vectors in sets:
        for site, count in vectors.sites.items():
            total[site] = total.get(site, 0) + count
    return total
