"""Layers: shapes and formats of every tensor, and the shifts and bounds that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from neuro_emu.numerics.activations import derivative_format
from neuro_emu.numerics.formats import Format


@dataclass(frozen=True)
class DenseLayer:
    """A fully connected layer k: z_k = W_k y_{k-1} + bias row, y_k = f(z_k).

    Attributes:
        index: k, counted from 0.
        inputs: n_{k-1}, the bias row not counted.
        units: n_k.
        activation: name in :data:`neuro_emu.numerics.activations.NAMES`.
        table_frac: f_t, fractional bits of the 8-bit pre-activation that addresses the table.
        input: format of y_{k-1}.
        weight: format of W_k.
        output: format of y_k.
        delta: format of the modulatory signal δz_k.
        projection: format of a projected error before it meets f′.
        feedback: format of B_k; None for the output layer.

    """

    index: int
    inputs: int
    units: int
    activation: str
    table_frac: int
    input: Format
    weight: Format
    output: Format
    delta: Format
    projection: Format
    feedback: Format | None

    @property
    def rows(self) -> int:
        """Rows of the weight matrix: one an input and the bias row."""
        return self.inputs + 1

    @property
    def bias_code(self) -> int:
        """Constant input code of the bias row."""
        return self.input.one

    @property
    def preactivation_shift(self) -> int:
        """Fractional bits dropped (negative: gained) from the accumulator to the table address."""
        return self.weight.frac + self.input.frac - self.table_frac

    @property
    def derivative(self) -> Format:
        """Format of f′(z_k)."""
        return derivative_format(self.activation)

    @property
    def accumulator_bound(self) -> int:
        """Largest |z_k| that any weights and inputs can produce."""
        largest = self.inputs * self.input.magnitude + self.bias_code
        return self.weight.magnitude * largest

    def update_shift(self, lr_shift: int) -> int:
        """s_k of docs/numerics.md, section 6, for one learning rate 2^-lr_shift."""
        return self.delta.frac + self.input.frac - self.weight.frac + lr_shift


@dataclass(frozen=True)
class Network:
    """A chain of layers, the last of which is the sigmoid output layer."""

    layers: tuple[DenseLayer, ...]

    @property
    def inputs(self) -> int:
        """Codes in one sample."""
        return self.layers[0].inputs

    @property
    def classes(self) -> int:
        """Neurons of the output layer."""
        return self.layers[-1].units

    @property
    def output(self) -> DenseLayer:
        """The last layer."""
        return self.layers[-1]

    @property
    def hidden(self) -> tuple[DenseLayer, ...]:
        """Every layer but the last."""
        return self.layers[:-1]

    @cached_property
    def hot(self) -> int:
        """Target code of the true class."""
        return self.output.output.one

    def __str__(self) -> str:
        return "-".join(str(n) for n in (self.inputs, *(layer.units for layer in self.layers)))
