"""What is left of the RTL's containers once their named blocks are taken out: selections, limits, addresses.

Source of every coefficient: osu018, Yosys 0.70, benchmarks/calibration; NAND2-equivalents. Widths in bits.
"""

from __future__ import annotations

from neuro_emu.estimate.components.activation import (
    PREACTIVATION_BITS,
    limits,
    ternary_sign,
)
from neuro_emu.estimate.components.arithmetic import adder, comparator, incrementer
from neuro_emu.estimate.components.control import ROW_BITS
from neuro_emu.estimate.components.rounding import requantise
from neuro_emu.estimate.components.storage import ENABLE_BIT, levels, multiplexer, register
from neuro_emu.estimate.gates import Gates

SIGN_BITS = 2
ARRAY_UNIT_LANE = 8.505
ARRAY_SELECT_BIT = 1.638
STAGE_FIXED = 523.0
STAGE_UNIT = 20.88
STAGE_LANE = 25.02
CORE_FIXED = 121.6
CORE_LANE = 1.64
CORE_PORT_BIT = 1.198
CORE_WRITTEN_BIT = 1.966


def array_rest(lanes: int, units: int, weight: int, code: int, delta: int, accumulator: int) -> Gates:
    """The lane array without lanes and random words (nemu_lane_array).

    The class's error and sign are selected from all lanes; each lane's delta comes from its error or from one of the
    activation units; limits of accumulators, weights and projections are decoded once.
    """
    selected = multiplexer(delta + SIGN_BITS, lanes) + multiplexer(max(code, delta), 4)
    decoded = limits(accumulator) + limits(weight) + limits(delta)
    each = ARRAY_SELECT_BIT * delta * units + ARRAY_UNIT_LANE * (units - 1)
    return selected + decoded + Gates(each * lanes, 5 + levels(lanes))


def array_rest_forward(weight: int, accumulator: int) -> Gates:
    """The lane array's rest in a chip that does not learn: limits of accumulators and weights, and the valid bits."""
    return limits(accumulator) + limits(weight) + Gates(flops=2)


def stage_rest(lanes: int, units: int, accumulator: int, aligned: int, code: int, delta: int, signal: int) -> Gates:
    """The output stage without its activation units (nemu_output_stage).

    Forward: accumulators are selected for the units, and compared for the prediction. Learning: pre-activations and
    output errors of each lane, their selection, the error and its sign in each unit, one-bit derivatives.
    """
    unit = requantise(code + 1, aligned, delta) + ternary_sign(code + 1)
    unit += multiplexer(signal + PREACTIVATION_BITS, lanes)
    lane = register(PREACTIVATION_BITS, enable=True) + multiplexer(PREACTIVATION_BITS, 2)
    lane += Gates(STAGE_LANE * units)
    return stage_rest_forward(lanes, units, accumulator, code) + unit * units + lane * lanes + Gates(flops=1)


def stage_rest_forward(lanes: int, units: int, accumulator: int, code: int) -> Gates:
    """The output stage's rest in a chip that does not learn: selection for the units, codes' limits, prediction."""
    best = comparator(accumulator) + Gates(ENABLE_BIT * (accumulator + ROW_BITS))
    unit = multiplexer(accumulator, lanes) + best + Gates(STAGE_UNIT)
    kept = Gates(flops=units + ROW_BITS + 1 + accumulator + ROW_BITS)
    return unit * units + limits(code) + kept + Gates(STAGE_FIXED)


def core_rest(
    lanes: int, weight: int, feedback: int, gradient: int, delta: int, codes: int, feedback_rows: int
) -> Gates:
    """The top level beside its blocks: counters, addresses, the memory port (nemu_core, Trace = 0)."""
    port = Gates(CORE_PORT_BIT * lanes * (weight + feedback + gradient))
    written = Gates(CORE_WRITTEN_BIT * lanes * max(weight, gradient) if gradient else 0.0)
    addresses = adder(levels(feedback_rows)) * 2 + adder(levels(codes)) * 3
    counter = incrementer(32) + register(32, enable=True, reset=True)
    kept = register(2 * ROW_BITS, enable=True) + Gates(flops=5)
    return port + written + addresses + counter + kept + limits(delta) + Gates(CORE_FIXED + CORE_LANE * lanes)


def core_rest_forward(lanes: int, weight: int, code: int, codes: int) -> Gates:
    """The top level of a chip that does not learn: no feedback path, no label."""
    port = Gates(CORE_PORT_BIT * (lanes * weight + code))
    counter = incrementer(32) + register(32, enable=True, reset=True)
    kept = register(ROW_BITS, enable=True) + Gates(flops=5)
    return port + adder(levels(codes)) * 3 + counter + kept + Gates(CORE_FIXED + CORE_LANE * lanes)
