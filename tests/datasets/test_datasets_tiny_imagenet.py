"""Tiny ImageNet's folder, with JPEG files that Pillow writes here."""

import contextlib
import io
import struct
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu import datasets
from neuro_emu.datasets import registry, tiny_imagenet
from neuro_emu.errors import DataError

CLASSES = ("n01443537", "n00000009", "n01629819")


@pytest.fixture
def spec(monkeypatch):
    """'tiny_imagenet' with three classes, 6 + 4 images."""
    small = replace(registry.REGISTRY["tiny_imagenet"], classes=3, train=6, test=4)
    monkeypatch.setitem(registry.REGISTRY, "tiny_imagenet", small)
    return small


def jpeg(colour, size=(64, 64), mode="RGB", kind="JPEG"):
    image = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    image.new(mode, size, colour).save(stream, kind, quality=95)
    return stream.getvalue()


def colour_of(part, label, number):
    return 40 + 60 * label, 100 + 50 * number, 30 if part == "train" else 200


@pytest.fixture
def root(tmp_path, spec):
    """The folder; every image is of one colour."""
    root = tmp_path / "tiny-imagenet-200"
    for label, name in enumerate(CLASSES):
        folder = root / "train" / name / "images"
        folder.mkdir(parents=True)
        for number in range(2):
            (folder / f"{name}_{number}.JPEG").write_bytes(jpeg(colour_of("train", label, number)))
    (root / "val" / "images").mkdir(parents=True)
    lines = []
    for number, label in ((0, 2), (10, 0), (9, 1), (1, 2)):
        colour = colour_of("val", label, number // 9)
        (root / "val" / "images" / f"val_{number}.JPEG").write_bytes(jpeg(colour))
        lines.append(f"val_{number}.JPEG\t{CLASSES[label]}\t0\t0\t62\t61\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "wnids.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    return root


def near(images, colours):
    planes = images.reshape(-1, 3, 4096).astype(int)
    return all(np.abs(planes[n] - np.array(colour)[:, None]).max() <= 3 for n, colour in enumerate(colours))


@pytest.mark.parametrize("above", [False, True])
def test_images_and_labels(root, above):
    reports = []
    data = datasets.load("tiny_imagenet", root.parent if above else root, progress=lambda *r: reports.append(r))
    assert (data.shape, data.classes) == ((3, 64, 64), 3)
    assert (data.train_images.shape, data.test_images.shape) == ((6, 12288), (4, 12288))
    assert data.train_labels.tolist() == [0, 1, 2, 0, 1, 2]  # one of each class at a time
    assert data.test_labels.tolist() == [2, 2, 1, 0]  # val_0, val_1, val_9, val_10
    assert near(data.train_images, [colour_of("train", n % 3, n // 3) for n in range(6)])
    assert near(data.test_images, [colour_of("val", *at) for at in ((2, 0), (2, 0), (1, 1), (0, 1))])
    for array in (data.train_images, data.train_labels, data.test_images, data.test_labels):
        assert (array.dtype, array.flags.c_contiguous, array.flags.writeable) == (np.uint8, True, True)


def test_rows_are_not_columns(root):
    image = pytest.importorskip("PIL.Image")
    picture = image.new("RGB", (64, 64))
    picture.paste((250, 250, 250), (0, 0, 64, 16))  # the upper quarter
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=95)
    (root / "train" / CLASSES[0] / "images" / f"{CLASSES[0]}_0.JPEG").write_bytes(stream.getvalue())
    planes = datasets.load("tiny_imagenet", root).train_images[0].reshape(3, 64, 64)
    assert planes[:, :15].min() > 230
    assert planes[:, 17:].max() < 20


def test_grey_images_become_three_equal_planes(root):
    (root / "train" / CLASSES[1] / "images" / f"{CLASSES[1]}_1.JPEG").write_bytes(jpeg(77, mode="L"))
    image = datasets.load("tiny_imagenet", root).train_images[4]
    assert set(image.tolist()) == {77}


def test_progress_is_reported(root, monkeypatch):
    monkeypatch.setattr(tiny_imagenet, "_SHOWN", 2)
    reports = []
    datasets.load("tiny_imagenet", root, progress=lambda *r: reports.append(r))
    train = [(12288 * n, 12288 * 6, "tiny_imagenet: train images") for n in (2, 4, 6)]
    assert reports == train + [(12288 * n, 12288 * 4, "tiny_imagenet: val images") for n in (2, 4)]


def test_verify_and_where(root, tmp_path):
    assert {each.status for each in datasets.verify("tiny_imagenet", root)} == {"ok"}
    assert datasets.where("tiny_imagenet", tmp_path).directory == root
    (root / "wnids.txt").write_text("n00000000\n" * 2000)
    assert [each.status for each in datasets.verify("tiny_imagenet", root)] == ["corrupt", "ok"]
    with pytest.raises(DataError, match=r"wnids.txt is corrupt: holds more than the 10,000 bytes that it can have"):
        datasets.load("tiny_imagenet", root)


def test_without_pillow(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"pip install 'neuro_emu\[images\]'"):
        datasets.load("tiny_imagenet", root)


def replace_text(name, old, new):
    def change(root):
        path = root / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return change


def write(name, content):
    def change(root):
        (root / name).write_bytes(content() if callable(content) else content)

    return change


def as_large_as(side):
    """A JPEG file whose header promises more pixels than there are."""
    content = jpeg((1, 2, 3))
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", side, side) + content[at + 4 :]


FIRST = f"train/{CLASSES[0]}/images/{CLASSES[0]}_0.JPEG"
NOTES = "val/val_annotations.txt"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (replace_text("wnids.txt", CLASSES[0], "../../etc"), "wnids.txt, line 1: '../../etc' is no class"),
        (replace_text("wnids.txt", CLASSES[1] + "\n", ""), "wnids.txt names 2 classes in 2 lines, expected 3"),
        (replace_text("wnids.txt", CLASSES[1], CLASSES[0]), "wnids.txt names 2 classes in 3 lines, expected 3"),
        (write("wnids.txt", b"n01443537\n\xff"), "wnids.txt is not a text file: byte 10 is no ASCII character"),
        (replace_text(NOTES, "val_10.JPEG", "../val_10.JPEG"), "val_annotations.txt, line 2: '../val_10.JPEG"),
        (replace_text(NOTES, CLASSES[1], "n99999999"), "val_annotations.txt, line 3: .* one of the 3 classes"),
        (replace_text(NOTES, "val_10.JPEG", "val_0.JPEG"), "val_annotations.txt names 3 images, expected 4"),
        (write(FIRST, b""), f"{FIRST} cannot be read"),
        (write(FIRST, b"no picture"), f"{FIRST} cannot be read"),
        (write(FIRST, lambda: jpeg((1, 2, 3))[:-300]), f"(?i){FIRST} cannot be read .*truncated"),
        (write(FIRST, lambda: jpeg((1, 2, 3), kind="PNG")), f"{FIRST} cannot be read"),
        (write(FIRST, lambda: jpeg((1, 2, 3), (64, 65))), "64 × 65 pixels, expected 64 × 64"),
        (write(FIRST, lambda: as_large_as(65000)), "decompression bomb"),
        (write(FIRST, lambda: as_large_as(9000)), "9000 × 9000 pixels, expected 64 × 64"),
        (write(FIRST, bytes(2 << 20)), "more than 1,048,576 bytes"),
        (lambda root: (root / FIRST).unlink(), f"{FIRST} cannot be read .No such file"),
        (lambda root: (root / "val/images/val_9.JPEG").unlink(), "val_9.JPEG cannot be read"),
    ],
)
def test_every_defect_names_the_file(root, change, problem):
    change(root)
    with pytest.raises(DataError, match=problem) as error:
        datasets.load("tiny_imagenet", root)
    assert str(root) in str(error.value)


@given(st.data())
def test_no_damage_gets_out(tmp_path_factory, data):
    image = pytest.importorskip("PIL.Image")
    content = bytearray(jpeg((10, 200, 30)))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.JPEG"
    for damaged in (content, content[: data.draw(st.integers(0, len(content)))]):
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):
            assert tiny_imagenet._decoded(image, path, (64, 64)).shape == (12288,)
