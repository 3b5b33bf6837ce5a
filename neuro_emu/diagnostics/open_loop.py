"""Feedback alignment without a task: inputs and errors are noise with or without memory (Panjehpour 2022, figure 2b).

A two-layer ReLU network without biases: L_1 = ReLU(L_0 W_0); the error at its output δ_2 is made up, not measured.
δ_1 = δ_2 B ⊙ f′(L_0 W_0), W_0 += η L_0ᵀ δ_1, W_1 += η L_1ᵀ δ_2. Where L_0 and δ_2 are correlated over time
(autocorrelation) or with each other (cross-correlation), W_1 turns towards Bᵀ; where neither, it stays at 90°.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from neuro_emu.diagnostics.angles import Float, angle
from neuro_emu.diagnostics.codes import elementwise, narrow, product
from neuro_emu.network.state import Int64
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import STOCH
from neuro_emu.numerics.ops import round_shift, saturate
from neuro_emu.numerics.words import uniform_words

CONDITIONS = ("autocorrelation", "cross-correlation", "both", "neither")
_TAG = 64
"""Of the words of the integer version; the chip's own tags are far below."""


@dataclass(frozen=True)
class OpenLoop:
    """An experiment.

    Attributes:
        inputs, hidden, outputs: neurons.
        batch: rows of L_0 and δ_2.
        iterations: updates.
        rate_shift: η = 2^-rate_shift / batch.
        start: standard deviation of the first weights; B is N(0, 1).
        seed: of everything that is drawn.

    """

    inputs: int = 40
    hidden: int = 40
    outputs: int = 40
    batch: int = 32
    iterations: int = 300
    rate_shift: int = 7
    start: float = 0.1
    seed: int = 1


def signals(loop: OpenLoop, condition: str) -> Iterator[tuple[Float, Float]]:
    """Yield L_0 (batch, inputs) and δ_2 (batch, outputs) of each iteration.

    All are drawn from N(0, 1): once (autocorrelation), or anew each time. With cross-correlation δ_2 = L_0 as in the
    paper; where inputs and outputs differ in number, δ_2 = L_0 A with a fixed A of entries N(0, 1 / inputs).
    """
    if condition not in CONDITIONS:
        raise ValueError(f"unknown condition {condition!r}: one of {', '.join(CONDITIONS)}")
    crossed, kept = condition in {"cross-correlation", "both"}, condition in {"autocorrelation", "both"}
    draw = np.random.default_rng([loop.seed, 1])
    mixing = np.eye(loop.inputs)
    if loop.inputs != loop.outputs:
        mixing = draw.normal(0.0, loop.inputs**-0.5, (loop.inputs, loop.outputs))
    present = error = np.zeros((0, 0))
    for step in range(loop.iterations):
        if step == 0 or not kept:
            present = draw.normal(size=(loop.batch, loop.inputs))
            error = present @ mixing if crossed else draw.normal(size=(loop.batch, loop.outputs))
        yield present, error


def matrices(loop: OpenLoop) -> tuple[Float, Float, Float]:
    """Return the first W_0 (inputs, hidden) and W_1 (hidden, outputs), and B (outputs, hidden)."""
    draw = np.random.default_rng([loop.seed, 2])
    first = draw.normal(0.0, loop.start, (loop.inputs, loop.hidden))
    second = draw.normal(0.0, loop.start, (loop.hidden, loop.outputs))
    return first, second, draw.normal(size=(loop.outputs, loop.hidden))


def run(loop: OpenLoop, condition: str) -> list[float | None]:
    """Return the degrees between W_1 and Bᵀ before the first iteration and after each, in floats."""
    first, second, feedback = matrices(loop)
    rate = 2.0**-loop.rate_shift / loop.batch
    angles = [angle(second, feedback.T)]
    for present, error in signals(loop, condition):
        z = present @ first
        delta = (error @ feedback) * (z > 0.0)
        step = rate * (np.maximum(z, 0.0).T @ error)  # from before any update
        first += rate * (present.T @ delta)
        second += step
        angles.append(angle(second, feedback.T))
    return angles


@dataclass(frozen=True)
class Formats:
    """Formats of the integer version.

    Attributes:
        signal: of L_0, δ_2 and B.
        hidden: of L_1 and δ_1.
        weight: of W_0 and W_1.

    """

    signal: Format = field(default_factory=lambda: Format.parse("s8f5"))
    hidden: Format = field(default_factory=lambda: Format.parse("s12f5"))
    weight: Format = field(default_factory=lambda: Format.parse("s16f11"))


def run_integers(loop: OpenLoop, condition: str, formats: Formats | None = None) -> list[float | None]:
    """Return the same on integer codes: everything saturates, updates are rounded stochastically.

    Sums over a batch are exact, as in a mini-batch of the chip (docs/numerics.md, section 6); z, L_1 and δ_1 are
    rounded to nearest. The batch must be a power of two: its division is folded into the shift.
    """
    used = formats or Formats()
    if loop.batch != 1 << (loop.batch.bit_length() - 1):
        raise ValueError(f"the integer version divides by a shift: a batch of {loop.batch} is no power of two")
    first, second, feedback = (
        _codes(matrix, storage)
        for matrix, storage in zip(matrices(loop), (used.weight, used.weight, used.signal), strict=True)
    )
    fraction = used.signal.frac + used.hidden.frac - used.weight.frac
    shift = fraction + loop.rate_shift + loop.batch.bit_length() - 1
    angles = [angle(second, feedback.T)]
    for number, (present, error) in enumerate(signals(loop, condition)):
        x, e = _codes(present, used.signal), _codes(error, used.signal)
        z = narrow(product(x, first), used.signal.frac + used.weight.frac, used.hidden)
        delta = narrow(product(e, feedback), 2 * used.signal.frac, used.hidden) * (z > 0)
        sums = product(x.T, delta), product(np.maximum(z, 0).T, e)
        first = _write(first, sums[0], shift, used.weight, _words(loop, 2 * number, first))
        second = _write(second, sums[1], shift, used.weight, _words(loop, 2 * number + 1, second))
        angles.append(angle(second, feedback.T))
    return angles


def _codes(numbers: Float, storage: Format) -> Int64:
    """The host's quantisation: to nearest, ties up, clamped."""
    scaled = np.floor(numbers * float(1 << storage.frac) + 0.5)
    return np.asarray(np.clip(scaled, storage.low, storage.high), dtype=np.int64)


def _words(loop: OpenLoop, number: int, matrix: Int64) -> Int64:
    rows, columns = np.ogrid[: matrix.shape[0], : matrix.shape[1]]
    return uniform_words(loop.seed, _TAG, number, rows, columns).astype(np.int64)


def _write(weights: Int64, sums: Int64, shift: int, storage: Format, words: Int64) -> Int64:
    pairs = zip(sums.ravel().tolist(), words.ravel().tolist(), strict=True)
    steps = np.array([round_shift(code, shift, STOCH, word) for code, word in pairs], dtype=np.int64)
    return elementwise(lambda code: saturate(code, storage.low, storage.high), weights + steps.reshape(weights.shape))
