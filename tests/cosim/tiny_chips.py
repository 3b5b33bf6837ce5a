"""Tiny chips as configurations, and copies of the RTL with one mistake."""

import shutil
from pathlib import Path

from neuro_emu.config.experiment import load_text
from neuro_emu.golden.sources import rtl_sources

TEXT = """
name: tiny
dataset: {name: synthetic, train: 40, test: 10}
network:
  layers:
    - dense: {units: 7, activation: hard_tanh, weight: s8f8, output: s8f7, table_frac: 5, delta: s8f7}
    - dense: {units: 10, activation: sigmoid, weight: s12f9, output: u8f8, delta: s9f8}
  initial_weights: random
training: {rule: %s, epochs: 1, lr_shift: {hidden: 6, output: 4}}
machine: {lanes: 4, weight_banks: 2, activation_units: 1, zero_input: skip}
"""


def tiny(rule="drtp"):
    return load_text(TEXT % rule, "tiny.yaml")


def mutated(folder, file, old, new):
    """Copy the RTL to *folder* with one text replaced; returns its files."""
    files = []
    for path in rtl_sources():
        target = Path(folder) / path.name
        shutil.copyfile(path, target)
        files.append(target)
        if path.name == file:
            text = path.read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{file}: {old!r} occurs {text.count(old)} times"
            target.write_text(text.replace(old, new), encoding="utf-8")
    assert any(path.name == file for path in files)
    return files
