"""Rules with feedback that learns and activations that are shared: dense nets give the same bytes on both datapaths."""

import pytest
from dense_pair import assert_equal_bytes, fmt, layers_of, learning_of, numerics_of, pair
from environment import WITHOUT_JIT

from neuro_emu.errors import RuleError, RunError
from neuro_emu.machine.learning import Decay, Mirror, Momentum
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource

SIZES = (20, 17, 9, 12, 17, 5)
"""Two layers of one length, and shared activations that are longer and shorter than what they stand in for."""
TWINS = ("kp", "asap")
COUNT = 30 if WITHOUT_JIT else 60


def equal(rule, numerics=None, batch=7, net=None, **settings):
    layers = layers_of(SIZES, twins=rule in TWINS, **(net or {}))
    learning = learning_of(rule, len(layers), batch, **settings)
    return assert_equal_bytes(layers, learning, numerics or numerics_of(), count=COUNT)


SETTINGS = {
    "momentum": {"momentum": Momentum(3, fmt("s24f12"))},
    "nesterov": {"momentum": Momentum(2, fmt("s16f10"), nesterov=True)},
    "gate": {"error_gate": 40},
    "closed": {"error_gate": 127, "initial": "zero"},
    "dropout": {"dropout": 70},
    "decay": {"weight_decay": Decay(((0, 6), (1, 8)), 3), "feedback_decay": Decay(((0, 5), (1, 7)), 2)},
    "decay of all": {
        "weight_decay": Decay(((0, 5),), 2, first_layer=True),
        "feedback_decay": Decay(((0, 4),), 1),
        "momentum": Momentum(3, fmt("s20f10")),
    },
    "mse": {"loss": "mse"},
    "sources": {"feedback_source": "sign", "feedback_range": "kaiming", "learned_range": "full"},
    "lfsr": {"feedback_source": "lfsr", "feedback_lr_shift": ((0, 9), (1, 11))},
}


@pytest.mark.parametrize("rule", ["fa", "sign_symmetry", "kp", "dkp", "asap", "asfp"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_settings(rule, settings):
    equal(rule, **settings)


@pytest.mark.parametrize("rule", ["asap", "activation_sharing", "asfp"])
@pytest.mark.parametrize("matching", ["max_pool", "average_pool", "random"])
@pytest.mark.parametrize(("block", "lag"), [(1, 0), (2, 1), (3, 0), (9, 1), (1, 2)])
def test_blocks(rule, matching, block, lag):
    equal(rule, options=(("block", block), ("lag", lag), ("matching", matching)))


def test_a_first_layer_that_is_fixed():
    equal("asap", options=(("first_layer", "fixed"),), weight_decay=Decay(((0, 5),), 2, first_layer=True))


@pytest.mark.parametrize("more", [{}, {"momentum": Momentum(3, fmt("s24f12"))}, {"error_gate": 40}], ids="-".join)
@pytest.mark.parametrize("block", [1, 2, 3])
def test_local_classifiers(more, block):
    _, deep = equal("asfp", options=(("block", block), ("local_classifier", True)), **more)
    learned = [found for found in deep.state().classifiers if len(found)]
    assert len(learned) == (len(SIZES) - 3) // block
    assert all(found.any() for found in learned)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("more", [{}, {"feedback_decay": Decay(((0, 5),), 2)}, {"dropout": 70}], ids="-".join)
def test_mirrors(batch, more):
    """Batches that end where mirror mode comes, and an epoch of whole ones."""
    layers = layers_of(SIZES)
    momentum = Momentum(3, fmt("s24f12"))  # so that the per-sample datapath sums batches of one too
    learning = learning_of("weight_mirror", 5, batch, mirror=Mirror(14, 3, 2), momentum=momentum, **more)
    count = 28 if WITHOUT_JIT else 140
    _, deep = assert_equal_bytes(layers, learning, numerics_of(), count=count)
    assert deep.state().mirrored == 2 * count // 14 * 3


@pytest.mark.parametrize("rounding", [Rounding.RND, Rounding.TRN_ZERO])
@pytest.mark.parametrize("rule", ["kp", "dkp"])
def test_rounding(rule, rounding):
    equal(rule, numerics_of(rounding, Overflow.WRAP))
    equal(rule, numerics_of(words=WordSource.ROW_LFSR, bits=18))


WIDE = {"hidden": "relu", "code": "u8f6", "weight": "s16f12", "delta": "s16f14", "last": "s16f12"}


@pytest.mark.parametrize("rule", ["sign_symmetry", "kp", "dkp", "asap", "asfp"])
def test_wide_formats(rule):
    equal(rule, net=WIDE)


def test_softmax():
    equal("asap", net={"output": "softmax"}, loss="cce", options=(("lag", 1),))


def test_twins_need_the_fraction_of_their_weights():
    layers = layers_of(SIZES)
    with pytest.raises(RunError, match=r"layer 3: feedback s8f7 is the twin of weights s12f9 of layer 4"):
        assert_equal_bytes(layers, learning_of("kp", 5, 7), numerics_of())


def test_forward_alignment_is_refused_by_name():
    with pytest.raises(RuleError, match=r"rule forward_alignment learns with random_forward of .* in layer \d"):
        equal("forward_alignment")


def test_shared_codes_have_one_format():
    layers = list(layers_of(SIZES))
    layers[1] = type(layers[1])(**{**vars(layers[1]), "output": fmt("s8f6")})
    layers[2] = type(layers[2])(**{**vars(layers[2]), "input": fmt("s8f6")})
    _, chip = pair(tuple(layers), learning_of("asfp", 5, 7), numerics_of())
    with pytest.raises(
        RuleError, match=r"lets layer 2 learn with codes s8f7 of layer 0 in place of its own input s8f6"
    ):
        chip.refuse_unheld()


def test_noise_needs_a_code():
    with pytest.raises(RunError, match="noise of mirror mode has no code in s8f7"):
        equal("weight_mirror", mirror=Mirror(14, 3, 8))
