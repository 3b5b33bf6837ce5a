"""The training loop: what is trained on, what is held out, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from neuro_emu import api
from neuro_emu.config.experiment import load_text
from neuro_emu.errors import ConfigError, OverflowDetected
from neuro_emu.machine.initialise import initial_state
from neuro_emu.numerics.words import sample_order
from neuro_emu.training.engines import ENGINES
from neuro_emu.training.loop import confusion_matrix, percent, train
from neuro_emu.training.metrics import summary_of_seeds

CONFIG = """
dataset: {{name: synthetic, train: 200, test: 50}}
network:
  layers:
    - dense: {{units: 12, activation: hard_tanh, weight: s8f7, output: s8f7, table_frac: 5, delta: s8f7}}
    - dense: {{units: 10, activation: sigmoid, weight: s10f8, output: u8f8}}
  initial_weights: random
training: {{rule: dfa, lr_shift: {{hidden: 6, output: 6}}, {training}}}
numerics: {{update_rounding: STOCH}}
"""


def experiment_with(training="epochs: 2"):
    return load_text(CONFIG.format(training=training))


def same_state(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


# --- splits -------------------------------------------------------------------------------------------------------


def test_validation_takes_the_last_samples():
    experiment = experiment_with("validation: 30")
    data = api.load_data(experiment)
    training, validation, test = api.split_data(experiment, data)
    assert (len(training), len(validation), len(test)) == (170, 30, 50)
    assert np.array_equal(training.codes, data.train_images[:170])
    assert np.array_equal(training.labels, data.train_labels[:170])
    assert np.array_equal(validation.codes, data.train_images[170:])
    assert np.array_equal(validation.labels, data.train_labels[170:])
    assert np.array_equal(test.codes, data.test_images)


def test_the_limit_comes_before_the_validation():
    experiment = load_text(CONFIG.format(training="validation: 30").replace("train: 200", "train: 100"))
    data = api.load_data(load_text(CONFIG.format(training="epochs: 1")))
    training, validation, _ = api.split_data(experiment, data)
    assert np.array_equal(training.labels, data.train_labels[:70])
    assert np.array_equal(validation.labels, data.train_labels[70:100])


def test_no_validation():
    experiment = experiment_with()
    training, validation, _ = api.split_data(experiment, api.load_data(experiment))
    assert validation is None
    assert len(training) == 200


@pytest.mark.parametrize("held_out", [200, 201])
def test_holding_out_everything_is_refused(held_out):
    with pytest.raises(ConfigError, match=f"holding out {held_out} of 200 training samples leaves nothing"):
        api.run(experiment_with(f"validation: {held_out}"))


def test_held_out_samples_are_not_learned_from():
    """A run with 30 samples held out ends as a run that never had them; only they are validated on."""
    held_out = api.run(experiment_with("epochs: 2, validation: 30"))
    without = api.run(load_text(CONFIG.format(training="epochs: 2").replace("train: 200", "train: 170")))
    everything = api.run(experiment_with("epochs: 2"))
    assert same_state(held_out.state, without.state)
    assert not same_state(held_out.state, everything.state)
    assert held_out.metrics["test_accuracy"] == without.metrics["test_accuracy"]
    assert held_out.metrics["training"] == without.metrics["training"]
    assert held_out.metrics["training"]["samples"] == 2 * 170
    assert held_out.metrics["inference"]["samples"] == 2 * (50 + 30)
    assert without.metrics["validation_accuracy"] is None
    assert held_out.metrics["validation_accuracy"] == held_out.metrics["epochs"][-1]["validation_accuracy"]


def test_the_validation_accuracy_is_that_of_the_held_out_samples():
    experiment = experiment_with("epochs: 1, validation: 40")
    training, validation, _ = api.split_data(experiment, api.load_data(experiment))
    result = train(experiment.chip, (training, validation, validation), 1)
    assert result.epochs[0].validation_accuracy == result.epochs[0].test_accuracy
    assert result.epochs[0].validation_accuracy == percent(np.trace(result.confusion), 40)


def test_every_sample_is_learned_from_once_an_epoch():
    run = api.run(experiment_with("epochs: 3"))
    load_phase = run.metrics["training"]["counts"]["load"][0]
    assert load_phase["input_write"] == 3 * 200 * 64
    assert run.metrics["inference"]["counts"]["load"][0]["input_write"] == 3 * 50 * 64


# --- order --------------------------------------------------------------------------------------------------------


class Recorder:
    """An engine that learns nothing and notes what it is asked."""

    def __init__(self):
        self.orders, self.blocks, self.ended = [], [], 0

    def __call__(self, chip, state, codes, labels, targets):
        self.real = ENGINES_FAST(chip, state, codes, labels, targets)
        return self

    def begin_epoch(self, epoch, order):
        assert epoch == len(self.orders)
        self.orders.append(order.tolist())
        self.real.begin_epoch(epoch, order)

    def train(self, start, stop):
        self.blocks.append((start, stop))
        return self.real.train(start, stop)

    def end_epoch(self):
        self.ended += 1
        self.real.end_epoch()

    def __getattr__(self, name):
        return getattr(self.real, name)


ENGINES_FAST = ENGINES["fast"]


def recorded(monkeypatch, training):
    recorder = Recorder()
    monkeypatch.setitem(ENGINES, "fast", recorder)
    api.run(experiment_with(training))
    return recorder


def test_as_stored(monkeypatch):
    assert recorded(monkeypatch, "epochs: 2, order: as_stored").orders == [list(range(200))] * 2


def test_shuffled_differs_by_epoch_and_loses_nothing(monkeypatch):
    recorder = recorded(monkeypatch, "epochs: 3, seed: 7")
    assert all(sorted(order) == list(range(200)) for order in recorder.orders)
    assert recorder.orders == [sample_order(7, epoch, 200).tolist() for epoch in range(3)]
    assert len({tuple(order) for order in recorder.orders}) == 3
    assert recorder.ended == 3


def test_blocks_cover_an_epoch(monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(ENGINES, "fast", recorder)
    api.run(load_text(CONFIG.format(training="epochs: 1").replace("train: 200", "train: 4100")))
    assert recorder.blocks == [(0, 2000), (2000, 4000), (4000, 4100)]


def test_blocks_do_not_change_the_result(monkeypatch):
    from neuro_emu.training import loop

    whole = api.run(experiment_with("epochs: 2, batch: 7"))
    monkeypatch.setitem(loop._BLOCK, "fast", 33)
    pieces = api.run(experiment_with("epochs: 2, batch: 7"))
    assert same_state(whole.state, pieces.state)
    assert whole.metrics == pieces.metrics


def test_orders_give_different_weights():
    assert not same_state(
        api.run(experiment_with("epochs: 1")).state, api.run(experiment_with("epochs: 1, order: as_stored")).state
    )


def test_progress_is_reported():
    seen = []
    run = api.run(experiment_with("epochs: 2"), report=seen.append)
    assert [(p.epoch, p.epochs, p.sample, p.samples) for p in seen] == [(0, 2, 200, 200), (1, 2, 200, 200)]
    assert [percent(p.correct, 200) for p in seen] == [e["train_accuracy"] for e in run.metrics["epochs"]]


# --- measures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(0, 7, 0.0), (7, 7, 100.0), (1, 3, 33.3333), (2, 3, 66.6667), (1, 60000, 0.0017), (np.int64(1), 8, 12.5)],
)
def test_percent(part, whole, expected):
    assert percent(part, whole) == expected
    assert type(percent(part, whole)) is float


def test_confusion_matrix():
    draw = np.random.default_rng(3)
    labels = draw.integers(0, 7, 500).astype(np.uint8)
    predictions = draw.integers(0, 7, 500)
    naive = [[0] * 7 for _ in range(7)]
    for label, prediction in zip(labels.tolist(), predictions.tolist(), strict=True):
        naive[label][prediction] += 1
    assert confusion_matrix(labels, predictions, 7).tolist() == naive


def test_confusion_matrix_rows_are_true_classes():
    matrix = confusion_matrix(np.array([0, 0, 2], np.uint8), np.array([1, 1, 2]), 3)
    assert matrix.tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("rule", ["dfa", "drtp", "sdfa", "shallow"])
@pytest.mark.parametrize("batch", [1, 16])
def test_epochs_add_up(rule, batch):
    text = CONFIG.format(training=f"epochs: 3, batch: {batch}").replace("rule: dfa", f"rule: {rule}")
    metrics = api.run(load_text(text)).metrics
    for k, total in enumerate(metrics["tally"]):
        for name, count in total.items():
            assert count == sum(epoch["tally"][k][name] for epoch in metrics["epochs"])
    assert metrics["tally"][1]["updates"] > metrics["epochs"][0]["tally"][1]["updates"] > 0
    assert np.sum(metrics["confusion"]) == 50
    assert metrics["test_accuracy"] == percent(np.trace(np.array(metrics["confusion"])), 50)
    assert metrics["test_accuracy"] == metrics["epochs"][-1]["test_accuracy"]
    cycles = sum(layer.get("cycles", 0) for phase in metrics["training"]["counts"].values() for layer in phase)
    assert cycles == metrics["training"]["cycles"]
    assert metrics["training"]["cycles_per_sample"] == round(cycles / 600, 2)


def test_the_schedule_is_recorded_and_followed():
    text = CONFIG.format(training="epochs: 3").replace("hidden: 6", "hidden: [[0, 6], [2, 16]]")
    metrics = api.run(load_text(text)).metrics
    assert [epoch["lr_shift"] for epoch in metrics["epochs"]] == [[6, 6], [6, 6], [16, 6]]
    zero = [epoch["tally"][0]["zero_updates"] / epoch["tally"][0]["updates"] for epoch in metrics["epochs"]]
    assert zero[2] > 0.99 > zero[1]


@pytest.mark.parametrize("epochs", ["0", "-1"])
def test_zero_epochs_are_refused(epochs):
    with pytest.raises(ConfigError, match=f"{epochs} is out of range: 1 to 100000 is allowed"):
        experiment_with(f"epochs: {epochs}")


def test_an_epoch_more_continues_the_same_run():
    two, three = (api.run(experiment_with(f"epochs: {n}")).metrics["epochs"] for n in (2, 3))
    assert three[:2] == two


def test_runs_do_not_share_state():
    experiment = experiment_with("epochs: 1")
    first = api.run(experiment)
    assert same_state(first.state, api.run(experiment).state)
    assert not same_state(first.state, initial_state(experiment.chip))


def test_seeds_are_summed_up():
    common = dict.fromkeys(
        ("schema", "version", "semantics", "name", "config_digest", "dataset", "datapath", "network", "rule"), "x"
    )
    records = [
        common | {"seed": seed, "test_accuracy": accuracy, "validation_accuracy": None}
        for seed, accuracy in ((4, 90.0), (5, 91.0), (6, 95.0))
    ]
    summary = summary_of_seeds(records)
    assert summary["seeds"] == [4, 5, 6]
    assert summary["test_accuracy"] == 92.0
    assert summary["test_accuracy_sd"] == 2.6458  # sqrt((4 + 1 + 9) / 2)
    assert summary["test_accuracy_by_seed"] == [90.0, 91.0, 95.0]
    assert summary["validation_accuracy"] is None
    assert summary_of_seeds(records[:1])["test_accuracy_sd"] is None


# --- strict -------------------------------------------------------------------------------------------------------

STRICT = """
dataset: {{name: synthetic, train: {train}, test: 50}}
network: {{layers: [dense: {{units: 10, activation: sigmoid, weight: {weight}, output: u8f8, table_frac: {table}}}]}}
training: {{rule: shallow, epochs: 1, order: as_stored, batch: {batch}, lr_shift: {{hidden: 0, output: 0}}}}
numerics: {{strict: true, update_rounding: RND}}
"""


@pytest.mark.parametrize("datapath", ["fast", "traced"])
@pytest.mark.parametrize("batch", [1, 7, 20, 1000])
def test_strict_stops_at_an_overflowing_update(datapath, batch):
    """A step is at most 2 codes of −4 … 3 and the first labels differ: the third step is the first to pass an end.

    A batch of 1000 is applied at the end of the epoch of 20 samples.
    """
    experiment = load_text(STRICT.format(train=20, weight="s3f2", table=0, batch=batch))
    sample = {1: 3, 7: 7, 20: 20, 1000: 20}[batch]
    with pytest.raises(OverflowDetected, match=f"weight of layer 0 overflowed in sample {sample} of this epoch"):
        api.run(experiment, datapath=datapath)


@pytest.mark.parametrize("datapath", ["fast", "traced"])
def test_strict_stops_at_an_overflow_of_a_test_sample(datapath):
    """One training sample leaves weights of up to 1, too large for the range ±2 of s8f6 at the next forward pass."""
    experiment = load_text(STRICT.format(train=1, weight="s16f8", table=6, batch=1))
    with pytest.raises(OverflowDetected, match="preactivation of layer 0"):
        api.run(experiment, datapath=datapath)
