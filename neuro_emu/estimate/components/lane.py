"""One lane of the chip, part by part (rtl_models/core/nemu_lane.sv).

Parts that are components are theirs; what the lane adds, and what it saves where parts meet, is calibrated here:
osu018, Yosys 0.70, benchmarks/calibration; NAND2-equivalents. Widths in bits.
"""

from __future__ import annotations

from neuro_emu.estimate.components.arithmetic import adder, multiplier
from neuro_emu.estimate.components.rounding import requantise
from neuro_emu.estimate.components.storage import multiplexer, register
from neuro_emu.estimate.components.update import accumulate, weight_update
from neuro_emu.estimate.gates import Gates

LANE_SHARE = 0.944
"""Part of the components' logic that is left once they are one lane."""
LIMIT_CHOICE_BIT = 1.33
"""An AND or an OR: the accumulator's limits give way to the whole width during a projection."""


def lane_of(
    weight: int, feedback: int, delta: int, operand: int, accumulator: int, aligned: int, gradient: int
) -> dict[str, Gates]:
    """Parts of one lane (nemu_lane) by the RTL's parameters, bits each.

    Registers hold the flip-flops, with their enables and clears; every other part is combinational.
    """
    signal = max(feedback, delta)
    factor = max(weight, signal)
    product = factor + operand
    step = max(product, gradient)
    parts = {
        "multiplier": multiplier(factor, operand),
        "operand select": multiplexer(factor, 3),
        "accumulate": accumulate(accumulator, product) + Gates(2 * LIMIT_CHOICE_BIT * accumulator),
        "update": weight_update(weight, step) + multiplexer(weight, 2),
        "project": requantise(accumulator, aligned, delta),
        "gate": requantise(signal, aligned, delta) + multiplexer(signal, 2) + Gates(LIMIT_CHOICE_BIT * signal),
        "registers": lane_registers(product, weight, accumulator, delta),
    }
    if gradient:
        parts["gradient"] = gradient_of(gradient, product)
    return joined(parts)


def joined(parts: dict[str, Gates]) -> dict[str, Gates]:
    """Return the parts as they are inside a lane: less what the synthesiser saves where they meet."""
    return {name: Gates(LANE_SHARE * part.logic, part.flops) for name, part in parts.items()}


def lane_registers(product: int, weight: int, accumulator: int, delta: int) -> Gates:
    """Registers of a lane: product, weight twice, accumulator, projection, delta and one flag."""
    kept = register(product + weight + 1, enable=True) + register(weight) + register(delta, enable=True)
    kept += register(accumulator, enable=True, reset=True)
    return kept + register(delta, enable=True, reset=True) + multiplexer(delta, 2)


def gradient_of(gradient: int, product: int) -> Gates:
    """Mini-batch sum of a lane: an adder, its two registers, and the choice of what is stepped by."""
    choice = multiplexer(max(gradient, product), 2) + Gates(LIMIT_CHOICE_BIT * (gradient + product))
    return adder(gradient) + register(2 * gradient) + choice
