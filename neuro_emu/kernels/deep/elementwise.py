"""Requantising, activations, gates and output errors of a batch, on flat arrays. Counts of clamps are returned.

Settings are read once, before a loop: a store of a code might change what is read inside, for all the compiler knows,
and the loop would stay scalar.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from neuro_emu.jit import routine
from neuro_emu.kernels.fabric import Int16, Int32, Int64, UInt8
from neuro_emu.numerics.ops import (
    align,
    dropped,
    reciprocal,
    requantise,
    saturate,
    table_address,
    ternary_sign,
    wrap,
    xorshift,
)

Values = NDArray[Any]
"""int16, int32 or int64."""


@routine
def requantise_flat(values: Values, shift: int, low: int, high: int, codes: Int16) -> int:
    """Codes = requantise(values); returns the clamps."""
    clamped = 0
    for i in range(codes.shape[0]):
        aligned = align(int(values[i]), shift)
        code = saturate(aligned, low, high)
        clamped += code != aligned
        codes[i] = code
    return clamped


@routine
def add_flat(a: Int16, b: Int16, limits: Int64, codes: Int16) -> int:
    """Codes = requantise(a · limits[0] + b · limits[1]); the rest of *limits* is (shift, low, high).

    Returns the clamps.
    """
    left, right, shift, low, high = limits[0], limits[1], limits[2], limits[3], limits[4]
    clamped = 0
    for i in range(codes.shape[0]):
        aligned = align(int(a[i]) * left + int(b[i]) * right, shift)
        code = saturate(aligned, low, high)
        clamped += code != aligned
        codes[i] = code
    return clamped


@routine
def wrap_flat(values: Values, low: int, high: int) -> int:
    """Wrap accumulators in place; returns how many changed."""
    changed = 0
    for i in range(values.shape[0]):
        exact = int(values[i])
        total = wrap(exact, low, high)
        changed += total != exact
        values[i] = total
    return changed


@routine
def look_up(q: Int16, table: Int16, y: Int16) -> None:
    """Outputs of 8-bit pre-activations by a table (256,)."""
    for i in range(q.shape[0]):
        y[i] = table[table_address(int(q[i]))]


@routine
def linear(q: Int16, bounds: Int64, y: Int16) -> None:
    """Outputs of wider pre-activations: clamped to bounds[0] … bounds[1], then requantised.

    ``bounds`` = (low, high of q, fractional bits dropped, low, high of y).
    """
    first, last, drop, low, high = bounds[0], bounds[1], bounds[2], bounds[3], bounds[4]
    for i in range(q.shape[0]):
        y[i] = requantise(saturate(int(q[i]), first, last), drop, low, high)


@routine
def gate_flat(p: Values, q: Int16, slopes: Int64, limits: Int64, delta: Int16) -> int:
    """δ = requantise(p · f′(q)), f′ by a table (256,); ``limits`` = (shift, low, high). Returns the clamps."""
    shift, low, high = limits[0], limits[1], limits[2]
    clamped = 0
    for i in range(delta.shape[0]):
        aligned = align(int(p[i]) * slopes[table_address(int(q[i]))], shift)
        kept = saturate(aligned, low, high)
        clamped += kept != aligned
        delta[i] = kept
    return clamped


@routine
def gate_bit(p: Values, q: Int16, bounds: Int64, limits: Int64, delta: Int16) -> int:
    """The same for a piecewise linear activation of any width: f′ is 1 iff bounds[0] < q < bounds[1], else 0."""
    first, last, shift, low, high = bounds[0], bounds[1], limits[0], limits[1], limits[2]
    clamped = 0
    for i in range(delta.shape[0]):
        code = int(q[i])
        inside = (code > first) & (code < last)
        aligned = align(int(p[i]) * (1 if inside else 0), shift)
        kept = saturate(aligned, low, high)
        clamped += kept != aligned
        delta[i] = kept
    return clamped


@routine
def softmax_rows(q: Int16, exponentials: Int64, shift: int, high: int, y: Int32) -> None:
    """Outputs (n, classes) from pre-activations; *shift* is 32 less the fractional bits of the outputs."""
    for n in range(q.shape[0]):
        largest = int(q[n, 0])
        for c in range(q.shape[1]):
            largest = max(largest, int(q[n, c]))
        total = 0
        for c in range(q.shape[1]):
            total += exponentials[largest - int(q[n, c])]
        inverse = reciprocal(total)
        for c in range(q.shape[1]):
            y[n, c] = requantise(exponentials[largest - int(q[n, c])] * inverse, shift, 0, high)


@routine
def output_errors(y: Values, q: Int16, labels: Int64, slopes: Int64, limits: Int64, errors: Int32, delta: Int16) -> int:
    """E = y* − y and δ_K of (n, classes); slopes (256,) of the loss mse, or empty.

    ``limits`` = (hot, shift, low, high). Returns the clamps.
    """
    clamped = 0
    for n in range(errors.shape[0]):
        for c in range(errors.shape[1]):
            error = (limits[0] if c == labels[n] else 0) - int(y[n, c])
            slope = slopes[table_address(int(q[n, c]))] if slopes.shape[0] else 1
            aligned = align(error * slope, limits[1])
            kept = saturate(aligned, limits[2], limits[3])
            clamped += kept != aligned
            errors[n, c], delta[n, c] = error, kept
    return clamped


@routine
def signs(errors: Int32, dead_zone: int, delta: Int16) -> None:
    """Ternary signs of flat errors."""
    for i in range(delta.shape[0]):
        delta[i] = ternary_sign(int(errors[i]), dead_zone)


@routine
def drop_flat(y: Int16, threshold: int, register: Int64, gone: UInt8) -> None:
    """Drop outputs in place, a word each in their order; ``gone`` says who. *register* (1,) moves on."""
    word = int(register[0])
    for i in range(y.shape[0]):
        word = xorshift(word)
        lost = dropped(word, threshold)
        gone[i] = lost
        if lost:
            y[i] = 0
    register[0] = word


@routine
def scale_flat(y: Int16, factor: int, low: int, high: int) -> None:
    """Outputs · factor / 256 in place: what testing makes of dropout."""
    for i in range(y.shape[0]):
        y[i] = requantise(int(y[i]) * factor, 8, low, high)


@routine
def first_largest(z: Values, classes: Int64) -> None:
    """Place of the largest value of each row of z (n, units); ties go to the lowest."""
    for n in range(z.shape[0]):
        best = 0
        for j in range(1, z.shape[1]):
            if int(z[n, j]) > int(z[n, best]):
                best = j
        classes[n] = best
