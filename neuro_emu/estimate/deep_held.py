"""Which memory the operations of a graph read and write; what keeps which parts busy."""

from __future__ import annotations

from neuro_emu.errors import MismatchError
from neuro_emu.estimate.chip_uses import MULTIPLY
from neuro_emu.estimate.parts import Part
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.mapping import Mapping
from neuro_emu.machine.deep.matrices import own_map, shared_source
from neuro_emu.network.deep.graph import Add, Input, Node, Weighted

Counter = str
"""Name of a component or a port: as numbers some of them are equal."""
Place = tuple[str, str, float]
"""Part, action, how often for one count."""
Places = dict[Counter, list[Place]]


def operate(*names: str) -> list[Place]:
    """Each of *names* is busy once."""
    return [(name, "operate", 1.0) for name in names]


class Held:
    """Memories and parts of one chip, as its operations find them.

    Args:
        chip: the chip.
        parts: names of its parts.
        learning: whether the counts are of training.

    """

    def __init__(self, chip: DeepChip, parts: dict[str, Part], *, learning: bool) -> None:
        self.chip, self.graph, self.parts, self.learning = chip, chip.graph, parts, learning
        self.mapping = Mapping(chip)
        # A chip that only infers has no choice of operands.
        self.multiply = tuple(name for name in MULTIPLY if name in parts or learning)
        self.accumulate = ("lane accumulate", *(name for name in ("lane positions",) if name in parts))
        ops = {step.op for step in chip.plan.steps}
        projects = bool(ops.intersection({"project", "transpose", "transpose_sign"}))
        self.gates = ("lane gate", "lane project") if projects else ("lane gate",)

    def find(self, *names: str) -> str:
        """Return the first of *names* that the chip has.

        Raises:
            MismatchError: if it has none.

        """
        for name in names:
            if name in self.parts:
                return name
        raise MismatchError(f"counted accesses to {' or '.join(names)}, which the chip has not")

    def read(self, *names: str) -> list[Place]:
        """Reads of the first memory of *names* that there is."""
        return [(self.find(*names), "read", 1.0)]

    def write(self, *names: str) -> list[Place]:
        """Writes of it."""
        return [(self.find(*names), "write", 1.0)]

    def both(self, counters: tuple[Counter, Counter], *names: str) -> Places:
        """Reads and writes of a memory, by their two counters."""
        return {counters[0]: self.read(*names), counters[1]: self.write(*names)}

    def outputs(self, node: Node) -> tuple[str, ...]:
        """Where the codes of a node may lie."""
        return ("input",) if isinstance(node, Input) else (f"outputs[{node.index}]", "passing")

    def source(self, node: Node) -> Places:
        """Reads of what a node reads first."""
        return {self.mapping.operand(node).name.lower(): self.read(*self.outputs(self.mapping.source_of(node)))}

    def errors(self, node: Weighted) -> tuple[str, ...]:
        """Where the errors of a layer lie."""
        return ("error",) if node is self.graph.output else (f"deltas[{node.index}]",)

    def _table(self, node: Node) -> str:
        return str(node.layer) if isinstance(node, Weighted) else f"node {node.index}"

    def _kept(self, node: Weighted | Add) -> tuple[str, ...]:
        """The memory of what f′ needs; the identity needs nothing."""
        free = node.activation == "identity" and f"preactivation[{node.index}]" not in self.parts
        return () if free else (f"preactivation[{node.index}]",)

    def _weighted(self, index: int) -> Weighted:
        node = self.graph.nodes[index]
        assert isinstance(node, Weighted)
        return node

    def _mac(self, *ends: str) -> list[Place]:
        return operate(*self.multiply, *(ends or self.accumulate))

    def _partial(self, *names: str) -> Places:
        """Sums of errors that are read, added to and written back."""
        found = self.both(("partial_read", "partial_write"), *names)
        found["partial_write"] += operate("partial adder") if "partial adder" in self.parts else []
        return found

    def _shared(self, layer: int) -> list[Node]:
        """What stands in for the input of a layer, in another shape."""
        reading, to = self.chip.readings[layer], own_map(self.graph, self.graph.layers[layer])
        found = [shared_source(self.graph, of) for of in (reading.activation, reading.shared) if of is not None]
        return [self.graph.nodes[source] for source in found if self.graph.nodes[source].shape != to]

    def _matched(self, layer: int, source: Node) -> tuple[str, ...]:
        """Memories that may hold an activation in the shape that a layer learns with: equal ones are kept once."""
        to, found = own_map(self.graph, self.graph.layers[layer]), [f"matched[{layer}]"]
        for other in self.graph.layers:
            same = own_map(self.graph, other) == to and source in self._shared(other.layer)
            found += [f"matched[{other.layer}]"] * same
        return tuple(found)

    def _learned(self, node: Weighted, layer: int | None) -> list[Place]:
        """Reads of what a layer, or its feedback, learns with."""
        if layer is None:
            return self.read(*self.outputs(self.mapping.source_of(node)))
        source = self.graph.nodes[shared_source(self.graph, layer)]
        if source.shape == own_map(self.graph, node):
            return self.read(*self.outputs(source))
        return self.read(*self._matched(node.layer, source))
