"""Many words of a xorshift register at once, so that the float twin drops the neurons that the chip drops."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from neuro_emu.numerics.ops import xorshift

Words = NDArray[np.uint32]

_BYTES = 4


@cache
def _leaps(count: int) -> tuple[Words, tuple[tuple[int, ...], ...]]:
    """Words 1 … *count* after every register that has one byte set, and the last of them alone.

    A xorshift step is linear over GF(2): what follows a register is the exclusive or of what follows its bytes.

    Returns:
        (4, 256, count) words by byte and its value, and (4, 256) last words.

    """
    states = np.array([1 << bit for bit in range(8 * _BYTES)], dtype=np.uint32)
    streams = np.empty((8 * _BYTES, count), dtype=np.uint32)
    for step in range(count):
        states ^= states << np.uint32(13)
        states ^= states >> np.uint32(17)
        states ^= states << np.uint32(5)
        streams[:, step] = states
    table = np.zeros((_BYTES, 256, count), dtype=np.uint32)
    for byte in range(_BYTES):
        for bit in range(8):
            half = 1 << bit
            table[byte, half : 2 * half] = table[byte, :half] ^ streams[8 * byte + bit]
    return table, tuple(tuple(map(int, last)) for last in table[:, :, -1])


def _bytes(register: int) -> tuple[int, int, int, int]:
    return register & 255, register >> 8 & 255, register >> 16 & 255, register >> 24


def words_after(register: int, samples: int, count: int) -> tuple[Words, int]:
    """Return the next *count* words for each of *samples* (samples, count), and the register after them."""
    if count == 1:  # nothing to gain
        words = []
        for _ in range(samples):
            register = xorshift(register)
            words.append(register)
        return np.array(words, dtype=np.uint32)[:, None], register
    table, last = _leaps(count)
    starts = np.empty((samples, _BYTES), dtype=np.intp)
    for sample in range(samples):
        a, b, c, d = starts[sample] = _bytes(register)
        register = last[0][a] ^ last[1][b] ^ last[2][c] ^ last[3][d]
    drawn = table[0][starts[:, 0]]
    for byte in range(1, _BYTES):
        drawn ^= table[byte][starts[:, byte]]
    return drawn, register
