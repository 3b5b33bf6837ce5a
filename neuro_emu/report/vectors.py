"""What `neuro-emu golden` says about the vectors that it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neuro_emu.golden.adversarial import missed
from neuro_emu.golden.sets import VectorSet, total_sites
from neuro_emu.golden.sites import unreachable
from neuro_emu.machine.chip import Chip


def exported(chip: Chip, sets: Sequence[VectorSet], folder: Path) -> str:
    """Return the summary: sets, sites reached, sites that no vector can reach, how to run them."""
    lines = [f"{folder}: golden vectors of {chip.network}, {chip.learning.rule.name}", ""]
    lines.append(f"  {'set':<28}{'samples':>8}{'records':>10}{'cycles':>12}  sites fired")
    for vectors in sets:
        fired = sum(count > 0 for count in vectors.sites.values())
        lines.append(
            f"  {vectors.name:<28}{len(vectors.samples):>8,}{len(vectors.golden.records):>10,}"
            f"{sum(vectors.golden.cycles):>12,}  {fired} of {len(vectors.sites)}"
        )
    total = total_sites(sets)
    fired = sum(count > 0 for count in total.values())
    lines += ["", f"  sites: {fired} fired, {len(unreachable(chip))} proved out of reach (manifest.json)"]
    if len(sets) > 1:
        lines += [f"  missed {site}: {reason}" for site, reason in missed(chip, total).items()]
    lines += ["", f"  neuro-emu cosim {folder} --simulator icarus", ""]
    return "\n".join(lines)
