"""Formats of a batch normalisation, the shifts that follow from them, and which of them 64 bits do not hold."""

from __future__ import annotations

from dataclasses import dataclass

from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.norm_numbers import FACTOR_FRAC, FOLD_FRAC, INVERSE_FRAC, MEAN_FRAC, VALUE_FRAC

_MOST_BITS, _MOST_SHIFT = 16, 31
_NAMES = ("input", "scale", "offset", "output", "delta", "error")


@dataclass(frozen=True)
class NormFormats:
    """What the norm of one layer is configured with.

    Attributes:
        sum_frac: fractional bits of the sums z (32 bits) that are normalised.
        input: of the codes a that statistics are made of.
        scale: of γ.
        offset: of β.
        output: of the pre-activation q.
        delta: of the error δ_y that comes from the gate.
        error: of the error δ_z that goes on.
        epsilon: added to variances, which have 12 fractional bits and the unit of a squared code of a.
        shift: κ; running statistics move by 2^-κ of the distance.

    """

    sum_frac: int
    input: Format
    scale: Format
    offset: Format
    output: Format
    delta: Format
    error: Format
    epsilon: int = 256
    shift: int = 3

    @property
    def input_shift(self) -> int:
        """From z to a."""
        return self.sum_frac - self.input.frac

    @property
    def offset_shift(self) -> int:
        """Bits that β goes to the left to join x̂ · γ."""
        return VALUE_FRAC + self.scale.frac - self.offset.frac

    @property
    def output_shift(self) -> int:
        """From x̂ · γ + β to q."""
        return VALUE_FRAC + self.scale.frac - self.output.frac

    @property
    def fold_shift(self) -> int:
        """From a · u + b to q."""
        return FOLD_FRAC - self.output.frac

    @property
    def factor_shift(self) -> int:
        """From γ · v, per code, to the factor of the way back, per value."""
        return self.scale.frac + INVERSE_FRAC - self.input.frac - FACTOR_FRAC

    @property
    def error_shift(self) -> int:
        """From error times factor to δ_z."""
        return self.delta.frac + MEAN_FRAC + FACTOR_FRAC - self.error.frac

    @property
    def gradient_fracs(self) -> tuple[int, int]:
        """Fractional bits of the sums that γ and β learn from."""
        return self.delta.frac + VALUE_FRAC, self.delta.frac

    def complaint(self) -> str:
        """Say why these formats are refused; empty if they are not.

        What is left keeps every product of :mod:`neuro_emu.numerics.batch_ops` below 2^62.
        """
        named: dict[str, Format] = {name: getattr(self, name) for name in _NAMES}
        complaints = [
            f"the norm's {name} must be signed with 2 to {_MOST_BITS} bits, not {given}"
            for name, given in named.items()
            if not given.signed or not 2 <= given.bits <= _MOST_BITS
        ]
        ranges = (
            ("fractional bits of scale", self.scale.frac, 6, 18),
            ("fractional bits of offset", self.offset.frac, 0, min(VALUE_FRAC + self.scale.frac, FOLD_FRAC)),
            ("fractional bits of the pre-activation", self.output.frac, 0, FOLD_FRAC),
            ("shift from sums to input", self.input_shift, -30, _MOST_SHIFT),
            ("shift from delta to error", self.error_shift, -10, _MOST_SHIFT),
            ("shift", self.shift, 0, _MOST_SHIFT),
            ("epsilon", self.epsilon, 1, 1 << 42),
        )
        complaints += [
            f"the norm's {name} must be {low} to {high}, not {given}"
            for name, given, low, high in ranges
            if not low <= given <= high
        ]
        return complaints[0] if complaints else ""
