"""Convolutions and their gradients against sums written out in NumPy, over kernels, strides, borders and signs."""

import numpy as np
import pytest
from environment import WITHOUT_JIT
from hypothesis import example, given
from hypothesis import strategies as st

from neuro_emu.kernels.vector import convolution as cv
from neuro_emu.kernels.vector import gemm as gm

pytestmark = pytest.mark.integer

GUARD = 64
SIDE, CHANNELS = (5, 3) if WITHOUT_JIT else (9, 9)
OFFSET = {np.uint8: 0, np.int8: 128}


@st.composite
def windows(draw):
    kernel = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    padding = draw(st.integers(0, 3))
    least = [max(1, side - 2 * padding) for side in kernel]
    height, width = (draw(st.integers(side, max(side, SIDE))) for side in least)
    channels = draw(st.integers(1, CHANNELS))
    return cv.window((height, width, channels), kernel, draw(st.integers(1, 3)), padding)


def guarded(size):
    """Bytes full of rubbish, the last GUARD of which nobody may write."""
    whole = np.full(size + GUARD, 201, np.uint8)
    return whole, whole[:size]


def naive_patches(image, seen):
    """Codes under the kernel at each output position, zeros around the image."""
    rows = np.zeros((seen.rows, seen.columns, seen.kernel_height, seen.kernel_width, seen.channels), np.int64)
    for y, x, r, s in np.ndindex(rows.shape[:4]):
        at, across = y * seen.stride + r - seen.padding, x * seen.stride + s - seen.padding
        if 0 <= at < seen.height and 0 <= across < seen.width:
            rows[y, x, r, s] = image[at, across]
    return rows.reshape(seen.rows * seen.columns, seen.depth)


def forward(image, seen, weights):
    """z of the kernel under test and the patches it leaves behind."""
    outputs, offset = weights.shape[1], OFFSET[image.dtype.type]
    packed = np.full(gm.packed_shape(seen.depth, outputs), 77, np.int8)
    gm.pack(weights, packed)
    start = np.zeros(gm.padded_columns(outputs), np.int32)
    gm.offset_start(np.full(4, offset, np.uint8), packed, start)
    buffers, views = zip(*(guarded(size) for size in (seen.padded_size(), seen.patches_size())), strict=True)
    z = np.full((seen.rows * seen.columns, start.shape[0]), 55, np.int32)
    cv.convolve(image, seen, offset, packed, start, *views, z)
    assert all((buffer[-GUARD:] == 201).all() for buffer in buffers)
    return z[:, :outputs], views[1]


def gradient_of(patches, seen, offset, errors):
    positions, outputs = errors.shape
    packed_patches = np.full(gm.packed_shape(positions, seen.step), 88, np.uint8)
    packed_errors = np.full(gm.packed_shape(positions, outputs), 77, np.int8)
    gradient = np.full((seen.depth, gm.padded_columns(outputs)), 55, np.int32)
    start = np.full(gradient.shape[1], 66, np.int32)
    offsets = np.full(4, offset, np.uint8)
    cv.weight_gradient(patches, seen, offsets, errors, packed_patches, packed_errors, start, gradient)
    return gradient[:, :outputs]


def assert_exact(image, seen, weights, errors):
    z, patches = forward(image, seen, weights)
    expected = naive_patches(image, seen)
    assert np.array_equal(z, expected @ weights.astype(np.int64))
    gradient = gradient_of(patches, seen, OFFSET[image.dtype.type], errors)
    assert np.array_equal(gradient, expected.T @ errors.astype(np.int64))


def codes(random, shape, dtype):
    info = np.iinfo(dtype)
    return random.integers(info.min, info.max + 1, shape).astype(dtype)


MNIST, CIFAR = cv.window((28, 28, 1), (5, 5), 1, 2), cv.window((32, 32, 3), (3, 3), 1, 1)
LONG_RUNS = cv.window((6, 5, 70), (3, 2), 2, 1)


@pytest.mark.parametrize("dtype", OFFSET)
@given(seen=windows(), outputs=st.integers(1, 20), seed=st.integers(0, 99))
@example(seen=LONG_RUNS, outputs=5, seed=0)
def test_convolutions_are_exact(dtype, seen, outputs, seed):
    random = np.random.default_rng(seed)
    image = codes(random, (seen.height, seen.width, seen.channels), dtype)
    weights = codes(random, (seen.depth, outputs), np.int8)
    assert_exact(image, seen, weights, codes(random, (seen.rows * seen.columns, outputs), np.int8))


@pytest.mark.skipif(WITHOUT_JIT, reason="slow in plain Python; small shapes follow the same path")
@pytest.mark.parametrize("dtype", OFFSET)
@pytest.mark.parametrize(("seen", "outputs"), [(MNIST, 32), (CIFAR, 64)])
def test_whole_layers_at_the_extremes(dtype, seen, outputs):
    info = np.iinfo(dtype)
    random = np.random.default_rng(0)
    image = random.choice([info.min, info.max], (seen.height, seen.width, seen.channels)).astype(dtype)
    weights = np.full((seen.depth, outputs), -128, np.int8)
    assert_exact(image, seen, weights, np.full((seen.rows * seen.columns, outputs), -128, np.int8))


def test_windows():
    assert (MNIST.rows, MNIST.columns, MNIST.depth, MNIST.step) == (28, 28, 25, 32)
    assert (LONG_RUNS.rows, LONG_RUNS.columns, LONG_RUNS.depth, LONG_RUNS.step) == (3, 3, 420, 432)
    for wrong in (((2, 9, 1), (3, 3)), ((9, 9, 0), (3, 3)), ((9, 9, 1), (3, 3), 0), ((9, 9, 1), (3, 3), 1, -1)):
        with pytest.raises(ValueError, match="has no place"):
            cv.window(*wrong)
