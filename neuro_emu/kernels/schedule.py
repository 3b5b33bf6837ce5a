"""Which rows of a layer are active, and what updating them costs on single-port banks."""

from __future__ import annotations

from neuro_emu.jit import kernel
from neuro_emu.kernels import fabric as fb
from neuro_emu.numerics.ops import bank_of


@kernel
def find_active(codes: fb.Codes, rows: int, biased: int, lists: fb.Codes, counts: fb.Int64) -> None:
    """List the rows whose code is not 0 (a bias row always counts) and the runs of adjacent ones.

    Args:
        codes: (rows,) input codes, bias last.
        rows: rows of the matrix.
        biased: 1 if its last row is the bias row, else 0.
        lists: (3, rows + PADDING), written: row numbers, codes, starts of runs.
        counts: (2,), written: number of active rows, number of runs.

    """
    index, value, runs = lists[fb.INDEX], lists[fb.VALUE], lists[fb.RUNS]
    n = 0
    n_runs = 0
    before = 0
    for i in range(rows - biased):
        code = codes[i]
        index[n] = i
        value[n] = code
        runs[n_runs] = n
        active = 1 if code != 0 else 0
        n_runs += active & (1 - before)
        n += active
        before = active
    runs[n_runs] = n
    if biased:
        counts[1] = n_runs + 1 - before
        counts[0] = end_list(n, rows, codes[rows - 1], index, value)
    else:
        counts[1] = n_runs
        counts[0] = n
        pad_list(n, rows, index, value)


@kernel
def end_list(n: int, rows: int, bias: int, index: fb.Codes, value: fb.Codes) -> int:
    """Append the bias row and zero-valued padding to *n* listed rows; returns the number of active rows."""
    index[n] = rows - 1
    value[n] = bias
    pad_list(n + 1, rows, index, value)
    return n + 1


@kernel
def pad_list(n: int, rows: int, index: fb.Codes, value: fb.Codes) -> None:
    """Fill up to a multiple of eight behind *n* listed rows: products of 0."""
    for a in range(n, n + fb.PADDING - 1):
        index[a] = rows - 1
        value[a] = 0


@kernel
def update_stalls(lists: fb.Codes, counts: fb.Int64, constants: fb.Int64, ports: fb.Int64) -> int:
    """Cycles lost to port conflicts while the active rows of one group are updated.

    A row read in cycle t is written in cycle t + write_delay; a read waits while its bank is being written.
    ``ports[0]`` keeps, per bank, the reads of the last cycles as bits and ``ports[1]`` the cycle of its last
    read. Within a run of adjacent rows the banks alternate, so once ``write_delay`` rows went by
    without a stall the rest of the run cannot stall: only its last rows are walked again, for what follows.

    Args:
        lists: (3, rows + PADDING), as :func:`find_active` makes them.
        counts: (2,) number of active rows, number of runs.
        constants: see :mod:`neuro_emu.kernels.fabric`.
        ports: (2, banks), overwritten.

    """
    index = lists[fb.INDEX]
    active, n_runs = counts[0], counts[1]
    clear_ports(constants, ports)
    now = 0
    stalls = 0
    previous = index[0] - 1
    for r in range(n_runs):
        p = int(lists[fb.RUNS, r])
        end = int(lists[fb.RUNS, r + 1]) if r + 1 < n_runs else active
        if constants[fb.GATED_ROWS]:
            now += index[p] - previous - 1
        lost = stalls_of_run(int(index[p]), end - p, now, constants, ports)
        stalls += lost
        now += end - p + lost
        previous = index[end - 1]
    return stalls


@kernel
def clear_ports(constants: fb.Int64, ports: fb.Int64) -> None:
    """No bank was read yet."""
    for b in range(constants[fb.BANKS]):
        ports[0, b] = 0
        ports[1, b] = 0


@kernel
def stalls_of_run(row: int, length: int, now: int, constants: fb.Int64, ports: fb.Int64) -> int:
    """Stalls of *length* adjacent rows from *row* on, the first of them due in cycle *now* + 1."""
    banks, delay = constants[fb.BANKS], constants[fb.WRITE_DELAY]
    alternating = delay % banks != 0
    stalls = 0
    clean = 0
    p = 0
    while p < length:
        if alternating and clean >= delay and length - p > delay:
            now += length - p - delay
            p = length - delay
        now += 1
        b = bank_of(row + p, banks)
        age = min(now - ports[1, b], delay + 1)
        history = ports[0, b] << age
        clean += 1
        while (history >> delay) & 1:
            history <<= 1
            now += 1
            stalls += 1
            clean = 0
        ports[0, b] = (history | 1) & ((1 << (delay + 1)) - 1)
        ports[1, b] = now
        p += 1
    return stalls
