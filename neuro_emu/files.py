"""Writing files so that nothing is lost: to a temporary name beside the target, then moved."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from neuro_emu.errors import RunError


def write_bytes(path: Path, content: bytes) -> None:
    """Write *content* to *path* in one step: readers see the old file or the whole new one.

    Raises:
        RunError: with the reason if that cannot be.
    """
    _make_directory(path.parent)
    try:
        _replace(path, content)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def check_writable(directory: Path) -> None:
    """Raise RunError with the reason if no file can be written to *directory*; leaves nothing behind."""
    missing = [directory, *directory.parents]
    missing = missing[: next(n for n, path in enumerate(missing) if path.exists())]
    _make_directory(directory)
    try:
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise RunError(f"cannot write to {directory}: {error.strerror or error}") from error
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the directory {path}: {error.strerror or error}") from error


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def write_text(path: Path, content: str) -> None:
    """Write *content* as UTF-8; see :func:`write_bytes`."""
    write_bytes(path, content.encode())


def json_text(value: Any) -> str:
    """Return *value* as JSON: short lists on one line, stable bytes."""
    return _pretty(value, 0) + "\n"


_WIDTH = 100


def _pretty(value: Any, indent: int) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(flat) + indent <= _WIDTH:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        items = [f"{json.dumps(str(k), ensure_ascii=False)}: {_pretty(v, indent + 2)}" for k, v in value.items()]
        return "{\n" + ",\n".join(pad + item for item in items) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + _pretty(v, indent + 2) for v in value) + "\n" + " " * indent + "]"
