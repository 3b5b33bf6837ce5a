"""The four open-loop conditions of Panjehpour's figure 2b, in floats and in integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from diagnosed import degrees

from neuro_emu.diagnostics.open_loop import CONDITIONS, Formats, OpenLoop, matrices, run, run_integers, signals
from neuro_emu.numerics.formats import Format

LOOP = OpenLoop(inputs=24, hidden=24, outputs=24, batch=16, iterations=150, rate_shift=5)


@pytest.mark.parametrize("how", [run, run_integers])
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("seed", [1, 2])
def test_alignment(how, condition, seed):
    angles = how(replace(LOOP, seed=seed), condition)
    assert len(angles) == LOOP.iterations + 1
    assert abs(angles[0] - 90) < 8
    if condition == "neither":
        assert min(angles) > 80
    else:
        assert angles[-1] < 80


def test_signals():
    loop = replace(LOOP, iterations=3)
    streams = {condition: list(signals(loop, condition)) for condition in CONDITIONS}
    for condition, stream in streams.items():
        (x0, e0), (x1, e1), _ = stream
        assert x0.shape == (16, 24)
        assert np.array_equal(x0, x1) == np.array_equal(e0, e1) == (condition in {"autocorrelation", "both"})
        assert np.array_equal(x1, e1) == (condition in {"cross-correlation", "both"})
    with pytest.raises(ValueError, match="unknown condition"):
        next(signals(loop, "none"))


def test_crossed_layers_of_different_length():
    loop = replace(LOOP, outputs=20, iterations=40)
    found = list(signals(loop, "cross-correlation"))
    x, e = (np.concatenate(parts) for parts in zip(*found, strict=True))
    mixing, *_ = np.linalg.lstsq(x, e, rcond=None)
    assert np.abs(x @ mixing - e).max() < 1e-9  # one fixed linear map for all iterations
    assert run(replace(loop, iterations=300), "cross-correlation")[-1] < 80


def test_one_step():
    """W_1 and W_0 of a step from the equations, sample by sample."""
    loop = replace(LOOP, iterations=2)
    first, second, feedback = matrices(loop)
    expected = [degrees(second, feedback.T)]
    for x, e in signals(loop, "neither"):
        steps = np.zeros_like(first), np.zeros_like(second)
        for xs, es in zip(x, e, strict=True):
            z = xs @ first
            steps[0][:] += np.outer(xs, (es @ feedback) * (z > 0))
            steps[1][:] += np.outer(np.maximum(z, 0), es)
        first, second = first + steps[0] / 2**5 / 16, second + steps[1] / 2**5 / 16
        expected.append(degrees(second, feedback.T))
    np.testing.assert_allclose(run(loop, "neither"), expected, atol=1e-6)


def test_wide_integers_follow_the_floats():
    loop = replace(LOOP, iterations=30)
    wide = Formats(Format.parse("s24f16"), Format.parse("s28f16"), Format.parse("s28f20"))
    near = np.abs(np.array(run_integers(loop, "both", wide)) - np.array(run(loop, "both")))
    coarse = np.abs(np.array(run_integers(loop, "both")) - np.array(run(loop, "both")))
    assert near.max() < 0.01
    assert near.max() < coarse.max() < 3


def test_integers_need_a_batch_that_is_a_shift():
    with pytest.raises(ValueError, match="power of two"):
        run_integers(replace(LOOP, batch=12), "both")
