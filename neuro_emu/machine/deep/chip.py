"""A chip whose network is a graph and that learns a mini-batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from neuro_emu.errors import RunError
from neuro_emu.machine.chip import Numerics
from neuro_emu.machine.deep.reading import Reading, readings
from neuro_emu.machine.design import Design, MemoryMacro
from neuro_emu.machine.learning import Learning
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.machine.plan import Plan, plan_of
from neuro_emu.network.deep.graph import Add, Graph, Node, Pool, Weighted
from neuro_emu.numerics.activations import LINEAR
from neuro_emu.numerics.modes import Overflow
from neuro_emu.rules import Need

_LONGEST = 16
"""Bits of codes, errors and weights that products take."""
_ADDRESS = 8
"""Bits of a pre-activation that addresses a table."""
_CHOICES = 256
"""Codes of a window that one byte can tell apart."""
_SHIFTS = 31


@dataclass(frozen=True)
class DeepChip:
    """Everything that determines the integers and the counts of a chip; data and epochs come with a run."""

    graph: Graph
    numerics: Numerics
    learning: Learning
    design: Design

    @property
    def network(self) -> Graph:
        """The graph, under the name that dense chips use."""
        return self.graph

    @property
    def need(self) -> Need:
        """What hidden layers wait for: the larger of the rule's need and the options'."""
        gated = self.learning.error_gate is not None and self.learning.rule.need > Need.NOTHING
        return max(Need.ERROR, self.learning.rule.need) if gated else self.learning.rule.need

    @property
    def training_order(self) -> tuple[int, ...]:
        """Layers in the order in which they update (docs/numerics.md, section 8)."""
        layers = range(len(self.graph.layers))
        return tuple(reversed(layers)) if self.need >= Need.ERROR else tuple(layers)

    @cached_property
    def plan(self) -> Plan:
        """What the rule asks of the chain of layers, as if each were dense."""
        graph = self.graph
        sizes = (graph.inputs, *(graph.nodes[graph.head(k)].neurons for k in graph.chain))
        order = range(len(graph.chain))
        wanted = tuple(reversed(order)) if self.need >= Need.ERROR else tuple(order)
        return plan_of(self.learning.rule, sizes, dict(self.learning.options), wanted, self.labels)

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """What the plan means for each layer."""
        return readings(self)

    @property
    def labels(self) -> int:
        """Classes of the samples."""
        return self.graph.classes

    @cached_property
    def matrices(self) -> tuple[Matrix, ...]:
        """Every weight-like memory; W_k is entry k."""
        return tuple(
            Matrix(
                Kind.WEIGHTS,
                layer.layer,
                layer.rows,
                layer.units,
                layer.weight,
                layer.biased,
                layer.bias_code,
                layer.input.magnitude,
                layer.sum_error.magnitude,
                layer.layer,
            )
            for layer in self.graph.layers
        )

    def memories(self) -> tuple[MemoryMacro, ...]:
        """Every memory that the graph, the rule and the design point require: none is described yet."""
        return ()

    def matrix(self, kind: Kind, layer: int) -> Matrix:
        """Return the matrix of *kind* that belongs to *layer*."""
        return next(m for m in self.matrices if m.kind is kind and m.layer == layer)

    def sums_gradients(self, matrix: Matrix) -> bool:
        """Whether *matrix* is ever written."""
        return matrix.kind is Kind.WEIGHTS and self.readings[matrix.layer].learns

    def has_velocity(self, matrix: Matrix) -> bool:
        """Whether *matrix* has velocities of its own."""
        return self.learning.momentum is not None and self.sums_gradients(matrix)

    def gradient_frac(self, matrix: Matrix) -> int:
        """Fractional bits of the products that update a matrix."""
        layer = self.graph.layers[matrix.layer]
        return layer.sum_error.frac + layer.input.frac

    def rate_of(self, matrix: Matrix, epoch: int) -> int:
        """lr_shift of any learning matrix in *epoch*."""
        return self.learning.shift_at(matrix.layer, epoch)

    def shift_of(self, matrix: Matrix, epoch: int) -> int:
        """Update shift of a learning matrix in *epoch* (docs/numerics.md, section 6)."""
        return self.gradient_frac(matrix) - matrix.format.frac + self.rate_of(matrix, epoch)

    def velocity_shifts(self, matrix: Matrix, epoch: int) -> tuple[int, int]:
        """s_V and s_W of a matrix that learns with momentum."""
        assert self.learning.momentum
        frac = self.learning.momentum.velocity.frac
        return self.gradient_frac(matrix) - frac, frac - matrix.format.frac + self.rate_of(matrix, epoch)

    def direct_rows(self, layer: Weighted) -> int:
        """Rows of the direct feedback matrix of a layer: one an output; 0 for the output layer and chain rules."""
        direct = self.learning.rule.need < Need.CHAIN and layer is not self.graph.output
        return self.graph.classes if direct else 0

    def refuse_adam(self) -> None:
        """Refuse a chip whose optimiser no integer datapath has.

        Raises:
            RunError: if it is Adam.

        """
        if self.learning.adam:
            raise RunError("adam divides by a root for every weight: no integer datapath has it")

    def refuse_unheld(self) -> None:
        """Refuse what the integers of graphs do not have (docs/numerics.md, section 9).

        Raises:
            RunError: naming the setting.

        """
        self.refuse_adam()
        learning, numerics = self.learning, self.numerics
        if numerics.word_source.per_lane or numerics.word_source.value == "raw":
            raise RunError("graphs draw row words: numerics.random_words: row_word or row_lfsr")
        if learning.weight_norm or learning.targets.hot != 1 or learning.targets.labels not in {None, self.labels}:
            raise RunError("graphs have no weight normalisation, no N-hot targets and no regression")
        for node in self.graph.nodes:
            self._refuse_node(node)
        for layer in self.graph.layers:
            reached = layer.accumulator_bound > numerics.accumulator_high
            if reached and numerics.accumulator_overflow is Overflow.SAT:
                raise RunError(f"layer {layer.layer} can saturate its accumulator; graphs have overflow: WRAP")
            self._refuse_shifts(layer)

    def _refuse_node(self, node: Node) -> None:
        """Refuse formats that 16 bits do not hold, and windows whose codes a byte does not count."""
        formats = {"output": node.code, "projection": node.projection}
        if isinstance(node, Weighted):
            formats |= {"weight": node.weight, "delta": node.delta, "pre-activation": node.preactivation}
            formats |= {"error of the sums": node.sum_error, "feedback": node.feedback or node.delta}
        if node is self.graph.output:
            formats.pop("output")  # nothing reads it but the host
        for name, form in formats.items():
            if form.bits - form.signed > _LONGEST - 1:
                raise RunError(
                    f"node {node.index} {node.where}: {name} {form} has more than {_LONGEST} bits with its sign"
                )
        if isinstance(node, Weighted | Add) and node.preactivation.bits != _ADDRESS and node.activation not in LINEAR:
            raise RunError(f"node {node.index} {node.where}: only {', '.join(LINEAR)} take more than 8 bits")
        if isinstance(node, Pool) and node.kind == "max" and node.kernel[0] * node.kernel[1] > _CHOICES:
            raise RunError(f"node {node.index} {node.where}: a max pool chooses from at most {_CHOICES} codes")

    def _refuse_shifts(self, layer: Weighted) -> None:
        """Refuse update shifts outside 0 … 31, which numerics/ops.py does not define."""
        if not self.readings[layer.layer].learns:
            return
        matrix = self.matrices[layer.layer]
        for epoch, _ in self.learning.lr_shift[layer.layer]:
            moving = self.learning.momentum is not None
            shifts = self.velocity_shifts(matrix, epoch) if moving else (self.shift_of(matrix, epoch),)
            if not 0 <= min(shifts) <= max(shifts) <= _SHIFTS:
                raise RunError(f"layer {layer.layer}: update shifts {shifts} in epoch {epoch} are not in 0 … {_SHIFTS}")
