"""What the benchmarks share: the machine, the versions, tables and result files."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
RESULTS = Path(__file__).resolve().parent / "results"
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def one_thread() -> None:
    """Hold every numerical library to one thread; call it before importing any of them."""
    loaded = {"numpy", "numba", "torch"} & set(sys.modules)
    if loaded:
        raise RuntimeError(f"one_thread() comes too late: {', '.join(sorted(loaded))} imported already")
    os.environ.update(dict.fromkeys(THREADS, "1"))


def pin(core: int | None = None) -> int | None:
    """Keep this process on one core, the last one it may use unless *core* says which; None where impossible."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    chosen = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {chosen})
    return chosen


def cpu_model() -> str:
    """Name of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def has_vnni() -> bool:
    """Whether the processor has the 512-bit instructions that the bars of speed are meant for."""
    try:
        return " avx512_vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def cpu_slug() -> str:
    """Return the name of the processor, fit for a file name."""
    plain = re.sub(r"\((R|TM|C)\)|@.*$|\bCPU\b", " ", cpu_model(), flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "unknown"


def load_average() -> list[float] | None:
    """Load of the whole machine over 1, 5 and 15 minutes."""
    return [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def commit() -> str:
    """Return the commit measured; `-dirty` if the package or the configurations differ from it."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return "unknown"
    return head + ("-dirty" if _git("status", "--porcelain", "--", "neuro_emu", "configs") else "")


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python and *packages*; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def environment(*packages: str) -> dict[str, Any]:
    """Return what a reader needs to judge a number: machine, versions, commit, load."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(*packages),
        "commit": commit(),
        "load_average": load_average(),
    }


def describe(facts: dict[str, Any]) -> str:
    """Return *facts* of :func:`environment` in two lines."""
    named = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    load = "unknown" if facts["load_average"] is None else f"{facts['load_average'][0]:.2f}"
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['system']}; load average {load}\n"
        f"{named}; commit {facts['commit']}"
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out *rows* under *header*: first column to the left, the others to the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[c]) for line in lines) for c in range(len(header))]
    lines.insert(1, ["-" * w for w in widths])
    return "\n".join(
        "  ".join(
            cell.ljust(w) if c == 0 else cell.rjust(w) for c, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write *record* under a temporary name, then move it into place: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}")


def verdict(missed: Sequence[str], *, enforced: bool = True) -> int:
    """Say which bars were missed; returns the exit code."""
    for text in missed:
        print(f"MISSED: {text}")
    if not missed:
        print("every bar met" if enforced else "no bar missed")
    return 1 if missed and enforced else 0
