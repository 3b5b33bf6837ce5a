"""The rules as files: found by themselves, short, independent of each other, and what each asks of the datapath."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from strategies import small_chip

from neuro_emu import rules
from neuro_emu.config.experiment import load
from neuro_emu.datapath.fast import FastDatapath
from neuro_emu.datapath.program import record
from neuro_emu.datapath.traced import TracedDatapath
from neuro_emu.errors import ConfigError
from neuro_emu.machine.initialise import initial_state
from neuro_emu.numerics.formats import Format
from neuro_emu.rules import RULES, Need, Rule

pytestmark = pytest.mark.integer

FILES = sorted(p for p in Path(rules.__file__).parent.glob("*.py") if p.stem not in {"__init__", "base"})
NEEDS = {"dfa": Need.ERROR, "drtp": Need.LABEL, "sdfa": Need.ERROR, "shallow": Need.NOTHING}


def test_the_registry_finds_the_rules_of_the_folder():
    assert [path.stem for path in FILES] == sorted(RULES)
    assert {name: rule.need for name, rule in RULES.items()} == NEEDS
    assert {name: rule.options for name, rule in RULES.items() if rule.options} == {"sdfa": {"sign_dead_zone"}}
    assert all(rule.summary and not rule.summary.endswith(":") for rule in RULES.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_rule_file_is_short_and_imports_only_the_protocol(path):
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert len([line for line in source.splitlines() if line.strip()]) <= 25
    assert ast.get_docstring(tree)
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module)
        elif isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
    assert imported == {"__future__", "neuro_emu.rules.base"}


def chip_with(rule, **learning):
    """5 - 6 - 6 - 3 with formats whose fractions all differ, so that a wrong shift shows."""
    chip = small_chip("random", "full", "zero", False, Format.parse("s8f5"))
    hidden, output = chip.network.layers
    hidden = replace(hidden, delta=Format.parse("s8f7"), projection=Format.parse("s9f6"))
    second = replace(hidden, index=1, inputs=6, activation="relu")
    output = replace(output, index=2, delta=Format.parse("s9f8"))
    settings = replace(chip.learning, rule=RULES[rule], lr_shift=(((0, 8),),) * 3, **learning)
    return replace(chip, network=replace(chip.network, layers=(hidden, second, output)), learning=settings)


# (operation, layer, source register, target register, shift); registers 0 and 1 are δ_K and e.
# tanh has 8 fractional bits of slope, relu none; feedback 5, projection 6, delta 7, δ_K 8.
PROGRAMS = {
    "drtp": [
        ("label_row", 0, 0, 2, 0),
        ("gate", 0, 2, 3, 5 + 8 - 7),
        ("update", 0, 3, 0, 0),
        ("label_row", 1, 0, 4, 0),
        ("gate", 1, 4, 5, 5 + 0 - 7),
        ("update", 1, 5, 0, 0),
        ("update", 2, 0, 0, 0),
    ],
    "dfa": [
        ("update", 2, 0, 0, 0),
        ("project", 1, 0, 2, 5 + 8 - 6),
        ("gate", 1, 2, 3, 6 + 0 - 7),
        ("update", 1, 3, 0, 0),
        ("project", 0, 0, 4, 5 + 8 - 6),
        ("gate", 0, 4, 5, 6 + 8 - 7),
        ("update", 0, 5, 0, 0),
    ],
    "sdfa": [
        ("update", 2, 0, 0, 0),
        ("error_sign", 0, 0, 2, 0),
        ("project", 1, 2, 3, 5 + 0 - 6),
        ("gate", 1, 3, 4, 6 + 0 - 7),
        ("update", 1, 4, 0, 0),
        ("error_sign", 0, 0, 5, 0),
        ("project", 0, 5, 6, 5 + 0 - 6),
        ("gate", 0, 6, 7, 6 + 8 - 7),
        ("update", 0, 7, 0, 0),
    ],
    "shallow": [("update", 2, 0, 0, 0)],
}
OPERATIONS = ("label_row", "error_sign", "project", "gate", "update")


def instructions(chip):
    return [(OPERATIONS[op], *rest) for op, *rest in record(chip).code.tolist()]


@pytest.mark.parametrize("rule", PROGRAMS)
def test_the_recorded_program_of_a_rule(rule):
    program = record(chip_with(rule))
    assert instructions(chip_with(rule)) == PROGRAMS[rule]
    assert program.operations == [(op, k) for op, k, *_ in PROGRAMS[rule]]
    assert program.registers == max([1, *(target for _, _, _, target, _ in PROGRAMS[rule])]) + 1


def test_an_error_gate_gives_a_label_rule_the_order_of_an_error_rule():
    layers = [k for op, k, *_ in instructions(chip_with("drtp", error_gate=10)) if op == "update"]
    assert layers == [2, 1, 0]
    assert [k for op, k, *_ in instructions(chip_with("drtp")) if op == "update"] == [0, 1, 2]


@pytest.mark.parametrize("path", [FastDatapath, TracedDatapath])
def test_an_update_in_another_format_is_refused(path, monkeypatch):
    def body(dp, k):
        dp.update(k, dp.label_row(k))

    chip = load(
        Path(__file__).parent.parent / "configs" / "drtp_small.yaml", ["network.layers.0.dense.delta=s8f7"]
    ).chip
    chip = replace(chip, learning=replace(chip.learning, rule=Rule("odd", Need.LABEL, body, "odd")))
    with pytest.raises(ConfigError, match=r"rule odd updates layer 0 with a signal in s4f3.* delta format is s8f7"):
        path(chip, initial_state(chip))
