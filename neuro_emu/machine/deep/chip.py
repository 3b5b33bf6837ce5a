"""A chip whose network is a graph and that learns a mini-batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from neuro_emu.errors import RunError
from neuro_emu.machine.chip import Numerics
from neuro_emu.machine.deep import matrices as mx
from neuro_emu.machine.deep.memories import memories_of
from neuro_emu.machine.deep.norms import refuse_norms
from neuro_emu.machine.deep.reading import Back, Reading, readings
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
_AVERAGED = 1 << 14
"""Codes of an average: their sum, and that of as many errors, has at most 30 bits."""
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
        return mx.matrices_of(self)

    def slot(self, layer: int) -> int:
        """Slot of the matrix that errors cross *layer* with; see :mod:`neuro_emu.machine.deep.matrices`."""
        return mx.slot_of(self.graph, layer)

    def crossed(self, slot: int) -> Weighted | None:
        """Layer that errors cross with the matrix in *slot*; None behind the last one of the chain."""
        return mx.crossed_of(self.graph, slot)

    def memories(self) -> tuple[MemoryMacro, ...]:
        """Every memory that the graph, the rule and the design point require."""
        return memories_of(self)

    def matrix(self, kind: Kind, layer: int) -> Matrix:
        """Return the matrix of *kind* that belongs to *layer*."""
        return next(m for m in self.matrices if m.kind is kind and m.layer == layer)

    def sums_gradients(self, matrix: Matrix) -> bool:
        """Whether batches write *matrix* from gradients of its own."""
        return mx.sums_gradients(self, matrix)

    def has_velocity(self, matrix: Matrix) -> bool:
        """Whether *matrix* has velocities of its own."""
        return self.learning.momentum is not None and self.sums_gradients(matrix)

    def gradient_frac(self, matrix: Matrix) -> int:
        """Fractional bits of the products that update a matrix."""
        return mx.gradient_frac(self, matrix)

    def rate_of(self, matrix: Matrix, epoch: int) -> int:
        """lr_shift of any learning matrix in *epoch*."""
        return mx.rate_of(self, matrix, epoch)

    def shift_of(self, matrix: Matrix, epoch: int) -> int:
        """Update shift of a learning matrix in *epoch* (docs/numerics.md, section 6)."""
        return self.gradient_frac(matrix) - matrix.format.frac + self.rate_of(matrix, epoch)

    def velocity_shifts(self, matrix: Matrix, epoch: int) -> tuple[int, int]:
        """s_V and s_W of a matrix that learns with momentum."""
        assert self.learning.momentum
        frac = self.learning.momentum.velocity.frac
        return self.gradient_frac(matrix) - frac, frac - matrix.format.frac + self.rate_of(matrix, epoch)

    def noise_amplitude(self, layer: int) -> int:
        """Code a of the noise ±a that mirror mode puts in place of the input of *layer*; 0 if there is none."""
        exponent = self.graph.layers[layer].input.frac - self.learning.mirror.noise_shift
        return 1 << exponent if exponent >= 0 else 0

    def mirror_steps(self, before: int, after: int) -> int:
        """Mirror steps that fall due in a batch that brings the samples learned from *before* to *after*."""
        schedule = self.learning.mirror
        return (after // schedule.every - before // schedule.every) * schedule.steps

    def refuse_adam(self) -> None:
        """Refuse a chip whose optimiser no integer datapath has.

        Raises:
            RunError: if it is Adam.

        """
        if self.learning.adam:
            raise RunError("adam divides by a root for every weight: no integer datapath has it")

    def refuse_unknown(self) -> None:
        """Refuse what no datapath of graphs has, the float twin included.

        Raises:
            RunError: naming the setting.

        """
        learning = self.learning
        if learning.weight_norm or learning.targets.hot != 1 or learning.targets.labels not in {None, self.labels}:
            raise RunError("graphs have no weight normalisation, no N-hot targets and no regression")
        refuse_norms(self, floating=True)

    def refuse_unheld(self) -> None:
        """Refuse what the integers of graphs do not have (docs/numerics.md, section 9).

        Raises:
            RunError: naming the setting.

        """
        self.refuse_adam()
        numerics = self.numerics
        if numerics.word_source.per_lane or numerics.word_source.value == "raw":
            raise RunError("graphs draw row words: numerics.random_words: row_word or row_lfsr")
        self.refuse_unknown()
        refuse_norms(self)
        for node in self.graph.nodes:
            self._refuse_node(node)
        for matrix in self.matrices:
            self._refuse_shifts(matrix)
        for layer in self.graph.hidden:
            self._refuse_feedback(layer)
        if any(reading.classifier for reading in self.readings) and self.learning.loss != "bce":
            raise RunError("local classifiers learn with loss bce")
        for layer in self.graph.layers:
            reached = layer.accumulator_bound > numerics.accumulator_high
            if reached and numerics.accumulator_overflow is Overflow.SAT:
                raise RunError(f"layer {layer.layer} can saturate its accumulator; graphs have overflow: WRAP")

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
        if isinstance(node, Add | Pool):
            self._refuse_sums(node)
        if isinstance(node, Pool) and node.kind == "max" and node.kernel[0] * node.kernel[1] > _CHOICES:
            raise RunError(f"node {node.index} {node.where}: a max pool chooses from at most {_CHOICES} codes")

    def _refuse_sums(self, node: Add | Pool) -> None:
        """Refuse residuals and pools whose sums have bits beyond those of their operations."""
        sources = [self.graph.nodes[source] for source in node.sources]
        fracs = [source.code.frac for source in sources]
        if isinstance(node, Add):
            apart, drop = max(fracs) - min(fracs), max(fracs) - node.preactivation.frac
            if apart > _SHIFTS or not -_LONGEST <= drop <= _SHIFTS:
                raise RunError(f"node {node.index} {node.where}: the formats of the residual are too far apart")
        elif node.kind == "average":
            gained = sources[0].projection.frac - node.projection.frac
            if not 0 <= gained <= _LONGEST or node.kernel[0] * node.kernel[1] > _AVERAGED:
                raise RunError(
                    f"node {node.index} {node.where}: an average pool takes at most {_AVERAGED} codes, and its errors"
                    " lose no fractional bits"
                )

    def _refuse_shifts(self, matrix: Matrix) -> None:
        """Refuse update shifts outside 0 … 31, which numerics/ops.py does not define."""
        learning, k = self.learning, matrix.layer
        if matrix.kind is Kind.FORWARD or (matrix.kind is Kind.WEIGHTS and not self.readings[k].learns):
            return
        schedule = (
            learning.feedback_lr_shift if matrix.kind is Kind.FEEDBACK else learning.lr_shift[self._rated(matrix)]
        )
        for epoch, _ in schedule:
            moving = learning.momentum is not None and (matrix.kind is Kind.TWIN or self.sums_gradients(matrix))
            shifts = self.velocity_shifts(matrix, epoch) if moving else (self.shift_of(matrix, epoch),)
            if not 0 <= min(shifts) <= max(shifts) <= _SHIFTS:
                what = f"layer {k}: update shifts {shifts} in epoch {epoch} of its {matrix.kind.value}"
                raise RunError(f"{what} are not in 0 … {_SHIFTS}")

    def _rated(self, matrix: Matrix) -> int:
        """Layer whose lr_shift a matrix has."""
        crossed = self.crossed(matrix.layer) if matrix.kind is Kind.TWIN else None
        local = self.graph.output.layer if matrix.kind is Kind.CLASSIFIER else matrix.layer
        return crossed.layer if crossed else local

    def _refuse_feedback(self, layer: Weighted) -> None:
        """Refuse feedback without a format, twins of another fraction than their weights, and noise that is no code."""
        k, crossed = layer.layer, self.crossed(layer.layer)
        if not mx.feedback_shape(self, layer)[0]:
            return
        if layer.feedback is None:
            name = self.learning.rule.name
            raise RunError(f"layer {k} {layer.where} has no feedback format, which rule {name} needs")
        reading = self.readings[crossed.layer] if crossed else None
        if crossed and reading and reading.back is Back.TWIN and layer.feedback.frac != crossed.weight.frac:
            what = (
                f"layer {k}: feedback {layer.feedback} is the twin of weights {crossed.weight} of layer {crossed.layer}"
            )
            raise RunError(f"{what}; give both the same fractional bits")
        if crossed and reading and reading.mirror:
            noise = self.noise_amplitude(crossed.layer)
            if not 1 <= noise <= crossed.input.high:
                raise RunError(f"layer {crossed.layer}: noise of mirror mode has no code in {crossed.input}")
            if self.learning.loss == "cce":
                raise RunError("loss cce has no mirror mode: softmax is made in training only")
