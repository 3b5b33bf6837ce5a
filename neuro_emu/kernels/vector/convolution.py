"""Exact integer convolutions of one sample as matrix products: codes in bytes, height × width × channels.

The *patches* of an image are the rows of a matrix, one for each output position in reading order, the codes under the
kernel in the order (kernel row, kernel column, channel). Then

    z = patches · weights                weights (kernel height · kernel width · channels, outputs) int8
    gradient = patchesᵀ · errors         errors (positions, outputs) int8

both exact in 32 bits within the bounds of :mod:`neuro_emu.kernels.vector.gemm`. Unsigned codes have the offset 0.
Signed ones are stored with the offset 128, and ``start`` takes it out of the sums again (:func:`.gemm.offset_start`).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from llvmlite import ir

from neuro_emu.jit import kernel, vector_op
from neuro_emu.kernels.fabric import Int32
from neuro_emu.kernels.vector.emit import at, integer, loop
from neuro_emu.kernels.vector.gemm import LANES, Bytes, SignedBytes, gemm, gemm_transposed, offset_start, pack

SLACK = 64
"""Bytes behind ``padded`` and ``patches``, because copies are made in whole vectors."""


class Window(NamedTuple):
    """What a kernel sees of an image; made by :func:`window`."""

    height: int
    width: int
    channels: int
    kernel_height: int
    kernel_width: int
    stride: int
    padding: int
    rows: int
    """Rows and columns of the output."""
    columns: int
    depth: int
    """Codes under the kernel."""
    step: int
    """Bytes from one patch to the next; what lies behind the depth is undefined."""

    def padded_size(self) -> int:
        """Bytes of the image with its border."""
        return (self.height + 2 * self.padding) * (self.width + 2 * self.padding) * self.channels + SLACK

    def patches_size(self) -> int:
        """Bytes of all patches."""
        return self.rows * self.columns * self.step + SLACK


def window(image: tuple[int, int, int], kernel_shape: tuple[int, int], stride: int = 1, padding: int = 0) -> Window:
    """Return the window of a kernel of *kernel_shape* on an *image* (height, width, channels), zeros around it."""
    (height, width, channels), (kernel_height, kernel_width) = image, kernel_shape
    room = height + 2 * padding - kernel_height, width + 2 * padding - kernel_width
    if min(*image, *kernel_shape, stride) < 1 or min(*room, padding) < 0:
        raise ValueError(f"a kernel {kernel_shape} with stride {stride} and padding {padding} has no place on {image}")
    rows, columns = (free // stride + 1 for free in room)
    depth = kernel_shape[0] * kernel_shape[1] * channels
    step = -(-depth // LANES) * LANES
    return Window(height, width, channels, *kernel_shape, stride, padding, rows, columns, depth, step)


def _copy(source: Bytes, target: Bytes, first: int, to: int, count: int) -> int:
    """Copy *count* bytes from *first* to *to*. The compiled form writes whole vectors, up to SLACK bytes more."""
    for i in range(count):
        target[to + i] = source[first + i]
    return 0


def _generate_copy(lanes: int, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    """Emit a loop of vectors of *lanes* bytes, or a single one if they are so few that no more are needed."""
    b, (source, target), (first, to, count) = builder, pointers, numbers
    vector = ir.VectorType(ir.IntType(8), lanes)

    def move(index: Any, _: list[Any]) -> list[Any]:
        value = b.load(at(b, source, b.add(first, index), vector), align=1)
        b.store(value, at(b, target, b.add(to, index), vector), align=1)
        return []

    if lanes < SLACK:
        move(integer(0), [])
    else:
        loop(b, count, lanes, [], move)
    return integer(0)


_copy16 = vector_op(_copy, partial(_generate_copy, 16))
_copy64 = vector_op(_copy, partial(_generate_copy, 64))


@kernel
def pad(image: Bytes | SignedBytes, seen: Window, offset: int, padded: Bytes) -> None:
    """Write the image, *offset* added to every code, and a border of codes 0 around it; ``padded`` is flat."""
    border, line = seen.padding * seen.channels, seen.width * seen.channels
    wide, codes = line + 2 * border, image.reshape(-1)
    padded[: seen.padding * wide] = offset
    for y in range(seen.height):
        target = padded[(seen.padding + y) * wide : (seen.padding + y + 1) * wide]
        target[:border] = offset
        target[border + line :] = offset
        source, inner = codes[y * line : (y + 1) * line], target[border : border + line]
        for i in range(line):
            inner[i] = int(source[i]) + offset
    bottom = (seen.padding + seen.height) * wide
    padded[bottom : bottom + seen.padding * wide] = offset


@kernel
def gather(padded: Bytes, seen: Window, patches: Bytes) -> None:
    """Copy the patches out of the padded image, both flat.

    The bytes of a kernel row lie side by side. They are copied in the order of their targets: what a copy writes too
    much the next one overwrites.
    """
    run, wide = seen.kernel_width * seen.channels, (seen.width + 2 * seen.padding) * seen.channels
    for y in range(seen.rows):
        for x in range(seen.columns):
            first = y * seen.stride * wide + x * seen.stride * seen.channels
            to = (y * seen.columns + x) * seen.step
            for _ in range(seen.kernel_height):
                if run <= 16:
                    _copy16(padded, patches, first, to, run)
                else:
                    _copy64(padded, patches, first, to, run)
                first += wide
                to += run


@kernel
def convolve(
    image: Bytes | SignedBytes,
    seen: Window,
    offset: int,
    packed: SignedBytes,
    start: Int32,
    padded: Bytes,
    patches: Bytes,
    z: Int32,
) -> None:
    """Compute z = start + patches · weights, and the patches for :func:`weight_gradient`.

    image (height, width, channels) uint8 with offset 0, or int8 with 128; ``packed`` the weights; z (positions, outputs
    padded) int32; ``padded`` and ``patches`` are flat, of the sizes that the window says.
    """
    pad(image, seen, offset, padded)
    gather(padded, seen, patches)
    positions = seen.rows * seen.columns
    gemm(patches[: positions * seen.step].reshape(positions, seen.step), packed, start, z)


@kernel
def weight_gradient(
    patches: Bytes,
    seen: Window,
    offsets: Bytes,
    errors: SignedBytes,
    packed_patches: Bytes,
    packed_errors: SignedBytes,
    start: Int32,
    gradient: Int32,
) -> None:
    """Compute gradient = patchesᵀ · errors.

    errors (positions, outputs) int8; gradient (depth, outputs padded) int32; ``offsets`` (4,) holds the offset of the
    patches four times; the packed arrays have the shapes of packed (positions, step) and (positions, outputs) matrices.
    They and ``start`` are overwritten.
    """
    positions = seen.rows * seen.columns
    pack(patches[: positions * seen.step].reshape(positions, seen.step), packed_patches)
    pack(errors, packed_errors)
    offset_start(offsets, packed_errors, start)
    gemm_transposed(packed_patches, packed_errors, start, gradient)
