"""The operations that a walk over a graph consists of; integers, traced integers and floats implement them.

T is a batch of maps (samples, height, width, channels). For the integer datapaths codes, pre-activations and errors are
int16 (the outputs of softmax int32), sums int32, or int64 where 32 bits do not hold them; for the float twin all is
float64 or float32. ``Sums`` are weight gradients (rows, units), int64 or floats. Nothing is changed in place that a
caller holds, unless a method says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Add, Concat, Node, Pool, Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.numerics.formats import Format

T = TypeVar("T")

Matrix2 = NDArray[Any]
"""A matrix (rows, units) as its layer's W lies: codes (int32), or values."""
Sums = NDArray[Any]
"""Gradients of a matrix (rows, units), exact (int64), or values."""
Choice = NDArray[np.uint8]
"""Which code of its window a max pool took (kernel row · width + column), in the shape of the pool's output."""
Labels = NDArray[np.integer[Any]]
"""Classes (samples,)."""
Kept = NDArray[np.intp]
"""Numbers of those samples of a batch that hidden layers learn from."""


class Ops(Protocol[T]):
    """What a datapath offers to :class:`neuro_emu.datapath.deep.walk.Walk`; k is a place in ``Graph.layers``."""

    learning: bool
    """Set by the walk: events count as training or as inference, dropout draws or scales, statistics move or not."""

    def begin_epoch(self, epoch: int) -> None:
        """Set the learning rates of *epoch*."""
        ...

    # --- codes ---

    def load(self, codes: NDArray[Any]) -> T:
        """Input codes (samples, H, W, C) or (samples, inputs) of any integer type as a batch of maps."""
        ...

    def shaped(self, y: T, to: Shape) -> T:
        """The same codes with another shape of each sample."""
        ...

    def select(self, values: T, kept: Kept) -> T:
        """The samples *kept* of a batch."""
        ...

    def matrix(self, kind: Kind, layer: int) -> Matrix2:
        """A matrix; what is returned is not to be written.

        W of a layer, L of a layer (neurons + 1, classes); TWIN and FEEDBACK (fixed or learned) of a slot, which errors
        cross a layer with, lying like W without the bias row (depth, units); C of a slot (FORWARD).
        """
        ...

    def signs(self, layer: int) -> Matrix2:
        """Matrix a · sgn W of a layer without the bias row, a in the feedback format of its slot."""
        ...

    # --- sums ---

    def patches_product(self, x: T, node: Weighted, matrix: Matrix2) -> T:
        """Sums z = patches · matrix: of the layer's own rows, or of (depth, units) without the bias row."""
        ...

    def back_product(self, d: T, node: Weighted, matrix: Matrix2) -> T:
        """Sums p of what *node* sees, (samples, node.seen): the transpose of the product, exact; no bias row."""
        ...

    def gradient(self, h: T, d: T, node: Weighted) -> Sums:
        """Sum over samples and positions of patch · error (rows, units), the bias row included if there is one."""
        ...

    def outer(self, e: T, y: T) -> Sums:
        """Sum over samples of error · map (classes, neurons): the gradient of learned direct feedback."""
        ...

    def requantise(self, v: T, frac: int, to: Format, layer: int, event: int) -> T:
        """Bring *v* with *frac* fractional bits into *to*; clamps count as *event* (network/state.py) of *layer*."""
        ...

    # --- activations and errors ---

    def activate(self, q: T, node: Weighted | Add) -> T:
        """Outputs f(q) in the node's output format."""
        ...

    def gate(self, p: T, q: T, node: Weighted | Add, frac: int, layer: int) -> T:
        """Errors requantise(p · f′(q)) in the node's delta format, 0 for dropped neurons; *frac* is of *p*."""
        ...

    def output_error(self, q: T, labels: Labels) -> tuple[T, T, T]:
        """Outputs y_K, errors y* − y_K and δ_K of the output layer from its pre-activations (softmax included)."""
        ...

    def opened(self, e: T, labels: Labels) -> Kept | None:
        """Samples whose error gate is open; None: there is no gate, all learn."""
        ...

    def error_sign(self, e: T) -> T:
        """Signs of e outside the dead zone, frac 0."""
        ...

    def predicted(self, z: T, y: T) -> NDArray[np.int64]:
        """Class of each sample (samples,) from the sums and outputs of the last layer; ties go to the lowest."""
        ...

    def drop(self, y: T, layer: int) -> T:
        """Drop outputs while learning, scale them while testing; remembers who was dropped, for :meth:`gate`."""
        ...

    # --- batch normalisation ---

    def normalise(self, z: T, layer: int) -> tuple[T, T]:
        """Values q and x̂ of a batch that is learned from; the running statistics move unless they are frozen."""
        ...

    def fold(self, z: T, layer: int) -> T:
        """Values q by the running statistics."""
        ...

    def norm_back(self, d: T, x_hat: T, layer: int) -> T:
        """Errors δ_z from δ_y; keeps the gradients of γ and β for the end of the batch."""
        ...

    # --- maps ---

    def pool(self, y: T, node: Pool) -> tuple[T, Choice | None]:
        """Largest code or mean of each window; the choice of a max pool."""
        ...

    def pool_back(self, d: T, choice: Choice | None, node: Pool, to: Format, layer: int) -> T:
        """Error of what the pool sees, in its projection format *to*; clamps count with *layer*."""
        ...

    def add(self, a: T, b: T, node: Add, sources: tuple[Format, Format], layer: int) -> T:
        """Values q of a residual's end; codes of *a* and *b* are in the formats of *sources*."""
        ...

    def merge(self, parts: Sequence[T], to: Format, layer: int) -> T:
        """SAT of the exact sum of errors that arrive from several consumers."""
        ...

    def concat(self, parts: Sequence[T], node: Concat, sources: Sequence[Format], layer: int) -> T:
        """Channels side by side, each part requantised to the node's format."""
        ...

    def split(self, d: T, sources: Sequence[Node], frac: int, layer: int) -> list[T]:
        """Channels of *d* apart, each requantised to the projection format of its source."""
        ...

    def match(self, h: T, to: Shape, method: str, layer: int) -> T:
        """A shared activation brought to the shape *to* of the input of *layer*; C by ``random`` is in its slot."""
        ...

    # --- feedback ---

    def label_rows(self, layer: int, labels: Labels) -> T:
        """Rows of B_k of the labels, in the shape of the layer's head."""
        ...

    def project(self, layer: int, signal: T, frac: int, to: Shape | None = None) -> T:
        """B_kᵀ · signal, exact, requantised to the projection format of the layer's head, in its shape or *to*."""
        ...

    def classify(self, layer: int, y: T, labels: Labels) -> T:
        """δ_L (samples, 1, 1, classes) of the local classifier of a layer on its (pooled) outputs."""
        ...

    # --- writes, at the end of a batch ---

    def write(self, kind: Kind, layer: int, sums: Sums) -> None:
        """One update of a matrix, and of its twin, from its summed gradients (section 6, mini-batch)."""
        ...

    def learn(self, h: T, d: T, node: Weighted) -> None:
        """Write the gradient of a layer: :meth:`gradient` and :meth:`write` in one, where that is faster."""
        ...

    def learn_feedback(self, h: T, d: T, node: Weighted) -> None:
        """Write the feedback that errors cross *node* with from patches of h and errors δ."""
        ...

    def learn_local(self, layer: int, y: T, d: T) -> None:
        """Write the local classifier of a layer from (pooled) outputs y and its errors."""
        ...

    def mirror(self, samples: int) -> None:
        """Mirror mode behind a finished batch of *samples*, as often as its schedule asks."""
        ...

    def finish(self) -> None:
        """End a batch: norm parameters, decay, counters of samples and updates."""
        ...
