"""A network with convolutions through the command: trained, saved, tested again; and what is refused cleanly."""

import json

import numpy as np
import pytest

from neuro_emu import api
from neuro_emu.cli import main
from neuro_emu.config.experiment import load, load_text
from neuro_emu.datasets import Dataset
from neuro_emu.errors import RunError
from neuro_emu.machine.deep.initialise import initial_state
from neuro_emu.network.deep.state import DeepState
from neuro_emu.numerics.augment import Augmentation
from neuro_emu.training.means import Means

CONV = """\
name: tiny_conv
dataset: {name: synthetic, train: 220, test: 60}
network:
  formats: {weight: s8f7, output: s8f7, delta: s8f7}
  layers:
    - conv: {channels: 4, kernel: 3, padding: 1, activation: hard_tanh, table_frac: 5}
    - max_pool: {kernel: 2}
    - dense: {units: 24, activation: hard_tanh, table_frac: 5}
    - dense: {units: 10, activation: sigmoid, weight: s12f9, output: u8f8, delta: s9f8}
  initial_weights: random
training: {rule: drtp, epochs: 3, batch: 20, validation: 20, lr_shift: {hidden: 11, output: 6}}
"""
DENSE = """\
name: dense
dataset: {name: synthetic, train: 220, test: 60}
network:
  batched: %s
  layers:
    - dense: {units: 24, activation: hard_tanh, weight: s8f7, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 12, activation: hard_tanh, weight: s8f7, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s12f9, output: u8f8, delta: s9f8}
  initial_weights: random
  initial_layers: all
training: {rule: %s, epochs: 2, batch: 30, validation: 20, seed: 5, lr_shift: {hidden: 9, output: 6}}
numerics: {accumulator: {bits: 32, overflow: WRAP}}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("conv") / "tiny_conv.yaml"
    path.write_text(CONV)
    return path


@pytest.fixture(scope="module")
def finished(config):
    assert main(["run", str(config), "--out", str(config.parent / "out")]) == 0
    return config.parent / "out"


def record_of(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_it_learns_and_leaves_a_run_directory(finished):
    record = record_of(finished)
    assert record["network"] == "1x8x8-4c3-2p-24-10"
    assert record["test_accuracy"] > 40.0  # ten classes
    assert [epoch["lr_shift"] for epoch in record["epochs"]] == [[11, 11, 6]] * 3
    batches, written = 3 * 10, [10 * 4, 65 * 24, 25 * 10]
    assert [tally["updates"] for tally in record["tally"]] == [batches * codes for codes in written]
    names = {path.name for path in finished.iterdir()}
    assert names >= {"config.yaml", "metrics.json", "weights.npz", "summary.txt", "curves.svg"}
    assert json.loads((finished / "estimate.json").read_text(encoding="utf-8"))["name"] == "tiny_conv"
    lines = (finished / "summary.txt").read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 100
    assert "weights s8f7 / s8f7 / s12f9 STOCH" in " ".join(lines[:2])


def test_the_saved_weights_are_the_final_state(config, finished):
    experiment = load(config)
    result = api.run(experiment)
    archive = np.load(finished / "weights.npz")
    for k, layer in enumerate(experiment.chip.network.layers):
        assert np.array_equal(archive[f"weights_{k}"], result.state.weights[k])
        assert str(archive[f"weights_{k}_format"]) == str(layer.weight)
    for k in (0, 1):
        assert np.array_equal(archive[f"feedback_{k}"], result.state.feedback[k])
    assert archive["feedback_0"].shape == (10, 8 * 8 * 4)
    assert result.metrics == record_of(finished)


def test_eval_repeats_the_last_test(finished, capsys):
    assert main(["eval", str(finished), "--json"]) == 0
    found, record = json.loads(capsys.readouterr().out), record_of(finished)
    for key in ("name", "config_digest", "test_accuracy", "confusion"):
        assert found[key] == record[key]


def test_weights_of_another_network_are_refused(finished, tmp_path, capsys):
    for name in ("config.yaml", "weights.npz"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(text.replace("kernel: 3", "kernel: 5", 1), encoding="utf-8")
    assert main(["eval", str(tmp_path)]) == 2
    assert "layer 0 holds (10, 4) s8f7, the configuration wants (26, 4) s8f7" in capsys.readouterr().err


@pytest.mark.parametrize("rule", ["drtp", "bp"])
def test_dense_layers_are_the_same_chip_batched_or_not(rule):
    """Everything that a run measures but the cycles, which graphs do not count."""
    old, new = (api.run(load_text(DENSE % (batched, rule))) for batched in ("false", "true"))
    assert type(new.state) is DeepState
    assert type(old.state) is not DeepState
    assert [w.tolist() for w in new.state.weights] == [w.tolist() for w in old.state.weights]
    for key in ("test_accuracy", "validation_accuracy", "epochs", "confusion", "tally", "seed", "rule"):
        assert new.metrics[key] == old.metrics[key], key
    if rule == "drtp":
        assert new.metrics["feedback_angles"] == old.metrics["feedback_angles"]
        assert new.metrics["feedback_angles"][1] is not None


def test_the_way_of_the_progress_changes_nothing():
    """Blocks are whole batches: what is predicted before learning does not hang on them."""
    seen = []
    result = api.run(load_text(CONV), report=seen.append)
    assert [(one.sample, one.samples) for one in seen] == [(200, 200)] * 3
    learned = [epoch["train_accuracy"] for epoch in result.metrics["epochs"]]
    assert learned == [round(100.0 * one.correct / 200, 4) for one in seen]


# --- what is presented ---


def test_maps_have_their_channels_last():
    """Colour images are stored plane by plane."""
    text = CONV.replace("synthetic, train: 220, test: 60", "cifar10, train: 9, test: 3").replace(
        "validation: 20", "seed: 2"
    )
    images = np.random.default_rng(3).integers(0, 256, (12, 3 * 32 * 32)).astype(np.uint8)
    labels = np.zeros(12, dtype=np.uint8)
    data = Dataset("cifar10", images[:9], labels[:9], images[9:], labels[9:], 10, (32, 32), "x", None, None, 3)
    for more in ("", "augment: {crop: 2, flip: true}, "):
        experiment = load_text(text.replace("train: 9", f"{more}train: 9"))
        training, _, test = api.split_data(experiment, data)
        assert training.codes.shape == (9, 32, 32, 3)
        assert test.codes.flags.c_contiguous
        assert test.codes[1, 5, 7].tolist() == images[10].reshape(3, 32, 32)[:, 5, 7].tolist()
        assert (training.augment is None) == (not more)
    first = text.index("    - conv"), text.index("    - dense")
    flat = load_text(text[: first[0]].replace("  layers", "  batched: true\n  layers") + text[first[1] :])
    assert api.split_data(flat, data)[0].codes.shape == (9, 3072)


@pytest.mark.parametrize(("crop", "flip"), [(0, True), (3, False), (2, True)])
def test_maps_are_augmented_as_planes_are(crop, flip):
    shape = (3, 6, 5)
    codes = np.random.default_rng(1).integers(0, 256, (300, *shape)).astype(np.uint8)
    augment = Augmentation(shape, crop, flip, 4)
    samples = np.random.default_rng(2).permutation(300)
    planes = augment.present(codes.reshape(300, -1), 7, samples).reshape(300, *shape)
    maps = augment.present(np.ascontiguousarray(codes.transpose(0, 2, 3, 1)), 7, samples)
    assert maps.flags.c_contiguous
    assert np.array_equal(maps, planes.transpose(0, 2, 3, 1))
    assert not np.array_equal(maps, codes[samples].transpose(0, 2, 3, 1))


def test_each_epoch_presents_other_images():
    text = CONV.replace("train: 220", "augment: {crop: 2, flip: true}, train: 220")
    plain, varied = (api.run(load_text(one)) for one in (CONV, text))
    assert api.run(load_text(text)).metrics == varied.metrics
    assert any(a.tolist() != b.tolist() for a, b in zip(plain.state.weights, varied.state.weights, strict=True))


# --- what graphs do not have ---


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["golden", "CONFIG"], "golden vectors"),
        (["cosim", "CONFIG"], "golden vectors"),
        (["estimate", "CONFIG", "--toggles", "5"], "operands to look at"),
        (["run", "CONFIG", "--diagnose"], "diagnosis"),
        (["analyse", "labels", "CONFIG"], "analyses of alignment"),
    ],
)
def test_what_graphs_do_not_have_is_refused_cleanly(words, what, config, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([str(config) if word == "CONFIG" else word for word in words]) == 2
    error = capsys.readouterr().err
    assert f"error: {config}:3:1: graphs of layers have no {what}" in error
    assert not list(tmp_path.iterdir())


def test_other_kernels_are_refused(config, capsys):
    assert main(["run", str(config), "--backend", "portable"]) == 2
    assert "graphs of layers have one kind of kernels" in capsys.readouterr().err
    with pytest.raises(RunError, match="one kind of kernels"):
        api.run(load(config), means=Means("vector"))


def test_adam_is_refused_before_anything_is_loaded(config, capsys):
    assert main(["run", str(config), "--set", "training.optimiser=adam"]) == 2
    assert "no integer datapath has it" in capsys.readouterr().err


def test_initial_states_are_those_of_the_configuration():
    text = CONV.replace(
        "table_frac: 5}\n    - max_pool", "table_frac: 5, initial: zero, learns: false}\n    - max_pool"
    )
    result = api.run(load_text(text))
    assert not result.state.weights[0].any()
    chip = load_text(CONV).chip
    assert initial_state(chip).weights[0][:9].any()
