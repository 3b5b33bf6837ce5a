"""Every rule on convolutions, pools and dense layers against NumPy integers: weights, feedback, registers."""

import pytest
from dense_pair import fmt
from rule_graphs import ALL, changed, chip_of, compare, copied, own_formats, plain, trained

from neuro_emu.machine.learning import Decay, Momentum


@pytest.mark.parametrize("rule", ALL)
def test_rules(rule):
    chip = chip_of(rule, plain())
    _, state, after = compare(chip, 2)
    learning = [reading.learns for reading in chip.readings]
    assert changed(state, after, "weights") == learning
    assert all(learning) == (rule != "shallow")
    learned = [m.layer for m in chip.matrices if m.kind.value in {"twin", "feedback"}]
    assert [k for k, moved in enumerate(changed(state, after, "feedback")) if moved] == sorted(learned)
    assert bool(learned) == (rule in {"kp", "asap", "asfp", "dkp", "weight_mirror"})


@pytest.mark.parametrize("rule", ["asap", "activation_sharing", "asfp"])
@pytest.mark.parametrize("matching", ["max_pool", "average_pool", "random"])
@pytest.mark.parametrize(("block", "lag"), [(2, 1), (4, 1), (3, 0)])
def test_shared_activations(rule, matching, block, lag):
    compare(chip_of(rule, plain(), options=(("block", block), ("lag", lag), ("matching", matching))))


@pytest.mark.parametrize("rule", ["kp", "asap"])
def test_twins_decay_with_their_weights(rule):
    compare(chip_of(rule, plain(), weight_decay=Decay(((0, 4),), 2, first_layer=True)))


def test_a_first_layer_that_is_fixed():
    compare(chip_of("asap", plain(), options=(("first_layer", "fixed"),)))


# --- fixed points ---------------------------------------------------------------------------------------

SETTINGS = {
    "plain": {},
    "momentum": {"momentum": Momentum(3, fmt("s24f12"))},
    "nesterov": {"momentum": Momentum(2, fmt("s20f10"), nesterov=True), "weight_decay": Decay(((0, 5),), 2)},
    "gate": {"error_gate": 120},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_blocks_of_one_layer_share_nothing(settings):
    """With block 1 and no lag asap is kp, activation sharing is bp."""
    for rule, other in (("asap", "kp"), ("activation_sharing", "bp")):
        sharing = trained(chip_of(rule, plain(), options=(("block", 1),), **settings))
        usual = trained(chip_of(other, plain(), **settings))
        for name in ("weights", "feedback"):
            pairs = zip(getattr(sharing, name), getattr(usual, name), strict=True)
            assert all(a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_kp_with_copied_feedback_is_bp(settings):
    chip = chip_of("kp", own_formats(plain()), **settings)
    begun = copied(chip)
    same, exact = trained(chip, begun), trained(chip_of("bp", chip.graph, **settings))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(same.weights, exact.weights, strict=True))
    assert all(changed(begun, same, "weights"))
    for k, back in enumerate(same.feedback):
        crossed = chip.crossed(k)
        w = same.weights[crossed.layer][: crossed.depth]
        assert (back == (w if crossed.window else w.T)).all()
