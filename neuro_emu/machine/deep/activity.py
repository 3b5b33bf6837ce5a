"""Counts of graphs in closed form, from how many samples each operation saw: what the compiled datapath reports.

The traced datapath counts cycle by cycle and access by access (docs/machine.md); the two are tested equal.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neuro_emu.machine.counts import Counts, Int64
from neuro_emu.machine.deep.mapping import Mapping
from neuro_emu.machine.deep.passes import Passes
from neuro_emu.machine.deep.writes import Writes

if TYPE_CHECKING:
    from neuro_emu.machine.deep.chip import DeepChip

Key = tuple[object, ...]
"""An operation: the name of a method of :class:`Passes` or :class:`Writes`, and its arguments but the last."""


@dataclass
class Activity:
    """What the operations of a datapath went through.

    Attributes:
        done: how many samples each operation saw; of writes, how many batches.
        hits: of passes over codes, by the same key: how often each code of the map or vector was not 0.
        stalls: of sums over the rows of a dense matrix, by the same key: stalls of one group.

    """

    done: Counter[Key] = field(default_factory=Counter)
    hits: dict[Key, Int64] = field(default_factory=dict)
    stalls: Counter[Key] = field(default_factory=Counter)

    def note(self, key: Key, count: int, hits: Int64 | None = None, stalls: int = 0) -> None:
        """Add *count* samples, or batches, of an operation."""
        self.done[key] += count
        self.stalls[key] += stalls
        if hits is not None:
            self.hits[key] = self.hits[key] + hits if key in self.hits else hits.copy()

    def copy(self) -> Activity:
        """Return an independent copy."""
        return Activity(Counter(self.done), {key: hits.copy() for key, hits in self.hits.items()}, Counter(self.stalls))


def counts_of(chip: DeepChip, activity: Activity, *, learning: bool) -> Counts:
    """Return the counts of a chip whose operations were active as told.

    Args:
        chip: the chip.
        activity: of training or of inference.
        learning: which of the two.

    """
    counts = Counts(len(chip.graph.layers), chip.design.weight_banks)
    mapping = Mapping(chip)
    passes, writes = Passes(mapping, counts, activity, learning=learning), Writes(mapping, counts, activity)
    for key, count in activity.done.items():
        if not count:
            continue
        name, arguments = str(key[0]), key[1:]
        method = getattr(passes, name, None) or getattr(writes, name)
        method(*arguments, count)
    return counts
