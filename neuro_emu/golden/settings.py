"""The registers of the RTL for one chip in one state."""

from __future__ import annotations

from neuro_emu.golden.build import RULES_BUILT
from neuro_emu.golden.placement import Placement, gate_shift, project_shift
from neuro_emu.golden.registers import address, encode
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.design import ZeroInput
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import ChipState
from neuro_emu.rules import Need

ZERO_INPUTS = (ZeroInput.NONE, ZeroInput.GATE, ZeroInput.SKIP)
ACTIVATIONS = ("table", "hard_tanh", "relu", "identity")
COMMAND_SEED, COMMAND_APPLY = 1, 2


def chip_settings(chip: Chip) -> dict[str, int]:
    """Value of every register that concerns the whole chip."""
    network, numerics, learning, design = chip.network, chip.numerics, chip.learning, chip.design
    output = network.output
    return {
        "layers": len(network.layers),
        "classes": network.classes,
        "lanes": design.lanes,
        "banks_log2": design.weight_banks.bit_length() - 1,
        "activation_units": min(design.activation_units, design.lanes),
        "zero_input": ZERO_INPUTS.index(design.zero_input),
        "signal": RULES_BUILT.index(learning.rule.name),
        "waits_for_error": int(chip.need is Need.ERROR),
        "gated": int(learning.error_gate is not None),
        "error_gate": learning.error_gate or 0,
        "dead_zone": learning.sign_dead_zone,
        "hot": network.hot,
        "error_shift": output.output.frac - output.delta.frac,
        "accumulator_bits": numerics.accumulator_bits,
        "accumulator_overflow": numerics.accumulator_overflow.code,
        "update_rounding": numerics.update_rounding.code,
        "weight_overflow": numerics.overflow.code,
        "word_source": numerics.word_source.code,
        "lane_seed": learning.seed % (1 << 32),
        "batch": learning.batch,
    }


def layer_settings(chip: Chip, layer: DenseLayer, state: ChipState) -> dict[str, int]:
    """Value of every register of one layer, by its full name; the seed of its row register is what *state* holds."""
    place = Placement.of(chip)
    k = layer.index
    values = {
        "inputs": layer.inputs,
        "units": layer.units,
        "input_base": place.code_bases[k],
        "output_base": place.code_bases[k + 1],
        "weight_base": place.weight_bases[k],
        "feedback_base": place.feedback_bases[k],
        "bias_code": layer.bias_code,
        "preactivation_shift": layer.preactivation_shift,
        "activation": ACTIVATIONS.index(layer.activation) if layer.activation in ACTIVATIONS else 0,
        "table_frac": layer.table_frac,
        "output_shift": layer.table_frac - layer.output.frac,
        "output_bits": layer.output.bits,
        "output_signed": int(layer.output.signed),
        "weight_bits": layer.weight.bits,
        "delta_bits": layer.delta.bits,
        "projection_bits": layer.projection.bits,
        "project_shift": project_shift(chip, layer),
        "gate_shift": gate_shift(chip, layer),
        "update_shift": chip.update_shift(layer, state.epoch),
        "row_seed": int(state.row_registers[k]),
    }
    return {f"layer_{name}": value for name, value in values.items()}


def register_writes(chip: Chip, state: ChipState) -> list[tuple[int, int]]:
    """(address, word) of every register that *chip* needs to go on from *state*, in ascending order of addresses."""
    writes = [(address(name), encode(name, value)) for name, value in chip_settings(chip).items()]
    for layer in chip.network.layers:
        for name, value in layer_settings(chip, layer, state).items():
            writes.append((address(name, layer.index), encode(name, value)))
    return sorted(writes)
