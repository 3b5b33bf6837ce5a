"""Learning rules with their options in one word: ``bp``, ``asap/block=4``, ``asfp/block=2/local_classifier=true``."""

from __future__ import annotations

from neuro_emu.config.nodes import suggest
from neuro_emu.errors import RunError
from neuro_emu.estimate.external.learner import Learner
from neuro_emu.rules import RULES, OptionValue, Rule, find_rule

DEFAULT = (
    *("bp", "asap/block=2", "asap/block=4", "activation_sharing/block=2", "sign_symmetry", "fa", "kp", "weight_mirror"),
    *(
        "dfa",
        "sdfa",
        "dkp",
        "drtp",
        "forward_alignment",
        "asfp/block=2",
        "asfp/block=2/local_classifier=true",
        "shallow",
    ),
)
"""Rules that are compared if none are named: those of figure 6.1, then every other one."""

PICTURED = ("bp", "asap/block=2", "asap/block=4", "kp", "dfa", "drtp")
"""Of these, those that a picture shows."""


def learner_of(text: str, batch: int = 1, *, generated: bool = False) -> Learner:
    """Return the learner of a word.

    Raises:
        RunError: if there is no such rule or option, or a value does not fit.

    """
    name, *settings = text.split("/")
    try:
        rule = find_rule(name)
    except KeyError:
        raise RunError(f"learning rule {name!r}: {suggest(name, RULES, 'rules')}") from None
    options: dict[str, OptionValue] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in rule.options:
            raise RunError(
                f"{text}: {suggest(key, rule.options, 'options')}" if rule.options else f"{name} has no options"
            )
        options[key] = _value(rule, key, value)
        complaint = rule.options[key].complaint(options[key])
        if complaint:
            raise RunError(f"{text}: {key}: {complaint}")
    return Learner(rule, options, batch, generated=generated)


def _value(rule: Rule, key: str, text: str) -> OptionValue:
    if isinstance(rule.options[key].default, bool):
        return {"true": True, "false": False}.get(text, text)
    return int(text) if text.isascii() and text.isdigit() else text


def label_of(text: str) -> str:
    """Return a word as people read it: ``asap, block 4``."""
    name, *settings = text.split("/")
    told = [name]
    for setting in settings:
        key, _, value = setting.partition("=")
        shown = key.replace("_", " ")
        told += [shown] if value == "true" else [f"{shown} {value}"] if value != "false" else []
    return ", ".join(told)
