"""Batch normalisation with exact fractions and Python integers, written from docs/numerics.md alone."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor, isqrt

HALF = Fraction(1, 2)


def nearest(value):
    """Round to nearest, ties up."""
    return floor(value + HALF)


def scaled(value, bits):
    """A number with *bits* more fractional bits (fewer if negative), exactly."""
    return Fraction(value) * Fraction(2) ** bits


def clamp(code, bits):
    return min(max(code, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def requantise(code, shift, bits):
    return clamp(nearest(scaled(code, -shift)), bits)


@dataclass
class Naive:
    """One layer: formats as (bits, fractional bits), state as lists of a number a channel."""

    sum_frac: int
    input: tuple
    scale: tuple
    offset: tuple
    output: tuple
    delta: tuple
    error: tuple
    epsilon: int
    shift: int
    state: list
    frozen: bool = False

    def codes(self, column):
        return [requantise(z, self.sum_frac - self.input[1], self.input[0]) for z in column]

    def measured(self, a):
        count = len(a)
        m = nearest(Fraction(64 * sum(a), count))
        return m, nearest(Fraction(sum((64 * code - m) ** 2 for code in a), count)) + self.epsilon

    def channel(self, c, z):
        """Train on the sums of channel *c*; returns q and x̂, and remembers what the way back needs."""
        gamma, beta, mean, variance = (row[c] for row in self.state)
        a = self.codes(z)
        m, now = (mean, variance) if self.frozen else self.measured(a)
        v = 2**36 // isqrt(now * 2**16)
        x = [clamp(nearest(Fraction((64 * code - m) * v, 2**16)), 16) for code in a]
        if self.frozen:
            return self.folded(c, z), x, v
        self.state[2][c] = mean + nearest(Fraction(m - mean, 2**self.shift))
        self.state[3][c] = variance + nearest(Fraction(now - variance, 2**self.shift))
        frac = 12 + self.scale[1]
        exact = [value * gamma + scaled(beta, frac - self.offset[1]) for value in x]
        return [requantise(value, frac - self.output[1], self.output[0]) for value in exact], x, v

    def folded(self, c, z):
        gamma, beta, mean, variance = (row[c] for row in self.state)
        v = 2**36 // isqrt(variance * 2**16)
        u = nearest(scaled(gamma * v, 2 - self.scale[1]))
        b = nearest(scaled(beta, 24 - self.offset[1])) - nearest(Fraction(mean * u, 2**6))
        return [requantise(code * u + b, 24 - self.output[1], self.output[0]) for code in self.codes(z)]

    def back(self, gamma, d, x, v):
        """Errors of one channel and the sums for γ and β."""
        count, total = len(d), sum(d)
        products = sum(error * value for error, value in zip(d, x, strict=True))
        m1 = 0 if self.frozen else nearest(Fraction(64 * total, count))
        m2 = 0 if self.frozen else nearest(Fraction(products, count))
        k = clamp(nearest(scaled(gamma * v, 14 - self.scale[1] - 22 + self.input[1])), 24)
        t = [64 * error - m1 - nearest(Fraction(value * m2, 2**18)) for error, value in zip(d, x, strict=True)]
        shift = self.delta[1] + 20 - self.error[1]
        return [requantise(value * k, shift, self.error[0]) for value in t], (products, total)
