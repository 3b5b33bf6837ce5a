"""What a rule's plan on the chain of weight layers means for each layer of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from neuro_emu.errors import RuleError
from neuro_emu.machine.plan import Step, Vector

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


class Back(Enum):
    """The matrix that an error crosses a layer with, downwards."""

    WEIGHTS = "weights"
    SIGNS = "signs"
    FIXED = "fixed"
    TWIN = "twin"
    LEARNED = "learned"


@dataclass(frozen=True)
class Reading:
    """How one layer learns.

    Attributes:
        source: where its error comes from.
        back: the matrix that its error goes on downwards with, where a chain asks for it.
        activation: chain layer whose output stands in for its own input; None: its own.
        feedback: what its feedback learns from: the error, or the chain layer whose output is h̃; None: it is fixed.
        direct_learns: whether its direct feedback matrix learns.
        mirror: whether its feedback learns in mirror mode.
        classifier: whether it has a local classifier.
        learns: whether W is ever written.

    """

    source: Source
    back: Back = Back.WEIGHTS
    activation: int | None = None
    feedback: Source | int | None = None
    direct_learns: bool = False
    mirror: bool = False
    classifier: bool = False
    learns: bool = True


_DIRECT = {"label_row": Source.LABEL, "error": Source.ERROR, "error_sign": Source.ERROR_SIGN}


def readings(chip: DeepChip) -> tuple[Reading, ...]:
    """Read the plan of *chip*: one entry a layer of its graph.

    Raises:
        RuleError: if the rule asks for what graphs do not offer.

    """
    layers = chip.graph.layers
    if chip.plan.mirror or chip.graph.sides:
        raise _refuse(chip, "asks for mirror mode, or learns beside a shortcut,", 0)
    found = []
    for k, layer in enumerate(layers):
        steps = [step for step in chip.plan.steps if step.layer == k and step.target is None]
        if not steps:
            found.append(Reading(Source.NONE, learns=False))
            continue
        update = steps[0]
        if len(steps) > 1 or update.op != "update" or update.detail or update.sources[1].layer != k - 1:
            raise _refuse(chip, "writes more than W, or learns with another activation,", k)
        source = Source.ERROR if k == len(layers) - 1 else _source(chip, update.sources[0], k)
        found.append(Reading(source, learns=layer.learns))
    return tuple(found)


def _source(chip: DeepChip, delta: Vector, k: int) -> Source:
    """Where the signal comes from that a hidden layer updates with."""
    made: dict[int, Step] = {step.target.number: step for step in chip.plan.steps if step.target}
    gate = made[delta.number]
    before = made.get(gate.sources[0].number) if gate.op == "gate" else None
    if before is None:
        raise _refuse(chip, "updates with a signal that did not pass f′", k)
    if before.op == "transpose":
        return Source.CHAIN
    origin = before.op if before.op == "label_row" else before.sources[0].op
    if before.op not in {"label_row", "project"} or origin not in _DIRECT:
        raise _refuse(chip, f"learns from {before.op} of {origin}", k)
    return _DIRECT[origin]


def _refuse(chip: DeepChip, what: str, k: int) -> RuleError:
    return RuleError(f"rule {chip.learning.rule.name} {what} in layer {k}, which graphs do not offer")
