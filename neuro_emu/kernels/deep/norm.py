"""Batch normalisation on (values, channels) arrays: the scalars of numerics/batch_ops in vectors over channels.

All arrays are contiguous; only z may have more columns than there are channels. Every loop treats columns alike, so
where there are few channels a caller may lay several rows side by side (what has one entry a channel then repeats):
the sums of such columns add up to those of their channel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuro_emu.jit import entry
from neuro_emu.kernels.fabric import Int16, Int32, Int64
from neuro_emu.numerics.batch_ops import (
    factor_code,
    fold_offset,
    fold_scale,
    fold_value,
    norm_affine,
    norm_error,
    norm_factor_back,
    norm_inverse,
    norm_mean,
    norm_running,
    norm_value,
    norm_variance,
    value_code,
)
from neuro_emu.numerics.ops import align, mean, saturate

Codes = NDArray[np.int8] | Int16
Sums = Int32 | Int64

GAMMA, BETA, MEAN, VARIANCE = range(4)
"""Rows of a layer's state: what it learns, what inference runs with."""
CENTRE, INVERSE, SCALE, OFFSET = range(4)
"""Rows that a forward pass reads: m, v, γ, β."""
ERROR_MEAN, PRODUCT_MEAN, FACTOR = range(3)
"""Rows that a backward pass reads: m1, m2, k."""
INPUT_EVENTS, VALUE_EVENTS, OUTPUT_EVENTS, FACTOR_EVENTS, ERROR_EVENTS = range(5)
"""Places of a tally: values that the clamp of a, x̂, q, k and δ_z changed."""
EVENTS = 5


class Narrow(NamedTuple):
    """A requantisation: the bits to drop and the limits of the format."""

    shift: int
    low: int
    high: int


@entry
def statistics(z: Sums, to: Narrow, a: Int16, sums: Int64, tally: Int64) -> None:
    """Write a = requantise(z), (N, C), and add its sums and sums of squares to *sums*, (2, C)."""
    clamped = 0
    totals, squares = sums[0], sums[1]
    for i in range(a.shape[0]):
        exact, codes = z[i], a[i]
        for c in range(a.shape[1]):
            aligned = align(int(exact[c]), to.shift)
            code = saturate(aligned, to.low, to.high)
            codes[c] = code
            clamped += aligned != code
            totals[c] += code
            squares[c] += code * code
    tally[INPUT_EVENTS] += clamped


@entry
def measure(sums: Int64, count: int, epsilon: int, now: Int64) -> None:
    """Mean and variance of every channel, (2, C), from the sums of *count* values."""
    for c in range(sums.shape[1]):
        total = int(sums[0, c])
        m = norm_mean(total, count)
        now[0, c] = m
        now[1, c] = norm_variance(total, int(sums[1, c]), m, count, epsilon)


@entry
def move(now: Int64, shift: int, state: Int64) -> None:
    """Move the running statistics towards those of the batch, (2, C)."""
    for row in range(2):
        for c in range(state.shape[1]):
            running = int(state[MEAN + row, c])
            state[MEAN + row, c] = norm_running(running, int(now[row, c]), shift)


@entry
def prepare(now: Int64, state: Int64, channels: Int32) -> None:
    """Write what a forward pass reads, (4, C): from the statistics *now* and the state."""
    for c in range(state.shape[1]):
        channels[CENTRE, c] = int(now[0, c])
        channels[INVERSE, c] = norm_inverse(int(now[1, c]))
        channels[SCALE, c] = int(state[GAMMA, c])
        channels[OFFSET, c] = int(state[BETA, c])


@entry
def normalise(a: Int16, channels: Int32, offset_shift: int, to: Narrow, q: Codes, tally: Int64) -> None:
    """Put x̂ in the place of a, and q = requantise(x̂ · γ + β)."""
    values_clamped = clamped = 0
    centre, inverse, gamma, beta = channels[CENTRE], channels[INVERSE], channels[SCALE], channels[OFFSET]
    for i in range(a.shape[0]):
        codes, out = a[i], q[i]
        for c in range(a.shape[1]):
            value = norm_value(int(codes[c]), int(centre[c]), int(inverse[c]))
            x = value_code(value)
            aligned = align(norm_affine(x, int(gamma[c]), int(beta[c]), offset_shift), to.shift)
            code = saturate(aligned, to.low, to.high)
            codes[c] = x
            out[c] = code
            values_clamped += value != x
            clamped += aligned != code
    tally[VALUE_EVENTS] += values_clamped
    tally[OUTPUT_EVENTS] += clamped


@entry
def values(a: Int16, channels: Int32, tally: Int64) -> None:
    """Put x̂ in the place of a."""
    clamped = 0
    centre, inverse = channels[CENTRE], channels[INVERSE]
    for i in range(a.shape[0]):
        codes = a[i]
        for c in range(a.shape[1]):
            value = norm_value(int(codes[c]), int(centre[c]), int(inverse[c]))
            x = value_code(value)
            codes[c] = x
            clamped += value != x
    tally[VALUE_EVENTS] += clamped


@entry
def fold_channels(state: Int64, scale_frac: int, offset_frac: int, folded: Int64) -> None:
    """Fold γ, β and the running statistics into u and b, (2, C)."""
    for c in range(state.shape[1]):
        scale = fold_scale(int(state[GAMMA, c]), norm_inverse(int(state[VARIANCE, c])), scale_frac)
        folded[0, c] = scale
        folded[1, c] = fold_offset(int(state[BETA, c]), offset_frac, int(state[MEAN, c]), scale)


@entry
def fold(z: Sums | Int16, by: Narrow, folded: Int64, to: Narrow, q: Codes, tally: Int64) -> None:
    """Compute q = requantise(a · u + b), a = requantise(z)."""
    input_clamped = clamped = 0
    scale, offset = folded[0], folded[1]
    for i in range(q.shape[0]):
        exact, out = z[i], q[i]
        for c in range(q.shape[1]):
            wide = align(int(exact[c]), by.shift)
            a = saturate(wide, by.low, by.high)
            aligned = align(fold_value(a, int(scale[c]), int(offset[c])), to.shift)
            code = saturate(aligned, to.low, to.high)
            out[c] = code
            input_clamped += wide != a
            clamped += aligned != code
    tally[INPUT_EVENTS] += input_clamped
    tally[OUTPUT_EVENTS] += clamped


@entry
def back_sums(d: Int16, x: Int16, sums: Int64) -> None:
    """Add the sums of error · x̂ and of the errors, which are the gradients of γ and β, to *sums*, (2, C)."""
    products, totals = sums[0], sums[1]
    for i in range(d.shape[0]):
        errors, inputs = d[i], x[i]
        for c in range(d.shape[1]):
            error = int(errors[c])
            products[c] += error * int(inputs[c])
            totals[c] += error


@entry
def prepare_back(
    sums: Int64, count: int, frozen: bool, channels: Int32, shift: int, back_channels: Int32, tally: Int64
) -> None:
    """Write what a backward pass reads, (3, C); frozen statistics take nothing of the error, so their means are 0."""
    for c in range(sums.shape[1]):
        factor = norm_factor_back(int(channels[SCALE, c]), int(channels[INVERSE, c]), shift)
        back_channels[ERROR_MEAN, c] = 0 if frozen else norm_mean(int(sums[1, c]), count)
        back_channels[PRODUCT_MEAN, c] = 0 if frozen else mean(int(sums[0, c]), count)
        back_channels[FACTOR, c] = factor_code(factor)
        tally[FACTOR_EVENTS] += factor != factor_code(factor)


@entry
def back(d: Int16, x: Int16, back_channels: Int32, to: Narrow, out: Codes, tally: Int64) -> None:
    """Write δ_z = requantise(t · k), t = δ_y less what the statistics take of it."""
    clamped = 0
    error_mean, product_mean, factor = back_channels[ERROR_MEAN], back_channels[PRODUCT_MEAN], back_channels[FACTOR]
    for i in range(d.shape[0]):
        errors, inputs, line = d[i], x[i], out[i]
        for c in range(d.shape[1]):
            t = norm_error(int(errors[c]), int(error_mean[c]), int(inputs[c]), int(product_mean[c]))
            aligned = align(t * int(factor[c]), to.shift)
            code = saturate(aligned, to.low, to.high)
            line[c] = code
            clamped += aligned != code
    tally[ERROR_EVENTS] += clamped
