"""Reading a data set's file and comparing it with its fingerprint."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from neuro_emu.datasets.registry import REGISTRY, FileSpec, owner_of
from neuro_emu.errors import DataError


@dataclass(frozen=True)
class FileCheck:
    """The outcome of comparing one file with the registry; ``reason`` is empty when the status is 'ok'."""

    file: str
    path: Path | None
    status: Literal["ok", "missing", "corrupt"]
    reason: str = ""


def gunzip(stream: BinaryIO, limit: int) -> bytes:
    """Return at most ``limit`` bytes of a gzip stream; raise :class:`DataError` if it is not sound.

    The limit keeps a hostile or mistaken archive from filling the memory.
    """
    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as unpacked:
            return unpacked.read(limit)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"not a sound gzip file ({error})") from error


def read(spec: FileSpec, path: Path) -> bytes:
    """Return the uncompressed content of ``path``, cut one byte after the size that is right.

    Raises :class:`DataError` when the file cannot be read or unpacked.
    """
    try:
        with path.open("rb") as stream:
            if path.suffix == ".gz":
                return gunzip(stream, spec.size + 1)
            return stream.read(spec.size + 1)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})") from error


def defect(spec: FileSpec, content: bytes) -> str:
    """Return what is wrong with the uncompressed ``content``, or '' if it is the file the registry knows."""
    if len(content) > spec.size:
        wanted = f"expected {spec.size:,} bytes (expected SHA-256 {spec.sha256})"
        return f"holds more than the {wanted if spec.sha256 else f'{spec.size:,} bytes that it can have'}"
    if not spec.sha256:
        return ""
    got = hashlib.sha256(content).hexdigest()
    if got == spec.sha256:
        return ""
    hashes = f"SHA-256 is {got}, expected {spec.sha256}"
    if len(content) != spec.size:
        return f"holds {len(content):,} bytes, expected {spec.size:,}; {hashes}"
    owner = owner_of(got)
    return f"{hashes}; the content is that of {owner}" if owner else hashes


def check(spec: FileSpec, path: Path | None) -> FileCheck:
    """Compare the file at ``path`` (None: there is none) with ``spec``; never raises for a bad file."""
    if path is None:
        return FileCheck(spec.name, None, "missing", "no such file")
    try:
        reason = defect(spec, read(spec, path))
    except DataError as error:
        reason = str(error)
    return FileCheck(spec.name, path, "corrupt" if reason else "ok", reason)


def read_verified(name: str, spec: FileSpec, path: Path, repair: str) -> bytes:
    """Return the content of a file of data set ``name``, known to be the right bytes.

    Raises :class:`DataError` with the file, the expected and the found hash, and the command ``repair``.
    """
    try:
        content = read(spec, path)
        reason = defect(spec, content)
    except DataError as error:
        content, reason = b"", str(error)
    if reason:
        raise corrupt(name, path, reason, repair)
    return content


def corrupt(name: str, path: Path, reason: str, repair: str) -> DataError:
    """Return the error for a file that is not what the registry says; *repair* is '' where nothing is downloaded."""
    remedy = f"run '{repair}' to download it again, or delete the file" if repair else f"get {REGISTRY[name].obtain}"
    return DataError(f"data set '{name}': {path} is corrupt: {reason}.\nWhat to do: {remedy}.")
