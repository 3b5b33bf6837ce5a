"""Rows of codes as words of bits: field 0 in the lowest bits, two's complement."""

from __future__ import annotations

import numpy as np
from bitstring import Array, Bits
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


def pack_rows(codes: Int64, bits: int) -> list[int]:
    """Return each row of *codes* (rows, fields), two's complement, as one number of fields · *bits* bits."""
    span = 1 << bits
    rows = ([code % span for code in reversed(row)] for row in codes.tolist())
    return [Array(f"uint{bits}", row).data.uint for row in rows]


def unpack_rows(words: list[int], bits: int, fields: int) -> Int64:
    """Undo :func:`pack_rows`: (rows, fields) signed codes; higher bits of a word are left alone."""
    span = 1 << (bits * fields)
    packed = (Bits(uint=word % span, length=bits * fields) for word in words)
    rows = [[field.int for field in row.cut(bits)][::-1] for row in packed]
    return np.array(rows, dtype=np.int64).reshape(len(words), fields)


def hex_lines(words: list[int], width: int) -> str:
    """Return one line a word for `$readmemh`: *width* bits in hexadecimal, leading zeros kept."""
    digits = -(-width // 4)
    return "".join(f"{word:0{digits}x}\n" for word in words)


def words_of_lines(text: str) -> list[int]:
    """Undo :func:`hex_lines`; comments and addresses of `$writememh` are skipped."""
    lines = (line.split("//")[0].strip() for line in text.splitlines())
    return [int(line, 16) for line in lines if line and not line.startswith("@")]
