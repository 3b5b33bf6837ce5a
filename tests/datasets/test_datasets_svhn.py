"""MATLAB's level-5 files against a writer of their own, and against SciPy's; SVHN's arrays in them."""

import contextlib
import hashlib
import io
import struct
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu import datasets
from neuro_emu.datasets import matlab, registry, svhn
from neuro_emu.datasets.registry import FileSpec
from neuro_emu.errors import DataError

TYPES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 9, "i8": 12, "u8": 13}
CLASSES = {"f8": 6, "f4": 7, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13, "i8": 14, "u8": 15}


class Writer:
    """Level-5 elements; *order* is that of the bytes of a number."""

    def __init__(self, order="<"):
        self.order = order

    def element(self, kind, data, *, short=True):
        if short and 0 < len(data) <= 4:
            first = struct.pack(f"{self.order}I", len(data) * 65536 + kind)
            return first + data.ljust(4, b"\0")
        return struct.pack(f"{self.order}II", kind, len(data)) + data + bytes(-len(data) % 8)

    def matrix(self, name, array, *, stored=None, flags=None, short=True):
        code = array.dtype.str[1:]
        if flags is None:
            flags = CLASSES[code]
        numbers = np.ravel(array.astype(self.order + (stored or code)), order="F").tobytes()
        body = self.element(6, struct.pack(f"{self.order}II", flags, 0))
        body += self.element(5, struct.pack(f"{self.order}{array.ndim}i", *array.shape))
        body += self.element(1, name.encode(), short=short) + self.element(TYPES[stored or code], numbers, short=short)
        return self.element(14, body)

    def packed(self, element):
        data = zlib.compress(element)
        return struct.pack(f"{self.order}II", 15, len(data)) + data

    def file(self, *elements, version=0x0100):
        mark = b"IM" if self.order == "<" else b"MI"
        head = b"MATLAB 5.0 MAT-file, by hand".ljust(116) + bytes(8)
        return head + struct.pack(f"{self.order}H", version) + mark + b"".join(elements)


def sample_of(count, seed=3, code="u1"):
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
    labels = draw.integers(1, 11, (count, 1)).astype(code)
    return pixels, labels


# --- level 5 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("code", sorted(CLASSES))
def test_numbers_of_every_type(order, packed, short, code):
    writer = Writer(order)
    given_arrays = {
        "a": np.arange(24).reshape(2, 3, 4).astype(code),
        "tiny": np.array([[7]], code),
        "none": np.zeros((3, 0), code),
    }
    elements = [writer.matrix(name, array, short=short) for name, array in given_arrays.items()]
    content = writer.file(*(writer.packed(element) if packed else element for element in elements))
    found = matlab.arrays(content, 24 * 8, "f")
    assert found.keys() == given_arrays.keys()
    for name, array in given_arrays.items():
        assert found[name].dtype == np.dtype(order + code)
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)


def test_doubles_that_are_stored_as_bytes():
    content = Writer().file(Writer().matrix("y", np.array([[1.0], [2.0], [250.0]]), stored="u1"))
    assert matlab.arrays(content, 100, "f")["y"].tolist() == [[1], [2], [250]]


@pytest.mark.parametrize("compress", [False, True])
def test_files_that_scipy_writes(compress):
    scipy_io = pytest.importorskip("scipy.io")
    arrays = {"X": sample_of(4)[0], "y": sample_of(4)[1], "reals": np.linspace(0, 1, 7)[:, None]}
    stream = io.BytesIO()
    scipy_io.savemat(stream, arrays, do_compression=compress)
    found = matlab.arrays(stream.getvalue(), 4 * 3072, "f")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(found[name], array)


W = Writer()
TINY = W.matrix("y", np.array([[1], [2], [3], [4], [5]], np.uint8))
FLAGS, SHAPE, NAME = TINY[8:24], TINY[24:40], TINY[40:48]


def around(*elements):
    return W.file(W.element(14, b"".join(elements)))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "truncated: a header has 128 bytes, at byte 0"),
        (bytes(127), "truncated: a header has 128 bytes, at byte 127"),
        (bytes(200), r"no header of level 5 \(it may be of level 4: save it with -v7\), at byte 126"),
        (b"MATLAB 7.3 MAT-file" + bytes(600), r"it is of level 7.3 \(HDF5\); save it with -v7, at byte 0"),
        (W.file(version=0x0200), "version 0x0200, expected 0x0100, at byte 124"),
        (W.file(b"1234"), "truncated: no whole tag follows, at byte 128"),
        (W.file(TINY[:-8]), "truncated: an element of 56 bytes, at byte 128"),
        (W.file(TINY, TINY[:30]), "truncated: an element of 56 bytes, at byte 192"),
        (W.file(W.element(9, bytes(16))), "an element of type 9, no array, at byte 128"),
        (W.file(struct.pack("<I", 5 * 65536 + 1) + bytes(4)), "a short element of 5 bytes, at byte 128"),
        (W.file(W.packed(W.element(5, bytes(8)))), "an element of type 5, no array, at byte 0 of the element unpacked"),
        (W.file(W.packed(b"123")), "no whole tag follows, at byte 0 of the element unpacked from byte 128"),
        (W.file(W.packed(TINY)[:-2]), "truncated: an element of"),
        (W.file(struct.pack("<II", 15, 8) + b"no zlib!"), "does not unpack .*, at byte 128"),
        (W.file(struct.pack("<II", 15, 10) + zlib.compress(TINY)[:10]), "ends too soon, at byte 128"),
        (around(), "truncated: no whole tag follows, at byte 136"),
        (around(SHAPE, NAME), "an array without flags, at byte 136"),
        (around(W.element(6, struct.pack("<II", 1, 0))), "an array of class 1, flags 0x1: only real numbers"),
        (around(W.element(6, struct.pack("<II", 9 + 2048, 0))), "an array of class 9, flags 0x809"),
        (around(FLAGS, NAME), "an array without dimensions, at byte 152"),
        (around(FLAGS, W.element(5, struct.pack("<i", 5))), "an array without dimensions"),
        (around(FLAGS, W.element(5, struct.pack("<33i", *[1] * 33))), "an array without dimensions"),
        (around(FLAGS, W.element(5, struct.pack("<ii", -1, 5))), r"dimensions \(-1, 5\), at byte 152"),
        (around(FLAGS, SHAPE, SHAPE), "an array without a name, at byte 168"),
        (around(FLAGS, SHAPE, NAME), "no whole tag follows, at byte 176"),
        (around(FLAGS, SHAPE, NAME, W.element(1, b"12345")), None),
        (around(FLAGS, SHAPE, NAME, W.element(16, b"12345")), "numbers of the unknown type 16, at byte 176"),
        (
            around(FLAGS, SHAPE, NAME, W.element(2, b"1234")),
            r"4 bytes of numbers; dimensions \(5, 1\) need 5, at byte 1",
        ),
        (
            around(FLAGS, W.element(5, struct.pack("<4i", *[2**31 - 1] * 4)), NAME, W.element(2, b"12345")),
            "5 bytes of numbers; dimensions .* need 2",
        ),
    ],
)
def test_every_defect_names_file_and_offset(content, problem):
    if problem is None:  # another type of the same size is a matter for the caller
        assert matlab.arrays(content, 100, "f")["y"].dtype == np.int8
        return
    with pytest.raises(DataError, match=problem) as error:
        matlab.arrays(content, 100, "some/file")
    assert str(error.value).startswith("some/file is not a MATLAB file that can be read here")
    assert "byte" in str(error.value)


@given(st.booleans(), st.data())
def test_no_damage_gets_out(packed, data):
    pixels, labels = sample_of(1)
    elements = [W.matrix("X", pixels), W.matrix("y", labels)]
    content = bytearray(W.file(*(W.packed(each) if packed else each for each in elements)))
    place = data.draw(st.integers(0, len(content) - 1) | st.integers(0, min(400, len(content)) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(content), bytes(content[:place])):
        with contextlib.suppress(DataError):
            images, found = svhn.parse(damaged, 1, "f")
            assert images.shape == (1, 3072)  # a pixel, a label, or what nobody looks at
            assert found.max() < 10


def test_a_bomb_is_stopped():
    bomb = W.file(W.packed(W.matrix("X", np.zeros((32, 32, 3, 20000), np.uint8))))
    assert len(bomb) < 100_000
    tracemalloc.start()
    with pytest.raises(DataError, match="unpacks to more than 34,816 bytes, at byte 128"):
        svhn.parse(bomb, 10, "f")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


# --- SVHN ---------------------------------------------------------------------------------------------------------


def mat(count, packed=True, seed=3, code="u1"):
    pixels, labels = sample_of(count, seed, code)
    elements = [W.matrix("X", pixels), W.matrix("y", labels)]
    return W.file(*(W.packed(element) if packed else element for element in elements)), pixels, labels


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("code", ["u1", "f8", "u2"])
@pytest.mark.parametrize("count", [1, 5])
def test_pixels_and_labels(packed, code, count):
    content, pixels, labels = mat(count, packed, code=code)
    images, found = svhn.parse(content, 5, "f")
    for n in range(count):
        expected = [int(pixels[r, c, plane, n]) for plane in range(3) for r in range(32) for c in range(32)]
        assert images[n].tolist() == expected
    assert found.tolist() == [0 if label == 10 else label for label in labels[:, 0].tolist()]
    for array in (images, found):
        assert (array.dtype, array.flags.c_contiguous, array.flags.writeable) == (np.uint8, True, True)


def test_one_image_without_its_last_dimension():
    pixels, labels = sample_of(1)
    content = W.file(W.matrix("X", pixels[..., 0]), W.matrix("y", labels))
    assert svhn.parse(content, 1, "f")[0].shape == (1, 3072)


GOOD_X, GOOD_Y = sample_of(2)


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"X": GOOD_X}, "it has no array y"),
        ({}, "it has no array X and y"),
        ({"X": GOOD_X.astype("i2"), "y": GOOD_Y}, r"X is int16 \(32, 32, 3, 2\), expected bytes"),
        ({"X": GOOD_X[:16], "y": GOOD_Y}, r"X is uint8 \(16, 32, 3, 2\), expected bytes"),
        ({"X": GOOD_X[:, :, 0, :], "y": GOOD_Y}, r"X is uint8 \(32, 32, 2, 1\), expected bytes"),
        ({"X": GOOD_X, "y": GOOD_Y[:1]}, r"2 images with labels \(1, 1\)"),
        ({"X": sample_of(3)[0], "y": sample_of(3)[1]}, "3 images with labels .* there are 1 to 2 images"),
        ({"X": GOOD_X[..., :0], "y": GOOD_Y[:0]}, "0 images"),
        ({"X": GOOD_X, "y": np.array([[1], [0]], np.uint8)}, "label 0 of image 1; labels are 1 to 10"),
        ({"X": GOOD_X, "y": np.array([[11], [1]], np.uint8)}, "label 11 of image 0"),
        ({"X": GOOD_X, "y": np.array([[1.5], [1]])}, "label 1.5 of image 0"),
        ({"X": GOOD_X, "y": np.array([[1], [np.nan]])}, "label nan of image 1"),
    ],
)
def test_arrays_of_something_else(arrays, problem):
    content = W.file(*(W.matrix(name, array) for name, array in arrays.items()))
    with pytest.raises(DataError, match=problem) as error:
        svhn.parse(content, 2, "some/file")
    assert str(error.value).startswith("some/file is not")


def test_by_path(tmp_path, monkeypatch):
    (train, pixels, labels), (test, *_) = mat(4), mat(2, seed=9)
    files = []
    for name, content in (("train_32x32.mat", train), ("test_32x32.mat", test)):
        (tmp_path / name).write_bytes(content)
        files.append(FileSpec(name, len(content), hashlib.sha256(content).hexdigest()))
    spec = replace(registry.REGISTRY["svhn"], train=4, test=2, files=tuple(files))
    monkeypatch.setitem(registry.REGISTRY, "svhn", spec)
    data = datasets.load("svhn", tmp_path)
    assert (data.shape, data.classes, len(data.train_images), len(data.test_images)) == ((3, 32, 32), 10, 4, 2)
    assert data.train_labels.tolist() == (labels[:, 0] % 10).tolist()
    assert data.train_images[3, 1024 + 32 * 5 + 7] == pixels[5, 7, 1, 3]
    (tmp_path / "test_32x32.mat").write_bytes(test[:-1])
    with pytest.raises(DataError, match=r"test_32x32\.mat is corrupt"):
        datasets.load("svhn", tmp_path)
