"""Gates of every block of the chip of rtl_models/core as functions of what it is built for.

Source: the component formulas, calibrated block by block (osu018, Yosys 0.70, benchmarks/calibration); the sum is
checked against whole cores there. `Trace` is 0 and memories are not counted.
"""

from __future__ import annotations

from neuro_emu.estimate.components.activation import activation_unit, activation_unit_forward
from neuro_emu.estimate.components.arithmetic import multiplier
from neuro_emu.estimate.components.control import code_memory, registers, row_finder, row_path, sequencer
from neuro_emu.estimate.components.glue import (
    array_rest,
    array_rest_forward,
    core_rest,
    core_rest_forward,
    stage_rest,
    stage_rest_forward,
)
from neuro_emu.estimate.components.lane import joined, lane_of
from neuro_emu.estimate.components.randomness import random_words
from neuro_emu.estimate.components.storage import register
from neuro_emu.estimate.components.update import accumulate
from neuro_emu.estimate.gates import Gates, total_of
from neuro_emu.golden.build import Build


def lane(build: Build, *, learning: bool = True) -> dict[str, Gates]:
    """Parts of one lane of *build*.

    Without learning it keeps multiplier, accumulator and their registers: a model of a chip that only infers, not
    something that the RTL can be built as.
    """
    operand = max(build.code_bits, build.delta_bits)
    if learning:
        return lane_of(
            build.weight_bits,
            build.feedback_bits,
            build.delta_bits,
            operand,
            build.accumulator_bits,
            build.parameters["MidW"],
            build.gradient_bits,
        )
    product = build.weight_bits + build.code_bits
    kept = register(product, enable=True) + register(build.accumulator_bits, enable=True, reset=True)
    return joined(
        {
            "multiplier": multiplier(build.weight_bits, build.code_bits),
            "accumulate": accumulate(build.accumulator_bits, product),
            "registers": kept,
        }
    )


def blocks_of(build: Build, *, learning: bool = True) -> dict[str, Gates]:
    """Gates of every block of the core built as *build*, all instances together.

    Without learning: lanes that only multiply and accumulate, no random words, no feedback path, no kept
    pre-activations, no derivatives, no error logic, no mini-batch sums. Sequencer, registers, code memory, row finder
    and row path stay as they are, although a chip that only infers needs less of each. That is a model: the RTL has no
    such build, and only the parts that it shares with the learning chip are calibrated.
    """
    if not learning:
        return _forward_blocks(build)
    lanes, units, layers = build.lanes, build.units, build.layers
    accumulator, aligned = build.accumulator_bits, build.parameters["MidW"]
    code, delta = build.code_bits, build.delta_bits
    signal = max(build.feedback_bits, delta)
    return {
        "lanes": total_of(lane(build)) * lanes,
        "random words": random_words(lanes, layers),
        "lane array": array_rest(lanes, units, build.weight_bits, code, delta, accumulator),
        "activation units": activation_unit(accumulator, aligned, code, delta, signal) * units,
        "output stage": stage_rest(lanes, units, accumulator, aligned, code, delta, signal),
        "code memory": code_memory(units, code, build.codes),
        "row finder": row_finder(build.codes),
        "sequencer": sequencer(layers),
        "registers": registers(layers),
        "row path": row_path(lanes, build.banks, build.weight_bits, build.gradient_bits, build.weight_rows),
        "core": core_rest(
            lanes,
            build.weight_bits,
            build.feedback_bits,
            build.gradient_bits,
            delta,
            build.codes,
            build.feedback_rows,
        ),
    }


def _forward_blocks(build: Build) -> dict[str, Gates]:
    lanes, units = build.lanes, build.units
    accumulator, aligned = build.accumulator_bits, build.parameters["MidW"]
    return {
        "lanes": total_of(lane(build, learning=False)) * lanes,
        "lane array": array_rest_forward(build.weight_bits, accumulator),
        "activation units": activation_unit_forward(accumulator, aligned, build.code_bits) * units,
        "output stage": stage_rest_forward(lanes, units, accumulator, build.code_bits),
        "code memory": code_memory(units, build.code_bits, build.codes),
        "row finder": row_finder(build.codes),
        "sequencer": sequencer(build.layers),
        "registers": registers(build.layers),
        "row path": row_path(lanes, build.banks, build.weight_bits, 0, build.weight_rows),
        "core": core_rest_forward(lanes, build.weight_bits, build.code_bits, build.codes),
    }
