"""A second oracle: APyTypes, an arbitrary-precision fixed-point library used in RTL projects."""

import apytypes
import pytest
from environment import WITHOUT_JIT

from neuro_emu.numerics import ops
from neuro_emu.numerics.modes import Overflow, Rounding

pytestmark = pytest.mark.integer

BITS = 8 if WITHOUT_JIT else 12
CODES = list(range(-(2 ** (BITS - 1)), 2 ** (BITS - 1)))
MODES = [mode for mode in Rounding if mode is not Rounding.STOCH]  # APyTypes draws from its own generator


def cast_by_apytypes(shift, bits, rounding, overflow):
    """Codes after casting every code with *shift* fractional bits to an integer format of *bits* bits."""
    values = apytypes.APyFixedArray([code % 2**BITS for code in CODES], int_bits=BITS - shift, frac_bits=shift)
    cast = values.cast(
        int_bits=bits,
        frac_bits=0,
        quantization=getattr(apytypes.QuantizationMode, rounding.value),
        overflow=getattr(apytypes.OverflowMode, overflow.value),
    )
    return [int(value) for value in cast.to_numpy()]


@pytest.mark.parametrize("overflow", list(Overflow), ids=lambda m: m.value)
@pytest.mark.parametrize("rounding", MODES, ids=lambda m: m.value)
@pytest.mark.parametrize("shift", [0, 1, 2, 3, 5, 8])
def test_rounding_and_overflow_equal_apytypes(shift, rounding, overflow):
    for bits in (2, 4, 7, 14):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        rounded = [ops.round_shift(code, shift, rounding.code, 0) for code in CODES]
        found = [ops.overflow(code, low, high, overflow.code) for code in rounded]
        assert found == cast_by_apytypes(shift, bits, rounding, overflow)
        if rounding is Rounding.RND and overflow is Overflow.SAT:
            assert [ops.requantise(code, shift, low, high) for code in CODES] == found
