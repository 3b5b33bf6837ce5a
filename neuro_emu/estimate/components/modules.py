"""Gates of an RTL module by its name and parameters: what the calibration compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from neuro_emu.estimate.components import (
    activation,
    arithmetic,
    control,
    glue,
    lane,
    normalisation,
    randomness,
    rounding,
    storage,
    update,
)
from neuro_emu.estimate.gates import Gates, total_of

Parameters = Mapping[str, int]


def _lane(p: Parameters) -> Gates:
    return total_of(
        lane.lane_of(p["WeightW"], p["FeedbackW"], p["DeltaW"], p["OperandW"], p["AccW"], p["MidW"], p["GradientW"])
    )


def _signal(p: Parameters) -> int:
    return max(p["FeedbackW"], p["DeltaW"])


def _array(p: Parameters) -> Gates:
    return glue.array_rest(p["Lanes"], p["Units"], p["WeightW"], p["CodeW"], p["DeltaW"], p["AccW"])


def _stage(p: Parameters) -> Gates:
    return glue.stage_rest(p["Lanes"], p["Units"], p["AccW"], p["MidW"], p["CodeW"], p["DeltaW"], _signal(p))


def _core(p: Parameters) -> Gates:
    port = p["Lanes"], p["WeightW"], p["FeedbackW"], p["GradientW"]
    return glue.core_rest(*port, p["DeltaW"], p["Codes"], p["FeedbackRows"])


def _path(p: Parameters) -> Gates:
    rows = p["Rows"] if "Rows" in p else p["WeightRows"]
    return control.row_path(p["Lanes"], p["Banks"], p["WeightW"], p["GradientW"], rows)


def _unit(p: Parameters) -> Gates:
    signal = p["SignalW"] if "SignalW" in p else _signal(p)
    return activation.activation_unit(p["AccW"], p["MidW"], p["CodeW"], p["DeltaW"], signal)


def _register(p: Parameters) -> Gates:
    return storage.register(p["W"], enable=bool(p["Enable"]), reset=bool(p["Reset"]))


OPERATIONS: dict[str, Callable[[Parameters], Gates]] = {
    "nemu_accumulate": lambda p: update.accumulate(p["AccW"], p["ProductW"]),
    "nemu_add_step": lambda p: update.add_step(p["WeightW"], p["StepW"]),
    "nemu_align": lambda p: rounding.align(p["InW"], p["OutW"]),
    "nemu_bank_of": lambda p: control.bank_of(p["BanksW"]),
    "nemu_bit_reverse": lambda _: Gates(),
    "nemu_draw": lambda _: randomness.draw(),
    "nemu_dropped": lambda _: randomness.dropped(),
    "nemu_hold_norm": lambda p: normalisation.hold_norm(p["ExactW"], p["CodeW"], p["ShortW"], p["GammaW"]),
    "nemu_lfsr": lambda _: randomness.lfsr_step(),
    "nemu_mean": lambda p: normalisation.mean(p["TotalW"], p["CountW"]),
    "nemu_noise_code": lambda p: randomness.noise_code(p["W"]),
    "nemu_norm_factor": lambda p: normalisation.norm_factor(p["GammaW"], p["SquaresW"]),
    "nemu_overflow": lambda p: rounding.overflow(p["OutW"]),
    "nemu_reciprocal": lambda p: normalisation.reciprocal(p["TotalW"]),
    "nemu_requantise": lambda p: rounding.requantise(p["InW"], p["MidW"], p["OutW"]),
    "nemu_root": lambda p: normalisation.root(p["CodeW"]),
    "nemu_round_shift": lambda p: rounding.round_shift(p["W"]),
    "nemu_saturate": lambda p: rounding.saturate(p["InW"], p["OutW"]),
    "nemu_square_gap": lambda p: normalisation.square_gap(p["ExactW"], p["CodeW"]),
    "nemu_table_address": lambda _: Gates(),
    "nemu_ternary_sign": lambda p: activation.ternary_sign(p["W"]),
    "nemu_velocity_sum": lambda p: normalisation.velocity_sum(p["VelocityW"], p["GradientW"], p["SumW"]),
    "nemu_wrap": lambda p: rounding.wrap(p["OutW"]),
    "nemu_xorshift": lambda _: randomness.xorshift_step(),
}
"""Modules of rtl_models/ops. Wires have no gates."""

CORE_BLOCKS: dict[str, Callable[[Parameters], Gates]] = {
    "nemu_activation_unit": _unit,
    "nemu_code_memory": lambda p: control.code_memory(p["Units"], p["CodeW"], p["Codes"]),
    "nemu_core": _core,
    "nemu_find_first": lambda p: storage.find_first(p["W"]),
    "nemu_lane": _lane,
    "nemu_lane_array": _array,
    "nemu_limits": lambda p: activation.limits(p["W"]),
    "nemu_linear_activation": lambda p: activation.linear_activation(p["CodeW"], p["MidW"]),
    "nemu_linear_slope": lambda _: activation.linear_slope(),
    "nemu_output_stage": _stage,
    "nemu_random": lambda p: randomness.random_words(p["Lanes"], p["Layers"]),
    "nemu_registers": lambda p: control.registers(p["Layers"]),
    "nemu_row_finder": lambda p: control.row_finder(p["Codes"]),
    "nemu_row_path": _path,
    "nemu_sequencer": lambda p: control.sequencer(p["Layers"]),
}
"""Modules of rtl_models/core; those that contain others without them."""

PRIMITIVES: dict[str, Callable[[Parameters], Gates]] = {
    "cal_adder": lambda p: arithmetic.adder(p["W"]),
    "cal_comparator": lambda p: arithmetic.comparator(p["W"]),
    "cal_incrementer": lambda p: arithmetic.incrementer(p["W"]),
    "cal_mac": lambda p: arithmetic.mac(p["A"], p["B"], p["AccW"]),
    "cal_multiplexer": lambda p: storage.multiplexer(p["W"], p["Ways"]),
    "cal_multiplier": lambda p: arithmetic.multiplier(p["A"], p["B"]),
    "cal_register": _register,
    "cal_requantise_fixed": lambda p: rounding.requantise_fixed(p["InW"], p["OutW"], p["Shift"]),
    "cal_round_fixed": lambda p: rounding.round_fixed(p["W"], p["Shift"], stochastic=bool(p["Stochastic"])),
    "cal_saturate_fixed": lambda p: rounding.saturate_fixed(p["InW"], p["OutW"]),
    "cal_shifter": lambda p: storage.barrel_shifter(p["W"], p["Positions"], both=bool(p["Both"])),
    "cal_weight_update": lambda p: update.weight_update(p["WeightW"], p["StepW"]),
    "cal_subtractor": lambda p: arithmetic.subtractor(p["W"]),
}
"""Plain pieces of logic that are written out in benchmarks/calibration/sweep.py."""

MODULES = {**OPERATIONS, **CORE_BLOCKS, **PRIMITIVES}
"""Everything that the calibration compares, by name."""


def of_module(name: str, parameters: Parameters) -> Gates:
    """Gates of a module as the formulas have them; *parameters* are those of its source."""
    return MODULES[name](parameters)
