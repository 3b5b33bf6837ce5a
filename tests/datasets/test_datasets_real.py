"""The generated sets of real numbers: cosines and hypercube."""

import hashlib
import sys

import numpy as np
import pytest

from neuro_emu import datasets
from neuro_emu.datasets import command, hypercube
from neuro_emu.errors import DataError


@pytest.fixture(scope="module")
def cosines():
    return datasets.load("cosines")


@pytest.fixture(scope="module")
def corners():
    return datasets.load("hypercube")


@pytest.mark.parametrize(("name", "train", "test"), [("cosines", 5000, 1000), ("corners", 25000, 5000)])
def test_shapes_and_types(name, train, test, request):
    data = request.getfixturevalue(name)
    assert data.train_images.shape == (train, 256)
    assert data.test_images.shape == (test, 256)
    assert (data.train_labels.shape, data.test_labels.shape) == ((train,), (test,))
    assert (data.classes, data.image_shape) == (10, (16, 16))
    for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        assert (images.dtype, labels.dtype) == (np.float64, np.uint8)
        for array in (images, labels):
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert array.flags.owndata  # a part of a larger array would keep all of it in memory
        assert np.array_equal(images * 2**20, np.rint(images * 2**20))
        assert np.abs(images).max() < 2**20


def test_the_cosines_never_change(cosines):
    assert cosines.digest == "5ff24088d5d70fe1"
    assert datasets.load("cosines", train=7, test=3).digest == "d7c3739be80071b3"


def test_the_digest_covers_targets_too(cosines):
    arrays = (cosines.train_images, cosines.train_labels, cosines.test_images, cosines.test_labels)
    payload = b"".join(array.tobytes() for array in (*arrays, cosines.train_targets, cosines.test_targets))
    assert cosines.digest == hashlib.sha256(payload).hexdigest()[:16]


def test_targets_are_cosines_of_the_mean(cosines):
    phases = [-np.pi / 2 + j * np.pi / 9 for j in range(10)]
    for images, targets, labels in (
        (cosines.train_images, cosines.train_targets, cosines.train_labels),
        (cosines.test_images, cosines.test_targets, cosines.test_labels),
    ):
        assert (targets.shape, targets.dtype) == ((len(images), 10), np.float64)
        assert targets.flags.c_contiguous
        assert not labels.any()
        expected = np.cos(images.mean(axis=1)[:, None] + phases)
        assert np.abs(targets - expected).max() <= 2**-21 + 1e-12
        assert np.array_equal(targets * 2**20, np.rint(targets * 2**20))


def test_numbers_are_normal_around_uniform_means(cosines):
    means = cosines.train_images.mean(axis=1)
    assert -np.pi - 0.3 < means.min() < -3.1
    assert 3.1 < means.max() < np.pi + 0.3
    counts = np.histogram(means, bins=8, range=(-np.pi, np.pi))[0]
    assert np.abs(counts - 625).max() < 100  # four standard deviations
    noise = cosines.train_images - means[:, None]
    variance = noise.var() * 256 / 255
    assert abs(variance - 1) < 0.005
    assert abs((noise**3).mean()) < 0.01
    assert abs((noise**4).mean() / variance**2 - 3) < 0.03
    assert abs(np.mean(np.abs(noise) < 1) - 0.6827) < 0.002
    # Numbers made in pairs, or of neighbouring words, must not know of each other.
    for shift in (1, 2, 128):
        assert abs(np.mean(noise * np.roll(noise, shift, axis=1))) < 0.01
        squares = noise**2 - 1
        assert abs(np.mean(squares * np.roll(squares, shift, axis=1))) < 0.02


def test_a_longer_split_starts_with_the_shorter(cosines, corners):
    for name, whole in (("cosines", cosines), ("hypercube", corners)):
        data = datasets.load(name, train=100, test=30)
        assert np.array_equal(data.train_images, whole.train_images[:100])
        assert np.array_equal(data.train_labels, whole.train_labels[:100])
        assert np.array_equal(data.test_images, whole.test_images[:30])
        assert np.array_equal(data.test_labels, whole.test_labels[:30])
    short = datasets.load("cosines", train=100, test=30)
    assert np.array_equal(short.train_targets, cosines.train_targets[:100])
    assert np.array_equal(short.test_targets, cosines.test_targets[:30])


def test_the_splits_differ(cosines):
    assert not np.isin(cosines.test_images[:, 0], cosines.train_images[:, 0]).all()


def test_the_hypercube_is_the_same_every_time(corners):
    assert datasets.load("hypercube").digest == corners.digest
    assert corners.train_targets is None
    assert corners.test_targets is None


def test_classes_are_balanced(corners):
    for labels in (corners.train_labels, corners.test_labels):
        share = np.bincount(labels, minlength=10) / len(labels)
        assert np.abs(share - 0.1).max() < 0.02


def test_one_label_in_a_hundred_is_drawn_anew(corners):
    """The same samples without noise, unshuffled: found again by their sorted numbers."""
    from sklearn.datasets import make_classification

    numbers, labels = make_classification(**{**hypercube.ARGUMENTS, "flip_y": 0, "shuffle": False})
    clean = dict(zip(_keys(numbers), labels, strict=True))
    found = [clean[key] for key in _keys(np.concatenate((corners.train_images, corners.test_images)))]
    wrong = np.mean(found != np.concatenate((corners.train_labels, corners.test_labels)))
    assert len(clean) == 30000
    assert 0.007 < wrong < 0.011  # a tenth of the labels drawn anew are right by chance


def _keys(numbers):
    return [row.tobytes() for row in np.sort(np.floor(numbers * 2**20 + 0.5), axis=1)]


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"pip install 'neuro_emu\[papers\]'"):
        datasets.load("hypercube")


@pytest.mark.parametrize("name", ["cosines", "hypercube"])
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"seed": 1}, "unknown option 'seed' of data set '{}'. Known: train, test"),
        ({"train": 0}, "option 'train' of data set '{}' is 0; give 1 to"),
        ({"test": 5001}, "option 'test' of data set '{}' is 5001; give 1 to [15]000"),
        ({"test": True}, "option 'test' of data set '{}' is True"),
        ({"train": 2.0}, "option 'train' of data set '{}' is 2.0"),
    ],
)
def test_bad_options(name, options, problem):
    with pytest.raises(DataError, match=problem.format(name)):
        datasets.load(name, **options)


def test_every_generated_set_has_a_generator():
    made = [each.name for each in datasets.describe() if each.origin == "generated in memory"]
    assert sorted(made) == ["cosines", "hypercube", "synthetic"]
    for name in made:
        assert len(datasets.load(name, train=5, test=5).train_images) == 5


@pytest.mark.parametrize("name", ["cosines", "hypercube"])
def test_commands(name, capsys):
    import argparse

    parser = argparse.ArgumentParser()
    command.configure(parser)

    def run(*words):
        code = command.execute(parser.parse_args(words))
        return code, *capsys.readouterr()

    assert run("fetch", name) == (0, "generated in memory\n", "")
    assert run("where", name) == (0, "generated in memory\n", "")
    assert run("verify", name) == (0, f"{name}: generated in memory, nothing to verify\n", "")
    out = run("list")[1]
    assert "5,000 + 1,000 samples, 256 real numbers, 10 functions, licence: none needed" in out
    assert "25,000 + 5,000 samples, 256 real numbers, 10 classes, licence: none needed" in out
    assert "512 + 128 images, 8x8, 10 classes, licence: none needed" in out
