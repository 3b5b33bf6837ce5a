"""Which sites worst-case bounds prove out of reach for a chip, and why."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd

import numpy as np

from neuro_emu.datapath.program import record as record_program
from neuro_emu.golden.numbers import Numbers, align
from neuro_emu.golden.site_names import (
    MEANINGS,
    Int64,
    bends,
    both,
    is_gated,
    rounds_up,
    sites_of,
    step_events,
    update_shifts,
)
from neuro_emu.kernels.fabric import OP_GATE, OP_LABEL_ROW, OP_PROJECT, OP_SIGN, OP_UPDATE
from neuro_emu.kernels.learn import DELTA_OUTPUT
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.design import WRITE_DELAY, ZeroInput
from neuro_emu.network.layers import DenseLayer
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding
from neuro_emu.numerics.ops import table_address, ternary_sign
from neuro_emu.numerics.tables import activation_table, derivative_table

_RARE = Fraction(1, 1 << 8)
_UPDATE_SITES = [site for site in MEANINGS if site.startswith(("weight_", "update_")) and "_row_" not in site]


def unreachable(chip: Chip) -> dict[str, str]:
    """Sites of *chip* that no weights, feedback codes and samples can fire → the reason.

    A site that is not named may still be out of reach: bounds treat the inputs of a layer as independent.
    """
    return _Proof(chip).claims


@dataclass(frozen=True)
class _Error:
    """What the output error, or a signal made of it, may be: at the label and at the other classes."""

    label: Numbers
    other: Numbers | None

    @property
    def both(self) -> Numbers:
        points = [p for part in (self.label, self.other) if part is not None for p in part.points or ()]
        return Numbers.of(points)


def unlikely(chip: Chip) -> dict[str, str]:
    """Sites of *chip* that are not out of reach, but need a random word that is rare at best → how rare."""
    return _Proof(chip).chances


class _Proof:
    """Follows sets of numbers through the chip and notes the sites that they miss."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.claims: dict[str, str] = {}
        self.chances: dict[str, str] = {}
        self._exists = set(sites_of(chip))
        layers = chip.network.layers
        self._codes = [Numbers.of(range(layers[0].input.high + 1))]
        self._q: list[list[int]] = []
        for layer in layers:
            self._forward(layer)
        self._signals: dict[int, _Error | Numbers] = {}
        self._errors()
        self._learning()

    def _claim(self, site: str, layer: DenseLayer | None, reason: str) -> None:
        name = site if layer is None else f"{site}[{layer.index}]"
        if name in self._exists:
            self.claims.setdefault(name, reason)

    # --- forward ------------------------------------------------------------------------------------

    def _forward(self, layer: DenseLayer) -> None:
        codes, low, high = self._codes[layer.index], layer.weight.low, layer.weight.high
        x_low, x_high = codes.low, codes.high
        most = layer.inputs * max(high * x_high, low * x_low) + high * layer.bias_code
        least = layer.inputs * min(low * x_high, high * x_low) + low * layer.bias_code
        ceiling, bits = self.chip.numerics.accumulator_high, self.chip.numerics.accumulator_bits
        why = f"sums lie in {least:,} … {most:,}, which fit {bits} bits"
        if most <= ceiling:
            self._claim("accumulator_high", layer, why)
        if least >= -ceiling - 1:
            self._claim("accumulator_low", layer, why)
        step = gcd(layer.bias_code, codes.step)
        if most <= ceiling and least >= -ceiling - 1:
            self._claim("accumulator_wrap", layer, why)
        else:
            step, wraps = 1, self.chip.numerics.accumulator_overflow is Overflow.WRAP
            most, least = (ceiling, -ceiling - 1) if wraps else (min(most, ceiling), max(least, -ceiling - 1))
        sums = Numbers.between(least, most, step)
        self._preactivations(layer, sums)
        if 0 not in codes:
            for site in ("row_zero", "row_skipped", "update_row_zero", "update_row_skipped"):
                self._claim(site, layer, "no code of the layer before is 0")

    def _preactivations(self, layer: DenseLayer, sums: Numbers) -> None:
        shift = layer.preactivation_shift
        table = activation_table(layer.activation, layer.table_frac, layer.output).tolist()
        reached = [q for q in range(-128, 128) if sums.any_between(*_source(q, shift, sums))]
        where = f"sums of {sums.low:,} … {sums.high:,} in steps of {sums.step}, {max(shift, 0)} bits dropped"
        if align(sums.high, shift) <= 127:
            self._claim("preactivation_high", layer, f"{where}: q ≤ {align(sums.high, shift)}")
        if align(sums.low, shift) >= -128:
            self._claim("preactivation_low", layer, f"{where}: q ≥ {align(sums.low, shift)}")
        for site, address in {"address_high": 127, "address_low": -128, **bends(layer)}.items():
            if address not in reached:
                self._claim(site, layer, f"{where}: q is never {address}")
        ties = []
        for q in range(-127, 128):
            tie = q * (1 << shift) - (1 << (shift - 1)) if shift > 0 else 0
            if shift > 0 and table[table_address(q)] != table[table_address(q - 1)] and tie in sums:
                ties.append(tie)
        if not any(tie >= 0 for tie in ties):
            self._claim("preactivation_tie", layer, f"{where}: no tie ≥ 0 between different table entries")
        if not any(tie < 0 for tie in ties):
            self._claim("preactivation_negative_tie", layer, f"{where}: no tie < 0 between different table entries")
        self._q.append(reached)
        self._codes.append(Numbers.of(table[table_address(q)] for q in reached))

    # --- output error -------------------------------------------------------------------------------

    def _errors(self) -> None:
        network, learning = self.chip.network, self.chip.learning
        codes = self._codes[-1].points or ()
        other = Numbers.of(-y for y in codes) if network.classes > 1 else None
        error = _Error(Numbers.of(network.hot - y for y in codes), other)
        output = network.output
        shift, ends = output.output.frac - output.delta.frac, (output.delta.low, output.delta.high)
        self._narrowing("error", None, error.both, shift, output.delta)
        self._delta = error.both.narrowed(shift, *ends)
        self._opens = True
        if is_gated(self.chip):
            threshold = learning.error_gate
            assert threshold is not None
            passing = [e for e in error.label.points or () if e > threshold]
            self._gate_claims(error.label, threshold)
            self._opens = bool(passing)
            error = _Error(Numbers.of(passing or [0]), other)
        self._signs(error)
        delta_other = error.other.narrowed(shift, *ends) if error.other else None
        self._signals[DELTA_OUTPUT] = _Error(error.label.narrowed(shift, *ends), delta_other)

    def _gate_claims(self, error: Numbers, threshold: int) -> None:
        where = f"the error of the label lies in {error.low} … {error.high}, the gate at {threshold}"
        if error.high <= threshold:
            self._claim("gate_open", None, where)
        if error.low > threshold:
            self._claim("gate_closed", None, where)
        if threshold not in error:
            self._claim("gate_border", None, f"{where}, which it never equals")

    def _signs(self, error: _Error) -> None:
        zone = self.chip.learning.sign_dead_zone

        def signs(part: Numbers) -> Numbers:
            return Numbers.of(ternary_sign(e, zone) for e in part.points or ())

        self._ternary = _Error(signs(error.label), signs(error.other) if error.other else None)
        where = f"errors lie in {error.both.low} … {error.both.high}, the dead zone ends at {zone}"
        for site, sign in (("sign_positive", 1), ("sign_zero", 0), ("sign_negative", -1)):
            if not self._opens or sign not in self._ternary.both:
                self._claim(site, None, where if self._opens else "the gate never opens")
        if not self._opens or zone == 0 or (zone not in error.both and -zone not in error.both):
            self._claim("sign_border", None, where if self._opens else "the gate never opens")

    def _narrowing(self, what: str, layer: DenseLayer | None, exact: Numbers, shift: int, target: Format) -> None:
        """Claim saturations and ties that requantising *exact* to *target* never meets."""
        low, high = align(exact.low, shift), align(exact.high, shift)
        where = f"results lie in {low:,} … {high:,}, {target} holds {target.low:,} … {target.high:,}"
        if high <= target.high:
            self._claim(f"{what}_high", layer, where)
        if low >= target.low:
            self._claim(f"{what}_low", layer, where)
        if shift <= 0:
            ties, where = [], "no bits are dropped"
        else:
            half, unit = 1 << (shift - 1), 1 << shift
            ties = [v for v in exact.representatives() if v % unit == half and target.low <= v // unit < target.high]
            where = f"no tie of {shift} dropped bits within {target}"
        if not any(tie >= 0 for tie in ties):
            self._claim(f"{what}_tie", layer, where)
        if not any(tie < 0 for tie in ties):
            self._claim(f"{what}_negative_tie", layer, where)

    # --- learning -----------------------------------------------------------------------------------

    def _learning(self) -> None:
        network = self.chip.network
        for op, k, source, target, shift, *_ in record_program(self.chip).code.tolist():
            layer = network.layers[k]
            if op == OP_SIGN:
                self._signals[target] = self._ternary
            elif op == OP_UPDATE and layer is network.output:
                self._update(layer, self._delta)
            elif not self._opens:
                self._closed(layer)
            elif op == OP_LABEL_ROW:
                assert layer.feedback is not None
                self._signals[target] = Numbers.between(layer.feedback.low, layer.feedback.high)
            elif op == OP_PROJECT:
                self._signals[target] = self._project(layer, self._signals[source], shift)
            elif op == OP_GATE:
                self._signals[target] = self._gate(layer, self._signals[source], shift)
            elif op == OP_UPDATE:
                signal = self._signals[source]
                self._update(layer, signal.both if isinstance(signal, _Error) else signal)

    def _closed(self, layer: DenseLayer) -> None:
        for what in ("projection", "delta"):
            for event in ("high", "low", "tie", "negative_tie"):
                self._claim(f"{what}_{event}", layer, "the gate never opens")
        for site in ("derivative_zero", "derivative_nonzero", "gradient_sum", *bends(layer)):
            self._claim(site, layer, "the gate never opens")
        for site in ("update_row_zero", "update_row_skipped"):
            self._claim(site, layer, "the gate never opens")
        self._update(layer, None)

    def _project(self, layer: DenseLayer, signal: _Error | Numbers, shift: int) -> Numbers:
        assert layer.feedback is not None
        assert isinstance(signal, _Error)
        b, classes, other = layer.feedback, self.chip.network.classes, signal.other

        corners = [v * c for v in (signal.label.low, signal.label.high) for c in (b.low, b.high)]
        high, low = max(corners), min(corners)
        if other is not None:
            corners = [v * c for v in (other.low, other.high) for c in (b.low, b.high)]
            high, low = high + (classes - 1) * max(corners), low + (classes - 1) * min(corners)
        exact = Numbers.between(low, high, signal.both.step)
        self._narrowing("projection", layer, exact, shift, layer.projection)
        return exact.narrowed(shift, layer.projection.low, layer.projection.high)

    def _gate(self, layer: DenseLayer, signal: _Error | Numbers, shift: int) -> Numbers:
        assert isinstance(signal, Numbers)
        table = derivative_table(layer.activation, layer.table_frac).tolist()
        slopes = tuple(sorted({table[table_address(q)] for q in self._q[layer.index]}))
        silent = signal.low == signal.high == 0
        where = "the signal is always 0" if silent else f"derivatives lie in {slopes[0]} … {slopes[-1]}"
        if silent or 0 not in slopes:
            self._claim("derivative_zero", layer, where)
        if silent or not any(slopes):
            self._claim("derivative_nonzero", layer, where)
        for site in bends(layer) if silent else ():
            self._claim(site, layer, where)
        # the members of least magnitude decide about ties, the ends about saturation
        products = Numbers.of(v * s for v in signal.representatives() for s in slopes)
        self._narrowing("delta", layer, products, shift, layer.delta)
        return signal.times(slopes).narrowed(shift, layer.delta.low, layer.delta.high)

    # --- updates ------------------------------------------------------------------------------------

    def _update(self, layer: DenseLayer, delta: Numbers | None) -> None:
        batch, codes = self.chip.learning.batch, self._codes[layer.index]
        active = {x for x in codes.points or () if x} | {layer.bias_code}
        self._stalls(layer, learns_from=delta is not None)
        if delta is None:
            products = Numbers.of([0]) if batch > 1 else None
        else:
            products = Numbers.of(d * x for d in delta.representatives() for x in active)
            if products.low == products.high == 0:
                self._claim("gradient_sum", layer, "the delta is always 0")
            if batch > 1:
                step = gcd(delta.step, *delta.ends) * gcd(*active)
                products = Numbers.between(batch * min(products.low, 0), batch * max(products.high, 0), step)
        self._steps(layer, products)

    def _steps(self, layer: DenseLayer, products: Numbers | None) -> None:
        """Claim what no epoch's shift lets *products* do; None: nothing is ever written."""
        rounding, overflow = self.chip.numerics.update_rounding, self.chip.numerics.overflow
        shifts = update_shifts(self.chip, layer)
        best: dict[str, Fraction] = {}
        weight = layer.weight
        for shift in shifts if products is not None else ():
            assert products is not None
            values = np.array(products.representatives(), dtype=np.int64)
            span = weight.high - weight.low
            floor = values // (1 << shift)
            seen = (overflow is Overflow.WRAP) | both(floor >= -span, floor < span)
            found = {site: int(np.max(draws * seen)) for site, draws in _draws_for(rounding, values, shift).items()}
            found |= _draws_that_move(rounding, products, shift)
            for site, draws in found.items():
                best[site] = max(best.get(site, Fraction(0)), Fraction(draws, 1 << shift))
        bounds = f"products lie in {products.low:,} … {products.high:,}" if products else "no weight is ever written"
        reason = f"{bounds}, shifts are {', '.join(map(str, sorted(shifts)))}"
        for site in _UPDATE_SITES:
            chance = best.get(site, Fraction(0))
            if not chance:
                self._claim(site, layer, reason)
            elif chance < _RARE and site != "update_last_bit" and f"{site}[{layer.index}]" in self._exists:
                self.chances[f"{site}[{layer.index}]"] = f"{reason}: at best one word in {int(1 / chance):,} does it"

    def _stalls(self, layer: DenseLayer, *, learns_from: bool) -> None:
        mode, banks, codes = self.chip.design.zero_input, self.chip.design.weight_banks, self._codes[layer.index]
        whole = banks == 1 and layer.rows > WRITE_DELAY  # every row is accessed
        if self.chip.learning.batch > 1 and whole:
            return
        apart = max(banks, 2 * 2 if banks > 1 else WRITE_DELAY)  # rows from one access to the next in its bank
        some = learns_from and (mode is ZeroInput.NONE or codes.low != 0 or codes.high != 0)
        skips = mode is ZeroInput.SKIP and 0 in codes
        if learns_from and some and layer.inputs >= apart and (banks == 1 or skips):
            return
        self._claim("stall", layer, f"{layer.rows} rows in {banks} banks, zero_input {mode.value}: none meets a write")


def _source(q: int, shift: int, sums: Numbers) -> tuple[int, int]:
    """Smallest and largest sum that becomes *q*; the ends of the range take everything beyond."""
    if shift > 0:
        half = 1 << (shift - 1)
        low, high = q * (1 << shift) - half, q * (1 << shift) + half - 1
    else:
        low, high = -(-q // (1 << -shift)), q // (1 << -shift)
    return (sums.low if q == -128 else low), (sums.high if q == 127 else high)


def _draws_that_move(rounding: Rounding, products: Numbers, shift: int) -> dict[str, int]:
    """Of 2^shift draws, how many can move a weight beyond either end of its format."""
    unit = 1 << shift
    if rounding is Rounding.STOCH:
        up, down = min(max(products.high, 0), unit), min(max(-products.low, 0), unit)
    else:
        ends = np.array([products.high, products.low], dtype=np.int64)
        steps = ends // unit + rounds_up(rounding, ends, shift, np.zeros_like(ends))
        up, down = unit * int(steps[0] > 0), unit * int(steps[1] < 0)
    return {"weight_high": up, "weight_low": down, "weight_wrap": max(up, down)}


def _draws_for(rounding: Rounding, products: Int64, shift: int) -> dict[str, Int64]:
    """Of 2^shift draws, how many fire each update site with each product."""
    unit = 1 << shift
    if rounding is not Rounding.STOCH:
        events = step_events(rounding, products, shift, np.zeros_like(products))
        return {site: fired * unit for site, fired in events.items()}
    dropped = products % unit
    return {
        "update_round_up": dropped,
        "update_round_down": np.where(dropped != 0, unit - dropped, 0),
        "update_last_bit": dropped % 2 * 2,
        "update_zero_product": (products == 0) * (unit - 1),
    }
