"""Averaging down, against areas of rectangles in fractions."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from neuro_emu.datasets.resize import resize
from neuro_emu.errors import DataError


def naive(image, shape, side):
    """One image, pixel by pixel: the mean over the covered rectangle, ties up."""
    rows, columns = shape
    height, width = Fraction(rows, side), Fraction(columns, side)
    out = []
    for r in range(side):
        for c in range(side):
            area = Fraction(0)
            for i in range(rows):
                for j in range(columns):
                    high = min((r + 1) * height, i + 1) - max(r * height, i)
                    wide = min((c + 1) * width, j + 1) - max(c * width, j)
                    if high > 0 and wide > 0:
                        area += high * wide * int(image[i * columns + j])
            out.append(floor(area / (height * width) + Fraction(1, 2)))
    return out


@pytest.mark.parametrize("shape", [(r, c) for r in range(1, 8) for c in range(1, 8)])
def test_equals_the_definition(shape):
    images = np.random.default_rng(1).integers(0, 256, (3, shape[0] * shape[1]), dtype=np.uint8)
    images[0] &= 1  # sums that lie close to ties
    for side in range(1, min(shape) + 1):
        expected = [naive(image, shape, side) for image in images]
        assert resize(images, shape, side).tolist() == expected


@pytest.mark.parametrize("side", [14, 20, 27])
def test_equals_the_definition_at_the_size_of_mnist(side):
    images = np.random.default_rng(2).integers(0, 256, (1, 784), dtype=np.uint8)
    assert resize(images, (28, 28), side).tolist() == [naive(images[0], (28, 28), side)]


def test_ties_go_up():
    pairs = np.array([[0, 1, 0, 1], [254, 255, 254, 255], [3, 3, 3, 3], [0, 0, 0, 1]], np.uint8)
    assert resize(pairs, (2, 2), 1).ravel().tolist() == [1, 255, 3, 0]


def test_black_and_white_stay():
    for side in range(1, 29):
        images = np.zeros((2, 784), np.uint8)
        images[1] = 255
        assert np.unique(resize(images, (28, 28), side), axis=1).tolist() == [[0], [255]]


def test_the_same_size_is_the_same_image():
    images = np.random.default_rng(3).integers(0, 256, (5, 36), dtype=np.uint8)
    assert np.array_equal(resize(images, (6, 6), 6), images)


def test_more_images_than_one_block_and_their_type():
    images = np.random.default_rng(4).integers(0, 256, (4099, 9), dtype=np.uint8)
    whole = resize(images, (3, 3), 2)
    assert whole.shape == (4099, 4)
    assert whole.dtype == np.uint8
    assert whole.flags.c_contiguous
    assert whole.flags.writeable
    assert np.array_equal(whole[4090:], resize(images[4090:], (3, 3), 2))


@pytest.mark.parametrize("side", [0, 4, 5])
def test_no_such_side(side):
    with pytest.raises(DataError, match=f"3 × 4 pixels cannot be averaged to {side} × {side}"):
        resize(np.zeros((1, 12), np.uint8), (3, 4), side)
