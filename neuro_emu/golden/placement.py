"""Where a chip's weights, feedback and codes lie in the memories of the RTL, and the shifts its registers hold."""

from __future__ import annotations

from dataclasses import dataclass

from neuro_emu.machine.chip import Chip
from neuro_emu.network.layers import DenseLayer

CODE_ALIGNMENT = 32
"""Each layer's codes start at a multiple of this: the row finder looks at words of 32 flags."""


@dataclass(frozen=True)
class Placement:
    """First words of every layer, and the words needed in all.

    Attributes:
        code_bases: (layers + 1,) first word of the input codes and of each layer's outputs.
        codes: words of the code memory.
        weight_bases: (layers,) first row in each weight bank.
        weight_rows: rows of each weight bank.
        feedback_bases: (layers,) first row of the feedback memory; the output layer has none.
        feedback_rows: rows of the feedback memory.

    """

    code_bases: tuple[int, ...]
    codes: int
    weight_bases: tuple[int, ...]
    weight_rows: int
    feedback_bases: tuple[int, ...]
    feedback_rows: int

    @classmethod
    def of(cls, chip: Chip) -> Placement:
        """Place the layers one behind the other."""
        code_bases, codes = [], 0
        for units in (chip.network.inputs, *(layer.units for layer in chip.network.layers)):
            code_bases.append(codes)
            codes += -(-(units + 1) // CODE_ALIGNMENT) * CODE_ALIGNMENT
        weight_bases, weight_rows, feedback_bases, feedback_rows = [], 0, [], 0
        for layer in chip.network.layers:
            groups = chip.design.groups(layer.units)
            weight_bases.append(weight_rows)
            weight_rows += -(-groups * layer.rows // chip.design.weight_banks)
            feedback_bases.append(feedback_rows)
            if layer.feedback is not None:
                feedback_rows += groups * chip.network.classes
        return cls(tuple(code_bases), codes, tuple(weight_bases), weight_rows, tuple(feedback_bases), feedback_rows)


def signal_frac(chip: Chip, layer: DenseLayer) -> int:
    """Fractional bits of the signal that meets f′."""
    if chip.learning.rule.name in {"dfa", "sdfa"}:
        return layer.projection.frac
    return layer.feedback.frac if layer.feedback else 0


def gate_shift(chip: Chip, layer: DenseLayer) -> int:
    """Fractional bits dropped from signal · f′ to the delta format."""
    return signal_frac(chip, layer) + layer.derivative.frac - layer.delta.frac


def project_shift(chip: Chip, layer: DenseLayer) -> int:
    """Fractional bits dropped from the sum of a projection."""
    error = 0 if chip.learning.rule.name == "sdfa" else chip.network.output.delta.frac
    return (layer.feedback.frac if layer.feedback else 0) + error - layer.projection.frac
