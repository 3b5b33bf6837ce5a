"""PNG images of 8-bit RGB pixels, read strictly: what the CIFAR-10 package needs, and nothing else.

Layout (PNG specification, second edition, sections 5, 7 and 9): a signature, then chunks of length, type, data and CRC;
the data of all IDAT chunks is one zlib stream of rows, each a filter type and the filtered bytes.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

from neuro_emu.errors import DataError

Bytes = npt.NDArray[np.uint8]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)
_COLOURS = 3


def decode(content: bytes, width: int, height: int, file: str) -> Bytes:
    """Return the pixels (height, width, 3) of a PNG image of known size; C-contiguous.

    *file* is named in the messages. Memory is bounded by the size that is asked for, whatever the file says.

    Raises:
        DataError: naming file and offset, for any other kind or size of image, or a damaged file.

    """
    packed = _image_data(content, width, height, file)
    size = height * (1 + _COLOURS * width)
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(packed, size + 1)
    except zlib.error as error:
        raise _defect(file, "its pixels do not unpack", None, str(error)) from error
    if len(raw) != size:
        raise _defect(file, f"its pixels unpack to {'more' if len(raw) > size else 'fewer'} than {size:,} bytes", None)
    return _unfiltered(np.frombuffer(raw, np.uint8).reshape(height, -1), width, file)


def _image_data(content: bytes, width: int, height: int, file: str) -> bytes:
    """Return the joined data of the IDAT chunks, all CRCs checked."""
    if content[:8] != _SIGNATURE:
        raise _defect(file, "no PNG signature", 0)
    parts, at, ended = [], 8, False
    while not ended:
        if len(content) - at < 12:
            raise _defect(file, "truncated: no whole chunk follows", at)
        length, kind = struct.unpack_from(">I4s", content, at)
        if length > len(content) - at - 12:
            raise _defect(file, f"truncated: a chunk of {length:,} bytes", at)
        data = content[at + 8 : at + 8 + length]
        if zlib.crc32(data, zlib.crc32(kind)) != struct.unpack_from(">I", content, at + 8 + length)[0]:
            raise _defect(file, "a chunk has a wrong CRC", at)
        if (kind == b"IHDR") != (at == 8):
            raise _defect(file, "the header is not the first chunk", at)
        if kind == b"IHDR":
            _check_header(data, width, height, file)
        elif kind == b"IDAT":
            parts.append(data)
        elif kind[:1].isupper() and kind not in (b"IEND", b"PLTE"):
            raise _defect(file, f"unknown critical chunk {kind!r}", at)
        ended = kind == b"IEND"
        at += 12 + length
    return b"".join(parts)


def _check_header(data: bytes, width: int, height: int, file: str) -> None:
    wanted = (width, height, 8, 2, 0, 0, 0)
    found = struct.unpack(">IIBBBBB", data) if len(data) == 13 else ()
    if found != wanted:
        names = "width, height, depth, colour type, compression, filter, interlace"
        raise _defect(file, f"the header ({names}) is {found}, expected {wanted}", 16)


def _unfiltered(rows: Bytes, width: int, file: str) -> Bytes:
    """Undo the filters of *rows* (height, 1 + 3 * width), whose first byte names the filter."""
    filters = rows[:, 0]
    if filters.max(initial=0) > _PAETH:
        row = int(np.argmax(filters > _PAETH))
        raise _defect(file, f"row {row} has the unknown filter {filters[row]}", None)
    pixels = rows[:, 1:].reshape(len(rows), width, _COLOURS).copy()
    left = filters == _SUB
    pixels[left] = np.cumsum(pixels[left], axis=1, dtype=np.uint8)  # modulo 256; such a row hangs on no other
    for row in np.flatnonzero(filters > _SUB).tolist():
        above = pixels[row - 1] if row else np.zeros_like(pixels[0])
        if filters[row] == _UP:
            pixels[row] += above
        else:
            pixels[row] = _predicted(pixels[row].tolist(), above.tolist(), paeth=filters[row] == _PAETH)
    return pixels


def _predicted(row: list[list[int]], above: list[list[int]], *, paeth: bool) -> list[list[int]]:
    """Undo the filters Average and Paeth of one row, (width, 3), pixel after pixel."""
    before = corner = [0] * _COLOURS
    found = []
    for pixel, up in zip(row, above, strict=True):
        guesses = (
            map(_nearest, before, up, corner) if paeth else ((a + b) // 2 for a, b in zip(before, up, strict=True))
        )
        before, corner = [(value + guess) % 256 for value, guess in zip(pixel, guesses, strict=True)], up
        found.append(before)
    return found


def _nearest(left: int, up: int, corner: int) -> int:
    """Return which neighbour lies nearest to left + up − corner, the first of equals."""
    target = left + up - corner
    return min(left, up, corner, key=lambda value: abs(target - value))


def _defect(file: str, problem: str, offset: int | None, detail: str = "") -> DataError:
    where = f" at byte {offset:,}" if offset is not None else ""
    return DataError(f"{file} is not the PNG image it should be: {problem}{where}{f' ({detail})' if detail else ''}.")
