"""PNG images against an encoder of their own, written from the specification."""

import struct
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.datasets import png
from neuro_emu.errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width, height, *rest):
    return struct.pack(">IIBBBBB", width, height, *(rest or (8, 2, 0, 0, 0)))


def guess(filter_type, left, up, corner):
    if filter_type == 4:
        nearness = {name: abs(left + up - corner - value) for name, value in (("a", left), ("b", up), ("c", corner))}
        if nearness["a"] <= nearness["b"] and nearness["a"] <= nearness["c"]:
            return left
        return up if nearness["b"] <= nearness["c"] else corner
    return (0, left, up, (left + up) // 2)[filter_type]


def encoded(pixels, filters, pieces=1):
    """One image (rows, columns, 3) with a filter for each row, its data in so many chunks."""
    height, width = len(pixels), len(pixels[0])
    raw = b""
    for r in range(height):
        raw += bytes([filters[r]])
        for c in range(width):
            for channel in range(3):
                left = pixels[r][c - 1][channel] if c else 0
                up = pixels[r - 1][c][channel] if r else 0
                corner = pixels[r - 1][c - 1][channel] if r and c else 0
                raw += bytes([(pixels[r][c][channel] - guess(filters[r], left, up, corner)) % 256])
    packed = zlib.compress(raw)
    cuts = [len(packed) * n // pieces for n in range(pieces + 1)]
    data = b"".join(chunk(b"IDAT", packed[a:b]) for a, b in pairwise(cuts))
    return SIGNATURE + chunk(b"IHDR", header(width, height)) + data + chunk(b"IEND", b"")


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 4), st.data())
def test_every_filter(height, width, pieces, data):
    size = height * width * 3
    # Neighbours that are alike, so that the nearest is not always the same one.
    values = data.draw(st.lists(st.integers(0, 255) | st.integers(0, 3), min_size=size, max_size=size))
    filters = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    pixels = np.array(values, np.uint8).reshape(height, width, 3)
    found = png.decode(encoded(pixels.tolist(), filters, pieces), width, height, "f")
    assert np.array_equal(found, pixels)
    assert (found.dtype, found.flags.c_contiguous, found.flags.writeable) == (np.uint8, True, True)


PIXELS = [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]
GOOD = encoded(PIXELS, [1, 4])
HEAD, IMAGE, END = GOOD[8:33], GOOD[33:-12], GOOD[-12:]


def with_data(raw, shape=(2, 2)):
    return SIGNATURE + chunk(b"IHDR", header(*shape)) + chunk(b"IDAT", raw) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no PNG signature at byte 0"),
        (b"GIF89a" + GOOD, "no PNG signature"),
        (SIGNATURE, "truncated: no whole chunk follows at byte 8"),
        (GOOD[:-12], f"no whole chunk follows at byte {len(GOOD) - 12}"),
        (GOOD[:50], "a chunk of .* at byte 33"),
        (SIGNATURE + struct.pack(">I4s", 0xFFFFFFFF, b"IHDR") + bytes(20), "a chunk of 4,294,967,295 bytes at byte 8"),
        (GOOD[:20] + b"\x07" + GOOD[21:], "wrong CRC at byte 8"),
        (SIGNATURE + IMAGE + HEAD + END, "the header is not the first chunk at byte 8"),
        (SIGNATURE + HEAD + HEAD + IMAGE + END, "the header is not the first chunk at byte 33"),
        (SIGNATURE + chunk(b"IHDR", header(2, 3)) + IMAGE + END, r"is \(2, 3, 8, 2, 0, 0, 0\), expected \(2, 2, 8, 2"),
        (SIGNATURE + chunk(b"IHDR", header(2, 2, 8, 6, 0, 0, 0)) + IMAGE + END, "the header"),
        (SIGNATURE + chunk(b"IHDR", header(2, 2, 8, 2, 0, 0, 1)) + IMAGE + END, "the header"),
        (SIGNATURE + chunk(b"IHDR", b"short") + IMAGE + END, r"the header .* is \(\)"),
        (SIGNATURE + HEAD + chunk(b"QUUX", b"") + IMAGE + END, "unknown critical chunk b'QUUX'"),
        (SIGNATURE + HEAD + END, "unpack to fewer than 14 bytes"),
        (with_data(b"no zlib"), "its pixels do not unpack"),
        (with_data(zlib.compress(bytes(14))[:-3]), None),
        (with_data(zlib.compress(bytes(13))), "fewer than 14 bytes"),
        (with_data(zlib.compress(bytes(15))), "more than 14 bytes"),
        (with_data(zlib.compress(bytes(7) + b"\x05" + bytes(6))), "row 1 has the unknown filter 5"),
    ],
)
def test_every_defect_names_file_and_offset(content, problem):
    if problem is None:  # all pixels are there; the checksum behind them is not looked for
        assert png.decode(content, 2, 2, "f").tolist() == np.zeros((2, 2, 3), int).tolist()
        return
    with pytest.raises(DataError, match=problem) as error:
        png.decode(content, 2, 2, "some/file")
    assert str(error.value).startswith("some/file is not the PNG image it should be")


def test_ancillary_chunks_and_a_palette_are_passed_over():
    content = SIGNATURE + HEAD + chunk(b"tEXt", b"made by hand") + chunk(b"PLTE", bytes(3)) + IMAGE + END
    assert png.decode(content, 2, 2, "f").tolist() == PIXELS


def test_a_bomb_is_stopped():
    packed = zlib.compress(bytes(50 << 20), 9)
    with pytest.raises(DataError, match="more than 14 bytes"):
        png.decode(with_data(packed), 2, 2, "f")


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_damage_gets_out(place, change):
    damaged = bytearray(GOOD)
    damaged[place] ^= change
    for content in (bytes(damaged), GOOD[:place]):
        with pytest.raises(DataError, match=r"^f is not the PNG image"):
            png.decode(content, 2, 2, "f")
