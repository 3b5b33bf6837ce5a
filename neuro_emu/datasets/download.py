"""Getting a data set that is not there yet: sources in order, verification, atomic files."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from neuro_emu.datasets import sources
from neuro_emu.datasets.content import defect
from neuro_emu.datasets.locate import DATA_VARIABLE
from neuro_emu.datasets.registry import DatasetSpec, Source
from neuro_emu.datasets.sources import Progress
from neuro_emu.errors import DataError

OFFLINE_VARIABLE = "NEURO_EMU_OFFLINE"


def offline() -> bool:
    """Return whether $NEURO_EMU_OFFLINE forbids downloads (any value but empty, 0, false, no, off)."""
    value = os.environ.get(OFFLINE_VARIABLE, "").strip().lower()
    return value not in ("", "0", "false", "no", "off")


def download(spec: DatasetSpec, root: Path, progress: Progress | None = None) -> Path:
    """Fetch all files of ``spec`` into ``<root>/<name>/`` and return that directory.

    A file appears under its name only complete and with the right SHA-256, whatever happens and whoever
    fetches at the same time. Raises :class:`DataError` when downloads are forbidden, the directory cannot
    be written, or every source fails.
    """
    if offline():
        raise DataError(
            f"data set '{spec.name}' would have to be downloaded, but {OFFLINE_VARIABLE} forbids it.\n"
            f"What to do: unset {OFFLINE_VARIABLE}; or {_by_hand(spec)}."
        )
    directory = root / spec.name
    _require_writable(directory)
    contents = _collect(spec, progress or _silent)
    for file in spec.files:
        _write(directory / file.name, contents[file.name])
    return directory


def _collect(spec: DatasetSpec, progress: Progress) -> dict[str, bytes]:
    """Return the verified content of all files from the first source that has it."""
    reasons = []
    for source in spec.sources:
        try:
            return _verified(source, spec, progress)
        except DataError as error:
            reasons.append(f"  - {source}: {error}")
    raise DataError(
        f"data set '{spec.name}' could not be fetched; every source failed:\n"
        + "\n".join(reasons)
        + f"\nWhat to do: mend one of the above and run 'neuro-emu data fetch {spec.name}'; "
        f"or {_by_hand(spec)}."
    )


def _verified(source: Source, spec: DatasetSpec, progress: Progress) -> dict[str, bytes]:
    contents = sources.deliver(source, spec, progress)
    for file in spec.files:
        reason = defect(file, contents[file.name])
        if reason:
            raise DataError(f"delivered a wrong {file.name}: {reason}")
    return contents


def _by_hand(spec: DatasetSpec) -> str:
    files = ", ".join(file.name for file in spec.files)
    return (
        f"put {files} (plain or .gz) into a directory and name it with --path or {DATA_VARIABLE}; "
        f"or use the data set 'synthetic', which needs no files"
    )


def _require_writable(directory: Path) -> None:
    """Complain before the download rather than after it; creates nothing."""
    try:
        existing = next(place for place in (directory, *directory.absolute().parents) if place.exists())
    except OSError as error:
        raise _unwritable(directory, str(error.strerror or error)) from error
    if not existing.is_dir():
        raise _unwritable(directory, f"{existing} is not a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _unwritable(directory, f"no permission to write in {existing}")


def _write(target: Path, content: bytes) -> None:
    """Write ``target`` in one step: readers see the old file or the whole new one."""
    # Unique per call, so that two processes fetching at once never write into one file.
    part = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        raise _unwritable(target, str(error.strerror or error)) from error
    finally:
        part.unlink(missing_ok=True)


def _unwritable(target: Path, reason: str) -> DataError:
    return DataError(
        f"cannot write {target}: {reason}.\n"
        f"What to do: free or permit the place, or choose another one with --path or {DATA_VARIABLE}."
    )


def _silent(done: int, total: int | None, what: str) -> None:
    """Report nothing."""
