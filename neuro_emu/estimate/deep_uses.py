"""What a chip with a graph does, from its counters: every count becomes actions of parts; none is dropped.

Counters are kept by phase and layer, and a layer's may come from several operations: the layer itself, a pool or a
residual's end behind it, a shared activation. Each count is shared out among them as the closed form has it when no
code is 0 (:func:`neuro_emu.datapath.deep.expected.expected_activity`).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from neuro_emu.datapath.deep.expected import expected_activity
from neuro_emu.errors import MismatchError
from neuro_emu.estimate.chip_uses import Clocked
from neuro_emu.estimate.deep_held import Counter
from neuro_emu.estimate.deep_parts import ENABLED, NORM_PARTS
from neuro_emu.estimate.deep_places import PlacesOf, known_parts
from neuro_emu.estimate.parts import Part, Use
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Phase, Port
from neuro_emu.machine.deep.activity import Activity, counts_of
from neuro_emu.machine.deep.chip import DeepChip

_TIME = (C.CYCLES, C.STALLS, C.RANDOM_WORD)
"""Charged with the clocked parts."""

_ASSUMED = (0.5, 2.0)
"""Range of what is assumed, in counts."""

_Where = tuple[Phase, int, Counter]


class Shares:
    """How the counts of one chip are shared out.

    Args:
        chip: the chip.
        activity: of training or inference, any density.
        parts: of the chip, by name.
        learning: which of the two.

    """

    def __init__(self, chip: DeepChip, activity: Activity, parts: dict[str, Part], *, learning: bool) -> None:
        self._totals: dict[_Where, int] = defaultdict(int)
        self._places: dict[_Where, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
        places = PlacesOf(chip, parts, learning=learning)
        for key, count in activity.done.items():
            if not count:
                continue
            one = Activity()
            one.note(key, count, activity.hits.get(key), activity.stalls[key])
            for where, times in found_in(counts_of(chip, one, learning=learning)).items():
                self._totals[where] += times
                for part, action, each in known_parts(places.of(key, where[0], where[2]), parts):
                    self._places[where][part, action] += times * each

    def of(self, where: _Where, count: int) -> list[tuple[str, str, float]]:
        """Return part, action and how often, for *count* counts.

        Raises:
            MismatchError: if no operation of the chip counts there.

        """
        total = self._totals.get(where, 0)
        if not total:
            phase, layer, counter = where
            what = f"{counter} in phase {phase.name.lower()} of layer {layer}"
            raise MismatchError(f"counted {what}: nothing there does that")
        return [(part, action, count * times / total) for (part, action), times in self._places[where].items()]


def found_in(counts: Counts) -> dict[_Where, int]:
    """Return every counter that is not 0 but cycles, stalls and random words, banks summed."""
    found: dict[_Where, int] = {}
    for p, k, c in np.argwhere(counts.events).tolist():
        if C(c) not in _TIME:
            found[Phase(p), k, C(c).name.lower()] = int(counts.events[p, k, c])
    banked = counts.banked.sum(axis=3)
    for p, k, port in np.argwhere(banked).tolist():
        found[Phase(p), k, Port(port).name.lower()] = int(banked[p, k, port])
    return found


def uses_of(
    chip: DeepChip, counts: Counts, samples: int, parts: tuple[Part, ...], *, learning: bool
) -> tuple[Use, ...]:
    """Return what one of *samples* samples makes the parts do.

    Args:
        chip: the chip.
        counts: of training or of inference.
        samples: that they are over.
        parts: of the chip.
        learning: whether they are of training.

    Raises:
        MismatchError: if something was counted that no part does.

    """
    named, found = {part.name: part for part in parts}, list[Use]()
    training, inference, _ = expected_activity(chip, (1.0,))
    shares = Shares(chip, training if learning else inference, named, learning=learning)
    clocked = Clocked(named, chip.design.lanes, chip.numerics.word_source, ENABLED)
    counted: dict[tuple[Phase, int], dict[Counter, int]] = defaultdict(dict)
    for where, count in found_in(counts).items():
        counted[where[:2]][where[2]] = count
    for phase in Phase:
        for layer in range(len(chip.graph.layers)):
            operated: dict[str, float] = defaultdict(float)

            def use(part: str, action: str, count: float, why: str, at: tuple[Phase, int] = (phase, layer)) -> None:
                times = count / samples
                assumed = part in NORM_PARTS and action == "operate"
                span = (_ASSUMED[0] * times, _ASSUMED[1] * times) if assumed else None
                found.append(Use(at[0].name.lower(), at[1], part, action, times, why, span))

            for counter, count in counted[phase, layer].items():
                for part, action, times in shares.of((phase, layer, counter), count):
                    use(part, action, times, counter)
                    if action == "operate":
                        operated[part] += times
            events = {c: int(counts.events[phase, layer, c]) for c in C if counts.events[phase, layer, c]}
            for one in (*clocked.idle(operated), *clocked.clocked(events, operated, operated["activation units"])):
                use(*one)
    return tuple(found)
