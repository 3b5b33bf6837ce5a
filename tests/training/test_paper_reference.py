"""The papers' equations as they stand in paper_equations.py, against finite differences and against each other."""

from itertools import pairwise

import numpy as np
import pytest
from paper_equations import PaperNetwork, pooled

SIZES, RATES = [5, 7, 6, 8, 3], [0.1, 0.2, 0.05, 0.3]


def build(rule, sizes=SIZES, *, feedback=None, eta=RATES, activation="tanh", **others):
    """A network whose feedback is the transpose of its weights, unless given."""
    draw = np.random.default_rng(3)
    weights = [0.6 * draw.standard_normal((n, m)) for m, n in pairwise(sizes)]
    biases = [0.1 * draw.standard_normal(n) for n in sizes[1:]]
    feedback = [w.T for w in weights[1:]] if feedback is None else feedback
    return PaperNetwork(
        rule=rule, sizes=sizes, activation=activation, W=weights, b=biases, B=feedback, eta=eta, **others
    )


def samples(count=20, inputs=5, classes=3):
    draw = np.random.default_rng(7)
    return [(draw.standard_normal(inputs), int(draw.integers(classes))) for _ in range(count)]


def random_feedback():
    draw = np.random.default_rng(9)
    return [0.5 * draw.standard_normal((n, m)) for n, m in pairwise(SIZES[1:])]


def gap(one, other, names="Wb", first=0):
    """Largest difference of the matrices named, from layer *first* on."""
    pairs = [p for name in names for p in list(zip(getattr(one, name), getattr(other, name), strict=True))[first:]]
    return max(np.abs(p - q).max() for p, q in pairs)


def slope_of(array, loss):
    """Central differences of *loss* by every entry of *array*."""
    slope = np.empty_like(array)
    for i in np.ndindex(array.shape):
        value, ends = array[i], []
        for shift in (1e-5, -1e-5):
            array[i] = value + shift
            ends.append(loss())
        array[i], slope[i] = value, (ends[0] - ends[1]) / 2e-5
    return slope


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "identity"])
def test_bp_is_the_gradient_of_binary_cross_entropy(activation):
    net = build("bp", [5, 6, 4, 3], eta=1.0, activation=activation)
    x, label = samples(1)[0]

    def loss():
        z = net.forward(x, label)["z"][-1]
        return np.sum(np.logaddexp(0.0, z)) - z[label]

    numeric = [(array.copy(), slope_of(array, loss)) for array in net.W + net.b]
    net.train(x, label)
    for new, (old, slope) in zip(net.W + net.b, numeric, strict=True):
        assert np.linalg.norm(new - old + slope) <= 1e-6 * np.linalg.norm(slope)


@pytest.mark.parametrize("rule", ["kp", "asap", "activation_sharing"])
def test_with_transposed_feedback_and_blocks_of_one_it_is_bp(rule):
    reference, net = build("bp"), build(rule, options={"block": 1, "first_layer": "trained"})
    for x, label in samples():
        assert reference.train(x, label) == net.train(x, label)
    assert gap(reference, net) < 1e-12


def test_a_fixed_first_layer_changes_nothing_else():
    reference, net = build("bp"), build("asap", options={"block": 1, "first_layer": "fixed"})
    first = net.W[0].copy()
    for one in (reference, net):
        one.train(*samples(1)[0])
    assert gap(reference, net, first=1) < 1e-15
    assert np.array_equal(first, net.W[0])


def test_asfp_with_blocks_of_one_and_one_rate_is_kp():
    pair = [build(r, feedback=random_feedback(), eta=0.1, eta_B=0.1, options={"block": 1}) for r in ("kp", "asfp")]
    for sample in samples():
        for net in pair:
            net.train(*sample)
    assert gap(*pair, names="WbB") < 1e-12


@pytest.mark.parametrize(("rule", "options"), [("kp", {}), ("asap", {"block": 2, "first_layer": "trained"})])
def test_decay_shrinks_the_asymmetry(rule, options):
    net = build(rule, feedback=random_feedback(), options=options, weight_decay=(0.05, 2, False))
    start = [w - m.T for w, m in zip(net.W[1:], net.B, strict=True)]
    for sample in samples():
        net.train(*sample)
    for w, m, d in zip(net.W[1:], net.B, start, strict=True):
        assert np.abs(w - m.T - 0.95**10 * d).max() < 1e-12


def test_pooling_by_hand():
    assert np.array_equal(pooled(np.array([1.0, 5.0, 2.0]), 4, "max_pool"), [5.0, 5.0, 5.0, 5.0])
    assert np.array_equal(pooled(np.array([1.0, 5.0, 2.0]), 2, "average_pool"), [3.0, 3.5])
