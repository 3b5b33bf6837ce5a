"""Writing in one step: whatever fails, the old file or the whole new one is there, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from neuro_emu import files
from neuro_emu.errors import RunError


def test_write_and_overwrite(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    files.write_bytes(path, b"old")
    files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_text_is_utf8(tmp_path):
    files.write_text(tmp_path / "file", "µs δ\n")
    assert (tmp_path / "file").read_bytes() == b"\xc2\xb5s \xce\xb4\n"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("old", [b"old", None])
def test_a_failure_in_the_middle(step, error, old, tmp_path, monkeypatch):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)

    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace"), "chmod": (Path, "chmod")}[step], fail)
    with pytest.raises(RunError if isinstance(error, OSError) else type(error)):
        files.write_bytes(path, b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == ({} if old is None else {"file": old})


def test_a_write_that_stops_half_way(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    opened = os.fdopen

    class Half:
        def __init__(self, handle, mode):
            self.file = opened(handle, mode)

        def __enter__(self):
            return self

        def __exit__(self, *_why):
            self.file.close()

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            raise OSError("disk full")

    monkeypatch.setattr(files.os, "fdopen", Half)
    with pytest.raises(RunError, match="disk full"):
        files.write_bytes(path, b"a new and longer content")
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"file": b"old"}


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_follow_the_umask(mask, tmp_path):
    before = os.umask(mask)
    try:
        files.write_bytes(tmp_path / "file", b"")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize(
    "value",
    [
        None,
        1.5,
        "δ",
        [],
        {},
        {"a": [1, 2, 3], "b": {"c": None}},
        [list(range(50)), list(range(3))],
        {"long": {str(n): [n, {"x": "y" * 40}] for n in range(9)}},
        {1: 2},
    ],
)
def test_json_text(value):
    text = files.json_text(value)
    assert text.endswith("\n")
    assert json.loads(text) == json.loads(json.dumps(value))


def test_json_keeps_short_things_on_a_line():
    text = files.json_text({"matrix": [[n] * 20 for n in range(5)], "name": "x"})
    assert text.splitlines()[2] == "    " + str([0] * 20) + ","
    assert max(map(len, text.splitlines())) <= 100
