"""The configuration registers of the chip: where they lie and which words they take."""

from __future__ import annotations

from dataclasses import dataclass

from neuro_emu.golden.register_map import (
    ADDRESS_BITS,
    CHIP,
    CHIP_HELP,
    LAYER,
    LAYER_BASE,
    LAYER_HELP,
    LAYER_STRIDE,
)

__all__ = ["ADDRESS_BITS", "LAYER_BASE", "LAYER_STRIDE", "REGISTERS", "Register", "address", "decode", "encode"]

WORD_BITS = 32
MOST_LAYERS = ((1 << ADDRESS_BITS) - LAYER_BASE) // LAYER_STRIDE
"""Layers that the addresses have room for."""


@dataclass(frozen=True)
class Register:
    """One register.

    Attributes:
        name: its name in ``rtl_models/registers.yaml``.
        address: its word address; of a layer register the address within its layer.
        access: ``rw``, ``ro`` or ``command``.
        bits: its width.
        signed: whether it is two's complement.
        reset: its value after reset, or the constant of a read-only one; 0 where the chip built decides.
        per_layer: whether each layer has one.
        help: what it means.

    """

    name: str
    address: int
    access: str
    bits: int
    signed: bool
    reset: int
    per_layer: bool
    help: str

    @property
    def low(self) -> int:
        """Lowest value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Highest value."""
        return self.low + (1 << self.bits) - 1


REGISTERS: dict[str, Register] = {
    **{row[0]: Register(*row, per_layer=False, help=CHIP_HELP[row[0]]) for row in CHIP},
    **{f"layer_{row[0]}": Register(*row, per_layer=True, help=LAYER_HELP[row[0]]) for row in LAYER},
}
"""Every register by name; those of the layers are called ``layer_<name>``."""


def address(name: str, layer: int = 0) -> int:
    """Word address of a register on the bus.

    Raises:
        ValueError: there is no such layer, or the register belongs to the whole chip.

    """
    register = REGISTERS[name]
    if not 0 <= layer < (MOST_LAYERS if register.per_layer else 1):
        raise ValueError(f"register {name} has no layer {layer}")
    return register.address + (LAYER_BASE + layer * LAYER_STRIDE if register.per_layer else 0)


def encode(name: str, value: int) -> int:
    """Word that sets a register to *value*, which is also the word that it then reads back.

    Raises:
        ValueError: the register is too narrow, or has no sign.

    """
    register = REGISTERS[name]
    if not register.low <= value <= register.high:
        raise ValueError(f"register {name} holds {register.low}..{register.high}, not {value}")
    return value % (1 << WORD_BITS)


def decode(name: str, word: int) -> int:
    """Value of a register that was written with *word*, or reads as *word*."""
    register = REGISTERS[name]
    return (word - register.low) % (1 << register.bits) + register.low
