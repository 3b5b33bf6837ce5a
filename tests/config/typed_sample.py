"""Dataclasses with every kind of field, built from text; for the tests of `typed`."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest

from neuro_emu.config.typed import FieldError, load_text
from neuro_emu.errors import ConfigError


class Overflow(enum.Enum):
    SAT = "SAT"
    WRAP = "WRAP"


class Banks(enum.Enum):
    ONE = 1
    TWO = 2


@dataclass(frozen=True)
class Format:
    bits: int

    @classmethod
    def parse(cls, text: str) -> Format:
        if not (text.startswith("s") and text[1:].isdigit()):
            raise ValueError(f"{text!r} is not a number format")
        if text == "s0":
            raise FieldError("", "a format of no bits", "write s1 or more")
        return cls(int(text[1:]))


@dataclass(frozen=True)
class Dense:
    yaml_tag: ClassVar[str] = "dense"
    units: int = field(metadata={"help": "neurons of the layer", "min": 1})
    weight: Format = Format(8)


@dataclass(frozen=True)
class Flatten:
    yaml_tag: ClassVar[str] = "flatten"
    order: str = "rows"


@dataclass(frozen=True)
class Steps:
    first: int
    last: int = 9

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise FieldError("last", f"last is {self.last}, before first", f"write {self.first} or more")
        if self.first == 5:
            raise ValueError("five is right out")


@dataclass(frozen=True)
class Ramp:
    slope: float
    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Root:
    name: str = "run"
    layers: tuple[Dense | Flatten, ...] = ()
    only: Dense | None = None
    count: int = field(default=1, metadata={"help": "how many", "min": 1, "max": 10})
    low: int = field(default=1, metadata={"min": 1})
    high: float = field(default=0.5, metadata={"max": 1.0})
    rate: float = 0.5
    strict: bool = False
    gate: int | None = None
    overflow: Overflow = Overflow.SAT
    banks: Banks = Banks.ONE
    mode: Literal["on", "off", 3, True] = "on"
    window: tuple[int, int] = (0, 1)
    table: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    percents: tuple[int, ...] = field(default=(), metadata={"max": 100})
    format: Format | Literal["auto"] = "auto"
    either: int | float | str | None = None
    schedule: Steps | Ramp | tuple[int, ...] | float = 1.0
    layer: Dense | Flatten | Literal["none"] = "none"
    steps: Steps = Steps(0)


@dataclass(frozen=True)
class Step:
    @classmethod
    def parse(cls, text: str) -> Step:
        return cls()


@dataclass(frozen=True)
class Walk:
    step: Step


@dataclass(frozen=True)
class Needs:
    epochs: int = field(metadata={"help": "passes over the training set"})
    steps: Steps


def build(text: str, *overrides: str, tp: type[Any] = Root) -> Any:
    return load_text(text, "c.yaml", tp, overrides)


def message(text: str, *overrides: str, tp: type[Any] = Root) -> str:
    with pytest.raises(ConfigError) as caught:
        build(text, *overrides, tp=tp)
    return str(caught.value)
