"""From the plan of a rule to the learning program of the compiled loop: registers, planes, matrices and shifts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neuro_emu.errors import ConfigError
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.learn import DELTA_OUTPUT, FIRST_FREE
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import feedback_amplitude
from neuro_emu.machine.matrices import Kind
from neuro_emu.machine.plan import Step, Vector

_PLANES = ("output", "random_forward", "pool", "noise")


@dataclass(frozen=True)
class Program:
    """The instructions of one sample.

    Attributes:
        code: (instructions, INSTRUCTION), see :mod:`neuro_emu.kernels.fabric`.
        mirror: the same for one step of mirror mode.
        registers: signal registers in use.
        planes: code vectors in use.
        operations: the code as (operation, layer) in words.

    """

    code: NDArray[np.int64]
    mirror: NDArray[np.int64]
    registers: int
    planes: int
    operations: list[tuple[str, int]]


@dataclass
class _Lowering:
    """Gives every vector of a plan a register or a plane, and every step an instruction."""

    chip: Chip
    registers: int
    planes: int
    register: dict[int, int] = field(default_factory=dict)
    plane: dict[int, int] = field(default_factory=dict)
    code: list[list[int]] = field(default_factory=list)

    def _new_register(self, vector: Vector) -> int:
        self.register[vector.number] = self.registers
        self.registers += 1
        return self.registers - 1

    def _new_plane(self) -> int:
        self.planes += 1
        return self.planes - 1

    def _register(self, vector: Vector) -> int:
        """Register of a signal; an activation in the place of a signal gets none, it is refused."""
        if vector.op == "error":
            return DELTA_OUTPUT
        if vector.number not in self.register:
            raise self._refuse(f"uses the activation {vector.op} of layer {vector.layer} as a signal")
        return self.register[vector.number]

    def _plane(self, vector: Vector) -> int:
        if vector.op == "output":
            return vector.layer + 1
        if vector.number not in self.plane:
            raise self._refuse(f"uses the signal {vector.op} of layer {vector.layer} as an activation")
        return self.plane[vector.number]

    def _refuse(self, what: str) -> ConfigError:
        return ConfigError(f"rule {self.chip.learning.rule.name} {what}")

    def _add(self, op: int, step: Step, **columns: int) -> None:
        instruction = [0] * fb.INSTRUCTION
        instruction[fb.OP], instruction[fb.LAYER], instruction[fb.OWNER] = op, step.layer, step.owner
        instruction[fb.MATRIX] = -1
        for name, value in columns.items():
            instruction[getattr(fb, name)] = value
        self.code.append(instruction)

    def step(self, step: Step) -> None:
        """Append the instruction of one step; steps that only name what is there have none."""
        if step.op not in {"error", "output"}:
            getattr(self, f"_{step.op}")(step)

    # --- signals ---

    def _label_row(self, step: Step) -> None:
        assert step.target
        use = self.chip.plan.feedback[step.layer]
        matrix = -1
        if use.learned:
            matrix = self.chip.matrix(Kind.TWIN if use.twin else Kind.FEEDBACK, step.layer).index
        target = self._new_register(step.target)
        self._add(fb.OP_LABEL_ROW, step, TARGET=target, MATRIX=matrix, DETAIL=int(use.twin))

    def _error_sign(self, step: Step) -> None:
        assert step.target
        self._add(fb.OP_SIGN, step, TARGET=self._new_register(step.target), LAYER=0)

    def _project(self, step: Step) -> None:
        assert step.target
        chip, k, signal = self.chip, step.layer, step.sources[0]
        layer, use, source = chip.network.layers[k], chip.plan.feedback[k], self._register(signal)
        assert layer.feedback is not None
        shift = layer.feedback.frac + chip.format_of(signal).frac - layer.projection.frac
        common = {"SOURCE": source, "TARGET": self._new_register(step.target), "ALIGN": shift}
        if use.twin:
            self._add(fb.OP_TRANSPOSE, step, MATRIX=chip.matrix(Kind.TWIN, k).index, DETAIL=-1, **common)
        elif use.learned:
            matrix = chip.matrix(Kind.FEEDBACK, k).index
            self._add(fb.OP_PROJECT_LEARNED, step, MATRIX=matrix, PLANE=self._new_plane(), **common)
        else:
            self._add(fb.OP_PROJECT, step, DETAIL=use.rows, **common)

    def _transpose(self, step: Step, amplitude: int = -1) -> None:
        assert step.target
        layers, k, signal = self.chip.network.layers, step.layer, step.sources[0]
        storage = layers[k + 1].weight if amplitude < 0 else layers[k].feedback
        assert storage is not None
        self._add(
            fb.OP_TRANSPOSE,
            step,
            SOURCE=self._register(signal),
            TARGET=self._new_register(step.target),
            ALIGN=storage.frac + self.chip.format_of(signal).frac - layers[k].projection.frac,
            MATRIX=k + 1,
            DETAIL=amplitude,
        )

    def _transpose_sign(self, step: Step) -> None:
        self._transpose(step, feedback_amplitude(self.chip, self.chip.network.layers[step.layer]))

    def _gate(self, step: Step) -> None:
        assert step.target
        layer, signal = self.chip.network.layers[step.layer], step.sources[0]
        shift = self.chip.format_of(signal).frac + layer.derivative.frac - layer.delta.frac
        source = self._register(signal)
        self._add(fb.OP_GATE, step, SOURCE=source, TARGET=self._new_register(step.target), ALIGN=shift)

    def _local_error(self, step: Step) -> None:
        assert step.target
        matrix = self.chip.matrix(Kind.CLASSIFIER, step.layer).index
        target, outputs = self._new_register(step.target), self._new_plane()
        plane = step.layer + 1
        self._add(fb.OP_LOCAL_ERROR, step, TARGET=target, PLANE=plane, MATRIX=matrix, DETAIL=outputs)

    # --- activations ---

    def _make_plane(self, vector: Vector | None) -> int:
        assert vector
        self.plane[vector.number] = self._new_plane()
        return self.plane[vector.number]

    def _random_forward(self, step: Step) -> None:
        source = self._plane(step.sources[0])
        matrix = self.chip.matrix(Kind.FORWARD, step.layer).index
        self._add(fb.OP_RANDOM_FORWARD, step, PLANE=source, MATRIX=matrix, DETAIL=self._make_plane(step.target))

    def _pool(self, step: Step) -> None:
        source = step.sources[0]
        wanted, given = self.chip.network.layers[step.layer].output, self.chip.format_of(source)
        if wanted != given:
            raise self._refuse(f"pools outputs in {given} to outputs in {wanted}; make the formats equal")
        self._add(
            fb.OP_POOL,
            step,
            PLANE=self._plane(source),
            ALIGN=source.length,
            TARGET=self._make_plane(step.target),
            DETAIL=int(step.detail == "average_pool"),
        )

    def _noise(self, step: Step) -> None:
        self._add(fb.OP_NOISE, step, TARGET=self._make_plane(step.target))

    def _drive(self, step: Step) -> None:
        assert step.target
        target, outputs = self._new_register(step.target), self._new_plane()
        plane = self._plane(step.sources[0])
        self._add(fb.OP_DRIVE, step, TARGET=target, PLANE=plane, MATRIX=step.layer, DETAIL=outputs)

    # --- writes ---

    def _update(self, step: Step) -> None:
        delta, activation = step.sources
        layer = self.chip.network.layers[step.layer]
        wanted, given = layer.delta, self.chip.format_of(delta)
        if given != wanted:
            raise self._refuse(
                f"updates layer {step.layer} with a signal in {given},"
                f" but the layer's delta format is {wanted}; requantise it (gate) or make the formats equal"
            )
        own = (activation.op, activation.layer) == ("output", step.layer - 1)
        if not own and self.chip.format_of(activation) != layer.input:
            raise self._refuse(
                f"updates layer {step.layer} with an activation in {self.chip.format_of(activation)},"
                f" but its input format is {layer.input}; outputs that share need one format"
            )
        plane = self._plane(activation)
        self._add(fb.OP_UPDATE, step, SOURCE=self._register(delta), PLANE=plane, MATRIX=step.layer)

    def _learn_feedback(self, step: Step) -> None:
        signal, activation = step.sources
        if signal.op in _PLANES:
            raise self._refuse(f"learns feedback from the activation {signal.op}; a signal is needed there")
        if self.chip.format_of(activation) != self.chip.network.layers[step.layer].output:
            raise self._refuse(f"updates B_{step.layer} with an activation in {self.chip.format_of(activation)}")
        self._add(
            fb.OP_LEARN_FEEDBACK,
            step,
            SOURCE=self._register(signal),
            PLANE=self._new_plane(),
            MATRIX=self.chip.matrix(Kind.FEEDBACK, step.layer).index,
            DETAIL=self._plane(activation),
        )

    def _learn_local(self, step: Step) -> None:
        matrix = self.chip.matrix(Kind.CLASSIFIER, step.layer).index
        source, plane = self._register(step.sources[0]), step.layer + 1
        self._add(fb.OP_LEARN_LOCAL, step, SOURCE=source, PLANE=plane, MATRIX=matrix)


def record(chip: Chip) -> Program:
    """Turn the plan of *chip* into programs.

    Raises:
        ConfigError: if the formats of the vectors that the rule brings together do not fit.

    """
    planes = len(chip.network.layers) + 1
    lowering = _Lowering(chip, FIRST_FREE, planes)
    for step in chip.plan.steps:
        lowering.step(step)
    mirroring = _Lowering(chip, lowering.registers, lowering.planes)
    for step in chip.plan.mirror:
        mirroring.step(step)
    code, mirror = (
        np.array(part, dtype=np.int64).reshape(-1, fb.INSTRUCTION) for part in (lowering.code, mirroring.code)
    )
    operations = [(fb.OPERATIONS[row[fb.OP]], row[fb.LAYER]) for row in lowering.code]
    return Program(code, mirror, mirroring.registers, mirroring.planes, operations)
