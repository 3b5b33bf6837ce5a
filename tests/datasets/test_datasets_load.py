import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from neuro_emu import datasets
from neuro_emu.datasets import registry
from neuro_emu.errors import DataError


def test_arrays_are_the_files_bytes(tiny, tmp_path):
    data = datasets.load("mnist", tiny.put(tmp_path / "d"))
    assert (data.name, data.classes, data.image_shape) == ("mnist", 3, (4, 3))
    assert data.train_images.tobytes() == bytes(range(72))
    assert data.test_images.tobytes() == bytes(range(100, 124))
    assert data.train_labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.test_labels.tolist() == [2, 1]
    for array in (data.train_images, data.train_labels, data.test_images, data.test_labels):
        assert array.dtype == np.uint8
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_digest_covers_all_four_arrays(tiny, tmp_path):
    data = datasets.load("mnist", tiny.put(tmp_path / "d"))
    payload = bytes(range(72)) + bytes((0, 1, 2, 0, 1, 2)) + bytes(range(100, 124)) + bytes((2, 1))
    assert data.digest == hashlib.sha256(payload).hexdigest()[:16]


def test_corrupt_file_names_file_hashes_and_repair(tiny, tmp_path):
    good = tiny.contents["train-labels-idx1-ubyte"]
    bad = good[:-1] + b"\x00"
    root = tiny.put(tmp_path / "d", train_labels_idx1=bad)
    with pytest.raises(DataError) as error:
        datasets.load("mnist", root)
    text = str(error.value)
    assert f"{root / 'train-labels-idx1-ubyte'} is corrupt" in text
    assert hashlib.sha256(good).hexdigest() in text
    assert hashlib.sha256(bad).hexdigest() in text
    assert f"neuro-emu data fetch mnist --path {root} --force" in text
    assert "delete the file" in text


@pytest.mark.parametrize(
    ("change", "reason"), [(b"", "holds more than the expected"), (None, "holds 13 bytes, expected 14")]
)
def test_wrong_size(tiny, tmp_path, change, reason):
    good = tiny.contents["train-labels-idx1-ubyte"]
    bad = good[:-1] if change is None else good + b"\x00"
    with pytest.raises(DataError, match=reason):
        datasets.load("mnist", tiny.put(tmp_path / "d", train_labels_idx1=bad))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-6], lambda data: b"no gzip", lambda data: data[:12] + b"\xff" * 20]
)
def test_unsound_gzip(tiny, tmp_path, damage):
    root = tiny.put(tmp_path / "d", packed=True)
    path = root / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="not a sound gzip file"):
        datasets.load("mnist", root)


def test_content_of_another_set_is_recognised(tiny, tmp_path, monkeypatch):
    other = b"\x00" * len(tiny.contents["train-labels-idx1-ubyte"])
    spec = registry.DatasetSpec(
        name="other",
        summary="",
        licence="",
        image_shape=(1, 1),
        classes=1,
        train=1,
        test=1,
        files=(registry.FileSpec("labels", len(other), hashlib.sha256(other).hexdigest()),),
        folders=(".",),
    )
    monkeypatch.setitem(registry.REGISTRY, "other", spec)
    with pytest.raises(DataError, match="the content is that of other/labels"):
        datasets.load("mnist", tiny.put(tmp_path / "d", train_labels_idx1=other))


def test_verify_reports_each_file(tiny, tmp_path):
    root = tiny.put(tmp_path / "d", leave_out=("t10k-labels-idx1-ubyte",), train_images_idx3=b"short")
    checks = datasets.verify("mnist", root)
    assert [check.status for check in checks] == ["corrupt", "ok", "ok", "missing"]
    assert checks[0].path == root / "train-images-idx3-ubyte"
    assert checks[3].path is None
    assert "SHA-256" in checks[0].reason
    assert [check.reason for check in checks[1:3]] == ["", ""]


def test_verify_of_nothing(tiny, tmp_path):
    assert [check.status for check in datasets.verify("mnist")] == ["missing"] * 4
    assert datasets.verify("synthetic") == []
    with pytest.raises(DataError, match="no such directory"):
        datasets.verify("mnist", tmp_path / "nowhere")


def test_describe_tells_what_is_here(tiny, home):
    by_name = {each.name: each for each in datasets.describe()}
    assert by_name.keys() >= {"mnist", "fashion_mnist", "synthetic"}
    assert by_name["mnist"].origin is None
    assert by_name["synthetic"].origin == "generated in memory"
    tiny.put(home / "mnist")
    assert datasets.describe()[0].directory == home / "mnist"


def test_options_belong_to_the_synthetic_set(tiny, tmp_path):
    with pytest.raises(DataError, match="'mnist' has no option seed"):
        datasets.load("mnist", tiny.put(tmp_path / "d"), seed=3)


def test_registry_entry_that_does_not_fit_its_files(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(registry.REGISTRY, "mnist", replace(registry.REGISTRY["mnist"], classes=2))
    with pytest.raises(DataError, match="Correct its registry entry"):
        datasets.load("mnist", tiny.put(tmp_path / "d"))


def test_real_entries_are_consistent():
    for name in ("mnist", "fashion_mnist"):
        spec = registry.specification(name)
        assert [file.size for file in spec.files] == [
            16 + 60000 * 784,
            8 + 60000,
            16 + 10000 * 784,
            8 + 10000,
        ]
        assert all(len(file.sha256) == 64 for file in spec.files)
        assert spec.sources
    colour = ("cifar10", "cifar100", "cifar100_coarse", "svhn", "tiny_imagenet")
    assert ("mnist", "fashion_mnist", *colour, "synthetic", "cosines", "hypercube") == datasets.NAMES
    for name in datasets.NAMES:
        spec = registry.specification(name)
        assert bool(spec.sources) + bool(spec.obtain) + spec.generated == 1
        assert spec.shape == (3 if name in colour else 1, *spec.image_shape)


def test_asking_what_there_is_costs_no_numpy():
    program = (
        "import sys; from neuro_emu import datasets; import neuro_emu.datasets.command; datasets.describe();"
        "print(sorted({'numpy', 'numba', 'urllib.request', 'tarfile'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
