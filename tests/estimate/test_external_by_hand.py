"""Traffic of one training step of a tiny network, written down by hand for every rule from what it computes."""

import pytest

from neuro_emu.errors import RunError
from neuro_emu.estimate.external.layers import Bits, LayerTraffic, NetworkTraffic, dense_network
from neuro_emu.estimate.external.learner import FULL, THESIS, Learner
from neuro_emu.estimate.external.named import DEFAULT, learner_of
from neuro_emu.estimate.external.step import inference, training_step
from neuro_emu.estimate.external.traffic import bits_of, words_of
from neuro_emu.rules import RULES, Need, Rule

# 6-5-4-3-2 with biases; words: W0 30 + 5, W1 20 + 4, W2 12 + 3, W3 6 + 2; two samples: x 12, y0 10, y1 8, y2 6.
# Slopes q are kept apart here, as the chip does; r reads, w writes.
SIZES, BATCH = (6, 5, 4, 3, 2), 2
READ = "r x 12, r W0 35, r W1 24, r W2 15, r W3 8"
SLOPES = "w q0 10, w q1 8, w q2 6"
OWN = "w y0 10, w y1 8, w y2 6"
GATES = "r q0 10, r q1 8, r q2 6"
TRANSPOSED = f"{GATES}, r W3 8, r W2 15, r W1 24"
LEARN_READ = "r W0 35, r W1 24, r W2 15, r W3 8"
LEARN = "w W0 35, w W1 24, w W2 15, w W3 8"
ALL_OWN = "r x 12, r y0 10, r y1 8, r y2 6"
CHAIN = f"{GATES}, r B0 20, r B1 12, r B2 6"  # as W1, W2, W3 without biases
DIRECT = f"{GATES}, r B0 10, r B1 8, r B2 6"  # two classes by neurons
CHAIN_LEARNS, DIRECT_LEARNS = "w B0 20, w B1 12, w B2 6", "w B0 10, w B1 8, w B2 6"

TWO_PASSES = f"{READ}, {OWN}, {SLOPES}"
BY_HAND = {
    "bp": (TWO_PASSES, TRANSPOSED, f"{ALL_OWN}, r W0 35, {LEARN}"),
    "sign_symmetry": (TWO_PASSES, TRANSPOSED, f"{ALL_OWN}, r W0 35, {LEARN}"),
    # layers 1 and 2 share y0, layer 3 has y2; the first layer its own input
    "activation_sharing/block=2": (
        f"{READ}, w y0 10, w y2 6, {SLOPES}",
        TRANSPOSED,
        f"r x 12, r y0 10, r y2 6, r W0 35, {LEARN}",
    ),
    "activation_sharing/block=4": (
        f"{READ}, w y0 10, {SLOPES}",
        TRANSPOSED,
        f"r x 12, r y0 10, r W0 35, {LEARN}",
    ),
    "forward_alignment": (
        f"{READ}, r C0 30, r C1 20, r C2 12, {OWN}, {SLOPES}",
        TRANSPOSED,
        f"{ALL_OWN}, r W0 35, {LEARN}",
    ),
    "fa": (TWO_PASSES, CHAIN, f"{ALL_OWN}, {LEARN_READ}, {LEARN}"),
    "kp": (TWO_PASSES, CHAIN, f"{ALL_OWN}, {LEARN_READ}, {LEARN}, {CHAIN_LEARNS}"),
    "asap/block=2": (
        f"{READ}, w y0 10, w y2 6, {SLOPES}",
        CHAIN,
        f"r x 12, r y0 10, r y2 6, {LEARN_READ}, {LEARN}, {CHAIN_LEARNS}",
    ),
    "asap/block=4": (
        f"{READ}, w y0 10, {SLOPES}",
        CHAIN,
        f"r x 12, r y0 10, {LEARN_READ}, {LEARN}, {CHAIN_LEARNS}",
    ),
    # the first layer is not trained: no B0, no slopes there, no samples again
    "asap/block=2/first_layer=fixed": (
        f"{READ}, w y0 10, w y2 6, w q1 8, w q2 6",
        "r q1 8, r q2 6, r B1 12, r B2 6",
        "r y0 10, r y2 6, r W1 24, r W2 15, r W3 8, w W1 24, w W2 15, w W3 8, w B1 12, w B2 6",
    ),
    # matching with fixed C: y1 is made again as f(C1 y0), y2 has its own length
    "asap/block=2/matching=random": (
        f"{READ}, w y0 10, w y2 6, {SLOPES}",
        CHAIN,
        f"r x 12, r y0 10, r C1 20, r y2 6, {LEARN_READ}, {LEARN}, {CHAIN_LEARNS}",
    ),
    "asfp/block=2": (TWO_PASSES, CHAIN, f"{ALL_OWN}, {LEARN_READ}, {LEARN}, {CHAIN_LEARNS}"),
    # layer 2 ends a block: its classifier (3 + 1) × 2, its error through a fixed matrix 2 × 3
    "asfp/block=2/local_classifier=true": (
        TWO_PASSES,
        f"{CHAIN}, r y2 6, r L2 8",
        f"r x 12, r y0 10, r y1 8, {LEARN_READ}, {LEARN}, w B0 20, w B1 12, w L2 8",
    ),
    "dfa": (TWO_PASSES, DIRECT, f"{ALL_OWN}, {LEARN_READ}, {LEARN}"),
    "sdfa": (TWO_PASSES, DIRECT, f"{ALL_OWN}, {LEARN_READ}, {LEARN}"),
    "dkp": (TWO_PASSES, DIRECT, f"{ALL_OWN}, {LEARN_READ}, {LEARN}, {DIRECT_LEARNS}"),
    # one pass: two rows of each B_k for two samples, no activation leaves the chip
    "drtp": (READ, "r B0 10, r B1 8, r B2 6", LEARN),
    "shallow": (READ, "", "w W3 8"),
    "weight_mirror": (
        TWO_PASSES,
        CHAIN,
        f"{ALL_OWN}, {LEARN_READ}, {LEARN}",
        f"r W1 24, r W2 15, r W3 8, r B0 20, r B1 12, r B2 6, {CHAIN_LEARNS}",
    ),
}
LETTERS = {
    **{"input": "x", "activations": "y", "slopes": "q", "weights": "W", "feedback": "B", "classifier": "L"},
    **{"random forward": "C", "velocities": "V", "feedback velocities": "VB", "classifier velocities": "VL"},
}


def network(bits=None, *, slope_in_output=False):
    made = dense_network(SIZES, bits)
    return NetworkTraffic(made.name, made.layers, made.labels, slope_in_output=slope_in_output)


def learner(text, batch=BATCH, **settings):
    found = learner_of(text, batch)
    return Learner(found.rule, found.options, batch, mirror_every=batch, **settings)


def told(accesses, phase):
    """Accesses of a phase in the words of this file."""
    return sorted(
        f"{'w' if a.writes else 'r'} {LETTERS[a.tensor.kind]}{'' if a.tensor.layer < 0 else a.tensor.layer} {a.words:g}"
        for a in accesses
        if a.phase == phase
    )


def by_hand(text):
    return sorted(part for part in text.split(", ") if part)


@pytest.mark.parametrize("rule", BY_HAND)
def test_every_access_of_a_step(rule):
    accesses = training_step(network(), learner(rule))
    for phase, expected in zip(("forward", "error", "update", "mirror"), (*BY_HAND[rule], ""), strict=False):
        assert told(accesses, phase) == by_hand(expected), phase
    assert words_of(accesses) == sum(int(part.split()[2]) for text in BY_HAND[rule] for part in by_hand(text))


def test_every_rule_is_done_by_hand():
    assert {text.split("/")[0] for text in BY_HAND} == {name for name, one in RULES.items() if own(one)}
    assert set(DEFAULT) <= set(BY_HAND)


def own(one):
    """Rules of the project; tests register some of their own."""
    return one.learn.__module__.startswith("neuro_emu.rules")


def test_a_kept_activation_says_the_slope_of_relu():
    accesses = training_step(network(slope_in_output=True), learner("bp"))
    assert not [a for a in accesses if a.tensor.kind == "slopes"]
    assert told(accesses, "forward") == by_hand(f"{READ}, {OWN}")
    assert [a.words for a in accesses if a.tensor.name == "activations[1]"] == [8, 8]  # written once, read once
    shared = training_step(network(slope_in_output=True), learner("asap/block=4"))
    assert told(shared, "forward") == by_hand(f"{READ}, w y0 10, w q1 8, w q2 6")


def test_bits_of_every_kind():
    bits = Bits(weight=3, activation=5, feedback=7, slope=2, velocity=11, classifier=13)
    accesses = training_step(network(bits), learner("dkp"))
    found = {}
    for access in accesses:
        found.setdefault(access.tensor.kind, set()).add(access.bits / access.words)
    assert found == {
        **{"weights": {3}, "input": {5}, "activations": {5}, "feedback": {7}, "slopes": {2}},
        **{"velocities": {11}, "feedback velocities": {11}},
    }
    local = training_step(network(bits), learner("asfp/block=2/local_classifier=true"))
    assert {a.tensor.bits for a in local if a.tensor.kind == "classifier"} == {13}
    assert told(local, "update").count("w VL2 8") == 1


def test_velocities_move_with_what_learns_and_a_twin_has_none():
    accesses = training_step(network(Bits(velocity=16)), learner("kp"))
    moved = [part for part in told(accesses, "update") if " V" in part]
    assert moved == by_hand("r V0 35, r V1 24, r V2 15, r V3 8, w V0 35, w V1 24, w V2 15, w V3 8")


def test_rows_looked_up_by_the_label_are_as_many_as_samples_and_at_most_all():
    assert told(training_step(network(), learner("drtp", 1)), "error") == by_hand("r B0 5, r B1 4, r B2 3")
    assert told(training_step(network(), learner("drtp", 9)), "error") == by_hand("r B0 10, r B1 8, r B2 6")


def test_an_error_gate_makes_two_passes_of_one():
    accesses = training_step(network(), learner("drtp", need=Need.ERROR))
    assert told(accesses, "forward") == by_hand(TWO_PASSES)
    assert told(accesses, "update") == by_hand(f"{ALL_OWN}, {LEARN_READ}, {LEARN}")


def test_generated_matrices_lie_nowhere_and_learned_ones_cannot_be_generated():
    assert told(training_step(network(), learner("fa", generated=True)), "error") == by_hand(GATES)
    assert told(training_step(network(), learner("kp", generated=True)), "error") == by_hand(CHAIN)
    assert not [
        p for p in told(training_step(network(), learner("forward_alignment", generated=True)), "forward") if "C" in p
    ]


def test_mirror_mode_comes_as_often_as_its_samples_call_for():
    seldom = Learner(RULES["weight_mirror"], batch=2, mirror_every=100)
    always = learner("weight_mirror")
    few, many = (words_of(a for a in training_step(network(), one) if a.phase == "mirror") for one in (seldom, always))
    assert few == pytest.approx(many / 50)


def test_inference_reads_every_parameter_once():
    assert told(inference(network(), 2), "forward") == by_hand(READ)
    assert words_of(inference(network(), 2, THESIS)) == 35 + 24 + 15 + 8


@pytest.mark.parametrize("rule", ["bp", "fa", "kp", "dfa", "sdfa", "dkp", "sign_symmetry", "asfp/block=2"])
def test_two_passes_are_equations_6_1_and_6_2(rule):
    """(Param, Act) forward and (Param + Act, Param) backward, feedback free."""
    accesses = training_step(network(), learner(rule), THESIS)
    reads, writes = (words_of(a for a in accesses if a.writes is way) for way in (False, True))
    assert (reads, writes) == (82 + 82 + 24, 24 + 82)


def test_the_thesis_counts_for_the_others():
    def words(rule):
        return words_of(training_step(network(), learner(rule), THESIS))

    assert words("asap/block=2") == words("activation_sharing/block=2") == 3 * 82 + 2 * 16
    assert words("asap/block=4") == 3 * 82 + 2 * 10
    assert words("forward_alignment") == 3 * 82 + 2 * 24
    assert words("drtp") == 2 * 82
    assert words("shallow") == 82 + 8


def pooled():
    """A convolution of 16 outputs, pooled to 4, under a dense layer of 4 outputs and one of 2."""
    bits = Bits(8, 8, 8, 1, 0, 8)
    layers = (
        LayerTraffic("conv", 9, 1, 16, 16, bits, 4),
        LayerTraffic("dense1", 16, 4, 4, 4, bits),
        LayerTraffic("dense2", 8, 2, 4, 2, bits),
    )
    return NetworkTraffic("pooled", layers, 2)


def test_below_a_pooling_the_pooled_activation_and_a_mask_are_kept():
    accesses = training_step(pooled(), learner("bp", 1))
    assert told(accesses, "forward") == by_hand("r x 16, r W0 10, r W1 20, r W2 10, w y0 4, w y1 4, w q0 16")
    assert "r q0 16" in told(accesses, "error")
    assert bits_of(a for a in accesses if a.tensor.kind == "slopes") == 2 * 16


def test_direct_feedback_meets_a_convolution_before_its_pooling():
    """And a matrix that learns from y_k wants it whole, from which the pooled one and the slopes follow."""
    assert "r B0 32" in told(training_step(pooled(), learner("dfa", 1)), "error")
    learned = training_step(pooled(), learner("dkp", 1))
    assert told(learned, "forward") == by_hand("r x 16, r W0 10, r W1 20, r W2 10, w y0 16, w y1 4")
    local = training_step(pooled(), learner("asfp/block=1/local_classifier=true", 1))
    assert {a.words for a in local if a.tensor.name == "classifier[1]"} == {(4 + 1) * 2}


def test_a_rule_in_one_pass_keeps_what_is_older_than_its_layer():
    def learn(dp, k):
        dp.update(k, dp.gate(k, dp.label_row(k)), dp.output(0) if k > 1 and dp.size(0) == dp.size(k - 1) else None)

    square = dense_network((4, 4, 4, 4, 2))
    accesses = training_step(square, Learner(Rule("older", Need.LABEL, learn, ""), batch=3))
    assert [p for p in told(accesses, "forward") if "y" in p] == ["w y0 12"]
    assert [p for p in told(accesses, "update") if p[0] == "r"] == ["r y0 12"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("backprop", "learning rule 'backprop'"),
        ("asap/size=2", "options"),
        ("asap/block=0", "asap/block=0: block"),
        ("asap/block=two", "write an integer"),
        ("asfp/local_classifier=yes", "write true or false"),
        ("bp/block=2", "bp has no options"),
    ],
)
def test_rules_that_do_not_exist_are_refused(text, message):
    with pytest.raises(RunError, match=message):
        learner_of(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: learner_of("bp", 0),
        lambda: Learner(RULES["bp"], mirror_every=0),
        lambda: Bits(weight=0),
        lambda: Bits(slope=-1),
        lambda: LayerTraffic("none", 0, 0, 1, 1),
        lambda: NetworkTraffic("none", (), 2),
        lambda: NetworkTraffic("none", dense_network((2, 2)).layers, 0),
        lambda: dense_network((3,)),
    ],
)
def test_what_is_no_network_is_refused(make):
    with pytest.raises(RunError):
        make()


def test_full_counts_more_than_the_thesis():
    for rule in DEFAULT:
        all_that_moves = set(training_step(network(), learner(rule), FULL))
        assert set(training_step(network(), learner(rule), THESIS)) <= all_that_moves
