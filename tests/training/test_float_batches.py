"""The batched float twin: gradients of every loss by finite differences, and batches as sums of single samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from float_chips import HIDDEN_RATE, OUTPUT_RATE, chip_of, live, matrices, same, same_matrices, samples, twin_of

from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.learning import Mirror, Targets
from neuro_emu.machine.targets import target_table
from neuro_emu.rules import RULES
from neuro_emu.training.engines import FloatEngine

# --- losses -------------------------------------------------------------------------------------------------------


def outputs_of(weights, x, output):
    """y_K and z_K of a tanh network, written down again."""
    for matrix in weights[:-1]:
        x = np.tanh(x @ matrix[:-1] + matrix[-1])
    z = x @ weights[-1][:-1] + weights[-1][-1]
    if output == "softmax":
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), z
    return {"sigmoid": lambda: 1 / (1 + np.exp(-z)), "tanh": lambda: np.tanh(z), "identity": lambda: z}[output](), z


def loss_of(loss, y, aim):
    """Summed over samples and outputs."""
    if loss == "bce":
        return -np.sum(aim * np.log(y) + (1 - aim) * np.log(1 - y))
    return -np.sum(aim * np.log(y)) if loss == "cce" else np.sum((aim - y) ** 2) / 2


def slopes(weights, loss):
    """Central differences of loss() by every entry of every matrix."""
    found = []
    for matrix in weights:
        slope = np.empty_like(matrix)
        for i in np.ndindex(matrix.shape):
            value, ends = matrix[i], []
            for shift in (1e-5, -1e-5):
                matrix[i] = value + shift
                ends.append(loss())
            matrix[i], slope[i] = value, (ends[0] - ends[1]) / 2e-5
        found.append(slope)
    return found


CASES = [("bce", "sigmoid"), ("cce", "softmax"), ("mse", "sigmoid"), ("mse", "tanh"), ("mse", "identity")]


def assert_gradient(chip, aim, *, targets=None):
    """One batch of bp is a step down the gradient."""
    codes, labels = samples(4)
    twin = twin_of(chip)
    before, output = [w.copy() for w in twin.weights], chip.network.output.activation
    twin.train(codes, labels, targets)
    same(twin.outputs, outputs_of(before, codes / 256, output)[0])
    numeric = slopes(before, lambda: loss_of(chip.learning.loss, outputs_of(before, codes / 256, output)[0], aim))
    for k, (old, new, slope) in enumerate(zip(before, twin.weights, numeric, strict=True)):
        step = (new - old) / (OUTPUT_RATE if k == len(before) - 1 else HIDDEN_RATE)
        assert np.linalg.norm(step + slope) <= 1e-6 * np.linalg.norm(slope)


@pytest.mark.parametrize(("loss", "output"), CASES)
def test_bp_is_the_gradient_of_the_loss(loss, output):
    assert_gradient(chip_of("bp", (5, 4), output=output, loss=loss, batch=4), np.eye(10)[samples(4)[1]])


@pytest.mark.parametrize("output", ["tanh", "identity", "sigmoid"])
def test_regression_is_the_gradient_of_the_squared_error(output):
    targets = np.random.default_rng(2).uniform(-1, 1, (4, 10))
    chip = chip_of("bp", (5,), output=output, loss="mse", batch=4, targets=Targets(0, 10))
    assert_gradient(chip, targets, targets=targets)
    assert twin_of(chip).infer(samples(4)[0]).tolist() == [0] * 4


def test_regression_asks_for_targets():
    chip = chip_of("bp", (5,), output="identity", loss="mse", targets=Targets(0, 10))
    with pytest.raises(ValueError, match="targets"):
        twin_of(chip).train(*samples(1))


def few_classes(count):
    codes, labels = samples(count)
    return codes, labels % 3


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_several_hot_outputs(loss):
    chip = chip_of("bp", (5,), loss=loss, batch=4, targets=Targets(3, 3))
    table = target_table(chip) / chip.network.hot
    assert table.sum(axis=1).tolist() == [3, 3, 3]
    assert table.sum(axis=0).max() == 1
    codes, labels = few_classes(4)
    twin = twin_of(chip)
    before = [w.copy() for w in twin.weights]
    twin.train(codes, labels)
    numeric = slopes(before, lambda: loss_of(loss, outputs_of(before, codes / 256, "sigmoid")[0], table[labels]))
    assert np.linalg.norm((twin.weights[1] - before[1]) / OUTPUT_RATE + numeric[1]) < 1e-6 * np.linalg.norm(numeric[1])


def test_the_class_with_the_largest_sum_of_hot_outputs_is_predicted():
    chip = chip_of("bp", (5,), targets=Targets(3, 3))
    twin, (codes, _), table = twin_of(chip), few_classes(40), target_table(chip) > 0
    twin.weights[-1] *= 6.0
    found = twin.infer(codes)
    y = outputs_of(twin.weights, codes / 256, "sigmoid")[0]
    wanted = [int(np.argmax([sum(row[table[c]]) for c in range(3)])) for row in y]
    assert found.tolist() == wanted
    assert len(set(wanted)) > 1
    assert found.tolist() != np.argmax(y, axis=1).tolist()


# --- batches ------------------------------------------------------------------------------------------------------

WITH_OPTIONS = [*((rule, "") for rule in sorted(RULES)), ("asfp", "local_classifier: true"), ("asap", "block: 1")]
NEVER = Mirror(every=10**6)


@pytest.mark.parametrize("gate", [None, 128])
@pytest.mark.parametrize(("rule", "options"), WITH_OPTIONS)
def test_a_batch_is_the_sum_of_its_samples(rule, options, gate):
    settings = {"error_gate": gate, "mirror": NEVER}
    chip = chip_of(rule, (7, 6, 9), options=options, **settings)
    codes, labels = samples(6)
    sums, opened = matrices(twin_of(chip)), 0
    start = matrices(twin_of(chip))
    for n in range(6):
        alone = twin_of(chip)
        alone.train(codes[n : n + 1], labels[n : n + 1])
        for name, matrix in live(alone).items():
            sums[name] += matrix - start[name]
        opened += not np.array_equal(alone.weights[1], start["W1"])
    together = twin_of(replace(chip, learning=replace(chip.learning, batch=6)))
    together.train(codes, labels)
    same_matrices(matrices(together), sums)
    if rule != "shallow":
        assert opened == 6 if gate is None else 0 < opened < 6


@pytest.mark.parametrize("parts", [(6, 6, 2), (1,) * 14, (4, 4, 4, 2), (14,), (5, 9)])
@pytest.mark.parametrize("rule", ["bp", "dkp", "weight_mirror"])
def test_calls_do_not_cut_batches(rule, parts):
    chip = chip_of(rule, batch=6, error_gate=120, mirror=Mirror(4, 2, 1))
    codes, labels = samples(14)
    twin, whole = twin_of(chip), twin_of(chip)
    found, first = [], 0
    for count in parts:
        found += twin.train(codes[first : first + count], labels[first : first + count]).tolist()
        first += count
    assert found == whole.train(codes, labels).tolist()
    assert whole.outputs.shape == (14, 10)
    same_matrices(matrices(twin), matrices(whole))
    before = matrices(whole)
    whole.apply_batch()
    assert not np.array_equal(before["W2"], whole.weights[2])
    after = matrices(whole)
    whole.apply_batch()
    same_matrices(matrices(whole), after)


def test_batches_follow_each_other_like_one_written_by_hand():
    chip = chip_of("bp", batch=4)
    codes, labels = samples(12)
    twin, hand = twin_of(chip), twin_of(chip)
    twin.train(codes, labels)
    for first in range(0, 12, 4):
        now = slice(first, first + 4)
        found = hand.signals(codes[now], labels[now])
        for k, (x, delta) in enumerate(zip(found["inputs"], found["updates"], strict=True)):
            rate = OUTPUT_RATE if k == 2 else HIDDEN_RATE
            hand.weights[k] += rate * sum(np.vstack([np.outer(a, d), d]) for a, d in zip(x, delta, strict=True))
    same_matrices(matrices(twin), matrices(hand))


def test_mirror_mode_comes_in_the_middle_of_a_batch():
    """Later samples of the batch see the new feedback, and their errors pass through it."""
    chip = chip_of("weight_mirror", batch=5, mirror=Mirror(3, 2, 1))
    codes, labels = samples(5)
    twin = twin_of(chip)
    start, sums, moved = matrices(twin), [np.zeros_like(w) for w in twin.weights], []
    for n in range(5):
        now, before = slice(n, n + 1), twin.feedback[0].copy()
        found = twin.signals(codes[now], labels[now])
        for k in range(3):
            sums[k][:-1] += np.outer(found["inputs"][k][0], found["updates"][k][0])
            sums[k][-1] += found["updates"][k][0]
        twin.train(codes[now], labels[now])
        moved.append(not np.array_equal(before, twin.feedback[0]))
    assert moved == [False, False, True, False, False]
    for k in range(3):
        same(twin.weights[k] - start[f"W{k}"], (OUTPUT_RATE if k == 2 else HIDDEN_RATE) * sums[k])


# --- the engine ---------------------------------------------------------------------------------------------------


def test_the_engine_is_the_twin():
    chip = chip_of("dfa", batch=6)
    codes, labels = samples(20)
    order = np.random.default_rng(4).permutation(20)
    engine, twin = FloatEngine(chip, initial_state(chip), codes, labels), twin_of(chip)
    engine.begin_epoch(0, order)
    found = np.concatenate([engine.train(first, min(first + 7, 20)) for first in range(0, 20, 7)])
    engine.end_epoch()
    assert found.tolist() == twin.train(codes[order], labels[order]).tolist()
    twin.apply_batch()
    same_matrices(matrices(engine._path), matrices(twin))
    many = samples(1100)[0]
    assert engine.infer(many).tolist() == twin.infer(many).tolist()
    same(engine.outputs(many), twin.outputs)
    assert engine.outputs(many[:0]).shape == (0, 10)


@pytest.mark.parametrize("as_codes", [False, True])
def test_the_engine_hands_targets_on(as_codes):
    """Codes, which the other engines learn, stand for values of the output format u8f8."""
    chip = chip_of("bp", output="identity", loss="mse", batch=3, targets=Targets(0, 10))
    codes, labels = samples(6)
    signed, targets = codes.astype(np.int16) - 128, np.random.default_rng(1).integers(0, 256, (6, 10)) / 256
    given = (targets * 256).astype(np.int32) if as_codes else targets
    engine = FloatEngine(chip, initial_state(chip), signed, labels, given)
    order = np.array([5, 0, 3, 1, 2, 4])
    engine.begin_epoch(0, order)
    engine.train(0, 6)
    twin = FloatDatapath(chip, initial_state(chip))
    twin.train(signed[order], labels, targets[order])
    same_matrices(matrices(engine._path), matrices(twin))
