"""What the processor allows: its measured peaks, and the limit of a training sample.

The event-driven limit of a training sample: rows whose input is 0 cost nothing, and of the others

    limit = MACs of the active rows of every layer / peak of VNNI
          + bytes of the weights that the update reads, changes and writes / bandwidth of doing so

where the update touches every weight of each active row, a weight of up to 8 bits is 1 byte and one of up to 16 bits
2, and the bandwidth is that of the nearest cache that holds all weights. Nothing else is in it: no activation, no
rounding, no random word, no clamping; MACs and updates do not overlap. At that storage a sample cannot be faster,
unless one update serves several samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LEVELS = ("L1", "L2", "L3", "DRAM")


@dataclass(frozen=True)
class Peaks:
    """Measured peaks: GMAC/s of VNNI on bytes, GB/s of reading and of reading, changing and writing, by cache."""

    vnni: float
    read: dict[str, float]
    change: dict[str, float]

    @classmethod
    def of(cls, measured: Mapping[str, float]) -> Peaks:
        """Take them from what peaks.measure() returns."""
        read, change = ({name: measured[f"{how}_{name.lower()}"] for name in LEVELS} for how in ("read", "modify"))
        return cls(measured["bytes"], read, change)

    def better(self, other: Peaks) -> Peaks:
        """Return the larger of each peak: both were reached."""
        return Peaks(
            max(self.vnni, other.vnni),
            {name: max(rate, other.read[name]) for name, rate in self.read.items()},
            {name: max(rate, other.change[name]) for name, rate in self.change.items()},
        )


def caches() -> dict[str, int]:
    """Bytes of the data caches of the first core, as Linux tells them; empty if it does not."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind, level, size = ((folder / name).read_text("ascii").strip() for name in ("type", "level", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = int(size.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(size[-1], 0)
    return found


def level_of(size: int) -> str:
    """Name the nearest memory that holds *size* bytes."""
    return next((name for name, room in caches().items() if size <= room), "DRAM")


def stored(work: Mapping[str, Any]) -> int:
    """Bytes of all weights."""
    return sum(n * b for n, b in zip(work["weights"], work["bytes"], strict=True))


def limit(work: Mapping[str, Any], peaks: Peaks) -> dict[str, Any]:
    """Return the event-driven limit of a training sample, in µs, and what it is made of."""
    touched = sum(n * b for n, b in zip(work["updates"], work["bytes"], strict=True))
    level = level_of(stored(work))
    bandwidth = peaks.change[level]
    forward, update = sum(work["macs"]) / peaks.vnni / 1e3, touched / bandwidth / 1e3
    return {
        "forward_us": round(forward, 3),
        "update_us": round(update, 3),
        "limit_us": round(forward + update, 3),
        "macs": round(sum(work["macs"])),
        "updated_bytes": round(touched),
        "level": level,
        "level_gb_per_second": bandwidth,
        "vnni_gmac_per_second": peaks.vnni,
    }
