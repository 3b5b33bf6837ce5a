"""Random words of a pass over a matrix, row by row and by position, whatever register they come from.

Lane registers run group by group: all the rows of one group before the next group. A pass walks row by row, so every
neuron gets a register of its own, which starts where its lane will be once the groups before it are done.
"""

from __future__ import annotations

import numpy as np

from neuro_emu.jit import kernel, routine, section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.pieces import byte_of, low_bits
from neuro_emu.numerics.modes import LANE_LFSR, RND, ROW_LFSR, STOCH
from neuro_emu.numerics.ops import lfsr, xorshift

_LEAP = 4
_WORD = 32
_HALF_WORD = 0x80000000  # its top s bits are 2^(s−1): nearest rounding as a constant draw


@kernel
def leap(word: int, leaps: fb.Int64) -> int:
    """Four xorshift steps at once: they are linear, so the four bytes of *word* contribute independently."""
    low = leaps[0, byte_of(word, 0)] ^ leaps[1, byte_of(word, 1)]
    high = leaps[2, byte_of(word, 2)] ^ leaps[3, byte_of(word, 3)]
    return int(low ^ high)


def leap_table() -> fb.Int64:
    """Table (4, 256) of :func:`leap`: four xorshift steps from each value of each byte."""
    table = np.zeros((4, 256), dtype=np.int64)
    for position in range(4):
        for byte in range(256):
            word = byte << 8 * position
            for _ in range(_LEAP):
                word = xorshift(word)
            table[position, byte] = word
    return table


@routine
def row_words(k: int, count: int, registers: fb.Int64, leaps: fb.Int64, constants: fb.Int64, words: fb.Words) -> None:
    """One word for each of *count* written rows: advance, then use; a constant where nothing is drawn."""
    if constants[fb.ROUNDING] != STOCH:
        word = _HALF_WORD if constants[fb.ROUNDING] == RND else 0
        for a in range(count):
            words[a] = word
        return
    register = int(registers[k])
    if constants[fb.WORD_SOURCE] == ROW_LFSR:
        for a in range(count):
            register = lfsr(register)
            words[a] = register
    else:
        # One step waits for the one before it; four words that each leap four steps do not.
        word0 = xorshift(register)
        word1 = xorshift(word0)
        word2 = xorshift(word1)
        word3 = xorshift(word2)
        for a in range(0, count, _LEAP):
            words[a], words[a + 1], words[a + 2], words[a + 3] = word0, word1, word2, word3
            word0, word1, word2, word3 = (
                leap(word0, leaps),
                leap(word1, leaps),
                leap(word2, leaps),
                leap(word3, leaps),
            )
        if count:
            register = int(words[count - 1])
    registers[k] = register


@kernel
def signed(word: int) -> int:
    """Return a 32-bit word as the 32-bit integer that is stored."""
    return low_bits(word + _HALF_WORD, _WORD) - _HALF_WORD


@kernel
def unsigned(stored: int) -> int:
    """Return the word of a stored 32-bit integer."""
    return low_bits(stored, _WORD)


@kernel
def _advance(registers: fb.Int64, is_lfsr: bool) -> None:
    """One step of every register."""
    if is_lfsr:
        for lane in range(registers.shape[0]):
            registers[lane] = lfsr(registers[lane])
    else:
        for lane in range(registers.shape[0]):
            registers[lane] = xorshift(registers[lane])


@kernel
def _jump(registers: fb.Int64, columns: fb.Int64) -> None:
    """Many steps of every register at once: a step is linear, ``columns`` (32,) is where each bit leads."""
    for lane in range(registers.shape[0]):
        word = registers[lane]
        after = 0
        for bit in range(_WORD):
            after ^= columns[bit] & -((word >> bit) & 1)
        registers[lane] = after


@routine
def open_lanes(
    units: int, count: int, position: fb.Int32, words: fb.Int32, registers: fb.Int64, room: fb.Int64, is_lfsr: bool
) -> None:
    """Give every neuron its register; the lanes end where the pass will leave them. ``room`` may hold 32 columns."""
    columns = room[:_WORD]
    jumps = columns.shape[0] == _WORD and units > registers.shape[0]
    if jumps:
        for bit in range(_WORD):
            columns[bit] = 1 << bit
        for _ in range(count):
            _advance(columns, is_lfsr)
    for first in range(0, units, registers.shape[0]):
        for lane in range(min(registers.shape[0], units - first)):
            words[position[first + lane]] = signed(registers[lane])
        if jumps:
            _jump(registers, columns)
        else:
            for _ in range(count):
                _advance(registers, is_lfsr)


@section
def open_words(
    k: int,
    count: int,
    layers: fb.Int64,
    memory: fb.Memory,
    geometry: fb.Geometry,
    scratch: fb.Scratch,
    constants: fb.Int64,
) -> None:
    """Begin a pass over matrix k that draws *count* words a neuron; ``scratch.sums[k]`` is used up."""
    if layers[k, fb.UPDATE_KIND] == fb.UPDATE_LANES:
        is_lfsr = constants[fb.WORD_SOURCE] == LANE_LFSR
        registers, units = memory.lane_registers, layers[k, fb.UNITS]
        open_lanes(units, count, geometry.position[k], scratch.delta32, registers, scratch.sums[k], is_lfsr)
    else:
        row_words(k, count, memory.row_registers, memory.leaps, constants, scratch.words)


@routine
def _next_words(kind: int, word: int, masks: fb.Int64, words: fb.Int32) -> None:
    """Words of one row by position: lanes advance (*kind* 1: xorshift, 2: LFSR), or a row's *word* is masked (0)."""
    if kind == 1:
        for p in range(words.shape[0]):
            words[p] = signed(xorshift(unsigned(int(words[p]))))
    elif kind:
        for p in range(words.shape[0]):
            words[p] = signed(lfsr(unsigned(int(words[p]))))
    else:
        for p in range(words.shape[0]):
            words[p] = signed(word ^ masks[p])


@section
def next_words(
    k: int, a: int, layers: fb.Int64, geometry: fb.Geometry, scratch: fb.Scratch, constants: fb.Int64
) -> None:
    """Words of the next row, the *a*-th of the pass, into ``scratch.delta32`` by position, as 32-bit integers."""
    n, kind = layers[k, fb.POSITIONS], 0
    if layers[k, fb.UPDATE_KIND] == fb.UPDATE_LANES:
        kind = 2 if constants[fb.WORD_SOURCE] == LANE_LFSR else 1
    _next_words(kind, int(scratch.words[a]), geometry.masks[k, :n], scratch.delta32[:n])
