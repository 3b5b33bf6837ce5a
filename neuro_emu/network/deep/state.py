"""The state of a chip with a graph: :class:`ChipState` and what batch normalisation keeps."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from neuro_emu.network.state import ChipState, Int64


@dataclass
class DeepState(ChipState):
    """Every register and memory that outlives a batch, as integer codes.

    W_k is (rows, units) as :class:`neuro_emu.network.deep.graph.Weighted` has it, direct feedback B_k (classes, neurons
    of the layer's head). ``gradients`` is empty: a batch is written when it ends. ``velocities`` holds those of the
    norms (2, channels) behind those of the matrices.

    Attributes:
        norm: γ, β, running mean and variance (4, channels) of each layer; (4, 0) without a norm.

    """

    norm: list[Int64] = field(default_factory=list)

    def copy(self) -> DeepState:
        """Return an independent copy."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = [entry.copy() for entry in value]
            elif hasattr(value, "copy"):
                values[name] = value.copy()
        return DeepState(**values)
