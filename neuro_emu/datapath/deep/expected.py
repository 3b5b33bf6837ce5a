"""What the operations of a graph go through before there are data: the walk, with shapes in place of codes.

Codes are not 0 at random, as often as a density says; the counts to expect follow (docs/estimate.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm, prod
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.counted import CountedOps
from neuro_emu.datapath.deep.integer import IntegerOps
from neuro_emu.datapath.deep.ops import Choice, Kept, Labels
from neuro_emu.datapath.deep.walk import Walk
from neuro_emu.machine.counts import Counts, Int64
from neuro_emu.machine.deep.activity import Activity, counts_of
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.design import ZeroInput
from neuro_emu.machine.expected import SAMPLES, active_rows, repeats_of, stalls_of
from neuro_emu.machine.matrices import Kind
from neuro_emu.machine.ports import full_pass_stalls
from neuro_emu.network.deep.graph import Add, Concat, Node, Pool, Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.numerics.formats import Format

Array = NDArray[Any]

_NOTHING = np.zeros((), dtype=np.int16)
_BY_BATCH = {"write", "norm_write", "measure", "measure_back", "fold_channels"}
"""Operations that are noted once a batch, not once a sample."""


def _hollow(*shape: int) -> Array:
    """An array of *shape* that takes no room."""
    return np.broadcast_to(_NOTHING, shape)


class _Hollow(IntegerOps):
    """Operations on shapes alone: every array is of zeros, and none takes room."""

    def __init__(self, chip: DeepChip, state: Any, spread: Any = None) -> None:
        self.chip, self.state, self.learning = chip, state, True

    def load(self, codes: Array) -> Array:
        return _hollow(len(codes), *self.chip.graph.input_shape)

    def shaped(self, y: Array, to: Shape) -> Array:
        return _hollow(len(y), *to)

    def select(self, values: Array, kept: Kept) -> Array:
        return _hollow(len(kept), *values.shape[1:])

    def matrix(self, kind: Kind, layer: int) -> Array:
        return _hollow(0, 0)

    def signs(self, layer: int) -> Array:
        return _hollow(0, 0)

    def patches_product(self, x: Array, node: Weighted, matrix: Array) -> Array:
        return _hollow(len(x), *node.shape)

    def back_product(self, d: Array, node: Weighted, matrix: Array) -> Array:
        return _hollow(len(d), *node.seen)

    def outer(self, e: Array, y: Array) -> Array:
        return _hollow(0, 0)

    def requantise(self, v: Array, frac: int, to: Format, layer: int, event: int) -> Array:
        return v

    def activate(self, q: Array, node: Weighted | Add) -> Array:
        return q

    def gate(self, p: Array, q: Array, node: Weighted | Add, frac: int, layer: int) -> Array:
        return q

    def output_error(self, q: Array, labels: Labels) -> tuple[Array, Array, Array]:
        return q, q, q

    def error_sign(self, e: Array) -> Array:
        return e

    def predicted(self, z: Array, y: Array) -> NDArray[np.int64]:
        return np.zeros(0, dtype=np.int64)

    def drop(self, y: Array, layer: int) -> Array:
        return y

    def normalise(self, z: Array, layer: int) -> tuple[Array, Array]:
        return z, z

    def fold(self, z: Array, layer: int) -> Array:
        return z

    def norm_back(self, d: Array, x_hat: Array, layer: int) -> Array:
        return d

    def pool(self, y: Array, node: Pool) -> tuple[Array, Choice | None]:
        return _hollow(len(y), *node.shape), None

    def pool_back(self, d: Array, choice: Choice | None, node: Pool, to: Format, layer: int) -> Array:
        return _hollow(len(d), *node.seen)

    def add(self, a: Array, b: Array, node: Add, sources: tuple[Format, Format], layer: int) -> Array:
        return a

    def merge(self, parts: Sequence[Array], to: Format, layer: int) -> Array:
        return parts[0]

    def concat(self, parts: Sequence[Array], node: Concat, sources: Sequence[Format], layer: int) -> Array:
        return _hollow(len(parts[0]), *node.shape)

    def split(self, d: Array, sources: Sequence[Node], frac: int, layer: int) -> list[Array]:
        return [_hollow(len(d), *source.shape) for source in sources]

    def label_rows(self, layer: int, labels: Labels) -> Array:
        graph = self.chip.graph
        return _hollow(len(labels), *graph.nodes[graph.head(layer)].shape)

    def project(self, layer: int, signal: Array, frac: int, to: Shape | None = None) -> Array:
        graph = self.chip.graph
        return _hollow(len(signal), *(to or graph.nodes[graph.head(layer)].shape))

    def classify(self, layer: int, y: Array, labels: Labels) -> Array:
        return _hollow(len(y), 1, 1, self.chip.graph.classes)

    def write(self, kind: Kind, layer: int, sums: Array) -> None:
        pass

    def learn(self, h: Array, d: Array, node: Weighted) -> None:
        pass

    def learn_feedback(self, h: Array, d: Array, node: Weighted) -> None:
        pass

    def learn_local(self, layer: int, y: Array, d: Array) -> None:
        pass

    def mirror(self, samples: int) -> None:
        pass

    def finish(self) -> None:
        pass


class _ExpectedOps(CountedOps, _Hollow):
    """Notes operations on shapes; what is not 0 is drawn, not counted.

    Args:
        chip: the chip.
        density: share of input codes that are not 0, by layer; the last for all layers above.
        opened: samples that hidden layers learn from; None: all.
        repeats: how many times over each random sample is seen.

    """

    def __init__(self, chip: DeepChip, density: Sequence[float], opened: int | None, repeats: int) -> None:
        super().__init__(chip, SimpleNamespace(updates=0, mirrored=0))  # type: ignore[arg-type]
        self._density, self._open, self._repeats = density, opened, repeats
        self._layer: int | None = 0  # whose inputs are looked at; None: errors, none of which is taken to be 0

    def opened(self, e: Array, labels: Labels) -> Kept | None:
        """See :class:`Ops`."""
        return None if self._open is None else np.arange(self._open)

    def _active(self, codes: int, samples: int) -> Array | None:
        """Which codes (samples, codes) are not 0; None: all."""
        if self._layer is None:
            return None
        density = self._density[min(self._layer, len(self._density) - 1)]
        if density >= 1:
            return None
        return active_rows(self._layer, codes, density, SAMPLES)[: samples // self._repeats]

    def _hits(self, x: Array) -> Int64 | None:
        if self.chip.design.zero_input is ZeroInput.NONE:
            return None
        codes = prod(x.shape[1:])
        active = self._active(codes, len(x))
        if active is None:
            return np.full(codes, len(x), dtype=np.int64)
        hits: Int64 = active.sum(axis=0, dtype=np.int64) * self._repeats
        return hits

    def _stalls(self, codes: Array, *, biased: bool) -> int:
        design, rows = self.chip.design, prod(codes.shape[1:]) + biased
        if design.zero_input is ZeroInput.NONE:
            return 0
        active = self._active(rows, len(codes))
        if active is None:
            return len(codes) * full_pass_stalls(rows, design.weight_banks)
        return stalls_of(design, rows, active, biased=biased) * self._repeats

    def patches_product(self, x: Array, node: Weighted, matrix: Array) -> Array:
        """See :class:`Ops`."""
        self._layer = node.layer
        return super().patches_product(x, node, matrix)

    def match(self, h: Array, to: Shape, method: str, layer: int) -> Array:
        """See :class:`Ops`."""
        seen: Shape = h.shape[1:]
        if seen != to and method == "random":
            self._layer = layer
            picked = self._hits(_hollow(len(h), *to[:2], seen[2]))
            per_row = None if picked is None else picked.reshape(*to[:2], seen[2]).sum(axis=(0, 1))
            self._note(("approximate", layer, to), len(h), per_row)
        elif seen != to:
            self._note(("match", layer, seen, to), len(h))
        return _hollow(len(h), *to)

    def classify(self, layer: int, y: Array, labels: Labels) -> Array:
        """See :class:`Ops`."""
        self._layer = layer + 1
        return super().classify(layer, y, labels)

    def learn(self, h: Array, d: Array, node: Weighted) -> None:
        """See :class:`Ops`."""
        self._layer = node.layer
        super().learn(h, d, node)

    def learn_local(self, layer: int, y: Array, d: Array) -> None:
        """See :class:`Ops`."""
        self._layer = layer + 1
        super().learn_local(layer, y, d)

    def learn_feedback(self, h: Array, d: Array, node: Weighted) -> None:
        """See :class:`Ops`."""
        self._layer = node.layer if node.window else None
        super().learn_feedback(h, d, node)

    def write(self, kind: Kind, layer: int, sums: Array) -> None:
        """See :class:`Ops`."""
        self._layer = None
        super().write(kind, layer, sums)


def expected_activity(
    chip: DeepChip, density: Sequence[float], learning_share: float = 1.0
) -> tuple[Activity, Activity, int]:
    """Return what operations go through in training and in inference, and the samples of each.

    Args:
        chip: the chip.
        density: share of input codes of each layer that are not 0; the last for all layers above.
        learning_share: share of the samples that hidden layers learn from (below 1 with an error gate).

    """
    learning, mirrors = chip.learning, any(reading.mirror for reading in chip.readings)
    repeats = lcm(repeats_of(learning), learning.mirror.every if mirrors else 1)
    samples = SAMPLES * repeats
    opened = None if learning_share >= 1 else round(SAMPLES * learning_share) * repeats
    ops = _ExpectedOps(chip, density, opened, repeats)
    walk: Walk[Any] = Walk(chip, ops)
    walk.learn(_hollow(samples, chip.graph.inputs), np.broadcast_to(np.uint8(0), (samples,)))
    walk.infer(_hollow(samples, chip.graph.inputs))
    training, inference = ops.activities
    steps = chip.mirror_steps(0, samples) if mirrors else 0
    _scale(chip, training, samples // learning.batch, steps)
    if steps:
        _mirror(chip, training, steps)
    return training, inference, samples


def _scale(chip: DeepChip, activity: Activity, batches: int, steps: int) -> None:
    """Bring what was noted once to so many batches, or steps of mirror mode."""
    mirrors, learning = any(reading.mirror for reading in chip.readings), chip.learning
    if mirrors and learning.feedback_decay:
        for matrix in chip.matrices:
            if matrix.kind is Kind.FEEDBACK:
                activity.note(("decay", matrix), 1)
    for key in activity.done:
        if key[0] in _BY_BATCH:
            activity.done[key] *= batches
        elif key[0] == "decay":
            fed = getattr(key[1], "kind", None) is Kind.FEEDBACK
            decay = learning.feedback_decay if fed else learning.weight_decay
            assert decay
            activity.done[key] = (steps if fed and mirrors else batches) // decay.every


def _mirror(chip: DeepChip, activity: Activity, steps: int) -> None:
    """Note steps of mirror mode; none of its signals is taken to be 0."""
    design = chip.design
    for node, reading in zip(chip.graph.layers, chip.readings, strict=True):
        if reading.mirror:
            activity.note(("mirror", node.index), steps)
            stalls = 0 if design.zero_input is ZeroInput.NONE else full_pass_stalls(node.units, design.weight_banks)
            hits = None if node.window else np.full(node.units, steps, dtype=np.int64)
            activity.note(("follow", node.index), steps, hits, steps * stalls)


def expected_counts(
    chip: DeepChip, density: Sequence[float], learning_share: float = 1.0
) -> tuple[Counts, Counts, int]:
    """Return counts of training, of inference, and the samples that both are over.

    Folding the statistics of a norm, once after learning, is no share of an inference.
    Arguments are those of :func:`expected_activity`.
    """
    training, inference, samples = expected_activity(chip, density, learning_share)
    for key in [key for key in inference.done if key[0] == "fold_channels"]:
        del inference.done[key]
    return counts_of(chip, training, learning=True), counts_of(chip, inference, learning=False), samples
