"""Estimates from damaged or contradictory input: every mistake is named, nothing ends in a traceback."""

import json
import shutil

import pytest
import yaml

from neuro_emu import api
from neuro_emu.api.estimate import Settings, estimate, export_tables, write_estimate
from neuro_emu.cli import main
from neuro_emu.errors import ConfigError, RunError
from neuro_emu.estimate.band import Band
from neuro_emu.estimate.exchange import read_tables
from neuro_emu.estimate.library import COMPONENTS, price_of
from neuro_emu.estimate.parts import Part
from neuro_emu.estimate.price import Prices
from neuro_emu.estimate.technology import find_technology
from neuro_emu.machine.counts import MOST
from neuro_emu.report.estimate import estimate_lines, estimate_text

TEXT = """
name: small
dataset: {name: synthetic, train: 60, test: 30}
network:
  layers:
    - dense: {units: 12, activation: relu, weight: s8f6, output: u8f7}
    - dense: {units: 10, activation: sigmoid, weight: s8f6, output: u8f8}
training: {rule: drtp, epochs: 1, lr_shift: {hidden: 6, output: 6}}
machine: {lanes: 4}
"""
TECHNOLOGY = find_technology("ihp130")
PRICES = Prices(TECHNOLOGY, TECHNOLOGY.nominal_voltage)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "chip.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def tables(config, wanted, *, names=("energy", "energy_low", "energy_high", "area", "area_low", "area_high")):
    """Return the tables of a chip with 0 for the *names* of all lines that are *wanted*."""
    export_tables(estimate(config), config.parent)
    paths = config.with_name("ERT.yaml"), config.with_name("ART.yaml")
    for path in paths:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for table in next(iter(content.values()))["tables"]:
            for line in table.get("actions", [table]):
                if wanted(line):
                    line.update({name: 0.0 for name in names if name in line})
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return paths


@pytest.mark.parametrize(
    ("wanted", "over_zero", "gone"),
    [
        (lambda line: line["name"] == "leak", {"leakage"}, ["leakage"]),
        (lambda line: "energy" in line, {"leakage", "energies"}, ["leakage", "energy", "power", "dynamic"]),
        (lambda line: "area" in line, {"area"}, ["area"]),
        (lambda line: True, {"leakage", "energies", "area"}, ["area", "leakage", "energy", "power", "dynamic"]),
    ],
    ids=["leakage", "energies", "areas", "all"],
)
def test_figures_may_all_be_0(config, wanted, over_zero, gone):
    made = estimate(config, settings=Settings(tables=read_tables(*tables(config, wanted))))
    learning = dict(made.record["learning"])
    del learning["without"]
    energies = {name for name in learning if "energy" in name or "power" in name}
    nothing = (energies if "energies" in over_zero else set()) | (over_zero - {"energies"})
    assert {name for name, entry in learning.items() if entry["percent"] is None} == nothing
    assert all(learning[name] == {"percent": None, "low": None, "high": None} for name in nothing)
    rows = [line.split()[0] for line in estimate_text(made.record).split("limits:")[0].splitlines() if line.strip()]
    assert not set(gone) & set(rows)
    assert "cycles" in rows
    assert "None" not in estimate_text(made.record, full=True) + " ".join(estimate_lines(made.record))
    write_estimate(made, config.with_name("out"))


@pytest.mark.parametrize("low", ["energy_low", "area_low"])
def test_no_range_starts_at_0(config, low):
    paths = tables(config, lambda line: line["name"] in {"read", "system_top_level.chip.input[1..1]"}, names=(low,))
    with pytest.raises(ConfigError, match=r"[EA]RT\.yaml:\d+:\d+: a range from 0 to .*") as caught:
        read_tables(*paths)
    assert "starts above 0" in str(caught.value)


def test_a_range_over_0_is_none(tmp_path):
    path = tmp_path / "ART.yaml"
    path.write_text("ART: {version: '0.4', tables: [{name: x, area: 0, area_high: 2}]}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"ART\.yaml:1:\d+: a range from 0 to 2"):
        read_tables(None, path)


def test_a_product_of_bands_that_reach_0():
    assert Band(0.0, 2.0, 4.0).times(Band(1.0, 3.0, 9.0)).low == 0
    assert Band(0.0, 0.0, 0.0).times(Band(1.0, 3.0, 9.0)) == Band.exact(0.0)


def test_an_estimate_says_whose_figures_it_takes(config, capsys):
    paths = [str(path) for path in tables(config, lambda line: False)]
    assert main(["estimate", str(config), "--tables", *paths, "--json"]) == 0
    works = json.loads(capsys.readouterr().out)["workloads"]
    assert len(works) == 2
    for one in works.values():
        assert one["about"].endswith("; figures of ERT.yaml, ART.yaml in place of the technology's")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    api.run(api.load_text(TEXT), folder)
    return folder


def damaged(whole, folder, damage):
    """Return a copy of a run whose record *damage* has changed."""
    for name in ("config.yaml", "metrics.json"):
        shutil.copy(whole / name, folder / name)
    path = folder / "metrics.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    damage(record)
    path.write_text(json.dumps(record), encoding="utf-8")
    return folder


def counter(name, value, phase="forward"):
    """Return what sets a counter of layer 0."""
    return lambda record: record["training"]["counts"][phase][0].update({name: value})


def part(name, value):
    return lambda record: record["training"].update({name: value})


FEW = "0 cycles of 60 samples"
DAMAGES = [
    (part("counts", []), "counts are not a mapping"),
    (part("counts", {}), "phase 'load' is missing"),
    (lambda r: r["training"]["counts"].update(forward={}), "layers of phase 'forward': no list"),
    (lambda r: r["training"]["counts"].update(sleep=[{}, {}]), "'sleep' is no phase"),
    (lambda r: r["training"]["counts"]["forward"].pop(), "layers of phase 'forward': 1, where the chip has 2"),
    (lambda r: r["training"]["counts"]["update"].append({}), "layers of phase 'update': 3, where the chip has 2"),
    (lambda r: r["training"]["counts"].update(load=[[], {}]), "phase 'load', layer 0: no mapping"),
    (lambda r: r["training"]["counts"].update({p: [{}, {}] for p in r["training"]["counts"]}), FEW),
    (counter("cycles", 10**30), "layer 0: cycles: 1" + "0" * 30 + " is no count"),
    (counter("cycles", 10**80), "…"),
    (counter("cycles", MOST + 1), "is no count: a whole number from 0 to 9007199254740992"),
    (counter("cycles", 1.0), "cycles: 1.0 is no count"),
    (counter("cycles", True), "cycles: True is no count"),
    (counter("cycles", -1), "cycles: -1 is no count"),
    (counter("cycles", None), "cycles: None is no count"),
    (counter("cycles", "1"), "cycles: '1' is no count"),
    (counter("cycles", [1, 2]), "cycles: [1, 2] is no count"),
    (counter("cycles", float("nan")), "cycles: nan is no count"),
    (counter("sleep", 1), "'sleep' is no counter"),
    (counter("weight_read", 1), "weight_read: no list, where the chip has 2 banks"),
    (counter("weight_read", [1]), "weight_read: 1 counters, where the chip has 2 banks"),
    (counter("weight_read", [1, 2, 3]), "weight_read: 3 counters, where the chip has 2 banks"),
    (counter("weight_read", [1, -2]), "weight_read, bank 1: -2 is no count"),
    (part("samples", 0), "cycles of 0 samples"),
    (part("samples", float("inf")), "samples: inf is no count"),
    (part("samples", True), "samples: True is no count"),
    (part("samples", 60.0), "samples: 60.0 is no count"),
    (part("samples", -1), "samples: -1 is no count"),
    (lambda r: r["training"].pop("samples"), "training: no `counts` over `samples`"),
    (lambda r: r.update(training=[1]), "training: no `counts` over `samples`"),
    (lambda r: r.update(inference={}), "inference: no `counts` over `samples`"),
    (lambda r: r.pop("training"), "'training' is missing"),
    (lambda r: r.pop("config_digest"), "'config_digest' is missing"),
    (lambda r: r.update(seeds=[1, 2]), "estimate one seed's directory"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES, ids=[str(n) for n in range(len(DAMAGES))])
def test_damaged_records_are_refused(whole, tmp_path, capsys, damage, said):
    folder = damaged(whole, tmp_path, damage)
    assert main(["estimate", str(folder)]) == 2
    error = capsys.readouterr().err
    assert str(folder / "metrics.json") in error
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"a": ' * 100_000, "\0", '{"training": 1' + "0" * 5000 + "}"])
def test_files_that_are_no_records(whole, tmp_path, text):
    damaged(whole, tmp_path, lambda record: None)
    (tmp_path / "metrics.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"metrics\.json does not hold the counts of one run"):
        estimate(tmp_path)


def test_a_run_takes_no_density(whole, capsys):
    assert main(["estimate", str(whole), "--density", "0.5"]) == 2
    assert "its counts are counted" in capsys.readouterr().err
    assert estimate(whole).record["name"] == "small"


@pytest.mark.parametrize(("density", "said"), [("[]", "no density"), ("[0.1, 0.2, 0.3]", "3 densities")])
def test_densities_of_layers_that_are_not_there(config, capsys, density, said):
    config.write_text(TEXT + f"estimate:\n  density: {density}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"chip\.yaml:11:12: {said}, and the chip has 2 layers"):
        api.load(config)
    assert main(["estimate", str(config)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_densities_of_the_command(config, capsys):
    assert main(["estimate", str(config), "--density", "0.1,0.2,0.3"]) == 2
    assert "density 0.1, 0.2, 0.3: 3 shares, and the chip has 2 layers" in capsys.readouterr().err
    with pytest.raises(RunError, match="density none: 0 shares"):
        estimate(config, settings=Settings(density=()))
    assert main(["estimate", str(config), "--density", "0.1,0.2"]) == 0
    assert main(["estimate", str(config), "--density", "0.1"]) == 0


@pytest.mark.parametrize("words", [[], ["--components"], ["n28", "--components"]])
def test_constants_belong_to_a_technology(words, capsys):
    assert main(["technologies", *words, "--constants", "mine.yaml"]) == 2
    assert "name the technology" in capsys.readouterr().err


def price(component, **attributes):
    return price_of(Part("a part", component, attributes), PRICES)


@pytest.mark.parametrize(
    ("component", "attributes", "said"),
    [
        ("multiplier", {"a": 8}, "a part: attribute 'b' of multiplier is missing"),
        ("multiplier", {"a": 8, "b": 0}, "a part: multiplier: b 0 is no whole number from 1 to 1,000,000,000,000"),
        ("multiplier", {"a": 8, "b": 2.5}, "b 2.5 is no whole number"),
        ("multiplier", {"a": 8, "b": "8"}, "b '8' is no whole number"),
        ("multiplier", {"a": 8, "b": True}, "b True is no whole number"),
        ("multiplier", {"a": 8, "b": float("inf")}, "b inf is no whole number"),
        ("multiplier", {"a": 8, "b": 10**400}, "is no whole number"),
        ("lfsr", {"bits": 0}, "lfsr: bits 0 is no whole number"),
        ("register", {"bits": 8, "enable": 1}, "register: enable 1 is neither true nor false"),
        ("register", {"bits": 8, "enable": "yes"}, "enable 'yes' is neither true nor false"),
        ("requantise_fixed", {"bits_in": 16, "bits_out": 8, "shift": -1}, "shift -1 is no whole number from 0"),
        ("block", {"logic": "many", "flops": 0}, "block: logic 'many' is no number from 0"),
        ("block", {"logic": float("nan"), "flops": 0}, "block: logic nan is no number from 0"),
        ("block", {"logic": 10, "flops": 0.5}, "block: flops 0.5 is no whole number from 0"),
        ("block", {"logic": 0, "flops": 0}, "0 gates and 0 flip-flops are no size"),
        ("sram", {"words": True, "bits": 8}, "sram: words True is no whole number"),
        ("sram", {"words": float("inf"), "bits": 8}, "sram: words inf is no whole number"),
        ("register_file", {"words": 8, "bits": 0}, "register_file: bits 0 is no whole number"),
        ("rom", {"words": 8}, "a part: attribute 'bits' of rom is missing"),
    ],
)
def test_attributes_that_make_no_sense(component, attributes, said):
    with pytest.raises(RunError) as caught:
        price(component, **attributes)
    assert said in str(caught.value)


def test_attributes_that_may_be_0_or_true():
    assert price("block", logic=0, flops=4).actions.keys() == {"clock", "hold"}
    assert price("block", logic=0.5, flops=0).gates == 0.5
    assert price("requantise_fixed", bits_in=16, bits_out=8, shift=0).gates > 0
    assert price("register", bits=8, enable=True).gates > price("register", bits=8, enable=False).gates == 0
    assert price("adder", bits=8.0) == price("adder", bits=8)


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_missing_attribute_is_named(component):
    if component in {"dram", "xorshift", "lfsr"}:  # need none
        assert price(component).actions
        return
    with pytest.raises(RunError, match=f"a part: attribute '[a-z_]+' of {component} is missing"):
        price(component)
