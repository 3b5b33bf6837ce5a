"""Every weight-like memory of a chip with a graph, and what each is multiplied and updated with.

The matrix that errors cross layer j with has a *slot*, its place in ``ChipState.feedback``: the layer before j in the
chain, which it feeds in a plain chain; for a layer on a shortcut j itself. That of a dense layer lies (units, depth),
that of a convolution (depth, units) like W. Direct feedback of layer k lies (classes, neurons of the head) in slot k.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from neuro_emu.machine.deep.reading import DIRECT, STORED, Back, Source
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.deep.graph import Flatten, Graph, Pool, Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.numerics.formats import Format
from neuro_emu.rules import Need

if TYPE_CHECKING:
    from neuro_emu.machine.deep.chip import DeepChip

_POOLED = 2


def slot_of(graph: Graph, layer: int) -> int:
    """Slot of the matrix that errors cross *layer* with; −1 for the first layer, which none crosses."""
    if layer not in graph.chain:
        return layer
    place = graph.chain.index(layer)
    return graph.chain[place - 1] if place else -1


def crossed_of(graph: Graph, slot: int) -> Weighted | None:
    """Layer that errors cross with the matrix in *slot*; None behind the last one of the chain."""
    return next((layer for layer in graph.layers if slot_of(graph, layer.layer) == slot), None)


def own_map(graph: Graph, layer: Weighted) -> Shape:
    """Shape of a layer's own input; that of the map before it was flattened."""
    source = graph.nodes[layer.sources[0]]
    return graph.nodes[source.sources[0]].shape if isinstance(source, Flatten) else layer.seen


def local_pool(graph: Graph, layer: int) -> Pool | None:
    """What pools the outputs for the local classifier of *layer*: 2 × 2 means; None where the map is too small."""
    head = graph.nodes[graph.head(layer)]
    height, width, channels = head.shape
    if min(height, width) < _POOLED:
        return None
    shape = height // _POOLED, width // _POOLED, channels
    kernel = _POOLED, _POOLED
    where = f"local classifier of layer {layer}"
    base = (head.index, shape, head.code, head.projection, (head.index,), where)
    return Pool(*base, "average", head.shape, kernel, _POOLED)


def local_layer(graph: Graph, layer: int) -> Weighted:
    """Return the local classifier of *layer* as a layer: like the output layer, on its pooled outputs."""
    head, pool, last = graph.nodes[graph.head(layer)], local_pool(graph, layer), graph.output
    seen = (1, 1, pool.neurons if pool else head.neurons)
    return replace(last, layer=layer, seen=seen, input=head.code, sources=(head.index,), norm=None)


def feedback_shape(chip: DeepChip, layer: Weighted) -> tuple[int, int]:
    """Rows and columns of what lies in the slot of a hidden layer; no rows where nothing does."""
    graph, k = chip.graph, layer.layer
    crossed, reading = crossed_of(graph, k), chip.readings[k]
    units = graph.nodes[graph.head(k)].neurons
    if reading.source is Source.LOCAL:
        return graph.classes, local_layer(graph, k).depth
    if crossed and chip.readings[crossed.layer].back in STORED and chip.learning.rule.need is Need.CHAIN:
        return (crossed.units, crossed.depth) if crossed.window is None else (crossed.depth, crossed.units)
    owns = reading.source in DIRECT and reading.owner == k
    unused = chip.learning.rule.need < Need.CHAIN and reading.source is Source.NONE and k in graph.chain
    return (graph.classes if owns or unused else 0), units


def forward_shape(chip: DeepChip, layer: Weighted) -> tuple[int, int]:
    """Rows and columns of C, with which the input of *layer* is approximated; (0, 0) without."""
    graph, reading = chip.graph, chip.readings[layer.layer]
    to = own_map(graph, layer)
    found = (0, 0)
    for source in (reading.activation, reading.shared):
        of = to if source is None else graph.nodes[shared_source(graph, source)].shape
        if reading.matching == "random" and of != to:
            found = of[2], to[2]
    return found


def matrices_of(chip: DeepChip) -> tuple[Matrix, ...]:
    """Return every matrix that learns or that inputs are multiplied with: weights first, then slot by slot."""
    graph, found = chip.graph, list[Matrix]()

    def add(kind: Kind, slot: int, shape: tuple[int, int], storage: Format, bounds: tuple[int, int], bias: int) -> None:
        biased = bias > 0
        found.append(Matrix(kind, slot, *shape, storage, biased, bias, *bounds, len(found)))

    for layer in graph.layers:
        bounds = layer.input.magnitude, layer.sum_error.magnitude
        add(Kind.WEIGHTS, layer.layer, (layer.rows, layer.units), layer.weight, bounds, layer.bias_code)
    for layer in graph.hidden:
        k, reading, crossed = layer.layer, chip.readings[layer.layer], crossed_of(graph, layer.layer)
        shape, storage = feedback_shape(chip, layer), layer.feedback or layer.weight
        if reading.classifier:
            local = local_layer(graph, k)
            bounds = local.input.magnitude, local.delta.magnitude
            add(Kind.CLASSIFIER, k, (local.rows, local.units), local.weight, bounds, local.bias_code)
        above = chip.readings[crossed.layer] if crossed else None
        if crossed and above and above.back is Back.TWIN:
            bounds = crossed.input.magnitude, crossed.sum_error.magnitude
            add(Kind.TWIN, k, (crossed.depth, crossed.units), storage, bounds, 0)
        elif crossed and above and (above.feedback is Source.CHAIN or above.mirror):
            bounds = crossed.input.magnitude, crossed.sum_error.magnitude
            add(Kind.FEEDBACK, k, shape, storage, bounds, 0)
        elif reading.direct_learns:
            bounds = graph.nodes[graph.head(k)].code.magnitude, graph.output.delta.magnitude
            add(Kind.FEEDBACK, k, shape, storage, bounds, 0)
        if crossed and forward_shape(chip, crossed) != (0, 0):
            add(Kind.FORWARD, k, forward_shape(chip, crossed), layer.weight, (crossed.input.magnitude, 0), 0)
    return tuple(found)


def gradient_frac(chip: DeepChip, matrix: Matrix) -> int:
    """Fractional bits of the products that update a matrix."""
    graph, k = chip.graph, matrix.layer
    if matrix.kind is Kind.WEIGHTS:
        layer = graph.layers[k]
        return layer.sum_error.frac + layer.input.frac
    head = graph.nodes[graph.head(k)]
    if matrix.kind is Kind.CLASSIFIER or chip.readings[k].direct_learns:
        return graph.output.delta.frac + head.code.frac
    layer = crossed_layer(graph, k)
    mirrored = matrix.kind is Kind.FEEDBACK and chip.readings[layer.layer].mirror and layer.window is None
    return (layer.output if mirrored else layer.sum_error).frac + layer.input.frac


def rate_of(chip: DeepChip, matrix: Matrix, epoch: int) -> int:
    """lr_shift of a learning matrix in *epoch*."""
    learning, graph = chip.learning, chip.graph
    if matrix.kind is Kind.FEEDBACK:
        return learning.feedback_shift_at(epoch)
    if matrix.kind is Kind.CLASSIFIER:
        return learning.shift_at(graph.output.layer, epoch)
    twin = matrix.kind is Kind.TWIN
    return learning.shift_at(crossed_layer(graph, matrix.layer).layer if twin else matrix.layer, epoch)


def crossed_layer(graph: Graph, slot: int) -> Weighted:
    """:func:`crossed_of` of a slot that holds such a matrix."""
    layer = crossed_of(graph, slot)
    assert layer is not None
    return layer


def sums_gradients(chip: DeepChip, matrix: Matrix) -> bool:
    """Whether batches write *matrix*; twins are written with their weights, others in mirror mode or never."""
    if matrix.kind is Kind.WEIGHTS:
        return chip.readings[matrix.layer].learns
    if matrix.kind is Kind.FEEDBACK:
        crossed = crossed_of(chip.graph, matrix.layer)
        return chip.readings[matrix.layer].direct_learns or not (crossed and chip.readings[crossed.layer].mirror)
    return matrix.kind is Kind.CLASSIFIER


def is_learned(chip: DeepChip, slot: int) -> bool:
    """Whether the feedback in *slot* ever changes."""
    kinds = {matrix.kind for matrix in chip.matrices if matrix.layer == slot}
    return not kinds.isdisjoint({Kind.TWIN, Kind.FEEDBACK})


def shared_source(graph: Graph, layer: int) -> int:
    """Node whose codes stand in when a reading names *layer*; −1 names the input."""
    return graph.head(layer) if layer >= 0 else 0
