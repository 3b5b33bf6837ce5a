"""One seeded run of every shipped rule, bit by bit as it was when `golden_runs.json` was written.

`python tests/datapath/test_golden_runs.py --write` writes the file again. Do that only with a change of the integer
contract, or of the counts: a difference that nobody meant is a bug.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from neuro_emu import datasets
from neuro_emu.config.experiment import load_text
from neuro_emu.jit import jit_enabled
from neuro_emu.machine.initialise import initial_state
from neuro_emu.network.state import TALLIES
from neuro_emu.numerics.words import sample_order
from neuro_emu.rules import RULES
from neuro_emu.training.engines import ENGINES

pytestmark = pytest.mark.integer

GOLDEN = Path(__file__).with_name("golden_runs.json")
SAMPLES, TESTS, EPOCHS = 60, 40, 2

CHIP = """
dataset: {{name: synthetic, train: 60, test: 40}}
network:
  layers:
{layers}
  initial_weights: random
  initial_layers: all
training:
  rule: {rule}
  seed: 20230
  lr_shift: {{hidden: 5, output: 3}}
  feedback_lr_shift: 4
  weight_decay: {{shift: 5, every: 7}}
  feedback_decay: {{shift: 6, every: 5}}
  mirror: {{every: 9, steps: 3, noise_shift: 1}}
  options: {{block: 2, local_classifier: true}}
numerics: {{feedback: {{range: kaiming}}}}
"""
LAYER = "    - dense: {{units: {units}, activation: {activation}, weight: {weight}, output: {output}}}\n"
ACTIVATIONS = ("tanh", "hard_tanh", "tanh")
CHIPS = {
    "columns, 16 bits": ((20, 20, 20), "s16f12"),
    "columns, 8 bits": ((20, 20, 20), "s8f7"),
    "rows, 16 bits": ((72, 20, 64), "s16f12"),  # from 64 neurons on a matrix is stored as rows
    "rows, 8 bits": ((72, 20, 64), "s8f7"),
}
TRACED = (("asfp", "columns, 16 bits"), ("kp", "columns, 8 bits"))


def shipped():
    """Names of the rules of the package; other tests may have registered more."""
    return sorted(name for name, rule in RULES.items() if rule.learn.__module__.startswith("neuro_emu.rules."))


def chip_of(rule, name):
    hidden, weight = CHIPS[name]
    layers = [
        LAYER.format(units=units, activation=activation, weight=weight, output="s8f7")
        for units, activation in zip(hidden, ACTIVATIONS, strict=True)
    ]
    layers.append(LAYER.format(units=10, activation="sigmoid", weight=weight, output="u8f8"))
    return load_text(CHIP.format(layers="".join(layers).rstrip(), rule=rule)).chip


def digest(matrices):
    """SHA-256 of codes, matrix after matrix, row after row, as little-endian 32-bit integers."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(m).astype("<i4").tobytes() for m in matrices)).hexdigest()


def run(rule, name, datapath="fast"):
    """Train and test; returns what the file holds of a run."""
    chip = chip_of(rule, name)
    data = datasets.load("synthetic", train=SAMPLES, test=TESTS)
    codes = data.train_images.reshape(SAMPLES, -1)
    engine = ENGINES[datapath](chip, initial_state(chip), codes, data.train_labels)
    for epoch in range(EPOCHS):
        engine.begin_epoch(epoch, sample_order(chip.learning.seed, epoch, SAMPLES))
        blocks = [engine.train(n, n + 20) for n in range(0, SAMPLES, 20)]
        engine.end_epoch()
    tested = engine.infer(data.test_images.reshape(TESTS, -1))
    state, (training, inference) = engine.state(), engine.counts()
    return {
        "weights": digest(state.weights),
        "feedback": digest(state.feedback),
        "classifiers": digest(state.classifiers),
        "predictions": "".join(map(str, np.concatenate(blocks).tolist())),
        "test_accuracy": 100.0 * int(np.count_nonzero(tested == data.test_labels)) / TESTS,
        "training_cycles": training.cycles,
        "inference_cycles": inference.cycles,
        "tallies": dict(zip(TALLIES, engine.tally().events.T.tolist(), strict=True)),
    }


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_the_file_holds_every_shipped_rule(golden):
    assert list(golden) == shipped()
    assert all(list(runs) == list(CHIPS) for runs in golden.values())


@pytest.mark.parametrize("name", CHIPS if jit_enabled() else ["columns, 8 bits"])
@pytest.mark.parametrize("rule", shipped())
def test_a_run_gives_the_integers_of_the_file(golden, rule, name):
    assert run(rule, name) == golden[rule][name]


@pytest.mark.parametrize(("rule", "name"), TRACED)
def test_a_traced_run_gives_the_integers_of_the_file(golden, rule, name):
    assert run(rule, name, "traced") == golden[rule][name]


def test_the_runs_tell_the_rules_apart(golden):
    for name in CHIPS:
        assert len({runs[name]["weights"] for runs in golden.values()}) == len(golden)
    runs = [runs for rule in golden.values() for runs in rule.values()]
    for tally in ("zero_updates", "feedback_updates", "feedback_zero_updates", "weight_overflows"):
        assert any(sum(one["tallies"][tally]) for one in runs), tally


def write():
    """Make every run and replace the file."""
    record = {rule: {name: run(rule, name) for name in CHIPS} for rule in shipped()}
    text = json.dumps(record, indent=1)
    lists_on_a_line = re.sub(r"\[[^][]*\]", lambda found: "".join(found[0].split()).replace(",", ", "), text)
    GOLDEN.write_text(lists_on_a_line + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", required=True, help="replace golden_runs.json")
    parser.parse_args()
    write()
