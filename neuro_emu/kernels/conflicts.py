"""Port conflicts of an update, eight rows at a time.

What a row waits for depends on little: which banks were read in the last cycles. Where rows that are zero take no cycle
and all that may have happened comes down to ten *situations*, :mod:`neuro_emu.datapath.conflicts` lists what eight rows
make of each: their flags are the place in the list, the situation is a part of the word found there. A situation is
written as the place of its part, so a word is shifted by what was found in the one before: there is no branch, and
nothing but one shift waits for the rows before.

Situations are relative to the bank of the last active row, which flags alone tell. It is followed in the same way: each
bank has lists of its own, and the number that says where they begin is, modulo 64, the place of its part.
"""

from __future__ import annotations

from neuro_emu.jit import kernel
from neuro_emu.kernels.fabric import Int16, Int64

PART = 6
SITUATIONS = 10
"""Bits of a part, the place of the next one or some stalls, and parts of a word, which is never negative."""

CHUNK_ROWS = 8
FLAGS = 1 << CHUNK_ROWS
"""Rows of a chunk, and how they may be flagged."""

BANK_PART = 16
BANK_PLACES = (0, FLAGS + BANK_PART)
PLACES = BANK_PLACES[1] + FLAGS
"""Bits of the part of a bank; where the lists of a bank begin; entries of a list."""

NEXT_PART, STALLS, NEXT_BANK = range(3)
"""Lists: the situation behind a chunk; its stalls; bank of the last active row, a part for each one before."""


@kernel
def listed_stalls(count: int, flags: Int16, lists: Int64) -> int:
    """Stalls of an update over the rows that are flagged.

    Args:
        count: rows, a multiple of 16.
        flags: bit b of entry g tells whether row 16 g + b is active.
        lists: (3, PLACES), see :func:`neuro_emu.datapath.conflicts.conflict_lists`.

    """
    parts, lost, banks = lists[NEXT_PART], lists[STALLS], lists[NEXT_BANK]
    stalls = 0
    part = 0
    bank = 0
    for group in range(count // 16):
        bits = int(flags[group])
        both = 0
        for _ in range(2):
            chunk = bits & (FLAGS - 1)
            bits >>= CHUNK_ROWS
            both += int(lost[bank + chunk]) >> part
            part = (int(parts[bank + chunk]) >> part) & 63
            bank = (int(banks[chunk]) >> (bank & 63)) & (2 * FLAGS - 1)
        stalls += both & 63  # two chunks lose less; above are the other parts
    return stalls
