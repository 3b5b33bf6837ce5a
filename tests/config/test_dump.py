"""Dumping: the exact text of a sample, and the round trip of any value."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.config.dump import dump, to_plain
from neuro_emu.config.typed import load_text


class Order(enum.Enum):
    SHUFFLED = "shuffled"
    OFF = "off"
    TWO = 2


@dataclass(frozen=True)
class Format:
    bits: int
    fraction: int

    @classmethod
    def parse(cls, text: str) -> Format:
        bits, _, fraction = text.removeprefix("s").partition("f")
        return cls(int(bits), int(fraction))

    def __str__(self) -> str:
        return f"s{self.bits}f{self.fraction}"


@dataclass(frozen=True)
class Dense:
    yaml_tag: ClassVar[str] = "dense"
    units: int
    weight: Format = Format(8, 8)
    note: str = ""


@dataclass(frozen=True)
class Flatten:
    yaml_tag: ClassVar[str] = "flatten"


@dataclass(frozen=True)
class Network:
    layers: tuple[Dense | Flatten, ...]
    head: Dense | None = None


@dataclass(frozen=True)
class Training:
    epochs: int = 10
    rate: float = 1e-5
    order: Order = Order.SHUFFLED
    gate: int | None = None
    window: tuple[int, int] = (0, 1)
    shifts: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Root:
    name: str
    network: Network
    training: Training = Training()
    seed: int | float | Literal["none"] = 1
    strict: bool = False


SAMPLE = Root(
    name="drtp 10",
    network=Network((Dense(500), Flatten(), Dense(10, note="n" * 90)), head=Dense(2)),
    training=Training(
        order=Order.OFF,
        shifts={"hidden": ((0, 9), (4, 10)), "y": ()},
        words=("a: b", "yes", "010", "w" * 90),
    ),
)

TEXT = f"""\
name: drtp 10

network:
  layers:
    - dense: {{units: 500, weight: s8f8, note: ""}}
    - flatten: {{}}
    - dense:
        units: 10
        weight: s8f8
        note: {"n" * 90}
  head:
    dense:
      units: 2
      weight: s8f8
      note: ""

training:
  epochs: 10
  rate: 1.0e-05
  order: "off"
  gate: null
  window: [0, 1]
  shifts:
    hidden: [[0, 9], [4, 10]]
    "y": []
  words:
    - "a: b"
    - "yes"
    - "010"
    - {"w" * 90}

seed: 1
strict: false
"""


def test_text() -> None:
    assert dump(SAMPLE) == TEXT
    assert load_text(TEXT, "c.yaml", Root) == SAMPLE


def test_other_readers_agree() -> None:
    assert yaml.safe_load(TEXT) == to_plain(SAMPLE)


def test_to_plain() -> None:
    assert to_plain(Network((Dense(1), Flatten()))) == {
        "layers": [{"dense": {"units": 1, "weight": "s8f8", "note": ""}}, {"flatten": {}}],
        "head": None,
    }
    assert to_plain(Order.TWO) == 2


def test_of_less_than_a_configuration() -> None:
    assert dump({}) == "{}\n"
    assert dump((1, "x")) == "[1, x]\n"
    assert dump({"a": ({"b": ((1, 2),), "c": 3}, ())}) == "a:\n  - {b: [[1, 2]], c: 3}\n  - []\n"


def test_nested_blocks() -> None:
    long = tuple(range(40))
    expected = "a:\n  - b:\n      - - 1000\n"
    assert dump({"a": ({"b": ((*(x + 1000 for x in long),),), "c": 1},)}).startswith(expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        dump({"a": value})


def test_unknown_type() -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        dump({"a": object()})


WORDS = st.one_of(
    st.text(max_size=20),
    st.text(alphabet=" 'ab:-#[]{},&*!|>\"\\\n\t\x85\u2028\ufeff010_.e", max_size=8),
    st.sampled_from(["null", "~", "on", "Yes", "true", "010", "1e3", "12:30", "1_0", ".inf"]),
    st.sampled_from(["<<", "a -", "- a", "a #b", "a: b", "|", "---"]),
)
FORMATS = st.builds(Format, st.integers(1, 32), st.integers(-9, 32))
DENSE = st.builds(Dense, st.integers(), FORMATS, WORDS)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ROOTS = st.builds(
    Root,
    WORDS,
    st.builds(Network, st.lists(DENSE | st.just(Flatten()), max_size=4).map(tuple), st.none() | DENSE),
    st.builds(
        Training,
        st.integers(-(10**40), 10**40),
        FINITE,
        st.sampled_from(Order),
        st.none() | st.integers(),
        st.tuples(st.integers(), st.integers()),
        st.dictionaries(WORDS, st.lists(st.tuples(st.integers(), st.integers()), max_size=12).map(tuple)),
        st.lists(WORDS, max_size=12).map(tuple),
    ),
    st.integers() | FINITE | st.just("none"),
    st.booleans(),
)


@given(ROOTS)
def test_round_trip(value: Root) -> None:
    text = dump(value)
    again = load_text(text, "c.yaml", Root)
    assert again == value
    assert type(again.seed) is type(value.seed)
    assert dump(again) == text


def test_lines_fit() -> None:
    assert max(map(len, dump(SAMPLE).splitlines())) <= 106  # one word of 90 letters, which cannot be parted
