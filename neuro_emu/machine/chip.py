"""The chip: network, number formats, learning and design point in one immutable description."""

from __future__ import annotations

from dataclasses import dataclass

from neuro_emu.machine.design import Design, MemoryMacro
from neuro_emu.network.layers import DenseLayer, Network
from neuro_emu.numerics.activations import LINEAR
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.rules import Need, Rule


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
        feedback_range: ``full`` or ``kaiming``.

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

    def shift_at(self, layer: int, epoch: int) -> int:
        """lr_shift of *layer* in *epoch*."""
        return [shift for first, shift in self.lr_shift[layer] if first <= epoch][-1]


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
        return Need.ERROR if gated else self.learning.rule.need

    @property
    def training_order(self) -> tuple[int, ...]:
        """Layers in the order in which they update (docs/numerics.md, section 8)."""
        layers = range(len(self.network.layers))
        return tuple(reversed(layers)) if self.need is Need.ERROR else tuple(layers)

    def update_shift(self, layer: DenseLayer, epoch: int) -> int:
        """s_k in *epoch*."""
        return layer.update_shift(self.learning.shift_at(layer.index, epoch))

    def memories(self) -> tuple[MemoryMacro, ...]:
        """Every memory that this network, rule and design point require."""
        macros = [self._input_buffer()]
        for layer in self.network.layers:
            macros += self._layer_memories(layer)
        macros.append(self._error_buffer())
        return tuple(macros)

    def _input_buffer(self) -> MemoryMacro:
        first = self.network.layers[0]
        return MemoryMacro("input", first.inputs, first.input.bits, 1, "1R1W", "codes of the current sample")

    def _error_buffer(self) -> MemoryMacro:
        output = self.network.output
        signed = "sign_dead_zone" in self.learning.rule.options
        bits = output.delta.bits + (2 if signed else 0)
        holds = "δ_K and the sign of e" if signed else "δ_K of the current sample"
        return MemoryMacro("error", output.units, bits, 1, "1R1W", holds)

    def _layer_memories(self, layer: DenseLayer) -> list[MemoryMacro]:
        lanes, banks = self.design.lanes, self.design.weight_banks
        groups = self.design.groups(layer.units)
        words = -(-groups * layer.rows // banks)
        k = layer.index
        padding = 100 - 100 * layer.units // (groups * lanes)
        holds = "W by row and group" + (f"; {padding} % padding" if padding else "")
        macros = [MemoryMacro(f"weights[{k}]", words, lanes * layer.weight.bits, banks, "1RW", holds)]
        if self.learning.batch > 1 and self._learns(layer):
            bits = (self.learning.batch * layer.delta.magnitude * layer.input.magnitude).bit_length() + 1
            macros.append(MemoryMacro(f"gradients[{k}]", words, lanes * bits, banks, "1RW", "mini-batch sums G"))
        if layer.feedback is not None and self._learns(layer):
            macros.append(
                MemoryMacro(
                    f"feedback[{k}]",
                    groups * self.network.classes,
                    lanes * layer.feedback.bits,
                    1,
                    "ROM",
                    "B, a class a row",
                )
            )
        macros.append(
            MemoryMacro(f"outputs[{k}]", layer.units, layer.output.bits, 1, "1R1W", "y of the current sample")
        )
        if self.keeps_preactivation(layer):
            macros.append(
                MemoryMacro(f"preactivation[{k}]", layer.units, 8, 1, "1R1W", "q kept until the error is known")
            )
        if self.has_table(layer):
            macros.append(MemoryMacro(f"table[{k}]", 256, layer.output.bits, 1, "ROM", f"{layer.activation}"))
            if layer.feedback is not None and self._learns(layer):
                macros.append(
                    MemoryMacro(f"derivative[{k}]", 256, layer.derivative.bits, 1, "ROM", f"{layer.activation}′")
                )
        return macros

    def _learns(self, layer: DenseLayer) -> bool:
        return layer is self.network.output or self.learning.rule.need > Need.NOTHING

    @staticmethod
    def has_table(layer: DenseLayer) -> bool:
        """Whether activation and derivative need a ROM."""
        return layer.activation not in LINEAR

    def keeps_preactivation(self, layer: DenseLayer) -> bool:
        """Whether q of a hidden layer must be buffered because its update waits for the error."""
        return layer is not self.network.output and self.need is Need.ERROR
