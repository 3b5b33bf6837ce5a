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
from neuro_emu.kernels import fabric as fb
from neuro_emu.machine.initialise import initial_state
from neuro_emu.numerics.formats import Format
from neuro_emu.rules import RULES, Need, Rule

pytestmark = pytest.mark.integer

NO_RULES = {"__init__", "base", "blocks", "lookup"}
FILES = sorted(p for p in Path(rules.__file__).parent.glob("*.py") if p.stem not in NO_RULES)
CHAINED = [
    "bp",
    "fa",
    "sign_symmetry",
    "weight_mirror",
    "kp",
    "forward_alignment",
    "activation_sharing",
    "asap",
    "asfp",
]
NEEDS = {
    "dfa": Need.ERROR,
    "dkp": Need.ERROR,
    "drtp": Need.LABEL,
    "sdfa": Need.ERROR,
    "shallow": Need.NOTHING,
    **dict.fromkeys(CHAINED, Need.CHAIN),
}
SHARING = {"block", "lag", "matching"}
OPTIONS = {
    "activation_sharing": SHARING,
    "asap": {*SHARING, "first_layer"},
    "asfp": {*SHARING, "local_classifier"},
}


def test_the_registry_finds_the_rules_of_the_folder():
    assert [path.stem for path in FILES] == sorted(RULES)
    assert {name: rule.need for name, rule in RULES.items()} == NEEDS
    assert {name: rule.settings for name, rule in RULES.items() if rule.settings} == {"sdfa": {"sign_dead_zone"}}
    assert {name: set(rule.options) for name, rule in RULES.items() if rule.options} == OPTIONS
    assert [name for name, rule in RULES.items() if rule.mirror] == ["weight_mirror"]
    assert all(rule.summary and not rule.summary.endswith(":") for rule in RULES.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_rule_file_is_short_and_imports_only_the_protocol(path):
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert len([line for line in source.splitlines() if line.strip()]) <= 60
    assert ast.get_docstring(tree)
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module)
        elif isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
    assert imported - {"neuro_emu.rules.blocks"} == {"__future__", "neuro_emu.rules.base"}


def chip_with(rule, **learning):
    """5 - 6 - 7 - 3 with formats whose fractions all differ, so that a wrong shift shows."""
    chip = small_chip("random", "full", "zero", False, Format.parse("s8f5"))
    hidden, output = chip.network.layers
    hidden = replace(hidden, delta=Format.parse("s8f7"), projection=Format.parse("s9f6"))
    second = replace(hidden, index=1, inputs=6, units=7, activation="relu", input=hidden.output)
    output = replace(output, index=2, inputs=7, delta=Format.parse("s9f8"), input=hidden.output)
    settings = replace(chip.learning, rule=RULES[rule], lr_shift=(((0, 8),),) * 3, **learning)
    return replace(chip, network=replace(chip.network, layers=(hidden, second, output)), learning=settings)


# (operation, layer, source register, target register, shift); registers 0 and 1 are δ_K and e; behind them what else
# the operation needs. tanh has 8 fractional bits of slope, relu none; weights and feedback 5,
# projection 6, delta 7, δ_K 8.
PROGRAMS = {
    "drtp": [
        ("label_row", 0, 0, 2, 0, {"MATRIX": -1}),
        ("gate", 0, 2, 3, 5 + 8 - 7),
        ("update", 0, 3, 0, 0, {"PLANE": 0, "MATRIX": 0}),
        ("label_row", 1, 0, 4, 0, {"MATRIX": -1}),
        ("gate", 1, 4, 5, 5 + 0 - 7),
        ("update", 1, 5, 0, 0, {"PLANE": 1, "MATRIX": 1}),
        ("update", 2, 0, 0, 0, {"PLANE": 2, "MATRIX": 2}),
    ],
    "dfa": [
        ("update", 2, 0, 0, 0),
        ("project", 1, 0, 2, 5 + 8 - 6, {"DETAIL": 3}),
        ("gate", 1, 2, 3, 6 + 0 - 7),
        ("update", 1, 3, 0, 0),
        ("project", 0, 0, 4, 5 + 8 - 6, {"DETAIL": 3}),
        ("gate", 0, 4, 5, 6 + 8 - 7),
        ("update", 0, 5, 0, 0),
    ],
    "sdfa": [
        ("update", 2, 0, 0, 0),
        ("error_sign", 0, 0, 2, 0),
        ("project", 1, 2, 3, 5 + 0 - 6),
        ("gate", 1, 3, 4, 6 + 0 - 7),
        ("update", 1, 4, 0, 0),
        ("project", 0, 2, 5, 5 + 0 - 6),
        ("gate", 0, 5, 6, 6 + 8 - 7),
        ("update", 0, 6, 0, 0),
    ],
    "shallow": [("update", 2, 0, 0, 0)],
    "bp": [
        ("transpose", 1, 0, 2, 5 + 8 - 6, {"MATRIX": 2, "DETAIL": -1}),
        ("gate", 1, 2, 3, 6 + 0 - 7),
        ("transpose", 0, 3, 4, 5 + 7 - 6, {"MATRIX": 1, "DETAIL": -1}),
        ("gate", 0, 4, 5, 6 + 8 - 7),
        ("update", 2, 0, 0, 0),
        ("update", 1, 3, 0, 0),
        ("update", 0, 5, 0, 0),
    ],
    "fa": [
        ("project", 1, 0, 2, 5 + 8 - 6, {"DETAIL": 3}),
        ("gate", 1, 2, 3, 6 + 0 - 7),
        ("project", 0, 3, 4, 5 + 7 - 6, {"DETAIL": 7}),
        ("gate", 0, 4, 5, 6 + 8 - 7),
        ("update", 2, 0, 0, 0),
        ("update", 1, 3, 0, 0),
        ("update", 0, 5, 0, 0),
    ],
    # B_1 and B_0, the twins of W_2 and W_1, are matrices 4 and 3
    "kp": [
        ("transpose", 1, 0, 2, 5 + 8 - 6, {"MATRIX": 4, "DETAIL": -1}),
        ("gate", 1, 2, 3, 6 + 0 - 7),
        ("transpose", 0, 3, 4, 5 + 7 - 6, {"MATRIX": 3, "DETAIL": -1}),
        ("gate", 0, 4, 5, 6 + 8 - 7),
        ("update", 2, 0, 0, 0),
        ("update", 1, 3, 0, 0),
        ("update", 0, 5, 0, 0),
    ],
    # planes 0 to 3 are input and outputs; each learned matrix has rows of its own
    "dkp": [
        ("update", 2, 0, 0, 0),
        ("project_learned", 1, 0, 2, 5 + 8 - 6, {"PLANE": 4, "MATRIX": 4}),
        ("gate", 1, 2, 3, 6 + 0 - 7),
        ("update", 1, 3, 0, 0),
        ("learn_feedback", 1, 0, 0, 0, {"PLANE": 5, "MATRIX": 4, "DETAIL": 2}),
        ("project_learned", 0, 0, 4, 5 + 8 - 6, {"PLANE": 6, "MATRIX": 3}),
        ("gate", 0, 4, 5, 6 + 8 - 7),
        ("update", 0, 5, 0, 0),
        ("learn_feedback", 0, 0, 0, 0, {"PLANE": 7, "MATRIX": 3, "DETAIL": 1}),
    ],
    # h̃_0 is plane 4, h̃_1 plane 5; the output asks for both, so a closed gate does not leave them out
    "forward_alignment": [
        ("random_forward", 0, 0, 0, 0, {"PLANE": 0, "MATRIX": 3, "DETAIL": 4, "OWNER": 2}),
        ("random_forward", 1, 0, 0, 0, {"PLANE": 4, "MATRIX": 4, "DETAIL": 5, "OWNER": 2}),
        ("transpose", 1, 0, 2, 5 + 8 - 6),
        ("gate", 1, 2, 3, 6 + 0 - 7),
        ("transpose", 0, 3, 4, 5 + 7 - 6),
        ("gate", 0, 4, 5, 6 + 8 - 7),
        ("update", 2, 0, 0, 0, {"PLANE": 5}),
        ("update", 1, 3, 0, 0, {"PLANE": 4}),
        ("update", 0, 5, 0, 0, {"PLANE": 0}),
    ],
    # one block, {1, 2}: y_0 serves W_1 as it is and W_2 stretched from 6 to 7
    "activation_sharing": [
        ("pool", 1, 0, 4, 6, {"PLANE": 1, "DETAIL": 0, "OWNER": 2}),
        ("transpose", 1, 0, 2, 5 + 8 - 6),
        ("gate", 1, 2, 3, 6 + 0 - 7),
        ("transpose", 0, 3, 4, 5 + 7 - 6),
        ("gate", 0, 4, 5, 6 + 8 - 7),
        ("update", 2, 0, 0, 0, {"PLANE": 4}),
        ("update", 1, 3, 0, 0, {"PLANE": 1}),
        ("update", 0, 5, 0, 0, {"PLANE": 0}),
    ],
}


def instructions(chip):
    return [(fb.OPERATIONS[row[0]], *row[1:5]) for row in record(chip).code.tolist()]


@pytest.mark.parametrize("rule", PROGRAMS)
def test_the_recorded_program_of_a_rule(rule):
    chip = chip_with(rule)
    program = record(chip)
    assert instructions(chip) == [entry[:5] for entry in PROGRAMS[rule]]
    for row, entry in zip(program.code.tolist(), PROGRAMS[rule], strict=True):
        for name, value in (entry[5] if len(entry) > 5 else {}).items():
            assert (entry[:2], name, row[getattr(fb, name)]) == (entry[:2], name, value)
    assert program.operations == [(op, k) for op, k, *_ in PROGRAMS[rule]]
    signals = [entry[3] for entry in PROGRAMS[rule] if entry[0] != "pool"]
    assert program.registers == max([1, *signals]) + 1


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
