"""Shared activations brought to another shape, and noise in place of activations (docs/deep.md, section 3.3)."""

from __future__ import annotations

from neuro_emu.jit import kernel, routine
from neuro_emu.kernels.fabric import Int16, Int64
from neuro_emu.numerics.ops import mean, noise_code, xorshift


@kernel
def _mean(codes: Int16, rows: tuple[int, int], columns: tuple[int, int], c: int) -> int:
    """Mean of one channel of a map (H, W, C) in a window."""
    total = 0
    for y in range(rows[0], rows[1]):
        for x in range(columns[0], columns[1]):
            total += int(codes[y, x, c])
    return mean(total, (rows[1] - rows[0]) * (columns[1] - columns[0]))


@kernel
def _largest(codes: Int16, rows: tuple[int, int], columns: tuple[int, int], pooled: Int16) -> None:
    """Largest code of each of the first channels of a map (H, W, C) in a window; pooled (channels,)."""
    first = codes[rows[0], columns[0]]
    for c in range(pooled.shape[0]):
        pooled[c] = int(first[c])
    for y in range(rows[0], rows[1]):
        for x in range(columns[0], columns[1]):
            line = codes[y, x]
            for c in range(pooled.shape[0]):
                pooled[c] = max(int(pooled[c]), int(line[c]))


@routine
def match_maps(maps: Int16, average: bool, matched: Int16) -> None:
    """Copies of channels side by side, pooled by windows that cover the map evenly.

    maps (n, H, W, C); matched (n, H', W', C'). Channel c takes c mod C, row i rows ⌊i·H/H'⌋ … ⌈(i+1)·H/H'⌉ − 1.
    """
    height, width, channels = maps.shape[1], maps.shape[2], maps.shape[3]
    down, across, wide = matched.shape[1], matched.shape[2], matched.shape[3]
    for n in range(matched.shape[0]):
        for i in range(down):
            rows = (i * height // down, ((i + 1) * height + down - 1) // down)
            for j in range(across):
                columns = (j * width // across, ((j + 1) * width + across - 1) // across)
                line = matched[n, i, j]
                if average:
                    for c in range(min(channels, wide)):
                        line[c] = _mean(maps[n], rows, columns, c)
                else:
                    _largest(maps[n], rows, columns, line[: min(channels, wide)])
                for c in range(channels, wide):
                    line[c] = line[c - channels]


@routine
def match_vectors(vectors: Int16, average: bool, matched: Int16) -> None:
    """Copies of vectors (n, length) one behind the other, pooled to the length of *matched* (docs/numerics.md, 5)."""
    length, units = vectors.shape[1], matched.shape[1]
    whole = (units + length - 1) // length * length
    for n in range(matched.shape[0]):
        for i in range(units):
            first, end = i * whole // units, ((i + 1) * whole + units - 1) // units
            total = 0
            largest = int(vectors[n, first % length])
            for p in range(first, end):
                code = int(vectors[n, p % length])
                total += code
                largest = max(largest, code)
            matched[n, i] = mean(total, end - first) if average else largest


@routine
def make_noise(amplitude: int, register: Int64, noise: Int16) -> None:
    """Codes ±*amplitude* of flat *noise*, a word each in their order; *register* (1,) moves on."""
    word = int(register[0])
    for i in range(noise.shape[0]):
        word = xorshift(word)
        noise[i] = noise_code(word, amplitude)
    register[0] = word
