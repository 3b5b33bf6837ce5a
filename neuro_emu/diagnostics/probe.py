"""Angles, norms and growth of every layer at given matrices, in values: the same for chips and their float twins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neuro_emu.datapath.floating import FloatDatapath
from neuro_emu.diagnostics.angles import Float, angle, mean_angle, ratio, rounded
from neuro_emu.diagnostics.reference import Pass, Probe, backpropagate, gradient
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.initialise import initial_state
from neuro_emu.machine.plan import Vector
from neuro_emu.network.state import ChipState
from neuro_emu.training.engines import Engine

Entry = dict[str, Any]


def path_of_state(chip: Chip, state: ChipState) -> FloatDatapath:
    """Return a float twin that holds the values of the codes in *state*."""
    return FloatDatapath(chip, state)


def path_of(chip: Chip, engine: Engine) -> FloatDatapath:
    """Return a float twin with the present matrices of any engine, as values; the engine's own are copied."""
    state = engine.state()
    if state is not None:
        return path_of_state(chip, state)
    path = FloatDatapath(chip, initial_state(chip))
    held: Any = engine
    present = (*engine.matrices(), held._path.classifiers)  # the face of engines does not show local classifiers
    for matrices, given in zip((path.weights, path.feedback, path.classifiers), present, strict=True):
        for matrix, source in zip(matrices, given, strict=True):
            matrix[...] = source
    return path


@dataclass(frozen=True)
class Signals:
    """What a rule and backpropagation make of the same samples at the same weights; lists by layer, in values.

    Attributes:
        deltas: δ_k (samples, n_k) of the rule; None for a layer that does not learn.
        activations: (samples, n_{k−1}) what the rule updates W_k with; None likewise.
        gradients: G = Σ x δᵀ (n_{k−1} + 1, n_k) of the rule; None likewise.
        bp: the pass of backpropagation.
        bp_gradients: its G.

    """

    deltas: list[Float | None]
    activations: list[Float | None]
    gradients: list[Float | None]
    bp: Pass
    bp_gradients: list[Float]


def signals_of(chip: Chip, path: FloatDatapath, probe: Probe) -> Signals:
    """Return the signals at the matrices that *path* holds, which keeps them."""
    found = path.signals(probe.codes, probe.labels, probe.targets)
    pairs = list(zip(found["updates"], found["activations"], strict=True))
    bp = backpropagate(chip, path.weights, probe)
    return Signals(
        deltas=found["updates"],
        activations=found["activations"],
        gradients=[None if d is None else gradient(d, x) for d, x in pairs],
        bp=bp,
        bp_gradients=[gradient(d, x) for d, x in zip(bp.deltas, bp.inputs, strict=True)],
    )


def source_of(chip: Chip, k: int) -> Vector | None:
    """Return the vector that B_k projects, or the row it gives by label; None if layer k uses no B_k."""
    for step in chip.plan.steps:
        if step.layer == k and step.op in {"project", "label_row"}:
            return step.target if step.op == "label_row" else step.sources[0]
    return None


def transposed_path(chip: Chip, path: FloatDatapath, k: int) -> Float | None:
    """Return what backpropagation would have in place of B_k (rows, n_k), bias rows left out.

    The transpose of W_{k+1} ··· W_m, m the layer whose signal B_k projects: W_{k+1}ᵀ for chain-shaped rules, the
    product down from the output for direct ones (Panjehpour 2022, equation 7), L_kᵀ for a local classifier.
    """
    source = source_of(chip, k)
    if source is None:
        return None
    if source.op == "local_error":
        local: Float = path.classifiers[k][:-1].T
        return local
    last = source.layer if source.op == "gate" else chip.network.output.index
    if source.op != "label_row" and source.length != chip.network.layers[last].units:
        return None
    product: Float = path.weights[k + 1][:-1]
    for m in range(k + 2, last + 1):
        product = product @ path.weights[m][:-1]
    return product.T


def estimates_output(chip: Chip, k: int) -> bool:
    """Whether B_k has a row an output, so that y_k B_kᵀ may estimate z_K (Direct Kolen-Pollack, section 2.5)."""
    source = source_of(chip, k)
    return source is not None and source.op in {"label_row", "error", "error_sign"}


def layer_entries(chip: Chip, path: FloatDatapath, signals: Signals, norms: list[float]) -> list[Entry]:
    """Return what is measured of each layer, one mapping a layer; None for what is undefined.

    Angles in degrees. `feedback_angle`: of B_k to the transposed path; `delta_angle`: between δ_k of the rule and of
    backpropagation at the same weights, mean over samples (Frenkel 2021, section 2.1), `delta_angle_whole`: of the
    whole matrices (samples, n_k); `update_angle`: between G = Σ x δᵀ of both, bias row included, since it is trained
    like the others (Panjehpour 2022, section 2.2); `estimate_angle`: of y_k B_kᵀ to z_K, mean over samples (Direct
    Kolen-Pollack, figure 2), `estimate_angle_whole` likewise; `norm`: Frobenius norm of W_k in values, bias row left
    out; `growth`: over its value in *norms*.
    """
    entries = []
    last = chip.network.output.index
    for k, weights in enumerate(path.weights):
        delta, own = signals.deltas[k], signals.gradients[k]
        norm = float(np.linalg.norm(weights[:-1]))
        entry: Entry = {
            "feedback_angle": None,
            "delta_angle": None if delta is None else rounded(mean_angle(delta, signals.bp.deltas[k])),
            "delta_angle_whole": None if delta is None else rounded(angle(delta, signals.bp.deltas[k])),
            "update_angle": None if own is None else rounded(angle(own, signals.bp_gradients[k])),
            "estimate_angle": None,
            "estimate_angle_whole": None,
            "norm": rounded(norm, significant=True),
            "growth": rounded(ratio(norm, norms[k]), significant=True),
        }
        if k < last:
            transposed = transposed_path(chip, path, k)
            if transposed is not None and transposed.shape == path.feedback[k].shape:
                entry["feedback_angle"] = rounded(angle(path.feedback[k], transposed))
            if estimates_output(chip, k) and len(path.feedback[k]) == chip.network.classes:
                estimate = signals.bp.inputs[k + 1] @ path.feedback[k].T
                entry["estimate_angle"] = rounded(mean_angle(estimate, signals.bp.sums[last]))
                entry["estimate_angle_whole"] = rounded(angle(estimate, signals.bp.sums[last]))
        entries.append(entry)
    return entries


def norms_of(path: FloatDatapath) -> list[float]:
    """Frobenius norm of each W_k in values, bias row left out."""
    return [float(np.linalg.norm(weights[:-1])) for weights in path.weights]
