"""The property that gives Kolen-Pollack its name: W_{k+1} and B_k meet as fast as they decay, whatever is learned."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from environment import WITHOUT_JIT

from neuro_emu.config.experiment import load_text
from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.machine.initialise import initial_state
from neuro_emu.network.state import FEEDBACK_OVF, FEEDBACK_UPDATES, UPDATES, WEIGHT_OVF

CHIP = """
dataset: {{name: synthetic, train: 20, test: 10}}
network:
  layers:
    - dense: {{units: 11, activation: tanh, weight: s16f12, output: s8f7}}
    - dense: {{units: 6, activation: hard_tanh, weight: s16f12, output: s8f7, delta: s9f7}}
    - dense: {{units: 8, activation: tanh, weight: s16f11, output: s8f7}}
    - dense: {{units: 10, activation: sigmoid, weight: s16f12, output: u8f8}}
  initial_weights: random
  initial_layers: all
training: {{rule: {rule}, seed: 6, batch: {batch}, lr_shift: {{hidden: 3, output: 3}}, {training}}}
numerics: {{update_rounding: {rounding}, random_words: {words}}}
machine: {{lanes: 4}}
"""
DECAY = "weight_decay: {shift: 5, every: 1}"
GATE = "error_gate: 150"


def chip_of(*training, rule="kp", rounding="STOCH", words="row_word", batch=1):
    written = ", ".join(training) or "epochs: 1"
    return load_text(CHIP.format(rule=rule, training=written, rounding=rounding, words=words, batch=batch)).chip


def samples(count, seed=4):
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, 256, (count, 64)) * (draw.random((count, 64)) < 0.2)
    return codes.astype(np.uint8), draw.integers(0, 10, count).astype(np.uint8)


def differences(weights, feedback):
    """W_{k+1}ᵀ − B_k of every pair, without the bias."""
    return [w[:-1].T - b for w, b in zip(weights[1:], feedback, strict=True)]


# --- exact arithmetic ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "training"),
    [("kp", ()), ("kp", (GATE,)), ("asap", ("options: {first_layer: trained}",)), ("asap", ("options: {block: 1}",))],
)
def test_the_difference_shrinks_with_the_decay(rule, training):
    chip = chip_of(DECAY, *training, rule=rule)
    twin = FloatDatapath(chip, initial_state(chip))
    start, weights = differences(twin.weights, twin.feedback), [w.copy() for w in twin.weights]
    codes, labels = samples(50)
    for t, (code, label) in enumerate(zip(codes, labels, strict=True), start=1):
        twin.train(code[None], np.array([label]))
        for k, (before, now) in enumerate(zip(start, differences(twin.weights, twin.feedback), strict=True)):
            expected = (1 - 2.0**-5) ** t * before
            np.testing.assert_allclose(now, expected, rtol=1e-9, atol=1e-13, err_msg=f"W_{k + 1} and B_{k}")
    for before, after, gap in zip(weights[1:], twin.weights[1:], start, strict=True):
        assert np.abs(after - before).max() > 0.05  # so it is not that nothing happens
        assert np.abs(gap).max() > 0.3


def test_the_difference_decays_only_after_every_third_sample():
    chip = chip_of("weight_decay: {shift: 4, every: 3}")
    twin = FloatDatapath(chip, initial_state(chip))
    start = differences(twin.weights, twin.feedback)
    codes, labels = samples(10)
    for t, (code, label) in enumerate(zip(codes, labels, strict=True), start=1):
        twin.train(code[None], np.array([label]))
        for before, now in zip(start, differences(twin.weights, twin.feedback), strict=True):
            np.testing.assert_allclose(now, (15 / 16) ** (t // 3) * before, rtol=1e-9, atol=1e-13)


# --- integers -----------------------------------------------------------------------------------------------------


def fast_states(chip, codes, labels):
    """States before and after each sample, and the events at the end."""
    path, order = FastDatapath(chip, initial_state(chip)), np.arange(len(labels))
    path.begin_epoch(0)
    data = path.samples(codes, labels, order, learn=True, flush=False)
    states = [path.state()]
    for n in order.tolist():
        path.train(data, n, n + 1)
        states.append(path.state())
    return states, path.activity.events


def traced_states(chip, codes, labels):
    path = TracedDatapath(chip, initial_state(chip))
    states = [path.state.copy()]
    for code, label in zip(codes, labels, strict=True):
        path.train(code.astype(np.int64), int(label))
        states.append(path.state.copy())
    return states, path.tally.events


MACHINES = {"fast": (fast_states, 12 if WITHOUT_JIT else 60), "traced": (traced_states, 12)}
"""How to run, and samples."""


def run(machine, chip):
    """Differences before and after each sample of a run in which weights move and nothing saturates."""
    states_of, count = MACHINES[machine]
    states, events = states_of(chip, *samples(count))
    assert not events[:, [WEIGHT_OVF, FEEDBACK_OVF]].any()
    assert events[1:, UPDATES].all()
    assert events[:-1, FEEDBACK_UPDATES].all()
    first, last = states[0], states[-1]
    moves = [np.abs(a - b).max() for a, b in zip(first.weights[1:], last.weights[1:], strict=True)]
    moves += [np.abs(a - b).max() for a, b in zip(first.feedback, last.feedback, strict=True)]
    assert min(moves) > 20  # codes
    return [differences(state.weights, state.feedback) for state in states]


integer = pytest.mark.integer
machines = pytest.mark.parametrize("machine", MACHINES)
roundings = pytest.mark.parametrize(
    ("rounding", "words"),
    [
        *(("TRN", "row_word"), ("TRN_ZERO", "row_word"), ("RND", "row_word"), ("RND_CONV", "row_word")),
        *(("STOCH", "row_word"), ("STOCH", "row_lfsr"), ("STOCH", "raw"), ("STOCH", "lane_lfsr")),
    ],
)


@integer
@machines
@roundings
@pytest.mark.parametrize("training", [(), (GATE,)], ids=["plain", "gate"])
def test_equal_integer_steps_keep_the_difference(machine, rounding, words, training):
    found = run(machine, chip_of(*training, rounding=rounding, words=words))
    for one in found[1:]:
        for start, now in zip(found[0], one, strict=True):
            assert np.array_equal(start, now)
    assert min(np.abs(start).max() for start in found[0]) > 1000


@integer
@machines
@pytest.mark.parametrize("rounding", ["RND", "STOCH"])
def test_mini_batches_keep_the_difference(machine, rounding):
    found = run(machine, chip_of("weight_decay: {shift: 5, every: 1000}", rounding=rounding, batch=4))
    assert all(np.array_equal(a, b) for one in found for a, b in zip(found[0], one, strict=True))


@integer
@machines
@roundings
def test_integer_decay_brings_them_together(machine, rounding, words):
    """Rounded decay never parts two weights further: both get the same word, and w − R(w) never falls with w."""
    found = run(machine, chip_of(DECAY, rounding=rounding, words=words))
    for before, after in pairwise(found):
        for one, other in zip(before, after, strict=True):
            assert (np.abs(other) <= np.abs(one)).all()
            assert (other * one.astype(np.int64) >= 0).all()  # nor do they change places
    expected = (1 - 2.0**-5) ** (len(found) - 1)
    for start, end in zip(found[0], found[-1], strict=True):
        assert np.abs(end).max() < np.abs(start).max()
        assert abs(np.abs(end).max() / np.abs(start).max() - expected) < 0.03
