"""Normalised pixels and augmented images against docs/numerics.md (sections 1 and 7), pixel by pixel."""

from fractions import Fraction
from math import floor, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_words import u

from neuro_emu.numerics.augment import Augmentation
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.pixels import Normalisation, channel_statistics

pytestmark = pytest.mark.integer

BYTES = np.arange(256, dtype=np.uint8)


def naive_code(byte, mean, multiplier, shift, low, high):
    return min(max(floor(Fraction((byte - mean) * multiplier, 2**shift) + Fraction(1, 2)), low), high)


@given(
    st.lists(st.integers(0, 255), min_size=3, max_size=3),
    st.lists(st.integers(1, 255), min_size=3, max_size=3) | st.integers(1, 255).map(lambda value: [value]),
    st.integers(0, 31) | st.integers(0, 9),
    st.integers(1, 20),
)
def test_every_byte_equals_the_definition(mean, multiplier, shift, bits):
    storage = Format(True, bits, 7)
    images = np.stack([np.concatenate((BYTES, BYTES[::-1], np.roll(BYTES, 9)))] * 2)
    codes = Normalisation(tuple(mean), tuple(multiplier), shift).codes(images, 3, storage)
    multiplier = multiplier * 3 if len(multiplier) == 1 else multiplier
    for channel in range(3):
        expected = [
            naive_code(byte, mean[channel], multiplier[channel], shift, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            for byte in images[0, 256 * channel : 256 * (channel + 1)].tolist()
        ]
        assert codes[:, 256 * channel : 256 * (channel + 1)].tolist() == [expected] * 2
    assert codes.dtype == (np.int8 if bits <= 8 else np.int32)
    assert codes.flags.c_contiguous
    assert codes.flags.writeable


def test_values_written_by_hand():
    images = np.array([[0, 124, 125, 126, 252, 253, 255]], np.uint8)
    assert Normalisation((125,)).codes(images, 1, Format.parse("s8f7")).tolist() == [[-125, -1, 0, 1, 127, 127, 127]]
    half = Normalisation((125,), (1,), 1).codes(images, 1, Format.parse("s8f7"))  # −62.5, −0.5, 0.5, 63.5, 64, 65
    assert half.tolist() == [[-62, 0, 0, 1, 64, 64, 65]]
    assert Normalisation((0,), (130,), 8).codes(images, 1, Format.parse("s8f5")).tolist() == [
        [0, 63, 63, 64, *[127] * 3]
    ]


@pytest.mark.parametrize(("mean", "multiplier"), [((1, 2), (1,)), ((1,), (1, 2, 3, 4)), ((), (1,))])
def test_values_for_other_channels_are_refused(mean, multiplier):
    with pytest.raises(ValueError, match="for 3 channels"):
        Normalisation(mean, multiplier).codes(np.zeros((1, 12), np.uint8), 3, Format.parse("s8f7"))


@given(st.lists(st.integers(0, 255), min_size=1, max_size=40))
def test_statistics_are_the_nearest_bytes(values):
    images = np.array([values + [7] * len(values)], np.uint8)
    (mean, deviation), (other_mean, other_deviation) = channel_statistics(images, 2)
    exact = Fraction(sum(values), len(values))
    assert mean == floor(exact + Fraction(1, 2))
    variance = sum((value - exact) ** 2 for value in values) / len(values)
    # The nearest to the root: its neighbours' midpoints lie around it.
    assert Fraction(2 * deviation - 1, 2) ** 2 <= variance < Fraction(2 * deviation + 1, 2) ** 2 or deviation == 0
    assert abs(deviation - sqrt(variance)) <= 0.5 + 1e-9
    assert (other_mean, other_deviation) == (7, 0)


# --- augmentation -------------------------------------------------------------------------------------------------


def naive_image(image, shape, crop, flip, seed, epoch, sample):
    """One sample, pixel by pixel; *image* [channel][row][column]."""
    channels, rows, columns = shape
    down = u(seed, 67, epoch, sample, 0) * (2 * crop + 1) // 2**32 - crop
    across = u(seed, 67, epoch, sample, 1) * (2 * crop + 1) // 2**32 - crop
    mirrored = flip and u(seed, 67, epoch, sample, 2) >= 2**31
    out = []
    for channel in range(channels):
        for r in range(rows):
            for c in range(columns):
                y, x = r + down, (columns - 1 - c if mirrored else c) + across
                inside = 0 <= y < rows and 0 <= x < columns
                out.append(image[channel][y][x] if inside else 0)
    return out


SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))


@given(
    SHAPES,
    st.integers(0, 7),
    st.booleans(),
    st.integers(0, 2**64 - 1),
    st.integers(0, 1000),
    st.lists(st.integers(0, 11), max_size=20),
    st.sampled_from([np.uint8, np.int8, np.int32]),
)
def test_every_pixel_equals_the_definition(shape, crop, flip, seed, epoch, samples, kind):
    draw = np.random.default_rng(seed)
    codes = draw.integers(1, 128, (12, *shape)).astype(kind)
    before = codes.copy()
    augment = Augmentation(shape, crop, flip, seed)
    found = augment.present(codes.reshape(12, -1), epoch, np.array(samples, dtype=np.int64))
    expected = [naive_image(codes[n].tolist(), shape, crop, flip, seed, epoch, n) for n in samples]
    assert found.tolist() == expected
    assert found.dtype == kind
    assert found.shape == (len(samples), codes[0].size)
    assert found.flags.c_contiguous
    assert np.array_equal(codes, before)


AUGMENT = Augmentation((2, 5, 7), 2, True, 11)
CODES = np.random.default_rng(4).integers(-100, 100, (1000, 70)).astype(np.int8)


def test_order_and_blocks_do_not_matter():
    whole = AUGMENT.present(CODES, 3, np.arange(1000))
    order = np.random.default_rng(5).permutation(1000)
    assert np.array_equal(AUGMENT.present(CODES, 3, order), whole[order])
    for size in (1, 255, 256, 257, 999):
        parts = [AUGMENT.present(CODES, 3, order[a : a + size]) for a in range(0, 1000, size)]
        assert np.array_equal(np.concatenate(parts), whole[order])


def test_epochs_seeds_and_samples_differ():
    moves = [
        np.stack(Augmentation((1, 9, 9), 4, True, seed).moves(epoch, np.arange(500)))
        for seed, epoch in ((1, 0), (1, 1), (2, 0))
    ]
    for one in range(3):
        for other in range(one):
            assert 0 < np.mean(np.all(moves[one] == moves[other], axis=0)) < 0.03  # 1 in 162
    assert len(np.unique(moves[0], axis=1).T) > 150


def test_every_move_is_as_likely():
    down, across, mirrored = Augmentation((1, 9, 9), 4, True, 1).moves(0, np.arange(81_000))
    counts = np.zeros((9, 9), int)
    np.add.at(counts, (down + 4, across + 4), 1)
    assert counts.min() > 1000 - 150  # some five standard deviations
    assert counts.max() < 1000 + 150
    for group in (np.ones(81_000, bool), down == -4, across == 4):
        assert abs(mirrored[group].mean() - 0.5) < 0.03


def test_nothing_to_do_is_the_same_image():
    plain = Augmentation((2, 5, 7), 0, False, 1)
    assert np.array_equal(plain.present(CODES, 3, np.arange(1000)), CODES)
