"""Learning rules, one a file. A new file in this package is found and registered by itself."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from neuro_emu.rules.base import RULES, Datapath, Need, Rule, learn_output

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["RULES", "Datapath", "Need", "Rule", "learn_output"]
