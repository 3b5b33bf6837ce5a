"""A tiny data set that stands in for the real ones, and an environment without any of the user's data."""

from __future__ import annotations

import gzip
import hashlib
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from neuro_emu.datasets import registry
from neuro_emu.datasets.registry import DatasetSpec, FileSpec

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(shape, values):
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + bytes(values)


@dataclass(frozen=True)
class Tiny:
    """The stand-in: its contents by file name, and a way to put them somewhere."""

    contents: dict[str, bytes]

    def put(self, directory: Path, *, packed=False, leave_out=(), **replaced):
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in self.contents.items():
            data = replaced.get(name.split("-ubyte")[0].replace("-", "_"), content)
            if name in leave_out:
                continue
            if packed:
                (directory / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (directory / name).write_bytes(data)
        return directory

    def use_sources(self, monkeypatch, *sources):
        spec = replace(registry.REGISTRY["mnist"], sources=sources)
        monkeypatch.setitem(registry.REGISTRY, "mnist", spec)
        return spec


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty cache; none of the user's variables."""
    monkeypatch.delenv("NEURO_EMU_DATA", raising=False)
    monkeypatch.delenv("NEURO_EMU_OFFLINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "neuro_emu" / "data"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """'mnist' with 6 + 2 images of 4x3 pixels in 3 classes, no sources, its system folder below tmp_path."""
    contents = dict(
        zip(
            NAMES,
            (
                idx_bytes((6, 4, 3), range(72)),
                idx_bytes((6,), (0, 1, 2, 0, 1, 2)),
                idx_bytes((2, 4, 3), range(100, 124)),
                idx_bytes((2,), (2, 1)),
            ),
            strict=True,
        )
    )
    spec = DatasetSpec(
        name="mnist",
        summary="stand-in",
        licence="none",
        image_shape=(4, 3),
        classes=3,
        train=6,
        test=2,
        files=tuple(FileSpec(n, len(c), hashlib.sha256(c).hexdigest()) for n, c in contents.items()),
        folders=("mnist", "MNIST/raw", "."),
        system_folders=(str(tmp_path / "system"),),
    )
    monkeypatch.setitem(registry.REGISTRY, "mnist", spec)
    return Tiny(contents)
