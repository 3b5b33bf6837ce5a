"""Shallow learning: hidden layers stay as they were initialised, only the output layer learns.

The baseline that every feedback-alignment rule must beat (Frenkel, Lefebvre and Bol 2021, section 3).
"""

from __future__ import annotations

from neuro_emu.rules.base import Datapath, Need, V, rule


@rule("shallow", needs=Need.NOTHING)
def shallow(dp: Datapath[V], k: int) -> None:
    """Fixed random hidden layers; only the output layer learns."""
