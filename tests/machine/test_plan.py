"""What a rule may ask for: bodies that no chip can serve are refused with the reason, odd ones that it can agree."""

from dataclasses import replace

import numpy as np
import pytest
from machines import assert_all_equal
from strategies import Data

from neuro_emu.config.experiment import load_text
from neuro_emu.errors import RuleError
from neuro_emu.machine.plan import plan_of
from neuro_emu.rules import Need, Rule

pytestmark = pytest.mark.integer

SIZES = (5, 6, 7, 3)


def back(dp, k):
    return dp.error() if k == dp.last else dp.transpose(k, back(dp, k + 1))


def chained(dp, k):
    return dp.gate(k, dp.transpose(k, dp.delta(k + 1)))


def mirror_with(body):
    return {"mirror": body}


def plain(dp, k):
    dp.update(k, chained(dp, k))


REFUSED = {
    "writes hidden layers": (Need.NOTHING, lambda dp, k: dp.update(k, dp.gate(k, dp.label_row(k))), {}),
    "learn_feedback of layer": (
        Need.CHAIN,
        lambda dp, k: dp.learn_feedback(k - 1, dp.delta(k), dp.output(k - 1)) if k else None,
        {"output": lambda dp, k: (dp.update(k, dp.error()), dp.learn_feedback(k - 1, dp.error(), dp.output(k - 1)))},
    ),
    "dp.delta has its signal": (Need.CHAIN, lambda dp, k: dp.update(k, dp.gate(k, back(dp, k))), {}),
    "is made by groups": (Need.CHAIN, lambda dp, k: dp.learn_feedback(k, chained(dp, k), dp.output(k)), {}),
    "before the forward pass ends": (
        Need.LABEL,
        lambda dp, k: dp.update(k, dp.gate(k, dp.label_row(k)), dp.output(1) if k == 1 else None),
        {},
    ),
    "uses the output of the chip": (Need.CHAIN, lambda dp, k: dp.update(k, chained(dp, k), dp.output(dp.last)), {}),
    "pool of layer 2, which is no hidden layer": (
        Need.CHAIN,
        lambda dp, k: dp.update(k, chained(dp, k), dp.pool(dp.last, dp.output(0), "max_pool")),
        {},
    ),
    "something else than noise": (
        Need.CHAIN,
        plain,
        mirror_with(lambda dp, k: dp.learn_feedback(k, dp.drive(k + 1, dp.output(k)), dp.output(k))),
    ),
    "noise of layer 2": (Need.CHAIN, plain, mirror_with(lambda dp, _: dp.noise(dp.last))),
    "asks for update in mirror mode": (Need.CHAIN, plain, mirror_with(lambda dp, k: dp.update(k, dp.noise(k)))),
    "which has none yet": (
        Need.CHAIN,
        plain,
        mirror_with(lambda dp, k: dp.learn_feedback(k, dp.delta(1), dp.noise(k))),
    ),
    "in more than one way": (
        Need.CHAIN,
        lambda dp, k: (plain(dp, k), dp.learn_feedback(k, dp.delta(k + 1), dp.output(k))),
        mirror_with(lambda dp, k: dp.learn_feedback(k, dp.drive(k + 1, dp.noise(k)), dp.noise(k))),
    ),
    "must see W before any write": (
        Need.ERROR,
        lambda dp, k: dp.update(k, dp.gate(k, dp.transpose(k, dp.error()))),
        {},
    ),
    "writes a twin": (Need.ERROR, lambda dp, k: dp.update(k, dp.gate(k, dp.project(k, dp.error())), twin=k > 0), {}),
    "writes none of them": (Need.CHAIN, chained, {}),
    "twice; keep the first": (Need.CHAIN, lambda dp, k: (chained(dp, k), plain(dp, k)), {}),
    "twice in one sample": (Need.CHAIN, lambda dp, k: (plain(dp, k), dp.update(k, dp.delta(k))), {}),
    "as a signal to gate": (Need.CHAIN, lambda dp, k: dp.update(k, dp.gate(k, dp.output(k))), {}),
    "as an activation to update with": (Need.CHAIN, lambda dp, k: dp.update(k, chained(dp, k), dp.delta(k)), {}),
    "outside mirror mode": (Need.CHAIN, lambda dp, k: dp.update(k, chained(dp, k), dp.noise(k - 1)), {}),
    "which it does not declare": (Need.ERROR, lambda dp, _: dp.option("depth"), {}),
    "there are layers 0 … 2": (Need.ERROR, lambda dp, _: dp.output(7), {}),
    "declare needs=Need.ERROR": (Need.LABEL, lambda dp, k: dp.update(k, dp.gate(k, dp.project(k, dp.error()))), {}),
    "declare needs=Need.CHAIN": (Need.ERROR, lambda dp, k: dp.delta(k + 1), {}),
    "while it is asked what it needs: ZeroDivisionError": (Need.ERROR, lambda _dp, k: k // 0, {}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_no_chip_can_serve_is_refused(message):
    need, body, more = REFUSED[message]
    rule = Rule("odd", need, body, "odd", **more)
    order = (2, 1, 0) if need >= Need.ERROR else (0, 1, 2)
    with pytest.raises(RuleError, match="rule odd .*" + message.replace("(", r"\(")):
        plan_of(rule, SIZES, {}, order)


def learned_label_rows(dp, k):
    """Label rows that learn (a Hebbian trace of y by the error)."""
    dp.update(k, dp.gate(k, dp.label_row(k)))
    dp.learn_feedback(k, dp.error(), dp.output(k))


def twin_rows(dp, k):
    """Label rows of twins where they are direct, projections elsewhere."""
    if k == dp.last - 1:
        dp.update(k, dp.gate(k, dp.label_row(k)), twin=k > 0)
    else:
        plain_twin(dp, k)


def plain_twin(dp, k):
    dp.update(k, dp.gate(k, dp.project(k, dp.delta(k + 1))), twin=k > 0)


def twin_output(dp, k):
    dp.update(k, dp.error(), twin=True)


def local_everywhere(dp, k):
    """Local classifiers on every hidden layer, whose feedback learns."""
    dp.update(k, dp.gate(k, dp.project(k, dp.local_error(k))))
    dp.learn_local(k)
    dp.learn_feedback(k, dp.local_error(k), dp.output(k))


def signs_into_feedback(dp, k):
    """Feedback that learns from the sign of the error."""
    dp.update(k, dp.gate(k, dp.project(k, dp.error_sign())))
    dp.learn_feedback(k, dp.error_sign(), dp.output(k))


def fixed_middle(dp, k):
    """Only layer 0 learns; layer 1 passes its signal on."""
    delta = chained(dp, k)
    if k == 0:
        dp.update(k, delta)


def w_and_twin(dp, k):
    """Signals through W, twins kept all the same."""
    dp.update(k, chained(dp, k), twin=k > 0)


ODD = {
    "learned label rows": Rule("odd", Need.ERROR, learned_label_rows, "odd"),
    "twin rows": Rule("odd", Need.CHAIN, twin_rows, "odd", output=twin_output),
    "local everywhere": Rule("odd", Need.ERROR, local_everywhere, "odd"),
    "signs into feedback": Rule("odd", Need.ERROR, signs_into_feedback, "odd"),
    "fixed middle": Rule("odd", Need.CHAIN, fixed_middle, "odd"),
    "W and twin": Rule("odd", Need.CHAIN, w_and_twin, "odd", output=twin_output),
}
CHIP = """
dataset: {{name: synthetic, train: 8, test: 4}}
network:
  layers:
    - dense: {{units: 9, activation: tanh, weight: s8f6, output: s8f7, delta: s8f7, projection: s12f9}}
    - dense: {{units: 11, activation: hard_tanh, weight: s8f6, output: s8f7, delta: s8f7}}
    - dense: {{units: 10, activation: sigmoid, weight: s8f6, output: u8f8}}
  initial_weights: random
  initial_layers: all
training: {{rule: dfa, batch: {batch}, lr_shift: {{hidden: 3, output: 3}}, {more}}}
machine: {{lanes: 4}}
numerics: {{random_words: {words}}}
"""


@pytest.mark.parametrize("words", ["row_word", "lane_xorshift"])
@pytest.mark.parametrize("more", ["batch: 1", "batch: 3", "batch: 1, error_gate: 100"])
@pytest.mark.parametrize("name", ODD)
def test_odd_rules_that_it_can_serve_agree_in_all_integers_and_counts(name, more, words):
    text = CHIP.replace("batch: {batch}, ", "").format(more=more, words=words)
    chip = load_text(text).chip
    feedback = [replace(la, feedback=la.feedback and chip.network.layers[0].weight) for la in chip.network.layers]
    chip = replace(
        chip,
        network=replace(chip.network, layers=tuple(feedback)),
        learning=replace(chip.learning, rule=ODD[name], feedback_lr_shift=((0, 3),)),
    )
    draw = np.random.default_rng(2)
    codes = (draw.integers(0, 256, (6, 64)) * (draw.random((6, 64)) < 0.5)).astype(np.uint8)
    assert_all_equal(chip, Data(codes, draw.integers(0, 10, 6).astype(np.uint8)), epochs=2, with_naive=False)
