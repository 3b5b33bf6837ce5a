"""The IDX format of MNIST, read strictly.

Layout: two zero bytes, a type code, the number of dimensions, one big-endian 32-bit length per
dimension, then the elements in row-major order and nothing else.
"""

from __future__ import annotations

import math
import struct

import numpy as np
import numpy.typing as npt

from neuro_emu.errors import DataError

_UINT8 = 0x08


def parse(content: bytes, dimensions: int, file: str) -> npt.NDArray[np.uint8]:
    """Return the array in ``content``: uint8, C-contiguous, ``dimensions`` axes, writable.

    ``file`` is named in the messages. Raises :class:`DataError` for a wrong magic number, another element
    type, another number of dimensions, or a length that does not fit the dimensions exactly.
    """
    header = 4 + 4 * dimensions
    if len(content) < 4:
        raise _defect(file, f"{len(content)} bytes are too few for a header of {header} bytes")
    zeros, code, axes = struct.unpack_from(">HBB", content)
    if zeros != 0:
        hint = "; it looks gzip-compressed, name it .gz" if content[:2] == b"\x1f\x8b" else ""
        raise _defect(file, f"wrong magic number 0x{content[:4].hex()}, IDX starts with 0x0000{hint}")
    if code != _UINT8:
        raise _defect(file, f"element type 0x{code:02x}, only unsigned bytes (0x08) are supported")
    if axes != dimensions:
        raise _defect(file, f"{axes} dimension(s), expected {dimensions}; images have 3, labels 1")
    if len(content) < header:
        raise _defect(file, f"truncated: {len(content)} bytes, the header alone has {header}")
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    expected = header + math.prod(shape)
    if len(content) != expected:
        problem = "truncated" if len(content) < expected else "too long"
        raise _defect(file, f"{problem}: {len(content):,} bytes, dimensions {shape} need {expected:,}")
    # A copy, because an array over immutable bytes is read-only and compiles to kernels of its own.
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()


def _defect(file: str, problem: str) -> DataError:
    return DataError(f"{file} is not a valid IDX file: {problem}. Delete it and fetch the data set again.")
