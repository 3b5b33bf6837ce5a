"""Dropout, weight normalisation and the signals of the float twin."""

from __future__ import annotations

import numpy as np
import pytest
from float_chips import HIDDEN_RATE, OUTPUT_RATE, chip_of, matrices, same, same_matrices, samples, twin_of

from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Adam, Decay, Mirror, Momentum, WeightNorm
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.many_words import words_after
from neuro_emu.rules import RULES


def xorshift(word):
    word ^= word << 13 & 0xFFFFFFFF
    word ^= word >> 17
    return word ^ (word << 5 & 0xFFFFFFFF)


# --- dropout ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "times"), [(1, 5), (2, 3), (33, 4), (500, 2)])
@pytest.mark.parametrize("register", [1, 0x80000000, 0xFFFFFFFF, 0x12345678])
def test_words_are_those_of_the_register(register, count, times):
    drawn, after = words_after(register, times, count)
    word, expected = register, []
    for _ in range(times * count):
        word = xorshift(word)
        expected.append(word)
    assert drawn.ravel().tolist() == expected
    assert drawn.shape == (times, count)
    assert after == word


def keeps(chip, count, drop):
    """1.0 where a neuron stays, by layer, sample after sample."""
    registers = [int(word) for word in initial_state(chip).dropout_registers]
    found = []
    for k, layer in enumerate(chip.network.hidden):
        words = []
        for _ in range(count * layer.units):
            registers[k] = xorshift(registers[k])
            words.append(float(registers[k] >> 24 >= drop))
        found.append(np.reshape(words, (count, layer.units)))
    return found


@pytest.mark.parametrize("batch", [1, 4])
def test_dropout_is_bp_in_the_thinned_network(batch):
    chip = chip_of("bp", (20, 15), batch=batch, dropout=90)
    twin, (codes, labels) = twin_of(chip), samples(8)
    kept = keeps(chip, 8, 90)
    w = [m.copy() for m in twin.weights]
    sums = [np.zeros_like(m) for m in w]
    twin.train(codes, labels)
    for n in range(8):
        y = [codes[n] / 256]
        for k in range(2):
            y.append(np.tanh(y[k] @ w[k][:-1] + w[k][-1]) * kept[k][n])
        output = 1 / (1 + np.exp(-(y[2] @ w[2][:-1] + w[2][-1])))
        same(twin.outputs[n], output)
        delta = [0.0, 0.0, np.eye(10)[labels[n]] - output]
        for k in (1, 0):
            # a dropped neuron has y = 0, where tanh is steepest: only the mask keeps its signal away
            delta[k] = (w[k + 1][:-1] @ delta[k + 1]) * (1 - y[k + 1] ** 2) * kept[k][n]
        for k in range(3):
            sums[k] += np.vstack([np.outer(y[k], delta[k]), delta[k]])
        if (n + 1) % batch == 0:
            for k, rate in enumerate((HIDDEN_RATE, HIDDEN_RATE, OUTPUT_RATE)):
                w[k] += rate * sums[k]
                sums[k][:] = 0.0
    same_matrices(matrices(twin), matrices(twin) | {f"W{k}": m for k, m in enumerate(w)})


def test_as_many_are_dropped_as_asked_for():
    chip = chip_of("bp", (200, 100), dropout=64)
    twin = twin_of(chip)
    twin.train(*samples(60))
    kept = np.concatenate([matrix.ravel() for matrix in keeps(chip, 60, 64)])
    assert abs(kept.mean() - 0.75) < 0.01


def test_testing_scales_and_draws_nothing():
    chip = chip_of("bp", (20, 15), dropout=64)
    twin, plain = twin_of(chip), twin_of(chip_of("bp", (20, 15)))
    for k in (1, 2):
        plain.weights[k][:-1] *= 0.75  # the same as outputs of 3/4
    codes, _ = samples(30)
    registers = twin._drops.copy()
    assert twin.infer(codes).tolist() == plain.infer(codes).tolist()
    same(twin.outputs, plain.outputs)
    assert np.array_equal(registers, twin._drops)


# --- weight normalisation -----------------------------------------------------------------------------------------


def norms(matrix):
    return np.array([np.sqrt(sum(value**2 for value in column)) for column in matrix.T])


@pytest.mark.parametrize("optimiser", [{}, {"momentum": Momentum(2, Format(True, 16, 12))}, {"adam": Adam()}])
def test_weights_are_brought_back_to_the_norm(optimiser):
    settings = {"batch": 2, "weight_decay": Decay(((0, 4),), 1), **optimiser}
    norm = WeightNorm(1.5, every=3)
    free, held = (twin_of(chip_of("dfa", weight_norm=n, **settings)) for n in (None, norm))
    assert np.abs(norms(held.feedback[1]) - 1.5).max() < 0.01  # codes, so within one of them
    for k in range(2):
        free.feedback[k][:] = held.feedback[k]
    for k in range(3):
        free.weights[k][:] = held.weights[k]  # a chip with a norm starts with it
    codes, labels = samples(6)
    for twin in (free, held):
        twin.train(codes[:4], labels[:4])
    same_matrices(matrices(free), matrices(held))
    held.weights[0][:-1, 2] = free.weights[0][:-1, 2] = 0.0
    for twin in (free, held):
        twin.train(codes[4:] * 0, labels[4:])  # without inputs that column stays 0
    for k in range(3):
        lengths = norms(free.weights[k][:-1])
        wanted = free.weights[k][:-1] * np.where(lengths > 0, 1.5 / np.where(lengths > 0, lengths, 1), 1)
        same(held.weights[k][:-1], wanted)
        same(held.weights[k][-1], free.weights[k][-1])
        assert np.abs(norms(held.weights[k][:-1]) - 1.5).min() < 1e-12


def test_feedback_is_normalised_where_it_is_fixed_and_asked_for():
    shifted = {"gamma": 0.5, "every": 10**6}
    fixed = twin_of(chip_of("fa", weight_norm=WeightNorm(**shifted)))
    free = twin_of(chip_of("fa", weight_norm=WeightNorm(**shifted, feedback=False)))
    learned = twin_of(chip_of("dkp", weight_norm=WeightNorm(**shifted)))
    assert np.abs(norms(fixed.feedback[0]) - 0.5).max() < 0.01
    assert np.abs(norms(free.feedback[0]) - 0.5).max() > 0.1
    assert np.abs(norms(learned.feedback[0]) - 0.5).max() > 0.1


# --- signals ------------------------------------------------------------------------------------------------------

RULED = [*((rule, "") for rule in sorted(RULES)), ("asfp", "local_classifier: true"), ("asap", "first_layer: fixed")]


@pytest.mark.parametrize("gate", [None, 128])
@pytest.mark.parametrize(("rule", "options"), RULED)
def test_signals_are_what_the_rule_writes(rule, options, gate):
    settings = {"batch": 6, "error_gate": gate, "mirror": Mirror(10**6)}
    chip = chip_of(rule, (7, 6, 9), options=options, **settings)
    twin, (codes, labels) = twin_of(chip), samples(6)
    start = matrices(twin)
    found = twin.signals(codes, labels)
    same(found["inputs"][0], codes / 256)
    twin.train(codes, labels)
    for k in range(4):
        rate = OUTPUT_RATE if k == 3 else HIDDEN_RATE
        steps = (twin.weights[k] - start[f"W{k}"]) / rate
        assert (found["updates"][k] is None) == (not chip.plan.learns[k])
        if found["updates"][k] is None:
            assert found["activations"][k] is None
            assert not steps.any()
        else:
            same(steps[:-1], found["activations"][k].T @ found["updates"][k])
            same(steps[-1], found["updates"][k].sum(axis=0))
            assert found["inputs"][k].shape == found["activations"][k].shape


def test_signals_of_closed_samples_are_zeros():
    chip = chip_of("dfa", error_gate=250)
    found = twin_of(chip).signals(*samples(3))
    assert not found["updates"][0].any()
    assert found["updates"][2].any()


def test_signals_change_nothing():
    settings = {"momentum": Momentum(2, Format(True, 16, 12)), "dropout": 60, "mirror": Mirror(2, 2, 1), "batch": 3}
    chip = chip_of("weight_mirror", **settings)
    asked, left = twin_of(chip), twin_of(chip)
    codes, labels = samples(11)
    for n in range(11):
        now = slice(n, n + 1)
        asked.train(codes[now], labels[now])
        left.train(codes[now], labels[now])
        outputs = asked.outputs.copy()
        asked.signals(codes, labels)
        assert np.array_equal(outputs, asked.outputs)
        same_matrices(matrices(asked), matrices(left))
    assert np.array_equal(asked._drops, left._drops)
    assert np.array_equal(asked._noise, left._noise)
