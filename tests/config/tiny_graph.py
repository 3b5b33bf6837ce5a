"""A small network with convolutions, edited by replacing words of it; for the tests of graphs."""

from __future__ import annotations

import pytest

from neuro_emu.config.experiment import load_text
from neuro_emu.errors import ConfigError

GRAPH = """\
name: tiny
dataset: {name: synthetic, train: 200, test: 50}
network:
  formats: {weight: s8f7, output: s8f7, delta: s8f7}
  layers:
    - conv: {channels: 4, kernel: 3, padding: 1, activation: hard_tanh}
    - max_pool: {kernel: 2}
    - residual: {body: [conv: {kernel: 3, channels: 4, padding: 1, activation: identity}], table_frac: 4}
    - dense: {units: 12, activation: hard_tanh, table_frac: 5}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8, delta: s9f8}
training: {rule: bp, epochs: 2, batch: 20, lr_shift: {hidden: 9, output: 8}}
"""
RESIDUAL = "residual: {body: [conv: {kernel: 3, channels: 4, padding: 1, activation: identity}], table_frac: 4}"
OUTPUT = "dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8, delta: s9f8}"
PRESET = """\
name: tiny
dataset: {name: synthetic, train: 200, test: 50}
network:
  preset: {drtp_mnist: {hidden: 20}}
  formats: {weight: s8f7, output: s8f7, delta: s8f7}
training: {rule: drtp, epochs: 2, batch: 20, lr_shift: {hidden: 9, output: 8}}
"""


def replaced(text, edits):
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def chip_of(edits=(), text=GRAPH):
    return load_text(replaced(text, dict(edits)), "c.yaml").chip


def refusal_of(edits, text=GRAPH):
    with pytest.raises(ConfigError) as caught:
        load_text(replaced(text, edits), "c.yaml")
    return str(caught.value) + "\n"
