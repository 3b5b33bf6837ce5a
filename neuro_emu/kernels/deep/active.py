"""Which codes of a batch are not 0, and what updating the rows of those that are not costs on single-port banks."""

from __future__ import annotations

from neuro_emu.jit import routine
from neuro_emu.kernels.fabric import Int16, Int64
from neuro_emu.numerics.ops import bank_of


@routine
def count_active(codes: Int16, hits: Int64) -> None:
    """Add to hits (neurons,) how many of the samples of codes (n, neurons) are not 0."""
    for n in range(codes.shape[0]):
        sample = codes[n]
        for i in range(hits.shape[0]):
            hits[i] += 1 if int(sample[i]) != 0 else 0


@routine
def sum_stalls(codes: Int16, banks: int, biased: bool, gated: bool, recent: Int64) -> int:
    """Stalls of one group's update over the rows whose code is not 0, summed over samples.

    codes (n, rows without the bias row). A row is written ``len(recent)`` cycles after its read, in its bank; a read
    waits as long as its bank is written. *gated*: rows of code 0 take a cycle. *recent* is overwritten: the bank that
    was read so many cycles ago, by cycle, −1 for none.
    """
    delay, stalls = recent.shape[0], 0
    for n in range(codes.shape[0]):
        recent[:] = -1
        now = 0
        for i in range(codes.shape[1] + (1 if biased else 0)):
            if i == codes.shape[1] or int(codes[n, i]) != 0:
                bank = bank_of(i, banks)
                while recent[now] == bank:
                    recent[now] = -1
                    now = now + 1 if now + 1 < delay else 0
                    stalls += 1
                recent[now] = bank
            elif gated:
                recent[now] = -1
            else:
                continue
            now = now + 1 if now + 1 < delay else 0
    return stalls
