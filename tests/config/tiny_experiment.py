"""A small configuration, edited by replacing words of it; for the tests of `resolve`."""

from __future__ import annotations

import pytest

from neuro_emu.config.experiment import load_text
from neuro_emu.errors import ConfigError

BASE = """\
name: tiny
dataset: {name: synthetic, train: 200, test: 50}
network:
  layers:
    - dense: {units: 20, activation: tanh, weight: s8f7, output: s8f7, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8}
training: {rule: dfa, epochs: 2, lr_shift: {hidden: 6, output: [[0, 6], [1, 7]]}}
numerics: {strict: false}
machine: {lanes: 16}
"""


def edited(edits):
    text = BASE
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def refusal(edits):
    with pytest.raises(ConfigError) as caught:
        load_text(edited(edits), "c.yaml")
    return str(caught.value) + "\n"
