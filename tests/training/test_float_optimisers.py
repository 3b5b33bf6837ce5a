"""Optimisers of the float twin against textbook loops over gradients of a plain twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from float_chips import chip_of, live, matrices, rate_of, same, same_matrices, samples, twin_of

from neuro_emu.machine.learning import Adam, Decay, Mirror, Momentum
from neuro_emu.numerics.formats import Format

VELOCITY = Format(True, 16, 12)
RULES = [("bp", ""), ("kp", ""), ("dkp", ""), ("asap", ""), ("asfp", ""), ("asfp", "local_classifier: true")]
BATCHES = [slice(0, 5), slice(5, 10), slice(10, 15), slice(15, 17)]
"""The last one is short."""


def gradients(chip, weights, codes, labels):
    """Sums of gradients of every matrix that learns, from a plain twin put into the same place."""
    plain = replace(chip.learning, batch=len(labels), momentum=None, adam=None)
    twin = twin_of(replace(chip, learning=plain))
    for name, matrix in live(twin).items():
        matrix[:] = weights[name]
    twin.train(codes, labels)
    return {name: (m - weights[name]) / rate_of(chip, name) for name, m in live(twin).items()}


def momentum(coefficient, rate, velocity, gradient, *, nesterov):
    velocity = coefficient * velocity + gradient
    return velocity, rate * (coefficient * velocity + gradient if nesterov else velocity)


def with_momentum(chip, weights, codes, labels):
    settings, velocities = chip.learning.momentum, dict.fromkeys(weights, 0.0)
    coefficient = 1 - 2.0**-settings.shift
    for part in BATCHES:
        found = gradients(chip, weights, codes[part], labels[part])
        for name, gradient in found.items():
            velocities[name], step = momentum(
                coefficient, rate_of(chip, name), velocities[name], gradient, nesterov=settings.nesterov
            )
            weights[name] = weights[name] + step
    return weights


def with_adam(chip, weights, codes, labels):
    adam = chip.learning.adam
    means, squares = dict.fromkeys(weights, 0.0), dict.fromkeys(weights, 0.0)
    for t, part in enumerate(BATCHES, start=1):
        for name, total in gradients(chip, weights, codes[part], labels[part]).items():
            gradient = total / len(labels[part])
            means[name] = adam.beta_1 * means[name] + (1 - adam.beta_1) * gradient
            squares[name] = adam.beta_2 * squares[name] + (1 - adam.beta_2) * gradient**2
            mean, square = means[name] / (1 - adam.beta_1**t), squares[name] / (1 - adam.beta_2**t)
            weights[name] = weights[name] + adam.learning_rate * mean / (np.sqrt(square) + adam.epsilon)
    return weights


def trained(chip):
    codes, labels = samples(17)
    twin = twin_of(chip)
    start = matrices(twin)
    twin.train(codes, labels)
    twin.apply_batch()
    return twin, start, codes, labels


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("gate", [None, 128])
@pytest.mark.parametrize(("rule", "options"), RULES)
def test_momentum(rule, options, gate, nesterov):
    settings = Momentum(2, VELOCITY, nesterov)
    chip = chip_of(rule, (7, 6, 9), options=options, batch=5, momentum=settings, error_gate=gate)
    twin, start, codes, labels = trained(chip)
    same_matrices(matrices(twin), with_momentum(chip, start, codes, labels))


@pytest.mark.parametrize("gate", [None, 128])
@pytest.mark.parametrize(("rule", "options"), RULES)
def test_adam(rule, options, gate):
    adam = Adam(learning_rate=0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-4)
    chip = chip_of(rule, (7, 6, 9), options=options, batch=5, adam=adam, error_gate=gate)
    twin, start, codes, labels = trained(chip)
    after = matrices(twin)
    expected = with_adam(chip, dict(start), codes, labels)
    for name, matrix in after.items():
        np.testing.assert_allclose(matrix, expected[name], rtol=1e-6, atol=1e-9, err_msg=name)
    assert np.abs(after["W0"] - start["W0"]).max() > 0.01


@pytest.mark.parametrize("adam", [None, Adam()])
def test_matrices_of_several_blocks(adam):
    """Blocks end anywhere, the one with the bias row included; twins take the same steps."""
    moving = None if adam else Momentum(3, VELOCITY)
    chip = chip_of("kp", (310, 270), batch=5, adam=adam, momentum=moving)
    codes, labels = samples(15)
    twin = twin_of(chip)
    start = matrices(twin)
    twin.train(codes, labels)
    for k in (1, 2):
        steps = twin.weights[k] - start[f"W{k}"]
        same(steps[:-1].T, twin.feedback[k - 1] - start[f"B{k - 1}"])
        assert (np.abs(steps).max(axis=1) > 0).all()


def test_a_closed_gate_lets_velocities_go_on():
    chip = chip_of("bp", momentum=Momentum(2, VELOCITY), error_gate=128)
    codes, labels = samples(30)
    twin, seen = twin_of(chip), []
    for n in range(30):
        now, before = slice(n, n + 1), twin.weights[0].copy()
        is_open = bool(np.abs(twin.signals(codes[now], labels[now])["updates"][0]).any())
        twin.train(codes[now], labels[now])
        step = twin.weights[0] - before
        if seen and not is_open:
            same(step, 0.75 * seen[-1])
        seen.append(step)
        if is_open and len(seen) > 20:
            return
    raise AssertionError("the gate never opened again")


def test_mirror_mode_knows_no_velocity():
    settings = {"mirror": Mirror(4, 2, 1), "batch": 3}
    plain, moving = (twin_of(chip_of("weight_mirror", momentum=m, **settings)) for m in (None, Momentum(2, VELOCITY)))
    codes, labels = samples(4)
    start = moving.feedback[1].copy()
    for twin in (plain, moving):
        twin.train(codes, labels)
    # the first batch is the same with momentum, and so is what the mirror sees after sample 4
    same_matrices(matrices(plain), matrices(moving))
    assert np.abs(moving.feedback[1] - start).max() > 1e-3
    before = moving.feedback[1].copy()
    moving.train(*samples(3, seed=8))
    assert np.array_equal(before, moving.feedback[1])


def test_decay_follows_the_step():
    decay = Decay(((0, 3),), 2)
    free, decayed = (
        twin_of(chip_of("bp", momentum=Momentum(2, VELOCITY), batch=4, weight_decay=d)) for d in (None, decay)
    )
    codes, labels = samples(8)
    for twin in (free, decayed):
        twin.train(codes, labels)
    same(decayed.weights[0], free.weights[0])
    for k in (1, 2):
        same(decayed.weights[k][:-1], 0.875 * free.weights[k][:-1])
        same(decayed.weights[k][-1], free.weights[k][-1])
