"""Dense networks give the same bytes on the per-sample datapath and on the one of graphs."""

import pytest
from dense_pair import assert_equal_bytes, fmt, layers_of, learning_of, numerics_of
from environment import WITHOUT_JIT

from neuro_emu.machine.learning import Decay, Momentum
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource

pytestmark = pytest.mark.integer

SIZES = (20, 17, 9, 5)
TWINS = ("kp", "asap")
RULES = (
    "drtp",
    "dfa",
    "sdfa",
    "bp",
    "shallow",
    "fa",
    "sign_symmetry",
    "kp",
    "dkp",
    "asap",
    "activation_sharing",
    "asfp",
)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch", [2, 7, 64])
def test_rules_and_batches(rule, batch):
    assert_equal_bytes(layers_of(SIZES, twins=rule in TWINS), learning_of(rule, 3, batch), numerics_of())


@pytest.mark.parametrize("rule", ["drtp", "dfa", "bp"])
@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": Momentum(3, fmt("s24f12"))},
        {"momentum": Momentum(2, fmt("s16f10"), nesterov=True)},
        {"error_gate": 40},
        {"error_gate": 127, "initial": "zero"},  # the first errors are 255 − 128
        {"dropout": 70},
        {"dropout": 70, "error_gate": 40},
        {"weight_decay": Decay(((0, 6), (1, 8)), 3)},
        {"weight_decay": Decay(((0, 5),), 2, first_layer=True), "momentum": Momentum(3, fmt("s20f10"))},
        {"loss": "mse"},
        {"initial": "zero"},
        {"feedback_source": "sign", "feedback_range": "kaiming"},
        {"feedback_source": "lfsr"},
    ],
    ids="-".join,
)
def test_settings(rule, settings):
    assert_equal_bytes(layers_of(SIZES), learning_of(rule, 3, 7, **settings), numerics_of())


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("overflow", Overflow)
def test_rounding(rounding, overflow):
    assert_equal_bytes(layers_of(SIZES), learning_of("bp", 3, 7), numerics_of(rounding, overflow))


FORMATS = {
    "tanh": {"hidden": "tanh", "delta": "s10f8"},
    "relu, unsigned": {"hidden": "relu", "code": "u8f6", "weight": "s16f12", "delta": "s16f14"},
    "wide codes": {"hidden": "identity", "code": "s12f8", "weight": "s16f14", "delta": "s16f12"},
    "narrow": {"weight": "s4f3", "delta": "s3f2", "code": "s5f3", "last": "s6f4"},
}


@pytest.mark.parametrize("formats", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("rule", ["dfa", "bp"])
def test_formats(rule, formats):
    assert_equal_bytes(layers_of(SIZES, **formats), learning_of(rule, 3, 7), numerics_of())


@pytest.mark.parametrize("bits", [12, 18, 40])
def test_accumulators_wrap(bits):
    fast, _ = assert_equal_bytes(layers_of(SIZES), learning_of("dfa", 3, 7), numerics_of(bits=bits))
    assert bits != 12 or fast.tally().events[:, 6].all()


def test_softmax():
    layers = layers_of(SIZES, output="softmax")
    assert_equal_bytes(layers, learning_of("bp", 3, 7, loss="cce"), numerics_of())


def test_galois_words():
    assert_equal_bytes(layers_of(SIZES), learning_of("bp", 3, 7), numerics_of(words=WordSource.ROW_LFSR))


def test_a_net_of_many_blocks():
    """More than 64 rows and columns, so that panels, blocks and strips have neighbours."""
    sizes, count = ((70, 66, 5), 20) if WITHOUT_JIT else ((150, 131, 70, 10), 200)
    for rule in ("drtp", "bp"):
        assert_equal_bytes(layers_of(sizes), learning_of(rule, 3, 64), numerics_of(), count=count, epochs=1)
