"""Shapes of maps, and the window through which a convolution or a pool sees them. Maps lie row by row, channels last.

Neuron (y, x, c) of a map has the number (y · width + x) · channels + c, everywhere.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

Shape = tuple[int, int, int]
"""Height, width, channels of a map; a vector of n is (1, 1, n)."""


def neurons(shape: Shape) -> int:
    """Codes of one map."""
    return prod(shape)


class Window(NamedTuple):
    """What a kernel sees of a map; made by :func:`window_on`.

    The numbers are those of :class:`neuro_emu.kernels.vector.convolution.Window`, which counts bytes beside them.

    Attributes:
        height, width, channels: the map that is seen.
        kernel_height, kernel_width: codes under the kernel, of every channel.
        stride: between two output positions, both ways.
        padding: rows and columns of zeros around the map.
        rows, columns: of the output.

    """

    height: int
    width: int
    channels: int
    kernel_height: int
    kernel_width: int
    stride: int
    padding: int
    rows: int
    columns: int

    @property
    def depth(self) -> int:
        """Codes under the kernel."""
        return self.kernel_height * self.kernel_width * self.channels

    @property
    def positions(self) -> int:
        """Output positions."""
        return self.rows * self.columns

    @property
    def seen(self) -> Shape:
        """The map that is seen."""
        return self.height, self.width, self.channels


def window_on(seen: Shape, kernel: tuple[int, int], stride: int = 1, padding: int = 0) -> Window:
    """Return the window of a *kernel* (height, width) on a map of shape *seen*.

    Codes at the far edge that no position reaches are ignored: rows = ⌊(height + 2 · padding − kernel) / stride⌋ + 1.

    Raises:
        ValueError: if a number is out of range, the padding reaches the kernel's size, or the kernel has no place.

    """
    height, width, channels = seen
    if min(*seen, *kernel, stride) < 1 or not 0 <= padding < min(kernel):
        raise ValueError(f"a kernel {kernel} with stride {stride} and padding {padding} cannot see a map {seen}")
    room = height + 2 * padding - kernel[0], width + 2 * padding - kernel[1]
    if min(room) < 0:
        raise ValueError(f"a kernel {kernel} with padding {padding} has no place on a map {seen}")
    rows, columns = (free // stride + 1 for free in room)
    return Window(height, width, channels, *kernel, stride, padding, rows, columns)
