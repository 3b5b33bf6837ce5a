"""What a learning rule may ask of the datapath, and how a rule is declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol, TypeVar

V = TypeVar("V")
"""A vector in the datapath's own representation: integer codes, floats, or a register name."""

OptionValue = int | bool | str


class Need(IntEnum):
    """What a rule waits for before a hidden layer may learn; the larger of rule and options counts.

    The need, not the rule's name, decides buffering, schedule and memory (update locking): nothing, the label, the
    output error, or the modulatory signal of the layer above.
    """

    NOTHING = 0
    LABEL = 1
    ERROR = 2
    CHAIN = 3


class Datapath(Protocol[V]):
    """The operations the silicon offers to a rule; k is a layer, counted from 0.

    Signals are computed before anything that they depend on is written. What a sample's vectors are
    made of (outputs, shared or random activations) is computed once a sample, however often it is asked for.
    """

    @property
    def last(self) -> int:
        """Index K of the output layer."""
        ...

    def size(self, k: int) -> int:
        """Neurons of layer k; for −1 the inputs of the chip."""
        ...

    def option(self, name: str) -> OptionValue:
        """Value of one of the rule's own options."""
        ...

    # --- signals ---

    def label_row(self, k: int) -> V:
        """Row of B_k that belongs to the sample's label: a memory access, no multiplication."""
        ...

    def error(self) -> V:
        """δ_K, the output error e = y* − y_K in its format."""
        ...

    def error_sign(self) -> V:
        """Ternary sign t of the output error, 0 inside the dead zone."""
        ...

    def delta(self, k: int) -> V:
        """δ_k of a layer above, as :meth:`gate` made it; δ_K for the output layer. For rules that need the chain."""
        ...

    def local_error(self, k: int) -> V:
        """δ_L, the output error of a local classifier on y_k; asking for it creates the classifier."""
        ...

    def project(self, k: int, signal: V) -> V:
        """B_kᵀ · signal, requantised to the projection format; B_k has a row for each entry of *signal*."""
        ...

    def transpose(self, k: int, signal: V) -> V:
        """W_{k+1}ᵀ · signal (no bias), requantised to the projection format of layer k."""
        ...

    def transpose_sign(self, k: int, signal: V) -> V:
        """The same with a · sign(W_{k+1})ᵀ, a the amplitude of the feedback format."""
        ...

    def gate(self, k: int, signal: V) -> V:
        """Multiply *signal* by f′(z_k) and requantise to the delta format: the modulatory signal δz_k."""
        ...

    # --- activations ---

    def output(self, k: int) -> V:
        """y_k; for −1 the input of the chip."""
        ...

    def random_forward(self, k: int, activation: V) -> V:
        """f_k(C_k · activation) with fixed random C_k: an approximate y_k."""
        ...

    def pool(self, k: int, activation: V, kind: str) -> V:
        """Copies of *activation*, pooled (``max_pool``, ``average_pool``) to the length of y_k."""
        ...

    def noise(self, k: int) -> V:
        """Zero-mean noise ±a in place of y_k. Mirror mode only."""
        ...

    def drive(self, k: int, activation: V) -> V:
        """f_k(W_k · activation) − f_k(0), the bias blocked. Mirror mode only."""
        ...

    # --- learning ---

    def update(self, k: int, delta: V, activation: V | None = None, *, twin: bool = False) -> None:
        """W_k += 2^-lr_shift · delta · activationᵀ (its own input by default), rounded and saturated.

        With *twin* the feedback matrix B_{k−1} gets the same rounded step as W_k.
        """
        ...

    def learn_feedback(self, k: int, signal: V, activation: V) -> None:
        """B_k += 2^-feedback_lr_shift · signal · activationᵀ, rounded and saturated."""
        ...

    def learn_local(self, k: int) -> None:
        """Update the local classifier of layer k with its own error."""
        ...


Learn = Callable[[Datapath[Any], int], None]


@dataclass(frozen=True)
class Option:
    """A setting of a rule's own, under `training.options`.

    Attributes:
        default: when it is not written; its type is the option's.
        help: one line.
        low: smallest integer.
        choices: allowed words.

    """

    default: OptionValue
    help: str
    low: int = 1
    choices: tuple[str, ...] = ()

    def complaint(self, value: object) -> str | None:
        """Say what would be right if *value* is not; None if it is."""
        if isinstance(self.default, bool):
            return None if isinstance(value, bool) else "write true or false"
        if isinstance(self.default, int):
            fine = isinstance(value, int) and not isinstance(value, bool) and value >= self.low
            return None if fine else f"write an integer from {self.low} on"
        return None if value in self.choices else "write one of: " + ", ".join(self.choices)


def learn_output(dp: Datapath[V], k: int) -> None:
    """Delta rule of the output layer, common to most rules: W_K += η e y_{K-1}ᵀ."""
    dp.update(k, dp.error())


@dataclass(frozen=True)
class Rule:
    """A named learning rule.

    Attributes:
        name: in configurations.
        need: what a hidden layer waits for.
        learn: the body for one hidden layer.
        summary: one line.
        settings: fields of `training` that only rules naming them accept.
        options: the rule's own settings.
        output: the body for the output layer.
        mirror: body of one mirror step for one hidden layer; None: there is no mirror mode.

    """

    name: str
    need: Need
    learn: Learn
    summary: str
    settings: frozenset[str] = frozenset()
    options: Mapping[str, Option] = field(default_factory=dict)
    output: Learn = learn_output
    mirror: Learn | None = None


RULES: dict[str, Rule] = {}


def rule(
    name: str,
    *,
    needs: Need,
    settings: tuple[str, ...] = (),
    options: Mapping[str, Option] | None = None,
    output: Learn = learn_output,
    mirror: Learn | None = None,
) -> Callable[[Learn], Learn]:
    """Register the decorated body under the name that configurations use; see :class:`Rule`.

    Raises:
        ValueError: if the name is taken.

    """

    def register(learn: Learn) -> Learn:
        if name in RULES and RULES[name].learn.__module__ != learn.__module__:
            raise ValueError(f"there is a rule {name!r} already, in {RULES[name].learn.__module__}")
        summary = (learn.__doc__ or name).strip().splitlines()[0]
        RULES[name] = Rule(name, needs, learn, summary, frozenset(settings), dict(options or {}), output, mirror)
        return learn

    return register
