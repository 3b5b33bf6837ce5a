"""Arrays of numbers in MATLAB's level-5 files (``save -v6`` and ``-v7``), read strictly; no objects, no code.

Layout (MathWorks, MAT-File Format, chapter 1): a header of 128 bytes, then elements. A tag of 8 bytes names type and
length; a short element has both in its first four bytes and its data in the last four. An element of type 15 is a zlib
stream that holds another one. An array (type 14) consists of elements: flags, dimensions, name, and numbers with the
first index running fastest; each of them ends on a multiple of 8 bytes.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neuro_emu.errors import DataError

Numbers = npt.NDArray[Any]

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_INT8, _INT32, _UINT32 = 1, 5, 6
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = range(6, 16)  # double to uint64: plain numbers
_COMPLEX = 1 << 11
_MOST_DIMENSIONS = 32
_OVERHEAD = 4096
"""More bytes than tags, flags, dimensions and name of an array take."""


@dataclass(frozen=True)
class _Place:
    """Bytes that elements are read from, and how an offset in them is called in a message.

    Attributes:
        content: of the file, or of an unpacked element.
        end: where reading has to stop.
        order: ``<`` or ``>``, of the bytes of a number.
        file: named in the messages.
        inside: offset of the compressed element in the file; None for the file itself.

    """

    content: memoryview
    end: int
    order: str
    file: str
    inside: int | None = None

    def defect(self, problem: str, at: int) -> DataError:
        """Return the error for what is wrong at an offset."""
        where = f"byte {at:,}" + ("" if self.inside is None else f" of the element unpacked from byte {self.inside:,}")
        return DataError(f"{self.file} is not a MATLAB file that can be read here: {problem}, at {where}.")


class _Element(NamedTuple):
    """Type, offset and bytes of an element's data, and the offset of what follows."""

    kind: int
    start: int
    length: int
    after: int


def arrays(content: bytes, most: int, file: str) -> dict[str, Numbers]:
    """Return the arrays of a file by name, in Fortran order, read-only.

    Args:
        content: of the file.
        most: bytes that the numbers of one array may take; a stream that would unpack to more is refused.
        file: named in the messages.

    Raises:
        DataError: naming file and offset, for a damaged file, one of another level, or arrays of anything but numbers.

    """
    place = _Place(memoryview(content), len(content), _order(content, file), file)
    found: dict[str, Numbers] = {}
    at = _HEADER
    while at < place.end:
        element = _element(place, at)
        if element.kind == _COMPRESSED:
            inner = _unpacked(place, at, element, most)
            name, values = _array(inner, 0, _element(inner, 0))
        else:
            name, values = _array(place, at, element)
        found[name] = values
        at = element.after
    return found


def _order(content: bytes, file: str) -> str:
    """Return the order of bytes of a file; refuse what has no header of level 5."""
    head = _Place(memoryview(content), 0, "", file)
    if content.startswith(b"MATLAB 7.3"):
        raise head.defect("it is of level 7.3 (HDF5); save it with -v7", 0)
    if len(content) < _HEADER:
        raise head.defect(f"truncated: a header has {_HEADER} bytes", len(content))
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise head.defect("no header of level 5 (it may be of level 4: save it with -v7)", 126)
    version = struct.unpack_from(order + "H", content, 124)[0]
    if version != 0x0100:
        raise head.defect(f"version 0x{version:04x}, expected 0x0100", 124)
    return order


def _element(place: _Place, at: int) -> _Element:
    """Return the element at an offset, which lies within *place* as a whole."""
    if at + 8 > place.end:
        raise place.defect("truncated: no whole tag follows", at)
    kind, length = struct.unpack_from(place.order + "II", place.content, at)
    short, kind_of_short = divmod(kind, 1 << 16)
    if short:
        if short > 4:
            raise place.defect(f"a short element of {short} bytes", at)
        return _Element(kind_of_short, at + 4, short, at + 8)
    if length > place.end - at - 8:
        raise place.defect(f"truncated: an element of {length:,} bytes", at)
    padding = 0 if kind == _COMPRESSED else -length % 8
    return _Element(kind, at + 8, length, at + 8 + length + padding)


def _unpacked(place: _Place, at: int, element: _Element, most: int) -> _Place:
    """Return what a compressed element holds."""
    limit = most + _OVERHEAD
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(place.content[element.start : element.start + element.length], limit + 1)
    except zlib.error as error:
        raise place.defect(f"a compressed element that does not unpack ({error})", at) from error
    if len(content) > limit:
        raise place.defect(f"a compressed element that unpacks to more than {limit:,} bytes", at)
    if not unpacker.eof:
        raise place.defect("a compressed element that ends too soon", at)
    return _Place(memoryview(content), len(content), place.order, place.file, at)


def _array(place: _Place, at: int, matrix: _Element) -> tuple[str, Numbers]:
    """Return name and numbers of an array element."""
    if matrix.kind != _MATRIX:
        raise place.defect(f"an element of type {matrix.kind}, no array", at)
    inside = replace(place, end=matrix.start + matrix.length)
    flags = _element(inside, matrix.start)
    if (flags.kind, flags.length) != (_UINT32, 8):
        raise inside.defect("an array without flags", matrix.start)
    flag = struct.unpack_from(place.order + "I", place.content, flags.start)[0]
    if flag % 256 not in _CLASSES or flag // _COMPLEX % 2:
        raise inside.defect(
            f"an array of class {flag % 256}, flags 0x{flag:x}: only real numbers are read", flags.start
        )
    shape = _shape(inside, flags.after)
    dimensions = _element(inside, flags.after)
    name = _element(inside, dimensions.after)
    if name.kind != _INT8 or name.length > _OVERHEAD:
        raise inside.defect("an array without a name", dimensions.after)
    numbers = _element(inside, name.after)
    if numbers.kind not in _STORED:
        raise inside.defect(f"numbers of the unknown type {numbers.kind}", name.after)
    stored = np.dtype(place.order + _STORED[numbers.kind])
    if math.prod(shape) * stored.itemsize != numbers.length:
        text = f"{numbers.length:,} bytes of numbers; dimensions {shape} need {math.prod(shape) * stored.itemsize:,}"
        raise inside.defect(text, name.after)
    values = np.frombuffer(place.content[numbers.start : numbers.start + numbers.length], stored)
    text = bytes(place.content[name.start : name.start + name.length]).decode("latin-1")
    return text, values.reshape(shape, order="F")


def _shape(place: _Place, at: int) -> tuple[int, ...]:
    """Return the dimensions that the element at an offset names."""
    element = _element(place, at)
    count, rest = divmod(element.length, 4)
    if element.kind != _INT32 or rest or not 2 <= count <= _MOST_DIMENSIONS:
        raise place.defect("an array without dimensions", at)
    shape: tuple[int, ...] = struct.unpack_from(f"{place.order}{count}i", place.content, element.start)
    if min(shape) < 0:
        raise place.defect(f"dimensions {shape}", at)
    return shape
