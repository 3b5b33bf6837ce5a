"""Least squares for the coefficients of the gate formulas, which are linear in them.

Each group names constants of one component module and the RTL modules that they are fitted to; groups are fitted in
order, so that later ones build on the constants of the earlier. Errors are relative; coefficients are not negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import numpy as np
from scipy.optimize import minimize, nnls

from neuro_emu.estimate.components.modules import of_module

GROUPS: list[tuple[str, str, str]] = [
    ("storage", "ENABLE_BIT RESET_BIT ENABLE_AND_RESET_BIT", "cal_register"),
    ("storage", "MULTIPLEXER_BIT MULTIPLEXER_ALONE_BIT", "cal_multiplexer"),
    ("storage", "SHIFTER_BIT SHIFTER_BOTH_BIT", "cal_shifter"),
    ("storage", "FIND_BIT FIND_OR_BIT", "nemu_find_first"),
    ("arithmetic", "ADDER_BIT", "cal_adder"),
    ("arithmetic", "SUBTRACTOR_BIT", "cal_subtractor"),
    ("arithmetic", "COMPARATOR_BIT", "cal_comparator"),
    ("arithmetic", "INCREMENTER_BIT", "cal_incrementer"),
    ("arithmetic", "CARRY_SAVE_BIT PARTIAL_PRODUCT_BIT", "cal_multiplier"),
    ("rounding", "SATURATE_BIT SATURATE_EXTRA_BIT", "nemu_saturate"),
    ("rounding", "WRAP_BIT", "nemu_wrap"),
    ("rounding", "OVERFLOW_BIT", "nemu_overflow"),
    ("rounding", "ALIGN_IN_BIT ALIGN_OUT_BIT ALIGN_RANGE_BIT", "nemu_align"),
    (
        "rounding",
        "REQUANTISE_IN_BIT REQUANTISE_MID_BIT REQUANTISE_OUT_BIT REQUANTISE_RANGE_IN_BIT REQUANTISE_RANGE_BIT",
        "nemu_requantise",
    ),
    ("rounding", "ROUND_WORD ROUND_BIT ROUND_SUM_BIT", "nemu_round_shift"),
    ("rounding", "FIXED_CLAMP_BIT", "cal_saturate_fixed"),
    ("rounding", "ROUND_CARRY_BIT", "cal_round_fixed"),
    ("rounding", "REQUANTISE_FIXED_SHARE", "cal_requantise_fixed"),
    ("update", "ACCUMULATE_BIT", "nemu_accumulate"),
    ("update", "ADD_STEP_BIT ADD_STEP_EXTRA_BIT", "nemu_add_step"),
    ("randomness", "DRAW_BIT", "nemu_draw"),
    ("randomness", "DROPPED_BIT", "nemu_dropped"),
    ("randomness", "NOISE_BIT", "nemu_noise_code"),
    ("randomness", "RANDOM_SHARED RANDOM_LANE RANDOM_LAYER", "nemu_random"),
    ("activation", "LIMITS_LEVEL LIMITS_BIT", "nemu_limits"),
    ("activation", "TERNARY_BIT", "nemu_ternary_sign"),
    ("activation", "LINEAR_SLOPE", "nemu_linear_slope"),
    ("activation", "LINEAR_BEND", "nemu_linear_activation"),
    ("activation", "UNIT_SHARE", "nemu_activation_unit"),
    ("normalisation", "VELOCITY_FIXED VELOCITY_SHIFT_BIT VELOCITY_OPERAND_BIT", "nemu_velocity_sum"),
    ("normalisation", "ROOT_CELL", "nemu_root"),
    ("normalisation", "DIVIDER_CELL", "nemu_norm_factor"),
    ("normalisation", "RECIPROCAL_CELL", "nemu_reciprocal"),
    ("normalisation", "MEAN_CELL MEAN_BIT", "nemu_mean"),
    ("normalisation", "GAP_SHARE", "nemu_square_gap"),
    ("normalisation", "HOLD_SHARE", "nemu_hold_norm"),
    ("control", "BANK_BIT", "nemu_bank_of"),
    ("control", "FINDER_CODE FINDER_FIXED", "nemu_row_finder"),
    ("control", "FLAG_CODE FLAG_DECODE FLAG_WRITER CODE_BIT", "nemu_code_memory"),
    ("control", "SEQUENCER_FIXED SEQUENCER_LAYER", "nemu_sequencer"),
    ("control", "REGISTERS_FIXED REGISTERS_LAYER", "nemu_registers"),
    ("control", "PATH_ADDRESS PATH_PORT_BIT PATH_BANK", "nemu_row_path"),
    ("lane", "LANE_SHARE", "nemu_lane"),
    ("glue", "ARRAY_SELECT_BIT ARRAY_UNIT_LANE", "nemu_lane_array"),
    ("glue", "STAGE_FIXED STAGE_UNIT STAGE_LANE", "nemu_output_stage"),
    ("glue", "CORE_FIXED CORE_LANE CORE_PORT_BIT CORE_WRITTEN_BIT", "nemu_core"),
]

WITHIN = {("rounding", "nemu_requantise"): 0.115}
"""Groups whose fitted points all have to be this near: synthesis scatters by as much from one width to the next."""


def _solved(matrix: np.ndarray, wanted: np.ndarray, within: float | None) -> np.ndarray:
    """Coefficients, none negative, of the least squares; *within* bounds every error if that can be done."""
    values, _ = nnls(matrix, wanted)
    if within is None:
        return values
    bounds = [
        {"type": "ineq", "fun": lambda x: within - (matrix @ x - wanted)},
        {"type": "ineq", "fun": lambda x: within + (matrix @ x - wanted)},
    ]
    found = minimize(
        lambda x: float(np.sum((matrix @ x - wanted) ** 2)),
        values,
        bounds=[(0, None)] * len(values),
        constraints=bounds,
        method="SLSQP",
    )
    return found.x if found.success else values


def fitted(points: Sequence[tuple[str, dict[str, int], float]]) -> list[str]:
    """Fit every group to *points* (module, parameters, synthesised logic); a line a constant.

    The constants are set in the component modules on the way, so that what is fitted next builds on them.
    """
    lines = []
    for family, names, module in GROUPS:
        mine = [(parameters, logic) for name, parameters, logic in points if name == module and logic]
        if mine:
            lines += _group(family, names.split(), module, mine)
        else:
            lines.append(f"{family}: no numbers for {module}")
    return lines


def _group(family: str, names: list[str], module: str, points: list[tuple[dict[str, int], float]]) -> list[str]:
    component = import_module(f"neuro_emu.estimate.components.{family}")
    before = [getattr(component, name) for name in names]
    truth = np.array([logic for _, logic in points])

    def logic(values: Sequence[float]) -> np.ndarray:
        for name, value in zip(names, values, strict=True):
            setattr(component, name, value)
        return np.array([of_module(module, parameters).logic for parameters, _ in points])

    rest = logic([0.0] * len(names))
    unit = [logic([float(i == j) for j in range(len(names))]) - rest for i in range(len(names))]
    matrix = np.array(unit).T / truth[:, None]
    solved = _solved(matrix, (truth - rest) / truth, WITHIN.get((family, module)))
    values = [float(f"{value:.4g}") for value in solved]
    worst = np.max(np.abs(logic(values) - truth) / truth)
    return [
        f"{family}.{name} = {new:g}  # was {old:g}; {module}, worst {worst:.1%}"
        for name, old, new in zip(names, before, values, strict=True)
    ]
