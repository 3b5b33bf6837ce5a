"""Built simulators on disk, each under the digest of everything it was made from.

A finished file appears under its name in one step; of processes that want the same file, one makes it and the others
wait.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from neuro_emu.errors import ToolError

_WEEK = 7 * 24 * 3600


def cache_root() -> Path:
    """Where built simulators live: ``$NEURO_EMU_RTL_CACHE``, the user's cache directory, or else a temporary one."""
    explicit = os.environ.get("NEURO_EMU_RTL_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(explicit) if explicit else Path(base) / "neuro_emu" / "rtl"
    fallback = Path(tempfile.gettempdir()) / f"neuro_emu-rtl-{getpass.getuser()}"
    for folder in (root, fallback):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise ToolError(f"neither {root} nor {fallback} can be written; name a folder in NEURO_EMU_RTL_CACHE")


def digest(words: Sequence[str], files: Sequence[Path] = ()) -> str:
    """Digest (32 hex digits) of *words* and of the names and bytes of *files*, in their order.

    Raises:
        ToolError: a file cannot be read.
    """
    total = hashlib.sha256()
    for word in words:
        total.update(hashlib.sha256(word.encode()).digest())
    total.update(b"files")
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ToolError(f"cannot read {path}: {error.strerror or error}") from error
        total.update(hashlib.sha256(path.name.encode()).digest() + hashlib.sha256(content).digest())
    return total.hexdigest()[:32]


def cached(name: str, make: Callable[[Path], Path]) -> Path:
    """Return the file *name* of the cache; if it is not there, ``make(folder)`` makes it in an empty folder first."""
    target = cache_root() / name
    if _fresh(target):
        return target
    with _locked(target):
        if not _fresh(target):
            _forget_old_files(target.parent)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as folder:
                make(Path(folder)).replace(target)
    return target


def _fresh(target: Path) -> bool:
    """Whether *target* is there; if so it counts as used now."""
    try:
        os.utime(target)
    except FileNotFoundError:
        return False
    except OSError:
        return target.is_file()
    return True


@contextlib.contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold the lock of *target*; the system frees it if this process dies. Without locks the last writer wins."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    with target.with_name(f".lock-{target.name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_old_files(root: Path) -> None:
    """Remove what nobody used for a week: edits would otherwise grow the cache without end."""
    with contextlib.suppress(OSError):
        for path in root.iterdir():
            if time.time() - path.lstat().st_mtime <= _WEEK:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
