"""Memory images: codes of a chip's state by select, bank and row, lane 0 in the lowest bits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from neuro_emu.golden.build import Build
from neuro_emu.golden.placement import Placement
from neuro_emu.machine.chip import Chip
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.ops import bank_of
from neuro_emu.numerics.tables import ENTRIES, activation_table, derivative_table

Int64 = NDArray[np.int64]


class Memory(IntEnum):
    """The memories as the chip's memory port selects them."""

    WEIGHTS = 0
    FEEDBACK = 1
    TABLES = 2
    DERIVATIVES = 3
    GRADIENTS = 4
    CODES = 5


@dataclass(frozen=True)
class Image:
    """Rows of one bank of one memory.

    Attributes:
        memory: which.
        bank: which bank of it.
        codes: (rows, fields) signed codes, field 0 in the lowest bits.
        bits: width of a field.

    """

    memory: Memory
    bank: int
    codes: Int64
    bits: int


def weight_images(
    chip: Chip, build: Build, matrices: list[NDArray[np.int32]] | list[Int64], memory: Memory
) -> list[Image]:
    """Return one image a bank of *matrices* (one (rows, units) array a layer): weights or mini-batch sums."""
    bits = build.weight_bits if memory is Memory.WEIGHTS else build.gradient_bits
    place, banks = Placement.of(chip), chip.design.weight_banks
    images = np.zeros((banks, place.weight_rows, build.lanes), dtype=np.int64)
    for layer, base in zip(chip.network.layers, place.weight_bases, strict=True):
        bank, row = _addresses(chip, layer)
        for group in range(chip.design.groups(layer.units)):
            lanes = _lanes(chip, layer, group)
            width = lanes.stop - lanes.start
            images[bank[group], base + row[group], :width] = matrices[layer.index][:, lanes]
    return [Image(memory, bank, images[bank], bits) for bank in range(banks)]


def matrices_of(chip: Chip, images: list[Int64]) -> list[Int64]:
    """Undo :func:`weight_images`: (rows, units) of each layer from (rows, lanes) of each bank."""
    place = Placement.of(chip)
    stacked = np.stack(images)
    matrices = []
    for layer, base in zip(chip.network.layers, place.weight_bases, strict=True):
        bank, row = _addresses(chip, layer)
        matrix = np.zeros((layer.rows, layer.units), dtype=np.int64)
        for group in range(chip.design.groups(layer.units)):
            lanes = _lanes(chip, layer, group)
            matrix[:, lanes] = stacked[bank[group], base + row[group], : lanes.stop - lanes.start]
        matrices.append(matrix)
    return matrices


def feedback_image(chip: Chip, build: Build, state: ChipState) -> Image:
    """Return the feedback matrices: row c of group g of a layer at base + g · classes + c."""
    place, classes = Placement.of(chip), chip.network.classes
    codes = np.zeros((max(1, place.feedback_rows), build.lanes), dtype=np.int64)
    for layer in chip.network.hidden:
        for group in range(chip.design.groups(layer.units)):
            lanes = _lanes(chip, layer, group)
            first = place.feedback_bases[layer.index] + group * classes
            codes[first : first + classes, : lanes.stop - lanes.start] = state.feedback[layer.index][:, lanes]
    return Image(Memory.FEEDBACK, 0, codes, build.feedback_bits)


def table_images(chip: Chip, build: Build) -> list[Image]:
    """Return activation and derivative tables, 256 entries a layer; zeros where a layer needs none."""
    tables = np.zeros((len(chip.network.layers) * ENTRIES, 1), dtype=np.int64)
    slopes = np.zeros_like(tables)
    for layer in chip.network.layers:
        if chip.has_table(layer):
            entries = slice(layer.index * ENTRIES, (layer.index + 1) * ENTRIES)
            tables[entries, 0] = activation_table(layer.activation, layer.table_frac, layer.output)
            slopes[entries, 0] = derivative_table(layer.activation, layer.table_frac)
    return [Image(Memory.TABLES, 0, tables, build.code_bits), Image(Memory.DERIVATIVES, 0, slopes, 8)]


def initial_images(chip: Chip, build: Build, state: ChipState) -> list[Image]:
    """Return everything that is loaded before the first sample."""
    images = weight_images(chip, build, state.weights, Memory.WEIGHTS)
    if chip.learning.batch > 1:
        images += weight_images(chip, build, state.gradients, Memory.GRADIENTS)
    return [*images, feedback_image(chip, build, state), *table_images(chip, build)]


def _lanes(chip: Chip, layer: DenseLayer, group: int) -> slice:
    first = group * chip.design.lanes
    return slice(first, first + chip.design.valid(layer.units, group))


def _addresses(chip: Chip, layer: DenseLayer) -> tuple[Int64, Int64]:
    """(bank, row within the layer's part of it), each (groups, rows), of row i of group g."""
    banks, groups = chip.design.weight_banks, chip.design.groups(layer.units)
    address = np.arange(groups * layer.rows, dtype=np.int64)
    bank = np.array([bank_of(int(a), banks) for a in address], dtype=np.int64)
    shape = (groups, layer.rows)
    return bank.reshape(shape), (address // banks).reshape(shape)
