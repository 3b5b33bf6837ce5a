"""Tables in Accelergy's form: written, read again to the same estimate, and figures of the user's own."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.api import load
from neuro_emu.errors import ConfigError
from neuro_emu.estimate.chip import design_of
from neuro_emu.estimate.cost import cost_of
from neuro_emu.estimate.exchange import PREFIX, accelergy_name, export_tables, part_name, read_tables, with_tables
from neuro_emu.estimate.parts import Design, Part, Use, Workload
from neuro_emu.estimate.price import Prices
from neuro_emu.estimate.record import record_of
from neuro_emu.estimate.technology import find_technology
from neuro_emu.machine.expected import expected_counts

CONFIGS = Path(__file__).parents[2] / "configs"
TECHNOLOGY = find_technology("ihp130")
PRICES = Prices(TECHNOLOGY, TECHNOLOGY.nominal_voltage)
CHIP = load(CONFIGS / "bp_mnist.yaml").chip
TRAINING, INFERENCE, SAMPLES = expected_counts(CHIP, [0.19, 1.0])
WHOLE = design_of(CHIP, (TRAINING, SAMPLES), (INFERENCE, SAMPLES), "expected")
PLAIN = design_of(CHIP, None, (INFERENCE, SAMPLES), "expected")
COST = cost_of(WHOLE, PRICES, 100.0)
SMALL = Design(
    "small",
    (
        Part("lane multiplier", "multiplier", {"a": 8, "b": 8}, 16),
        Part("weights[0]", "sram", {"words": 4096, "bits": 64}, 2),
        Part("outside", "dram", {}),
    ),
    (Workload("inference", 400.0, (Use("forward", 0, "lane multiplier", "operate", 1000.0),)),),
)


def saved(folder, cost):
    paths = folder / "ERT.yaml", folder / "ART.yaml"
    for path, text in zip(paths, export_tables(cost), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def ert(folder, *tables, head=""):
    """Write energy tables: (name, lines of actions), ..."""
    text = f"ERT:\n  version: '0.4'\n{head}  tables:\n"
    for name, *actions in tables:
        text += f"    - name: {name}\n      actions:\n" + "".join(f"        - {{{line}}}\n" for line in actions)
    path = folder / "ERT.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(call, *arguments):
    with pytest.raises(ConfigError) as caught:
        call(*arguments)
    return str(caught.value)


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12))
def test_names_can_be_read_again(name):
    written = accelergy_name(name)
    assert re.fullmatch("[A-Za-z0-9_]*", written)
    if name.isprintable():
        assert part_name(f"{PREFIX}{written}[1..4]") == part_name(written) == name


@given(st.text("a0 _[]x.", max_size=10))
def test_names_of_awkward_characters(name):
    assert part_name(accelergy_name(name)) == name


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("lane multiplier", "lane_multiplier"),
        ("weights[0]", "weights__0_"),
        ("local_error[12]", "local__x5f_error__12_"),
        ("core.sram", "core__x2e_sram"),
        ("PE (large)", "PE___x28_large__x29_"),
    ],
)
def test_names_that_are_documented(part, name):
    assert accelergy_name(part) == name
    assert part_name(f"system_top_level.PE[0..3].{name}[1..16]") == part


def test_names_as_others_write_them():
    assert part_name("system_top_level.shared_glb[1..1]") == "shared glb"
    assert part_name("weights[0]") == "weights[0]"
    assert part_name("a__xd800_b") == "a__xd800_b"  # no character
    assert part_name("a__x110000_b") == "a  x110000 b"


def test_files_are_in_the_form_of_accelergy():
    energies, areas = (yaml.safe_load(text) for text in export_tables(COST))
    assert energies["ERT"]["version"] == areas["ART"]["version"] == "0.4"
    assert [t["name"] for t in energies["ERT"]["tables"]] == [t["name"] for t in areas["ART"]["tables"]]
    assert len({re.sub(r"\[.*", "", t["name"]) for t in areas["ART"]["tables"]}) == len(WHOLE.parts)
    for part, energy, area in zip(WHOLE.parts, energies["ERT"]["tables"], areas["ART"]["tables"], strict=True):
        price = COST.each[part.name]
        assert area["name"] == f"system_top_level.chip.{accelergy_name(part.name)}[1..{part.count}]"
        assert area["area"] == pytest.approx(price.area.band.nominal, rel=1e-8)
        assert area["area_low"] <= area["area"] <= area["area_high"]
        actions = {line["name"]: line for line in energy["actions"]}
        assert actions.keys() == {*price.actions, "leak"}
        for name, line in actions.items():
            assert line["arguments"] == {}
            assert type(line["energy"]) is float
            assert line["energy_low"] <= line["energy"] <= line["energy_high"]
            if name != "leak":
                assert line["energy"] == pytest.approx(price.actions[name].band.nominal / 1e3, rel=1e-8)
        # nW at 100 MHz: what leaks in a cycle of 10 ns
        assert actions["leak"]["energy"] == pytest.approx(price.leakage.band.nominal * 1e-9 * 10e-9 * 1e12, rel=1e-8)


@pytest.mark.parametrize(
    ("config", "technology"), [("bp_mnist", "n28"), ("drtp_small", "ihp130"), ("papers/dkp_chip", "asap7")]
)
def test_exported_and_imported_it_is_the_same_estimate(tmp_path, config, technology):
    chip = load(CONFIGS / f"{config}.yaml").chip
    training, inference, samples = expected_counts(chip, [0.19, 1.0])
    prices = Prices(find_technology(technology), find_technology(technology).band("voltage").low)
    design = design_of(chip, (training, samples), (inference, samples), "expected")
    plain = design_of(chip, None, (inference, samples), "expected")
    cost, without = cost_of(design, prices, 62.5), cost_of(plain, prices, 62.5)
    tables = read_tables(*saved(tmp_path, cost))
    assert with_tables(cost, tables) == cost
    assert cost_of(plain, prices, 62.5, tables, cost) == without
    assert record_of(with_tables(cost, tables), cost_of(plain, prices, 62.5, tables, cost)) == record_of(cost, without)


def test_tables_carry_an_estimate_to_other_prices(tmp_path):
    tables = read_tables(*saved(tmp_path, COST))
    other = Prices(find_technology("n28"), find_technology("n28").nominal_voltage)
    carried, plain = cost_of(WHOLE, other, 50.0, tables), cost_of(WHOLE, PRICES, 50.0)
    for found, expected in ((carried.area, plain.area), (carried.leakage, plain.leakage)):
        assert found.nominal == pytest.approx(expected.nominal, rel=1e-7)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-7)
    for name, one in plain.workloads.items():
        assert carried.workloads[name].energy.nominal == pytest.approx(one.energy.nominal, rel=1e-7)


def test_a_figure_of_ones_own_replaces_that_and_no_other(tmp_path):
    text = export_tables(COST)[0]
    old = re.search(
        r'lane_multiplier\[1..16]"\n.*?energy: ([0-9.]+)\n +energy_low: ([0-9.]+)\n +energy_high: [0-9.]+', text, re.S
    )
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old[0], re.sub(r"energy: .*", "energy: 1.5", old[0], flags=re.S)), encoding="utf-8")
    found = with_tables(COST, read_tables(path))
    figure = found.each["lane multiplier"].actions["operate"]
    assert (figure.band.low, figure.band.nominal, figure.band.high) == (1500, 1500, 1500)
    assert figure.how == "1500 from mine.yaml"
    changed = replace(found.each["lane multiplier"], actions=COST.each["lane multiplier"].actions)
    assert {**found.each, "lane multiplier": changed} == COST.each
    for name, one in COST.workloads.items():
        moved = sum(s.use.count * (1500 - s.each.nominal) for s in one.spent if s.use.part == "lane multiplier")
        assert found.workloads[name].dynamic.nominal == pytest.approx(one.dynamic.nominal + moved)


def test_energies_areas_and_leakage_of_ones_own(tmp_path):
    energies = ert(
        tmp_path,
        ("system_top_level.lane_multiplier", "name: operate, energy: 2, energy_low: 1, energy_high: 3, arguments: {}"),
        ("weights__0_", "name: read, arguments: null, energy: 8.0", "name: leak, energy: 0.25"),
    )
    areas = tmp_path / "ART.yaml"
    areas.write_text(
        "ART: {version: 0.3, tables: [{name: a.weights__0_, area: 1e5, area_high: 2.0e5}]}", encoding="utf-8"
    )
    cost = cost_of(SMALL, PRICES, 200.0, read_tables(energies, areas))
    before = cost_of(SMALL, PRICES, 200.0)
    operate = cost.each["lane multiplier"].actions["operate"].band
    assert (operate.low, operate.nominal, operate.high) == (1e3, 2e3, 3e3)
    memory = cost.each["weights[0]"]
    assert memory.actions["read"].band.nominal == 8e3
    assert memory.actions["write"] == before.each["weights[0]"].actions["write"]
    assert (memory.area.band.low, memory.area.band.nominal, memory.area.band.high) == (1e5, 1e5, 2e5)
    assert memory.leakage.band.nominal == pytest.approx(0.25e-12 * 200e6 / 1e-9)  # pJ a cycle at 200 MHz, in nW
    assert cost.leakage.nominal == pytest.approx(before.each["lane multiplier"].leakage.band.nominal * 16 + 2 * 5e4)
    assert cost.workloads["inference"].dynamic.nominal == 2e6
    assert "from ART.yaml" in memory.area.how


def test_the_clock_of_a_file_is_that_of_its_leakage(tmp_path):
    path = ert(tmp_path, ("weights__0_", "name: leak, energy: 0.25"), head="  clock_mhz: 100\n")
    for clock in (50.0, 100.0, 200.0):
        cost = cost_of(SMALL, PRICES, clock, read_tables(path))
        assert cost.each["weights[0]"].leakage.band.nominal == pytest.approx(2.5e4)


def test_the_chip_that_only_infers_takes_figures_in_proportion(tmp_path):
    names = {part.name for part in PLAIN.parts}
    plain = cost_of(PLAIN, PRICES, 100.0)
    shrunk = next(n for n in names if plain.each[n].area != COST.each[n].area)
    same = next(n for n in names if plain.each[n].area == COST.each[n].area)
    gone = next(part.name for part in WHOLE.parts if part.name not in names)
    path = tmp_path / "ART.yaml"
    lines = [
        f"{{name: {accelergy_name(n)}, area: {2 * COST.each[n].area.band.nominal!r}}}" for n in (shrunk, same, gone)
    ]
    path.write_text(f"ART: {{version: '0.4', tables: [{', '.join(lines)}]}}", encoding="utf-8")
    tables = read_tables(None, path)
    found = cost_of(PLAIN, PRICES, 100.0, tables, COST)
    for name in names:
        factor = 2 if name in {shrunk, same} else 1
        assert found.each[name].area.band.nominal == pytest.approx(factor * plain.each[name].area.band.nominal)
    assert "of the library's figures" in found.each[shrunk].area.how
    assert "no part" in refusal(cost_of, PLAIN, PRICES, 100.0, tables)


def test_figures_of_ones_own_are_taken_whatever_operands_were_seen(tmp_path):
    path = ert(tmp_path, ("lane_multiplier", "name: operate, energy: 2.0"))
    seen = replace(PRICES, operands={("lane multiplier", "forward"): 0.1})
    found = cost_of(SMALL, seen, 100.0, read_tables(path)).workloads["inference"]
    assert found.dynamic.nominal == 2e6
    assert found.spent[0].seen is None
    assert cost_of(SMALL, seen, 100.0).workloads["inference"].spent[0].seen == 0.1


@pytest.mark.parametrize(
    ("table", "where", "complaint"),
    [
        (("a.lane_multiplyer", "name: operate, energy: 1"), "4:13", "no part 'lane multiplyer' on this chip"),
        (("lane_multiplier", "name: operte, energy: 1"), "6:18", "lane multiplier has no action 'operte'"),
        (("weights__1_", "name: read, energy: 1"), "4:13", "did you mean 'weights__0_'?"),
        (("outside", "name: read, energy: 1", "name: hold, energy: 1"), "7:18", "outside has no action 'hold'"),
    ],
)
def test_what_a_chip_has_not(tmp_path, table, where, complaint):
    path = ert(tmp_path, table)
    message = refusal(cost_of, SMALL, PRICES, 100.0, read_tables(path))
    assert message.startswith(f"{path}:{where}: ")
    assert complaint in message
    assert "^" in message


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("name: operate, energy: -1.0", "-1.0 is out of range: at least 0.0 is allowed"),
        ("name: operate, energy: .nan", ".nan is not a finite number"),
        ("name: operate, energy: .inf", ".inf is not a finite number"),
        ("name: operate, energy: 1e999", "1e999 is too large for a number"),
        ("name: operate, energy: much", "expected a number, got the string 'much'"),
        ("name: operate", "missing key 'energy'"),
        ("energy: 1", "missing key 'name'"),
        ("name: operate, energy: 1, power: 2", "unknown key 'power'"),
        ("name: operate, energy: 1, energy: 2", "duplicate key 'energy'"),
        ("name: operate, energy: 1, energy_low: 2", "2 / 1 / - is no range"),
        ("name: operate, energy: 1, energy_low: 0.5, energy_high: 0.75", "0.5 / 1 / 0.75 is no range"),
        ("name: operate, energy: 1, energy_low: -1", "out of range"),
        ("name: operate, energy: 1, arguments: {data_delta: 1}", "an action with arguments"),
        ("name: area, energy: 1", "an area among the energies"),
    ],
)
def test_lines_that_make_no_sense(tmp_path, line, complaint):
    path = ert(tmp_path, ("lane_multiplier", line))
    message = refusal(read_tables, path)
    assert re.match(rf"{re.escape(str(path))}:6:[0-9]+: ", message), message
    assert complaint in message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ERT: {version: 0.2, tables: []}", "version 0.2 of the tables is not known"),
        ("ERT: {version: '0.4'}", "missing key 'tables'"),
        ("ART: {version: '0.4', tables: []}", "unknown key 'ART'"),
        ("ERT: {version: '0.4', clock_mhz: 0, tables: []}", "0.0 is out of range"),
        ("ERT: {version: '0.4', tables: {}}", "expected a list"),
    ],
)
def test_files_that_make_no_sense(tmp_path, text, complaint):
    path = tmp_path / "ERT.yaml"
    path.write_text(text, encoding="utf-8")
    message = refusal(read_tables, path)
    assert message.startswith(f"{path}:1:")
    assert complaint in message


def test_a_figure_a_second_time(tmp_path):
    path = ert(tmp_path, ("a.weights__0_", "name: read, energy: 1"), ("b.weights__0_[1..2]", "name: read, energy: 2"))
    assert refusal(read_tables, path).startswith(f"{path}:9:18: read of weights[0] a second time")
    areas = tmp_path / "ART.yaml"
    areas.write_text(
        "ART:\n  version: 0.4\n  tables:\n  - {name: x, area: 1}\n  - {name: x, area: 1}\n", encoding="utf-8"
    )
    assert refusal(read_tables, None, areas).startswith(f"{areas}:5:12: area of x a second time")


def test_areas_are_checked_too(tmp_path):
    path = tmp_path / "ART.yaml"
    for line, complaint in (("area: -1", "out of range"), ("area: 2, area_high: 1", "- / 2 / 1 is no range")):
        path.write_text(f"ART:\n  version: 0.4\n  tables:\n  - {{name: outside, {line}}}\n", encoding="utf-8")
        message = refusal(read_tables, None, path)
        assert message.startswith(f"{path}:4:")
        assert complaint in message


def test_no_such_file(tmp_path):
    assert "no such file" in refusal(read_tables, tmp_path / "none.yaml")


def test_an_area_where_the_library_has_none(tmp_path):
    path = tmp_path / "ART.yaml"
    path.write_text("ART: {version: '0.4', tables: [{name: outside, area: 7.0e7}]}", encoding="utf-8")
    found = cost_of(SMALL, PRICES, 100.0, read_tables(None, path))
    assert found.each["outside"].area.band.nominal == 7e7
    assert math.isclose(found.area.nominal, cost_of(SMALL, PRICES, 100.0).area.nominal + 7e7)
