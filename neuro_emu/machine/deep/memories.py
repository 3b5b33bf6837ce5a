"""Every memory that a graph, a rule and a design point require, for sizing and cost (docs/machine.md).

Without a norm a sample is finished before the next, so every map is that of one sample. A norm needs the values of a
whole batch, layer after layer: then all maps that training holds are those of ``batch`` samples.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from neuro_emu.machine.deep.mapping import Mapping, has_table
from neuro_emu.machine.deep.matrices import feedback_shape, local_pool, own_map, shared_source
from neuro_emu.machine.deep.reading import STORED, Source
from neuro_emu.machine.design import MemoryMacro
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.deep.graph import Add, Concat, Input, Node, Pool, Weighted
from neuro_emu.network.deep.shapes import neurons
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.rules import Need

if TYPE_CHECKING:
    from neuro_emu.machine.deep.chip import DeepChip

_SUM_BITS = 32
_STATISTICS = 22 + 44
"""Bits of the running mean and variance of a channel (docs/deep.md, section 2.6)."""
_FOLDED = 41 + 56
"""Bits of both words of a folded channel, for every format that is accepted."""


def kept_outputs(chip: DeepChip) -> frozenset[int]:
    """Nodes whose outputs something learns with; all others are forgotten once they were read.

    What a layer learns with is its own input, or the output that its rule shares with it: then its own input is kept
    only if something else learns with it.
    """
    graph, mapping, found = chip.graph, Mapping(chip), set()
    for layer, reading in zip(graph.layers, chip.readings, strict=True):
        if not reading.learns:
            continue
        used = [reading.activation] + [reading.shared] * (reading.feedback is Source.CHAIN)
        found |= {mapping.source_of(layer).index if of is None else shared_source(graph, of) for of in used}
        if reading.direct_learns or (reading.classifier and not local_pool(graph, layer.layer)):
            found.add(graph.head(layer.layer))
    return frozenset(found)


class _Memories:
    """Makes the list of one chip."""

    def __init__(self, chip: DeepChip) -> None:
        self.chip, self.graph, self.mapping, self.design = chip, chip.graph, Mapping(chip), chip.design
        normed = any(layer.norm for layer in chip.graph.layers)
        self.samples = chip.learning.batch if normed else 1
        self.whose = "the batch" if normed else "the current sample"
        self.kept = kept_outputs(chip)

    def all(self) -> list[MemoryMacro]:
        """Return the memories from input to output."""
        macros = []
        for node in self.graph.nodes:
            if isinstance(node, Input):
                samples = self.samples if node.index in self.kept else 1
                macros.append(_words("input", samples * node.neurons, node.code.bits, f"codes of {self.whose}"))
            elif isinstance(node, Weighted):
                macros += self._layer(node)
            elif isinstance(node, Add | Pool | Concat):
                macros += self._joint(node)
        macros += self._passing() + self._matched()
        return macros + self._shared()

    # --- matrices ---

    def _banked(self, name: str, matrix: Matrix, holds: str) -> list[MemoryMacro]:
        """Return a matrix in banks, with the sums of its gradients and its velocities."""
        chip, lanes, banks = self.chip, self.design.lanes, self.design.weight_banks
        groups = self.design.groups(matrix.units)
        words = -(-groups * matrix.rows // banks)
        padding = 100 - 100 * matrix.units // (groups * lanes)
        holds += f"; {padding} % padding" if padding else ""
        macros = [MemoryMacro(f"{name}[{matrix.layer}]", words, lanes * matrix.format.bits, banks, "1RW", holds)]
        own = "" if matrix.kind is Kind.WEIGHTS else f"{name}_"
        if chip.sums_gradients(matrix):
            bits = (chip.learning.batch * self._positions(matrix) * matrix.lane * matrix.code).bit_length() + 1
            name_of = f"{own}gradients[{matrix.layer}]"
            macros.append(MemoryMacro(name_of, words, lanes * bits, banks, "1RW", "mini-batch sums G"))
        if chip.learning.momentum and chip.has_velocity(matrix):
            bits = chip.learning.momentum.velocity.bits
            name_of = f"{own}velocities[{matrix.layer}]"
            macros.append(MemoryMacro(name_of, words, lanes * bits, banks, "1RW", "velocities V"))
        return macros

    def _positions(self, matrix: Matrix) -> int:
        """Products of a sample that one entry of a gradient adds up."""
        if matrix.kind is Kind.WEIGHTS:
            return self.graph.layers[matrix.layer].positions
        crossed = self.chip.crossed(matrix.layer)
        follows = crossed and self.chip.readings[crossed.layer].feedback is Source.CHAIN
        return crossed.positions if crossed and follows else 1

    def _feedback(self, node: Weighted) -> list[MemoryMacro]:
        """What lies in the slot of a hidden layer: feedback, a local classifier, fixed random forward weights."""
        chip, k, lanes = self.chip, node.layer, self.design.lanes
        macros, rows, units = [], *feedback_shape(chip, node)
        of_slot = {matrix.kind: matrix for matrix in chip.matrices if matrix.layer == k}
        learned = of_slot.get(Kind.TWIN) or of_slot.get(Kind.FEEDBACK)
        if learned:
            macros += self._banked("feedback", learned, "B, learned")
        elif rows and node.feedback and self._used(node):
            words = self.design.groups(units) * rows
            macros.append(MemoryMacro(f"feedback[{k}]", words, lanes * node.feedback.bits, 1, "ROM", "B, fixed"))
        if Kind.CLASSIFIER in of_slot:
            output = self.graph.output
            macros += self._banked("classifier", of_slot[Kind.CLASSIFIER], "local classifier L")
            macros.append(_words(f"local_error[{k}]", output.units, output.delta.bits, "δ_L"))
            if pool := local_pool(self.graph, k):
                macros.append(
                    _words(f"local_pool[{k}]", self.samples * pool.neurons, pool.code.bits, "what L learns with")
                )
        if forward := of_slot.get(Kind.FORWARD):
            words = self.design.groups(forward.units) * forward.rows
            macros.append(MemoryMacro(f"random_forward[{k}]", words, lanes * forward.format.bits, 1, "ROM", "C, fixed"))
        return macros

    def _used(self, node: Weighted) -> bool:
        """Whether an error is ever made with the fixed feedback in the slot of a layer."""
        crossed = self.chip.crossed(node.layer)
        if crossed and self.chip.readings[crossed.layer].back in STORED and self.chip.learning.rule.need is Need.CHAIN:
            return self.mapping.wanted[crossed.sources[0]]
        return self.mapping.gated(node)

    def _matched(self) -> list[MemoryMacro]:
        """Shared activations in the shape that a layer learns with, where it is another than their own."""
        found: dict[tuple[object, ...], MemoryMacro] = {}
        for layer, reading in zip(self.graph.layers, self.chip.readings, strict=True):
            to = own_map(self.graph, layer)
            shares = [reading.activation] * reading.learns + [reading.shared] * (reading.feedback is Source.CHAIN)
            for source in [shared_source(self.graph, of) for of in shares if of is not None]:
                key = source, to, reading.matching, layer.layer if reading.matching == "random" else 0
                if self.graph.nodes[source].shape != to and key not in found:
                    name, words = f"matched[{layer.layer}]", self.samples * neurons(to)
                    found[key] = _words(name, words, layer.input.bits, f"outputs of node {source} in another shape")
        return list(found.values())

    # --- maps ---

    def _layer(self, node: Weighted) -> list[MemoryMacro]:
        chip, k = self.chip, node.layer
        holds = "W by row and group"
        macros = self._banked("weights", chip.matrices[k], holds) + self._feedback(node) + self._outputs(node)
        macros += self._preactivation(node) + self._deltas(node) + self._tables(node, str(k))
        if node.norm:
            velocities = 2 * chip.learning.momentum.velocity.bits if chip.learning.momentum else 0
            bits = node.norm.scale.bits + node.norm.offset.bits + _STATISTICS + velocities
            values = chip.learning.batch * node.neurons
            macros.append(_words(f"norm[{k}]", values, 16, "a, then x̂, of the batch"))
            macros.append(_words(f"channels[{k}]", node.units, bits, "γ, β, running statistics"))
            macros.append(_words(f"folded[{k}]", node.units, _FOLDED, "both words of a channel after learning"))
        if chip.learning.dropout and node.dropout:
            scaled = f"{node.activation} while testing, scaled"
            macros.append(MemoryMacro(f"tested[{k}]", 256, node.code.bits, 1, "ROM", scaled))
        return macros

    def _joint(self, node: Add | Pool | Concat) -> list[MemoryMacro]:
        macros = self._outputs(node)
        if isinstance(node, Add):
            macros += self._preactivation(node) + self._deltas(node) + self._tables(node, f"node {node.index}")
        if isinstance(node, Pool) and node.kind == "max" and self.mapping.chosen(node):
            bits, words = (prod(node.kernel) - 1).bit_length(), self.samples * node.neurons
            if bits:
                macros.append(_words(f"choices[{node.index}]", words, bits, f"windows' choices of {self.whose}"))
        return macros

    def _outputs(self, node: Node) -> list[MemoryMacro]:
        """Outputs that something learns with, and those of the chip."""
        if node is not self.graph.output and node.index not in self.kept:
            return []
        samples = self.samples if node is not self.graph.output else 1
        return [_words(f"outputs[{node.index}]", samples * node.neurons, node.code.bits, f"y of {self.whose}")]

    def _preactivation(self, node: Weighted | Add) -> list[MemoryMacro]:
        """Q until the error is known: of piecewise linear activations the one bit of f′, of the identity none."""
        if node.activation == SOFTMAX:
            return [_words(f"preactivation[{node.index}]", node.neurons, node.preactivation.bits, "q kept for softmax")]
        if not self.mapping.keeps(node):
            return []
        bits = node.preactivation.bits if has_table(node) else int(node.activation != "identity")
        drops = bool(self.chip.learning.dropout and isinstance(node, Weighted) and node.dropout)
        bits += drops
        holds = f"what f′ needs of q{', and who was dropped,' if drops else ''} of {self.whose}"
        return [_words(f"preactivation[{node.index}]", self.samples * node.neurons, bits, holds)] if bits else []

    def _deltas(self, node: Weighted | Add) -> list[MemoryMacro]:
        if not (self.mapping.gated(node) and self.mapping.stores_delta(node)):
            return []
        bits = max(node.delta.bits, node.sum_error.bits if isinstance(node, Weighted) else 0)
        return [_words(f"deltas[{node.index}]", self.samples * node.neurons, bits, f"δ of {self.whose}")]

    def _tables(self, node: Weighted | Add, name: str) -> list[MemoryMacro]:
        macros = []
        if has_table(node):
            macros.append(MemoryMacro(f"table[{name}]", 256, node.code.bits, 1, "ROM", node.activation))
            squared = node is self.graph.output and self.chip.learning.loss == "mse"
            if squared or self.mapping.gated(node):
                bits = node.derivative.bits
                macros.append(MemoryMacro(f"derivative[{name}]", 256, bits, 1, "ROM", f"{node.activation}′"))
        if node.activation == SOFTMAX:
            macros.append(MemoryMacro("exponential", 256, 16, 1, "ROM", "numerators of softmax"))
        return macros

    def _passing(self) -> list[MemoryMacro]:
        """Outputs that are forgotten once they were read lie in two memories in turn, each as large as the largest."""
        maps = [n for n in self.graph.nodes if isinstance(n, Weighted | Add | Pool | Concat)]
        maps = [node for node in maps if node.index not in self.kept and node is not self.graph.output]
        if not maps:
            return []
        longest, bits = max(node.neurons for node in maps), max(node.code.bits for node in maps)
        words = self.samples * longest
        return [MemoryMacro("passing", words, bits, 2, "1R1W", "y that nothing learns with")]

    # --- errors ---

    def _shared(self) -> list[MemoryMacro]:
        """The map of sums that errors add up in, errors that wait for others, δ_K."""
        macros, output = [], self.graph.output
        summed = [
            self.graph.nodes[source].neurons
            for node in self.graph.nodes[1:]
            for source in node.sources
            if self.mapping.wanted[source] and self._sums_into(node)
        ]
        if summed:
            macros.append(_words("partial", max(summed), _SUM_BITS, "sums of errors of one sample's map"))
        for node in self.graph.nodes:
            if self.mapping.wanted[node.index] and len(self.graph.consumers(node.index)) > 1:
                words = self.samples * node.neurons
                macros.append(_words(f"arrived[{node.index}]", words, node.projection.bits, "p′ waiting for others"))
        signed = any(step.op == "error_sign" for step in self.chip.plan.steps)
        holds = "δ_K and the sign of e" if signed else "δ_K"
        samples = self.samples if self.chip.need >= Need.ERROR else 1
        bits = output.delta.bits + (2 if signed else 0)
        return [*macros, _words("error", samples * output.units, bits, f"{holds} of {self.whose}")]

    def _sums_into(self, node: Node) -> bool:
        """Whether errors that come through *node* add up in a map."""
        if isinstance(node, Weighted):
            return not self.mapping.summed_in_lanes(node)
        return isinstance(node, Pool)


def _words(name: str, words: int, bits: int, holds: str) -> MemoryMacro:
    return MemoryMacro(name, words, bits, 1, "1R1W", holds)


def memories_of(chip: DeepChip) -> tuple[MemoryMacro, ...]:
    """Return the memories of *chip* from input to output."""
    return tuple(_Memories(chip).all())
