"""Blocks of the RTL as netlists of two-input gates, and their bit-parallel simulation with and without delays.

Used by ``toggles.py``. A transition of a net counts the input pins that it drives plus the area of its gate, both in
NAND2; wires, clocks and flip-flops are left out.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

OPS = Path(__file__).resolve().parents[2] / "rtl_models" / "ops"
Codes = NDArray[np.int64]
Words = NDArray[np.uint64]
# area in NAND2, loads of pins A, B, S in NAND2 pins, delay in units
GATES = {
    "NOT": (0.5, (1, 0, 0), 1), "AND": (1.5, (1, 1, 0), 1), "OR": (1.5, (1, 1, 0), 1),
    "NAND": (1.0, (1, 1, 0), 1), "NOR": (1.0, (1, 1, 0), 1), "XOR": (2.5, (2, 2, 0), 2),
    "XNOR": (2.5, (2, 2, 0), 2), "MUX": (2.5, (1, 1, 2), 2),
}  # fmt: skip
EVALUATE: dict[str, Callable[[Words, Words, Words], Words]] = {
    "NOT": lambda a, b, s: ~a, "AND": lambda a, b, s: a & b, "OR": lambda a, b, s: a | b,
    "NAND": lambda a, b, s: ~(a & b), "NOR": lambda a, b, s: ~(a | b), "XOR": lambda a, b, s: a ^ b,
    "XNOR": lambda a, b, s: ~(a ^ b), "MUX": lambda a, b, s: a ^ (s & (a ^ b)),
}  # fmt: skip


# --- netlists -----------------------------------------------------------------------------------------------------
@dataclass
class Netlist:
    """Gates of two inputs; net 0 is constant 0, net 1 constant 1."""

    ports: dict[str, list[int]]
    kinds: list[str]
    pins: NDArray[np.intp]  # gates × (A, B, S)
    outs: NDArray[np.intp]
    nets: int
    weight: NDArray[np.float64] = field(init=False)  # of a transition, in NAND2
    level: NDArray[np.intp] = field(init=False)
    fanout: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.fanout, self.weight = np.zeros(self.nets), np.zeros(self.nets)
        for kind, pins, out in zip(self.kinds, self.pins, self.outs, strict=True):
            area, loads, _ = GATES[kind]
            np.add.at(self.fanout, pins, loads)
            self.weight[out] += area
        self.weight += self.fanout
        self.weight[:2] = 0
        depth = np.zeros(self.nets, np.intp)
        for _ in range(len(self.kinds)):
            deeper = depth[self.pins].max(1) + 1
            if np.array_equal(deeper, depth[self.outs]):
                break
            depth[self.outs] = deeper
        self.level = depth[self.outs]

    @property
    def area(self) -> float:
        return sum(GATES[kind][0] for kind in self.kinds)

    def delays(self, model: str) -> NDArray[np.intp]:
        base = np.array([1 if model == "unit" else GATES[kind][2] for kind in self.kinds])
        return base + (self.fanout[self.outs] // 4).astype(np.intp) if model == "loaded" else base

    def groups(self, members: NDArray[np.intp]) -> Iterator[tuple[str, NDArray[np.intp]]]:
        for kind in GATES:
            chosen = np.array([g for g in members if self.kinds[g] == kind], np.intp)
            if chosen.size:
                yield kind, chosen

    def settle(self, values: Words) -> None:
        """Bring all nets to their final values, in place."""
        for level in range(1, int(self.level.max()) + 1):
            for kind, g in self.groups(np.flatnonzero(self.level == level)):
                values[self.outs[g]] = EVALUATE[kind](*values[self.pins[g].T])

    def wheel(self, before: Words, inputs: dict[int, Words], model: str) -> NDArray[np.int64]:
        """Transitions of every net from the settled state *before* until all is quiet again.

        A gate follows its function after it has held a value for the whole delay (inertial), or, in the model
        "transport", repeats every pulse. A unit delay needs no such rule.
        """
        values, count, delay = before.copy(), np.zeros(self.nets, np.int64), self.delays(model)
        groups = [(kind, g, self.pins[g].T) for kind, g in self.groups(np.arange(len(self.kinds)))]
        history = [values[self.outs]] * int(delay.max())
        for net, words in inputs.items():
            count[net] = np.bitwise_count(words ^ values[net]).sum()
            values[net] = words
        quiet = 0
        while quiet <= delay.max():
            now = np.empty_like(history[0])
            for kind, g, pins in groups:
                now[g] = EVALUATE[kind](*values[pins])
            history = [now, *history[:-1]]
            follow = now.copy()
            for d in range(2, int(delay.max()) + 1):
                late = np.flatnonzero(delay == d)
                if model == "transport":
                    follow[late] = history[d - 1][late]
                    continue
                past = np.stack([h[late] for h in history[:d]])
                every, some = np.bitwise_and.reduce(past), np.bitwise_or.reduce(past)
                follow[late] = every | (values[self.outs[late]] & some)
            changed = np.bitwise_count(follow ^ values[self.outs]).sum(1, dtype=np.int64)
            count[self.outs] += changed
            values[self.outs] = follow
            quiet = 0 if changed.any() else quiet + 1
        return count


@contextmanager
def silence() -> Iterator[None]:
    """Drop what native code prints."""
    sys.stdout.flush()
    kept, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)


def synthesise(source: str, booth: bool) -> Netlist:
    """Map the module ``top`` of *source* to two-input gates with pyosys."""
    from pyosys import libyosys

    with tempfile.TemporaryDirectory() as folder:
        wrapper, netlist = Path(folder) / "top.sv", Path(folder) / "top.json"
        wrapper.write_text(source, encoding="utf-8")
        design = libyosys.Design()
        for command in (
            f"read_verilog -sv -DSYNTHESIS {wrapper} {' '.join(map(str, sorted(OPS.glob('*.sv'))))}",
            f"synth -flatten {'-booth ' if booth else ''}-top top",
            "abc -g AND,OR,XOR,NAND,NOR,XNOR,MUX",
            "opt_clean -purge",
            f"write_json {netlist}",
        ):
            with silence():
                libyosys.run_pass(f"tee -q {command}", design)
        module = json.loads(netlist.read_text(encoding="utf-8"))["modules"]["top"]
    number = {"0": 0, "1": 1, "x": 0}

    def net(bit: int | str) -> int:
        return number.setdefault(str(bit), len(number) - 1)

    ports = {name: [net(bit) for bit in port["bits"]] for name, port in module["ports"].items()}
    cells = [(cell["type"][2:-1], cell["connections"]) for cell in module["cells"].values()]
    pins = [[net(wires[p][0]) if p in wires else 0 for p in "ABS"] for _, wires in cells]
    outs = np.array([net(wires["Y"][0]) for _, wires in cells], np.intp)
    return Netlist(ports, [kind for kind, _ in cells], np.array(pins, np.intp), outs, len(number))


# --- blocks -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Block:
    """One block: its wrapper, the ports that never change, and the integers that it must compute.

    *run* takes the operand sequences a, b, w (lanes × cycles) and returns all changing ports, y the output.
    """

    component: str
    widths: tuple[int, int]  # of the operands a and b
    body: str
    inputs: dict[str, int]  # port: bits
    out: int
    run: Callable[[Codes, Codes, Codes], dict[str, Codes]]
    constant: dict[str, tuple[int, int]] = field(default_factory=dict)  # port: (bits, value)
    tied: bool = False  # constants in the netlist, not registers
    booth: bool = False

    def source(self) -> str:
        ports = [f"input signed [{bits - 1}:0] {name}" for name, bits in self.inputs.items()]
        wires = ""
        for name, (bits, value) in self.constant.items():
            if self.tied:
                number = f"{bits}'d{value % 2**bits}"
                wires += f"wire signed [{bits - 1}:0] {name} = {number};\n"
            else:
                ports.append(f"input signed [{bits - 1}:0] {name}")
        ports.append(f"output signed [{self.out - 1}:0] y")
        return f"module top({', '.join(ports)});\n{wires}{self.body}\nendmodule\n"


def limits(bits: int) -> dict[str, tuple[int, int]]:
    return {"low": (bits, -(2 ** (bits - 1))), "high": (bits, 2 ** (bits - 1) - 1), "mode": (1, 0)}


def clamp(codes: Codes, bits: int) -> Codes:
    return np.clip(codes, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def multiply(a: int, b: int, booth: bool = False) -> Block:
    def run(x: Codes, y: Codes, _: Codes) -> dict[str, Codes]:
        return {"a": x, "b": y, "y": x * y}

    return Block("multiplier", (a, b), "assign y = a * b;", {"a": a, "b": b}, a + b, run, booth=booth)


def add(bits: int) -> Block:
    def run(x: Codes, y: Codes, _: Codes) -> dict[str, Codes]:
        return {"a": x, "b": y, "y": (x + y + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)}

    return Block("adder", (bits, bits), "assign y = a + b;", {"a": bits, "b": bits}, bits, run)


def accumulate(a: int, b: int, acc: int, registered: bool, tied: bool = False) -> Block:
    def run(x: Codes, y: Codes, enable: Codes) -> dict[str, Codes]:
        product, total = x * y, np.zeros_like(x)
        for t in range(1, x.shape[1]):
            total[:, t] = clamp(total[:, t - 1] + (product * enable)[:, t - 1], acc)
        operands = {"p": product} if registered else {"a": x, "b": y}
        return operands | {"acc": total, "y": clamp(total + product, acc)}

    body = f"nemu_accumulate #(.AccW({acc}), .ProductW({a + b})) u (.acc_i(acc), .product_i(p), .low_i(low),"
    body += " .high_i(high), .mode_i(mode), .acc_o(y));"
    inputs = {"p": a + b} if registered else {"a": a, "b": b}
    if not registered:
        body = f"wire signed [{a + b - 1}:0] p = a * b;\n{body}"
    component = "accumulator" if registered else "mac"
    return Block(component, (a, b), body, inputs | {"acc": acc}, acc, run, limits(acc), tied)


def update(step: int, weight: int, shift: int, tied: bool = False) -> Block:
    def run(x: Codes, y: Codes, word: Codes) -> dict[str, Codes]:
        rounded = (x + (word >> (32 - shift))) >> shift
        return {"a": x, "b": y, "w": word, "y": clamp(y + rounded, weight)}

    body = f"wire signed [{step - 1}:0] r;\nnemu_round_shift #(.W({step})) u (.code_i(a), .shift_i(shift),"
    body += " .rounding_i(rounding), .word_i(w), .code_o(r));\n"
    body += f"nemu_add_step #(.WeightW({weight}), .StepW({step})) v (.weight_i(b), .step_i(r), .low_i(low),"
    body += " .high_i(high), .mode_i(mode), .weight_o(y));"
    constant = limits(weight) | {"shift": (5, shift), "rounding": (3, 4)}
    return Block("update", (step, weight), body, {"a": step, "b": weight, "w": 32}, weight, run, constant, tied)


def requantise(bits: int, out: int, shift: int, tied: bool = False) -> Block:
    def run(x: Codes, _: Codes, __: Codes) -> dict[str, Codes]:
        return {"a": x, "y": clamp((x + 2 ** (shift - 1)) >> shift, out)}

    body = f"nemu_requantise #(.InW({bits}), .MidW({bits + 8}), .OutW({out})) u (.code_i(a), .shift_i(shift),"
    body += " .low_i(low), .high_i(high), .code_o(y));"
    low, high = limits(out)["low"], limits(out)["high"]
    constant = {"low": low, "high": high, "shift": (7, shift)}
    return Block("requantise", (bits, 0), body, {"a": bits}, out, run, constant, tied)


def step_word(name: str, words: Codes) -> Codes:
    if name == "lfsr":
        return (words >> 1) ^ np.where(words % 2 == 1, 0x80200003, 0)
    words = words ^ (words << 13) % 2**32
    words = words ^ (words >> 17)
    return words ^ (words << 5) % 2**32


def random_words(name: str) -> Block:
    def run(x: Codes, _: Codes, __: Codes) -> dict[str, Codes]:
        return {"a": x, "y": step_word(name, x)}

    return Block("random_words", (32, 0), f"nemu_{name} u (.word_i(a), .word_o(y));", {"a": 32}, 32, run)


BLOCKS = {
    "multiplier 8×8": multiply(8, 8),
    "multiplier 12×9": multiply(12, 9),
    "multiplier 16×16": multiply(16, 16),
    "multiplier 8×8, Booth": multiply(8, 8, booth=True),
    "MAC 8×8+24, fixed limits": accumulate(8, 8, 24, registered=False, tied=True),
    "MAC 12×9+32": accumulate(12, 9, 32, registered=False),
    "accumulator 21+32": accumulate(12, 9, 32, registered=True),
    "accumulator 16+24, fixed limits": accumulate(8, 8, 24, registered=True, tied=True),
    "adder 12": add(12),
    "adder 24": add(24),
    "update 21→12": update(21, 12, 9),
    "update 16→8, fixed shift": update(16, 8, 8, tied=True),
    "requantise 32→9": requantise(32, 9, 23),
    "requantise 32→9, saturating": requantise(32, 9, 19),
    "requantise 24→8, fixed shift": requantise(24, 8, 16, tied=True),
    "LFSR 32": random_words("lfsr"),
    "xorshift 32": random_words("xorshift"),
}
