"""Target tables: one output a class, several, or none of their own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.config.experiment import load_text
from neuro_emu.machine.targets import target_table
from neuro_emu.numerics.words import TAG_HOT, sample_order

TEXT = """
dataset: {{name: {name}, input: {codes}, train: 20, test: 10}}
network: {{layers: [dense: {{units: {units}, activation: sigmoid, weight: s8f6, output: {output}}}]}}
training: {{rule: shallow, loss: {loss}, hot: {hot}, seed: {seed}, epochs: 1, lr_shift: {{hidden: 6, output: 6}}}}
"""


def table(hot=1, units=10, seed=1, output="u8f8", loss="bce", name="synthetic", codes="u8f8"):
    words = {"hot": hot, "units": units, "seed": seed, "output": output, "loss": loss, "name": name, "codes": codes}
    return target_table(load_text(TEXT.format(**words)).chip)


@pytest.mark.parametrize(("output", "code"), [("u8f8", 255), ("u8f4", 16), ("s8f7", 127), ("s12f9", 512)])
def test_one_output_a_class(output, code):
    found = table(output=output)
    assert found.dtype == np.int32
    assert found.tolist() == [[code if c == j else 0 for j in range(10)] for c in range(10)]


@given(st.integers(2, 6), st.integers(0, 7), st.integers(0, 2**64 - 1))
def test_several_outputs_a_class(hot, extra, seed):
    found = table(hot, 10 * hot + extra, seed)
    assert found.shape == (10, 10 * hot + extra)
    assert set(found.ravel().tolist()) == {0, 255}
    assert (found != 0).sum(axis=1).tolist() == [hot] * 10
    assert (found != 0).sum(axis=0).max() == 1  # no output of two classes
    assert (found.sum(axis=0) == 0).sum() == extra  # outputs without a class have the target 0


def test_outputs_are_dealt_by_the_seed():
    tables = [table(3, 32, seed).tolist() for seed in (1, 2, 3)]
    assert tables[0] != tables[1] != tables[2] != tables[0]
    assert tables[0] == table(3, 32, 1).tolist()
    in_order = np.repeat(np.eye(10, dtype=int), 3, axis=1) * 255
    assert (np.array(tables[0])[:, :30] != in_order).any()


def test_each_class_takes_the_next_of_the_dealt_outputs():
    owners, found = sample_order(5, 0, 23, TAG_HOT), table(2, 23, 5)
    for c in range(10):
        assert np.flatnonzero(found[c]).tolist() == sorted(owners[2 * c : 2 * c + 2].tolist())
    assert not found[:, owners[20:]].any()


def test_one_hot_does_not_hang_on_the_seed():
    assert table(seed=1).tolist() == table(seed=2).tolist()


def test_samples_of_regression_bring_their_own():
    found = table(output="s8f6", loss="mse", name="cosines", codes="s8f4")
    assert found.shape == (0, 10)
    assert found.dtype == np.int32
