"""Work arrays of a batch, which grow once and are used again."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Rooms:
    """Arrays by name. What a name holds is lost when the name is asked for again."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], NDArray[Any]] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return an array of *shape* with undefined contents."""
        size, key = prod(shape), (name, np.dtype(dtype).str)
        held = self._held.get(key)
        if held is None or len(held) < size:
            held = self._held[key] = np.empty(size, dtype=dtype)
        return held[:size].reshape(shape)
