"""Shuffled labels, and rules switched in mid-training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from diagnosed import chip_of, parts_of, split_of

from neuro_emu.diagnostics.studies import hand_over, shuffle_labels, switch
from neuro_emu.machine.initialise import initial_state
from neuro_emu.training.engines import ENGINES
from neuro_emu.training.loop import Split, train


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_shuffled_labels(fraction):
    split = split_of(400)
    found = shuffle_labels(split, fraction, 7)
    assert found.codes is split.codes
    assert sorted(found.labels.tolist()) == sorted(split.labels.tolist())
    changed = np.count_nonzero(found.labels != split.labels)
    assert changed <= 400 * fraction
    assert changed >= 400 * fraction * 0.8  # a tenth finds its own class again
    assert np.array_equal(shuffle_labels(split, fraction, 7).labels, found.labels)
    if fraction == 0.3:
        assert not np.array_equal(shuffle_labels(split, fraction, 8).labels, found.labels)


def test_shuffled_samples_are_a_permutation():
    """Numbered labels show who got whose: the chosen only, each once."""
    numbered = Split(split_of(50).codes, np.arange(50, dtype=np.uint8), np.arange(100, dtype=np.int32).reshape(50, 2))
    found = shuffle_labels(numbered, 0.4, 3)
    moved = np.flatnonzero(found.labels != np.arange(50))
    assert 15 <= len(moved) <= 20
    assert set(found.labels[moved]) == set(moved)
    assert np.array_equal(found.targets, numbered.targets[found.labels])
    assert np.array_equal(numbered.labels, np.arange(50))
    with pytest.raises(ValueError, match="fraction"):
        shuffle_labels(numbered, 1.5, 3)


@pytest.mark.parametrize(
    ("datapath", "rule", "training", "batch"),
    [
        *(("float", rule, (), 1) for rule in ("bp", "fa", "dkp", "kp", "drtp")),
        ("float", "fa", ("weight_decay: {shift: 6, every: 5}",), 4),
        *(("fast", rule, (), 1) for rule in ("dfa", "dkp", "kp", "weight_mirror")),
        ("fast", "dfa", ("weight_decay: {shift: 6, every: 5}",), 4),
        ("fast", "asfp", ("options: {local_classifier: true}",), 1),
        ("traced", "dkp", (), 1),
    ],
)
def test_switching_to_the_same_rule_is_not_switching(datapath, rule, training, batch):
    chip, parts = chip_of(rule, *training, batch=batch), parts_of(14)
    schedule = tuple(((0, 4), (2, 5)) for _ in chip.network.layers)
    chip = replace(chip, learning=replace(chip.learning, lr_shift=schedule))
    first, second = switch(chip, chip, parts, 1, 2, datapath)
    plain = train(chip, parts, 3, datapath=datapath)
    assert first.learning + second.learning == [e.train_accuracy for e in plain.epochs]
    assert first.test + second.test == [e.test_accuracy for e in plain.epochs]


@pytest.mark.parametrize("datapath", ["fast", "float"])
def test_another_rule_starts_from_the_weights(datapath):
    """No epoch of B: weights as they were. Feedback of B is its own."""
    chip_a, chip_b, parts = chip_of("dfa"), chip_of("fa"), parts_of(14)
    curve_a, curve_b = switch(chip_a, chip_b, parts, 2, 1, datapath)
    engine_a = ENGINES[datapath](chip_a, initial_state(chip_a), parts[0].codes, parts[0].labels)
    assert [len(curve_a.test), len(curve_b.test)] == [2, 1]
    assert curve_a.test == [e.test_accuracy for e in train(chip_a, parts, 2, datapath=datapath).epochs]
    assert engine_a.matrices()[1][0].shape != initial_state(chip_b).feedback[0].shape


def test_what_is_handed_over():
    chip_a, chip_b, parts = chip_of("dfa"), chip_of("dkp"), parts_of(14)
    reached, fresh = train(chip_a, parts, 1).state, initial_state(chip_b)
    state = hand_over(chip_a, chip_b, reached)
    for k in range(4):
        assert np.array_equal(state.weights[k], reached.weights[k])
        assert not np.array_equal(state.weights[k], fresh.weights[k])
        assert state.row_registers[k] == reached.row_registers[k] != fresh.row_registers[k]
    assert np.array_equal(state.row_registers[4:], fresh.row_registers[4:])
    assert all(np.array_equal(a, b) for a, b in zip(state.feedback, fresh.feedback, strict=True))
    assert (state.samples, state.updates) == (14, 14)
    same = hand_over(chip_b, chip_b, train(chip_b, parts, 1).state)
    assert not np.array_equal(same.feedback[0], fresh.feedback[0])


def test_chips_that_do_not_fit():
    with pytest.raises(ValueError, match="same layers"):
        switch(chip_of("fa"), chip_of("fa", weight="s12f8"), parts_of(8), 1, 1)
