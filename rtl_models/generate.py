"""Generate the RTL, the document and the Python data of the register map from ``registers.yaml``."""

from __future__ import annotations

import argparse
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "registers.yaml"
BY = "Generated from registers.yaml by `python rtl_models/generate.py`; do not edit."
WORD_BITS = 32
LAYER_INDEX_BITS = 4  # width of layer_i
MAX_LAYERS = 4  # default of the RTL parameter
LINE = 120


@dataclass(frozen=True)
class Register:
    """One entry of registers.yaml; the address of a layer register is relative to its layer."""

    name: str
    address: int
    access: str
    bits: int
    help: str
    layer: bool
    signed: bool = False
    reset: int = 0
    value: int | None = None
    parameter: str | None = None
    input: bool = False
    values: dict[int, str] = field(default_factory=dict)

    @property
    def constant(self) -> str:
        """Name of the RTL's constant for the address."""
        return "At" + ("Layer" if self.layer else "") + self.name.title().replace("_", "")

    @property
    def kind(self) -> str:
        """Declaration of the RTL's signal, without its name."""
        signed = "signed " if self.signed else ""
        return f"logic {signed}{span(self.bits)}".strip()

    @property
    def cut(self) -> str:
        """Bits of the written word that the register keeps."""
        if self.bits == WORD_BITS:
            return "reg_wdata_i"
        return f"reg_wdata_i[{self.bits - 1}:0]" if self.bits > 1 else "reg_wdata_i[0]"

    @property
    def reset_literal(self) -> str:
        """Reset value as a literal of the register's width."""
        if not self.signed:
            return f"{self.bits}'d{self.reset}"
        return f"{'-' if self.reset < 0 else ''}{self.bits}'sd{abs(self.reset)}"


@dataclass(frozen=True)
class Map:
    """The whole of registers.yaml."""

    address_bits: int
    layer_base: int
    layer_stride: int
    chip: tuple[Register, ...]
    layer: tuple[Register, ...]

    @property
    def offset_bits(self) -> int:
        """Bits of an address within a layer."""
        return self.layer_stride.bit_length() - 1

    @property
    def most_layers(self) -> int:
        """Layers that the address has room for."""
        return ((1 << self.address_bits) - self.layer_base) // self.layer_stride


def span(bits: int) -> str:
    """Range of a vector; a single bit has none."""
    return f"[{bits - 1}:0]" if bits > 1 else ""


def load(path: Path = SOURCE) -> Map:
    """Read and check the register map."""
    raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    chip = tuple(Register(layer=False, **entry) for entry in raw.pop("chip"))
    layer = tuple(Register(layer=True, **entry) for entry in raw.pop("layer"))
    found = Map(chip=chip, layer=layer, **raw)
    check(found)
    return found


def check(registers: Map) -> None:
    """Raise ValueError where the RTL that would be generated could not be right."""
    stride, base = registers.layer_stride, registers.layer_base
    if stride != 2**registers.offset_bits or base % stride:
        raise ValueError("layer_stride must be a power of two and layer_base a multiple of it")
    if registers.most_layers > 2**LAYER_INDEX_BITS:
        raise ValueError(f"layer_i has {LAYER_INDEX_BITS} bits: too few for {registers.most_layers} layers")
    for block, room in ((registers.chip, base), (registers.layer, stride)):
        addresses = [r.address for r in block]
        if len(set(addresses)) != len(addresses) or not all(0 <= a < room for a in addresses):
            raise ValueError(f"addresses must differ and lie in 0..{room - 1}: {addresses}")
    if len({r.name for r in (*registers.chip, *registers.layer)}) != len(registers.chip) + len(registers.layer):
        raise ValueError("a name occurs twice")
    if any(r.name.startswith("layer_") for r in registers.chip):
        raise ValueError("names of chip registers must not begin like those of layer registers: layer_")
    for r in (*registers.chip, *registers.layer):
        sources = (r.value is not None) + (r.parameter is not None) + r.input
        if r.access not in ("ro", "rw", "command") or sources != (r.access == "ro") or (r.layer and r.access != "rw"):
            raise ValueError(f"{r.name}: ro needs one of value, parameter and input; layer registers are rw")
        low, high = (-(2 ** (r.bits - 1)), 2 ** (r.bits - 1)) if r.signed else (0, 2**r.bits)
        if not 1 <= r.bits <= WORD_BITS or not all(low <= v < high for v in (r.reset, r.value or 0, *r.values)):
            raise ValueError(f"{r.name}: a value does not fit its {r.bits} bits")


# --- SystemVerilog ---------------------------------------------------------------------------------------------------


def aligned(rows: list[tuple[str, str]], end: str, last: str, indent: str = "  ") -> list[str]:
    """Two columns; every row but the last ends with ``end``."""
    width = max(len(left) for left, _ in rows)
    ends = [end] * (len(rows) - 1) + [last]
    return [f"{indent}{left:<{width}} {right}{mark}" for (left, right), mark in zip(rows, ends, strict=True)]


def ports(registers: Map) -> list[str]:
    """Ports of the module."""
    rows = [("input  wire logic", name) for name in ("clk_i", "rst_ni", "reg_valid_i", "reg_write_i")]
    rows.append((f"input  wire logic {span(registers.address_bits)}", "reg_address_i"))
    rows.append((f"input  wire logic {span(WORD_BITS)}", "reg_wdata_i"))
    rows.append((f"output logic {span(WORD_BITS)}", "reg_rdata_o"))
    rows.append((f"input  wire logic {span(LAYER_INDEX_BITS)}", "layer_i"))
    rows += [(f"input  wire {r.kind}", f"{r.name}_i") for r in registers.chip if r.input]
    rows += [(f"output {r.kind}", f"{r.name}_o") for r in registers.chip if r.access != "ro"]
    rows += [(f"output {r.kind}", f"layer_{r.name}_o") for r in registers.layer]
    lines = aligned(rows, ",", "")
    at = next(n for n, (_, name) in enumerate(rows) if name == "layer_i")
    lines[at] += "  // few layers need few of its bits"
    lines.insert(at + 1, "  // verilator lint_on UNUSEDSIGNAL")
    lines.insert(at, "  // verilator lint_off UNUSEDSIGNAL")
    return lines


def constants(registers: Map) -> list[str]:
    """Addresses as local parameters."""
    bits = {False: registers.address_bits, True: registers.offset_bits}
    rows = [
        (f"localparam logic {span(bits[r.layer])} {r.constant}", f"= {bits[r.layer]}'d{r.address}")
        for r in (*registers.chip, *registers.layer)
    ]
    return aligned(rows, ";", ";")


def read_back(register: Register) -> str:
    """Right-hand side of the register's line in the read multiplexer."""
    if register.access == "command":
        return f"{WORD_BITS}'d0"
    if register.value is not None:
        return f"{WORD_BITS}'h{register.value:08X}"
    if register.parameter is not None:
        return register.parameter
    name = f"{register.name}_{'read' if register.layer else 'i' if register.input else 'o'}"
    return name if register.bits == WORD_BITS else f"{WORD_BITS}'({name})"


def decode(registers: Map) -> list[str]:
    """Which register an address means."""
    a, o, i = registers.address_bits, registers.offset_bits, LAYER_INDEX_BITS
    return [
        "  // Below the layers' registers the subtraction wraps; in_layers tells.",
        f"  logic [{o - 1}:0]        offset;",
        f"  logic [{i - 1}:0]        layer;",
        "  logic [IndexW-1:0] bus_layer, read_layer;",
        "  logic              in_layers;",
        f"  assign offset     = {o}'(reg_address_i);",
        f"  assign layer      = {i}'((reg_address_i - {a}'d{registers.layer_base}) >> {o});",
        f"  assign in_layers  = (reg_address_i >= {a}'d{registers.layer_base}) && ({WORD_BITS}'(layer) < MaxLayers);",
        "  assign bus_layer  = IndexW'(layer);",
        "  assign read_layer = IndexW'(layer_i);",
        "",
        "  logic write_chip, write_layer;",
        "  assign write_chip  = reg_valid_i && reg_write_i && !in_layers;",
        "  assign write_layer = reg_valid_i && reg_write_i && in_layers;",
    ]


def storage(registers: Map) -> list[str]:
    """The registers of the chip, then the arrays of the layers."""
    chip = [r for r in registers.chip if r.access == "rw"]
    commands = [r for r in registers.chip if r.access == "command"]
    lines = ["  always_ff @(posedge clk_i) begin", "    if (!rst_ni) begin"]
    lines += aligned([(f"{r.name}_o", f"<= {r.reset_literal}") for r in chip], ";", ";", "      ")
    lines += ["    end else if (write_chip) begin", "      case (reg_address_i)"]
    lines += aligned([(f"{r.constant}:", f"{r.name}_o <= {r.cut}") for r in chip], ";", ";", "        ")
    lines += ["        default: ;", "      endcase", "    end", "  end", ""]
    lines += ["  always_ff @(posedge clk_i) begin"]
    for r in commands:
        enable = f"rst_ni && write_chip && (reg_address_i == {r.constant})"
        lines.append(f"    {r.name}_o <= ({enable}) ? {r.cut} : {r.bits}'d0;")
    lines += ["  end", ""]
    lines += aligned([(r.kind, f"{r.name}_q [0:MaxLayers-1]") for r in registers.layer], ";", ";")
    lines += ["", "  always_ff @(posedge clk_i) begin", "    if (!rst_ni) begin"]
    lines += ["      for (int l = 0; l < MaxLayers; l = l + 1) begin"]
    lines += aligned([(f"{r.name}_q[l]", f"<= {r.reset_literal}") for r in registers.layer], ";", ";", "        ")
    lines += ["      end", "    end else if (write_layer) begin", "      case (offset)"]
    rows = [(f"{r.constant}:", f"{r.name}_q[bus_layer] <= {r.cut}") for r in registers.layer]
    lines += aligned(rows, ";", ";", "        ")
    return [*lines, "        default: ;", "      endcase", "    end", "  end"]


def reading(registers: Map) -> list[str]:
    """The outputs of the layer in use and the word on the bus."""
    lines = aligned([(f"assign layer_{r.name}_o", f"= {r.name}_q[read_layer]") for r in registers.layer], ";", ";")
    rows = [(f"wire {r.kind}", f"{r.name}_read = {r.name}_q[bus_layer]") for r in registers.layer]
    lines += ["", *aligned(rows, ";", ";")]
    lines += ["", f"  logic {span(WORD_BITS)} chip_rdata, layer_rdata;"]
    for name, selector, block in (("chip", "reg_address_i", registers.chip), ("layer", "offset", registers.layer)):
        rows = [(f"{r.constant}:", f"{name}_rdata = {read_back(r)}") for r in block]
        rows.append(("default:", f"{name}_rdata = {WORD_BITS}'d0"))
        lines += ["  always_comb begin", f"    case ({selector})", *aligned(rows, ";", ";", "      ")]
        lines += ["    endcase", "  end"]
    return [*lines, "  assign reg_rdata_o = in_layers ? layer_rdata : chip_rdata;"]


def system_verilog(registers: Map) -> str:
    """``core/nemu_registers.sv``."""
    names = [r.parameter for r in registers.chip if r.parameter is not None]
    defaults = [("MaxLayers", str(MAX_LAYERS))] + [(n, "MaxLayers" if n == "Layers" else "1") for n in names]
    lines = [f"// {BY}", "// The configuration registers; REGISTERS.md describes them.", "`default_nettype none"]
    lines += ["module nemu_registers #("]
    lines += aligned([(f"parameter int {name}", f"= {value}") for name, value in defaults], ",", "")
    lines += [") (", *ports(registers), ");"]
    lines += [f"  // The addresses have room for {registers.most_layers} layers."]
    lines += ["  localparam int IndexW = (MaxLayers > 1) ? $clog2(MaxLayers) : 1;"]
    for part in (constants, decode, storage, reading):
        lines += ["", *part(registers)]
    return "\n".join([*lines, "endmodule", "`default_nettype wire", ""])


# --- the document ----------------------------------------------------------------------------------------------------


INTRODUCTION = """\
# Configuration registers

`core/nemu_registers.sv` holds them; `neuro_emu/golden/registers.py` is the same map for Python.

**Bus.** Addresses count words of 32 bits and have {address_bits} bits. A write takes one cycle: at a rising edge of
`clk_i` with `reg_valid_i` and `reg_write_i` high, `reg_wdata_i` goes to `reg_address_i`, and the register has its new
value after that edge. `reg_rdata_o` is combinational: it shows the register at `reg_address_i` in the same cycle,
whatever `reg_valid_i` is. There is no back-pressure and there are no errors: other addresses read 0, and writing there
has no effect. `rst_ni` is active low and synchronous; in reset every register takes its reset value.

**Access.** `rw`: reads back what was written, cut to its lowest bits. `ro`: a constant or a counter of the chip;
writing has no effect. `command`: each bit that is written as 1 is a pulse in the cycle after the write; reads 0.

**Signed registers** hold two's complement and read back sign-extended to 32 bits; all others read back zero-extended.

**Layers.** Register `r` of layer `k` lies at `{layer_base} + {layer_stride} * k + r`. The chip has
registers for as many layers as `built_layers` says, at most {most_layers}; further layers are unknown addresses.
"""


def table(columns: str, rows: list[list[str]]) -> str:
    """A Markdown table."""
    heads = columns.split(", ")
    cells = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells) + "\n"


def reset_text(register: Register) -> str:
    """What the register reads after reset, for people."""
    if register.value is not None:
        return f"0x{register.value:08X}"
    if register.parameter is not None:
        return f"parameter `{register.parameter}`"
    return str(register.reset)


def document(registers: Map) -> str:
    """``REGISTERS.md``."""

    def cells(r: Register) -> list[str]:
        values = ", ".join(f"{value}: {meaning}" for value, meaning in r.values.items())
        return [f"`{r.name}`", r.access, str(r.bits), "yes" if r.signed else "", reset_text(r), values, r.help]

    rest = "name, access, bits, signed, reset, values, meaning"
    chip = table(f"address, {rest}", [[str(r.address), *cells(r)] for r in registers.chip])
    rows = [[str(registers.layer_base + r.address), str(r.address), *cells(r)] for r in registers.layer]
    layer = table(f"address of layer 0, within a layer, {rest}", rows)
    numbers = {name: getattr(registers, name) for name in ("address_bits", "layer_base", "layer_stride", "most_layers")}
    parts = [f"<!-- {BY} -->", INTRODUCTION.format(**numbers), "## The chip", chip, "## Each layer", layer]
    return "\n".join(part if part.endswith("\n") else part + "\n" for part in parts)


# --- Python ----------------------------------------------------------------------------------------------------------


def row(register: Register) -> str:
    """All of a register but its meaning."""
    r = register
    reset = r.reset if r.value is None else f"0x{r.value:08X}"
    return f'    ("{r.name}", {r.address}, "{r.access}", {r.bits}, {r.signed}, {reset}),'


def entry(key: str, text: str) -> list[str]:
    """A line of a dictionary of strings as ``ruff format`` leaves it, broken where it is too long."""
    line = f'    "{key}": {quoted(text)},'
    if len(line) <= LINE:
        return [line]
    pieces = textwrap.wrap(text, LINE - 12, drop_whitespace=False)
    return [f'    "{key}": (', *(f"        {quoted(piece)}" for piece in pieces), "    ),"]


def quoted(text: str) -> str:
    """A Python string in double quotes."""
    if '"' in text or "\\" in text:
        raise ValueError(f"quotes and backslashes have no place in {text!r}")
    return f'"{text}"'


def python(registers: Map) -> str:
    """``neuro_emu/golden/register_map.py``."""
    lines = [f"# {BY}", '"""The configuration registers of the chip as plain data."""']
    lines += ["", f"ADDRESS_BITS = {registers.address_bits}", f"LAYER_BASE = {registers.layer_base}"]
    lines += [f"LAYER_STRIDE = {registers.layer_stride}", "", "Row = tuple[str, int, str, int, bool, int]"]
    lines += ['"""Name, address (of a layer register: within its layer), access, bits, signed, reset."""']
    lines += ["", "CHIP: tuple[Row, ...] = (", *map(row, registers.chip), ")"]
    lines += ["", "LAYER: tuple[Row, ...] = (", *map(row, registers.layer), ")"]
    for name, block in (("CHIP_HELP", registers.chip), ("LAYER_HELP", registers.layer)):
        lines += ["", f"{name}: dict[str, str] = {{"]
        lines += [line for r in block for line in entry(r.name, r.help)]
        lines += ["}"]
    return "\n".join([*lines, ""])


TARGETS = {
    HERE / "core" / "nemu_registers.sv": system_verilog,
    HERE / "REGISTERS.md": document,
    HERE.parent / "neuro_emu" / "golden" / "register_map.py": python,
}


def main(arguments: list[str] | None = None) -> int:
    """Write the generated files, or with ``--check`` name those that are not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is not current")
    checking = parser.parse_args(arguments).check
    registers = load()
    stale = []
    for path, make in TARGETS.items():
        text = make(registers)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if not checking:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path.relative_to(HERE.parent)} {'is not current' if checking else 'written'}")
    return 1 if checking and stale else 0


if __name__ == "__main__":
    sys.exit(main())
