"""Counts the sites of :mod:`neuro_emu.golden.site_names` while a chip runs."""

from __future__ import annotations

import numpy as np

from neuro_emu.golden.reach import unreachable
from neuro_emu.golden.site_names import (
    MEANINGS,
    Int64,
    aligned,
    bends,
    both,
    is_gated,
    operations,
    rounds_up,
    seen_ties,
    sites_of,
    step_events,
)
from neuro_emu.machine.chip import Chip
from neuro_emu.network.layers import DenseLayer
from neuro_emu.numerics.modes import Overflow
from neuro_emu.numerics.tables import ENTRIES, activation_table, derivative_table

__all__ = ["MEANINGS", "SiteCounter", "sites_of", "unreachable"]


class SiteCounter:
    """Counts how often each site of a chip fires, from what :class:`TracedDatapath` records.

    Attributes:
        counts: site → firings, 0 for those that have not fired; keys as :func:`sites_of`.

    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.counts = dict.fromkeys(sites_of(chip), 0)
        layers = chip.network.layers
        self._tables = [activation_table(la.activation, la.table_frac, la.output) for la in layers]
        self._slopes = [derivative_table(la.activation, la.table_frac) for la in layers]
        self._bends = [bends(la) for la in layers]
        self._codes = [np.zeros(n, dtype=np.int64) for n in (chip.network.inputs, *(la.units for la in layers))]
        self._q = [np.zeros(la.units, dtype=np.int64) for la in layers]
        self._z = np.zeros(chip.network.classes, dtype=np.int64)
        self._error = np.zeros(chip.network.classes, dtype=np.int64)
        self._shifts = operations(chip)
        self._signal = self._lanes = self._held = np.zeros(0, dtype=np.int64)
        self._gradients: Int64 | None = None
        self._words: list[Int64] = []
        self._sums: list[Int64] = []
        self._label = self._shift = self._inferred = 0

    def record(self, what: str, layer: int, group: int, codes: Int64) -> None:
        """Receive what :class:`TracedDatapath` shows."""
        handler = getattr(self, f"_on_{what}", None)
        if handler is not None:
            handler(layer, group, codes)

    def missing(self, wanted: int = 1) -> list[str]:
        """Sites that have fired fewer than *wanted* times."""
        return [site for site, count in self.counts.items() if count < wanted]

    def _add(self, site: str, layer: int | None, fired: object) -> None:
        name = site if layer is None else f"{site}[{layer}]"
        if name in self.counts:
            self.counts[name] += int(np.sum(fired))  # type: ignore[call-overload]

    def _layer(self, layer: int) -> DenseLayer:
        return self.chip.network.layers[layer]

    def _lanes_of(self, layer: int, group: int) -> slice:
        first = group * self.chip.design.lanes
        return slice(first, first + self.chip.design.valid(self._layer(layer).units, group))

    # --- a sample and its forward pass --------------------------------------------------------------

    def _on_input(self, layer: int, group: int, codes: Int64) -> None:
        self._codes[0] = codes.copy()
        self._inferred += 1  # until its label is shown

    def _on_label(self, layer: int, group: int, codes: Int64) -> None:
        self._label = int(codes[0])
        self._inferred -= 1
        self._add("inference", None, self._inferred)
        self._inferred = 0
        self._add(f"label[{self._label}]", None, 1)

    def _on_overflowed(self, layer: int, group: int, codes: Int64) -> None:
        high = self.chip.numerics.accumulator_high
        self._add("accumulator_high", layer, codes > high)
        self._add("accumulator_low", layer, codes < -high - 1)
        self._add("accumulator_wrap", layer, (codes > high) | (codes < -high - 1))

    def _on_z(self, layer: int, group: int, codes: Int64) -> None:
        shift = self._layer(layer).preactivation_shift
        q, table = aligned(codes, shift), self._tables[layer]
        self._add("preactivation_high", layer, q > 127)
        self._add("preactivation_low", layer, q < -128)
        tie = seen_ties(codes, shift, -128, 127)
        tie[tie] = table[q[tie] % ENTRIES] != table[(q[tie] - 1) % ENTRIES]
        self._add("preactivation_tie", layer, both(tie, codes >= 0))
        self._add("preactivation_negative_tie", layer, both(tie, codes < 0))
        zeros = int(np.sum(self._codes[layer] == 0))
        self._add("row_zero", layer, zeros)
        self._add("row_skipped", layer, zeros)
        self._add("group_first", layer, group == 0)
        groups = self.chip.design.groups(self._layer(layer).units)
        self._add("group_last", layer, group == groups - 1)
        if layer == self.chip.network.output.index:
            self._z[self._lanes_of(layer, group)] = codes
            if group == groups - 1:
                self._count_argmax()

    def _count_argmax(self) -> None:
        best = np.flatnonzero(self._z == self._z.max()) // self.chip.design.lanes
        self._add("argmax_tie", None, np.sum(best == best[0]) > 1)
        self._add("argmax_tie_across", None, best[-1] > best[0])

    def _on_q(self, layer: int, group: int, codes: Int64) -> None:
        self._q[layer][self._lanes_of(layer, group)] = codes
        self._add("address_high", layer, codes == 127)
        self._add("address_low", layer, codes == -128)
        if f"derivative_zero[{layer}]" not in self.counts:
            self._count_bends(layer, codes)

    def _count_bends(self, layer: int, q: Int64) -> None:
        for site, address in self._bends[layer].items():
            self._add(site, layer, q == address)

    def _on_y(self, layer: int, group: int, codes: Int64) -> None:
        self._codes[layer + 1][self._lanes_of(layer, group)] = codes

    # --- errors and signals -------------------------------------------------------------------------

    def _on_error(self, layer: int, group: int, codes: Int64) -> None:
        output = self.chip.network.output
        shift = output.output.frac - output.delta.frac
        self._count_narrowing("error", None, codes, shift, (output.delta.low, output.delta.high))
        self._error[self._lanes_of(layer, group)] = codes
        if group == self.chip.design.groups(output.units) - 1:
            self._count_signs()

    def _count_narrowing(self, what: str, layer: int | None, exact: Int64, shift: int, ends: tuple[int, int]) -> None:
        tie, whole = seen_ties(exact, shift, *ends), aligned(exact, shift)
        self._add(f"{what}_high", layer, whole > ends[1])
        self._add(f"{what}_low", layer, whole < ends[0])
        self._add(f"{what}_tie", layer, both(tie, exact >= 0))
        self._add(f"{what}_negative_tie", layer, both(tie, exact < 0))

    def _count_signs(self) -> None:
        error, threshold, zone = self._error, self.chip.learning.error_gate, self.chip.learning.sign_dead_zone
        if is_gated(self.chip):
            assert threshold is not None
            is_open = bool(error[self._label] > threshold)
            self._add("gate_open", None, is_open)
            self._add("gate_closed", None, not is_open)
            self._add("gate_border", None, error[self._label] == threshold)
            if not is_open:
                return
        self._add("sign_positive", None, error > zone)
        self._add("sign_negative", None, error < -zone)
        self._add("sign_zero", None, np.abs(error) <= zone)
        self._add("sign_border", None, both(np.abs(error) == zone, error != 0))

    def _on_signal(self, layer: int, group: int, codes: Int64) -> None:
        self._signal = codes

    _on_projection = _on_signal

    def _on_projected(self, layer: int, group: int, codes: Int64) -> None:
        target = self._layer(layer).projection
        self._count_narrowing("projection", layer, codes, self._shifts["project", layer], (target.low, target.high))

    def _on_delta(self, layer: int, group: int, codes: Int64) -> None:
        if layer == self.chip.network.output.index:
            return
        q, met, target = self._q[layer][self._lanes_of(layer, group)], self._signal != 0, self._layer(layer).delta
        slopes = self._slopes[layer][q % ENTRIES]
        products, ends = self._signal * slopes, (target.low, target.high)
        self._count_narrowing("delta", layer, products, self._shifts["gate", layer], ends)
        self._add("derivative_zero", layer, both(met, slopes == 0))
        self._add("derivative_nonzero", layer, both(met, slopes != 0))
        self._count_bends(layer, q[met])

    # --- updates ------------------------------------------------------------------------------------

    def _on_lanes(self, layer: int, group: int, codes: Int64) -> None:
        self._lanes = codes
        zeros = int(np.sum(self._codes[layer] == 0))
        self._add("update_row_zero", layer, zeros)
        self._add("update_row_skipped", layer, zeros)
        self._sums = []

    def _on_stalled(self, layer: int, group: int, codes: Int64) -> None:
        self._add("stall", layer, codes)

    def _on_shift(self, layer: int, group: int, codes: Int64) -> None:
        self._shift, self._words = int(codes[0]), []

    def _on_held(self, layer: int, group: int, codes: Int64) -> None:
        self._held, self._gradients = codes, None

    def _on_gradients(self, layer: int, group: int, codes: Int64) -> None:
        self._gradients = codes

    def _on_words(self, layer: int, group: int, codes: Int64) -> None:
        self._words.append(codes)

    def _on_batch(self, layer: int, group: int, codes: Int64) -> None:
        self._add("batch_full", None, codes == self.chip.learning.batch)
        self._add("batch_short", None, codes < self.chip.learning.batch)

    def _on_sums(self, layer: int, group: int, codes: Int64) -> None:
        self._sums.append(codes)

    def _on_updated(self, layer: int, group: int, codes: Int64) -> None:
        factors = np.append(self._codes[layer], self._layer(layer).bias_code)
        rows = np.append(np.flatnonzero(self._codes[layer]), len(factors) - 1)
        products = factors[rows][:, None] * self._lanes
        if self._sums:
            self._add("gradient_sum", layer, both(np.stack(self._sums) != products, products != 0))
            self._sums = []
        elif self._gradients is not None:
            self._count_update(layer, self._held, self._gradients)
        else:
            self._count_update(layer, self._held[rows], products)

    def _count_update(self, layer: int, held: Int64, products: Int64) -> None:
        shift, numerics, target = self._shift, self.chip.numerics, self._layer(layer).weight
        unit, draws = 1 << shift, np.zeros_like(products)
        if self._words:
            draws = np.stack(self._words) // (1 << (32 - shift))
        low = held + products // unit
        exact = low + rounds_up(numerics.update_rounding, products, shift, draws)
        self._add("weight_high", layer, exact > target.high)
        self._add("weight_low", layer, exact < target.low)
        self._add("weight_wrap", layer, (exact > target.high) | (exact < target.low))
        seen = (numerics.overflow is Overflow.WRAP) | both(low >= target.low, low < target.high)
        for site, fired in step_events(numerics.update_rounding, products, shift, draws).items():
            self._add(site, layer, np.logical_and(fired, seen))
