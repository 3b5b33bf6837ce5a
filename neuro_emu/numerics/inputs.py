"""From image bytes to input codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuro_emu.numerics.formats import Format


def input_codes(images: NDArray[np.uint8], storage: Format) -> NDArray[np.uint8]:
    """Return the top ``storage.bits`` bits of each byte, (samples, inputs); contiguous.

    Args:
        images: (samples, inputs) bytes.
        storage: unsigned format of at most 8 bits.

    """
    if storage.bits == 8:
        return np.ascontiguousarray(images)
    return np.ascontiguousarray(images >> np.uint8(8 - storage.bits))
