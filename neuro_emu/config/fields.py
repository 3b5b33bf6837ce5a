"""How fields of a configuration are written down: help and limits beside each; and learning rates, which many have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from neuro_emu.config.typed import FieldError


def setting(text: str, default: Any = ..., **limits: int | float) -> Any:
    """Return a field with its help and limits; without *default* it must be written."""
    metadata = {"help": text, **limits}
    return field(metadata=metadata) if default is ... else field(default=default, metadata=metadata)


def section(kind: type[Any], text: str) -> Any:
    """Return a field that holds a section, all its defaults unless it is written."""
    return field(default_factory=kind, metadata={"help": text})


@dataclass(frozen=True)
class Cosine:
    """A learning rate that follows half a cosine, rounded to shifts."""

    yaml_tag: ClassVar[str] = "cosine"

    first: int = setting("shift at the start", min=-64, max=64)
    last: int = setting("shift at the end, not smaller", min=-64, max=64)
    epochs: int = setting("epochs from start to end", min=1, max=100000)

    def __post_init__(self) -> None:
        if not self.first <= self.last <= self.first + 64:
            raise FieldError("last", f"from shift {self.first} to {self.last}", "a rate falls: last is not below first")


@dataclass(frozen=True)
class Step:
    """A learning rate that falls in steps."""

    yaml_tag: ClassVar[str] = "step"

    first: int = setting("shift at the start", min=-64, max=64)
    every: int = setting("epochs between two steps", min=1, max=100000)
    steps: int = setting("number of steps", min=1, max=64)
    by: int = setting("what a step adds to the shift: 1 halves the rate", 1, min=1, max=64)


Schedule = int | tuple[tuple[int, int], ...] | Cosine | Step
"""A learning rate as right shifts: one number, pairs [epoch, shift] valid from that epoch on, or a curve of shifts."""
