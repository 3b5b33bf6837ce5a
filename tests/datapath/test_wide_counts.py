"""Counters of layers so wide that the 16-bit lane sums of the vector update would wrap if they were not emptied."""

import numpy as np
import pytest

from neuro_emu.config.experiment import load_text
from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.kernels import fabric as fb
from neuro_emu.machine.initialise import initial_state

CONFIG = """
dataset: {{name: synthetic, input: u8f8}}
network:
  layers:
    - dense: {{units: {first}, activation: identity, weight: s8f8, output: s8f7, delta: s8f7}}
    - dense: {{units: {second}, activation: identity, weight: s8f8, output: s8f7, delta: s8f7}}
    - dense: {{units: 10, activation: sigmoid, weight: s8f8, output: u8f8, delta: s9f8}}
  initial_weights: random
training: {{rule: drtp, epochs: 1, lr_shift: {{hidden: {rate}, output: 6}}}}
"""


@pytest.mark.parametrize(
    ("first", "second", "rate"),
    [
        (1024, 2048, 2),  # rows of 2048: 64 chunks an active row, 1025 rows
        (1500, 40, 2),  # columns of 1501
        (1024, 2048, 8),
    ],
)
def test_counters_of_wide_layers(first, second, rate):
    chip = load_text(CONFIG.format(first=first, second=second, rate=rate)).chip
    codes = np.full((1, 64), 255, dtype=np.uint8)
    labels = np.zeros(1, dtype=np.uint8)
    paths = [FastDatapath(chip, initial_state(chip), "portable") for _ in range(2)]
    for plain, path in enumerate(paths):
        if plain:
            path._fabric.layers[:, fb.UPDATE_KIND] = fb.UPDATE_PLAIN
        else:
            assert fb.UPDATE_PLAIN not in path._fabric.layers[:, fb.UPDATE_KIND]
        path.train(path.samples(codes, labels, np.zeros(1, dtype=np.int64), learn=True), 0, 1)
    quick, plain = paths
    for one, other in zip(quick.state().weights, plain.state().weights, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(quick.activity.events, plain.activity.events)
    assert quick.activity.events[1, 0] == second * (1 + np.count_nonzero(quick._fabric.scratch.codes[1, :first]))
