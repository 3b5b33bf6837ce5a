"""Everything the emulator knows about one sample, for the search for a cause."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.golden.trace import Samples
from neuro_emu.machine.chip import Chip
from neuro_emu.network.state import ChipState

Int64 = NDArray[np.int64]
Place = tuple[str, int, int]


@dataclass(frozen=True)
class Row:
    """One written row of a group: what was there, what met it, what was written.

    Attributes:
        row: i.
        before: (lanes,) weights, or mini-batch sums, before.
        after: (lanes,) what was written.
        words: (lanes,) random words; None if none were drawn.
        summed: whether mini-batch sums were written, not weights.

    """

    row: int
    before: Int64
    after: Int64
    words: Int64 | None
    summed: bool


@dataclass
class Scene:
    """One sample, seen by the traced datapath.

    Attributes:
        chip: the chip.
        before: state before the sample.
        label: of the sample.
        vectors: (what, layer, group) → codes, as the traced datapath shows them.
        codes: input codes of each layer.
        rows: (layer, group) → written rows in order.

    """

    chip: Chip
    before: ChipState
    label: int
    vectors: dict[Place, Int64] = field(default_factory=dict)
    codes: list[Int64] = field(default_factory=list)
    rows: dict[tuple[int, int], list[Row]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, chip: Chip, state: ChipState, samples: Samples, sample: int, *, flush: bool = False) -> Scene:
        """Run *samples* up to number *sample* and look at that one; *flush* writes a short mini-batch after it."""
        path = TracedDatapath(chip, state)
        for n in range(sample):
            _present(path, samples, n)
        scene = cls(chip, path.state.copy(), int(samples.labels[sample]))
        watched = _Watch(scene, path)
        path.record = watched.record
        _present(path, samples, sample)
        if flush:
            path.end_epoch()
        outputs = [
            np.concatenate([scene.vectors["y", layer.index, g] for g in range(_groups(chip, layer.units))])
            for layer in chip.network.layers
        ]
        scene.codes = [samples.codes[sample].astype(np.int64), *outputs]
        return scene

    def operand(self, layer: int, row: int) -> int:
        """Input code of a row; the bias code for the last."""
        described = self.chip.network.layers[layer]
        return described.bias_code if row == described.inputs else int(self.codes[layer][row])


class _Watch:
    """Receives what a traced datapath shows."""

    def __init__(self, scene: Scene, path: TracedDatapath) -> None:
        self.scene, self.path = scene, path
        self._words: Int64 | None = None
        self._stored: Int64 = np.zeros(0, dtype=np.int64)

    def record(self, what: str, layer: int, group: int, codes: Int64) -> None:
        """Keep vectors by name, rows in order."""
        if what == "words":
            self._words = codes.copy()
        elif what in {"weights", "kept", "sums"}:
            self._written(what, layer, group, codes)
        else:
            self.scene.vectors[what, layer, group] = codes.copy()

    def _written(self, what: str, layer: int, group: int, codes: Int64) -> None:
        place, chip = self.path.row, self.scene.chip
        first = group * chip.design.lanes
        lanes = slice(first, first + len(codes))
        matrices = self.scene.before.gradients if what == "sums" else self.scene.before.weights
        before = matrices[layer][place, lanes].astype(np.int64)
        words = self._words if what == "weights" else None
        self.scene.rows[layer, group].append(Row(place, before, codes.copy(), words, what == "sums"))
        self._words = None


def _present(path: TracedDatapath, samples: Samples, n: int) -> None:
    codes = samples.codes[n].astype(np.int64)
    if samples.learn[n]:
        path.train(codes, int(samples.labels[n]))
    else:
        path.infer(codes)


def _groups(chip: Chip, units: int) -> int:
    return chip.design.groups(units)
