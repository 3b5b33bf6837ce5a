"""Trainings so small that they do nothing but compile: every kernel that runs need, each kind of numbers once."""

from __future__ import annotations

_SMALLEST = """
dataset: {name: synthetic, train: 10, test: 10}
network: {layers: [dense: {units: 10, activation: sigmoid, weight: %s, output: u8f8}]}
training: {rule: shallow, epochs: 1, lr_shift: {hidden: 6, output: 6}}
"""
_ONLINE = """
dataset: {name: synthetic, train: 10, test: 10}
network:
  layers:
    - dense: {units: 64, activation: hard_tanh, weight: s8f7, output: s8f7, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s8f7, output: u8f8, delta: s9f8}
training: {rule: drtp, epochs: 1, batch: %d, lr_shift: {hidden: 8, output: 6}}
"""
_GRAPH = """
dataset: {name: synthetic, train: 40, test: 20}
network:
  layers:
    - conv: {channels: 8, kernel: 3, padding: 1, activation: relu, norm: NORM}
    - residual: {body: [{conv: {channels: 8, kernel: 3, padding: 1, activation: identity, norm: NORM}}]}
    - max_pool: {kernel: 2}
    - average_pool: {kernel: 2}
    - dense: {units: 10, LAST}
  formats: {weight: WEIGHT, output: u8f4, delta: DELTA}
  initial_weights: random
training: {batch: 10, epochs: 1, lr_shift: {hidden: 12, output: 12}, RULE}
"""
_BYTES = {
    "NORM": "null",
    "LAST": "activation: sigmoid, output: u8f8, delta: s9f8",
    "WEIGHT": "s8f7",
    "DELTA": "s8f7",
    "RULE": "rule: drtp, dropout: 26",
}
_WORDS = {
    "NORM": "{}",
    "LAST": "activation: softmax, output: u16f16",
    "WEIGHT": "s16f14",
    "DELTA": "s16f15",
    "RULE": "rule: kp, loss: cce, optimiser: momentum, momentum: {shift: 3, velocity: s24f16},"
    " weight_decay: {shift: 12, every: 1}",
}


def warm_up() -> float:
    """Compile and cache the kernels; returns the seconds spent compiling (0 if they were cached)."""
    from neuro_emu import jit
    from neuro_emu.api import run
    from neuro_emu.config.experiment import load_text
    from neuro_emu.training.means import Means

    for batch, threads in ((1, 1), (1, 2), (2, 1)):  # sample by sample, in tiles, in mini-batches
        run(load_text(_ONLINE % batch), means=Means(threads=threads))
    for weight in ("s8f6", "s20f12"):  # weights of more than 16 bits are another compilation
        run(load_text(_SMALLEST % weight), means=Means("portable"))
    for kind in (_BYTES, _WORDS):  # graphs multiply bytes, or words of 16 bits
        text = _GRAPH
        for name, value in kind.items():
            text = text.replace(name, value)
        run(load_text(text))
    return jit.compile_seconds()
