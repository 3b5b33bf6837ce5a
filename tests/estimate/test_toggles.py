"""Hamming distances in the lanes, against a plain walk through rows and lanes."""

import numpy as np
import pytest

from neuro_emu import api
from neuro_emu.api import estimate as estimates
from neuro_emu.api.estimate import Settings, estimate
from neuro_emu.estimate.activity_factors import ACCUMULATOR_TOGGLES
from neuro_emu.estimate.toggles import Mean, distance, toggles_of
from neuro_emu.machine.initialise import initial_state

TEXT = """
name: small
dataset: {name: synthetic, train: 40, test: 10}
network:
  layers:
    - dense: {units: 7, activation: identity, weight: s8f6, output: s8f6}
    - dense: {units: 10, activation: sigmoid, weight: s7f5, output: u8f8}
  initial_weights: random
  initial_layers: all
training: {rule: %s, epochs: 1, lr_shift: {hidden: 4, output: 4}}
machine: {lanes: 3, zero_input: %s}
"""


def bits_that_differ(a, b, bits):
    return sum((int(a) >> i & 1) != (int(b) >> i & 1) for i in range(bits))


def test_distance():
    values = np.array([[0, -1], [1, -1], [3, 0]])
    assert distance(values, 8) == pytest.approx((1 + 0 + 1 + 8) / 4)
    assert distance(values[:1], 8) == 0.0
    assert Mean().value == 0.0


def naive_forward(chip, state, codes):
    """Mean relative distances of weights, codes, products and sums of the first layer, forward, over samples."""
    found = {name: [0.0, 0] for name in ("weight", "code", "product", "sum")}
    layer, lanes = chip.network.layers[0], chip.design.lanes
    skips = chip.design.zero_input.value != "none"
    for sample in codes:
        rows = [i for i, x in enumerate(sample) if x or not skips] + [len(sample)]
        xs = [*(int(sample[i]) for i in rows[:-1]), 2**layer.input.frac]
        for first in range(0, layer.units, lanes):
            columns = range(first, min(first + lanes, layer.units))
            changed = dict.fromkeys(found, 0)
            pairs = 0
            sums_changed, steps = 0, 0
            for j in columns:
                w = [int(state.weights[0][i, j]) for i in rows]
                product = [a * x for a, x in zip(w, xs, strict=True)]
                sums = np.cumsum([0, *product]).tolist()
                for n in range(1, len(rows)):
                    pairs += 1
                    changed["weight"] += bits_that_differ(w[n], w[n - 1], 8)
                    changed["code"] += bits_that_differ(xs[n], xs[n - 1], 9)
                    changed["product"] += bits_that_differ(product[n], product[n - 1], 17)
                for n in range(1, len(sums)):
                    steps += 1
                    sums_changed += bits_that_differ(sums[n], sums[n - 1], 32)
            weight = len(rows)
            for name, width in (("weight", 8), ("code", 9), ("product", 17)):
                found[name][0] += weight * changed[name] / pairs / (width / 2) if pairs else 0.0
                found[name][1] += weight
            found["sum"][0] += weight * sums_changed / steps / (17 * ACCUMULATOR_TOGGLES)
            found["sum"][1] += weight
    return {name: total / rows for name, (total, rows) in found.items()}


@pytest.mark.parametrize("zero_input", ["none", "gate", "skip"])
def test_forward_distances_are_those_of_a_plain_walk(zero_input):
    experiment = api.load_text((TEXT % ("shallow", zero_input)).replace("train: 40", "train: 10"))
    training, _, _ = api.split_data(experiment, api.load_data(experiment))
    chip = experiment.chip
    state = initial_state(chip)
    codes = training.codes[:3].astype(np.int64)
    seen = toggles_of(chip, state, codes, [int(label) for label in training.labels[:3]])
    plain = naive_forward(chip, state, codes)
    for name, value in plain.items():
        both = seen.means["forward", name]
        assert both.rows > 0
        assert 0 <= both.value < 2.5
        only_first = seen.layers["forward", name, 0].value
        assert only_first == pytest.approx(value, rel=1e-12), name


def test_held_operands_cost_less_than_random_ones():
    experiment = api.load_text(TEXT % ("drtp", "skip"))
    plain = estimate_of(experiment)
    seen = estimate_of(experiment, 5)
    assert "operands seen in 5 samples" in seen.record["workloads"]["training"]["about"]
    for record in (plain.record, seen.record):
        for use in record["workloads"]["training"]["uses"]:
            assert use["energy_pj"]["nominal"] > 0
    factors = {
        (use["part"], use["phase"]): use["operands_seen"]
        for use in seen.record["workloads"]["training"]["uses"]
        if "operands_seen" in use
    }
    assert set(factors) == {
        ("lane multiplier", "forward"),
        ("lane accumulate", "forward"),
        ("lane multiplier", "update"),
        ("lane update", "update"),
    }
    # The signal is held in the lane while rows pass: an update's multiplier switches less than the forward pass's.
    assert factors["lane multiplier", "update"] < factors["lane multiplier", "forward"]
    assert plain.record["workloads"]["training"]["cycles"] == seen.record["workloads"]["training"]["cycles"]


def estimate_of(experiment, toggles=0):
    return estimates.estimate_of(experiment, Settings(toggles=toggles))


def test_a_run_s_weights_are_taken(tmp_path):
    experiment = api.load_text(TEXT % ("drtp", "skip"))
    api.run(experiment, tmp_path)
    trained = estimate(tmp_path, settings=Settings(toggles=4)).record
    initial = estimate_of(experiment, 4).record
    assert "initial weights" in initial["workloads"]["training"]["about"]
    assert "initial weights" not in trained["workloads"]["training"]["about"]

    def factor(record):
        return next(u["operands_seen"] for u in record["workloads"]["training"]["uses"] if "operands_seen" in u)

    assert factor(trained) != factor(initial)
