"""How far feedback matrices are from the transposes they stand for: an angle a layer, on the host, after training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.either import AnyChip
from neuro_emu.rules import Need


def feedback_angles(chip: AnyChip, weights: list[Any], feedback: list[Any]) -> list[float | None]:
    """Return the angle in degrees between B_k and W_{k+1}ᵀ of each hidden layer; on a graph that of the layer above.

    Args:
        chip: the chip.
        weights: W_k (n_{k-1} + 1, n_k), codes or values.
        feedback: B_k (rows, n_k), codes or values.

    Returns:
        None for layers without a matrix of that shape: direct feedback below the last hidden layer, or no feedback
        at all; and where a matrix is all zeros.

    """
    if isinstance(chip, DeepChip):
        return _angles_of_graph(chip, weights, feedback)
    angles: list[float | None] = []
    for k, use in enumerate(chip.plan.feedback):
        forward = np.asarray(weights[k + 1], dtype=np.float64)[:-1].T
        back = np.asarray(feedback[k], dtype=np.float64)
        angles.append(_angle(forward, back) if use.rows and back.shape == forward.shape else None)
    return angles


def _angles_of_graph(chip: DeepChip, weights: list[Any], feedback: list[Any]) -> list[float | None]:
    """The same along the chain: feedback of a convolution lies as its weights do, without a bias row."""
    graph, chained = chip.graph, chip.learning.rule.need is Need.CHAIN
    above = dict(zip(graph.chain, graph.chain[1:], strict=False))
    angles: list[float | None] = []
    for layer in graph.hidden:
        k, found = layer.layer, None
        if k in above and (chained or above[k] == graph.output.layer):  # direct feedback comes from the outputs
            higher = graph.layers[above[k]]
            forward = np.asarray(weights[above[k]], dtype=np.float64)[: higher.depth]
            back = np.asarray(feedback[k], dtype=np.float64)
            forward = forward if higher.window else forward.T
            found = _angle(forward, back) if back.shape == forward.shape else None
        angles.append(found)
    return angles


def _angle(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Angle between two matrices as vectors, in degrees, to 2 digits so that it prints the same everywhere."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    if lengths == 0.0:
        return None
    cosine = float(np.sum(one * other)) / lengths
    return round(float(np.degrees(np.arccos(min(1.0, max(-1.0, cosine))))), 2)
