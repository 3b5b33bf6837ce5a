"""Stalls looked up by the flags of eight rows, against the walk over runs and against a count cycle by cycle."""

import numpy as np
import pytest
from environment import WITHOUT_JIT
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.datapath.conflicts import conflict_lists
from neuro_emu.jit import kernel
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.conflicts import listed_stalls
from neuro_emu.kernels.online import stalls_of_flags, stalls_of_runs
from neuro_emu.machine.design import WRITE_DELAY

pytestmark = pytest.mark.integer

LISTED = [(1, 1), (1, 3), (1, 5), (2, 1), (2, 2), (2, 3)]
"""Banks and write delays that come down to few enough situations."""

BOTH = pytest.mark.parametrize(("banks", "delay"), LISTED)


def constants_of(banks, delay, gated=0):
    constants = np.zeros(fb.CONSTANTS, dtype=np.int64)
    constants[[fb.BANKS, fb.WRITE_DELAY, fb.GATED_ROWS]] = banks, delay, gated
    return constants


def flags_of(active):
    """Flags of rows (…, multiple of 16) of truth values."""
    return np.packbits(active, axis=-1, bitorder="little").view(np.dtype("<i2")).astype(np.int16)


def cycle_by_cycle(active, banks, delay, gated=False):
    """Stalls: a row read in cycle t is written in cycle t + delay; a read waits while its bank is being written."""
    cycle, stalls, written = 0, 0, {}
    for row, is_active in enumerate(active):
        if is_active:
            while written.get(cycle) == row % banks:
                cycle += 1
                stalls += 1
            written[cycle + delay] = row % banks
        cycle += bool(is_active) or gated
    return stalls


@kernel
def count_differences(flags, lists, constants, ports):
    """How many rows of *flags* (cases, groups) get other stalls from the lists than run by run."""
    wrong = 0
    for case in range(flags.shape[0]):
        count = 16 * flags.shape[1]
        expected = stalls_of_runs(count, constants, flags[case], ports)
        wrong += listed_stalls(count, flags[case], lists) != expected
    return wrong


def assert_as_by_runs(flags, banks, delay):
    ports = np.zeros((2, banks), dtype=np.int64)
    assert count_differences(flags, conflict_lists(banks, delay, False), constants_of(banks, delay), ports) == 0


def all_ways(active, banks, delay, gated=0):
    """Stalls in the three ways; the lists may be missing."""
    flags, lists, ports = flags_of(active), conflict_lists(banks, delay, bool(gated)), np.zeros((2, banks), np.int64)
    constants, count = constants_of(banks, delay, gated), len(active)
    return (
        stalls_of_flags(count, lists, constants, flags, ports),
        stalls_of_runs(count, constants, flags, ports),
        cycle_by_cycle(active, banks, delay, gated),
    )


@BOTH
def test_all_flags_of_sixteen_rows(banks, delay):
    step = 61 if WITHOUT_JIT else 1
    assert_as_by_runs(np.arange(-(1 << 15), 1 << 15, step).astype(np.int16).reshape(-1, 1), banks, delay)


@BOTH
def test_all_flags_of_eight_rows_after_flags_of_eight_and_before_flags_of_eight(banks, delay):
    """Every chunk from every situation: what was before it and what shows where it leads are drawn."""
    middle, random = np.arange(256), np.random.default_rng(banks + 10 * delay)
    around = random.integers(0, 1 << 16, (2 if WITHOUT_JIT else 400, 256, 2))
    first = (around[..., 0] % 256) | (middle << 8)
    flags = np.stack([first, around[..., 1]], axis=-1).reshape(-1, 2).astype(np.uint16).view(np.int16)
    assert_as_by_runs(flags, banks, delay)


@BOTH
@pytest.mark.parametrize("density", [0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0])
def test_random_rows(banks, delay, density):
    random = np.random.default_rng(int(100 * density))
    for groups, cases in ((2, 400), (7, 100), (32, 40)):
        assert_as_by_runs(flags_of(random.random((cases, 16 * groups)) < density), banks, delay)


@given(
    st.sampled_from([*LISTED, (2, 5), (4, 3)]),
    st.integers(0, 1),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 40)), max_size=20),
)
def test_gaps_and_runs_cycle_by_cycle(chip, gated, groups, pairs):
    active = np.zeros(16 * groups, dtype=bool)
    at = 0
    for gap, run in pairs:
        active[at + gap : at + gap + run] = True
        at += gap + run
    assert len(set(all_ways(active, *chip, gated))) == 1


@given(st.sampled_from([*LISTED, (2, 5), (4, 3)]), st.integers(0, 1), st.lists(st.booleans(), min_size=48, max_size=48))
def test_any_rows_cycle_by_cycle(chip, gated, rows):
    assert len(set(all_ways(np.array(rows), *chip, gated))) == 1


@BOTH
def test_all_none_and_every_other_row_cycle_by_cycle(banks, delay):
    rows = np.arange(80)
    patterns = [rows < 0, rows >= 0, rows % 2 == 0, rows % 2 == 1, rows % 3 == 0, rows % 3 > 0, rows % 4 > 1, rows > 30]
    for active in patterns:
        assert len(set(all_ways(active, banks, delay))) == 1


def test_stalls_that_never_end():
    """Two gaps may leave the ports so that all adjacent rows behind them wait."""
    active = np.ones(64, dtype=bool)
    active[[6, 9]] = False
    assert all_ways(active, 2, 3) == (54, 54, 54)


def test_chips_without_lists():
    assert conflict_lists(2, WRITE_DELAY, False).shape[1] > 0
    for banks, delay, gated in ((2, WRITE_DELAY, True), (2, 5, False), (4, WRITE_DELAY, False)):
        assert conflict_lists(banks, delay, gated).shape == (3, 0)
