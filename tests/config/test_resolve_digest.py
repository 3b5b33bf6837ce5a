"""The digest: every setting changes it, nothing else does."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
from tiny_experiment import BASE, edited

from neuro_emu.config.dump import dump, to_plain
from neuro_emu.config.experiment import load, load_text

LAYER = {
    "activation": "relu",
    "weight": "s9f7",
    "output": "u9f8",
    "table_frac": "5",
    "delta": "s9f7",
    "projection": "s10f7",
    "feedback": "s7f6",
    "lr_shift": "5",
}
CHANGES = {
    "name": "other",
    "dataset.name": "mnist",
    "dataset.input": "u4f4",
    "dataset.train": "201",
    "dataset.test": "51",
    "dataset.side": "4",
    "dataset.augment": "{crop: 1}",
    **{f"network.layers.0.dense.{key}": value for key, value in LAYER.items()},
    "network.layers.0.dense.units": "21",
    **{f"network.layers.1.dense.{key}": LAYER[key] for key in ("weight", "output", "table_frac", "delta", "lr_shift")},
    **{f"network.formats.{key}": LAYER[key] for key in ("weight", "output", "delta", "projection", "feedback")},
    "network.batched": "true",
    "network.initial_weights": "random",
    "network.initial_layers": "all",
    "training.rule": "sdfa",
    "training.lr_shift.hidden": "7",
    "training.lr_shift.output": "[[0, 6], [1, 8]]",
    "training.epochs": "3",
    "training.batch": "2",
    "training.seed": "2",
    "training.order": "as_stored",
    "training.validation": "1",
    "training.error_gate": "0",
    "training.feedback_lr_shift": "7",
    "training.weight_decay": "{shift: 11}",
    "training.feedback_decay": "{shift: 11}",
    "training.mirror.every": "99",
    "training.mirror.steps": "9",
    "training.mirror.noise_shift": "2",
    "training.loss": "mse",
    "training.optimiser": "adam",
    "training.momentum.shift": "4",
    "training.momentum.velocity": "s16f11",
    "training.adam.learning_rate": "0.1",
    "training.adam.beta_1": "0.8",
    "training.adam.beta_2": "0.9",
    "training.adam.epsilon": "0.1",
    "training.weight_norm": "{gamma: 0.5}",
    "training.dropout": "64",
    "numerics.feedback.source": "sign",
    "numerics.feedback.format": "s8f6",
    "numerics.feedback.range": "kaiming",
    "numerics.feedback.learned_range": "full",
    "numerics.delta": "s8f8",
    "numerics.update_rounding": "RND",
    "numerics.overflow": "WRAP",
    "numerics.accumulator.bits": "31",
    "numerics.accumulator.overflow": "WRAP",
    "numerics.random_words": "raw",
    "numerics.strict": "true",
    "machine.lanes": "8",
    "machine.clock_mhz": "99.5",
    "machine.weight_banks": "4",
    "machine.activation_units": "2",
    "machine.zero_input": "gate",
}
GRAPHS = ("preactivation", "norm", "learns", "initial", "dropout")
UNCHANGEABLE = {
    *(f"network.layers.{k}.dense.{name}" for k in (0, 1) for name in GRAPHS),  # of graphs alone; tested elsewhere
    "network.formats.preactivation",
    "network.preset",
    "dataset.path",  # does not count
    "dataset.normalise",  # needs a signed input; tested below
    *(f"estimate.{name}" for name in ("technology", "voltage", "constants", "density")),  # nor do these
    "network.layers.1.dense.units",  # must be the number of classes
    "network.layers.1.dense.activation",  # must be sigmoid
    "network.layers.1.dense.projection",  # an output layer has none
    "network.layers.1.dense.feedback",
    "training.hot",  # needs more outputs
    "training.sign_dead_zone",  # only beside sdfa; tested below
}


def leaves(plain, path=""):
    if isinstance(plain, dict):
        return chain.from_iterable(leaves(value, f"{path}.{key}") for key, value in plain.items())
    if isinstance(plain, list) and any(isinstance(item, dict) for item in plain):
        return chain.from_iterable(leaves(value, f"{path}.{n}") for n, value in enumerate(plain))
    return [path.removeprefix(".")]


@pytest.fixture(scope="module")
def base_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "base.yaml"
    path.write_text(BASE)
    return path


def test_the_table_of_changes_is_complete():
    assert set(leaves(to_plain(load_text(BASE).config))) == CHANGES.keys() | UNCHANGEABLE


@pytest.mark.parametrize("key", CHANGES)
def test_every_setting_changes_the_digest(base_file, key):
    changed = load(base_file, [f"{key}={CHANGES[key]}"])
    assert changed.digest != load(base_file).digest


def test_the_changes_have_digests_of_their_own(base_file):
    digests = {load(base_file, [f"{key}={value}"]).digest for key, value in CHANGES.items()}
    assert len(digests) == len(CHANGES)


def test_the_dead_zone_changes_the_digest(base_file):
    digests = {load(base_file, ["training.rule=sdfa", f"training.sign_dead_zone={n}"]).digest for n in range(3)}
    assert len(digests) == 3


def test_normalisation_changes_the_digest(base_file):
    settings = ("{mean: 1}", "{mean: 2}", "{mean: 1, multiplier: 2}", "{mean: 1, shift: 1}")
    signed = "dataset.input=s8f7"
    digests = {load(base_file, [signed, f"dataset.normalise={text}"]).digest for text in settings}
    assert len(digests) == 4


def test_the_data_path_does_not(base_file):
    plain = load(base_file)
    moved = load(base_file, ["dataset.path=/somewhere/else"])
    assert moved.digest == plain.digest
    assert moved.config.dataset.path == "/somewhere/else"


def test_order_layout_and_written_defaults_do_not():
    digest = load_text(BASE).digest
    sections = BASE.split("\n")
    reordered = "\n".join([*sections[6:9], *sections[0:6]]) + "\n"
    assert reordered.startswith("training")
    assert load_text(reordered).digest == digest
    inner = edited({"{rule: dfa, epochs: 2, lr_shift:": "{epochs: 2, rule: dfa, lr_shift:"})
    assert load_text(inner).digest == digest
    layer = edited({"{units: 20, activation: tanh,": "{activation: tanh, units: 20, # first\n             "})
    assert load_text(layer).digest == digest
    assert load_text(dump(load_text(BASE).config)).digest == digest


def test_the_name_of_the_file_does_not(base_file):
    assert load_text(BASE, "other.yaml").digest == load(base_file).digest


def test_with_seed(base_file):
    experiment = load(base_file, ["training.epochs=3", "training.seed=9"])
    seeded = experiment.with_seed(5)
    assert seeded.config.training.seed == seeded.chip.learning.seed == 5
    assert seeded.command == (str(base_file), "--set", "training.epochs=3", "--set", "training.seed=5")
    again = load(Path(seeded.command[0]), [word for word in seeded.command[1:] if word != "--set"])
    assert again.digest == seeded.digest != experiment.digest
    assert again.chip == seeded.chip
