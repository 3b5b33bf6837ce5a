"""Every memory that a network, a rule and a design point require, for sizing and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuro_emu.machine.design import MemoryMacro
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.rules import Need

if TYPE_CHECKING:
    from neuro_emu.machine.chip import Chip
    from neuro_emu.network.layers import DenseLayer


def memories_of(chip: Chip) -> tuple[MemoryMacro, ...]:
    """Return the memories of *chip* from input to output."""
    first = chip.network.layers[0]
    macros = [MemoryMacro("input", first.inputs, first.input.bits, 1, "1R1W", "codes of the current sample")]
    for layer in chip.network.layers:
        macros += _of_layer(chip, layer)
    macros += _vectors(chip)
    macros.append(_error_buffer(chip))
    return tuple(macros)


def _error_buffer(chip: Chip) -> MemoryMacro:
    output = chip.network.output
    signed = any(step.op == "error_sign" for step in chip.plan.steps)
    bits = output.delta.bits + (2 if signed else 0)
    holds = "δ_K and the sign of e" if signed else "δ_K of the current sample"
    return MemoryMacro("error", output.units, bits, 1, "1R1W", holds)


def _banked(chip: Chip, name: str, matrix: Matrix, holds: str) -> list[MemoryMacro]:
    """Return a matrix in banks, and its mini-batch sums if it has some."""
    lanes, banks, learning = chip.design.lanes, chip.design.weight_banks, chip.learning
    groups = chip.design.groups(matrix.units)
    words = -(-groups * matrix.rows // banks)
    padding = 100 - 100 * matrix.units // (groups * lanes)
    holds += f"; {padding} % padding" if padding else ""
    macros = [MemoryMacro(f"{name}[{matrix.layer}]", words, lanes * matrix.format.bits, banks, "1RW", holds)]
    own = "" if matrix.kind is Kind.WEIGHTS else f"{name}_"
    if learning.sums and chip.sums_gradients(matrix):
        bits = (learning.batch * matrix.lane * matrix.code).bit_length() + 1
        sums = f"{own}gradients[{matrix.layer}]"
        macros.append(MemoryMacro(sums, words, lanes * bits, banks, "1RW", "mini-batch sums G"))
    if learning.momentum and chip.has_velocity(matrix):
        bits, speeds = learning.momentum.velocity.bits, f"{own}velocities[{matrix.layer}]"
        macros.append(MemoryMacro(speeds, words, lanes * bits, banks, "1RW", "velocities V"))
    return macros


def _of_layer(chip: Chip, layer: DenseLayer) -> list[MemoryMacro]:
    k, plan, lanes = layer.index, chip.plan, chip.design.lanes
    macros = _banked(chip, "weights", chip.matrices[k], "W by row and group")
    if layer is not chip.network.output:
        macros += _feedback(chip, layer)
    macros.append(MemoryMacro(f"outputs[{k}]", layer.units, layer.output.bits, 1, "1R1W", "y of the current sample"))
    if chip.keeps_preactivation(layer):
        bits, holds = 8, "q kept until the error is known"
        if chip.learning.dropout:
            bits, holds = 9, "q and whether it was dropped, until the error is known"
        macros.append(MemoryMacro(f"preactivation[{k}]", layer.units, bits, 1, "1R1W", holds))
    if layer.activation == SOFTMAX:
        macros.append(MemoryMacro(f"preactivation[{k}]", layer.units, 8, 1, "1R1W", "q kept for softmax"))
    if chip.learning.dropout and layer is not chip.network.output:
        holds = f"{layer.activation} while testing, scaled"
        macros.append(MemoryMacro(f"tested[{k}]", 256, layer.output.bits, 1, "ROM", holds))
    if layer is not chip.network.output and chip.gates(layer) and chip.learning.rule.need is Need.CHAIN:
        kept = "δ kept until the updates"
        macros.append(MemoryMacro(f"deltas[{k}]", layer.units, layer.delta.bits, 1, "1R1W", kept))
    if chip.has_table(layer):
        macros.append(MemoryMacro(f"table[{k}]", 256, layer.output.bits, 1, "ROM", f"{layer.activation}"))
        squared = layer is chip.network.output and chip.learning.loss == "mse"
        if squared or (layer is not chip.network.output and chip.gates(layer)):
            macros.append(_derivative(layer))
    if layer.activation == SOFTMAX:
        macros.append(MemoryMacro("exponential", 256, 16, 1, "ROM", "numerators of softmax"))
    if layer is not chip.network.output and plan.forward[k]:
        words = chip.design.groups(layer.units) * plan.forward[k]
        holds = "C, fixed random forward weights"
        macros.append(MemoryMacro(f"random_forward[{k}]", words, lanes * layer.weight.bits, 1, "ROM", holds))
    return macros


def _derivative(layer: DenseLayer) -> MemoryMacro:
    return MemoryMacro(f"derivative[{layer.index}]", 256, layer.derivative.bits, 1, "ROM", f"{layer.activation}′")


def _feedback(chip: Chip, layer: DenseLayer) -> list[MemoryMacro]:
    k, use, lanes = layer.index, chip.plan.feedback[layer.index], chip.design.lanes
    assert layer.feedback is not None
    macros = []
    if use.twin:
        macros += _banked(chip, "feedback", chip.matrix(Kind.TWIN, k), f"B, learned, like weights[{k + 1}]")
    elif use.learned:
        macros += _banked(chip, "feedback", chip.matrix(Kind.FEEDBACK, k), "B, learned")
    elif use.rows:
        words = chip.design.groups(layer.units) * use.rows
        by_label = any(step.op == "label_row" and step.layer == k for step in chip.plan.steps)
        one_hot = use.rows == chip.network.classes == chip.labels and chip.learning.rule.need is not Need.CHAIN
        holds = "B, a class a row" if by_label or one_hot else "B, an entry of the projected vector a row"
        macros.append(MemoryMacro(f"feedback[{k}]", words, lanes * layer.feedback.bits, 1, "ROM", holds))
    if chip.plan.classifiers[k]:
        output = chip.network.output
        macros += _banked(chip, "classifier", chip.matrix(Kind.CLASSIFIER, k), "local classifier L")
        macros.append(MemoryMacro(f"local_error[{k}]", output.units, output.delta.bits, 1, "1R1W", "δ_L"))
    return macros


def _vectors(chip: Chip) -> list[MemoryMacro]:
    """Buffers of the activations that are made for the updates."""
    macros: list[MemoryMacro] = []
    network = chip.network
    driven = [network.layers[step.layer] for step in chip.plan.mirror if step.op == "drive"]
    if driven:
        longest, bits = max(la.units for la in driven), 1 + max(la.output.bits for la in driven)
        macros.append(MemoryMacro("driven", longest, bits, 1, "1R1W", "outputs of mirror mode less those at rest"))
    for step in chip.plan.steps:
        if step.op in {"random_forward", "pool"} and step.target:
            name = f"{step.op}_outputs[{len(macros)}]"
            storage = network.layers[step.layer].output
            holds = f"activation in place of y of layer {step.layer}"
            macros.append(MemoryMacro(name, step.target.length, storage.bits, 1, "1R1W", holds))
    return macros
