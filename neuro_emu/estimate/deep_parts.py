"""The parts of a chip whose network is a graph: the lanes and the control of dense chips, and what graphs add.

Nothing of it is in the RTL. Logic that dense chips have too is that of the RTL's blocks at the graph's widths; the rest
is made of the component library and was never synthesised: accumulators of more positions, the adder tree, the unit of
pools, the units of batch normalisation.
"""

from __future__ import annotations

from dataclasses import replace

from neuro_emu.estimate.chip_parts import logic_of, memory_part
from neuro_emu.estimate.components import normalisation, update
from neuro_emu.estimate.components.arithmetic import adder, comparator, multiplier, subtractor
from neuro_emu.estimate.components.rounding import requantise
from neuro_emu.estimate.components.storage import multiplexer, register
from neuro_emu.estimate.gates import Gates
from neuro_emu.estimate.parts import Part
from neuro_emu.golden.build import Build
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.mapping import Mapping
from neuro_emu.machine.deep.matrices import feedback_shape
from neuro_emu.machine.deep.reading import DIRECT, Back, Source
from neuro_emu.machine.design import MemoryMacro
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Add, Concat, Node, Pool, Weighted
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.numerics.formats import Format

WIDE, NARROW, SQUARES, SUMS = "norm wide multiplier", "norm multiplier", "norm squares", "lane norm sums"
ROOT = "lane root and divider"
NORM_PARTS = (WIDE, NARROW, SQUARES, SUMS, ROOT)
"""Parts of batch normalisation: their energy is assumed, from half of what is counted to twice."""

ENABLED = (SUMS, ROOT, "pool unit")
"""Parts with flip-flops of their own, clocked when they operate."""

_WIDE, _NARROW = (29, 25), (16, 32)
"""Operands of the two multiplications of a value: s23 × u25 and s29 × s24, 16 × 16 and 16 × s32 (docs/deep.md, 2.6)."""
_SUMS = (34, 50)
"""Bits of the two sums of a channel (docs/deep.md, section 2.6, S1, S2, D1, D2)."""
_SERIAL = 48
"""Bits of the serial root and divider: as weight normalisation has them."""
_ALIGNMENT = 32
_PARTIAL = 32

_FORWARD = ("weights[", "table[", "exponential", "tested[", "folded[")


def _signed(fmt: Format) -> int:
    return fmt.bits + (not fmt.signed)


def _bits(bound: int) -> int:
    return bound.bit_length() + 1


def build_of(chip: DeepChip) -> Build:
    """Return the build of the RTL's blocks that has the widths of a graph; the RTL itself holds no graph."""
    graph, design = chip.graph, chip.design
    maps = [node for node in graph.nodes if not node.sources or isinstance(node, Weighted | Add | Pool | Concat)]
    # Codes whose zeros are looked up, so that rows can be left out: those of dense layers.
    vectors = [layer.depth for layer in graph.layers if layer.window is None]
    behind = [layer.sum_error.bits for layer in graph.layers]
    return Build(
        lanes=design.lanes,
        banks=design.weight_banks,
        units=min(design.activation_units, design.lanes),
        layers=len(graph.layers),
        weight_bits=max(2, *(layer.weight.bits for layer in graph.layers)),
        feedback_bits=max([2, *(layer.feedback.bits for layer in graph.hidden if layer.feedback)]),
        code_bits=max(_signed(node.code) for node in maps),
        delta_bits=max(2, *behind, *(max(la.delta.bits, la.projection.bits) for la in graph.layers)),
        accumulator_bits=max(chip.numerics.accumulator_bits, *(_projection_bits(chip, la) for la in graph.layers)),
        aligned_bits=max(8, *(_aligned_bits(chip, layer) for layer in graph.layers)),
        gradient_bits=_gradient_bits(chip),
        codes=sum(-(-(length + 1) // _ALIGNMENT) * _ALIGNMENT for length in (*vectors, graph.classes)),
        weight_rows=sum(-(-design.groups(la.units) * la.rows // design.weight_banks) for la in graph.layers),
        feedback_rows=max(1, _feedback_rows(chip)),
        kept_groups=max(1, sum(design.groups(layer.units) * layer.positions for layer in graph.hidden)),
        error_groups=design.groups(graph.classes),
    )


def _feedback_rows(chip: DeepChip) -> int:
    shapes = [feedback_shape(chip, layer) for layer in chip.graph.hidden if layer.feedback]
    return sum(rows * chip.design.groups(units) for rows, units in shapes)


def _gradient_bits(chip: DeepChip) -> int:
    """Bits of the widest sum of a batch, over the positions of its map."""
    found = [2]
    for matrix in chip.matrices:
        if chip.sums_gradients(matrix):
            layer = chip.graph.layers[matrix.layer]
            crossed = chip.crossed(matrix.layer)
            follows = crossed if crossed and chip.readings[crossed.layer].feedback is Source.CHAIN else None
            over = layer if matrix.kind is Kind.WEIGHTS else follows
            found.append(_bits(chip.learning.batch * (over.positions if over else 1) * matrix.lane * matrix.code))
    return max(found)


def _projection_bits(chip: DeepChip, layer: Weighted) -> int:
    """Bits of a sum of direct feedback; errors that cross layers are summed modulo the accumulator."""
    if layer.feedback is None or chip.readings[layer.layer].source not in {Source.ERROR, Source.ERROR_SIGN}:
        return 2
    signs = chip.readings[layer.layer].source is Source.ERROR_SIGN
    factor = 1 if signs else chip.graph.output.delta.magnitude
    return _bits(chip.graph.classes * layer.feedback.magnitude * factor)


def _aligned_bits(chip: DeepChip, layer: Weighted) -> int:
    """Width after the widest left shift of anything that is requantised, as the RTL's builds have it."""
    output, source = chip.graph.output, chip.readings[layer.layer].source
    acc = min(chip.numerics.accumulator_bits, _bits(layer.accumulator_bound))
    target = layer.norm.input.frac if layer.norm else layer.table_frac
    widths = [acc - min(layer.sum_frac - target, 0), 8 - min(layer.table_frac - layer.code.frac, 0)]
    widths.append(_signed(output.code) + 1 - min(output.code.frac - output.delta.frac, 0))
    if source is Source.NONE:
        return max(widths)
    direct = layer.feedback if source in DIRECT else None
    label = direct is not None and source is Source.LABEL
    frac = direct.frac if direct and label else layer.projection.frac
    signal = max(direct.bits if direct else 0, layer.projection.bits)
    widths.append(signal + 9 - min(frac + layer.derivative.frac - layer.delta.frac, 0))
    if direct:
        error = 0 if source is Source.ERROR_SIGN else output.delta.frac
        widths.append(_projection_bits(chip, layer) - min(direct.frac + error - layer.projection.frac, 0))
    return max(widths)


def parts_of(chip: DeepChip, *, learning: bool = True) -> tuple[Part, ...]:
    """Return the parts of a chip with a graph, or of the chip that can only infer with its weights."""
    build = build_of(chip)
    found = logic_of(build, learning=learning) + _forward_parts(chip, build)
    if learning:
        found += _learning_parts(chip, build)
        return tuple(found + [memory_part(macro, learns=not _infers(chip, macro)) for macro in chip.memories()])
    return tuple(found + [memory_part(macro, learns=False) for macro in inference_memories(chip)])


def _part(name: str, gates: Gates, kind: str, count: int = 1, *, learns: bool = True) -> Part:
    attributes = {"logic": round(gates.logic, 1), "flops": gates.flops}
    return Part(name, kind, attributes, count, learns, "not in the RTL: a model, never synthesised")


def _forward_parts(chip: DeepChip, build: Build) -> list[Part]:
    """What graphs need on the way forward and the RTL has not."""
    found, more = [], chip.design.positions - 1
    if more:
        bits = build.accumulator_bits
        gates = register(more * bits, enable=True) + multiplexer(bits, more + 1)
        found.append(_part("lane positions", gates, "block", build.lanes, learns=False))
    if pools := [node for node in chip.graph.nodes if isinstance(node, Pool)] or _matches(chip):
        bits = build.code_bits
        gates = comparator(bits) + multiplexer(bits, 2) + register(bits, enable=True)
        found.append(_part("pool unit", gates, "adder_block", learns=not any(isinstance(n, Pool) for n in pools)))
    if averages := _averaged(chip):
        total = build.code_bits + max(averages).bit_length()
        gates = adder(total) + normalisation.mean(total, max(averages).bit_length())
        found.append(_part("pool mean", gates, "multiplier_block", learns=False))
    if any(layer.norm for layer in chip.graph.layers):
        gates = multiplier(*_NARROW) + requantise(sum(_NARROW), sum(_NARROW), 16)
        found.append(_part(NARROW, gates, "multiplier_block", build.units, learns=False))
    return found


def _matches(chip: DeepChip) -> list[Node]:
    """Layers that learn with pooled activations."""
    shared = zip(chip.graph.layers, chip.readings, strict=True)
    return [la for la, reading in shared if reading.activation is not None or reading.source is Source.LOCAL]


def _averaged(chip: DeepChip) -> list[int]:
    """Codes of a window of everything that takes means."""
    pools = [n.kernel[0] * n.kernel[1] for n in chip.graph.nodes if isinstance(n, Pool) and n.kind == "average"]
    means = [reading.matching == "average_pool" or reading.source is Source.LOCAL for reading in chip.readings]
    return pools + [4] * any(means)


def _learning_parts(chip: DeepChip, build: Build) -> list[Part]:
    """What graphs need to learn and the RTL has not; sizes by the component library, checked against nothing."""
    found, lanes, weight = [], build.lanes, build.weight_bits
    mapping = Mapping(chip)
    crossed = [node for node in chip.graph.layers if mapping.wanted[node.sources[0]]]
    if any(not mapping.projects(node) for node in crossed):
        found.append(_part("adder tree", adder(build.accumulator_bits), "adder_block", max(lanes - 1, 1)))
    if any(macro.name == "partial" or macro.name.startswith("arrived[") for macro in chip.memories()):
        found.append(_part("partial adder", adder(_PARTIAL), "adder_block"))
    if any(reading.back is Back.TWIN for reading in chip.readings):
        gates = update.add_step(weight, weight + build.code_bits)
        found.append(_part("lane twin update", gates, "update_block", lanes))
    if chip.learning.momentum:
        bits = chip.learning.momentum.velocity.bits
        gates = normalisation.velocity_sum(bits, max(build.gradient_bits, bits), bits + 8)
        found.append(_part("lane velocity", gates, "adder_block", lanes))
    if any(layer.norm for layer in chip.graph.layers):
        wide, square = multiplier(*_WIDE) + requantise(sum(_WIDE), sum(_WIDE), 16), multiplier(16, 16)
        sums = adder(_SUMS[0]) + adder(_SUMS[1]) + register(sum(_SUMS), enable=True)
        # A bit of the root, then of the quotient, a cycle: a subtractor, a choice and three registers.
        serial = subtractor(_SERIAL) + multiplexer(_SERIAL, 2) + register(3 * _SERIAL, enable=True)
        found.append(_part(WIDE, wide, "multiplier_block", build.units))
        found.append(_part(SQUARES, square, "multiplier_block", build.units))
        found += [_part(SUMS, sums, "adder_block", lanes), _part(ROOT, serial, "adder_block", lanes)]
    return found


def _infers(chip: DeepChip, macro: MemoryMacro) -> bool:
    """Whether a memory of the learning chip is needed for inference; passing maps and inputs are."""
    last = chip.graph.output.index
    softmax = chip.graph.output.activation == SOFTMAX and macro.name == f"preactivation[{last}]"
    ends = macro.name in {"input", "passing", f"outputs[{last}]"}
    return softmax or ends or macro.name.startswith(_FORWARD)


def inference_memories(chip: DeepChip) -> list[MemoryMacro]:
    """Memories of a chip that only infers: one sample, whose maps lie in two memories in turn.

    A shortcut or a branch keeps a third one.
    """
    found = [macro for macro in chip.memories() if _infers(chip, macro) and macro.name != "passing"]
    found = [replace(macro, words=chip.graph.inputs) if macro.name == "input" else macro for macro in found]
    graph = chip.graph
    maps = [n for n in graph.nodes if isinstance(n, Weighted | Add | Pool | Concat) and n is not graph.output]
    if maps:
        banks = 2 + any(isinstance(node, Add | Concat) for node in graph.nodes)
        words, bits = max(node.neurons for node in maps), max(node.code.bits for node in maps)
        found.append(MemoryMacro("passing", words, bits, banks, "1R1W", "outputs of the current sample"))
    return found


def limits(chip: DeepChip) -> tuple[str, ...]:
    """Say what an estimate of *chip* leaves out or only models."""
    graph = chip.graph
    found = ["Pads, clock generator, power grid and test logic are left out."]
    found.append("Graphs have no RTL: lanes and control are those of dense chips, the rest is a model.")
    normed = any(layer.norm for layer in graph.layers)
    if normed:
        found.append("Energy of batch normalisation is assumed: half to twice what its counters give.")
    left = {
        "the division of softmax": graph.output.activation == SOFTMAX,
        "comparators of dropout": bool(chip.learning.dropout),
        "noise of mirror mode": any(reading.mirror for reading in chip.readings),
        "reads of folded words and writes of running statistics (once a channel and map, or batch)": normed,
        "addresses of windows beyond those of a dense chip": any(layer.window for layer in graph.layers),
    }
    if named := [name for name, there in left.items() if there]:
        found.append(f"Not estimated: {'; '.join(named)}.")
    return tuple(found)
