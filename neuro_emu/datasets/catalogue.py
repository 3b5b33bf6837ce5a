"""What can be asked about the data sets without loading them: list, where, verify, fetch."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neuro_emu.datasets.content import FileCheck, check, corrupt
from neuro_emu.datasets.locate import (
    GENERATED,
    Location,
    candidates,
    download_root,
    find,
    in_cache,
    is_directory,
    not_found,
)
from neuro_emu.datasets.registry import REGISTRY, DatasetSpec, specification

if TYPE_CHECKING:
    from neuro_emu.datasets.sources import Progress


@dataclass(frozen=True)
class Description:
    """One line of the list of data sets; ``size`` is in bytes, uncompressed.

    ``origin`` and ``directory`` say where the files were found, None if they would have to be fetched;
    finding is not verifying. ``obtain`` says where the publisher offers a set that nothing here can fetch.
    """

    name: str
    summary: str
    licence: str
    image_shape: tuple[int, int]
    channels: int
    classes: int
    train: int
    test: int
    size: int
    sources: tuple[str, ...]
    origin: str | None
    directory: Path | None
    real: bool
    regression: bool
    obtain: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        return self.channels, *self.image_shape


def describe() -> list[Description]:
    """Return a description of every data set; looks for the files but opens none."""
    return [_description(spec) for spec in REGISTRY.values()]


def _description(spec: DatasetSpec) -> Description:
    place = find(spec)
    return Description(
        name=spec.name,
        summary=spec.summary,
        licence=spec.licence,
        image_shape=spec.image_shape,
        channels=spec.channels,
        classes=spec.classes,
        train=spec.train,
        test=spec.test,
        size=spec.size,
        sources=tuple(str(source) for source in spec.sources),
        origin=place.origin if place else None,
        directory=place.directory if place else None,
        real=spec.real,
        regression=spec.regression,
        obtain=spec.obtain,
    )


def where(name: str, path: str | os.PathLike[str] | None = None) -> Location:
    """Return where the files of ``name`` lie (not whether they are sound); see :func:`verify`.

    Raises :class:`DataError` listing the places searched if they are nowhere.
    """
    spec = specification(name)
    place = find(spec, path)
    if place is None:
        raise not_found(spec, path)
    return place


def verify(name: str, path: str | os.PathLike[str] | None = None) -> list[FileCheck]:
    """Return one check per file of ``name``, in registry order; empty for a generated set.

    An incomplete set is checked where most of it lies. Raises :class:`DataError` for an unknown name or a
    ``path`` that is not a directory.
    """
    spec = specification(name)
    if path is not None and not spec.generated and not is_directory(Path(path).expanduser()):
        raise not_found(spec, path)
    place = find(spec, path) or max(candidates(spec, path), key=lambda each: len(each.files), default=None)
    return _checks(spec, place)


def fetch(
    name: str,
    path: str | os.PathLike[str] | None = None,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> Location:
    """Make sure that the verified files of ``name`` are on this machine and return where.

    Files that are found and sound are left alone unless ``force`` is true. A download goes to
    ``<root>/<name>/``, the root being ``path``, else $NEURO_EMU_DATA, else the user's cache; it replaces
    nothing outside that directory. What is corrupt in the cache is downloaded again, ``force`` or not, while
    downloads are allowed: nobody but this program keeps files there. ``progress`` is called with (bytes done,
    total bytes or None, what).

    Raises :class:`DataError` if a file found elsewhere is corrupt and ``force`` is false, if downloads are
    forbidden, if every source fails, or if the directory cannot be written.
    """
    spec = specification(name)
    if spec.generated:
        return Location(name, GENERATED, None)
    from neuro_emu.datasets.download import download, offline

    place = None if force and not spec.obtain else find(spec, path)
    bad = _first_bad(spec, place) if place else None
    if place is None or (bad and not spec.obtain and not offline() and in_cache(place)):
        if spec.obtain:
            raise not_found(spec, path)
        download(spec, download_root(path), progress)
        place = where(name, path)
        bad = _first_bad(spec, place)
    if bad:
        raise corrupt(name, bad.path or Path(bad.file), bad.reason, repair_command(name, path))
    return place


def repair_command(name: str, path: str | os.PathLike[str] | None = None) -> str:
    """Return the command that replaces a corrupt copy of ``name``; '' for a set that nothing here can fetch."""
    if specification(name).obtain:
        return ""
    place = f" --path {shlex.quote(os.fspath(path))}" if path is not None else ""
    return f"neuro-emu data fetch {name}{place} --force"


def _checks(spec: DatasetSpec, place: Location | None) -> list[FileCheck]:
    return [check(file, place.files.get(file.name) if place else None) for file in spec.files]


def _first_bad(spec: DatasetSpec, place: Location) -> FileCheck | None:
    return next((result for result in _checks(spec, place) if result.status != "ok"), None)
