"""Each narrow or vector kernel against the plain one, and the lists of active rows and stalls against the ports."""

from functools import cache, partial

import numpy as np
import pytest
from environment import WITHOUT_JIT
from hypothesis import example, given
from hypothesis import strategies as st
from machines import assert_same, integers_of

from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.datapath.layout import Storage
from neuro_emu.jit import kernel
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import vectors
from neuro_emu.kernels.events import list_events
from neuro_emu.machine.chip import Chip, Numerics
from neuro_emu.machine.design import WRITE_DELAY, Design, ZeroInput
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Learning
from neuro_emu.machine.ports import UpdatePass
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.numerics.ops import draw
from neuro_emu.rules import RULES

pytestmark = pytest.mark.integer

F = Format.parse
INPUTS = 20
SHIFTS = range(8, 25)


def chip_of(
    units, shift, *, weight="s8f8", delta="s8f7", words=WordSource.ROW_WORD, rounding=Rounding.STOCH, inputs=INPUTS
):
    """Inputs - units - 5 classes whose layers all update with *shift*."""
    hidden = DenseLayer(
        0, inputs, units, "hard_tanh", 5, F("u8f8"), F(weight), F("s8f7"), F(delta), F(delta), F("s8f7")
    )
    output = DenseLayer(1, units, 5, "sigmoid", 4, F("s8f7"), F("s12f9"), F("u8f8"), F("s9f8"), F("s9f8"), None)
    rates = tuple(((0, shift - layer.update_shift(0)),) for layer in (hidden, output))
    learning = Learning(RULES["drtp"], 7, 1, None, 0, rates, False, "random", True, "random", "full")
    numerics = Numerics(rounding, Overflow.SAT, 32, Overflow.SAT, words, False)
    return Chip(Network((hidden, output)), numerics, learning, Design(16, 100.0, 2, 1, ZeroInput.SKIP))


def codes_of(samples, inputs=INPUTS):
    random = np.random.default_rng(samples)
    codes = random.integers(0, 256, (samples, inputs), dtype=np.uint8)
    codes[random.random(codes.shape) < 0.4] = 0
    return codes


def run(chip, force=None, samples=3):
    """Train on a few samples; `force` may change the layer table before. Returns integers and kernel kinds."""
    path = FastDatapath(chip, initial_state(chip), "portable")
    if force:
        force(path)
    codes = codes_of(samples, chip.network.inputs)
    labels = np.arange(samples, dtype=np.uint8) % 5
    block = path.samples(codes, labels, np.arange(samples), learn=True)
    path.train(block, 0, samples)
    table = path._fabric.layers
    kinds = table[:, [fb.FORWARD_KIND, fb.UPDATE_KIND]].tolist()
    return integers_of(chip, path.state(), path.activity.events, block.predictions.tolist()), kinds


def plainly(path):
    path._fabric.layers[:, [fb.FORWARD_KIND, fb.UPDATE_KIND]] = fb.FORWARD_EXACT, fb.UPDATE_PLAIN


def in_32_bits(path):
    """The row kernel in 32 bits for layer 0, whatever the bounds would allow."""
    table, masks = path._fabric.layers, path._fabric.geometry.masks[0].tolist()
    table[0, [fb.UPDATE_KIND, fb.SPLIT]] = fb.UPDATE_ROWS32, 0
    path._fabric.geometry.masks32[0] = [draw(mask, int(table[0, fb.SHIFT])) for mask in masks]


def with_levels(levels):
    def force(path):
        path._fabric.layers[0, fb.LEVELS] = levels

    return force


@pytest.mark.parametrize("units", [130, 500] if WITHOUT_JIT else [64, 130, 500])
@pytest.mark.parametrize("shift", SHIFTS[::8] if WITHOUT_JIT else SHIFTS)
def test_row_kernels_equal_the_plain_ones(units, shift):
    chip = chip_of(units, shift)
    expected, kinds = run(chip, plainly)
    assert kinds == [[fb.FORWARD_EXACT, fb.UPDATE_PLAIN]] * 2
    assert any(row != [0] * units for row in expected["weights"][0])
    found, kinds = run(chip)
    assert kinds[0][0] == fb.FORWARD_ROWS16
    assert kinds[0][1] in {fb.UPDATE_ROWS16, fb.UPDATE_ROWS32}
    assert kinds[1] == [fb.FORWARD_COLUMNS32, fb.UPDATE_COLUMNS32]
    assert_same(expected, found, f"plain and {kinds}")
    assert_same(expected, run(chip, in_32_bits)[0], "plain and 32-bit rows")
    for levels in range(Storage.of(chip.matrices[0]).levels):
        assert_same(expected, run(chip, with_levels(levels))[0], f"plain and blocks of 1/2^{levels}")


def test_both_row_kernels_are_chosen_within_these_shifts():
    chosen = {units: {run(chip_of(units, s), samples=1)[1][0][1] for s in SHIFTS} for units in (64, 130, 500)}
    both = {fb.UPDATE_ROWS16, fb.UPDATE_ROWS32}
    assert chosen == {64: both, 130: both, 500: both}


@pytest.mark.parametrize("words", [WordSource.RAW, WordSource.ROW_LFSR], ids=lambda w: w.value)
@pytest.mark.parametrize("shift", [8, 13, 16, 22])
def test_row_kernels_equal_the_plain_ones_with_other_words(words, shift):
    chip = chip_of(130, shift, words=words)
    assert_same(run(chip, plainly)[0], run(chip)[0], "plain and chosen")


@pytest.mark.parametrize("rounding", [Rounding.TRN, Rounding.RND], ids=lambda r: r.value)
@pytest.mark.parametrize("shift", [1, 8, 13, 16, 22])
def test_row_kernels_equal_the_plain_ones_without_draws(rounding, shift):
    chip = chip_of(130, shift, rounding=rounding)
    found, kinds = run(chip)
    assert {kind for _, kind in kinds} <= {fb.UPDATE_ROWS16, fb.UPDATE_ROWS32, fb.UPDATE_COLUMNS32}
    assert_same(run(chip, plainly)[0], found, "plain and chosen")


@pytest.mark.parametrize(("weight", "delta"), [("s16f12", "s8f7"), ("s2f1", "s4f3"), ("s8f8", "s16f12")])
@pytest.mark.parametrize("shift", [1, 5, 9, 12, 15, 19])
def test_row_kernels_equal_the_plain_ones_in_other_formats(weight, delta, shift):
    chip = chip_of(96, shift, weight=weight, delta=delta)
    assert_same(run(chip, plainly)[0], run(chip)[0], "plain and chosen")


@pytest.mark.parametrize("inputs", [247, 248, 249, 255, 256, 520])
def test_forward_rows_join_their_halves_over_any_number_of_rows(inputs):
    """Blocks of 248 rows: inputs below, at and above; all codes 255 against the largest weights."""
    chip = chip_of(64, 24, inputs=inputs)
    for code in (-128, 127):
        state = initial_state(chip)
        state.weights[0][:] = code
        sums = []
        for kind in (fb.FORWARD_ROWS16, fb.FORWARD_EXACT):
            path = FastDatapath(chip, state, "portable")
            assert path._fabric.layers[0, fb.FORWARD_KIND] == fb.FORWARD_ROWS16
            path._fabric.layers[0, fb.FORWARD_KIND] = kind
            codes = np.full((1, inputs), 255, dtype=np.uint8)
            block = path.samples(codes, np.zeros(1, np.uint8), np.arange(1), learn=False)
            path.infer(block, 0, 1, path.new_activity())
            sums.append(path._fabric.scratch.sums[0, Storage.of(chip.matrices[0]).position].tolist())
        assert sums == [[code * 255 * (inputs + 1)] * 64] * 2  # the bias code of u8f8 is 255 too


@pytest.mark.parametrize("units", [64, 65, 96, 127, 130, 250, 500, 1000])
def test_storage_gives_every_neuron_its_place_in_the_order_of_the_masks(units):
    storage = Storage.of(chip_of(units, 16).matrices[0])
    places = storage.position.tolist()
    assert len(set(places)) == units
    assert max(places) < storage.positions
    block = storage.positions >> storage.levels
    assert storage.positions % (fb.CHUNK << storage.levels) == 0
    for neuron, place in enumerate(places):
        mirrored = int(f"{neuron:032b}"[::-1][: storage.levels], 2)
        assert place // block == mirrored


# --- the vector operations ----------------------------------------------------------------------------


@kernel
def _one16(weights, delta, masks, sums, at, row):
    x, low, high, split, rest, lowest, highest = row[0], row[1], row[2], row[3], row[4], row[5], row[6]
    return vectors.update_one_sign16(
        weights, delta, masks, sums, at[0], at[1], at[2], x, low, high, split, rest, lowest, highest
    )


@kernel
def _any16(weights, delta, masks, sums, at, row):
    x, low, high, split, rest, lowest, highest = row[0], row[1], row[2], row[3], row[4], row[5], row[6]
    return vectors.update_any_sign16(
        weights, delta, masks, sums, at[0], at[1], at[2], x, low, high, split, rest, lowest, highest
    )


@kernel
def _one32(weights, delta, masks, sums, at, row):
    x, low, high, split, rest, lowest, highest = row[0], row[1], row[2], row[3], row[4], row[5], row[6]
    return vectors.update_one_sign32(
        weights, delta, masks, sums, at[0], at[1], at[2], x, low, high, split, rest, lowest, highest
    )


@kernel
def _any32(weights, delta, masks, sums, at, row):
    x, low, high, split, rest, lowest, highest = row[0], row[1], row[2], row[3], row[4], row[5], row[6]
    return vectors.update_any_sign32(
        weights, delta, masks, sums, at[0], at[1], at[2], x, low, high, split, rest, lowest, highest
    )


VECTORS = {
    "one sign, 16 bits": (_one16, partial(vectors._update, True), np.int16),
    "any sign, 16 bits": (_any16, partial(vectors._update, False), np.int16),
    "one sign, 32 bits": (_one32, partial(vectors._update, True), np.int32),
    "any sign, 32 bits": (_any32, partial(vectors._update, False), np.int32),
}


@pytest.mark.skipif(WITHOUT_JIT, reason="without JIT the vector operation is its own plain form")
@pytest.mark.parametrize("name", VECTORS)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 3), st.integers(0, 7), st.integers(1, 7))
def test_vector_updates_equal_their_plain_forms(name, seed, chunks, skipped, split, rest):
    compiled, plain, width = VECTORS[name]
    random = np.random.default_rng(seed)
    size, first, count = 8 * fb.CHUNK, skipped * fb.CHUNK, chunks * fb.CHUNK
    weights = random.integers(-128, 128, 2 * size, dtype=np.int16)
    delta = random.integers(-128, 128, size, dtype=np.int16)
    masks = random.integers(0, 1 << rest, size).astype(width)
    row = [random.integers(0, 128), random.integers(0, 1 << split), random.integers(0, 1 << rest)]
    row = np.array([*row, split, rest, -128, 127])
    at = np.array([size + first, first, count])
    results = []
    for function, places in ((compiled, (at, row)), (plain, [*at.tolist(), *row.tolist()])):
        mine, sums = weights.copy(), np.zeros((2, fb.CHUNK), dtype=np.int16)
        assert function(mine, delta, masks, sums, *places) == 0
        results.append((mine.tolist(), sums.tolist()))
    assert results[0] == results[1]
    changed = np.flatnonzero(np.array(results[0][0]) != weights)
    assert all(size + first <= at < size + first + count for at in changed)


# --- active rows and stalls ---------------------------------------------------------------------------


def stalls_by_ports(row, banks, gated, group):
    """The update pass of one group, access by access: rows whose code is 0 are left out or, gated, idle."""
    update = UpdatePass(banks)
    rows = len(row) + 1
    for i in range(rows):
        if i == len(row) or row[i]:
            update.row(group * rows + i)
        elif gated:
            update.idle()
    return update.stalls


@cache
def constants_of(banks, gated):
    constants = np.zeros(fb.CONSTANTS, dtype=np.int64)
    constants[[fb.BANKS, fb.WRITE_DELAY, fb.GATED_ROWS]] = banks, WRITE_DELAY, gated
    return constants


@given(
    st.lists(st.lists(st.sampled_from([0, 0, 1, 255]), min_size=24, max_size=24), min_size=1, max_size=4),
    st.integers(1, 24),
    st.sampled_from([1, 2, 4, 8]),
    st.booleans(),
)
@example([[1] * 24], 24, 1, False)
@example([[0] * 24], 24, 2, True)
@example([[1, 0, 1, 1, 1, 0, 0, 0] * 3], 8, 2, False)  # the example of docs/machine.md
def test_events_and_stalls_equal_the_ports(samples, inputs, banks, gated):
    codes = np.array(samples, dtype=np.uint8)[:, :inputs]
    events = list_events(np.ascontiguousarray(codes), constants_of(banks, int(gated)))
    assert events.ends[0] == 0
    for n, row in enumerate(codes.tolist()):
        start, end = events.ends[n], events.ends[n + 1]
        active = [i for i, code in enumerate(row) if code]
        assert events.inputs[start:end].tolist() == active
        assert events.value[start:end].tolist() == [row[i] for i in active]
        for group in range(3):  # moving a group moves all its banks alike
            assert events.stalls[n] == stalls_by_ports(row, banks, gated, group)
