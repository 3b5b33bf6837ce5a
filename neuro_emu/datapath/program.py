"""A rule's body, run once on a recording datapath, becomes the learning program of the compiled loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro_emu.errors import ConfigError
from neuro_emu.kernels.fabric import OP_GATE, OP_LABEL_ROW, OP_PROJECT, OP_SIGN, OP_UPDATE, OPERATIONS
from neuro_emu.kernels.learn import DELTA_OUTPUT, FIRST_FREE
from neuro_emu.machine.chip import Chip
from neuro_emu.numerics.formats import Format
from neuro_emu.rules import Datapath, learn_output

_TERNARY = Format(True, 2, 0)


@dataclass(frozen=True)
class Register:
    """A vector by the number of its register, with the format of its codes."""

    number: int
    format: Format


class Recorder:
    """A datapath that writes down what it is asked to do."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.instructions: list[tuple[int, int, int, int, int]] = []
        self.registers = FIRST_FREE

    def _new(self, storage: Format) -> Register:
        self.registers += 1
        return Register(self.registers - 1, storage)

    def label_row(self, k: int) -> Register:
        """See :class:`Datapath`."""
        feedback = self.chip.network.layers[k].feedback
        assert feedback is not None
        target = self._new(feedback)
        self.instructions.append((OP_LABEL_ROW, k, 0, target.number, 0))
        return target

    def error(self) -> Register:
        """See :class:`Datapath`."""
        return Register(DELTA_OUTPUT, self.chip.network.output.delta)

    def error_sign(self) -> Register:
        """See :class:`Datapath`."""
        target = self._new(_TERNARY)
        self.instructions.append((OP_SIGN, 0, 0, target.number, 0))
        return target

    def project(self, k: int, signal: Register) -> Register:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        assert layer.feedback is not None
        target = self._new(layer.projection)
        shift = layer.feedback.frac + signal.format.frac - layer.projection.frac
        self.instructions.append((OP_PROJECT, k, signal.number, target.number, shift))
        return target

    def gate(self, k: int, signal: Register) -> Register:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        target = self._new(layer.delta)
        shift = signal.format.frac + layer.derivative.frac - layer.delta.frac
        self.instructions.append((OP_GATE, k, signal.number, target.number, shift))
        return target

    def update(self, k: int, delta: Register) -> None:
        """See :class:`Datapath`."""
        wanted = self.chip.network.layers[k].delta
        if delta.format != wanted:
            raise ConfigError(
                f"rule {self.chip.learning.rule.name} updates layer {k} with a signal in {delta.format},"
                f" but the layer's delta format is {wanted}; requantise it (gate) or make the formats equal"
            )
        self.instructions.append((OP_UPDATE, k, delta.number, 0, 0))


@dataclass(frozen=True)
class Program:
    """The instructions of one sample.

    Attributes:
        code: (instructions, 5), see :mod:`neuro_emu.kernels.fabric`.
        registers: signal registers in use.
        operations: the same as (operation, layer) in words, for the cost of the machine.

    """

    code: NDArray[np.int64]
    registers: int
    operations: list[tuple[str, int]]


def record(chip: Chip) -> Program:
    """Run the rule's body on a :class:`Recorder`."""
    recorder = Recorder(chip)
    datapath: Datapath[Register] = recorder
    for k in chip.training_order:
        if k == chip.network.output.index:
            learn_output(datapath, k)
        else:
            chip.learning.rule.learn(datapath, k)
    code = np.array(recorder.instructions, dtype=np.int64).reshape(-1, 5)
    return Program(code, recorder.registers, [(OPERATIONS[op], int(k)) for op, k in code[:, :2].tolist()])
