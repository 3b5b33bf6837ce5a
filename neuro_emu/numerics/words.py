"""Counter-based integers for everything drawn before or between samples: order-free and lane-independent.

u(tag, k, i, j) of docs/numerics.md, section 7, vectorised over NumPy's 64-bit unsigned integers (host side).
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.numerics.formats import Format

TAG_WEIGHT, TAG_FEEDBACK, TAG_ORDER, TAG_ROW_WORD, TAG_FEEDBACK_LFSR = 1, 2, 3, 4, 5
TAG_FEEDBACK_WORD, TAG_FORWARD, TAG_NOISE, TAG_CLASSIFIER_WORD = 6, 7, 8, 9
TAG_DROPOUT, TAG_HOT, TAG_NORM = 10, 11, 12
GOLDEN_32 = 0x9E3779B9

U64 = NDArray[np.uint64]
Int = NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)


def mix(x: U64) -> U64:
    """splitmix64, its golden-ratio step included, element by element modulo 2^64."""
    with np.errstate(over="ignore"):
        x = x + _STEP
        x = (x ^ (x >> np.uint64(30))) * _M1
        x = (x ^ (x >> np.uint64(27))) * _M2
    return x ^ (x >> np.uint64(31))


def uniform_words(seed: int, tag: int, k: int, i: Any, j: Any) -> U64:
    """u(tag, k, i, j): 32-bit integers for broadcast integer arrays *i* and *j*."""
    head = np.array([seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64)
    for part in (tag, k):
        head = mix(head) ^ np.uint64(part)
    head = mix(head)
    pair = (np.asarray(i, dtype=np.uint64) << np.uint64(32)) | np.asarray(j, dtype=np.uint64)
    words: U64 = mix(head ^ pair) >> np.uint64(32)
    return words


def word(seed: int, tag: int, k: int, i: int = 0, j: int = 0) -> int:
    """Return one u(tag, k, i, j)."""
    return int(uniform_words(seed, tag, k, i, j)[0])


def uniform_codes(words: U64, amplitude: int) -> Int:
    """Map 32-bit words to codes uniform in −amplitude … amplitude."""
    span = np.uint64(2 * amplitude + 1)
    return ((words * span) >> np.uint64(32)).astype(np.int64) - amplitude


def kaiming_amplitude(storage: Format, fan: int) -> int:
    """Largest code of a Kaiming-uniform draw with *fan* inputs: ±sqrt(6 / fan)."""
    return min(isqrt(6 * 4**storage.frac // fan), storage.high)


def sample_order(seed: int, epoch: int, samples: int, tag: int = TAG_ORDER) -> Int:
    """Fisher–Yates shuffle of 0 … samples − 1 for one epoch, or with another *tag* for another purpose."""
    top = np.arange(samples - 1, 0, -1, dtype=np.uint64)
    picks = (uniform_words(seed, tag, epoch, top, 0) * (top + np.uint64(1))) >> np.uint64(32)
    order = list(range(samples))
    for i, j in zip(top.tolist(), picks.tolist(), strict=True):
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)


def row_register_seed(seed: int, layer: int) -> int:
    """Return the first state of the row register of one weight matrix; never 0."""
    return word(seed, TAG_ROW_WORD, layer) or 1


def lane_register_seeds(seed: int, lanes: int) -> Int:
    """Return the first states (lanes,) of the per-lane registers; never 0."""
    states = [((lane + 1) * GOLDEN_32 & 0xFFFFFFFF) ^ (seed & 0xFFFFFFFF) or 1 for lane in range(lanes)]
    return np.array(states, dtype=np.int64)


def feedback_lfsr_codes(seed: int, layer: int, label: int, count: int, bits: int) -> list[int]:
    """One row of an LFSR-made feedback matrix: 16-bit Galois register, taps 0xB400, 16 warm-up steps."""
    state = word(seed, TAG_FEEDBACK_LFSR, layer, label) & 0xFFFF or 1
    stream = []
    for _ in range(16 + count * bits):
        stream.append(state & 1)
        state = (state >> 1) ^ (0xB400 * (state & 1))
    codes = []
    for start in range(16, len(stream), bits):
        value = 0
        for bit in stream[start : start + bits]:
            value = 2 * value + bit
        codes.append(value - (1 << (bits - 1)))
    return codes
