"""Training on augmented images: what each epoch presents, on every datapath, in any blocks and on any threads."""

import gc
import weakref

import numpy as np
import pytest

from neuro_emu import api
from neuro_emu.config.experiment import load_text
from neuro_emu.diagnostics.studies import shuffle_labels, switch
from neuro_emu.machine.initialise import initial_state
from neuro_emu.numerics.augment import Augmentation
from neuro_emu.numerics.pixels import Normalisation
from neuro_emu.numerics.words import sample_order
from neuro_emu.training import loop
from neuro_emu.training.engines import ENGINES
from neuro_emu.training.loop import Means, Split, train

CONFIG = """
dataset:
  name: synthetic
  train: 60
  test: 20
  input: s8f7
  normalise: {{mean: 40}}
  augment: {{crop: 2, flip: true}}
network:
  layers:
    - dense: {{units: 64, activation: hard_tanh, weight: s8f7, output: s8f7, table_frac: 5, delta: s8f7}}
    - dense: {{units: 10, activation: sigmoid, weight: s10f8, output: u8f8}}
  initial_weights: random
training: {{rule: {rule}, batch: {batch}, validation: {held_out},
  epochs: 2, seed: 9, lr_shift: {{hidden: 6, output: 6}}}}
"""


def setup(rule="drtp", batch=1, held_out=0):
    experiment = load_text(CONFIG.format(rule=rule, batch=batch, held_out=held_out))
    data = api.load_data(experiment)
    return experiment, data, api.split_data(experiment, data)


def weights(state):
    return [matrix.tolist() for matrix in state.weights]


def test_only_the_training_split_is_augmented():
    _, data, (training, validation, test) = setup(held_out=10)
    augment = Augmentation((1, 8, 8), 2, True, 9)
    assert training.augment == augment
    assert validation.augment is None
    assert test.augment is None
    codes = Normalisation((40,)).codes(data.train_images, 1, setup()[0].config.dataset.input)
    assert np.array_equal(np.concatenate((training.codes, validation.codes)), codes)
    samples = np.array([49, 3, 3])
    assert np.array_equal(training.presented(1, samples), augment.present(codes, 1, samples))
    assert np.array_equal(validation.presented(1, np.arange(10)), codes[50:])


def by_hand(experiment, parts, datapath, epochs=2):
    """The same training with images that were varied beforehand, an engine that goes on an epoch."""
    chip, training, state = experiment.chip, parts[0], initial_state(experiment.chip)
    for epoch in range(epochs):
        codes = training.augment.present(training.codes, epoch, np.arange(len(training)))
        engine = ENGINES[datapath](chip, state, codes, training.labels)
        engine.begin_epoch(epoch, sample_order(chip.learning.seed, epoch, len(training)))
        engine.train(0, len(training))
        engine.end_epoch()
        state = engine.state()
    return state


@pytest.mark.parametrize(("rule", "batch"), [("drtp", 1), ("dfa", 1), ("bp", 7)])
def test_datapaths_blocks_backends_and_threads_agree(rule, batch, monkeypatch):
    experiment, data, parts = setup(rule, batch)
    expected = weights(by_hand(experiment, parts, "fast"))
    assert expected != weights(
        train(experiment.chip, (Split(parts[0].codes, parts[0].labels), None, parts[2]), 2).state
    )
    for backend in ("auto", "portable", "plain"):
        for threads in (1, 2):
            run = api.run(experiment, data=data, means=Means(backend, threads))
            assert weights(run.state) == expected
    monkeypatch.setitem(loop._BLOCK, "fast", 13)
    assert weights(api.run(experiment, data=data).state) == expected


def test_the_traced_datapath_sees_the_same_images():
    experiment, data, _ = setup("dfa")
    fast, traced = (api.run(experiment, data=data, datapath=datapath) for datapath in ("fast", "traced"))
    assert weights(traced.state) == weights(fast.state)
    assert traced.metrics["training"]["counts"] == fast.metrics["training"]["counts"]
    assert [e["train_accuracy"] for e in traced.metrics["epochs"]] == [
        e["train_accuracy"] for e in fast.metrics["epochs"]
    ]


def test_the_float_twin_sees_the_same_images():
    experiment, _, parts = setup("bp")
    seen = []

    def observe(_, engine):
        seen.append([matrix.copy() for matrix in engine.matrices()[0]])

    train(experiment.chip, parts, 1, datapath="float", observe=observe)
    codes = parts[0].augment.present(parts[0].codes, 0, np.arange(60))
    plain = (Split(codes, parts[0].labels), None, parts[2])
    train(experiment.chip, plain, 1, datapath="float", observe=observe)
    for one, other in zip(seen[1], seen[3], strict=True):
        assert np.array_equal(one, other)


def test_nothing_is_kept_of_the_blocks(monkeypatch):
    experiment, _, parts = setup()
    present, made = Augmentation.present, []

    def noted(*arguments):
        codes = present(*arguments)
        made.append(weakref.ref(codes))
        return codes

    monkeypatch.setattr(Augmentation, "present", noted)
    engine = loop.engine_of(experiment.chip, initial_state(experiment.chip), parts[0])
    engine.begin_epoch(0, np.arange(60))
    for start in range(0, 60, 5):
        engine.train(start, start + 5)
    gc.collect()
    assert len(made) == 13  # one while the kernels were loaded
    assert sum(codes() is not None for codes in made) <= 1


@pytest.mark.parametrize("datapath", ["fast", "float"])
def test_studies_train_on_augmented_images_too(datapath):
    experiment, _, parts = setup("fa")
    mixed = shuffle_labels(parts[0], 0.5, 3)
    assert mixed.augment == parts[0].augment
    before, after = switch(experiment.chip, experiment.chip, parts, 1, 1, datapath)
    whole = train(experiment.chip, parts, 2, datapath=datapath)
    assert before.test + after.test == [epoch.test_accuracy for epoch in whole.epochs]
    assert before.learning + after.learning == [epoch.train_accuracy for epoch in whole.epochs]


def test_smaller_images_are_augmented_at_their_size():
    text = CONFIG.format(rule="drtp", batch=1, held_out=0).replace("test: 20", "test: 20\n  side: 5")
    experiment = load_text(text)
    parts = api.split_data(experiment, api.load_data(experiment))
    assert parts[0].augment.shape == (1, 5, 5)
    assert parts[0].presented(0, np.arange(60)).shape == (60, 25)


def test_seeds_vary_the_images():
    experiment, data, _ = setup()
    assert [api.split_data(experiment.with_seed(n), data)[0].augment.seed for n in (3, 4)] == [3, 4]


def test_colour_images_are_averaged_down_plane_by_plane():
    from dataclasses import replace

    from neuro_emu.datasets.resize import resize

    experiment = load_text(CONFIG.format(rule="drtp", batch=1, held_out=0).replace("test: 20", "test: 20\n  side: 3"))
    data = api.load_data(experiment)
    images = np.random.default_rng(1).integers(0, 256, (60, 3 * 64), dtype=np.uint8)
    colour = replace(data, train_images=images, test_images=images[:20], channels=3)
    codes = api.split_data(experiment, colour)[0].codes
    planes = [resize(images[:, 64 * c : 64 * (c + 1)], (8, 8), 3) for c in range(3)]
    expected = np.clip(np.concatenate(planes, axis=1).astype(int) - 40, -128, 127)
    assert np.array_equal(codes, expected)
