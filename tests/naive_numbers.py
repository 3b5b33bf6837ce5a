"""The numbers of the naive reference: formats, rounding, overflow and the tables of the activation functions.

As obvious as naive.py, written from docs/numerics.md alone; nothing here is shared with the emulator package.
"""

import math
import re
from decimal import Decimal, localcontext
from fractions import Fraction

HALF = Fraction(1, 2)


def parse_format(text):
    match = re.fullmatch(r"([su])(\d+)f(\d+)", text)
    if match is None:
        raise ValueError(f"not a format: {text!r}")
    signed, bits, frac = match[1] == "s", int(match[2]), int(match[3])
    if not (1 <= bits <= 32 and 0 <= frac <= 31):
        raise ValueError(f"format out of range: {text!r}")
    return signed, bits, frac


def limits(signed, bits):
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def frac_of(fmt):
    return parse_format(fmt)[2]


def max_code(fmt):
    signed, bits, _ = parse_format(fmt)
    return limits(signed, bits)[1]


def quantise(value, signed, bits, frac):
    return overflow(math.floor(Fraction(value) * 2**frac + HALF), signed, bits, "SAT")


def input_code(byte, fmt):
    """The code of a pixel byte in an input format."""
    bits = parse_format(fmt)[1]
    return byte // 2 ** (8 - bits) if bits < 8 else byte


def round_shift(acc, s, mode, r=0):
    if s <= 0:
        return acc * 2**-s
    exact = Fraction(acc, 2**s)
    if mode == "TRN":
        return math.floor(exact)
    if mode == "TRN_ZERO":
        return math.trunc(exact)
    if mode == "RND":
        return math.floor(exact + HALF)
    if mode == "RND_CONV":
        return round(exact)  # Python rounds a Fraction half to even
    if mode == "STOCH" and 0 <= r < 2**s:
        return math.floor(exact + Fraction(r, 2**s))
    raise ValueError(f"bad rounding {mode!r} (r = {r}, s = {s})")


def overflow(v, signed, bits, mode):
    lo, hi = limits(signed, bits)
    if mode == "SAT":
        return min(max(v, lo), hi)
    if mode == "WRAP":
        return (v - lo) % 2**bits + lo
    raise ValueError(f"bad overflow {mode!r}")


fit = overflow  # so that `requantise` can have a parameter of that name


def requantise(acc, f_src, fmt, rounding="RND", overflow="SAT", r=0):
    signed, bits, frac = parse_format(fmt)
    return fit(round_shift(acc, f_src - frac, rounding, r), signed, bits, overflow)


def accumulate(products, bits, mode):
    value, exact, clamps = 0, 0, 0
    for product in products:
        exact += product
        stepped = overflow(value + product, True, bits, mode)
        clamps += stepped != value + product
        value = stepped
    return value, clamps if mode == "SAT" else int(value != exact)


def real_activation(name, v):
    """f(v), exact for the piecewise linear functions, to 80 digits for the others."""
    if name == "hard_tanh":
        return max(Fraction(-1), min(Fraction(1), v))
    if name == "relu":
        return max(Fraction(0), v)
    if name == "identity":
        return v
    if name == "tanh_relu":
        return real_activation("tanh", max(Fraction(0), v))
    with localcontext() as context:
        context.prec = 80
        x = Decimal(v.numerator) / Decimal(v.denominator)
        if name == "tanh":
            t = (-2 * x).exp()
            return Fraction((1 - t) / (1 + t))
        if name == "sigmoid":
            return Fraction(1 / (1 + (-x).exp()))
    raise ValueError(f"unknown activation {name!r}")


def real_derivative(name, v):
    if name == "sigmoid":
        y = real_activation("sigmoid", v)
        return y * (1 - y)
    if name == "tanh_relu" and v <= 0:
        return Fraction(0)
    return 1 - real_activation("tanh", v) ** 2


def activation_table(name, table_frac, fmt):
    table = [0] * 256
    for q in range(-128, 128):
        table[q % 256] = quantise(real_activation(name, Fraction(q, 2**table_frac)), *parse_format(fmt))
    return table


def derivative_table(name, table_frac):
    table, one = [0] * 256, 2**table_frac
    for q in range(-128, 128):
        if name == "hard_tanh":
            table[q % 256] = int(-one < q < one)
        elif name == "relu":
            table[q % 256] = int(q > 0)
        elif name == "identity":
            table[q % 256] = 1
        else:
            table[q % 256] = quantise(real_derivative(name, Fraction(q, one)), False, 8, 8)
    return table, 0 if name in ("hard_tanh", "relu", "identity") else 8


def softmax_table(table_frac):
    """T: exp(-d) in u16f16 for the 256 distances of an address to the largest one."""
    table = []
    for d in range(256):
        with localcontext() as context:
            context.prec = 80
            value = (-Decimal(d) / 2**table_frac).exp()
        table.append(quantise(value, False, 16, 16))
    return table
