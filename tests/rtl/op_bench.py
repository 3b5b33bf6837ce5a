"""One bench with every operation of rtl_models/ops in several widths: generated, built once, driven by arrays.

The reference is neuro_emu/numerics/ops.py executed without its decorator: plain Python, whose integers are unbounded.
"""

import ctypes
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import op_vectors as vectors

from neuro_emu import jit
from neuro_emu.cosim.builds import shared_library
from neuro_emu.numerics import ops
from neuro_emu.numerics.modes import WRAP

HERE = Path(__file__).parent
OPS = HERE.parent.parent / "rtl_models" / "ops"
SOURCES = sorted(OPS.glob("*.sv"))
OPERANDS = "abcde"


def _without_compiler():
    """The names of the scalar operations, and a module that holds them as plain functions."""
    names = []

    def remember(function):
        names.append(function.__name__)
        return function

    spec = importlib.util.spec_from_file_location("plain_ops", ops.__file__)
    module = importlib.util.module_from_spec(spec)
    compiled, jit.scalar_op = jit.scalar_op, remember
    try:
        spec.loader.exec_module(module)
    finally:
        jit.scalar_op = compiled
    return names, module


OP_NAMES, PLAIN = _without_compiler()


def _accumulate(acc, product, low, high, mode):
    """The module takes the product and a mode; SAT is ops.accumulate."""
    if mode == WRAP:
        return PLAIN.overflow(acc + product, low, high, WRAP)
    return PLAIN.accumulate(acc, product, 1, low, high)


@dataclass(frozen=True)
class Op:
    """A module and how to test it; the width of a port is a number or the name of a parameter.

    Attributes:
        parameters: their names.
        inputs: (port, width), in the order of the Python function's arguments.
        output: (port, width, signed).
        vectors: makes the operands from the values of the parameters.
        widths: values of the parameters, one tuple per instance.
        reference: the function, if it is not the plain one of that name.

    """

    parameters: tuple[str, ...]
    inputs: tuple[tuple[str, int | str], ...]
    output: tuple[str, int | str, bool]
    vectors: Callable[..., vectors.Vectors]
    widths: tuple[tuple[int, ...], ...] = ((),)
    reference: Callable[..., int] | None = None


_TO_OUT = ("InW", "OutW")
_CODE, _LIMITS = ("code_i", "InW"), (("low_i", "OutW"), ("high_i", "OutW"))
_RESULT = ("code_o", "OutW", True)
_CLAMPS = ((12, 8), (6, 9), (9, 9), (32, 16), (64, 33), (64, 64), (20, 40))
_CLAMPS_OR_WRAPS = ((11, 8), (6, 9), (8, 8), (32, 16), (64, 33), (64, 64), (20, 40))
_ON_WORDS = Op((), (("word_i", 32),), ("word_o", 32, False), vectors.words)
TABLE = {
    "saturate": Op(_TO_OUT, (_CODE, *_LIMITS), _RESULT, vectors.clamp, _CLAMPS),
    "wrap": Op(_TO_OUT, (_CODE, *_LIMITS), _RESULT, vectors.clamp, _CLAMPS),
    "overflow": Op(_TO_OUT, (_CODE, *_LIMITS, ("mode_i", 1)), _RESULT, vectors.clamp_or_wrap, _CLAMPS_OR_WRAPS),
    "round_shift": Op(
        ("W",),
        (("code_i", "W"), ("shift_i", 5), ("rounding_i", 3), ("word_i", 32)),
        ("code_o", "W", True),
        vectors.rounding,
        ((2,), (5,), (8,), (18,), (32,), (33,), (48,), (64,)),
    ),
    "align": Op(
        _TO_OUT,
        (_CODE, ("shift_i", 7)),
        _RESULT,
        vectors.alignment,
        ((2, 4), (8, 8), (9, 40), (32, 40), (33, 33), (48, 63), (64, 64)),
    ),
    "requantise": Op(
        ("InW", "MidW", "OutW"),
        (_CODE, ("shift_i", 7), *_LIMITS),
        _RESULT,
        vectors.requantising,
        ((5, 36, 4), (6, 6, 4), (4, 8, 16), (32, 40, 9), (32, 63, 33), (63, 63, 8), (64, 64, 33)),
    ),
    "accumulate": Op(
        ("AccW", "ProductW"),
        (("acc_i", "AccW"), ("product_i", "ProductW"), ("low_i", "AccW"), ("high_i", "AccW"), ("mode_i", 1)),
        ("acc_o", "AccW", True),
        vectors.addition,
        ((6, 5), (5, 6), (4, 8), (8, 3), (32, 21), (24, 33), (63, 63), (64, 64)),
        _accumulate,
    ),
    "add_step": Op(
        ("WeightW", "StepW"),
        (("weight_i", "WeightW"), ("step_i", "StepW"), ("low_i", "WeightW"), ("high_i", "WeightW"), ("mode_i", 1)),
        ("weight_o", "WeightW", True),
        vectors.addition,
        ((5, 6), (4, 8), (7, 3), (8, 18), (12, 18), (16, 9), (32, 64), (33, 64)),
    ),
    "table_address": Op((), (("q_i", 8),), ("address_o", 8, False), vectors.addresses),
    "ternary_sign": Op(
        ("W",),
        (("error_i", "W"), ("dead_zone_i", "W")),
        ("sign_o", 2, True),
        vectors.signs,
        ((2,), (8,), (10,), (33,), (64,)),
    ),
    "mean": Op(
        ("TotalW", "CountW"),
        (("total_i", "TotalW"), ("count_i", "CountW")),
        ("mean_o", "TotalW", True),
        vectors.sums,
        ((6, 3), (12, 4), (9, 12), (32, 8), (48, 16), (62, 10)),
    ),
    "noise_code": Op(
        ("W",),
        (("word_i", 32), ("amplitude_i", "W")),
        ("code_o", "W", True),
        vectors.noises,
        ((2,), (8,), (32,)),
    ),
    "dropped": Op((), (("word_i", 32), ("threshold_i", 8)), ("dropped_o", 1, False), vectors.dropouts),
    "reciprocal": Op(
        ("TotalW",),
        (("total_i", "TotalW"),),
        ("inverse_o", 32, False),
        vectors.totals,
        ((8,), (16,), (24,), (32,), (33,), (48,)),
    ),
    "velocity_sum": Op(
        ("VelocityW", "GradientW", "SumW"),
        (("velocity_i", "VelocityW"), ("gradient_i", "GradientW"), ("decay_i", 5), ("shift_i", 5)),
        ("sum_o", "SumW", True),
        vectors.velocities,
        ((3, 3, 36), (4, 12, 40), (16, 32, 64), (16, 50, 64), (32, 16, 64), (32, 63, 64)),
    ),
    "root": Op(
        ("CodeW", "RootW"),
        (("code_i", "CodeW"),),
        ("root_o", "RootW", False),
        vectors.radicands,
        ((1, 1), (8, 4), (15, 8), (16, 8), (33, 17), (48, 24), (62, 31)),
    ),
    "norm_factor": Op(
        ("GammaW", "SquaresW", "FactorW"),
        (("gamma_i", "GammaW"), ("squares_i", "SquaresW")),
        ("factor_o", "FactorW", False),
        vectors.norms,
        ((6, 10, 22), (10, 6, 26), (12, 23, 28), (16, 32, 32), (20, 46, 36)),
    ),
    "square_gap": Op(
        ("ExactW", "CodeW", "GapW"),
        (("exact_i", "ExactW"), ("code_i", "CodeW")),
        ("gap_o", "GapW", True),
        vectors.squares,
        ((10, 6, 32), (24, 9, 38), (36, 16, 60), (38, 22, 64)),
    ),
    "hold_norm": Op(
        ("ExactW", "CodeW", "ShortW", "GammaW"),
        (("exact_i", "ExactW"), ("code_i", "CodeW"), ("short_i", "ShortW"), ("gamma_i", "GammaW")),
        ("code_o", "CodeW", True),
        vectors.holds,
        ((20, 6, 28, 4), (26, 12, 34, 12), (34, 18, 42, 16), (38, 22, 42, 20), (38, 22, 64, 20)),
    ),
    "bank_of": Op(
        ("AddressW", "BanksW"),
        (("address_i", "AddressW"), ("banks_i", "BanksW")),
        ("bank_o", "BanksW", False),
        vectors.banks,
        ((4, 1), (12, 8), (10, 10), (32, 16), (32, 32)),
    ),
    "xorshift": _ON_WORDS,
    "lfsr": _ON_WORDS,
    "bit_reverse": _ON_WORDS,
    "draw": Op((), (("word_i", 32), ("shift_i", 5)), ("draw_o", 31, False), vectors.draws),
}


@dataclass(frozen=True)
class Instance:
    """One module of the bench, with values for its parameters."""

    op: str
    widths: tuple[int, ...]

    @property
    def name(self):
        """The operation with its widths."""
        return "_".join([self.op, *map(str, self.widths)])

    @property
    def module(self):
        """What the module is like."""
        return TABLE[self.op]

    def width(self, width):
        """The width of a port as a number."""
        return width if isinstance(width, int) else dict(zip(self.module.parameters, self.widths, strict=True))[width]

    def verilog(self, index):
        """The instance, its operands cut from the bench's and its result extended to 64 bits."""
        port, width, signed = self.module.output
        width, bits = self.width(width), f"y_{self.name}"
        sign = f"{bits}[{width - 1}]" if signed else "1'b0"
        extended = f"{{{{{64 - width}{{{sign}}}}}, {bits}}}" if width < 64 else bits
        ports = [
            f".{name}({operand}_i[{self.width(wide) - 1}:0])"
            for operand, (name, wide) in zip(OPERANDS, self.module.inputs, strict=False)
        ]
        values = [f".{name}({value})" for name, value in zip(self.module.parameters, self.widths, strict=True)]
        parameters = f"#({', '.join(values)})" if values else ""
        return (
            f"  logic [{width - 1}:0] {bits};\n"
            f"  nemu_{self.op} {parameters} u_{self.name} ({', '.join(ports)}, .{port}({bits}));\n"
            f"  assign results[{index}] = {extended};\n"
        )

    def rows(self):
        """The operands: a row per vector, a column per input."""
        return self.module.vectors(*self.widths)

    def expected(self, rows):
        """What the Python function answers."""
        columns = [rows[:, k].tolist() for k in range(rows.shape[1])]
        function = self.module.reference or getattr(PLAIN, self.op)
        return np.fromiter(map(function, *columns), dtype=np.int64, count=len(rows))


INSTANCES = [Instance(op, widths) for op, module in TABLE.items() for widths in module.widths]


def bench():
    """SystemVerilog text: all instances on the same operands, and a selector."""
    ports = "".join(f"  input  wire logic [63:0] {operand}_i,\n" for operand in OPERANDS)
    body = "\n".join(instance.verilog(index) for index, instance in enumerate(INSTANCES))
    return (
        "// verilator lint_off UNUSEDSIGNAL\n"
        f"module ops_bench (\n{ports}  input  wire logic [6:0]  instance_i,\n  output logic [63:0]      result_o\n);\n"
        "// verilator lint_on UNUSEDSIGNAL\n"
        f"  logic [63:0] results [128];\n  assign result_o = results[instance_i];\n\n{body}endmodule\n"
    )


def build(folder):
    """Build the bench and return a function from an instance and its operands to its results."""
    source = folder / "ops_bench.sv"
    source.write_text(bench(), encoding="utf-8")
    library = ctypes.CDLL(str(shared_library([*SOURCES, source], "ops_bench", {}, HERE / "ops_bench.cpp")))
    run = library.run
    run.argtypes = [ctypes.c_uint32, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
    run.restype = None
    return partial(_drive, run)


def _drive(run, instance, rows):
    operands = np.zeros((len(rows), len(OPERANDS)), dtype=np.int64)
    operands[:, : rows.shape[1]] = rows
    results = np.empty(len(rows), dtype=np.int64)
    run(INSTANCES.index(instance), len(rows), operands.ctypes.data, results.ctypes.data)
    return results
