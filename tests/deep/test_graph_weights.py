"""Batch normalisation on disk: what an archive of weights holds of it, and archives that are refused."""

import io

import numpy as np
import pytest

from neuro_emu.config.experiment import load_text
from neuro_emu.errors import RunError
from neuro_emu.machine.deep.initialise import initial_state
from neuro_emu.network.weights import pack_weights, unpack_weights

CONFIG = """\
dataset: {name: synthetic}
network:
  formats: {weight: s16f14, output: u8f4, delta: s16f15}
  layers:
    - conv: {channels: 3, kernel: 3, activation: relu, norm: {scale: s12f9, offset: s8f5}}
    - dense: {units: 5, activation: relu, norm: {}}
    - dense: {units: 10, activation: softmax, output: u16f16}
  initial_weights: random
training: {rule: dfa, loss: cce, batch: 20, lr_shift: {hidden: 9, output: 8}}
"""


@pytest.fixture(scope="module")
def chip():
    return load_text(CONFIG).chip


@pytest.fixture
def state(chip):
    """A state whose norms have moved."""
    found, random = initial_state(chip), np.random.default_rng(1)
    for norm, low, high in (
        (found.norm[0], (-2048, -128), (2048, 128)),
        (found.norm[1], (-(2**15),) * 2, (2**15,) * 2),
    ):
        norm[0], norm[1] = (random.integers(a, b, norm.shape[1]) for a, b in zip(low, high, strict=True))
        norm[2] = random.integers(-(2**21), 2**21, norm.shape[1])
        norm[3] = random.integers(1, 2**43, norm.shape[1])
    return found


def damaged(content, name, value):
    """An archive with another entry; None: without it."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = {key: array for key, array in archive.items() if key != name}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, **({} if value is None else {name: value}))
    return buffer.getvalue()


def test_norms_come_back(chip, state):
    content = pack_weights(chip.network, state)
    other = initial_state(chip)
    unpack_weights(content, chip.network, other, "w.npz")
    for kind in ("weights", "norm"):
        for one, two in zip(getattr(state, kind), getattr(other, kind), strict=True):
            assert np.array_equal(one, two)
            assert one.dtype == two.dtype
    with np.load(io.BytesIO(content)) as archive:
        assert str(archive["norm_0_format"]) == "s12f9 s8f5 s16f6"
        assert str(archive["norm_1_format"]) == "s16f12 s16f12 s16f6"
        assert "norm_2" not in archive
    assert content == pack_weights(chip.network, state)


def row(norm, place, value):
    changed = norm.copy()
    changed[place, 0] = value
    return changed


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("norm_0", None, r"norm_0 holds nothing, the configuration wants \(4, 3\) s12f9 s8f5 s16f6"),
        ("norm_1", lambda n: n[:3], r"norm_1 holds \(3, 5\) s16f12 s16f12 s16f6, the configuration wants \(4, 5\)"),
        ("norm_0_format", lambda _: np.array("s12f9 s8f5 s16f7"), r"norm_0 holds \(4, 3\) s12f9 s8f5 s16f7, the"),
        ("norm_0_format", None, r"norm_0 holds \(4, 3\) no format"),
        ("norm_0", lambda n: n * 1.0, "norm_0 holds float64, not integer codes"),
        ("norm_0", lambda n: row(n, 0, 2048), "norm_0 has codes outside -2048 … 2047"),
        ("norm_0", lambda n: row(n, 1, -129), "norm_0 has codes outside -128 … 127"),
        ("norm_1", lambda n: row(n, 2, 2**21 + 1), "norm_1 has codes outside -2097152 … 2097152"),
        ("norm_1", lambda n: row(n, 3, 0), "norm_1 has codes outside 1 … "),
        ("norm_1", lambda n: row(n, 3, 2**44 + 1), "norm_1 has codes outside 1 … "),
    ],
)
def test_damaged_norms_are_refused(chip, state, name, change, message):
    content = pack_weights(chip.network, state)
    value = change and change(state.norm[int(name[5])])
    with pytest.raises(RunError, match=f"w.npz: {message}"):
        unpack_weights(damaged(content, name, value), chip.network, initial_state(chip), "w.npz")
