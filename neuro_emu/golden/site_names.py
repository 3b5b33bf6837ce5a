"""Sites: places of the arithmetic where only special operands tell right hardware from wrong, and a count of each.

A site fires when what it names happens *and can be seen*: a tie counts only if the two neighbours that it decides
between differ in what follows (the table entry, the saturated signal, the stored weight).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.program import record as record_program
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.design import ZeroInput
from neuro_emu.network.layers import DenseLayer
from neuro_emu.numerics.modes import Overflow, Rounding
from neuro_emu.rules import Need

Int64 = NDArray[np.int64]

MEANINGS = {
    "accumulator_high": "a step of the accumulator was clamped at its largest value",
    "accumulator_low": "a step of the accumulator was clamped at its smallest value",
    "accumulator_wrap": "a finished sum left the accumulator's range and wrapped",
    "preactivation_high": "q was clamped at 127",
    "preactivation_low": "q was clamped at -128",
    "preactivation_tie": "z ≥ 0 lay exactly between two q whose table entries differ",
    "preactivation_negative_tie": "z < 0 lay exactly between two q whose table entries differ",
    "address_high": "q was 127, the last positive table entry",
    "address_low": "q was -128, the first negative table entry",
    "bend_low_outside": "q was the last address below the lower bend of the activation",
    "bend_low_inside": "q was the first address above the lower bend",
    "bend_high_inside": "q was the last address below the upper bend",
    "bend_high_outside": "q was the first address above the upper bend",
    "row_zero": "forward: an input code 0 was multiplied like any other (zero_input: none)",
    "row_skipped": "forward: a row of input code 0 was not read (zero_input: gate, skip)",
    "group_first": "the first of several groups was activated",
    "group_last": "the last of several groups was activated",
    "error_high": "an output error was clamped at the largest delta",
    "error_low": "an output error was clamped at the smallest delta",
    "error_tie": "an output error ≥ 0 lay exactly between two deltas",
    "error_negative_tie": "an output error < 0 lay exactly between two deltas",
    "sign_positive": "an output error above the dead zone, of a sample that hidden layers learned from",
    "sign_negative": "an output error below the dead zone, likewise",
    "sign_zero": "an output error inside the dead zone, likewise",
    "sign_border": "an output error of the size of the dead zone, not 0, likewise",
    "gate_open": "the error of the label passed the error gate",
    "gate_closed": "the error of the label did not pass the error gate",
    "gate_border": "the error of the label was equal to the error gate",
    "label[c]": "a sample of class c was learned from",
    "argmax_tie": "the largest accumulator occurred twice in a group and in none before it",
    "argmax_tie_across": "the largest accumulator of a group occurred again in a later group",
    "inference": "a sample was inferred and another one learned from after it",
    "projection_high": "a projected error was clamped at its largest code",
    "projection_low": "a projected error was clamped at its smallest code",
    "projection_tie": "a projected error ≥ 0 lay exactly between two codes",
    "projection_negative_tie": "a projected error < 0 lay exactly between two codes",
    "derivative_zero": "a signal that was not 0 met the derivative 0",
    "derivative_nonzero": "a signal that was not 0 met a derivative that was not 0",
    "delta_high": "signal times derivative was clamped at the largest delta",
    "delta_low": "signal times derivative was clamped at the smallest delta",
    "delta_tie": "signal times derivative ≥ 0 lay exactly between two deltas",
    "delta_negative_tie": "signal times derivative < 0 lay exactly between two deltas",
    "update_row_zero": "update: a row of input code 0 was read and written back (zero_input: none)",
    "update_row_skipped": "update: a row of input code 0 was left alone (zero_input: gate, skip)",
    "stall": "a row of an update waited for its bank",
    "weight_high": "a weight was clamped at its largest code",
    "weight_low": "a weight was clamped at its smallest code",
    "weight_wrap": "a weight left its format and wrapped",
    "update_tie": "RND: a product ≥ 0 lay exactly between two steps",
    "update_negative_tie": "RND: a product < 0 lay exactly between two steps",
    "update_tie_even": "RND_CONV: a product lay exactly between two steps, the lower one even",
    "update_tie_odd": "RND_CONV: a product lay exactly between two steps, the lower one odd",
    "update_negative_dropped": "TRN, TRN_ZERO: a negative product lost bits that were not all 0",
    "update_round_up": "STOCH: the random word changed the step",
    "update_round_down": "STOCH: bits that were not all 0 were dropped, and the random word did not change the step",
    "update_last_bit": "STOCH: the lowest bit of the draw decided; for shifts of 1 to 12, beyond which this is luck",
    "update_zero_product": "STOCH: a product 0 met a draw that was not 0",
    "gradient_sum": "a mini-batch sum that was not 0 took another product that was not 0",
    "batch_full": "a full mini-batch was written",
    "batch_short": "a short last mini-batch was written",
}
"""Site → what it takes to fire it. Sites of a layer are counted as site[layer]."""

_ROUNDING_SITES = {
    Rounding.TRN: ("update_negative_dropped",),
    Rounding.TRN_ZERO: ("update_negative_dropped",),
    Rounding.RND: ("update_tie", "update_negative_tie"),
    Rounding.RND_CONV: ("update_tie_even", "update_tie_odd"),
    Rounding.STOCH: ("update_round_up", "update_round_down", "update_last_bit", "update_zero_product"),
}
_MOST_BITS_OF_LUCK = 12
_HIGH_LOW_TIES = ("high", "low", "tie", "negative_tie")


def operations(chip: Chip) -> dict[tuple[str, int], int]:
    """(operation, layer) → shift of everything that the rule asks of the datapath; see `kernels/fabric.py`.

    The sign of the error is layer 0's.
    """
    program = record_program(chip)
    return dict(zip(program.operations, program.code[:, 4].tolist(), strict=True))


def bends(layer: DenseLayer) -> dict[str, int]:
    """Return the addresses q on both sides of each bend of an activation that is made of comparators."""
    one = 1 << layer.table_frac
    if layer.activation == "hard_tanh":
        return {
            "bend_low_outside": -one,
            "bend_low_inside": 1 - one,
            "bend_high_inside": one - 1,
            "bend_high_outside": one,
        }
    return {"bend_low_outside": 0, "bend_low_inside": 1} if "relu" in layer.activation else {}


def learns(chip: Chip, layer: DenseLayer) -> bool:
    """Whether *layer* is updated at all."""
    return layer is chip.network.output or chip.learning.rule.need > Need.NOTHING


def is_gated(chip: Chip) -> bool:
    """Whether an error gate decides about hidden layers."""
    return chip.learning.error_gate is not None and chip.need is Need.ERROR


def update_shifts(chip: Chip, layer: DenseLayer) -> dict[int, int]:
    """Shift of the updates of *layer* → first epoch that has it."""
    epochs = sorted({epoch for schedule in chip.learning.lr_shift for epoch, _ in schedule}, reverse=True)
    return {chip.update_shift(layer, epoch): epoch for epoch in epochs}


def sites_of(chip: Chip) -> list[str]:
    """Every site that *chip* has, reachable or not, in the order of :data:`MEANINGS` within the chip and each layer."""
    network, batch = chip.network, chip.learning.batch > 1
    names = {f"error_{what}" for what in _HIGH_LOW_TIES} | {"inference"}
    if ("error_sign", 0) in operations(chip):
        names |= {"sign_positive", "sign_negative", "sign_zero", "sign_border"}
    if is_gated(chip):
        names |= {"gate_open", "gate_closed", "gate_border"}
    if network.classes > 1 and chip.design.lanes > 1:
        names.add("argmax_tie")
    if chip.design.groups(network.classes) > 1:
        names.add("argmax_tie_across")
    if batch:
        names |= {"batch_full", "batch_short"}
    sites = [name for name in MEANINGS if name in names] + [f"label[{c}]" for c in range(network.classes)]
    for layer in network.layers:
        own = _sites_of_layer(chip, layer)
        sites += [f"{name}[{layer.index}]" for name in MEANINGS if name in own]
    return sites


def _sites_of_layer(chip: Chip, layer: DenseLayer) -> set[str]:
    wraps = chip.numerics.accumulator_overflow is Overflow.WRAP
    names = {"accumulator_wrap"} if wraps else {"accumulator_high", "accumulator_low"}
    names |= {f"preactivation_{what}" for what in _HIGH_LOW_TIES} | {"address_high", "address_low"} | set(bends(layer))
    zero = "row_zero" if chip.design.zero_input is ZeroInput.NONE else "row_skipped"
    names.add(zero)
    if chip.design.groups(layer.units) > 1:
        names |= {"group_first", "group_last"}
    if not learns(chip, layer):
        return names
    if layer is not chip.network.output:
        asked = operations(chip)
        if ("project", layer.index) in asked:
            names |= {f"projection_{what}" for what in _HIGH_LOW_TIES}
        if ("gate", layer.index) in asked:
            names |= {f"delta_{what}" for what in _HIGH_LOW_TIES} | {"derivative_zero", "derivative_nonzero"}
    names |= {f"update_{zero}", "stall", *_ROUNDING_SITES[chip.numerics.update_rounding]}
    if not any(0 < shift <= _MOST_BITS_OF_LUCK for shift in update_shifts(chip, layer)):
        names.discard("update_last_bit")
    names |= {"weight_high", "weight_low"} if chip.numerics.overflow is Overflow.SAT else {"weight_wrap"}
    return names | ({"gradient_sum"} if chip.learning.batch > 1 else set())


def both(first: NDArray[np.bool_] | bool, *others: NDArray[np.bool_] | bool) -> NDArray[np.bool_]:
    """Whether all conditions hold, element by element."""
    result = np.asarray(first, dtype=np.bool_)
    for other in others:
        result = np.logical_and(result, other)
    return result


def aligned(codes: Int64, shift: int) -> Int64:
    """`align` of docs/numerics.md, element by element."""
    if shift <= 0:
        return codes * (1 << -shift)
    return (codes + (1 << (shift - 1))) // (1 << shift)


def seen_ties(codes: Int64, shift: int, low: int, high: int) -> NDArray[np.bool_]:
    """Whether each code lies exactly between two results that both differ after saturation to [*low*, *high*]."""
    if shift <= 0:
        return np.zeros(codes.shape, dtype=np.bool_)
    floor = codes // (1 << shift)
    return both(codes % (1 << shift) == 1 << (shift - 1), floor >= low, floor < high)


def step_events(rounding: Rounding, products: Int64, shift: int, draws: Int64) -> dict[str, NDArray[np.bool_]]:
    """Return the update sites of *rounding* by element, whether they can be seen in the weight or not.

    Args:
        rounding: of updates.
        products: δ·x, or mini-batch sums.
        shift: of the update.
        draws: the random numbers 0 … 2^shift − 1 of STOCH.

    """
    dropped, floor = products % (1 << shift), products // (1 << shift)
    tie = (dropped * 2 == 1 << shift) if shift else np.zeros(products.shape, dtype=np.bool_)
    if rounding is Rounding.RND:
        return {"update_tie": both(tie, products >= 0), "update_negative_tie": both(tie, products < 0)}
    if rounding is Rounding.RND_CONV:
        return {"update_tie_even": both(tie, floor % 2 == 0), "update_tie_odd": both(tie, floor % 2 == 1)}
    if rounding is not Rounding.STOCH:
        return {"update_negative_dropped": both(products < 0, dropped != 0)}
    carried = dropped + draws >= 1 << shift
    return {
        "update_round_up": carried,
        "update_round_down": both(~carried, dropped != 0),
        "update_zero_product": both(products == 0, draws != 0),
        "update_last_bit": both(dropped + draws == (1 << shift) - 1 + draws % 2, shift > 0),
    }


def rounds_up(rounding: Rounding, products: Int64, shift: int, draws: Int64) -> NDArray[np.bool_]:
    """Whether the step of each product is its floor plus one."""
    dropped, unit = products % (1 << shift), 1 << shift
    if rounding is Rounding.RND:
        up = both(dropped * 2 >= unit, shift > 0)
    elif rounding is Rounding.RND_CONV:
        up = (dropped * 2 > unit) | both(dropped * 2 == unit, products // unit % 2 == 1)
    elif rounding is Rounding.TRN_ZERO:
        up = both(products < 0, dropped != 0)
    else:
        up = both(rounding is Rounding.STOCH, dropped + draws >= unit)
    return up
