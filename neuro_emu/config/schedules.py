"""Learning rates as shifts: a number, pairs, or a curve that is rounded to shifts."""

from __future__ import annotations

from itertools import pairwise
from math import cos, log2, pi

from neuro_emu.config.fields import Cosine, Schedule, Step

Pairs = tuple[tuple[int, int], ...]


def pairs(schedule: Schedule) -> Pairs:
    """Return (epoch, shift) pairs, first epoch 0.

    A cosine follows η(t) = η_last + (η_first − η_last) (1 + cos(π t / epochs)) / 2, each epoch's rate rounded to the
    nearest power of two (Loshchilov and Hutter 2017, without restarts).
    """
    if isinstance(schedule, int):
        return ((0, schedule),)
    if isinstance(schedule, Step):
        return tuple((n * schedule.every, schedule.first + n * schedule.by) for n in range(schedule.steps + 1))
    if isinstance(schedule, Cosine):
        curve = [(t, _rounded(schedule, t)) for t in range(schedule.epochs + 1)]
        return (curve[0], *(later for earlier, later in pairwise(curve) if later[1] != earlier[1]))
    return schedule


def _rounded(schedule: Cosine, epoch: int) -> int:
    """Shift of one epoch; relative to the first, so that no rate is too small for a float."""
    least = 2.0 ** (schedule.first - schedule.last)
    rate = least + (1.0 - least) * (1.0 + cos(pi * epoch / schedule.epochs)) / 2.0
    return schedule.first + round(-log2(rate))
