"""Technologies: every constant can be looked up, none is missing in silence, a user's file replaces its lines alone."""

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from neuro_emu.errors import ConfigError, RunError
from neuro_emu.estimate.technology import CONSTANTS, FOLDER, NAMES, Constant, find_technology
from neuro_emu.estimate.units import factor

CALIBRATION = Path(__file__).parents[2] / "benchmarks" / "calibration" / "technologies.py"
KINDS = {"measured macro", "gate level", "model", "interpolated", "published", "assumed"}
LINE = '  {name}:\n    {{value: {value}, low: {low}, high: {high}, unit: {unit}, kind: assumed, source: "a bench"}}\n'


def text_of(name="ihp130"):
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def lines(path, **values):
    text = "constants:\n"
    for name, value in values.items():
        text += LINE.format(name=name, value=value, low=value / 2, high=value * 2, unit=f'"{CONSTANTS[name][0]}"')
    return written(path, text)


def refusal(*arguments):
    with pytest.raises(ConfigError) as caught:
        find_technology(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_every_technology_loads(name):
    technology = find_technology(name)
    assert technology.name == name
    assert list(technology.constants) != []
    assert technology.constants.keys() == CONSTANTS.keys()
    for constant, line in technology.constants.items():
        assert 0 < line.low <= line.value <= line.high, constant
        assert line.source.strip(), constant
        assert line.kind in KINDS, constant
        assert factor(line.unit, CONSTANTS[constant][0]) > 0, constant
    assert technology.sram.routes
    assert all(route.source for route in technology.sram.routes)


def test_the_folder_holds_what_the_names_say():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*NAMES, "flow"}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_found_by_its_path_too(name):
    assert find_technology(FOLDER / f"{name}.yaml") == find_technology(name)


def test_smaller_nodes_are_smaller_and_take_less():
    chain = [find_technology(name) for name in ("ihp130", "n65", "n45", "n40", "n28", "n22", "asap7")]
    for constant in ("gate_area", "gate_energy"):
        values = [technology.band(constant).nominal for technology in chain]
        assert values == sorted(values, reverse=True), constant


@pytest.mark.parametrize("name", [name for name in CONSTANTS if f"  {name}:" in text_of()])
def test_a_constant_that_is_not_set_is_an_error(tmp_path, name):
    document = yaml.safe_load(text_of())
    del document["constants"][name]
    message = refusal(written(tmp_path / "mine.yaml", yaml.safe_dump(document)))
    assert f"constant {name!r} is not set" in message
    assert CONSTANTS[name][1] in message
    assert f"{tmp_path / 'mine.yaml'}:" in message


def test_unknown_constants_are_refused_with_the_place(tmp_path):
    path = written(tmp_path / "mine.yaml", text_of().replace("  gate_area:", "  gate_aera:"))
    row = next(i for i, line in enumerate(path.read_text().splitlines(), 1) if "gate_aera" in line)
    message = refusal(path)
    assert message.startswith(f"{path}:{row}:3: unknown constant 'gate_aera'")
    assert "did you mean 'gate_area'?" in message


@pytest.mark.parametrize("key", ["valu", "nodes", "Source"])
def test_unknown_keys_are_refused_with_the_place(tmp_path, key):
    path = written(tmp_path / "mine.yaml", text_of().replace("unit: um2/gate,", f"unit: um2/gate, {key}: 1,", 1))
    row = next(i for i, line in enumerate(path.read_text().splitlines(), 1) if f"{key}: 1" in line)
    assert f"{path}:{row}:" in refusal(path)
    assert f"unknown key {key!r}" in refusal(path)


def test_duplicate_keys_are_refused_with_the_place(tmp_path):
    text = text_of() + "\nname: twice\n"
    path = written(tmp_path / "mine.yaml", text)
    row = text.rstrip("\n").count("\n") + 1
    assert refusal(path).startswith(f"{path}:{row}:1: duplicate key 'name', first given on line 2")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("low: 2.7, high: 3.6", "low: 3.5, high: 3.6", "3.5 / 2.95 / 3.6 is no range of a positive number"),
        ("low: 2.7, high: 3.6", "low: 0, high: 3.6", "0 / 2.95 / 3.6 is no range of a positive number"),
        ("value: 2.95, low: 2.7", "value: -2.95, low: -4", "is no range of a positive number"),
        ("low: 2.7, high: 3.6", "low: 2.7, high: .inf", ".inf is not a finite number"),
        ("unit: fJ/gate", "unit: fJ/bit", "fJ/bit is not a unit of what is wanted: write it in fJ/gate"),
        ("unit: fJ/gate", "unit: furlong", "'furlong' is not a unit"),
        ("kind: gate level, at_voltage", "kind: guess, at_voltage", "the string 'guess' is not one of the choices"),
        ("value: 2.95, low", "value: 2.95e, low", "expected a number"),
        ("value: 2.95, low: 2.7", "low: 2.7", "missing key 'value'"),
    ],
)
def test_what_is_wrong_is_pointed_at(tmp_path, old, new, complaint):
    assert old in text_of()
    path = written(tmp_path / "mine.yaml", text_of().replace(old, new, 1))
    message = refusal(path)
    assert complaint in message
    assert message.startswith(f"{path}:")
    assert "^" in message


@pytest.mark.parametrize("source", ['""', '"  "'])
def test_a_constant_has_a_source(tmp_path, source):
    path = lines(tmp_path / "mine.yaml", gate_area=3.0)
    path.write_text(path.read_text().replace('"a bench"', source), encoding="utf-8")
    assert "a constant without a source" in refusal("ihp130", [path])


def test_no_such_technology():
    with pytest.raises(RunError, match="did you mean 'ihp130'"):
        find_technology("ihp13O")


@pytest.mark.parametrize("name", ["gate_area", "gate_energy", "wires", "dram_energy", "utilisation"])
def test_a_file_replaces_its_line_and_no_other(tmp_path, name):
    before = find_technology("n28")
    after = find_technology("n28", [lines(tmp_path / "mine.yaml", **{name: 0.625})])
    assert after.band(name).nominal == 0.625
    assert after.constants[name].source == "a bench"
    assert replace(after, constants=after.constants | {name: before.constants[name]}) == before


def test_the_last_file_counts(tmp_path):
    first = lines(tmp_path / "first.yaml", gate_area=1.0, wires=1.5)
    second = lines(tmp_path / "second.yaml", gate_area=2.0)
    technology = find_technology("n28", [first, second])
    assert (technology.band("gate_area").nominal, technology.band("wires").nominal) == (2.0, 1.5)


def test_a_replaced_line_may_be_in_another_unit(tmp_path):
    path = lines(tmp_path / "mine.yaml", gate_energy=0.0033)
    path.write_text(path.read_text().replace("fJ/gate", "pJ/gate"), encoding="utf-8")
    assert find_technology("n28", [path]).band("gate_energy").nominal == pytest.approx(3.3)


def test_replacing_files_are_checked(tmp_path):
    path = lines(tmp_path / "mine.yaml", gate_area=1.0)
    path.write_text(path.read_text().replace("gate_area", "gate"), encoding="utf-8")
    assert refusal("n28", [path]).startswith(f"{path}:3:5: unknown constant 'gate'")


@pytest.mark.parametrize("name", NAMES)
def test_supplies_outside_the_range_are_refused(name):
    technology = find_technology(name)
    allowed = technology.band("voltage")
    assert technology.at(technology.nominal_voltage) == (1.0, technology.at(technology.nominal_voltage)[1])
    assert technology.at(allowed.nominal)[1].nominal == 1.0
    assert technology.at(allowed.low)[0] == pytest.approx((allowed.low / allowed.nominal) ** 2)
    for voltage in (allowed.low * 0.999, allowed.high * 1.001, 0.0, -allowed.nominal, math.nan):
        with pytest.raises(RunError, match="energies are scaled from"):
            technology.at(voltage)


@pytest.mark.parametrize("name", NAMES)
def test_leakage_falls_with_the_supply(name):
    technology = find_technology(name)
    allowed = technology.band("voltage")
    lower, higher = technology.at(allowed.low)[1], technology.at(allowed.high)[1]
    assert lower.low <= lower.nominal <= lower.high < 1 < higher.low <= higher.nominal <= higher.high


def test_bands_are_in_the_unit_that_is_asked_for():
    constant = Constant(2.0, 1.0, 4.0, "pJ/bit", "assumed", "a bench")
    assert constant.band("fJ/bit").nominal == pytest.approx(2000)


@pytest.fixture(scope="module")
def calibration():
    specification = importlib.util.spec_from_file_location("calibration_technologies", CALIBRATION)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules[specification.name]


@pytest.mark.parametrize("name", ["n65", "n45", "n40", "n28", "n22"])
def test_interpolated_files_are_what_the_measured_ones_give(calibration, name):
    assert text_of(name) == calibration.technology(name)


def test_all_that_says_interpolated_is_made(calibration):
    assert {name for name in NAMES if "Made by benchmarks" in text_of(name)} == set(calibration.NODES)
