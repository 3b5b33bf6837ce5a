"""Learning rules, one a file. A new file in this package is found and registered by itself."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from neuro_emu.rules.base import RULES, Datapath, Learn, Need, Option, OptionValue, Rule, rule
from neuro_emu.rules.lookup import find_rule, installed_rules

_NO_RULES = {"base", "blocks", "lookup"}

for _module in iter_modules(__path__):
    if _module.name not in _NO_RULES:
        import_module(f"{__name__}.{_module.name}")

__all__ = [
    "RULES",
    "Datapath",
    "Learn",
    "Need",
    "Option",
    "OptionValue",
    "Rule",
    "find_rule",
    "installed_rules",
    "rule",
]
