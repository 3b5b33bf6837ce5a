"""Pooling of a batch of maps (n, H, W, C) and its ways back. No padding; codes outside every window are ignored."""

from __future__ import annotations

from neuro_emu.jit import routine
from neuro_emu.kernels.fabric import Int16, Int32, Int64, UInt8
from neuro_emu.numerics.ops import mean, saturate


@routine
def max_pool(maps: Int16, kernel: tuple[int, int], stride: int, pooled: Int16, choice: UInt8) -> None:
    """Largest code of each window, strictly greater wins: ties go to the first in reading order.

    maps (n, H, W, C); pooled and choice (n, rows, columns, C). A choice is kernel row · kernel width + column.
    """
    height, width = kernel
    for n in range(pooled.shape[0]):
        for y in range(pooled.shape[1]):
            for x in range(pooled.shape[2]):
                best, place = pooled[n, y, x], choice[n, y, x]
                first = maps[n, y * stride, x * stride]
                for c in range(best.shape[0]):
                    best[c] = int(first[c])
                    place[c] = 0
                for k in range(1, height * width):
                    codes = maps[n, y * stride + k // width, x * stride + k % width]
                    for c in range(best.shape[0]):
                        larger = int(codes[c]) > int(best[c])
                        best[c] = int(codes[c]) if larger else int(best[c])
                        place[c] = k if larger else int(place[c])


@routine
def max_pool_back(errors: Int16, choice: UInt8, kernel: tuple[int, int], stride: int, sums: Int32) -> None:
    """Add each error to the code that was chosen: exact sums (n, H, W, C), overwritten."""
    width = kernel[1]
    sums[:] = 0
    for n in range(errors.shape[0]):
        for y in range(errors.shape[1]):
            for x in range(errors.shape[2]):
                for c in range(errors.shape[3]):
                    k = int(choice[n, y, x, c])
                    sums[n, y * stride + k // width, x * stride + k % width, c] += int(errors[n, y, x, c])


@routine
def average_pool(maps: Int16, kernel: tuple[int, int], stride: int, sums: Int32, pooled: Int16) -> None:
    """Mean of each window, rounded to nearest, ties up; *sums* (C,) is overwritten. A window has at most 2^14 codes."""
    height, width = kernel
    count = height * width
    for n in range(pooled.shape[0]):
        for y in range(pooled.shape[1]):
            for x in range(pooled.shape[2]):
                found = pooled[n, y, x]
                sums[:] = 0
                for k in range(count):
                    codes = maps[n, y * stride + k // width, x * stride + k % width]
                    for c in range(sums.shape[0]):
                        sums[c] += int(codes[c])
                for c in range(sums.shape[0]):
                    found[c] = mean(int(sums[c]), count)


@routine
def average_pool_back(errors: Int16, kernel: tuple[int, int], stride: int, sums: Int32) -> None:
    """Add each error to every code of its window: exact sums (n, H, W, C), overwritten."""
    height, width = kernel
    sums[:] = 0
    for n in range(errors.shape[0]):
        for y in range(errors.shape[1]):
            for x in range(errors.shape[2]):
                given = errors[n, y, x]
                for k in range(height * width):
                    line = sums[n, y * stride + k // width, x * stride + k % width]
                    for c in range(line.shape[0]):
                        line[c] += int(given[c])


@routine
def mean_flat(sums: Int32, limits: Int64, codes: Int16) -> int:
    """Codes = mean(sums · limits[0] of limits[1]), clamped to limits[2] … limits[3]. Returns the clamps."""
    factor, count, low, high = limits[0], limits[1], limits[2], limits[3]
    clamped = 0
    for i in range(codes.shape[0]):
        exact = mean(int(sums[i]) * factor, count)
        code = saturate(exact, low, high)
        clamped += code != exact
        codes[i] = code
    return clamped
