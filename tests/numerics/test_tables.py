"""Activation and derivative tables against exact arithmetic, every address."""

import math
from fractions import Fraction

import naive
import pytest

from neuro_emu.numerics.activations import NAMES, derivative_format
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.tables import activation_table, derivative_table

pytestmark = pytest.mark.integer

FRACS = range(7)
OUTPUTS = ("s8f7", "u8f8", "u4f4", "s1f0", "s16f12", "u1f1")


def e_to_minus(v):
    """Two fractions that enclose e^-v for v >= 0: the alternating series of e^(-v/2^k), squared k times."""
    halvings = max(0, math.ceil(v)).bit_length() + 1
    x, terms = v / 2**halvings, 40
    partial = sum(((-x) ** n / math.factorial(n) for n in range(terms)), Fraction(0))
    low, high = sorted((partial, partial + (-x) ** terms / math.factorial(terms)))
    digits = 2**300
    for _ in range(halvings):
        low = Fraction(math.floor(low * low * digits), digits)
        high = Fraction(math.ceil(high * high * digits), digits)
    return low, high


def sigmoid_bounds(v):
    if v < 0:
        low, high = sigmoid_bounds(-v)
        return 1 - high, 1 - low
    low, high = e_to_minus(v)
    return 1 / (1 + high), 1 / (1 + low)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frac", FRACS)
def test_activation_tables_equal_exact_arithmetic(name, frac):
    for output in OUTPUTS:
        found = activation_table(name, frac, Format.parse(output))
        assert found.tolist() == naive.activation_table(name, frac, output)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frac", FRACS)
def test_derivative_tables_equal_exact_arithmetic(name, frac):
    expected, f_d = naive.derivative_table(name, frac)
    assert derivative_table(name, frac).tolist() == expected
    assert derivative_format(name).frac == f_d


@pytest.mark.parametrize("frac", [0, 4, 6])
def test_sigmoid_and_tanh_lie_within_half_a_code_of_enclosed_values(frac):
    """Independent of any library's exp: rational bounds of the series decide every entry."""
    for q in range(-128, 128, 7):
        v = Fraction(q, 2**frac)
        for name, table_format, (low, high) in (
            ("sigmoid", Format.parse("u16f16"), sigmoid_bounds(v)),
            ("tanh", Format.parse("s16f14"), tuple(2 * b - 1 for b in sigmoid_bounds(2 * v))),
        ):
            codes = [table_format.quantise(bound) for bound in (low, high)]
            assert codes[0] == codes[1]  # else the enclosure is too wide to decide
            assert activation_table(name, frac, table_format)[q % 256] == codes[0]


@pytest.mark.parametrize("frac", FRACS)
def test_one_bit_derivatives_open_strictly_inside(frac):
    one = 2**frac
    hard, relu = derivative_table("hard_tanh", frac), derivative_table("relu", frac)
    open_at = [q for q in range(-128, 128) if hard[q % 256]]
    assert open_at == list(range(-one + 1, one))
    assert [q for q in range(-128, 128) if relu[q % 256]] == list(range(1, 128))


def test_known_entries():
    sigmoid = activation_table("sigmoid", 4, Format.parse("u8f8"))
    assert [int(sigmoid[q % 256]) for q in (-128, -16, 0, 16, 127)] == [0, 69, 128, 187, 255]
    tanh = activation_table("tanh", 4, Format.parse("s8f7"))
    assert [int(tanh[q % 256]) for q in (-128, -16, 0, 16, 127)] == [-128, -97, 0, 97, 127]
    assert int(derivative_table("tanh", 4)[0]) == 255
    assert int(derivative_table("sigmoid", 4)[0]) == 64
    assert int(derivative_table("tanh_relu", 4)[0]) == 0
