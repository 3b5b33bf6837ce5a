"""Vector code against portable code on random chips that it accepts, and on shared pieces of a block."""

from dataclasses import replace

import pytest
from backend_designs import FORGETS, legal
from environment import WITHOUT_JIT
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from vector_chips import Run, Settings, chip_of, compare

from neuro_emu.datapath.backends import VECTOR, available
from neuro_emu.numerics.activations import NAMES, derivative_format

pytestmark = [pytest.mark.integer, pytest.mark.skipif(not available(), reason="this processor has no vector code")]

RULES = ["drtp", "bp", "dfa", "fa", "kp", "sdfa", "shallow"]
EPOCHS = 1 if WITHOUT_JIT else 3
EXAMPLES = 6 if WITHOUT_JIT else 2 * settings().max_examples


def codes(draw, signed, bits):
    """A format with as many fractional bits as make f_in + f_W − f_table large enough to drop."""
    letter = "s" if draw(signed) else "u"
    width = draw(bits) + (letter == "s")
    return f"{letter}{width}f{draw(st.integers(max(width - 3, 0), width))}"


@st.composite
def some(draw):
    """Settings of which most are eligible: no shift to the left, products of 16 bits."""
    activation = draw(st.sampled_from(NAMES))
    wide = draw(st.booleans())
    weights = [draw(st.integers(9, 16) if wide else st.integers(1, 8)), draw(st.integers(1, 16))]
    code = codes(draw, st.booleans(), st.integers(1, 8 if wide else 7))
    hidden = codes(draw, st.booleans(), st.integers(1, 12 if wide else 7))
    widest = max(int(name[1:].split("f")[0]) for name in (code, hidden))
    bits = draw(st.integers(1, min(16 - widest, 12)))
    projected = draw(st.integers(2, 16))
    frac = draw(st.integers(0, 7))
    slopes = derivative_format(activation).frac
    depth = draw(st.sampled_from([1, 1, 2, 3]))
    units = [64, 64, 65, 96, 96] if WITHOUT_JIT else [64, 65, 96, 127, 130, 200, 333]
    return Settings(
        rule=draw(st.sampled_from(RULES)),
        sizes=(
            draw(st.integers(1, 40)),
            *(draw(st.sampled_from(units)) for _ in range(depth)),
            draw(st.integers(1, 20)),
        ),
        weight=f"s{weights[0]}f{draw(st.integers(2, 12))}",
        top=f"s{weights[1]}f{draw(st.integers(2, 12))}",
        code=code,
        hidden=hidden,
        delta=f"s{bits}f{draw(st.integers(0, frac + slopes))}",
        delta_top=f"s{min(draw(st.integers(1, 9)), 16 - widest)}f{draw(st.integers(3, 8))}",
        projection=f"s{projected}f{frac}",
        feedback=f"s{draw(st.integers(2, 10))}f{frac + draw(st.integers(0, 6))}",
        activation=activation,
        table_frac=draw(st.integers(0, 3)),
        shift=tuple(draw(st.lists(st.integers(1, 20), min_size=1, max_size=3))),
        rounding=draw(st.sampled_from(["STOCH", "STOCH", "STOCH", "TRN", "RND"])),
        words=draw(st.sampled_from(["row_word", "row_lfsr", "raw"])),
        zero_input=draw(st.sampled_from(["skip", "gate", "none"])),
        gate=draw(st.sampled_from([None, None, 0, 100])),
        batch=draw(st.sampled_from([1, 1, 1, 2, 5])),
        more=draw(st.sampled_from([{}, {}, FORGETS])),
        loss=draw(st.sampled_from(["bce", "bce", "cce", "mse"])),
        hot=draw(st.sampled_from([1, 1, 1, 0, 2])),
        banks=draw(st.sampled_from([1, 2, 4])),
        lanes=draw(st.integers(1, 40)),
        seed=draw(st.integers(0, 2**64 - 1)),
        initial=draw(st.sampled_from(["zero", "random", "random"])),
        density=draw(st.sampled_from([0.0, 0.2, 0.6, 1.0])),
    )


def usual(s):
    """The settings, legal, with N-hot targets and regression only where there is a loss for them."""
    s = legal(s)
    if s.loss != "mse" or s.sizes[-1] < 2:
        s = replace(s, hot=1)
    return s


def allowed(chip):
    """Whether every shift is one that the contract has."""
    return all(0 <= chip.shift_of(matrix, epoch) <= 31 for matrix in chip.matrices for epoch in range(EPOCHS))


@settings(max_examples=EXAMPLES)
@given(some())
def test_random_chips_agree_with_the_portable_back_end(given_settings):
    given_settings = usual(given_settings)
    chip = chip_of(given_settings)
    assume(allowed(chip))
    vector = Run(chip, VECTOR).vector
    event(f"vector: {vector}, rule: {given_settings.rule}")
    assume(vector)
    runs = compare(chip, [VECTOR], epochs=range(EPOCHS), seed=given_settings.lanes, density=given_settings.density)
    event(f"trains: {all(runs[VECTOR].trained)}")
