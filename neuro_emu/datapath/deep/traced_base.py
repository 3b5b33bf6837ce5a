"""What the parts of the traced datapath of graphs share: state, counters, geometry of groups, tiles and taps.

Values lie in the arrays that the walk holds; everything is made one code, or the lanes of one group, at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.ops import Kept
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Phase, Port
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.mapping import Mapping
from neuro_emu.machine.design import ZeroInput
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import TALLIES
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.ops import align, saturate

Array = NDArray[Any]
Place = tuple[int, ...]


class TracedBase:
    """State and counters; see :class:`neuro_emu.datapath.deep.traced.TracedOps`.

    Attributes:
        trained, tested: (layers, events) of training and of inference.
        learning: which of the two is going on.

    """

    def __init__(self, chip: DeepChip, state: DeepState) -> None:
        chip.refuse_unheld()
        self.chip, self.state, self.mapping = chip, state, Mapping(chip)
        self.graph, self.design = chip.graph, chip.design
        shape = len(chip.graph.layers), len(TALLIES)
        self.trained, self.tested = (np.zeros(shape, dtype=np.int64) for _ in range(2))
        self._counts = tuple(Counts(shape[0], chip.design.weight_banks) for _ in range(2))
        self.learning = False
        self._samples = 0
        self._kept: Kept | None = None
        self._gone: dict[int, Array] = {}
        self._folded: set[int] = set()

    def counts(self) -> tuple[Counts, Counts]:
        """Counts of training and of inference so far."""
        return self._counts[0], self._counts[1]

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Test in here without a trace in counts and events."""
        kept, tested, folded = self._counts, self.tested.copy(), set(self._folded)
        self._counts = (kept[0], Counts(len(self.graph.layers), self.design.weight_banks))
        yield
        self._counts, self._folded = kept, folded
        self.tested[:] = tested

    # --- counters ---

    def count(self, phase: Phase, layer: int, component: C, count: int = 1) -> None:
        """Count events of what is going on."""
        self._counts[not self.learning].add(phase, layer, component, count)

    def access(self, phase: Phase, layer: int, port: Port, address: int) -> None:
        """Count an access to a word of a banked memory."""
        self._counts[not self.learning].access(phase, layer, port, address % self.design.weight_banks)

    def happened(self, layer: int, event: int, times: int = 1) -> None:
        """Count an event of docs/numerics.md, section 2."""
        (self.trained if self.learning else self.tested)[layer, event] += times

    def narrowed(self, exact: int, shift: int, to: Format, layer: int, event: int) -> int:
        """Requantise one value; a clamp counts as *event* of *layer*."""
        aligned = align(exact, shift)
        code = saturate(aligned, to.low, to.high)
        if code != aligned:
            self.happened(layer, event)
        return code

    @staticmethod
    def phase(matrix: Matrix) -> Phase:
        """What the chip is doing when it writes a matrix."""
        return Phase.FEEDBACK if matrix.kind in {Kind.FEEDBACK, Kind.TWIN} else Phase.UPDATE

    # --- geometry ---

    def groups(self, units: int) -> Iterator[tuple[int, slice]]:
        """Each group of lanes over *units* channels or neurons, and which they are."""
        for group in range(self.design.groups(units)):
            first = group * self.design.lanes
            yield group, slice(first, first + self.design.valid(units, group))

    def tiles(self, node: Weighted) -> Iterator[list[Place]]:
        """Tiles of consecutive output positions (row, column)."""
        columns = node.shape[1]
        for first in range(0, node.positions, self.design.positions):
            last = min(first + self.design.positions, node.positions)
            yield [divmod(position, columns) for position in range(first, last)]

    @staticmethod
    def taps(node: Weighted, row: int, positions: list[Place]) -> list[Place | None]:
        """Place (row, column, channel) that row *row* of W sees from each position; None in the padding."""
        window = node.kernel
        tap, channel = divmod(row, window.channels)
        down, across = divmod(tap, window.kernel_width)
        found: list[Place | None] = []
        for y, x in positions:
            at, there = y * window.stride + down - window.padding, x * window.stride + across - window.padding
            inside = 0 <= at < window.height and 0 <= there < window.width
            found.append((at, there, channel) if inside else None)
        return found

    def row_slots(self, codes: list[int], biased: bool) -> list[tuple[int, bool]]:
        """(row, accessed) of every row slot of a dense matrix that takes a cycle; the last row may be the bias row."""
        mode, slots = self.design.zero_input, []
        for row, code in enumerate(codes):
            active = code != 0 or (biased and row == len(codes) - 1)
            if active or mode is not ZeroInput.SKIP:
                slots.append((row, active or mode is ZeroInput.NONE))
        return slots

    # --- maps ---

    def lane_passes(self, phase: Phase, layer: int, shape: Shape) -> None:
        """Count the cycles of the activation units over one map: so many lanes of a group a cycle."""
        for _ in range(shape[0] * shape[1]):
            for _, lanes in self.groups(shape[2]):
                valid = lanes.stop - lanes.start
                self.count(phase, layer, C.CYCLES, -(-valid // self.design.activation_units))

    @staticmethod
    def each(shape: tuple[int, ...], dtype: Any, make: Callable[[Place], int]) -> Array:
        """Return an array of *shape* made code by code, in the order of their numbers."""
        found = np.zeros(shape, dtype=dtype)
        for place in np.ndindex(shape):
            found[place] = make(place)
        return found
