"""Chips of both kinds: those that learn sample by sample, and those with a graph of layers."""

from __future__ import annotations

from neuro_emu.machine.chip import Chip
from neuro_emu.machine.deep.chip import DeepChip

AnyChip = Chip | DeepChip
