"""Layers of docs/numerics.md, section 9, in plain Python integers, written from the page: loops and nothing else."""

import itertools

import numpy as np


def grid(*sides):
    return itertools.product(*map(range, sides))


def convolve(x, weights, size, stride, padding, bias):
    """Exact sums (n, rows, columns, units) of maps x (n, H, W, C); a row behind the depth is the bias row."""
    n, height, width, channels = x.shape
    rows, columns = ((side + 2 * padding - k) // stride + 1 for side, k in zip((height, width), size, strict=True))
    units, depth = weights.shape[1], size[0] * size[1] * channels
    z = np.zeros((n, rows, columns, units), dtype=object)
    for s, y, across, unit in grid(n, rows, columns, units):
        total = 0
        for ty, tx, c in grid(*size, channels):
            at, there = y * stride + ty - padding, across * stride + tx - padding
            if 0 <= at < height and 0 <= there < width:
                total += int(weights[(ty * size[1] + tx) * channels + c, unit]) * int(x[s, at, there, c])
        if len(weights) > depth:
            total += int(weights[depth, unit]) * bias
        z[s, y, across, unit] = total
    return z


def gradient(x, errors, size, stride, padding, bias):
    """Sums (depth + 1, units) of patch · error; the last row is the bias row."""
    n, height, width, channels = x.shape
    _, rows, columns, units = errors.shape
    sums = np.zeros((size[0] * size[1] * channels + 1, units), dtype=object)
    for s, y, across, unit in grid(n, rows, columns, units):
        error = int(errors[s, y, across, unit])
        for ty, tx, c in grid(*size, channels):
            at, there = y * stride + ty - padding, across * stride + tx - padding
            if 0 <= at < height and 0 <= there < width:
                sums[(ty * size[1] + tx) * channels + c, unit] += int(x[s, at, there, c]) * error
        sums[-1, unit] += bias * error
    return sums


def back(errors, weights, shape, size, stride, padding):
    """Errors of the input maps (n, H, W, C), exact: every product of the forward pass the other way."""
    n, rows, columns, units = errors.shape
    height, width, channels = shape
    p = np.zeros((n, *shape), dtype=object)
    for s, y, across, unit in grid(n, rows, columns, units):
        for ty, tx, c in grid(*size, channels):
            at, there = y * stride + ty - padding, across * stride + tx - padding
            if 0 <= at < height and 0 <= there < width:
                weight = int(weights[(ty * size[1] + tx) * channels + c, unit])
                p[s, at, there, c] += weight * int(errors[s, y, across, unit])
    return p


def max_pool(x, size, stride):
    """Largest codes and their places in the window; the first of equal ones."""
    n, height, width, channels = x.shape
    rows, columns = ((side - k) // stride + 1 for side, k in zip((height, width), size, strict=True))
    pooled = np.zeros((n, rows, columns, channels), dtype=object)
    choice = np.zeros((n, rows, columns, channels), dtype=object)
    for s, y, across, c in grid(n, rows, columns, channels):
        seen = [int(x[s, y * stride + ty, across * stride + tx, c]) for ty, tx in grid(*size)]
        pooled[s, y, across, c] = max(seen)
        choice[s, y, across, c] = seen.index(max(seen))
    return pooled, choice


def max_pool_back(errors, choice, shape, size, stride, low, high):
    """Errors at the chosen codes, added and clamped once."""
    sums = np.zeros((len(errors), *shape), dtype=object)
    for s, y, across, c in grid(*errors.shape):
        row, column = divmod(int(choice[s, y, across, c]), size[1])
        sums[s, y * stride + row, across * stride + column, c] += int(errors[s, y, across, c])
    return np.clip(sums, low, high)


def requantise(value, shift, low, high):
    """To the nearest, ties up, then clamped."""
    moved = value << -shift if shift < 0 else (value + (1 << shift >> 1)) >> shift
    return min(max(moved, low), high)


def bit_reverse(number):
    return int(f"{number:032b}"[::-1], 2)


def xorshift(word):
    word ^= word << 13 & 0xFFFFFFFF
    word ^= word >> 17
    return word ^ (word << 5 & 0xFFFFFFFF)


def write(weights, sums, register, shift, low, high):
    """Stochastic writes of all rows; returns the weights and the register."""
    written = np.zeros(weights.shape, dtype=object)
    for i, row in enumerate(weights):
        register = xorshift(register)
        for j, weight in enumerate(row):
            draw = (register ^ bit_reverse(j)) >> (32 - shift)
            written[i, j] = min(max(int(weight) + ((int(sums[i, j]) + draw) >> shift), low), high)
    return written, register
