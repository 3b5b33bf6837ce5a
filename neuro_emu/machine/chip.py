"""The chip: network, number formats, learning and design point in one immutable description."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from neuro_emu.machine.design import Design, MemoryMacro
from neuro_emu.machine.matrices import Kind, Matrix, matrices_of
from neuro_emu.machine.memories import memories_of
from neuro_emu.machine.plan import Plan, Vector, plan_of
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.activations import LINEAR
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.rules import Need, OptionValue, Rule

_TERNARY = Format(True, 2, 0)


@dataclass(frozen=True)
class Decay:
    """Weight decay in a pass of its own: M −= M · 2^-shift after every ``every`` updates; a schedule of shifts."""

    shift: tuple[tuple[int, int], ...]
    every: int
    first_layer: bool = False

    def shift_at(self, epoch: int) -> int:
        """Shift in *epoch*."""
        return _at(self.shift, epoch)


@dataclass(frozen=True)
class Mirror:
    """Schedule of mirror mode: ``steps`` steps of noise ±2^-noise_shift after every ``every`` samples."""

    every: int = 100
    steps: int = 10
    noise_shift: int = 1


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
class Learning:
    """What is learned how.

    Attributes:
        rule: the learning rule of the hidden layers.
        seed: of every draw.
        batch: samples summed before an update.
        error_gate: θ as a code of e; None: no gate.
        sign_dead_zone: D as a code of e.
        lr_shift: per layer, pairs (epoch, shift), first epoch 0, ascending.
        shuffled: whether each epoch has its own order.
        initial: ``zero`` or ``random`` weights at the start.
        initial_output: whether the output layer is random too.
        feedback_source: ``random``, ``sign`` or ``lfsr``.
        feedback_range: ``full`` or ``kaiming``, of fixed matrices.
        learned_range: the same of learned ones.
        options: the rule's own settings, as pairs; defaults are left out.
        feedback_lr_shift: schedule of learned feedback matrices without twin.
        weight_decay: of W_k, and of their twins.
        feedback_decay: of learned feedback matrices without twin.
        mirror: schedule of mirror mode.

    """

    rule: Rule
    seed: int
    batch: int
    error_gate: int | None
    sign_dead_zone: int
    lr_shift: tuple[tuple[tuple[int, int], ...], ...]
    shuffled: bool
    initial: str
    initial_output: bool
    feedback_source: str
    feedback_range: str
    learned_range: str = "kaiming"
    options: tuple[tuple[str, OptionValue], ...] = ()
    feedback_lr_shift: tuple[tuple[int, int], ...] = ((0, 0),)
    weight_decay: Decay | None = None
    feedback_decay: Decay | None = None
    mirror: Mirror = Mirror()

    def shift_at(self, layer: int, epoch: int) -> int:
        """lr_shift of *layer* in *epoch*."""
        return _at(self.lr_shift[layer], epoch)

    def feedback_shift_at(self, epoch: int) -> int:
        """feedback_lr_shift in *epoch*."""
        return _at(self.feedback_lr_shift, epoch)

    def option(self, name: str) -> OptionValue:
        """Value of one of the rule's own options."""
        return dict(self.options).get(name, self.rule.options[name].default)


def _at(schedule: tuple[tuple[int, int], ...], epoch: int) -> int:
    return [shift for first, shift in schedule if first <= epoch][-1]


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
        return plan_of(self.learning.rule, sizes, dict(self.learning.options), self.training_order)

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
        layers, k, output = self.network.layers, matrix.layer, self.network.output
        if matrix.kind is Kind.WEIGHTS:
            return self.update_shift(layers[k], epoch)
        if matrix.kind is Kind.TWIN:
            return self.update_shift(layers[k + 1], epoch)
        rate = self.learning.shift_at(output.index, epoch)
        if matrix.kind is Kind.CLASSIFIER:
            return output.delta.frac + layers[k].output.frac - output.weight.frac + rate
        if matrix.kind is Kind.FORWARD:
            return 0
        return self.feedback_shift(k) + self.learning.feedback_shift_at(epoch)

    def feedback_shift(self, k: int) -> int:
        """f_s + f_a − f_B of the learned feedback matrix B_k without twin; 0 if nothing updates it."""
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
        return layer.activation not in LINEAR

    def keeps_preactivation(self, layer: DenseLayer) -> bool:
        """Whether q of a hidden layer must be buffered because its update waits for the error."""
        return layer is not self.network.output and self.need >= Need.ERROR and self.gates(layer)
