"""Convolutions, their gradients and ways back, and pools against loops over Python integers."""

import naive_deep as naive
import numpy as np
import pytest
from environment import WITHOUT_JIT
from graphs import fmt, formats, one_layer
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.datapath.deep.integer import IntegerOps
from neuro_emu.machine.deep.initialise import initial_state
from neuro_emu.network.deep.graph import Pool
from neuro_emu.network.deep.shapes import window_on
from neuro_emu.network.state import ACCUMULATOR_OVF

pytestmark = pytest.mark.integer

SIDE, CHANNELS, SAMPLES = (5, 3, 2) if WITHOUT_JIT else (7, 5, 4)
SIGNED = st.builds("s{}f3".format, st.integers(2, 16))
CODES = st.one_of(st.builds("u{}f3".format, st.integers(1, 15)), SIGNED)


@st.composite
def layers(draw):
    """Shape, (units, kernel, stride, padding), formats of codes, weights and errors, samples, rails, seed."""
    kernel = draw(st.integers(1, 4))
    padding = draw(st.integers(0, kernel - 1))
    least = max(1, kernel - 2 * padding)
    shape = draw(st.integers(least, SIDE)), draw(st.integers(least, SIDE)), draw(st.integers(1, CHANNELS))
    conv = draw(st.integers(1, 6)), kernel, draw(st.integers(1, 3)), padding
    kinds = draw(CODES), draw(SIGNED), draw(SIGNED)
    return shape, conv, kinds, draw(st.integers(1, SAMPLES)), draw(st.booleans()), draw(st.integers(0, 99))


def drawn(random, shape, kind, rails):
    storage = fmt(kind)
    if rails:
        return random.choice([storage.low, storage.high], shape)
    return random.integers(storage.low, storage.high + 1, shape)


def layer_of(case, bits=32):
    shape, conv, (code, weight, delta), n, rails, seed = case
    chip = one_layer(shape, code, conv, formats(weight, delta=delta), bits)
    ops, node = IntegerOps(chip, initial_state(chip)), chip.graph.layers[0]
    random = np.random.default_rng(seed)
    x = drawn(random, (n, *shape), code, rails).astype(np.int16)
    weights = drawn(random, (node.rows, node.units), weight, rails).astype(np.int32)
    errors = drawn(random, (n, *node.shape), delta, rails).astype(np.int16)
    return ops, node, x, weights, errors


@given(case=layers(), bits=st.sampled_from([16, 24, 32, 40]))
def test_sums_are_exact_and_wrapped_once(case, bits):
    ops, node, x, weights, _ = layer_of(case, bits)
    _, size, stride, padding = case[1]
    exact = naive.convolve(x, weights, (size, size), stride, padding, node.bias_code)
    span = 1 << bits
    wrapped = (exact + span // 2) % span - span // 2
    assert ops.patches_product(x, node, weights).tolist() == wrapped.tolist()
    assert ops.tested[0, ACCUMULATOR_OVF] == np.count_nonzero(wrapped != exact)


@given(case=layers())
def test_gradients_are_exact(case):
    ops, node, x, _, errors = layer_of(case)
    _, size, stride, padding = case[1]
    expected = naive.gradient(x, errors, (size, size), stride, padding, node.bias_code)
    assert ops.gradient(x, errors, node).tolist() == expected.tolist()


@given(case=layers())
def test_errors_go_back_exactly(case):
    ops, node, _, weights, errors = layer_of(case)
    _, size, stride, padding = case[1]
    expected = naive.back(errors, weights, node.seen, (size, size), stride, padding)
    assert ops.back_product(errors, node, weights).tolist() == expected.tolist()


@st.composite
def pools(draw):
    size = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    shape = draw(st.integers(size[0], SIDE + 2)), draw(st.integers(size[1], SIDE)), draw(st.integers(1, CHANNELS))
    return shape, size, draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 300))


@given(case=pools(), seed=st.integers(0, 99))
def test_max_pools_and_ties(case, seed):
    shape, size, stride, n, span = case
    chip = one_layer((3, 3, 1), "u8f8", (1, 1, 1, 0), formats())
    ops, random = IntegerOps(chip, initial_state(chip)), np.random.default_rng(seed)
    window, code, to = window_on(shape, size, stride), fmt("s16f7"), fmt("s8f7")
    node = Pool(1, (window.rows, window.columns, shape[2]), code, to, (0,), "", "max", shape, size, stride)
    x = (random.integers(-span, span + 1, (n, *shape)) // 10).astype(np.int16)  # few values: many ties
    pooled, choice = ops.pool(x, node)
    expected = naive.max_pool(x, size, stride)
    assert pooled.tolist() == expected[0].tolist()
    assert choice.tolist() == expected[1].tolist()
    errors = random.integers(-128, 128, pooled.shape).astype(np.int16)
    back = naive.max_pool_back(errors, choice, shape, size, stride, to.low, to.high)
    assert ops.pool_back(errors, choice, node, to, 0).tolist() == back.tolist()
