"""The three datapaths behind one face, and the comparison of everything they must agree on."""

import naive
import numpy as np
from strategies import spec_of

from neuro_emu.datapath.backends import AUTO
from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.state import TALLIES
from neuro_emu.numerics.words import sample_order


def order_of(chip, epoch, samples):
    if chip.learning.shuffled:
        return sample_order(chip.learning.seed, epoch, samples)
    return np.arange(samples)


class Fast:
    def __init__(self, chip, backend=AUTO):
        self.chip, self.path, self.predictions = chip, FastDatapath(chip, initial_state(chip), backend), []
        self.inferred = self.path.new_activity()

    def train_epoch(self, data, epoch):
        self.path.begin_epoch(epoch)
        order = order_of(self.chip, epoch, len(data.labels))
        samples = self.path.samples(data.codes, data.labels, order, learn=True, targets=data.targets)
        assert self.path.train(samples, 0, len(order)) == len(order)
        self.predictions += samples.predictions.tolist()

    def infer(self, data):
        samples = self.path.samples(data.codes, data.labels, np.arange(len(data.labels)), learn=False, outputs=True)
        self.path.infer(samples, 0, len(data.labels), self.inferred)
        self.outputs = samples.outputs.tolist()
        return samples.predictions.tolist()

    def result(self):
        return integers_of(self.chip, self.path.state(), self.path.activity.events, self.predictions)

    def counts(self, *, learning=True):
        return self.path.counts(self.path.activity if learning else self.inferred, learning=learning)


class Traced:
    def __init__(self, chip, record=lambda *_: None):
        self.chip, self.path, self.predictions = chip, TracedDatapath(chip, initial_state(chip), record), []

    def train_epoch(self, data, epoch):
        self.path.state.epoch = epoch
        for n in order_of(self.chip, epoch, len(data.labels)).tolist():
            target = None if data.targets is None else data.targets[n].astype(np.int64)
            self.predictions.append(self.path.train(data.codes[n].astype(np.int64), int(data.labels[n]), target))
        self.path.end_epoch()

    def infer(self, data):
        self.outputs, predictions = [], []
        for codes in data.codes:
            predictions.append(self.path.infer(codes.astype(np.int64)))
            self.outputs.append(self.path.outputs.tolist())
        return predictions

    def result(self):
        return integers_of(self.chip, self.path.state, self.path.tally.events, self.predictions)

    def counts(self, *, learning=True):
        return self.path.counts if learning else self.path.inference_counts


class Naive:
    def __init__(self, chip):
        self.chip, self.path, self.predictions = chip, naive.NaiveChip(spec_of(chip)), []

    def train_epoch(self, data, epoch):
        targets = None if data.targets is None else data.targets.tolist()
        records = self.path.train_epoch(data.codes.tolist(), data.labels.tolist(), epoch, targets)
        self.predictions += [record["prediction"] for record in records]

    def infer(self, data):
        return [self.path.predict(codes, count=True) for codes in data.codes.tolist()]

    def result(self):
        path, learning = self.path, self.chip.learning
        speeds = [path.velocities, path.classifier_velocities, path.feedback_velocities]
        return {
            "weights": path.weights,
            "feedback": path.feedback,
            "classifiers": path.classifiers,
            "forward": path.forward_weights,
            "gradients": [path.sums, path.classifier_sums, path.feedback_sums] if learning.sums else [],
            "row registers": path.row_registers,
            "feedback registers": path.feedback_registers,
            "classifier registers": path.classifier_registers,
            "noise registers": path.noise_registers,
            "dropout registers": path.dropout_registers,
            "velocities": speeds if learning.momentum else [],
            "progress": [path.samples_done, path.updates_done, path.mirror_steps_done],
            "lane registers": path.lane_registers,
            "batch fill": path.in_batch,
            "tallies": [[tally[name] for name in TALLIES] for tally in path.tallies],
            "predictions": self.predictions,
        }


def integers_of(chip, state, events, predictions):
    """Everything that outlives a sample, as nested lists."""
    hidden, layers = range(len(chip.network.hidden)), len(chip.network.layers)
    places = {(matrix.kind, matrix.layer): matrix.index for matrix in chip.matrices}

    def of_matrices(kind, values, nothing):
        found = [places.get((kind, k)) for k in hidden]
        return [nothing if m is None else np.asarray(values[m]).tolist() for m in found]

    sums = state.gradients
    return {
        "weights": [w.tolist() for w in state.weights],
        "feedback": [b.tolist() for b in state.feedback],
        "classifiers": [w.tolist() for w in state.classifiers],
        "forward": [c.tolist() for c in state.forward],
        "gradients": sums
        and [
            [g.tolist() for g in sums[:layers]],
            of_matrices(Kind.CLASSIFIER, sums, []),
            of_matrices(Kind.FEEDBACK, sums, []),
        ],
        "row registers": state.row_registers[:layers].tolist(),
        "feedback registers": of_matrices(Kind.FEEDBACK, state.row_registers, 0),
        "classifier registers": of_matrices(Kind.CLASSIFIER, state.row_registers, 0),
        "noise registers": state.noise_registers.tolist(),
        "dropout registers": state.dropout_registers.tolist(),
        "velocities": state.velocities
        and [
            [
                v.tolist() if v.size else np.zeros(w.shape, int).tolist()
                for v, w in zip(state.velocities, state.weights, strict=False)
            ],
            of_matrices(Kind.CLASSIFIER, state.velocities, []),
            of_matrices(Kind.FEEDBACK, state.velocities, []),
        ],
        "progress": [state.samples, state.updates, state.mirrored],
        "lane registers": state.lane_registers.tolist(),
        "batch fill": state.batch_fill,
        "tallies": events.tolist(),
        "predictions": predictions,
    }


def first_difference(left, right, place=()):
    """The indices and values of the first difference of two nested lists; None if they are equal."""
    if left == right:
        return None
    if not isinstance(left, list) or not isinstance(right, list) or len(left) != len(right):
        return place, left, right
    pairs = enumerate(zip(left, right, strict=True))
    return next(first_difference(a, b, (*place, n)) for n, (a, b) in pairs if a != b)


def assert_same(left, right, names):
    """Compare two results; the message names the part and the place, not a page of numbers."""
    for part, value in left.items():
        if part == "feedback" and not (value and right[part]):
            continue  # the naive chip makes no feedback for rules that do not use it
        found = first_difference(value, right[part])
        assert found is None, f"{part} of {names}: (place, value, value) {found}"


def assert_all_equal(chip, data, epochs, with_naive=True, backend=AUTO):
    """Train every datapath, compare all integers and counts, then infer and compare those; returns the fast one."""
    fast, traced, slow = Fast(chip, backend), Traced(chip), Naive(chip) if with_naive else None
    for epoch in range(epochs):
        for machine in filter(None, (fast, traced, slow)):
            machine.train_epoch(data, epoch)
        if slow:
            assert_same(slow.result(), traced.result(), f"naive and traced after epoch {epoch}")
        assert_same(fast.result(), traced.result(), f"fast and traced after epoch {epoch}")
    differences = fast.counts().differences(traced.counts())
    assert not differences, differences
    trained = slow.result()["tallies"] if slow else None
    predictions = fast.infer(data)
    assert predictions == traced.infer(data)
    assert fast.outputs == traced.outputs
    assert fast.inferred.events.tolist() == traced.path.inference_tally.events.tolist()
    differences = fast.counts(learning=False).differences(traced.counts(learning=False))
    assert not differences, differences
    if slow:
        assert predictions == slow.infer(data)
        assert [slow.path.outputs(codes) for codes in data.codes.tolist()] == fast.outputs
        gained = np.array(slow.result()["tallies"]) - np.array(trained)
        assert gained.tolist() == fast.inferred.events.tolist()
    return fast
