"""Lists of port conflicts for :mod:`neuro_emu.kernels.conflicts`, from the rule of the ports."""

from __future__ import annotations

from functools import cache

import numpy as np

from neuro_emu.kernels import conflicts as cf
from neuro_emu.kernels.fabric import Int64
from neuro_emu.numerics.ops import bank_of

_Reads = tuple[int | None, ...]
"""Bank that was read in each of the last cycles, the last one first, as bank ⊕ bank of the last active row."""

_Moves = list[list[tuple[int, int]]]
"""Per situation and per bank of a row, relative to the last one: the next situation and the stalls."""


def conflict_lists(banks: int, delay: int, gated_rows: bool) -> Int64:
    """Lists (3, PLACES) for a chip; (3, 0) where they do not exist.

    Args:
        banks: banks of the memory, a power of two.
        delay: cycles from the read of a row to its write.
        gated_rows: whether a zero row takes a cycle.

    """
    moves = None if gated_rows or banks > len(cf.BANK_PLACES) else _situations(banks, delay)
    return np.zeros((3, 0), dtype=np.int64) if moves is None else _listed(banks, moves)


def _read(reads: _Reads, bank: int) -> tuple[_Reads, int]:
    """Read a row of *bank* as soon as no row of it is being written; returns the reads seen from it, and the stalls."""
    stalls = 0
    while reads[-1] == bank:
        reads = (None, *reads[:-1])
        stalls += 1
    return tuple(None if other is None else other ^ bank for other in (bank, *reads[:-1])), stalls


@cache
def _situations(banks: int, delay: int) -> _Moves | None:
    """Situations that may arise, the first of them before any row; None if they are too many."""
    found: dict[_Reads, int] = {(None,) * delay: 0}
    moves: _Moves = []
    while len(moves) < len(found):
        reads = list(found)[len(moves)]
        moves.append([])
        for bank in range(banks):
            after, stalls = _read(reads, bank)
            moves[-1].append((found.setdefault(after, len(found)), stalls))
        if len(found) > cf.SITUATIONS:
            return None
    return moves


def _listed(banks: int, moves: _Moves) -> Int64:
    """What chunks of rows make of each situation, all chunks and banks of the last active row at once."""
    moved = np.array(moves, dtype=np.int64)
    last, flags, situation = np.meshgrid(np.arange(banks), np.arange(cf.FLAGS), np.arange(len(moves)), indexing="ij")
    weight = 2 ** (cf.PART * situation)
    stalls = np.zeros_like(situation)
    for row in range(cf.CHUNK_ROWS):
        active, bank = flags // 2**row % 2 == 1, bank_of(row, banks)
        after, lost = np.moveaxis(moved[situation, last ^ bank], -1, 0)
        situation = np.where(active, after, situation)
        stalls += np.where(active, lost, 0)
        last = np.where(active, bank, last)
    if 2 * stalls.max() >= 2**cf.PART:
        raise ValueError("stalls of two chunks do not fit a part")
    lists = np.zeros((3, cf.PLACES), dtype=np.int64)
    for bank in range(banks):
        places = slice(cf.BANK_PLACES[bank], cf.BANK_PLACES[bank] + cf.FLAGS)
        lists[cf.NEXT_PART, places] = (cf.PART * situation[bank] * weight[bank]).sum(axis=-1)
        lists[cf.STALLS, places] = (stalls[bank] * weight[bank]).sum(axis=-1)
        lists[cf.NEXT_BANK, : cf.FLAGS] += np.array(cf.BANK_PLACES)[last[bank, :, 0]] * 2 ** (cf.BANK_PART * bank)
    return lists
