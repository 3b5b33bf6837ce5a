"""The compiled datapath with a record of what each operation went through, from which counts are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.integer import IntegerOps
from neuro_emu.datapath.deep.ops import Choice, Labels
from neuro_emu.datapath.deep.parts import Spread
from neuro_emu.kernels.deep import active as kn
from neuro_emu.machine.counts import Counts
from neuro_emu.machine.deep.activity import Activity, Key, counts_of
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.design import WRITE_DELAY, ZeroInput
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Add, Concat, Pool, Weighted
from neuro_emu.network.deep.shapes import Shape, neurons
from neuro_emu.network.deep.state import DeepState
from neuro_emu.numerics.formats import Format

Array = NDArray[Any]


class CountedOps(IntegerOps):
    """See :class:`IntegerOps`; every operation is noted before it is done.

    Attributes:
        activities: of training and of inference.

    """

    def __init__(self, chip: DeepChip, state: DeepState, spread: Spread | None = None) -> None:
        super().__init__(chip, state, spread)
        self.activities = Activity(), Activity()
        self._noting = True
        self._normed: list[Weighted] = []  # layers whose γ and β are written at the end of the batch
        self._outer: Array | None = None  # errors of the outer product that is written next
        self._folded: set[int] = set()  # layers whose statistics did not move since they were folded
        self._seen: dict[int, tuple[Array, Array]] = {}
        self._recent = np.zeros(WRITE_DELAY, dtype=np.int64)

    def counts(self) -> tuple[Counts, Counts]:
        """Counts of training and of inference so far."""
        training, inference = self.activities
        return counts_of(self.chip, training, learning=True), counts_of(self.chip, inference, learning=False)

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Test in here without a trace in counts and events."""
        tested = self.tested.copy()
        with self._silently():
            yield
        self.tested[:] = tested

    @contextmanager
    def _silently(self) -> Iterator[None]:
        """Note nothing of what is done in here: it is part of what was noted already."""
        before, self._noting = self._noting, False
        yield
        self._noting = before

    def _note(self, key: Key, count: int, hits: Array | None = None, stalls: int = 0) -> None:
        if self._noting:
            self.activities[not self.learning].note(key, count, hits, stalls)

    def _hits(self, x: Array) -> Array | None:
        """How often each code of a batch is not 0; counted once for all that reads the batch."""
        if not self._noting or self.chip.design.zero_input is ZeroInput.NONE:
            return None
        if id(x) not in self._seen:
            codes = _rows(x)
            parts = np.zeros((self.spread.parts, codes.shape[1]), dtype=np.int64)
            self.spread(len(codes), lambda part, i, j: kn.count_active(codes[i:j], parts[part]))
            self._seen[id(x)] = x, parts.sum(axis=0)
        return self._seen[id(x)][1]

    # --- forward ---

    def load(self, codes: Array) -> Array:
        """See :class:`Ops`."""
        self._seen = {}
        self._note(("load",), len(codes))
        if self.learning:
            self._folded.clear()
        return super().load(codes)

    def patches_product(self, x: Array, node: Weighted, matrix: Array) -> Array:
        """See :class:`Ops`."""
        self._note(("forward", node.index), len(x), self._hits(x))
        return super().patches_product(x, node, matrix)

    def activate(self, q: Array, node: Weighted | Add) -> Array:
        """See :class:`Ops`."""
        self._note(("activate", node.index), len(q))
        return super().activate(q, node)

    def drop(self, y: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        if self.chip.learning.dropout and self.chip.graph.layers[layer].dropout:
            self._note(("drop", layer), len(y))
        return super().drop(y, layer)

    def normalise(self, z: Array, layer: int) -> tuple[Array, Array]:
        """See :class:`Ops`."""
        node = self.chip.graph.layers[layer]
        assert node.norm
        self._note(("normalise", node.index), len(z))
        self._note(("fold_channels" if node.norm.frozen else "measure", node.index), 1)
        return super().normalise(z, layer)

    def fold(self, z: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        node = self.chip.graph.layers[layer]
        self._note(("fold", node.index), len(z))
        if self._noting and layer not in self._folded:
            self._note(("fold_channels", node.index), 1)
            self._folded.add(layer)
        return super().fold(z, layer)

    def pool(self, y: Array, node: Pool) -> tuple[Array, Choice | None]:
        """See :class:`Ops`."""
        self._note(("pool", node), len(y))
        return super().pool(y, node)

    def add(self, a: Array, b: Array, node: Add, sources: tuple[Format, Format], layer: int) -> Array:
        """See :class:`Ops`."""
        self._note(("join", node.index), len(a))
        return super().add(a, b, node, sources, layer)

    def concat(self, parts: Sequence[Array], node: Concat, sources: Sequence[Format], layer: int) -> Array:
        """See :class:`Ops`."""
        self._note(("concat", node.index), len(parts[0]))
        return super().concat(parts, node, sources, layer)

    def match(self, h: Array, to: Shape, method: str, layer: int) -> Array:
        """See :class:`Ops`."""
        seen: Shape = h.shape[1:]
        if seen != to and method == "random":
            rows, columns = (np.arange(there) * side // there for side, there in zip(seen[:2], to[:2], strict=True))
            picked = self._hits(np.ascontiguousarray(h[:, rows][:, :, columns]))
            per_row = None if picked is None else picked.reshape(*to[:2], seen[2]).sum(axis=(0, 1))
            self._note(("approximate", layer, to), len(h), per_row)
        elif seen != to:
            self._note(("match", layer, seen, to), len(h))
        with self._silently():
            return super().match(h, to, method, layer)

    # --- errors ---

    def output_error(self, q: Array, labels: Labels) -> tuple[Array, Array, Array]:
        """See :class:`Ops`."""
        self._note(("output_error",), len(q))
        with self._silently():
            return super().output_error(q, labels)

    def label_rows(self, layer: int, labels: Labels) -> Array:
        """See :class:`Ops`."""
        self._note(("label_rows", layer), len(labels))
        return super().label_rows(layer, labels)

    def project(self, layer: int, signal: Array, frac: int, to: Shape | None = None) -> Array:
        """See :class:`Ops`."""
        graph = self.chip.graph
        units = neurons(to or graph.nodes[graph.head(layer)].shape)
        self._note(("project", layer, signal.shape[-1], units), len(signal))
        return super().project(layer, signal, frac, to)

    def gate(self, p: Array, q: Array, node: Weighted | Add, frac: int, layer: int) -> Array:
        """See :class:`Ops`."""
        self._note(("gate", node.index), len(q))
        return super().gate(p, q, node, frac, layer)

    def norm_back(self, d: Array, x_hat: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        node = self.chip.graph.layers[layer]
        assert node.norm
        self._note(("norm_back", node.index), len(d))
        if not node.norm.frozen:
            self._note(("measure_back", node.index), 1)
        if self.chip.readings[layer].learns:
            self._normed.append(node)
        return super().norm_back(d, x_hat, layer)

    def back_product(self, d: Array, node: Weighted, matrix: Array) -> Array:
        """See :class:`Ops`."""
        self._note(("back_product", node.index), len(d))
        return super().back_product(d, node, matrix)

    def pool_back(self, d: Array, choice: Choice | None, node: Pool, to: Format, layer: int) -> Array:
        """See :class:`Ops`."""
        self._note(("pool_back", node), len(d))
        return super().pool_back(d, choice, node, to, layer)

    def merge(self, parts: Sequence[Array], to: Format, layer: int) -> Array:
        """See :class:`Ops`."""
        self._note(("merge", layer, parts[0].shape[1:]), (len(parts) - 1) * len(parts[0]))
        return super().merge(parts, to, layer)

    def classify(self, layer: int, y: Array, labels: Labels) -> Array:
        """See :class:`Ops`."""
        self._note(("classify", layer), len(y), self._hits(y))
        with self._silently():
            return super().classify(layer, y, labels)

    # --- writes ---

    def _stalls(self, codes: Array, *, biased: bool) -> int:
        """Stalls of one group's sums over the rows of a dense matrix, by the codes (n, ...) of its rows."""
        mode = self.chip.design.zero_input
        if mode is ZeroInput.NONE or not len(codes) or not self._noting:
            return 0
        gated, banks = mode is ZeroInput.GATE, self.chip.design.weight_banks
        return int(kn.sum_stalls(_rows(codes), banks, biased, gated, self._recent))

    def _summed(self, key: Key, codes: Array, *, dense: bool, biased: bool) -> None:
        """Note sums over rows whose codes are *codes*."""
        self._note(key, len(codes), self._hits(codes), self._stalls(codes, biased=biased) if dense else 0)

    def write(self, kind: Kind, layer: int, sums: Array) -> None:
        """See :class:`Ops`."""
        matrix = self.chip.matrix(kind, layer)
        if kind is Kind.FEEDBACK and self._outer is not None:
            self._summed(("outer", layer), self._outer, dense=True, biased=False)
        self._outer = None
        self._note(("write", matrix), 1)
        super().write(kind, layer, sums)

    def learn(self, h: Array, d: Array, node: Weighted) -> None:
        """See :class:`Ops`."""
        self._summed(("gradient", node.index), h, dense=node.window is None, biased=node.biased)
        self._note(("write", self.chip.matrices[node.layer]), 1)
        with self._silently():
            super().learn(h, d, node)

    def learn_local(self, layer: int, y: Array, d: Array) -> None:
        """See :class:`Ops`."""
        self._summed(("learn_local", layer), y, dense=True, biased=True)
        self._note(("write", self.chip.matrix(Kind.CLASSIFIER, layer)), 1)
        with self._silently():
            super().learn_local(layer, y, d)

    def learn_feedback(self, h: Array, d: Array, node: Weighted) -> None:
        """See :class:`Ops`."""
        rows = h if node.window else d
        self._summed(("learn_feedback", node.index), rows, dense=node.window is None, biased=False)
        self._note(("write", self.chip.matrix(Kind.FEEDBACK, self.chip.slot(node.layer))), 1)
        with self._silently():
            super().learn_feedback(h, d, node)

    def outer(self, e: Array, y: Array) -> Array:
        """See :class:`Ops`; what it is for is known when it is written."""
        self._outer = e
        return super().outer(e, y)

    def finish(self) -> None:
        """See :class:`Ops`."""
        super().finish()
        for node in self._normed:
            self._note(("norm_write", node.index), 1)
        self._normed = []
        learning, updates = self.chip.learning, self.state.updates
        decay = learning.weight_decay
        if decay and updates % decay.every == 0:
            for layer in self.chip.graph.layers:
                if layer.learns and (layer.layer or decay.first_layer):
                    self._note(("decay", self.chip.matrices[layer.layer]), 1)
        if not any(reading.mirror for reading in self.chip.readings):
            self._note_feedback_decay(updates)

    def _note_feedback_decay(self, count: int) -> None:
        decay = self.chip.learning.feedback_decay
        if decay and count % decay.every == 0:
            for matrix in self.chip.matrices:
                if matrix.kind is Kind.FEEDBACK:
                    self._note(("decay", matrix), 1)

    # --- mirror mode ---

    def mirror(self, samples: int) -> None:
        """See :class:`Ops`."""
        before = self.state.mirrored
        with self._silently():
            super().mirror(samples)
        for step in range(before + 1, self.state.mirrored + 1):
            self._note_feedback_decay(step)

    def _drive(self, node: Weighted, steps: int) -> tuple[Array, Array]:
        noise, signal = super()._drive(node, steps)
        activity = self.activities[not self.learning]
        activity.note(("mirror", node.index), steps)
        rows, hits, stalls = _rows(signal), None, 0
        if node.window is None and steps:
            hits, mode = np.count_nonzero(rows, axis=0), self.chip.design.zero_input
            if mode is not ZeroInput.NONE:
                codes, banks = rows.astype(np.int16), self.chip.design.weight_banks
                stalls = int(kn.sum_stalls(codes, banks, False, mode is ZeroInput.GATE, self._recent))
        activity.note(("follow", node.index), steps, hits, stalls)
        return noise, signal


def _rows(codes: Array) -> Array:
    """Codes (n, all of a sample)."""
    return codes.reshape(len(codes), prod(codes.shape[1:]))
