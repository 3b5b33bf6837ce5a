"""Proposals of the adversarial search: weights, feedback codes and a sample made for sites that have not fired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuro_emu.golden.columns import aim, congruent, mixture, special_codes
from neuro_emu.golden.first_words import FirstWords
from neuro_emu.golden.site_names import (
    Int64,
    aligned,
    bends,
    both,
    is_gated,
    learns,
    operations,
    rounds_up,
    seen_ties,
    step_events,
)
from neuro_emu.golden.stimuli import stalling, stimulus
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import initial_state
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow
from neuro_emu.numerics.tables import ENTRIES, activation_table, derivative_table

Bool = NDArray[np.bool_]
Masks = dict[str, Bool]

_MOST_PRODUCTS = 1 << 20
_NEURONS_AIMED = 48
_ROWS_SEEN = 48


@dataclass
class Proposal:
    """A state and one sample made for it.

    Attributes:
        state: with weights and feedback codes of our choice.
        codes: (inputs,) input codes.
        label: class.
        times: how often the sample comes before the update that it was made for.
        serves: firings of sites in need that are expected of it.

    """

    state: ChipState
    codes: NDArray[np.uint8]
    label: int
    times: int
    serves: int


def _changes(table: Int64) -> Int64:
    """Addresses q whose entry differs from the one below; 0 if there is none."""
    q = np.arange(-127, 128)
    found: Int64 = q[table[q % ENTRIES] != table[(q - 1) % ENTRIES]]
    return found if len(found) else np.zeros(1, dtype=np.int64)


class Proposer:
    """Makes proposals for one chip.

    Args:
        chip: the chip.
        rng: source of chance.

    """

    def __init__(self, chip: Chip, rng: Generator) -> None:
        self.chip, self.rng = chip, rng
        self._initial = initial_state(chip)
        layers = chip.network.layers
        self._tables = [activation_table(la.activation, la.table_frac, la.output) for la in layers]
        self._slopes = [derivative_table(la.activation, la.table_frac) for la in layers]
        self._changes = [_changes(table) for table in self._tables]
        self._operations = operations(chip)
        self._words = FirstWords(chip, self._initial)
        self._needs: dict[str, int] = {}

    def propose(self, needs: Mapping[str, int], kind: str, epoch: int) -> Proposal:
        """Return a proposal for sites in need.

        Args:
            needs: site → firings that are still wished for.
            kind: of the stimulus.
            epoch: whose learning rate is in force.

        """
        self._needs, self._epoch, batch = dict(needs), epoch, self.chip.learning.batch
        self._times = int(self.rng.choice([1, batch, int(self.rng.integers(1, batch + 1))]))
        network, state = self.chip.network, self._initial.copy()
        state.epoch = epoch
        codes = stimulus(self.rng, self.chip, kind)
        label = self._label()
        x, self._q, self._factors = codes.astype(np.int64), [], []
        for layer in network.layers:
            factors = np.append(x, layer.bias_code)
            self._factors.append(factors)
            columns, q = self._layer(layer, factors, label)
            state.weights[layer.index][:] = columns
            self._q.append(q)
            x = self._tables[layer.index][q % ENTRIES]
        error = -x
        error[label] += network.hot
        for layer in network.hidden:
            assert layer.feedback is not None
            shape = (network.classes, layer.units)
            state.feedback[layer.index][:] = special_codes(self.rng, layer.feedback, shape)
            if learns(self.chip, layer):
                self._feedback(layer, state, label, self._signal(error))
        return Proposal(state, codes, label, self._times, sum(needs.values()) - sum(self._needs.values()))

    # --- choosing -------------------------------------------------------------------------------------

    def _label(self) -> int:
        classes = self.chip.network.classes
        needed = [c for c in range(classes) if self._needs.get(f"label[{c}]", 0) > 0]
        return int(self.rng.choice(needed or range(classes)))

    def _needed(self, site: str, layer: int | None = None) -> bool:
        return self._needs.get(site if layer is None else f"{site}[{layer}]", 0) > 0

    def _choose(self, masks: Masks, allowed: Bool | None = None) -> int | None:
        """Index of the candidate that serves most sites in need; None if none serves any."""
        wanted = [(site, mask) for site, mask in masks.items() if self._needs.get(site, 0) > 0]
        if not wanted:
            return None
        scores = np.sum([mask for _, mask in wanted], axis=0) + self.rng.random(len(wanted[0][1])) / 2
        if allowed is not None and allowed.any():
            scores = np.where(allowed, scores, -1)
        best = int(np.argmax(scores))
        if scores[best] < 1:
            return None
        for site, mask in wanted:
            self._needs[site] -= bool(mask[best])
        return best

    def _any(self, values: Int64, count: int, allowed: Bool | None = None) -> Int64:
        """Indices (count,) of candidates, each of the different *values* as likely as the others."""
        indices = np.flatnonzero(allowed) if allowed is not None and allowed.any() else np.arange(len(values))
        kinds = np.unique(values[indices])
        if self.rng.random() < 0.4:  # few different ones: sums of equal numbers reach further
            kinds = kinds[self.rng.integers(0, len(kinds), 2)]
        order = indices[self.rng.permutation(len(indices))]
        of_kind = {v: order[values[order] == v] for v in kinds.tolist()}
        picked = [of_kind[v] for v in self.rng.choice(kinds, count).tolist()]
        return np.array([self.rng.choice(same) for same in picked], dtype=np.int64)

    # --- forward --------------------------------------------------------------------------------------

    def _layer(self, layer: DenseLayer, factors: Int64, label: int) -> tuple[Int64, Int64]:
        """Weights (rows, units) of *layer* and its pre-activations q (units,)."""
        pool = self._pool(layer, factors)
        z, masks = self._sums(layer, factors, pool)
        q = np.clip(aligned(z, layer.preactivation_shift), -128, 127)
        masks |= self._address_masks(layer, z, q)
        if layer is self.chip.network.output:
            chosen = self._outputs(layer, label, pool, q, masks)
            self._equal(z, chosen)
        else:
            y = self._tables[layer.index][q % ENTRIES]
            if self.rng.random() < 0.2:  # the layers behind this one reach furthest from equal extremes
                furthest = y == self.rng.choice([y.min(), y.max()])
                chosen = self._any(y, layer.units, furthest)
                return pool[:, chosen], q[chosen]
            if self._needed("stall", layer.index + 1) and self.rng.random() < 0.3:
                active = stalling(self.rng, self.chip.design.weight_banks, layer.units)
                chosen = np.where(active, self._any(y, layer.units, y != 0), self._any(y, layer.units, y == 0))
                return pool[:, chosen], q[chosen]
            chosen = self._any(y, layer.units)
            for neuron in self.rng.permutation(layer.units)[:_NEURONS_AIMED]:
                best = self._choose(masks)
                if best is None:
                    break
                chosen[neuron] = best
        return pool[:, chosen], q[chosen]

    def _pool(self, layer: DenseLayer, factors: Int64) -> Int64:
        count = int(np.clip(_MOST_PRODUCTS // layer.rows, 64, 512))
        storage, shift = layer.weight, layer.preactivation_shift
        columns = mixture(self.rng, storage, factors, count)
        part = columns[:, count // 2 :: 2]
        unit, wanted = 1 << abs(shift), part.shape[1]
        addresses: Int64 = np.arange(-130, 130)
        if self.rng.random() < 0.5:
            chosen = self.rng.choice(self._changes[layer.index], 6)
            addresses = np.append(chosen, [*bends(layer).values(), -128, 127, 0, 1])
        q = self.rng.choice(addresses, wanted)
        targets: Int64 = q * unit - unit // 2 * self.rng.integers(0, 2, wanted) if shift > 0 else q // unit
        aim(self.rng, storage, factors, part, targets)
        if shift > 0:
            congruent(self.rng, storage, factors, part[:, ::2], unit // 2, shift)
        columns[:, count // 2 :: 2] = part
        return columns

    def _sums(self, layer: DenseLayer, factors: Int64, columns: Int64) -> tuple[Int64, Masks]:
        """Accumulators (columns,) and which of them clamped or wrapped."""
        high, k, numerics = self.chip.numerics.accumulator_high, layer.index, self.chip.numerics
        exact = factors @ columns
        over, under = exact > high, exact < -high - 1
        if layer.accumulator_bound <= high:
            return exact, {}
        if numerics.accumulator_overflow is Overflow.WRAP:
            return (exact + high + 1) % (2 * high + 2) - high - 1, {f"accumulator_wrap[{k}]": over | under}
        sums, over, under = np.zeros_like(exact), np.zeros_like(over), np.zeros_like(under)
        for factor, row in zip(factors.tolist(), columns, strict=True):
            sums = sums + factor * row
            over, under = over | (sums > high), under | (sums < -high - 1)
            sums = np.clip(sums, -high - 1, high)
        return sums, {f"accumulator_high[{k}]": over, f"accumulator_low[{k}]": under}

    def _address_masks(self, layer: DenseLayer, z: Int64, q: Int64) -> Masks:
        k, shift, table = layer.index, layer.preactivation_shift, self._tables[layer.index]
        whole = aligned(z, shift)
        tie = both(seen_ties(z, shift, -128, 127), table[q % ENTRIES] != table[(q - 1) % ENTRIES])
        masks = {
            "preactivation_high": whole > 127,
            "preactivation_low": whole < -128,
            "preactivation_tie": both(tie, z >= 0),
            "preactivation_negative_tie": both(tie, z < 0),
            "address_high": q == 127,
            "address_low": q == -128,
            **{site: q == address for site, address in bends(layer).items()},
        }
        slopes = self._slopes[k][q % ENTRIES]
        masks |= {"derivative_zero": slopes == 0, "derivative_nonzero": slopes != 0}
        zero = table[q % ENTRIES] == 0
        named = {f"{site}[{k}]": mask for site, mask in masks.items()}
        for site in ("row_zero", "row_skipped", "update_row_zero", "update_row_skipped"):
            named[f"{site}[{k + 1}]"] = zero
        return named

    # --- the output layer -----------------------------------------------------------------------------

    def _outputs(self, layer: DenseLayer, label: int, pool: Int64, q: Int64, masks: Masks) -> Int64:
        """Candidates (units,) of the output layer."""
        y, hot = self._tables[layer.index][q % ENTRIES], self.chip.network.hot
        at_label, elsewhere = hot - y, -y
        opens = self._gate_choice(at_label)
        chosen, shift = self._any(y, layer.units), layer.output.frac - layer.delta.frac
        chosen[label] = self._any(y, 1, opens)[0]
        order = [label, *(c for c in self.rng.permutation(layer.units).tolist() if c != label)]
        for c in order[:_NEURONS_AIMED]:
            error = at_label if c == label else elsewhere
            own = masks | self._error_masks(layer, error, is_label=c == label)
            delta = np.clip(aligned(error, shift), layer.delta.low, layer.delta.high)
            own |= self._update_masks(layer, delta, pool, c)
            best = self._choose(own, opens if c == label else None)
            if best is not None:
                chosen[c] = best
        return chosen

    def _gate_choice(self, error: Int64) -> Bool | None:
        """Which candidates for the label do what the gate shall do this time."""
        threshold = self.chip.learning.error_gate
        if not is_gated(self.chip) or threshold is None or self.rng.random() < 0.25:
            return None
        if self._needed("gate_border") and self.rng.random() < 0.3 and (error == threshold).any():
            return np.asarray(error == threshold)
        closes = self._needed("gate_closed") and self.rng.random() < 0.3
        return error <= threshold if closes else error > threshold

    def _error_masks(self, layer: DenseLayer, error: Int64, *, is_label: bool) -> Masks:
        learning, target = self.chip.learning, layer.delta
        shift = layer.output.frac - target.frac
        masks = self._narrowing("error", error, shift, target)
        zone = learning.sign_dead_zone
        masks |= {
            "sign_positive": error > zone,
            "sign_negative": error < -zone,
            "sign_zero": np.abs(error) <= zone,
            "sign_border": both(np.abs(error) == zone, error != 0),
        }
        if is_label and learning.error_gate is not None:
            threshold = learning.error_gate
            masks |= {"gate_open": error > threshold, "gate_closed": error <= threshold}
            masks["gate_border"] = error == threshold
        return masks

    @staticmethod
    def _narrowing(what: str, exact: Int64, shift: int, target: Format, suffix: str = "") -> Masks:
        whole, tie = aligned(exact, shift), seen_ties(exact, shift, target.low, target.high)
        return {
            f"{what}_high{suffix}": whole > target.high,
            f"{what}_low{suffix}": whole < target.low,
            f"{what}_tie{suffix}": both(tie, exact >= 0),
            f"{what}_negative_tie{suffix}": both(tie, exact < 0),
        }

    def _equal(self, z: Int64, chosen: Int64) -> None:
        """Make the largest accumulator occur twice, where that is in need."""
        lanes, best = self.chip.design.lanes, int(np.argmax(z[chosen]))
        group = np.arange(len(chosen)) // lanes
        others = np.arange(len(chosen)) != best
        near = np.flatnonzero(both(others, group == group[best]))
        if self._needed("argmax_tie") and len(near):
            chosen[self.rng.choice(near)] = chosen[best]
        elif self._needed("argmax_tie_across") and (group != group[best]).any():
            chosen[self.rng.choice(np.flatnonzero(group != group[best]))] = chosen[best]

    # --- signals and updates ----------------------------------------------------------------------------

    def _signal(self, error: Int64) -> Int64:
        """What is projected."""
        output = self.chip.network.output
        if ("error_sign", 0) in self._operations:
            zone = self.chip.learning.sign_dead_zone
            return (error > zone).astype(np.int64) - (error < -zone)
        shift = output.output.frac - output.delta.frac
        return np.clip(aligned(error, shift), output.delta.low, output.delta.high)

    def _feedback(self, layer: DenseLayer, state: ChipState, label: int, signal: Int64) -> None:
        """Choose feedback codes neuron by neuron."""
        k, target, storage = layer.index, layer.delta, layer.feedback
        assert storage is not None
        weights = state.weights[k].astype(np.int64)
        project = self._operations.get(("project", k))
        if project is None:
            candidates = np.zeros((len(signal), 256), dtype=np.int64)
            candidates[label] = special_codes(self.rng, storage, (256,))
            signals, masks = candidates[label], Masks()
        else:
            candidates = self._projections(layer, signal, project)
            exact = signal @ candidates
            masks = self._narrowing("projection", exact, project, layer.projection, f"[{k}]")
            signals = np.clip(aligned(exact, project), layer.projection.low, layer.projection.high)
        for neuron in self.rng.permutation(layer.units)[:_NEURONS_AIMED].tolist():
            q = int(self._q[k][neuron])
            products, met = signals * self._slopes[k][q % ENTRIES], signals != 0
            shift = self._operations["gate", k]
            own = masks | self._narrowing("delta", products, shift, target, f"[{k}]")
            own |= {f"{site}[{k}]": both(met, q == address) for site, address in bends(layer).items()}
            delta = np.clip(aligned(products, shift), target.low, target.high)
            own |= self._update_masks(layer, delta, weights[:, neuron : neuron + 1], neuron)
            best = self._choose(own)
            if best is None:
                best = int(self.rng.integers(0, len(signals)))
            if project is None:
                state.feedback[k][label, neuron] = candidates[label, best]
            else:
                state.feedback[k][:, neuron] = candidates[:, best]

    def _projections(self, layer: DenseLayer, signal: Int64, shift: int) -> Int64:
        storage, target = layer.feedback, layer.projection
        assert storage is not None
        columns = mixture(self.rng, storage, signal, 256)
        part, unit = columns[:, 128::2], 1 << abs(shift)
        wanted = special_codes(self.rng, target, (part.shape[1],))
        targets = wanted * unit - unit // 2 * self.rng.integers(0, 2, len(wanted)) if shift > 0 else wanted // unit
        aim(self.rng, storage, signal, part, targets)
        if shift > 0:
            congruent(self.rng, storage, signal, part[:, ::2], unit // 2, shift)
        columns[:, 128::2] = part
        return columns

    def _update_masks(self, layer: DenseLayer, delta: Int64, columns: Int64, neuron: int) -> Masks:
        """Update sites that *neuron* fires with each *delta* (candidates,) somewhere in its *columns* of weights."""
        k, numerics, target = layer.index, self.chip.numerics, layer.weight
        factors = self._factors[k]
        shift = self.chip.update_shift(layer, self._epoch)
        rows = np.flatnonzero(factors)
        rows = self.rng.choice(rows, min(len(rows), _ROWS_SEEN), replace=False)
        products, held = factors[rows][:, None] * delta * self._times, columns[rows]
        draws = self._words.of(layer, neuron, rows, self._factors)[:, None] // (1 << (32 - shift))
        low = held + products // (1 << shift)
        exact = low + rounds_up(numerics.update_rounding, products, shift, draws)
        seen = (numerics.overflow is Overflow.WRAP) | both(low >= target.low, low < target.high)
        over, under = exact > target.high, exact < target.low
        masks = {"weight_high": over, "weight_low": under, "weight_wrap": over | under}
        events = step_events(numerics.update_rounding, products, shift, draws)
        masks |= {site: np.logical_and(fired, seen) for site, fired in events.items()}
        return {f"{site}[{k}]": np.any(mask, axis=0) for site, mask in masks.items()}
