"""What integers do to learning: steps too small to be written, codes at their ends, the rate that is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.datapath.floating_rules import values
from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.diagnostics.angles import Float, angle, ratio, rounded
from neuro_emu.diagnostics.codes import CodeSignals, product
from neuro_emu.diagnostics.probe import Entry, Signals, path_of_state
from neuro_emu.diagnostics.reference import Probe
from neuro_emu.machine.chip import Chip
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import UPDATES, ZERO_UPDATES, ChipState, Int64, Tally
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.tables import ENTRIES

_ADDRESS = Format(True, ENTRIES.bit_length() - 1, 0)
"""q, the signed pre-activation that addresses the tables."""


def at(state: ChipState, epoch: int) -> ChipState:
    """Return the state, matrices shared, with the rates of *epoch* in force, no batch begun and velocities at rest.

    The twin that it is compared with starts without velocities too.
    """
    still = [np.zeros_like(v) for v in state.velocities]
    nothing = [np.zeros_like(g) for g in state.gradients]
    return replace(state, epoch=epoch, batch_fill=0, gradients=nothing, velocities=still)


def steps_of_chip(chip: Chip, state: ChipState, probe: Probe, *, traced: bool = False) -> list[Float]:
    """Return ΔW_k (n_{k−1} + 1, n_k) in values as the chip makes it of the probe, one sample after the other.

    Everything that the chip does to its weights is in it: rounding with the words that come next, saturation, decay. A
    short last mini-batch is written.
    """
    chip = replace(chip, numerics=replace(chip.numerics, strict=False))  # an overflow here is none of the run's
    if traced:
        slow = TracedDatapath(chip, state)
        targets: list[Any] = [None] * len(probe) if probe.target_codes is None else list(probe.target_codes)
        for codes, label, target in zip(probe.codes, probe.labels, targets, strict=True):
            aim = None if target is None else target.astype(np.int64)
            slow.train(codes.astype(np.int64), int(label), aim)
        slow.end_epoch()
        after = slow.state
    else:
        fast = FastDatapath(chip, state)
        order = np.arange(len(probe), dtype=np.int64)
        fast.train(
            fast.samples(probe.codes, probe.labels, order, learn=True, targets=probe.target_codes), 0, len(order)
        )
        after = fast.state()
    pairs = zip(after.weights, state.weights, chip.network.layers, strict=True)
    return [values(new.astype(np.int64) - old, layer.weight) for new, old, layer in pairs]


def steps_of_twin(chip: Chip, state: ChipState, probe: Probe) -> list[Float]:
    """Return ΔW_k in values as the float twin makes it of the same samples and rates, from the values of the codes."""
    path: FloatDatapath = path_of_state(chip, state)
    before = [weights.copy() for weights in path.weights]
    path.train(probe.codes, probe.labels, None if probe.target_codes is None else probe.targets)
    path.apply_batch()
    return [new - old for new, old in zip(path.weights, before, strict=True)]


def at_the_ends(codes: Any, storage: Format) -> float | None:
    """Return the share of codes that are the smallest or the largest of their format."""
    low, high = np.count_nonzero(codes == storage.low), np.count_nonzero(codes == storage.high)
    return ratio(int(low) + int(high), np.size(codes))


def lost(chip: Chip, layer: DenseLayer, delta: Int64, x: Int64, epoch: int) -> tuple[float | None, float | None]:
    """Return the shares of nonzero products whose step is below one code, and below half a code.

    A step is |δ·x| · 2^-s, exact (docs/numerics.md, section 6); with mini-batches |G| · 2^-s of the sums of each batch
    of the samples. Below one code a step lives from stochastic rounding alone; below half a code it vanishes
    when rounded to nearest. The bias row counts. Both are None where nothing is nonzero, and with momentum, which adds
    steps up.
    """
    if chip.learning.momentum is not None:
        return None, None
    shift, batch = chip.update_shift(layer, epoch), chip.learning.batch
    inputs = np.hstack([x, np.full((len(x), 1), layer.bias_code)])
    unit = 1 << shift
    below = np.zeros(2, dtype=np.int64)
    total = 0
    if batch > 1:
        for first in range(0, len(x), batch):
            part = slice(first, first + batch)
            sums = np.abs(product(inputs[part].T, delta[part]))
            nonzero = sums[sums > 0]
            below += np.count_nonzero(nonzero < unit), np.count_nonzero(2 * nonzero < unit)
            total += len(nonzero)
    else:
        for codes, signal in zip(np.abs(inputs), np.abs(delta), strict=True):
            rows, ordered = codes[codes > 0], np.sort(signal[signal > 0])
            # d · x < 2^s if and only if d <= (2^s − 1) // x: counted without a product for each weight
            below += np.searchsorted(ordered, (unit - 1) // rows, side="right").sum(), 0
            below += 0, np.searchsorted(ordered, (unit - 1) // (2 * rows), side="right").sum()
            total += len(rows) * len(ordered)
    return ratio(int(below[0]), total), ratio(int(below[1]), total)


def zero_updates(gained: Tally | None, layer: int) -> float | None:
    """Return the share of weight updates of a layer whose rounded step was 0; None without updates."""
    if gained is None:
        return None
    return ratio(gained.events[layer, ZERO_UPDATES], gained.events[layer, UPDATES])


def slope(step: Float, gradient: Float) -> float | None:
    """Return the rate η for which η · G is closest to a step: ⟨ΔW, G⟩ / ⟨G, G⟩."""
    return ratio(float(np.vdot(step, gradient)), float(np.vdot(gradient, gradient)))


def chip_entries(chip: Chip, state: ChipState, probe: Probe, signals: Signals, gained: Tally | None) -> list[Entry]:
    """Return what is measured of each layer of an integer chip, one mapping a layer; None for what is undefined.

    `chip_update_angle`, `chip_bp_angle`, `chip_twin_angle`: degrees from ΔW as the chip makes it of the probe to the G
    of its rule in floats, to that of backpropagation, and to the ΔW of its float twin. `effective_rate`: slope of the
    chip's ΔW on G; `twin_rate` that of the twin's, whose weights move between samples too; `nominal_rate` 2^-lr_shift.
    Shares: `weights_saturated` of codes of W_k at the ends of their format; `zero_updates` of the updates since the
    last diagnosis whose rounded step was 0; `underflow` and `underflow_half`, see :func:`lost`; `q_saturated` of
    pre-activations at the ends of the table; `delta_zero` and `delta_saturated` of δ_k codes that are 0, or at the
    ends of their format.
    """
    found = CodeSignals(chip, state, probe)
    steps, twins = steps_of_chip(chip, state, probe), steps_of_twin(chip, state, probe)
    entries = []
    for layer in chip.network.layers:
        k = layer.index
        own, delta, x = signals.gradients[k], found.deltas[k], found.activations[k]
        below = (None, None) if delta is None or x is None else lost(chip, layer, delta, x, state.epoch)
        shares = {
            "weights_saturated": at_the_ends(state.weights[k], layer.weight),
            "zero_updates": zero_updates(gained, k),
            "underflow": below[0],
            "underflow_half": below[1],
            "q_saturated": at_the_ends(found.addresses[k], _ADDRESS),
            "delta_zero": None if delta is None else ratio(int(np.count_nonzero(delta == 0)), delta.size),
            "delta_saturated": None if delta is None else at_the_ends(delta, layer.delta),
        }
        learns = own is not None
        entries.append(
            {
                "chip_update_angle": rounded(angle(steps[k], own)) if learns else None,
                "chip_bp_angle": rounded(angle(steps[k], signals.bp_gradients[k])) if learns else None,
                "chip_twin_angle": rounded(angle(steps[k], twins[k])) if learns else None,
                "effective_rate": None if own is None else rounded(slope(steps[k], own), significant=True),
                "twin_rate": None if own is None else rounded(slope(twins[k], own), significant=True),
                "nominal_rate": 2.0 ** -chip.learning.shift_at(k, state.epoch) if learns else None,
                **{name: rounded(share) for name, share in shares.items()},
            }
        )
    return entries
