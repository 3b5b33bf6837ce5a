import numpy as np
import pytest

from neuro_emu import datasets
from neuro_emu.datasets import synthetic
from neuro_emu.errors import DataError


def splitmix64(seed, stream, count):
    """The sequence written with Python's integers, from the published definition."""
    mask, words = (1 << 64) - 1, []
    for counter in range(1, count + 1):
        z = (seed + 0x9E3779B97F4A7C15 * ((stream << 40) + counter)) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        words.append(z ^ (z >> 31))
    return words


def test_words_are_splitmix64():
    assert splitmix64(1234567, 0, 1) == [6457827717110365317]  # the reference implementation's first word
    for seed, stream in ((1234567, 0), ((1 << 64) - 1, 4)):
        assert synthetic._splitmix64(seed, stream, 0, 50).tolist() == splitmix64(seed, stream, 50)
    assert synthetic._splitmix64(5, 1, 30, 20).tolist() == splitmix64(5, 1, 50)[30:]


def test_bytes_never_change():
    assert datasets.load("synthetic").digest == "f00cb6e1f24a3c24"
    assert datasets.load("synthetic", train=5000, side=12, classes=4, seed=9).digest == "3037b7c0ee9af8c4"


def test_shape_and_types():
    data = datasets.load("synthetic", train=30, test=20, side=6, classes=5)
    assert data.train_images.shape == (30, 36)
    assert data.test_images.shape == (20, 36)
    assert (data.classes, data.image_shape) == (5, (6, 6))
    for array in (data.train_images, data.train_labels, data.test_images, data.test_labels):
        assert array.dtype == np.uint8
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_classes_are_balanced_and_sparse():
    data = datasets.load("synthetic", train=500)
    assert np.bincount(data.train_labels).tolist() == [50] * 10
    assert 0.22 < np.mean(data.train_images > 0) < 0.32
    assert set(np.unique(data.train_images)) <= {0, *range(128, 256)}


def test_a_longer_split_starts_with_the_shorter():
    short, long = (datasets.load("synthetic", train=n) for n in (100, 9000))
    assert np.array_equal(long.train_images[:100], short.train_images)
    assert np.array_equal(long.train_labels[:100], short.train_labels)
    assert np.array_equal(long.test_images, short.test_images)


def test_splits_and_seeds_differ():
    data, other = datasets.load("synthetic"), datasets.load("synthetic", seed=2)
    train = {image.tobytes() for image in data.train_images}
    assert not any(image.tobytes() in train for image in data.test_images)
    assert data.digest != other.digest


def test_a_linear_classifier_learns_it():
    data = datasets.load("synthetic")
    weights = np.zeros((10, 64), np.int64)
    for _ in range(3):
        for image, label in zip(data.train_images.astype(np.int64), data.train_labels, strict=True):
            guess = int(np.argmax(weights @ image))
            if guess != label:
                weights[label] += image
                weights[guess] -= image
    guesses = np.argmax(data.test_images.astype(np.int64) @ weights.T, axis=1)
    assert np.mean(guesses == data.test_labels) > 0.95


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"colour": 1}, "unknown option 'colour'"),
        ({"train": 0}, "option 'train' of data set 'synthetic' is 0; give 1 to"),
        ({"side": 8.0}, "option 'side'"),
        ({"classes": 300}, "give 2 to 256"),
        ({"seed": -1}, "option 'seed'"),
        ({"test": True}, "option 'test' of data set 'synthetic' is True"),
        ({"side": 2}, "raise 'side'"),
    ],
)
def test_bad_options(options, problem):
    with pytest.raises(DataError, match=problem):
        datasets.load("synthetic", **options)
