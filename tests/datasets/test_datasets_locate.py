import os
from pathlib import Path

import pytest

from neuro_emu import datasets
from neuro_emu.datasets.locate import cache_root
from neuro_emu.errors import DataError


def test_search_order_is_path_variable_cache_system(tiny, home, tmp_path, monkeypatch):
    explicit, variable = tmp_path / "explicit", tmp_path / "variable"
    monkeypatch.setenv("NEURO_EMU_DATA", str(variable))
    found = []
    for directory in (tmp_path / "system", home / "mnist", variable):
        tiny.put(directory)
        found.append((datasets.where("mnist").origin, datasets.where("mnist").directory))
    assert found == [
        ("system", tmp_path / "system"),
        ("user cache", home / "mnist"),
        ("$NEURO_EMU_DATA", variable),
    ]
    tiny.put(explicit)
    assert datasets.where("mnist", explicit).origin == "explicit path"
    assert datasets.where("mnist", str(explicit)).directory == explicit


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("folder", [".", "mnist", "MNIST/raw"])
def test_layouts_plain_and_packed(tiny, tmp_path, folder, packed):
    tiny.put(tmp_path / "root" / folder, packed=packed)
    assert datasets.load("mnist", tmp_path / "root").train_images.shape == (6, 12)


def test_own_folder_wins_over_flat_files(tiny, tmp_path):
    tiny.put(tmp_path, train_labels_idx1=b"of another set")
    tiny.put(tmp_path / "mnist")
    assert datasets.load("mnist", tmp_path).name == "mnist"


def test_plain_and_packed_may_be_mixed_but_directories_not(tiny, tmp_path):
    root = tmp_path / "root"
    tiny.put(root, packed=True)
    tiny.put(root, leave_out=("train-images-idx3-ubyte",))
    files = datasets.where("mnist", root).files
    assert sorted(path.suffix for path in files.values()) == ["", "", "", ".gz"]

    split = tmp_path / "split"
    tiny.put(split / "mnist", leave_out=("t10k-labels-idx1-ubyte",))
    (split / "t10k-labels-idx1-ubyte").write_bytes(tiny.contents["t10k-labels-idx1-ubyte"])
    with pytest.raises(DataError, match="mnist lacks t10k-labels-idx1-ubyte"):
        datasets.where("mnist", split)


def test_explicit_path_never_falls_through(tiny, home, tmp_path):
    tiny.put(home / "mnist")
    with pytest.raises(DataError) as error:
        datasets.load("mnist", tmp_path / "nowhere")
    text = str(error.value)
    assert f"{tmp_path / 'nowhere'} (explicit path): no such directory" in text
    assert f"neuro-emu data fetch mnist --path {tmp_path / 'nowhere'}" in text
    assert "user cache" not in text


def test_variable_falls_through(tiny, home, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURO_EMU_DATA", str(tmp_path / "nowhere"))
    tiny.put(home / "mnist")
    assert datasets.where("mnist").origin == "user cache"


def test_not_found_lists_places_and_remedies(tiny, home, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURO_EMU_DATA", str(tmp_path / "mine"))
    tiny.put(tmp_path / "mine", leave_out=("train-labels-idx1-ubyte",))
    with pytest.raises(DataError) as error:
        datasets.load("mnist", download=False)
    text = str(error.value)
    for part in (
        "data set 'mnist' not found",
        f"{tmp_path / 'mine'} ($NEURO_EMU_DATA)",
        "lacks train-labels-idx1-ubyte",
        f"{home} (user cache): no such directory",
        f"{tmp_path / 'system'} (system): no such directory",
        "neuro-emu data fetch mnist",
        "--path or NEURO_EMU_DATA",
        "synthetic",
    ):
        assert part in text


def test_cache_root_ignores_a_relative_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_root() == tmp_path / ".cache" / "neuro_emu" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == tmp_path / ".cache" / "neuro_emu" / "data"


def test_home_is_expanded(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    tiny.put(tmp_path / "mine")
    assert datasets.where("mnist", "~/mine").directory == tmp_path / "mine"
    monkeypatch.setenv("NEURO_EMU_DATA", "~/mine")
    assert datasets.where("mnist").origin == "$NEURO_EMU_DATA"


@pytest.mark.skipif(os.name != "posix", reason="the Debian package's place")
def test_fashion_mnist_knows_the_debian_folder():
    spec = datasets.registry.specification("fashion_mnist")
    assert Path(spec.system_folders[0]) == Path("/usr/share/datasets/fashion-mnist")


def test_unknown_name_suggests_the_right_one():
    with pytest.raises(DataError, match="Did you mean 'fashion_mnist'"):
        datasets.load("fashion-mnist")
