"""What a rule's plan on the chain of weight layers means for each layer of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from neuro_emu.errors import RuleError
from neuro_emu.machine.plan import Step, Vector
from neuro_emu.network.deep.graph import Add, Graph
from neuro_emu.rules import Need

if TYPE_CHECKING:
    from neuro_emu.machine.deep.chip import DeepChip


class Source(Enum):
    """Where the error of a layer comes from."""

    NONE = "none"
    LABEL = "label"
    ERROR = "error"
    ERROR_SIGN = "error sign"
    CHAIN = "chain"
    LOCAL = "local"


DIRECT = (Source.LABEL, Source.ERROR, Source.ERROR_SIGN)
"""Errors that a matrix of the layer's own brings to its head, past every other layer."""


class Back(Enum):
    """The matrix that an error crosses a layer with, downwards."""

    WEIGHTS = "weights"
    SIGNS = "signs"
    FIXED = "fixed"
    TWIN = "twin"
    LEARNED = "learned"


STORED = (Back.FIXED, Back.TWIN, Back.LEARNED)
"""Those that are memories of their own."""

INPUT = -1
"""In place of a layer: the input of the chip."""


@dataclass(frozen=True)
class Reading:
    """How one layer learns.

    Attributes:
        source: where its error comes from.
        owner: layer whose direct feedback matrix brings it: itself, or the layer that it shares its head with.
        back: the matrix that its error goes on downwards with, where a chain asks for it.
        activation: layer whose head's output stands in for its own input (−1: the input); None: its own.
        matching: how that is brought to the shape of its own input: ``max_pool``, ``average_pool``, ``random``.
        feedback: what feedback learns from: ERROR, its direct matrix from error and output; CHAIN, the matrix that
            errors cross it with from its error and ``shared``; None: from nothing, or in mirror mode.
        shared: layer whose head's output that feedback learns with; None: its own input.
        mirror: whether the matrix that errors cross it with learns in mirror mode.
        classifier: whether it has a local classifier.
        learns: whether W is ever written.

    """

    source: Source
    owner: int = 0
    back: Back = Back.WEIGHTS
    activation: int | None = None
    matching: str = "max_pool"
    feedback: Source | None = None
    shared: int | None = None
    mirror: bool = False
    classifier: bool = False
    learns: bool = True

    @property
    def direct_learns(self) -> bool:
        """Whether its direct feedback matrix learns."""
        return self.feedback is Source.ERROR


def readings(chip: DeepChip) -> tuple[Reading, ...]:
    """Read the plan of *chip*: one entry a layer of its graph (docs/deep.md, section 3.1).

    Raises:
        RuleError: if the rule asks for what graphs do not offer.

    """
    graph, reader = chip.graph, _Reader(chip)
    found = {layer: reader.layer(c) for c, layer in enumerate(graph.chain)}
    for side in graph.sides:
        last = ends_with(graph, side)
        end, like = found[last], found[reader.crossed_below(last)]
        shares = next((k for k in graph.chain if graph.head(k) == graph.head(side)), side)
        found[side] = Reading(
            Source.CHAIN if end.source is Source.LOCAL else end.source,
            shares,
            like.back,
            feedback=Source.CHAIN if like.feedback is Source.CHAIN else None,
            mirror=like.mirror,
            learns=end.learns and graph.layers[side].learns,
        )
    return tuple(found[k] for k in range(len(graph.layers)))


def ends_with(graph: Graph, side: int) -> int:
    """Layer that ends the body of the residual whose shortcut holds layer *side*."""
    node = graph.layers[side].index
    while not isinstance(graph.nodes[node], Add):
        node = graph.consumers(node)[0]
    return max(k for k in graph.chain if graph.layers[k].index < node)


class _Reader:
    """Reads the steps of a plan for one layer of the chain at a time; *c* is a place in the chain."""

    def __init__(self, chip: DeepChip) -> None:
        self.chip, self.graph, self.plan = chip, chip.graph, chip.plan
        self.chain, self.last = chip.graph.chain, len(chip.graph.chain) - 1
        steps = self.plan.steps
        self.made: Mapping[int, Step] = {step.target.number: step for step in steps if step.target}
        self.mirrored = self._mirrored()

    def refuse(self, what: str, c: int) -> RuleError:
        """Name what graphs do not offer."""
        name = self.chip.learning.rule.name
        return RuleError(f"rule {name} {what} in layer {self.chain[c]}, which graphs of layers do not offer")

    def steps(self, op: str, c: int) -> list[Step]:
        """Steps of one operation on a layer."""
        return [step for step in self.plan.steps if (step.op, step.layer) == (op, c)]

    def layer(self, c: int) -> Reading:
        """Read one layer of the chain."""
        k = self.chain[c]
        updates, gates = self.steps("update", c), self.steps("gate", c)
        if len(gates) > 1:
            raise self.refuse("multiplies two signals with f′", c)
        source = self._source(c, gates)
        found = Reading(source, k, self._back(c), mirror=c in self.mirrored, learns=bool(updates))
        if updates:
            delta, activation = updates[0].sources
            wanted = "error" if c == self.last else "gate"
            if delta.op != wanted or (c < self.last and delta.layer != c):
                raise self.refuse(f"updates W with {delta.op}, not with the signal behind f′", c)
            stands_in, matching = self._activation(activation, c)
            found = replace(found, activation=stands_in, matching=matching, learns=self.graph.layers[k].learns)
        classifier = self.plan.classifiers[c] if c < self.last else False
        if classifier and (source is not Source.LOCAL or not self.steps("learn_local", c)):
            raise self.refuse("has a local classifier that does not learn, or whose error nobody uses,", c)
        return self._feedback(replace(found, classifier=classifier), c)

    def _source(self, c: int, gates: list[Step]) -> Source:
        """Where the signal comes from that a layer learns with."""
        if c == self.last:
            return Source.ERROR
        if not gates:
            return Source.NONE
        before = self.made.get(gates[0].sources[0].number)
        if before is None or before.op not in {"label_row", "project", "transpose", "transpose_sign"}:
            raise self.refuse(f"multiplies {gates[0].sources[0].op} with f′", c)
        if before.op == "label_row":
            return Source.LABEL
        signal = before.sources[0]
        if self._is_above(signal, c):
            return Source.CHAIN
        direct = {"error": Source.ERROR, "error_sign": Source.ERROR_SIGN}
        if before.op != "project" or (signal.op, signal.layer) not in {
            ("error", self.last),
            ("error_sign", self.last),
            ("local_error", c),
        }:
            raise self.refuse(f"learns from {before.op} of {signal.op} of {_place(signal.layer)}", c)
        return direct.get(signal.op, Source.LOCAL)

    def _is_above(self, signal: Vector, c: int) -> bool:
        """Whether a signal is the δ of the next layer of the chain."""
        if signal.op == "gate":
            return signal.layer == c + 1
        return signal.op == "error" and c + 1 == self.last and self.chip.learning.rule.need is Need.CHAIN

    def _brought(self, c: int) -> Step | None:
        """The step that brings the error of a layer to the one below it; None if it goes no further."""
        gates = self.steps("gate", c - 1) if c else []
        before = self.made.get(gates[0].sources[0].number) if gates else None
        goes_on = before and before.sources and self._is_above(before.sources[0], c - 1)
        return before if goes_on else None

    def crossed_below(self, layer: int) -> int:
        """The layer of the chain that errors cross, counted down from *layer*; that itself where they cross none."""
        below = range(self.chain.index(layer), 0, -1)
        return next((self.chain[c] for c in below if self._brought(c)), layer)

    def _back(self, c: int) -> Back:
        """The matrix that the error of the layer below was made with."""
        before = self._brought(c)
        if before is None:
            return Back.WEIGHTS
        if before.op != "project":
            return Back.SIGNS if before.op == "transpose_sign" else Back.WEIGHTS
        use = self.plan.feedback[c - 1]
        return Back.TWIN if use.twin else Back.LEARNED if use.learned else Back.FIXED

    def _activation(self, vector: Vector, c: int) -> tuple[int | None, str]:
        """Layer whose output stands in for the own input of a layer, None for that itself; and how it is matched."""
        rule = self.chip.learning.rule
        matching = str(self.chip.learning.option("matching")) if "matching" in rule.options else "max_pool"
        if vector.op != "output":
            step = self.made[vector.number]
            matching = "random" if step.op == "random_forward" else step.detail
            vector = step.sources[0]
            if step.layer != c - 1 or vector.op != "output" or (matching == "random" and vector.layer < 0):
                raise self.refuse(f"learns with {step.op} of {vector.op} of {_place(vector.layer)}", c)
        elif vector.layer == c - 1:
            return None, matching
        layer = self.chain[vector.layer] if vector.layer >= 0 else INPUT
        own = self.graph.layers[self.chain[c]].input
        other = self.graph.nodes[self.graph.head(layer) if layer >= 0 else 0].code
        if own != other:
            raise RuleError(
                f"rule {rule.name} lets layer {self.chain[c]} learn with codes {other} of {_place(layer)} in place of"
                f" its own input {own}: give both one format"
            )
        return layer, matching

    def _feedback(self, found: Reading, c: int) -> Reading:
        """How feedback learns from samples: the layer's direct matrix, or the one that errors cross it with."""
        for step in self.steps("learn_feedback", c):
            signal, activation = step.sources
            if not self._is_above(signal, c) or found.source is not Source.CHAIN:
                own = (signal.op, activation.op, activation.layer) == ("error", "output", c)
                if found.source is not Source.ERROR or not own:
                    raise self.refuse(f"teaches feedback with {signal.op} and {activation.op}", c)
                found = replace(found, feedback=Source.ERROR)
        for step in self.steps("learn_feedback", c - 1) if c else []:
            if self._is_above(step.sources[0], c - 1) and self._back(c) is Back.LEARNED:
                shared, matching = self._activation(step.sources[1], c)
                if found.activation is not None and shared is not None and matching != found.matching:
                    raise self.refuse("matches two activations in two ways", c)
                matching = matching if shared is not None else found.matching
                found = replace(found, feedback=Source.CHAIN, shared=shared, matching=matching)
        return found

    def _mirrored(self) -> set[int]:
        """Layers of the chain whose way back learns in mirror mode."""
        found = set()
        for step in self.plan.mirror:
            if step.op != "learn_feedback":
                continue
            signal, noise = step.sources
            if (signal.op, signal.layer, noise.op, noise.layer) != ("drive", step.layer + 1, "noise", step.layer):
                raise self.refuse(f"learns from {signal.op} and {noise.op} in mirror mode", step.layer)
            found.add(step.layer + 1)
        return found


def _place(layer: int) -> str:
    """A layer of the chain in words."""
    return f"layer {layer}" if layer >= 0 else "the input"
