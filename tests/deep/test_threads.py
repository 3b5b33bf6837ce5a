"""Threads change no integer, and neither does how exact products are taken: whole, in halves, by rows."""

import dataclasses
from threading import Barrier, get_ident

import numpy as np
import pytest
from dense_pair import fmt, samples
from graphs import small_net
from naive_deep import convolve
from rule_graphs import CLASSES, COUNT, chip_of, normed, plain, residual

from neuro_emu.datapath.deep import parts
from neuro_emu.datapath.deep.parts import Alone, Threads, sum_parts
from neuro_emu.datapath.deep.products import Products
from neuro_emu.machine.deep.initialise import initial_state
from neuro_emu.machine.learning import Momentum
from neuro_emu.network.deep.shapes import window_on
from neuro_emu.training.deep_engine import DeepEngine

pytestmark = pytest.mark.integer

MOMENTUM = Momentum(3, fmt("s24f12"))


# --- parts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("rows", [0, 1, 2, 7, 30])
def test_every_row_is_in_one_part(count, rows):
    seen = []
    Threads(count)(rows, lambda part, first, last: seen.append((first, last, part)))
    covered = [row for first, last, _ in sorted(seen) for row in range(first, last)]
    assert covered == list(range(rows))
    assert len({part for *_, part in seen}) == len(seen) == max(1, min(rows, count))
    assert all(0 <= part < count for *_, part in seen)


def test_parts_run_at_once():
    meeting, who = Barrier(3, timeout=20), set()

    def work(*_):
        meeting.wait()
        who.add(get_ident())

    Threads(3)(3, work)
    assert len(who) == 3


@pytest.mark.parametrize("bad", [0, 1])
def test_what_a_part_raises_is_raised_when_all_are_done(bad):
    done = []

    def work(part, *_):
        if part == bad:
            raise ValueError(part)
        done.append(part)

    with pytest.raises(ValueError, match=str(bad)):
        Threads(2)(2, work)
    assert done == [1 - bad]


@pytest.mark.parametrize("spread", [Alone(), Threads(2), Threads(3)])
@pytest.mark.parametrize("rows", [0, 5, parts._FEW - 1, parts._FEW, 3 * parts._FEW + 1])
def test_sums_of_parts(spread, rows):
    assert sum_parts(spread, rows, lambda first, last: sum(range(first, last))) == rows * (rows - 1) // 2


# --- training -------------------------------------------------------------------------------------------


def everything(chip, threads):
    """All that a training leaves: state, predictions, outputs, counters, counts."""
    codes, labels = samples(chip.graph.inputs, CLASSES, COUNT)
    codes = codes.astype(np.int16) // 2
    engine = DeepEngine(chip, initial_state(chip), codes, labels, threads=threads)
    found = []
    for epoch in range(2):
        engine.begin_epoch(epoch, np.arange(COUNT))
        found.append(engine.train(0, COUNT).tolist())
        found.append(engine.infer(codes).tolist())
    state = engine.state()
    for field in dataclasses.fields(state):
        value = getattr(state, field.name)
        found.append([a.tolist() for a in value] if isinstance(value, list) else np.asarray(value).tolist())
    return [*found, engine.outputs(codes).tolist(), engine.tally().events.tolist(), counted(engine)]


def counted(engine):
    return [
        [(key, activity.done[key], activity.stalls[key], hits_of(activity, key)) for key in activity.done]
        for activity in engine._ops.activities
    ]


def hits_of(activity, key):
    return activity.hits[key].tolist() if key in activity.hits else None


CHIPS = [
    chip_of("asap", normed(), momentum=MOMENTUM),
    chip_of("bp", normed()),
    chip_of("asfp", residual(), options=(("block", 1), ("local_classifier", True))),
    chip_of("dfa", plain(), momentum=MOMENTUM),
    chip_of("weight_mirror", plain()),
    small_net("drtp", 4, error_gate=16),
]


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: f"{chip.learning.rule.name}-{chip.graph}")
def test_threads_change_nothing(chip, monkeypatch):
    alone = everything(chip, 1)
    monkeypatch.setattr(parts, "_FEW", 0)
    assert everything(chip, 2) == alone
    assert everything(chip, 3) == alone


# --- exact products -------------------------------------------------------------------------------------


def exact(codes, matrix):
    return codes.astype(object) @ matrix.astype(object)


CASES = {
    "32 bits": (900, 700),
    "a little more": (2992, 2990),
    "halves": (32767, 9000),
    "rows": (32767, 32767),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("code", "weight"), CASES.values(), ids=CASES)
def test_products_of_any_size(code, weight, threads):
    """At the rails, where all terms have one sign in the first row, and at random; samples of their own sizes."""
    random = np.random.default_rng(5)
    codes = random.integers(-code - 1, code + 1, (6, 600)).astype(np.int16)
    codes[3] //= 300
    matrix = random.integers(-weight - 1, weight + 1, (600, 5)).astype(np.int32)
    codes[0], matrix[:, 0] = -code - 1, -weight - 1
    codes[1] = code
    found = Products(Threads(threads)).exact(codes, matrix)
    assert found.dtype == np.int64
    assert found.tolist() == exact(codes, matrix).tolist()


@pytest.mark.parametrize("code", [-32768, -32767, 32767])
@pytest.mark.parametrize("weight", [-32768, 32767])
def test_sums_at_the_edge_of_32_bits(code, weight):
    """Two equal products: 2^31 does not fit, the others do, and both bounds are met with equality."""
    codes, matrix = np.full((3, 2), code, dtype=np.int16), np.full((2, 3), weight, dtype=np.int32)
    found = Products().unbounded(codes, None, matrix)[:, 0]
    assert found.tolist() == exact(codes, matrix).tolist()
    assert (found.dtype == np.int64) == (abs(2 * code * weight) > 2**31 - 1)


@pytest.mark.parametrize(("code", "weight"), CASES.values(), ids=CASES)
def test_convolutions_of_any_size(code, weight):
    random = np.random.default_rng(6)
    maps = random.integers(-code - 1, code + 1, (3, 4, 3, 40)).astype(np.int16)
    maps[0], maps[1] = code, maps[1] // 500
    weights = random.integers(-weight - 1, weight + 1, (9 * 40, 2)).astype(np.int32)
    weights[:, 1] = weight
    found = Products().exact_product(maps, window_on((4, 3, 40), (3, 3), 1, 1), weights, 9 * 40, 0)
    wanted = convolve(maps, weights, (3, 3), 1, 1, 0)
    assert found.tolist() == np.reshape(wanted, found.shape).tolist()
