"""neuro_emu: a bit-accurate emulator of fixed-point chips that learn."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuro_emu.api import evaluate, load, run
    from neuro_emu.config.experiment import Experiment
    from neuro_emu.machine.chip import Chip
    from neuro_emu.network.state import ChipState
    from neuro_emu.training.finished import Run

__version__ = "0.1.0"

__all__ = ["Chip", "ChipState", "Experiment", "Run", "evaluate", "load", "run"]

_HOME = {
    "Chip": "machine.chip",
    "ChipState": "network.state",
    "Experiment": "config.experiment",
    "Run": "training.finished",
    "evaluate": "api",
    "load": "api",
    "run": "api",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are asked for: `neuro-emu --help` must not wait for numba."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
