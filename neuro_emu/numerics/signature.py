"""Signatures of written rows: what the trace port shows instead of every word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


def signature_step(signature: Int64, codes: Int64, row: int) -> Int64:
    """Return the signatures (lanes,) of 32 bits after one more row: rotated left by 1, xor code, xor row number."""
    rotated = ((signature << 1) | (signature >> 31)) & 0xFFFFFFFF
    return rotated ^ (codes & 0xFFFFFFFF) ^ row
