"""From a data set to the samples that a chip sees: targets of regression, sizes of images, refused paths."""

from fractions import Fraction

import numpy as np
import pytest

from neuro_emu import api, datasets
from neuro_emu.config.experiment import load_text
from neuro_emu.datasets.resize import resize
from neuro_emu.errors import ConfigError

REGRESSION = """
dataset: {{name: cosines, input: s8f4, train: 50, test: 20{more}}}
network: {{layers: [dense: {{units: 10, activation: sigmoid, weight: s12f8, output: s10f7}}]}}
training: {{rule: shallow, loss: mse, epochs: 1, lr_shift: {{hidden: 6, output: 6}}, validation: {held_out}}}
"""
IMAGES = """
dataset: {{name: synthetic, train: 40, test: 30{more}}}
network: {{layers: [dense: {{units: 10, activation: sigmoid, weight: s8f6, output: u8f8}}]}}
training: {{rule: shallow, epochs: 1, lr_shift: {{hidden: 6, output: 6}}, validation: {held_out}}}
"""


def parts(text, held_out=0, more=""):
    experiment = load_text(text.format(held_out=held_out, more=more))
    data = api.load_data(experiment)
    return data, api.split_data(experiment, data)


def test_targets_are_codes_of_the_output_format():
    data, (training, validation, test) = parts(REGRESSION)
    assert validation is None
    assert (len(training), len(test)) == (50, 20)
    storage = load_text(REGRESSION.format(held_out=0, more="")).chip.network.output.output
    for split, targets in ((training, data.train_targets[:50]), (test, data.test_targets[:20])):
        assert split.targets.dtype == np.int32
        assert split.targets.flags.c_contiguous
        assert split.targets.tolist() == [[storage.quantise(Fraction(v)) for v in row] for row in targets.tolist()]
    assert training.codes.dtype == np.int32
    assert training.codes.shape == (50, 256)
    assert training.codes.tolist() == np.clip(np.floor(data.train_images[:50] * 16 + 0.5), -128, 127).tolist()


def test_validation_takes_the_last_targets():
    _, (whole, _, _) = parts(REGRESSION)
    _, (training, validation, test) = parts(REGRESSION, held_out=15)
    assert (len(training), len(validation), len(test)) == (35, 15, 20)
    for name in ("codes", "labels", "targets"):
        one, other = getattr(training, name), getattr(validation, name)
        assert np.array_equal(np.concatenate((one, other)), getattr(whole, name))
        assert one.flags.owndata
        assert other.flags.owndata


def test_images_bring_no_targets():
    _, splits = parts(IMAGES, held_out=5)
    assert [split.targets for split in splits] == [None] * 3
    assert splits[0].codes.dtype == np.uint8


def test_side_is_applied_before_the_codes():
    data, (training, validation, test) = parts(IMAGES, held_out=5, more=", side: 3, input: u4f4")
    small = resize(data.train_images, (8, 8), 3) >> 4
    assert np.array_equal(training.codes, small[:35])
    assert np.array_equal(validation.codes, small[35:])
    assert np.array_equal(test.codes, resize(data.test_images, (8, 8), 3) >> 4)
    assert training.codes.shape == (35, 9)


def test_the_digest_is_that_of_the_whole_set():
    data, _ = parts(REGRESSION)
    assert data.digest == datasets.load("cosines").digest


@pytest.mark.parametrize(("text", "name"), [(REGRESSION, "cosines"), (IMAGES, "synthetic")])
def test_a_made_set_has_no_path(text, name):
    experiment = load_text(text.format(held_out=0, more=", path: /tmp"))
    with pytest.raises(ConfigError, match=f"{name} samples are made, not read"):
        api.load_data(experiment)
