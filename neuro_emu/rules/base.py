"""What a learning rule may ask of the datapath, and the registry of rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol, TypeVar

V = TypeVar("V")
"""A vector in the datapath's own representation: integer codes, floats, or a register name."""


class Need(IntEnum):
    """What a rule waits for before a hidden layer may learn; the larger of rule and options counts.

    The need, not the rule's name, decides buffering, schedule and memory (update locking).
    """

    NOTHING = 0
    LABEL = 1
    ERROR = 2


class Datapath(Protocol[V]):
    """The operations the silicon offers to a rule; k is a layer, counted from 0."""

    def label_row(self, k: int) -> V:
        """Row of B_k that belongs to the sample's label: a memory access, no multiplication."""
        ...

    def error(self) -> V:
        """δ_K, the output error e = y* − y_K in its format."""
        ...

    def error_sign(self) -> V:
        """Ternary sign t of the output error, 0 inside the dead zone."""
        ...

    def project(self, k: int, signal: V) -> V:
        """B_kᵀ · signal, requantised to the projection format."""
        ...

    def gate(self, k: int, signal: V) -> V:
        """Multiply *signal* by f′(z_k) and requantise to the delta format: the modulatory signal δz_k."""
        ...

    def update(self, k: int, delta: V) -> None:
        """W_k += 2^-lr_shift · delta · y_{k-1}ᵀ, rounded and saturated."""
        ...


Learn = Callable[[Datapath[Any], int], None]


@dataclass(frozen=True)
class Rule:
    """A named learning rule: the body for one hidden layer, what it needs and which options concern it."""

    name: str
    need: Need
    learn: Learn
    summary: str
    options: frozenset[str] = frozenset()


RULES: dict[str, Rule] = {}


def rule(name: str, *, needs: Need, options: tuple[str, ...] = ()) -> Callable[[Learn], Learn]:
    """Register the decorated body under the name that configurations use.

    Args:
        name: in `training.rule`.
        needs: what a hidden layer waits for.
        options: settings of `training` that only rules naming them accept.

    """

    def register(learn: Learn) -> Learn:
        summary = (learn.__doc__ or name).strip().splitlines()[0]
        RULES[name] = Rule(name, needs, learn, summary, frozenset(options))
        return learn

    return register


def learn_output(dp: Datapath[V], k: int) -> None:
    """Delta rule of the output layer, common to all rules: W_K += η e y_{K-1}ᵀ."""
    dp.update(k, dp.error())
