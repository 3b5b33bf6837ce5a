"""Principal components against the eigenvectors of the covariance."""

from __future__ import annotations

import numpy as np
import pytest
from diagnosed import chip_of, parts_of

from neuro_emu.diagnostics.trajectories import Snapshots, principal_components
from neuro_emu.training.loop import train


def runs_of(lengths, seed=3):
    draw = np.random.default_rng(seed)
    stretch = np.array([5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1])

    def snapshot():
        point = stretch * draw.normal(size=10)
        return [point[:6].reshape(2, 3), point[6:].reshape(4, 1)]

    return [[snapshot() for _ in range(length)] for length in lengths]


def test_against_the_covariance():
    runs = runs_of((7, 5, 9))
    found = principal_components(runs)
    points = np.array([np.concatenate([m.ravel() for m in s]) for run in runs for s in run])
    values, vectors = np.linalg.eigh(np.cov(points.T))
    expected = (points - points.mean(axis=0)) @ vectors[:, [-1, -2]]
    together = np.concatenate(found.coordinates)
    assert [len(c) for c in found.coordinates] == [7, 5, 9]
    for mine, theirs in zip(together.T, expected.T, strict=True):
        assert np.allclose(mine, theirs) or np.allclose(mine, -theirs)
        assert mine[np.abs(mine).argmax()] > 0
    np.testing.assert_allclose(found.explained, values[[-1, -2]] / values.sum())


def test_degenerate_runs():
    flat = principal_components([[[np.ones((2, 2))]], [[np.ones((2, 2))]]])
    assert [c.tolist() for c in flat.coordinates] == [[[0, 0]], [[0, 0]]]
    assert flat.explained.tolist() == [0, 0]
    line = principal_components([[[np.array([n, 2.0 * n])] for n in range(4)]], 3)
    assert line.explained[0] == pytest.approx(1.0)
    assert line.coordinates[0].shape == (4, 3)


@pytest.mark.parametrize("datapath", ["fast", "float"])
def test_snapshots(datapath):
    chip, parts = chip_of("dfa"), parts_of(8)
    snapshots, expected = Snapshots(chip), []

    def observe(done, engine):
        snapshots.observe(done, engine)
        expected.append([m * (2.0**-12 if datapath == "fast" else 1.0) for m in engine.matrices()[0]])

    train(chip, parts, 2, datapath=datapath, observe=observe)
    assert len(snapshots.taken) == 3
    for mine, theirs in zip(snapshots.taken, expected, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))
    assert not np.array_equal(snapshots.taken[0][0], snapshots.taken[2][0])  # copies, not one live matrix
    assert principal_components([snapshots.taken]).explained.sum() == pytest.approx(1.0)
