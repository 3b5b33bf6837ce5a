"""Where the compiled loops keep weights, and which kernel the worst-case bounds allow.

Rows storage places neuron j so that its lane mask (bit-reversed j) rises with the position: block b of the row
holds the neurons whose mask begins with b. See :func:`neuro_emu.kernels.update.update_rows16`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.kernels.fabric import (
    CHUNK,
    FORWARD_COLUMNS32,
    FORWARD_EXACT,
    FORWARD_ROWS16,
    FORWARD_SATURATING,
    UPDATE_COLUMNS32,
    UPDATE_LANES,
    UPDATE_PLAIN,
    UPDATE_ROWS16,
    UPDATE_ROWS32,
    Int64,
)
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.numerics.ops import bit_reverse, draw

NARROW_UNITS = 64
"""Layers with fewer neurons are stored as columns."""

_MAX_LEVELS = 5
_INT16 = (1 << 15) - 1
_INT32 = (1 << 31) - 1


def aligned_zeros(shape: int | tuple[int, ...], dtype: type, boundary: int = 64) -> NDArray[Any]:
    """Zeros that start on a cache line: what straddles lines costs a quarter of a forward pass, half of an update."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + boundary, dtype=np.uint8)
    start = -raw.ctypes.data % boundary
    return raw[start : start + size].view(dtype).reshape(shape)


def aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    """Copy that starts on a cache line."""
    copied = aligned_zeros(array.shape, array.dtype.type)
    copied[...] = array
    return copied


@dataclass(frozen=True)
class Storage:
    """Storage of one matrix.

    Attributes:
        columns: whether the weights of a neuron, not of an input, are adjacent.
        positions: neuron places, padding included.
        length: input places, padding included.
        levels: log2 of the blocks of a row that lane masks tell apart.
        position: (units,) place of each neuron.
    """

    columns: bool
    positions: int
    length: int
    levels: int
    position: Int64

    @classmethod
    def of(cls, layer: Matrix) -> Storage:
        """Choose columns for narrow matrices, else rows with the least padding."""
        if layer.units < NARROW_UNITS:
            length = -(-layer.stored_rows // CHUNK) * CHUNK
            return cls(True, layer.units, length, 0, np.arange(layer.units))
        sizes = []
        for levels in range(1, _MAX_LEVELS + 1):
            block = -(-layer.units // (CHUNK << levels)) * CHUNK
            sizes.append((block << levels, -levels))
        positions, negative = min(sizes)
        levels = -negative
        neurons = np.arange(layer.units)
        block_of = np.array([draw(bit_reverse(j), levels) for j in neurons.tolist()])
        return cls(False, positions, layer.stored_rows, levels, block_of * (positions >> levels) + (neurons >> levels))


def forward_kind(chip: Chip, layer: Matrix, storage: Storage, *, plain: bool = False) -> int:
    """Return the forward kernel whose arithmetic is exact under the worst-case bound of *layer*.

    *plain* asks for the definition in 64 bits.
    """
    numerics = chip.numerics
    bound = layer.accumulator_bound
    clamps = numerics.accumulator_overflow is Overflow.SAT and layer.kind is not Kind.FEEDBACK
    if bound > numerics.accumulator_high and clamps:
        return FORWARD_SATURATING
    if plain or bound > _INT32 or any(other.format.bits > 16 for other in chip.matrices):
        return FORWARD_EXACT
    if storage.columns:
        return FORWARD_COLUMNS32 if layer.code <= _INT16 else FORWARD_EXACT
    return FORWARD_ROWS16 if layer.format.magnitude * layer.code <= _INT16 else FORWARD_EXACT


def split_draw(chip: Chip, layer: Matrix, shift: int, *, by_lane: bool = False) -> int | None:
    """Return how many low bits of an s-bit draw to round away first so that sums fit 16 bits; None: they never do.

    Lane masks may reach into those bits only where the kernel keeps them *by_lane*; such a kernel adds with saturation.
    """
    peak = layer.lane * layer.code
    lane_bits = (layer.units - 1).bit_length() if masked(chip) and not by_lane else 0
    for split in range(shift + 1):
        head = (peak + (1 << split) - 1) >> split
        largest_step = (head + (1 << (shift - split))) >> (shift - split)
        fits = (
            peak + (1 << split) - 1 <= _INT16
            and head + (1 << (shift - split)) <= _INT16
            and (by_lane or layer.format.magnitude + largest_step <= _INT16)
        )
        if fits and (split == 0 or split <= shift - lane_bits):
            return split
    return None


def masked(chip: Chip) -> bool:
    """Whether the lanes of a row see different words."""
    numerics = chip.numerics
    return numerics.update_rounding is Rounding.STOCH and numerics.word_source is not WordSource.RAW


def _plain_only(chip: Chip, layer: Matrix, storage: Storage, shift: int) -> bool:
    """Whether only the plain update computes what the chip asks for."""
    peak = layer.lane * layer.code
    return (
        chip.learning.sums
        or shift == 0
        or chip.numerics.overflow is Overflow.WRAP
        or chip.numerics.update_rounding in {Rounding.TRN_ZERO, Rounding.RND_CONV}
        or max(storage.positions, layer.rows + CHUNK, layer.lane, layer.code) > _INT16
        or any(other.format.bits > 16 for other in chip.matrices)
        or peak + (1 << shift) + layer.format.magnitude > _INT32
    )


def update_kind(
    chip: Chip, layer: Matrix, storage: Storage, shift: int, *, plain: bool = False
) -> tuple[int, int, int]:
    """Return (kernel, split, levels) for updates with *shift*; *plain* asks for the definition in 64 bits."""
    if chip.numerics.update_rounding is Rounding.STOCH and chip.numerics.word_source.per_lane:
        return UPDATE_LANES, 0, 0
    if plain or _plain_only(chip, layer, storage, shift):
        return UPDATE_PLAIN, 0, 0
    if storage.columns:
        return UPDATE_COLUMNS32, 0, 0
    levels = min(storage.levels, shift) if masked(chip) else 0
    split = split_draw(chip, layer, shift)
    return (UPDATE_ROWS32, 0, levels) if split is None else (UPDATE_ROWS16, split, levels)
