"""The full text of every error of building a dataclass."""

from __future__ import annotations

import pytest
from config_messages import expect
from typed_sample import Needs, Walk, message

ERRORS = {
    "layers:\n  - dense:\n      unit: 3  # typo\n": """
        c.yaml:3:7: unknown key 'unit'
            3 |       unit: 3  # typo
              |       ^^^^
              = help: did you mean 'units'?
        """,
    "steps: {first: 1, zzz: 2}": """
        c.yaml:1:19: unknown key 'zzz'
            1 | steps: {first: 1, zzz: 2}
              |                   ^^^
              = help: known keys: first, last
        """,
    "layers:\n  - dense:\n      weight: s4\n": """
        c.yaml:2:5: missing key 'units'
            2 |   - dense:
              |     ^^^^^
              = help: units is an integer: neurons of the layer
        """,
    "layers: [{dense: {weight: s4}}]": """
        c.yaml:1:18: missing key 'units'
            1 | layers: [{dense: {weight: s4}}]
              |                  ^^^^^^^^^^^^
              = help: units is an integer: neurons of the layer
        """,
    "count: eight": """
        c.yaml:1:8: expected an integer, got the string 'eight'
            1 | count: eight
              |        ^^^^^
              = help: how many
        """,
    "low: eight": """
        c.yaml:1:6: expected an integer, got the string 'eight'
            1 | low: eight
              |      ^^^^^
              = help: write a whole number, such as 8
        """,
    "count: 3.0": """
        c.yaml:1:8: expected an integer, got the number 3.0
            1 | count: 3.0
              |        ^^^
              = help: write 3
        """,
    "count: 1e3": """
        c.yaml:1:8: expected an integer, got the number 1e3
            1 | count: 1e3
              |        ^^^
              = help: write 1000
        """,
    "low: true": """
        c.yaml:1:6: expected an integer, got true
            1 | low: true
              |      ^^^^
              = help: write a whole number, such as 8
        """,
    "count: 11": """
        c.yaml:1:8: 11 is out of range: 1 to 10 is allowed
            1 | count: 11
              |        ^^
              = help: how many
        """,
    "low: -3": """
        c.yaml:1:6: -3 is out of range: at least 1 is allowed
            1 | low: -3
              |      ^^
              = help: write at least 1
        """,
    "high: 1.5": """
        c.yaml:1:7: 1.5 is out of range: at most 1.0 is allowed
            1 | high: 1.5
              |       ^^^
              = help: write at most 1.0
        """,
    "percents:\n- 50\n- 101\n": """
        c.yaml:3:3: 101 is out of range: at most 100 is allowed
            3 | - 101
              |   ^^^
              = help: write at most 100
        """,
    "rate: fast": """
        c.yaml:1:7: expected a number, got the string 'fast'
            1 | rate: fast
              |       ^^^^
              = help: write a number, such as 0.5 or 1e-3
        """,
    "strict: yes": """
        c.yaml:1:9: expected true or false, got the string 'yes'
            1 | strict: yes
              |         ^^^
              = help: write true
        """,
    "strict: off": """
        c.yaml:1:9: expected true or false, got the string 'off'
            1 | strict: off
              |         ^^^
              = help: write false
        """,
    "strict: 1": """
        c.yaml:1:9: expected true or false, got the number 1
            1 | strict: 1
              |         ^
              = help: write true or false
        """,
    "name: 123": """
        c.yaml:1:7: expected a string, got the number 123
            1 | name: 123
              |       ^^^
              = help: for text, put it in quotes: '123'
        """,
    "name:": """
        c.yaml:1:1: expected a string, got null
            1 | name:
              | ^^^^
              = help: write a word, or text in quotes
        """,
    "name: [a,\n  b]\n": """
        c.yaml:1:1: expected a string, got a list
            1 | name: [a,
              | ^^^^
              = help: write a word, or text in quotes
        """,
    "gate: none": """
        c.yaml:1:7: expected an integer or null, got the string 'none'
            1 | gate: none
              |       ^^^^
              = help: write null
        """,
    "overflow: sat": """
        c.yaml:1:11: the string 'sat' is not one of the choices
            1 | overflow: sat
              |           ^^^
              = help: did you mean 'SAT'? (choices: SAT, WRAP)
        """,
    "overflow: clip": """
        c.yaml:1:11: the string 'clip' is not one of the choices
            1 | overflow: clip
              |           ^^^^
              = help: choices: SAT, WRAP
        """,
    "overflow: {a: 1}": """
        c.yaml:1:11: expected one of SAT, WRAP, got a mapping
            1 | overflow: {a: 1}
              |           ^^^^^^
              = help: write one of SAT, WRAP
        """,
    "banks: true": """
        c.yaml:1:8: true is not one of the choices
            1 | banks: true
              |        ^^^^
              = help: choices: 1, 2
        """,
    "mode: offf": """
        c.yaml:1:7: the string 'offf' is not one of the choices
            1 | mode: offf
              |       ^^^^
              = help: did you mean 'off'? (choices: on, off, 3, true)
        """,
    "window: [1, 2, 3]": """
        c.yaml:1:9: expected a list of 2, got 3
            1 | window: [1, 2, 3]
              |         ^^^^^^^^^
              = help: write [an integer, an integer]
        """,
    "window: 3": """
        c.yaml:1:9: expected a list of 2, got the number 3
            1 | window: 3
              |         ^
              = help: write a list of 2
        """,
    "layers:\n  dense: {units: 3}\n": """
        c.yaml:1:1: expected a list, got a mapping
            1 | layers:
              | ^^^^^^
              = help: write [a, b], or one '- ' item a line
        """,
    "table: [1]": """
        c.yaml:1:8: expected a mapping, got a list
            1 | table: [1]
              |        ^^^
              = help: write {key: value}, or one 'key: value' a line below it
        """,
    "table: {a: [[0, x]]}": """
        c.yaml:1:17: expected an integer, got the string 'x'
            1 | table: {a: [[0, x]]}
              |                 ^
              = help: write a whole number, such as 8
        """,
    "layers: [dense: {units: 1, weight: u4}]": """
        c.yaml:1:36: 'u4' is not a number format
            1 | layers: [dense: {units: 1, weight: u4}]
              |                                    ^^
              = help: write a Format
        """,
    "layers: [dense: {units: 1, weight: s0}]": """
        c.yaml:1:36: a format of no bits
            1 | layers: [dense: {units: 1, weight: s0}]
              |                                    ^^
              = help: write s1 or more
        """,
    "layers: [dense: {units: 1, weight: [s1]}]": """
        c.yaml:1:36: expected a Format, got a list
            1 | layers: [dense: {units: 1, weight: [s1]}]
              |                                    ^^^^
              = help: write a Format
        """,
    "format: u4": """
        c.yaml:1:9: expected a Format or one of auto, got the string 'u4'
            1 | format: u4
              |         ^^
              = help: write a Format or one of auto
        """,
    "either: [1]": """
        c.yaml:1:9: expected an integer or a number or a string or null, got a list
            1 | either: [1]
              |         ^^^
              = help: write an integer or a number or a string
        """,
    "schedule: {slope: x}": """
        c.yaml:1:19: expected a number, got the string 'x'
            1 | schedule: {slope: x}
              |                   ^
              = help: write a number, such as 0.5 or 1e-3
        """,
    "layers:\n  - dens: {units: 3}\n": """
        c.yaml:2:5: unknown key 'dens'
            2 |   - dens: {units: 3}
              |     ^^^^
              = help: did you mean 'dense'?
        """,
    "layers: [pool: {}]": """
        c.yaml:1:10: unknown key 'pool'
            1 | layers: [pool: {}]
              |          ^^^^
              = help: known keys: dense, flatten
        """,
    "layers:\n  - dense:\n    units: 3\n": """
        c.yaml:3:5: 'units' beside 'dense': expected a mapping with one key
            3 |     units: 3
              |     ^^^^^
              = help: indent the settings of 'dense' below it
        """,
    "layers: [flatten]": """
        c.yaml:1:10: expected a mapping with one key, got the string 'flatten'
            1 | layers: [flatten]
              |          ^^^^^^^
              = help: write 'flatten: {}'
        """,
    "layers: [3]": """
        c.yaml:1:10: expected a mapping with one key, got the number 3
            1 | layers: [3]
              |          ^
              = help: its key is one of: dense, flatten
        """,
    "layers: [flatten: ]": """
        c.yaml:1:10: expected a mapping, got null
            1 | layers: [flatten: ]
              |          ^^^^^^^
              = help: write {} to take the defaults
        """,
    "steps:\n  first: 3\n  last: 2\n": """
        c.yaml:3:9: last is 2, before first
            3 |   last: 2
              |         ^
              = help: write 3 or more
        """,
    "steps: {first: 12}\n": """
        c.yaml:1:8: last is 9, before first
            1 | steps: {first: 12}
              |        ^^^^^^^^^^^
              = help: write 12 or more
        """,
    "steps:\n  first: 5\n": """
        c.yaml:1:1: five is right out
            1 | steps:
              | ^^^^^
        """,
    "[1]": """
        c.yaml:1:1: expected a mapping, got a list
            1 | [1]
              | ^^^
              = help: write {key: value}, or one 'key: value' a line below it
        """,
}


@pytest.mark.parametrize(("text", "expected"), ERRORS.items(), ids=[repr(text)[1:-1] for text in ERRORS])
def test_errors(text: str, expected: str) -> None:
    assert message(text) == expect(expected)


def test_missing_at_the_root() -> None:
    assert message("steps: {first: 1}\n", tp=Needs) == expect("""
        c.yaml:1:1: missing key 'epochs'
            1 | steps: {first: 1}
              | ^^^^^
              = help: epochs is an integer: passes over the training set
        """)


def test_number_for_a_parsed_scalar() -> None:
    assert message("step: 8", tp=Walk) == expect("""
        c.yaml:1:7: expected a Step, got the number 8
            1 | step: 8
              |       ^
              = help: put it in quotes: '8'
        """)
