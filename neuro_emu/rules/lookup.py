"""Rules by name: ours, those that other packages install, and `module:function` of anybody."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from neuro_emu.errors import RuleError
from neuro_emu.rules.base import RULES, Rule

GROUP = "neuro_emu.rules"
"""Entry-point group: `name = "package.module:function"`, the function decorated with :func:`rule`."""


def installed_rules() -> dict[str, str]:
    """Names of the rules that other installed packages offer, with where they are."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def find_rule(name: str) -> Rule:
    """Return a rule by its name, from an entry point, or from `module:function`.

    Raises:
        RuleError: if it cannot be imported or is not a rule.
        KeyError: if there is no such name.

    """
    if name in RULES:
        return RULES[name]
    where = name if ":" in name else installed_rules()[name]
    module_name, _, attribute = where.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # a console script does not look where it is started
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever somebody else's module raises
        raise RuleError(f"cannot import {module_name!r}: {type(error).__name__}: {error}") from error
    body = getattr(module, attribute, None)
    for candidate in RULES.values():
        if body is not None and candidate.learn is body:
            return candidate
    raise RuleError(f"{attribute!r} of {module_name} is no learning rule: decorate it with neuro_emu.rules.rule")
