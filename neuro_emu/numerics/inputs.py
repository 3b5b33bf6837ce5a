"""From image bytes or real numbers to input codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.numerics.formats import Format


def input_codes(images: NDArray[np.uint8] | NDArray[np.float64], storage: Format) -> NDArray[Any]:
    """Return the codes of *images* in *storage*, (samples, inputs); contiguous.

    Bytes keep their top ``storage.bits`` bits, as uint8; real numbers are quantised to int32, see :func:`real_codes`.

    Args:
        images: (samples, inputs) bytes or real numbers.
        storage: for bytes an unsigned format of at most 8 bits.

    """
    if np.issubdtype(images.dtype, np.floating):
        return real_codes(images.astype(np.float64, copy=False), storage)
    codes = images.astype(np.uint8, copy=False)
    if storage.bits == 8:
        return np.ascontiguousarray(codes)
    return np.ascontiguousarray(codes >> np.uint8(8 - storage.bits))


def real_codes(values: NDArray[np.float64], storage: Format) -> NDArray[np.int32]:
    """Quantise *values* as :meth:`Format.quantise` does: ⌊v · 2^frac + 1/2⌋, clamped; contiguous.

    Always int32, so that kernels are compiled once for all real data. Exact for multiples of 2^-20 below 2^20 in
    magnitude: scaling moves the exponent alone, and with frac ≤ 31 the sum with 1/2 fits the 53 bits of a float64.
    Any other value is rounded at most once, when 1/2 is added.

    Raises:
        ValueError: if the codes of *storage* do not fit int32 (unsigned, 32 bits).

    """
    if storage.high > np.iinfo(np.int32).max:
        raise ValueError(f"codes of {storage} do not fit 32 bits with a sign")
    scaled = values * float(1 << storage.frac)
    scaled += 0.5
    np.floor(scaled, out=scaled)
    np.clip(scaled, storage.low, storage.high, out=scaled)
    return np.ascontiguousarray(scaled.astype(np.int32))
