"""The whole co-simulation of a chip: sets of vectors, their verdicts, the details of the first mismatch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from neuro_emu.cosim.compare import written_mismatch
from neuro_emu.cosim.mismatch import Mismatch
from neuro_emu.cosim.simulators import Checked, Simulator
from neuro_emu.golden.sets import VectorSet
from neuro_emu.golden.trace import Kind
from neuro_emu.machine.chip import Chip

WINDOW = 200
"""Cycles of a waveform before and after a mismatch."""


@dataclass(frozen=True)
class Verdict:
    """What a co-simulation found.

    Attributes:
        simulator: name and version.
        checked: one entry a set, up to the first that differs.
        waves: waveform that was written, if any.

    """

    simulator: str
    checked: tuple[Checked, ...]
    waves: Path | None = None

    @property
    def mismatch(self) -> Mismatch | None:
        """The first mismatch."""
        return self.checked[-1].mismatch if self.checked else None

    def __str__(self) -> str:
        if self.mismatch:
            shown = f"\n  waveform  {self.waves}" if self.waves else ""
            return f"{self.mismatch}{shown}"
        total = [sum(getattr(c, name) for c in self.checked) for name in ("samples", "records", "cycles")]
        natural = [c.vectors for c in self.checked if not c.vectors.startswith("adversarial")]
        others = len(self.checked) - len(natural)
        names = ", ".join(natural) + (f" and {others} adversarial sets" if others else "")
        return (
            f"identical: {total[0]:,} samples, {total[1]:,} trace records, {total[2]:,} clock cycles,"
            f" final weights ({names}; {self.simulator})"
        )

    def as_dict(self) -> dict[str, object]:
        """Return the record for JSON."""
        return {
            "identical": self.mismatch is None,
            "simulator": self.simulator,
            "sets": [
                {"name": c.vectors, "samples": c.samples, "records": c.records, "cycles": c.cycles}
                for c in self.checked
            ],
            "mismatch": self.mismatch.as_dict() if self.mismatch else None,
            "waves": str(self.waves) if self.waves else None,
        }


def cosimulate(
    chip: Chip,
    simulator: Simulator,
    sets: Sequence[VectorSet],
    *,
    waves: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Run *sets* until one differs.

    Args:
        chip: the chip.
        simulator: what runs it.
        sets: vectors.
        waves: file for a waveform around the first mismatch, or around the first sample if there is none.
        report: called with what is being done.

    """
    checked: list[Checked] = []
    for vectors in sets:
        report(f"simulating {vectors.name}: {len(vectors.samples)} samples")
        found = simulator.check(vectors)
        if found.mismatch and found.record and found.record.kind is Kind.WRITES:
            report("looking for the row behind a wrong signature")
            written = simulator.writes(vectors, found.record.sample)
            found = replace(found, mismatch=written_mismatch(chip, vectors, found.record, written, found.mismatch))
        checked.append(found)
        if found.mismatch:
            break
    if waves and checked:
        report("writing a waveform")
        _write_waves(simulator, sets[len(checked) - 1], checked[-1].mismatch, waves)
    return Verdict(simulator.name, tuple(checked), waves)


def _write_waves(simulator: Simulator, vectors: VectorSet, mismatch: Mismatch | None, path: Path) -> None:
    sample = mismatch.sample if mismatch and mismatch.sample is not None else 0
    centre = mismatch.cycle if mismatch and mismatch.cycle is not None else WINDOW
    path.parent.mkdir(parents=True, exist_ok=True)
    simulator.waves(vectors, sample, (max(centre - WINDOW, 0), centre + WINDOW), path)
