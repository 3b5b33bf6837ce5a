"""Every weight-like memory of a chip as one list: forward weights, learned feedback, fixed random weights."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from neuro_emu.network.state import ChipState, Int32
from neuro_emu.numerics.formats import Format

if TYPE_CHECKING:
    from neuro_emu.machine.chip import Chip
    from neuro_emu.machine.deep.either import AnyChip
    from neuro_emu.network.layers import DenseLayer


class Kind(Enum):
    """What a matrix is for."""

    WEIGHTS = "weights"
    CLASSIFIER = "classifier"
    FEEDBACK = "feedback"
    TWIN = "twin"
    FORWARD = "forward"


@dataclass(frozen=True)
class Matrix:
    """A matrix of codes, one row an input and one column a lane.

    Attributes:
        kind: what it is for.
        layer: k of W_k, L_k, B_k or C_k.
        rows: rows, the bias row included.
        units: columns.
        format: of its codes.
        biased: whether the last row belongs to the constant bias code.
        bias_code: that code, or 0.
        code: largest |row code| that it is multiplied or updated with.
        lane: largest |lane code| of an update, e.g. |δ|.
        index: place in :attr:`Chip.matrices`.

    A TWIN lies like W_{k+1}, whose step it gets: rows belong to neurons of layer k, columns to those of layer k+1.

    """

    kind: Kind
    layer: int
    rows: int
    units: int
    format: Format
    biased: bool
    bias_code: int
    code: int
    lane: int
    index: int

    @property
    def stored_rows(self) -> int:
        """Rows that compiled loops store: random forward weights get a bias row of zeros."""
        return self.rows + (self.kind is Kind.FORWARD)

    @property
    def accumulator_bound(self) -> int:
        """Largest sum that any codes can produce in a forward pass."""
        inputs = self.rows - self.biased
        return self.format.magnitude * (inputs * self.code + self.bias_code)


def delta_bound(chip: Chip, layer: DenseLayer) -> int:
    """Largest |δ| of a layer: its format, or for the output layer what e can reach."""
    if layer is not chip.network.output:
        return layer.delta.magnitude
    error = error_bound(chip)
    shift = layer.output.frac - layer.delta.frac
    if chip.learning.loss == "mse":
        error *= layer.derivative.magnitude
        shift += layer.derivative.frac
    if shift < 0:
        return min(layer.delta.magnitude, error * (1 << -shift))
    return min(layer.delta.magnitude, (2 * error + (1 << shift)) // (1 << (shift + 1)))  # nearest, as `align`


def error_bound(chip: AnyChip) -> int:
    """Largest |e| = |y* − y| of an output."""
    output, regression = chip.network.output.output, chip.learning.targets.regression
    if chip.learning.loss != "mse":
        return max(chip.network.hot, output.high)  # outputs and targets are not negative
    return (output.high - output.low) if regression else max(chip.network.hot - output.low, output.high)


def matrices_of(chip: Chip) -> tuple[Matrix, ...]:
    """Return every matrix that the forward weights' kernels work on, weights first, in the order of their layers."""
    layers, plan = chip.network.layers, chip.plan
    output = chip.network.output
    found: list[Matrix] = []

    def add(
        kind: Kind, k: int, shape: tuple[int, int], storage: Format, bounds: tuple[int, int], bias: int = 0
    ) -> None:
        biased = kind in {Kind.WEIGHTS, Kind.CLASSIFIER}
        found.append(Matrix(kind, k, shape[0] + biased, shape[1], storage, biased, bias, *bounds, len(found)))

    for layer in layers:
        bounds = (layer.input.magnitude, _update_bound(chip, layer))
        add(Kind.WEIGHTS, layer.index, (layer.inputs, layer.units), layer.weight, bounds, layer.bias_code)
    for layer in chip.network.hidden:
        k, above = layer.index, layers[layer.index + 1]
        use, rows = plan.feedback[k], plan.forward[k]
        if plan.classifiers[k]:
            bounds = (layer.output.magnitude, delta_bound(chip, output))
            add(Kind.CLASSIFIER, k, (layer.units, output.units), output.weight, bounds, above.bias_code)
        if use.twin:
            assert layer.feedback is not None
            bounds = (above.input.magnitude, _update_bound(chip, above))
            add(Kind.TWIN, k, (layer.units, above.units), layer.feedback, bounds)
        elif use.learned:
            assert layer.feedback is not None
            add(Kind.FEEDBACK, k, (use.rows, layer.units), layer.feedback, _feedback_bounds(chip, k))
        if rows:
            source = max([la.output.magnitude for la in chip.network.hidden] + [layers[0].input.magnitude])
            add(Kind.FORWARD, k, (rows, layer.units), layer.weight, (source, 0))
    return tuple(found)


def _feedback_bounds(chip: Chip, k: int) -> tuple[int, int]:
    """Largest entries of the vectors that are projected or learned from, by row and by lane, of a learned B_k."""
    layers = chip.network.layers
    steps = [s for s in chip.plan.steps + chip.plan.mirror if s.op in {"project", "learn_feedback"} and s.layer == k]
    sources = [step.sources[0] for step in steps]
    rows = [chip.format_of(s).magnitude * (2 if s.op == "drive" else 1) for s in sources]  # a difference: one bit more
    return max(rows), layers[k].output.magnitude


def _update_bound(chip: Chip, layer: DenseLayer) -> int:
    """Largest entry of the signal that updates W_k; its format, unless it is the error of the output."""
    step = next((s for s in chip.plan.steps if s.op == "update" and s.layer == layer.index), None)
    return delta_bound(chip, layer) if step is None or step.sources[0].op == "error" else layer.delta.magnitude


def codes_of(state: ChipState, matrix: Matrix) -> Int32:
    """Codes (rows, units) of a matrix in *state*."""
    k = matrix.layer
    if matrix.kind is Kind.TWIN:
        return np.ascontiguousarray(state.feedback[k].T)
    holders = {
        Kind.WEIGHTS: state.weights,
        Kind.CLASSIFIER: state.classifiers,
        Kind.FEEDBACK: state.feedback,
        Kind.FORWARD: state.forward,
    }
    return holders[matrix.kind][k]


def put_codes(state: ChipState, matrix: Matrix, codes: Int32) -> None:
    """Put the codes (rows, units) of a matrix into *state*."""
    holders = {
        Kind.WEIGHTS: state.weights,
        Kind.CLASSIFIER: state.classifiers,
        Kind.FEEDBACK: state.feedback,
        Kind.TWIN: state.feedback,
        Kind.FORWARD: state.forward,
    }
    lies_so = codes.T if matrix.kind is Kind.TWIN else codes
    holders[matrix.kind][matrix.layer] = np.ascontiguousarray(lies_so)
