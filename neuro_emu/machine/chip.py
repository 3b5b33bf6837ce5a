"""The chip: network, number formats, learning and design point in one immutable description."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from neuro_emu.errors import RunError
from neuro_emu.machine.design import Design, MemoryMacro
from neuro_emu.machine.learning import Learning
from neuro_emu.machine.matrices import Kind, Matrix, matrices_of
from neuro_emu.machine.memories import memories_of
from neuro_emu.machine.plan import Plan, Vector, plan_of
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.activations import LINEAR, SOFTMAX
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.rules import Need

_TERNARY = Format(True, 2, 0)


@dataclass(frozen=True)
class Numerics:
    """Chip-wide arithmetic choices (docs/numerics.md)."""

    update_rounding: Rounding
    overflow: Overflow
    accumulator_bits: int
    accumulator_overflow: Overflow
    word_source: WordSource
    strict: bool

    @property
    def accumulator_high(self) -> int:
        """Largest value of an accumulator; the smallest is −high − 1."""
        return (1 << (self.accumulator_bits - 1)) - 1


@dataclass(frozen=True)
class Chip:
    """Everything that determines the integers and the counts of a chip; data and epochs come with a run."""

    network: Network
    numerics: Numerics
    learning: Learning
    design: Design

    @property
    def need(self) -> Need:
        """What hidden layers wait for: the larger of the rule's need and the options'."""
        gated = self.learning.error_gate is not None and self.learning.rule.need > Need.NOTHING
        return max(Need.ERROR, self.learning.rule.need) if gated else self.learning.rule.need

    @property
    def training_order(self) -> tuple[int, ...]:
        """Layers in the order in which they update (docs/numerics.md, section 8)."""
        layers = range(len(self.network.layers))
        return tuple(reversed(layers)) if self.need >= Need.ERROR else tuple(layers)

    @cached_property
    def plan(self) -> Plan:
        """What the rule asks of this chip."""
        sizes = (self.network.inputs, *(layer.units for layer in self.network.layers))
        return plan_of(self.learning.rule, sizes, dict(self.learning.options), self.training_order, self.labels)

    def refuse_adam(self) -> None:
        """Refuse a chip whose optimiser no integer datapath has.

        Raises:
            RunError: if it is Adam.

        """
        if self.learning.adam:
            raise RunError(
                "adam divides by a root for every weight: no integer datapath has it; train the float twin, or choose"
                " training.optimiser: sgd, momentum or nesterov"
            )

    @property
    def labels(self) -> int:
        """Classes of the samples: as many as outputs, or fewer with N-hot targets."""
        return self.learning.targets.labels or self.network.classes

    @cached_property
    def matrices(self) -> tuple[Matrix, ...]:
        """Every weight-like memory; W_k is entry k."""
        return matrices_of(self)

    def memories(self) -> tuple[MemoryMacro, ...]:
        """Every memory that this network, rule and design point require."""
        return memories_of(self)

    def sums_gradients(self, matrix: Matrix) -> bool:
        """Whether *matrix* keeps sums of its own over a mini-batch."""
        k, steps = matrix.layer, self.plan.steps
        if matrix.kind is Kind.WEIGHTS:
            return self.plan.learns[k]
        if matrix.kind is Kind.CLASSIFIER:
            return any(step.op == "learn_local" and step.layer == k for step in steps)
        return matrix.kind is Kind.FEEDBACK and any(s.op == "learn_feedback" and s.layer == k for s in steps)

    def noise_amplitude(self, layer: int) -> int:
        """Code a of the noise ±a that mirror mode puts in place of y_k."""
        exponent = self.network.layers[layer].output.frac - self.learning.mirror.noise_shift
        return 1 << exponent if exponent >= 0 else 0

    def matrix(self, kind: Kind, layer: int) -> Matrix:
        """Return the matrix of *kind* that belongs to *layer*."""
        return next(m for m in self.matrices if m.kind is kind and m.layer == layer)

    def update_shift(self, layer: DenseLayer, epoch: int) -> int:
        """s_k in *epoch*."""
        return layer.update_shift(self.learning.shift_at(layer.index, epoch))

    def shift_of(self, matrix: Matrix, epoch: int) -> int:
        """Update shift of any learning matrix in *epoch* (docs/numerics.md, section 6); 0 for fixed ones."""
        if matrix.kind is Kind.FORWARD:
            return 0
        return self.gradient_frac(matrix) - matrix.format.frac + self.rate_of(matrix, epoch)

    def velocity_shifts(self, matrix: Matrix, epoch: int) -> tuple[int, int]:
        """s_V and s_W of a matrix that learns with momentum (docs/numerics.md, section 6)."""
        assert self.learning.momentum
        frac = self.learning.momentum.velocity.frac
        return self.gradient_frac(matrix) - frac, frac - matrix.format.frac + self.rate_of(matrix, epoch)

    def has_velocity(self, matrix: Matrix) -> bool:
        """Whether *matrix* has velocities of its own; a twin takes the steps of its weights."""
        return self.learning.momentum is not None and self.sums_gradients(matrix)

    def rate_of(self, matrix: Matrix, epoch: int) -> int:
        """lr_shift of any learning matrix in *epoch*."""
        learning, k = self.learning, matrix.layer
        if matrix.kind is Kind.FEEDBACK:
            return learning.feedback_shift_at(epoch)
        if matrix.kind is Kind.CLASSIFIER:
            return learning.shift_at(self.network.output.index, epoch)
        return learning.shift_at(k + 1 if matrix.kind is Kind.TWIN else k, epoch)

    def gradient_frac(self, matrix: Matrix) -> int:
        """Fractional bits of the products that update a matrix."""
        layers, k, output = self.network.layers, matrix.layer, self.network.output
        if matrix.kind is Kind.CLASSIFIER:
            return output.delta.frac + layers[k].output.frac
        if matrix.kind is Kind.FEEDBACK:
            storage = layers[k].feedback
            assert storage is not None
            return self.feedback_shift(k) + storage.frac
        layer = layers[k + 1 if matrix.kind is Kind.TWIN else k]
        return layer.delta.frac + layer.input.frac

    def feedback_shift(self, k: int) -> int:
        """f_s + f_a − f_B of the learned feedback matrix B_k without twin."""
        storage = self.network.layers[k].feedback
        assert storage is not None
        found = [s for s in self.plan.steps + self.plan.mirror if s.op == "learn_feedback" and s.layer == k]
        return self.format_of(found[0].sources[0]).frac + self.network.layers[k].output.frac - storage.frac

    def source_frac(self, matrix: Matrix) -> int:
        """Fractional bits of the codes that a matrix is multiplied with in a forward pass."""
        layers, k = self.network.layers, matrix.layer
        if matrix.kind is Kind.CLASSIFIER:
            return layers[k].output.frac
        if matrix.kind is Kind.FORWARD:
            step = next(s for s in self.plan.steps if s.op == "random_forward" and s.layer == k)
            return self.format_of(step.sources[0]).frac
        return layers[k].input.frac

    def gates(self, layer: DenseLayer) -> bool:
        """Whether f′ of a hidden layer is used."""
        return any(step.op == "gate" and step.layer == layer.index for step in self.plan.steps)

    def format_of(self, vector: Vector) -> Format:
        """Format of a vector that the rule holds."""
        layer = self.network.layers[max(vector.layer, 0)]
        if vector.op == "output" and vector.layer < 0:
            return layer.input
        if vector.op in {"output", "random_forward", "pool", "noise", "drive"}:
            return layer.output
        if vector.op == "error_sign":
            return _TERNARY
        if vector.op == "label_row":
            assert layer.feedback is not None
            return layer.feedback
        if vector.op in {"project", "transpose", "transpose_sign"}:
            return layer.projection
        return (layer if vector.op == "gate" else self.network.output).delta

    @staticmethod
    def has_table(layer: DenseLayer) -> bool:
        """Whether activation and derivative need a ROM."""
        return layer.activation not in (*LINEAR, SOFTMAX)

    def keeps_preactivation(self, layer: DenseLayer) -> bool:
        """Whether q of a hidden layer must be buffered because its update waits for the error."""
        return layer is not self.network.output and self.need >= Need.ERROR and self.gates(layer)
