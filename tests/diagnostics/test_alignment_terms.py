"""Alignment terms against loops over samples and orders, written from equations 4 to 6."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from diagnosed import chip_of, degrees, split_of

from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.diagnostics.alignment_terms import (
    Batch,
    Recorder,
    halves,
    nonlinear_angles,
    nonlinear_term,
    terms,
    transformation,
)
from neuro_emu.machine.initialise import initial_state
from neuro_emu.numerics.words import sample_order

DRAW = np.random.default_rng(12)


def history_of(batches, size=5, inputs=6, own=4, above=3):
    found = deque()
    for _ in range(batches):
        shapes = (size, inputs), (size, above), (size, own), (inputs + 1, own)
        found.append(Batch(*(DRAW.normal(size=shape) for shape in shapes)))
    return found


def loops(then, now):
    """M^o entry by entry: a sum over samples of both batches and the inputs."""
    n = now.above.shape[1]
    found = np.zeros((n, n))
    for a in range(n):
        for b in range(n):
            for s in range(len(then.inputs)):
                for t in range(len(now.inputs)):
                    overlap = sum(then.inputs[s, i] * now.inputs[t, i] for i in range(then.inputs.shape[1]))
                    found[a, b] += then.above[s, a] * overlap * now.above[t, b]
    return found


def test_linear_terms():
    history, feedback = history_of(4), DRAW.normal(size=(3, 4))
    for found in terms(history, feedback, (1, 3)):
        m = loops(history[3 - found.order], history[3])
        np.testing.assert_allclose(transformation(history, found.order), m, rtol=1e-9)
        symmetric, skew = (m + m.T) / 2, (m - m.T) / 2
        assert found.angle == pytest.approx(degrees(feedback.T @ m, feedback.T), abs=1e-6)
        assert found.symmetric_angle == pytest.approx(degrees(feedback.T @ symmetric, feedback.T), abs=1e-6)
        lengths = [np.sqrt(np.sum((feedback.T @ part) ** 2)) for part in (skew, symmetric)]
        assert found.skewness == pytest.approx(lengths[0] / lengths[1])
        # equation 6, and the angle that follows from both parts
        assert degrees(feedback.T @ skew, feedback.T) == pytest.approx(90.0)
        together = np.cos(np.radians(found.symmetric_angle)) / np.hypot(
            1.0, np.linalg.norm(feedback.T @ skew) / np.linalg.norm(feedback.T @ symmetric)
        )
        cross = np.sum((feedback.T @ skew) * (feedback.T @ symmetric))
        if abs(cross) < 1e-12:
            assert np.cos(np.radians(found.angle)) == pytest.approx(together)


def test_halves():
    matrix = DRAW.normal(size=(5, 5))
    symmetric, skew = halves(matrix)
    np.testing.assert_allclose(symmetric + skew, matrix)
    assert np.array_equal(symmetric, symmetric.T)
    assert np.array_equal(skew, -skew.T)


def test_the_same_batch_again_aligns():
    """Equal batches make M symmetric and positive semidefinite: an angle below 90, no skewness."""
    one, feedback = history_of(1)[0], DRAW.normal(size=(3, 4))
    found = terms([one, one], feedback, [1])[0]
    assert found.angle < 90
    assert found.skewness == pytest.approx(0.0, abs=1e-12)
    assert found.angle == found.symmetric_angle


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_nonlinear_terms(activation):
    history, feedback = history_of(3), DRAW.normal(size=(3, 4))
    for order in (1, 2):
        then, now = history[2 - order], history[2]
        expected = np.zeros((4, 3))
        for t in range(5):
            zeta = np.zeros(4)
            moved = np.zeros(4)
            for j in range(4):
                zeta[j] = sum(now.inputs[t, i] * then.weights[i, j] for i in range(6)) + now.weights[6, j]
                for s in range(5):
                    moved[j] += then.own[s, j] * sum(then.inputs[s, i] * now.inputs[t, i] for i in range(6))
            slope = 1 - np.tanh(zeta) ** 2 if activation == "tanh" else (zeta > 0) * 1.0
            expected += np.outer(slope * moved, now.above[t])
        np.testing.assert_allclose(nonlinear_term(history, order, activation), expected, rtol=1e-9)
        angle = nonlinear_angles(history, feedback, [order], activation)[0]
        assert angle == pytest.approx(degrees(expected, feedback.T), abs=1e-6)


def test_without_a_nonlinearity_both_are_one():
    history, feedback = history_of(3), DRAW.normal(size=(3, 4))
    linear = [Batch(b.inputs, b.above, b.above @ feedback, b.weights) for b in history]
    expected = feedback.T @ transformation(linear, 2)
    np.testing.assert_allclose(nonlinear_term(linear, 2, "identity"), expected, rtol=1e-9)


def test_orders_and_weights_that_are_not_there():
    history = history_of(3)
    for order in (0, 3):
        with pytest.raises(ValueError, match=r"orders 1 … 2"):
            transformation(history, order)
    bare = [Batch(b.inputs, b.above, b.own) for b in history]
    with pytest.raises(ValueError, match="keep_weights"):
        nonlinear_term(bare, 1, "tanh")


# --- the recorder -------------------------------------------------------------------------------------------------


def test_the_recorder_keeps_what_each_batch_met():
    chip, split = chip_of("fa", batch=4), split_of(10)
    recorder = Recorder(chip, 3, keep_weights=True)
    recorder.train(split, 2)
    twin = FloatDatapath(chip, initial_state(chip))
    expected = [[] for _ in range(3)]
    for epoch in range(2):
        order = sample_order(chip.learning.seed, epoch, 10)
        for first in (0, 4, 8):
            chosen = order[first : first + 4]
            y = [split.codes[chosen] / 256]
            for k, w in enumerate(twin.weights):
                z = y[-1] @ w[:-1] + w[-1]
                y.append(np.tanh(z) if k < 3 else 1 / (1 + np.exp(-z)))
            deltas = [None] * 3 + [np.eye(10)[split.labels[chosen]] - y[-1]]
            for k in (2, 1, 0):
                deltas[k] = (deltas[k + 1] @ twin.feedback[k]) * (1 - y[k + 1] ** 2)
            for k in range(3):
                expected[k].append((y[k], deltas[k + 1], deltas[k], twin.weights[k].copy()))
            twin.train(split.codes[chosen], split.labels[chosen])
        twin.apply_batch()
    for mine, theirs in zip(recorder.path.weights, twin.weights, strict=True):
        assert np.array_equal(mine, theirs)
    for ring, batches in zip(recorder.history, expected, strict=True):
        assert len(ring) == 3  # of six
        for kept, (inputs, above, own, weights) in zip(ring, batches[-3:], strict=True):
            for one, other in zip(
                (kept.inputs, kept.above, kept.own, kept.weights), (inputs, above, own, weights), strict=True
            ):
                np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_training_may_be_continued():
    chip, split = chip_of("fa", batch=4), split_of(10)
    once, twice = Recorder(chip, 2), Recorder(chip, 2)
    once.train(split, 3)
    twice.train(split, 2)
    twice.train(split, 1, first_epoch=2)
    assert all(np.array_equal(a, b) for a, b in zip(once.path.weights, twice.path.weights, strict=True))


@pytest.mark.parametrize("rule", ["bp", "dfa", "drtp", "kp", "weight_mirror", "shallow"])
def test_only_fixed_feedback_from_above(rule):
    with pytest.raises(ValueError, match="fixed feedback"):
        Recorder(chip_of(rule), 2)
