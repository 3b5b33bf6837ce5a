"""What each operation of a graph keeps busy: the parts and memories behind every counter that it adds to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from neuro_emu.errors import MismatchError
from neuro_emu.estimate.chip_uses import MULTIPLY
from neuro_emu.estimate.deep_held import Counter, Held, Place, Places, operate
from neuro_emu.estimate.deep_parts import NARROW, ROOT, SQUARES, SUMS, WIDE
from neuro_emu.estimate.parts import Part
from neuro_emu.machine.counts import Phase
from neuro_emu.machine.deep.activity import Key
from neuro_emu.machine.deep.reading import Back
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.deep.graph import Add, Concat, Node, Pool, Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.numerics.activations import SOFTMAX

_SHARE = 34 / 84
"""Of both adders of a channel's sums, the smaller one (neuro_emu/estimate/deep_parts.py)."""

_STORES = {Kind.WEIGHTS: "", Kind.TWIN: "feedback_", Kind.FEEDBACK: "feedback_", Kind.CLASSIFIER: "classifier_"}


class PlacesOf(Held):
    """Where the counts of each operation of one chip belong; see :class:`Held`."""

    def of(self, key: Key, phase: Phase, counter: Counter) -> list[Place]:
        """Return what one count of an operation keeps busy.

        Raises:
            MismatchError: if nothing does.

        """
        method: Callable[..., Places] = getattr(self, f"_{key[0]}")
        found = method(*key[1:])
        if phase is Phase.FEEDBACK and key[0] in {"write", "decay"}:
            found = self._stored(key[1]) | found
        if counter not in found:
            raise MismatchError(f"counted {counter} of {key[0]}, which takes no part that is known")
        return found[counter]

    # --- forward ---

    def _load(self) -> Places:
        return {"input_write": self.write("input")}

    def _forward(self, index: int) -> Places:
        node = self._weighted(index)
        return self.source(node) | {"mac": self._mac(), "weight_read": self.read(f"weights[{node.layer}]")}

    def _activate(self, index: int) -> Places:
        node = self.graph.nodes[index]
        assert isinstance(node, Weighted | Add)
        name = self._table(node)
        made = self.write(*self.outputs(node)) + operate("activation units", "output stage")
        found: Places = {"output_write": made}
        if f"table[{name}]" in self.parts:
            found["table_read"] = self.read(f"table[{name}]")
        kept = self._kept(node)
        return found | {"preactivation_write": self.write(*kept) if kept and kept[0] in self.parts else []}

    def _drop(self, layer: int) -> Places:
        return {} if self.learning else {"table_read": self.read(f"tested[{layer}]")}

    def _normalise(self, index: int) -> Places:
        found = self.both(("norm_read", "norm_write"), f"norm[{self._weighted(index).layer}]")
        return found | self._statistics() | {"scale": [(WIDE, "operate", 0.5), (NARROW, "operate", 0.5)]}

    def _statistics(self) -> Places:
        squares = [(SQUARES, "operate", 1.0), (SUMS, "operate", 1 - _SHARE)]
        return {"mac": squares, "add": [(SUMS, "operate", _SHARE)]}

    def _measure(self, _: int) -> Places:
        return {"norm": operate(ROOT) if ROOT in self.parts else []}  # a chip that only infers is given folded words

    _measure_back = _measure
    _fold_channels = _measure

    def _fold(self, _: int) -> Places:
        return {"scale": operate(NARROW)}

    def _local(self, node: Pool) -> bool:
        return self.graph.nodes[node.index] != node

    def _pooled(self, node: Pool) -> tuple[str, ...]:
        """Where a pool's outputs lie; one of a local classifier has a memory of its own."""
        if not self._local(node):
            return self.outputs(node)
        heads = [k for k in range(len(self.graph.layers)) if self.graph.head(k) == node.index]
        return tuple(f"local_pool[{k}]" for k in heads)

    def _pools(self, node: Pool, means: float) -> list[Place]:
        found = operate("pool unit")
        return [*found, ("pool mean", "operate", means)] if node.kind == "average" else found

    def _pool(self, node: Pool) -> Places:
        found = self.source(node) | {"output_write": self.write(*self._pooled(node))}
        if self.learning and f"choices[{node.index}]" in self.parts:
            found["choice"] = self.write(f"choices[{node.index}]")
        else:
            found["choice"] = []  # a window of one code leaves no choice
        return found | {"pool": self._pools(node, 1 / (node.kernel[0] * node.kernel[1]))}

    def _join(self, index: int) -> Places:
        sources = [self.graph.nodes[source] for source in self.graph.nodes[index].sources]
        read = [(self._behind(source), "read", 1 / len(sources)) for source in sources]
        return {"output_read": read, "add": operate("lane accumulate")}

    def _behind(self, node: Node) -> str:
        return self.find(*self.outputs(node))

    def _concat(self, index: int) -> Places:
        node = self.graph.nodes[index]
        assert isinstance(node, Concat)
        sources = [self.graph.nodes[source] for source in node.sources]
        read = [(self._behind(source), "read", source.neurons / node.neurons) for source in sources]
        return {"output_read": read, "output_write": self.write(*self.outputs(node))}

    # --- shared activations ---

    def _match(self, layer: int, _: Shape, __: Shape) -> Places:
        source = self._shared(layer)[0]
        found: Places = {"output_read": self.read(*self.outputs(source))}
        found["input_read"] = found["output_read"]
        found["output_write"] = self.write(*self._matched(layer, source))
        means = [("pool mean", "operate", 0.25)] if self.chip.readings[layer].matching == "average_pool" else []
        return found | {"pool": operate("pool unit") + means}

    def _approximate(self, layer: int, to: Shape) -> Places:
        slot, head = self.chip.slot(layer), self.graph.nodes[self.graph.head(self.chip.slot(layer))]
        found = self._match(layer, to, to) | {"mac": self._mac(), "random_read": self.read(f"random_forward[{slot}]")}
        table = f"table[{self._table(head)}]"
        found |= {"table_read": self.read(table)} if table in self.parts else {}
        return found

    # --- errors ---

    def _classify(self, layer: int) -> Places:
        head = self.graph.nodes[self.graph.head(layer)]
        found: Places = {"mac": self._mac(), "output_read": self.read(f"local_pool[{layer}]", *self.outputs(head))}
        found |= {"error_write": self.write(f"local_error[{layer}]")}
        found |= {"weight_read": self.read(f"classifier[{layer}]")}
        table = f"table[{self.graph.output.layer}]"
        return found | ({"table_read": self.read(table)} if table in self.parts else {})

    def _output_error(self) -> Places:
        output = self.graph.output
        found: Places = {"error_write": self.write("error") + operate("output stage"), "gate": operate(*self.gates)}
        if output.activation == SOFTMAX:
            found |= {"table_read": self.read("exponential"), "mac": self._mac(), "add": operate("lane accumulate")}
            found |= {"output_write": self.write(*self.outputs(output))}
            found |= {"preactivation_read": self.read(f"preactivation[{output.index}]")}
        elif f"derivative[{output.layer}]" in self.parts:
            found["derivative_read"] = self.read(f"derivative[{output.layer}]")
        return found

    def _label_rows(self, layer: int) -> Places:
        return {"feedback_read": self.read(f"feedback[{layer}]")}

    def _project(self, layer: int, _: int, __: int) -> Places:
        found = self._label_rows(layer) | {"mac": self._mac(), "add": operate("lane accumulate")}
        return found | {"error_read": self.read(f"local_error[{layer}]", "error")}

    def _gate(self, index: int) -> Places:
        node = self.graph.nodes[index]
        assert isinstance(node, Weighted | Add)
        found: Places = {"gate": operate(*self.gates)}
        if self.mapping.stores_delta(node):
            found["error_write"] = self.write(f"deltas[{index}]")
        if f"derivative[{self._table(node)}]" in self.parts:
            found["derivative_read"] = self.read(f"derivative[{self._table(node)}]")
        kept = self._kept(node)
        return found | {"preactivation_read": self.read(*kept) if self.mapping.keeps(node) and kept else []}

    def _norm_back(self, index: int) -> Places:
        found = self._normalise(index)
        return found | self.both(("error_read", "error_write"), f"deltas[{index}]")

    def _back_product(self, index: int) -> Places:
        node = self._weighted(index)
        slot, back = self.chip.slot(node.layer), self.chip.readings[node.layer].back
        projects = self.mapping.projects(node)
        found: Places = {"error_read": self.read(*self.errors(node)), "add": operate("adder tree")}
        found["mac"] = self._mac() if projects else self._mac("adder tree")
        if back in {Back.WEIGHTS, Back.SIGNS}:
            found["weight_read"] = self.read(f"weights[{node.layer}]")
        else:
            found["feedback_read"] = self.read(f"feedback[{slot}]")
        return found | (self._partial("partial") if "partial" in self.parts else {})

    def _pool_back(self, node: Pool) -> Places:
        local = (f"deltas[{node.index}]",) if self._local(node) else ()
        found = self._partial("partial", *local) | {"add": [], "pool": self._pools(node, 1.0)}
        choices = f"choices[{node.index}]"
        return found | {"choice": self.read(choices) if choices in self.parts else []}

    def _merge(self, layer: int, shape: Shape) -> Places:
        waiting = [n for n in self.graph.nodes if self.mapping.counted[n.index] == layer and n.shape == shape]
        return self._partial(*(f"arrived[{node.index}]" for node in waiting), "partial") | {"add": []}

    # --- writes ---

    def _store(self, matrix: Matrix) -> Places:
        """Gradient sums and velocities of a matrix."""
        own, k, found = _STORES[matrix.kind], matrix.layer, Places()
        for name, counters in (
            ("gradients", ("gradient_read", "gradient_write")),
            ("velocities", ("velocity_read", "velocity_write")),
        ):
            if f"{own}{name}[{k}]" in self.parts:
                found |= self.both(counters, f"{own}{name}[{k}]")
        return found

    def _sum(self, matrix: Matrix) -> Places:
        return self._store(matrix) | {"mac": self._mac("lane gradient")}

    def _gradient(self, index: int) -> Places:
        node = self._weighted(index)
        learned = self._learned(node, self.chip.readings[node.layer].activation)
        found = self._sum(self.chip.matrices[node.layer]) | dict.fromkeys(("input_read", "output_read"), learned)
        errors = self.errors(node)
        return found | ({"error_read": self.read(*errors)} if errors[0] in self.parts else {})

    def _learn_local(self, layer: int) -> Places:
        found = self._classify(layer) | self._sum(self.chip.matrix(Kind.CLASSIFIER, layer))
        return found | {"error_read": self.read(f"local_error[{layer}]")}

    def _learn_feedback(self, index: int) -> Places:
        node = self._weighted(index)
        matrix = self.chip.matrix(Kind.FEEDBACK, self.chip.slot(node.layer))
        learned = self._learned(node, self.chip.readings[node.layer].shared)
        found = self._sum(matrix) | dict.fromkeys(("input_read", "output_read"), learned)
        return found | {"error_read": self.read(*self.errors(node))}

    def _outer(self, layer: int) -> Places:
        head = self.graph.nodes[self.graph.head(layer)]
        found = self._sum(self.chip.matrix(Kind.FEEDBACK, layer)) | {"error_read": self.read("error")}
        return found | {"output_read": self.read(*self.outputs(head))}

    def _write(self, matrix: Matrix) -> Places:
        found = self._store(matrix) | self._update()
        if matrix.kind is not Kind.FEEDBACK:
            name = "classifier" if matrix.kind is Kind.CLASSIFIER else "weights"
            found |= self.both(("weight_read", "weight_write"), f"{name}[{matrix.layer}]")
        return found

    _decay = _write

    def _update(self) -> Places:
        return {"update": operate("lane update"), "velocity": operate("lane velocity")}

    def _stored(self, matrix: Any) -> Places:
        """Feedback that lies unbanked: what is learned itself, or the twin of weights that are written."""
        twin = self.mapping.twin_of(matrix)
        found = self.both(("feedback_read", "feedback_write"), f"feedback[{(twin or matrix).layer}]")
        return found | ({"shared_update": operate("lane twin update")} if twin else {})

    def _norm_write(self, index: int) -> Places:
        found = self.both(("norm_read", "norm_write"), f"channels[{self._weighted(index).layer}]")
        return found | self._update()

    # --- mirror mode ---

    def _mirror(self, index: int) -> Places:
        node = self._weighted(index)
        found = self.both(("output_read", "output_write"), *self.outputs(self.mapping.source_of(node)))
        found |= {"mac": self._mac(), "error_write": self.write(*self.errors(node))}
        table = f"table[{node.layer}]"
        found |= {"table_read": self.read(table)} if table in self.parts else {}
        return found | {"weight_read": self.read(f"weights[{node.layer}]")}

    def _follow(self, index: int) -> Places:
        node = self._weighted(index)
        found = self.both(("feedback_read", "feedback_write"), f"feedback[{self.chip.slot(node.layer)}]")
        found |= {"output_read": self.read(*self.outputs(self.mapping.source_of(node))), "mac": self._mac()}
        step = operate("lane update") if node.window else operate(*MULTIPLY, "lane update")
        return found | {"error_read": self.read(*self.errors(node)), "update": step}


def known_parts(places: Iterable[Place], parts: dict[str, Part]) -> Iterable[Place]:
    """Pass on what the chip has.

    Raises:
        MismatchError: naming a part that it has not.

    """
    for part, action, times in places:
        if part not in parts:
            raise MismatchError(f"counted what takes a {part}; the chip has none")
        yield part, action, times
