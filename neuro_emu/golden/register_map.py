# Generated from registers.yaml by `python rtl_models/generate.py`; do not edit.
"""The configuration registers of the chip as plain data."""

ADDRESS_BITS = 9
LAYER_BASE = 64
LAYER_STRIDE = 32

Row = tuple[str, int, str, int, bool, int]
"""Name, address (of a layer register: within its layer), access, bits, signed, reset."""

CHIP: tuple[Row, ...] = (
    ("identity", 0, "ro", 32, False, 0x4E454D55),
    ("semantics", 1, "ro", 32, False, 0),
    ("built_lanes", 2, "ro", 32, False, 0),
    ("built_banks", 3, "ro", 32, False, 0),
    ("built_activation_units", 4, "ro", 32, False, 0),
    ("built_layers", 5, "ro", 32, False, 0),
    ("cycles", 6, "ro", 32, False, 0),
    ("command", 7, "command", 2, False, 0),
    ("layers", 8, "rw", 5, False, 1),
    ("classes", 9, "rw", 17, False, 10),
    ("lanes", 10, "rw", 17, False, 1),
    ("banks_log2", 11, "rw", 3, False, 0),
    ("activation_units", 12, "rw", 17, False, 1),
    ("zero_input", 13, "rw", 2, False, 0),
    ("signal", 14, "rw", 2, False, 0),
    ("waits_for_error", 15, "rw", 1, False, 0),
    ("gated", 16, "rw", 1, False, 0),
    ("error_gate", 17, "rw", 32, True, 0),
    ("dead_zone", 18, "rw", 32, False, 0),
    ("hot", 19, "rw", 32, False, 255),
    ("error_shift", 20, "rw", 7, True, 0),
    ("accumulator_bits", 21, "rw", 6, False, 32),
    ("accumulator_overflow", 22, "rw", 1, False, 0),
    ("update_rounding", 23, "rw", 3, False, 4),
    ("weight_overflow", 24, "rw", 1, False, 0),
    ("word_source", 25, "rw", 3, False, 0),
    ("lane_seed", 26, "rw", 32, False, 1),
    ("batch", 27, "rw", 17, False, 1),
)

LAYER: tuple[Row, ...] = (
    ("inputs", 0, "rw", 17, False, 1),
    ("units", 1, "rw", 17, False, 1),
    ("input_base", 2, "rw", 20, False, 0),
    ("output_base", 3, "rw", 20, False, 0),
    ("weight_base", 4, "rw", 24, False, 0),
    ("feedback_base", 5, "rw", 24, False, 0),
    ("bias_code", 6, "rw", 32, False, 1),
    ("preactivation_shift", 7, "rw", 7, True, 0),
    ("activation", 8, "rw", 2, False, 0),
    ("table_frac", 9, "rw", 3, False, 4),
    ("output_shift", 10, "rw", 7, True, 0),
    ("output_bits", 11, "rw", 6, False, 8),
    ("output_signed", 12, "rw", 1, False, 1),
    ("weight_bits", 13, "rw", 6, False, 8),
    ("delta_bits", 14, "rw", 6, False, 8),
    ("projection_bits", 15, "rw", 6, False, 8),
    ("project_shift", 16, "rw", 7, True, 0),
    ("gate_shift", 17, "rw", 7, True, 0),
    ("update_shift", 18, "rw", 5, False, 0),
    ("row_seed", 19, "rw", 32, False, 1),
)

CHIP_HELP: dict[str, str] = {
    "identity": "the letters NEMU",
    "semantics": "semantics version of the integer contract that this RTL implements",
    "built_lanes": "lanes built",
    "built_banks": "weight banks built",
    "built_activation_units": "activation units built",
    "built_layers": "layers that have registers",
    "cycles": "busy cycles since reset, modulo 2^32: waiting for samples is not counted",
    "command": (
        "bit 0 (seed): load every random-word register from its seed and forget a begun mini-batch; bit 1 (apply): "
        "write a begun mini-batch to the weights"
    ),
    "layers": "layers in use",
    "classes": "neurons of the output layer",
    "lanes": "lanes in use, at most those built",
    "banks_log2": "log2 of the weight banks in use",
    "activation_units": "activation units in use",
    "zero_input": "what an input code of 0 costs",
    "signal": "what the hidden layers learn from",
    "waits_for_error": "1: hidden layers learn after the output error is known, layers descending",
    "gated": "1: hidden layers learn only while e[label] > error_gate",
    "error_gate": "threshold of the error gate, a code of e",
    "dead_zone": "errors within plus or minus this code have sign 0",
    "hot": "target code of the true class",
    "error_shift": "fractional bits dropped from e to the output layer's delta",
    "accumulator_bits": "width of the accumulators in use, at most that built",
    "accumulator_overflow": "overflow of the accumulators",
    "update_rounding": "rounding of weight steps",
    "weight_overflow": "overflow of weight writes",
    "word_source": "generator of the random words",
    "lane_seed": "seed modulo 2^32; lane l starts from it xor (l + 1) * 0x9E3779B9, and from 1 instead of 0",
    "batch": "samples summed before the weights are written; above 1 only where gradient memories were built",
}

LAYER_HELP: dict[str, str] = {
    "inputs": "inputs of the layer; its bias row is row `inputs`",
    "units": "neurons",
    "input_base": "first word of its input codes in the code memory, a multiple of 32",
    "output_base": "first word of its output codes in the code memory, a multiple of 32",
    "weight_base": "first word in each weight bank",
    "feedback_base": "first word in the feedback memory",
    "bias_code": "input code of the bias row",
    "preactivation_shift": "fractional bits dropped from the accumulator to the table address",
    "activation": "activation function; tables are loaded through the memory port",
    "table_frac": "fractional bits of the table address",
    "output_shift": "fractional bits dropped from table address to output code, for activations without a table",
    "output_bits": "width of the output code, for activations without a table",
    "output_signed": "whether the output code has a sign, for activations without a table",
    "weight_bits": "width of the weights",
    "delta_bits": "width of the modulatory signal",
    "projection_bits": "width of a projected error",
    "project_shift": "fractional bits dropped from the sum of a projection to the projection format",
    "gate_shift": "fractional bits dropped from signal times derivative to the delta format",
    "update_shift": "shift of the weight step, learning rate included",
    "row_seed": "seed of the layer's row register, not 0",
}
