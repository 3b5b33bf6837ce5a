"""What a rule's plan means for the layers of a graph, and what graphs refuse by name."""

import math

import numpy as np
import pytest
from dense_pair import learning_of, numerics_of, samples
from rule_graphs import CLASSES, OWN, chip_of, fmt, plain

from neuro_emu.errors import RuleError, RunError
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.initialise import initial_state
from neuro_emu.machine.deep.reading import Back, Source
from neuro_emu.machine.learning import Mirror
from neuro_emu.network.deep.builder import Builder
from neuro_emu.numerics.words import word
from neuro_emu.rules import RULES, Need, Rule
from neuro_emu.training.deep_engine import DeepEngine

pytestmark = pytest.mark.integer

LAST = Source.ERROR
"""The output layer learns from its error with every rule."""


def sources(rule, **options):
    return [reading.source for reading in chip_of(rule, plain(), options=tuple(options.items())).readings]


def test_sources():
    """Of the six hidden layers and the output layer."""
    assert sources("drtp") == [Source.LABEL] * 6 + [LAST]
    assert sources("dfa") == sources("dkp") == [Source.ERROR] * 6 + [LAST]
    assert sources("sdfa") == [Source.ERROR_SIGN] * 6 + [LAST]
    assert sources("shallow") == [Source.NONE] * 6 + [LAST]
    assert sources("bp") == sources("asap") == [Source.CHAIN] * 6 + [LAST]
    assert sources("asap", first_layer="fixed") == [Source.NONE] + [Source.CHAIN] * 5 + [LAST]
    local = [Source.CHAIN if k % 3 or not k else Source.LOCAL for k in range(6)]
    assert sources("asfp", block=3, local_classifier=True) == [*local, LAST]


def test_ways_back():
    ways = {"bp": "WEIGHTS", "sign_symmetry": "SIGNS", "fa": "FIXED", "kp": "TWIN", "asfp": "LEARNED"}
    for rule, back in ways.items():
        assert {reading.back for reading in chip_of(rule, plain()).readings[1:]} == {Back[back]}
    assert [r.mirror for r in chip_of("weight_mirror", plain()).readings] == [False] + [True] * 6


def test_shared_layers():
    """Block 2: layer 0 alone, 1 and 2 share its output, 3 and 4 that of layer 2 …; with a lag one layer later."""
    assert [r.activation for r in chip_of("asap", plain()).readings] == [None, None, 0, None, 2, None, 4]
    lagging = chip_of("asap", plain(), options=(("lag", 1),))
    assert [r.activation for r in lagging.readings] == [None, None, 0, 0, 2, 2, 4]
    own = chip_of("asfp", plain(), options=(("lag", 1), ("matching", "average_pool"))).readings
    assert [r.activation for r in own] == [None] * 7
    assert [r.shared for r in own] == [None, None, 0, 0, 2, 2, 4]
    assert {r.matching for r in own[2:]} == {"average_pool"}
    assert [r.feedback for r in own] == [None] + [Source.CHAIN] * 6


def test_feedback_lies_like_weights_behind_convolutions():
    shapes = [b.shape for b in initial_state(chip_of("fa", plain())).feedback]
    layers = plain().layers
    assert shapes == [(la.depth, la.units) if la.window else (la.units, la.depth) for la in layers[1:]]
    heads = [(CLASSES, plain().nodes[plain().head(k)].neurons) for k in range(6)]
    assert [b.shape for b in initial_state(chip_of("dkp", plain())).feedback] == heads
    assert not any(b.size for b in initial_state(chip_of("bp", plain())).feedback)


@pytest.mark.parametrize(("rule", "ranges"), [("fa", "feedback_range"), ("kp", "learned_range")])
def test_first_feedback(rule, ranges):
    """Tag 2, the slot, row and column as stored; Kaiming with the depth of the layer that errors cross."""
    chip = chip_of(rule, plain(), **{"feedback_range": "full", "learned_range": "full", ranges: "kaiming"})
    for slot, (found, crossed) in enumerate(zip(initial_state(chip).feedback, plain().layers[1:], strict=True)):
        a = min(math.isqrt(6 * 4**7 // crossed.depth), 255)
        drawn = [[word(1, 2, slot, i, j) * (2 * a + 1) // 2**32 - a for j in range(found.shape[1])]
                 for i in range(found.shape[0])]  # fmt: skip
        assert found.tolist() == drawn


def net(*learns):
    made = Builder((5, 5, 2), fmt("s8f6"))
    for learning in learns:
        made.conv(3, 3, OWN, padding=1, activation="relu", learns=learning)
    made.dense(CLASSES, OWN, activation="sigmoid", code=fmt("u8f8"), delta=fmt("s9f8"))
    return made.graph()


@pytest.mark.parametrize("rule", ["bp", "kp", "dfa", "dkp", "asfp"])
def test_kernels_that_never_learn_stay_and_pass_errors_on(rule):
    chip = chip_of(rule, net(True, False))
    state = initial_state(chip)
    codes, labels = samples(50, CLASSES, 8)
    engine = DeepEngine(chip, state, codes.astype(np.int16) // 2, labels)
    engine.begin_epoch(0, np.arange(8))
    engine.train(0, 8)
    after = engine.state()
    assert [(a != b).any() for a, b in zip(state.weights, after.weights, strict=True)] == [True, False, True]
    assert after.row_registers[1] == state.row_registers[1]


# --- what is refused ------------------------------------------------------------------------------------


def reads(learn, need=Need.CHAIN, output=None, **more):
    """The readings of a rule made of a body."""
    rule = Rule("own", need, learn, "", output=output or RULES["bp"].output, **more)
    learning = learning_of("bp", len(plain().layers), 4)
    learning = type(learning)(**{**vars(learning), "rule": rule})
    return DeepChip(plain(), numerics_of(), learning, chip_of("bp", plain()).design).readings


def skips(dp, k):
    dp.update(k, dp.gate(k, dp.project(k, dp.delta(min(k + 2, dp.last)))))


def no_slope(dp, k):
    dp.update(k, dp.project(k, dp.error()))


def two_slopes(dp, k):
    dp.update(k, dp.gate(k, dp.gate(k, dp.project(k, dp.error()))))


def label_teaches(dp, k):
    dp.update(k, dp.gate(k, dp.label_row(k)))
    dp.learn_feedback(k, dp.error(), dp.output(k))


def idle_classifier(dp, k):
    dp.update(k, dp.gate(k, dp.project(k, dp.error())))
    dp.learn_local(k)


BODIES = {
    "learns from project of gate of layer": skips,
    "updates W with project, not with the signal behind f′": no_slope,
    "multiplies two signals with f′": two_slopes,
    "teaches feedback with error and output": label_teaches,
    "has a local classifier that does not learn, or whose error nobody uses": idle_classifier,
}


@pytest.mark.parametrize(("message", "learn"), BODIES.items(), ids=range(len(BODIES)))
def test_bodies_that_are_refused(message, learn):
    need = Need.CHAIN if learn is skips else Need.ERROR
    with pytest.raises(RuleError, match=f"rule own {message}.* in layer .*, which graphs of layers do not offer"):
        reads(learn, need, settings=frozenset())


def test_a_body_of_known_operations_is_read():
    def learn(dp, k):
        dp.update(k, dp.gate(k, dp.project(k, dp.error_sign())), twin=False)

    assert {reading.source for reading in reads(learn, Need.ERROR)[:-1]} == {Source.ERROR_SIGN}


def test_forward_alignment_is_refused():
    with pytest.raises(RuleError, match="rule forward_alignment learns with random_forward"):
        chip_of("forward_alignment", plain()).refuse_unheld()


def test_mirror_mode_is_refused_with_softmax():
    chip = chip_of("weight_mirror", plain(), loss="cce", mirror=Mirror(4, 1, 1))
    with pytest.raises(RunError, match="loss cce has no mirror mode"):
        chip.refuse_unheld()


def test_feedback_needs_a_format():
    made = Builder((5, 5, 2), fmt("s8f6"))
    made.conv(3, 3, type(OWN)(OWN.weight, OWN.output, OWN.delta), activation="relu")
    made.dense(CLASSES, OWN, activation="sigmoid", code=fmt("u8f8"), delta=fmt("s9f8"))
    with pytest.raises(RunError, match=r"layer 0 .*has no feedback format, which rule fa needs"):
        chip_of("fa", made.graph()).refuse_unheld()
