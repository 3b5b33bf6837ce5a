"""Hamming distances that a chip's operands have, and what they make of the energy of its lanes.

Samples run through the traced datapath, which shows every vector. From row to row, each lane sees another weight and
all lanes the next code; product, sum, step and updated weight follow. The mean share of bits that change is what
:mod:`neuro_emu.estimate.activity_factors` makes a factor of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.estimate.activity_factors import ACCUMULATOR_TOGGLES, relative_distance, relative_energy
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.design import ZeroInput
from neuro_emu.network.state import ChipState, Int64


def distance(values: Int64, bits: int) -> float:
    """Return the mean number of bits that differ between consecutive rows of *values* (rows, lanes), in *bits* bits."""
    if len(values) < 2:
        return 0.0
    changed = np.bitwise_xor(values[1:], values[:-1]) % 2 ** min(bits, 62)
    return float(np.bitwise_count(changed).mean())


@dataclass
class Mean:
    """A mean over rows."""

    weighted: float = 0.0
    rows: int = 0

    def add(self, value: float, rows: int) -> None:
        """Take *value* into account *rows* times."""
        self.weighted += value * rows
        self.rows += rows

    @property
    def value(self) -> float:
        """The mean; 0 of nothing."""
        return self.weighted / self.rows if self.rows else 0.0


@dataclass
class Toggles:
    """Mean relative distances of operands in the lanes, forward and in updates: 0 held, 1 random.

    Attributes:
        means: by (phase, signal): ``weight``, ``code``, ``product``, ``sum``, ``step``, ``word``.
        layers: by (phase, signal, layer).

    """

    means: dict[tuple[str, str], Mean] = field(default_factory=dict)
    layers: dict[tuple[str, str, int], Mean] = field(default_factory=dict)

    def add(self, phase: str, signal: str, layer: int, value: float, rows: int) -> None:
        """Take the relative distance of *rows* rows of a layer into account."""
        self.means.setdefault((phase, signal), Mean()).add(value, rows)
        self.layers.setdefault((phase, signal, layer), Mean()).add(value, rows)

    def of(self, phase: str, signal: str) -> float:
        """Return a mean relative distance."""
        return self.means.get((phase, signal), Mean()).value

    def operands(self) -> dict[tuple[str, str], float]:
        """Return the energy of lanes' operations relative to random operands, by part and phase."""
        found: dict[tuple[str, str], float] = {}
        if self.means.get(("forward", "weight")):
            weight, code, product = (self.of("forward", name) for name in ("weight", "code", "product"))
            found["lane multiplier", "forward"] = relative_energy("multiplier", weight, code, product)
            found["lane accumulate", "forward"] = relative_energy(
                "accumulator", product, h_out=self.of("forward", "sum")
            )
        if self.means.get(("update", "weight")):
            weight, code, step = (self.of("update", name) for name in ("weight", "code", "step"))
            # The modulatory signal stays in the lane while rows pass.
            found["lane multiplier", "update"] = relative_energy("multiplier", 0.0, code, step)
            found["lane update", "update"] = relative_energy("update", step, weight, h_word=self.of("update", "word"))
        return found


class _Watch:
    """Listens to a traced datapath."""

    def __init__(self, chip: Chip) -> None:
        self.chip, self.toggles = chip, Toggles()
        self._inputs: dict[int, Int64] = {}
        self._lanes: Int64 = np.zeros(0, dtype=np.int64)
        self.state: ChipState | None = None

    def __call__(self, what: str, layer: int, group: int, codes: Int64) -> None:
        if what == "input":
            self._inputs = {0: codes}
        elif what == "y":
            width = self.chip.network.layers[layer].units
            vector = self._inputs.setdefault(layer + 1, np.zeros(width, dtype=np.int64))
            first = group * self.chip.design.lanes
            vector[first : first + len(codes)] = codes
        elif what == "z":
            self._forward(layer, group)
        elif what == "lanes":
            self._lanes = codes.copy()
        elif what == "held":
            self._update(layer, codes)

    def _rows(self, layer: int) -> Int64:
        """Input codes of the rows that are accessed, the bias last."""
        storage = self.chip.network.layers[layer].input
        codes = self._inputs[layer]
        bias = np.array([2**storage.frac], dtype=np.int64)
        if self.chip.design.zero_input is not ZeroInput.NONE:
            codes = codes[codes != 0]  # skipped, or gated: operands are held
        return np.concatenate([codes, bias])

    def _active(self, layer: int, weights: Int64) -> Int64:
        """Rows (accessed rows, lanes) of weights."""
        if self.chip.design.zero_input is ZeroInput.NONE:
            return weights
        return np.asarray(weights[np.append(self._inputs[layer] != 0, True)], dtype=np.int64)

    def _forward(self, layer: int, group: int) -> None:
        assert self.state is not None
        model, lanes = self.chip.network.layers[layer], self.chip.design.lanes
        held = self.state.weights[layer][:, group * lanes : (group + 1) * lanes].astype(np.int64)
        weights, codes = self._active(layer, held), self._rows(layer)
        products = weights * codes[:, None]
        self._common("forward", layer, weights, codes, products)
        bits = model.weight.bits + self._code_bits(layer)
        sums = np.concatenate([np.zeros((1, weights.shape[1]), dtype=np.int64), np.cumsum(products, axis=0)])
        mean = distance(sums, self.chip.numerics.accumulator_bits)
        self.toggles.add("forward", "sum", layer, relative_distance(mean, bits, ACCUMULATOR_TOGGLES), len(codes))

    def _update(self, layer: int, held: Int64) -> None:
        if layer not in self._inputs or held.shape[0] != len(self._inputs[layer]) + 1:
            return  # a matrix that is no weight matrix of the layer
        weights, codes = self._active(layer, held), self._rows(layer)
        steps = self._lanes[None, : weights.shape[1]] * codes[:, None]
        self._common("update", layer, weights, codes, steps, product="step")
        self.toggles.add(
            "update", "word", layer, 1.0 if self.chip.numerics.update_rounding.value == "STOCH" else 0.0, len(codes)
        )

    def _common(
        self, phase: str, layer: int, weights: Int64, codes: Int64, products: Int64, product: str = "product"
    ) -> None:
        bits, rows = self.chip.network.layers[layer].weight.bits, len(codes)
        wide = self._code_bits(layer)
        second = bits if product == "product" else self.chip.network.layers[layer].delta.bits
        for name, values, width in (
            ("weight", weights, bits),
            ("code", codes[:, None], wide),
            (product, products, second + wide),
        ):
            self.toggles.add(phase, name, layer, relative_distance(distance(values, width), width), rows)

    def _code_bits(self, layer: int) -> int:
        storage = self.chip.network.layers[layer].input
        return storage.bits + (not storage.signed)


def toggles_of(
    chip: Chip, state: ChipState, codes: Int64, labels: Sequence[int], targets: Int64 | None = None
) -> Toggles:
    """Return the distances of operands while a chip in *state* learns from samples.

    Args:
        chip: the chip.
        state: its weights; copied.
        codes: input codes (samples, inputs).
        labels: a label a sample.
        targets: target codes (samples, outputs), for regression.

    """
    watch = _Watch(chip)
    path = TracedDatapath(chip, state, watch)
    watch.state = path.state
    for n, label in enumerate(labels):
        path.train(codes[n], int(label), None if targets is None else targets[n])
    return watch.toggles
