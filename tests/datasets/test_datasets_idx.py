import struct

import numpy as np
import pytest

from neuro_emu.datasets import idx
from neuro_emu.errors import DataError

GOOD = struct.pack(">HBB2I", 0, 8, 2, 2, 3) + bytes(range(6))


def test_values_and_shape():
    array = idx.parse(GOOD, 2, "f")
    assert array.dtype == np.uint8
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert array.flags.c_contiguous
    assert array.flags.writeable


def test_empty_dimension_is_allowed():
    assert idx.parse(struct.pack(">HBB1I", 0, 8, 1, 0), 1, "f").shape == (0,)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "too few for a header"),
        (b"\x00\x00\x08", "too few for a header"),
        (b"\x01" + GOOD[1:], "wrong magic number 0x01000802"),
        (b"\x1f\x8b" + GOOD[2:], "looks gzip-compressed"),
        (b"\x00\x00\x0d" + GOOD[3:], "element type 0x0d"),
        (b"\x00\x00\x08\x03" + GOOD[4:], r"3 dimension\(s\), expected 2"),
        (GOOD[:9], "truncated: 9 bytes, the header alone has 12"),
        (GOOD[:-1], "truncated: 17 bytes"),
        (GOOD + b"\x00", "too long: 19 bytes"),
        (struct.pack(">HBB2I", 0, 8, 2, 0xFFFFFFFF, 0xFFFFFFFF), "truncated: 12 bytes"),
    ],
)
def test_every_defect_names_the_file(content, problem):
    with pytest.raises(DataError, match=problem) as error:
        idx.parse(content, 2, "some/file")
    assert str(error.value).startswith("some/file is not a valid IDX file")
