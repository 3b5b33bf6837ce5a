"""Tensors, accesses to them, and the choice of those that stay on the chip."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from neuro_emu.errors import RunError

PHASES = ("forward", "error", "update", "mirror")
"""Forward pass; signals on their way back; writes, and what only they read; mirror mode."""

PARAMETERS = (
    *("weights", "feedback", "classifier", "random forward"),
    *("velocities", "feedback velocities", "classifier velocities"),
)
"""Kinds of tensors that outlive a step."""
ACTIVATIONS = ("input", "activations", "slopes")
"""Kinds of tensors of one step: the samples, y_k or h̃_k that updates need, and what f′(z_k) is made from."""
KINDS = (*PARAMETERS, *ACTIVATIONS)


@dataclass(frozen=True)
class Tensor:
    """Something that lies in external memory unless it fits on the chip.

    Attributes:
        kind: one of :data:`KINDS`.
        layer: k of W_k, B_k, C_k, L_k, y_k or q_k; −1 for the samples.
        words: numbers in it; activations: of the whole mini-batch.
        bits: of a number.

    """

    kind: str
    layer: int
    words: int
    bits: int

    @property
    def name(self) -> str:
        """Name of reports."""
        return self.kind if self.layer < 0 else f"{self.kind}[{self.layer}]"

    @property
    def size(self) -> int:
        """Bits of the whole tensor."""
        return self.words * self.bits


@dataclass(frozen=True)
class Access:
    """Reading or writing of one tensor in one phase of one training step.

    Attributes:
        phase: one of :data:`PHASES`.
        tensor: what is accessed; its layer is that of the access.
        writes: whether it is written.
        words: numbers that move; a fraction where a phase does not come in every step.
        always: whether no memory on the chip can save it: samples come from outside.

    """

    phase: str
    tensor: Tensor
    writes: bool
    words: float
    always: bool = False

    @property
    def bits(self) -> float:
        """Bits that move."""
        return self.words * self.tensor.bits


@dataclass(frozen=True)
class Placement:
    """What stays on the chip.

    Attributes:
        capacity: bits on the chip for parameters and kept activations.
        kept: tensors there, in the order of the choice.
        outside: accesses that are left.
        saved: bits that do not move.

    """

    capacity: float
    kept: tuple[Tensor, ...]
    outside: tuple[Access, ...]
    saved: float


def place(accesses: Iterable[Access], capacity: float) -> Placement:
    """Choose what stays on the chip: greedily, by traffic saved for each bit of memory.

    Tensors are looked at in the order of that ratio, ties by kind and layer; each takes its place, for the whole step,
    if it still fits as a whole. More memory never means more traffic: where two capacities part, the larger one has
    taken a tensor that was too large for what the smaller had left, and that saves more for each of its bits, and has
    more bits, than all that the smaller can still take.

    Args:
        accesses: of one step, nothing on the chip.
        capacity: bits on the chip for parameters and kept activations; `inf`: everything fits.

    Raises:
        RunError: if *capacity* is negative.

    """
    if not capacity >= 0:
        raise RunError(f"{capacity:g} bits on the chip: give 0 or more")
    accesses = tuple(accesses)
    saving: dict[Tensor, float] = defaultdict(float)
    for access in accesses:
        if not access.always:
            saving[access.tensor] += access.bits
    order = sorted(saving, key=lambda t: (-saving[t] / t.size, KINDS.index(t.kind), t.layer))
    kept, left = [], capacity
    for tensor in order:
        if tensor.size <= left:
            kept.append(tensor)
            left -= tensor.size
    chosen = set(kept)
    outside = tuple(access for access in accesses if access.always or access.tensor not in chosen)
    return Placement(capacity, tuple(kept), outside, sum(saving[tensor] for tensor in kept))


def bits_of(accesses: Iterable[Access]) -> float:
    """Bits that accesses move."""
    return sum(access.bits for access in accesses)


def words_of(accesses: Iterable[Access]) -> float:
    """Numbers that accesses move: what the thesis counts."""
    return sum(access.words for access in accesses)
