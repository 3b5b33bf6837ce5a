"""The back-ends of the compiled datapath give the same integers and counts: plain, portable and vector."""

from dataclasses import replace
from functools import cache

import pytest
from backend_designs import GENERAL_FACTORS, NAMED, VECTOR_FACTORS, covering
from environment import WITHOUT_JIT
from vector_chips import Run, chip_of, compare

from neuro_emu.datapath import tiles
from neuro_emu.datapath.backends import AUTO, BACKENDS, PLAIN, PORTABLE, VECTOR, available, chosen_backend
from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.errors import RunError
from neuro_emu.machine.initialise import initial_state

pytestmark = pytest.mark.integer

OTHERS = (PLAIN, VECTOR) if available() else (PLAIN,)
needs_vector = pytest.mark.skipif(not available(), reason="this processor has no vector code")
FEW_NAMED = [
    "as usual",
    "ternary",
    "twins of fewer bits",
    "steps of ±1 in blocks below the high part",
    "projections that are clamped",
    "mini-batches",
    "weights that decay",
]
FEW_TILED = ["as usual", "blocks of many chunks", "steps of ±1 in tiles"]
TILED = [*FEW_TILED, "three layers", "nearest", "lfsr", "frozen", "sums in parts"]
PARTS = 8


@cache
def rows_of(which):
    rows = covering(VECTOR_FACTORS if which == "vector" else GENERAL_FACTORS, 0)
    return rows[::60] if WITHOUT_JIT else rows


def compare_all(rows):
    for _, settings in rows:
        try:
            compare(chip_of(settings), OTHERS, density=settings.density)
        except AssertionError as error:
            raise AssertionError(f"{settings}: {error}") from error


@needs_vector
@pytest.mark.parametrize("name", FEW_NAMED if WITHOUT_JIT else NAMED)
def test_named_chips_train_in_vector_code_to_the_same_integers(name):
    settings = NAMED[name]
    runs = compare(chip_of(settings), OTHERS, density=settings.density, epochs=(0,) if WITHOUT_JIT else (0, 1))
    assert runs[VECTOR].vector
    assert all(runs[VECTOR].trained)


@pytest.mark.parametrize("part", range(1 if WITHOUT_JIT else PARTS))
def test_pairs_of_settings_of_chips_with_vector_code(part):
    compare_all(rows_of("vector")[part::PARTS])


@pytest.mark.parametrize("part", range(1 if WITHOUT_JIT else PARTS))
def test_pairs_of_settings_of_any_chips(part):
    compare_all(rows_of("general")[part::PARTS])


@needs_vector
@pytest.mark.skipif(WITHOUT_JIT, reason="all pairs take too long")
def test_every_value_is_tried_in_vector_code():
    """Each value of each factor trains in vector code in some row, and most rows do."""
    tried, rows = set(), rows_of("vector")
    count = 0
    for row, settings in rows:
        path = FastDatapath(chip_of(settings), initial_state(chip_of(settings)), VECTOR)
        if path._vector and path._vector.trains:
            tried |= set(row.items())
            count += 1
    missing = {(n, i) for n, values in VECTOR_FACTORS.items() for i in range(len(values))} - tried
    assert not missing
    assert 2 * count > len(rows)


@needs_vector
@pytest.mark.parametrize("hidden", ["s1f0", "u8f8"])
def test_a_chip_whose_bias_code_is_zero_keeps_the_general_loop(hidden):
    """The general loops write the bias row whatever its code; vector code would leave it out."""
    settings = NAMED["as usual"]
    chip = chip_of(replace(settings, hidden=hidden, delta_top="s8f7", shift=6))
    runs = compare(chip, OTHERS)
    assert runs[VECTOR].vector == (hidden != "s1f0")


@needs_vector
def test_shifts_that_have_no_vector_code_are_trained_in_the_general_loop_between():
    settings = replace(NAMED["as usual"], shift=(14, 25, 10, 31, 16))
    runs = compare(chip_of(settings), OTHERS, epochs=range(5))
    assert runs[VECTOR].trained == [True, False, True, False, True]


@needs_vector
@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("name", FEW_TILED if WITHOUT_JIT else TILED)
def test_threads_change_nothing(name, threads, monkeypatch):
    """Blocks of two samples, so that tiles and layers overtake one another."""
    monkeypatch.setattr(tiles, "BLOCK", 2)
    settings = replace(NAMED[name], rule=NAMED[name].rule if name == "frozen" else "drtp")
    for gate in (None, 0):
        chip = chip_of(replace(settings, gate=gate if name != "frozen" else None))
        runs = compare(chip, [VECTOR], epochs=(0,) if WITHOUT_JIT else (0, 1), threads=threads)
        assert runs[VECTOR].vector


def test_names_of_backends():
    assert chosen_backend(AUTO) in BACKENDS[1:]
    assert [chosen_backend(name) for name in (PLAIN, PORTABLE)] == [PLAIN, PORTABLE]
    with pytest.raises(RunError, match="unknown back-end 'fast': one of auto, plain, portable, vector"):
        chosen_backend("fast")
    assert Run(chip_of(NAMED["as usual"]), AUTO).path.backend == chosen_backend(AUTO)
