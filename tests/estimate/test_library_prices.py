"""Prices of every component in every technology: sound, growing with size, and again by hand from what they say."""

import inspect
import math

import pytest
from how_text import worked_out
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.errors import RunError
from neuro_emu.estimate.activity_factors import glitch, switching
from neuro_emu.estimate.library import COMPONENTS, price_of
from neuro_emu.estimate.memory_price import SMALL, cut
from neuro_emu.estimate.parts import Part
from neuro_emu.estimate.price import Prices
from neuro_emu.estimate.sram import load_fits
from neuro_emu.estimate.technology import NAMES, find_technology

TECHNOLOGIES = {name: find_technology(name) for name in NAMES}
PRICES = {name: Prices(technology, technology.nominal_voltage) for name, technology in TECHNOLOGIES.items()}
FITS = load_fits()
BLOCK = {"logic": 500.0, "flops": 40}
SAMPLES = {
    "multiplier": {"a": 8, "b": 8},
    "mac": {"a": 8, "b": 8, "accumulator": 24},
    "adder": {"bits": 16},
    "subtractor": {"bits": 16},
    "comparator": {"bits": 16},
    "incrementer": {"bits": 16},
    "multiplexer": {"bits": 8, "ways": 4},
    "shifter": {"bits": 16, "positions": 8},
    "register": {"bits": 16, "enable": True, "reset": True},
    "saturate": {"bits_in": 24, "bits_out": 8},
    "requantise": {"bits_in": 32, "bits_mid": 24, "bits_out": 8},
    "requantise_fixed": {"bits_in": 32, "bits_out": 8, "shift": 4},
    "round_shift": {"bits": 24},
    "accumulate": {"accumulator": 32, "product": 16},
    "add_step": {"weight": 8, "step": 16},
    "weight_update": {"weight": 8, "step": 16},
    "weight_update_fixed": {"weight": 8, "step": 16, "shift": 9},
    "lfsr": {"bits": 32},
    "xorshift": {},
    "random_words": {"lanes": 16, "layers": 2},
    "activation_unit": {"accumulator": 32, "aligned": 16, "code": 8, "delta": 9, "signal": 9},
    "linear_activation": {"code": 8, "aligned": 16},
    "ternary_sign": {"bits": 9},
    "velocity_sum": {"velocity": 16, "gradient": 16, "total": 24},
    "divider": {"dividend": 24, "divisor": 12},
    "root": {"code": 24},
    "control": BLOCK,
    "sram": {"words": 1000, "bits": 40, "ports": "1RW"},
    "register_file": {"words": 30, "bits": 8},
    "rom": {"words": 256, "bits": 24},
    "dram": {},
} | {name: BLOCK for name in COMPONENTS if name.endswith("block")}
SHAPES = {  # flip-flops, one macro, cut in depth and width, two ports, each as memory and as ROM
    "small": {"words": 30, "bits": 8},
    "one": {"words": 512, "bits": 32},
    "cut": {"words": 20000, "bits": 300},
    "two ports": {"words": 784, "bits": 8, "ports": "1R1W"},
}
MEMORIES = [("sram", shape) for shape in SHAPES.values()] + [
    ("rom", shape) for shape in SHAPES.values() if "ports" not in shape
]


def price(component, technology="ihp130", voltage=None, **attributes):
    prices = PRICES[technology] if voltage is None else Prices(TECHNOLOGIES[technology], voltage)
    return price_of(Part("a part", component, attributes), prices)


def figures(one):
    return {"area": one.area, "leakage": one.leakage, **one.actions}


def nominal(one):
    return {name: figure.band.nominal for name, figure in figures(one).items()}


def test_samples_are_complete():
    assert SAMPLES.keys() == COMPONENTS.keys()


@pytest.mark.parametrize("technology", NAMES)
@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_has_a_price(component, technology):
    one = price(component, technology, **SAMPLES[component])
    assert one.actions
    for name, figure in figures(one).items():
        band = figure.band
        if component == "dram" and name in {"area", "leakage"}:
            assert band.high == 0
            continue
        assert 0 < band.low <= band.nominal <= band.high < math.inf, name
        assert figure.how


@pytest.mark.parametrize("technology", NAMES)
@pytest.mark.parametrize("component", [name for name in COMPONENTS if name != "dram"])
def test_logic_and_small_parts_by_hand(component, technology):
    voltage = TECHNOLOGIES[technology].band("voltage").low
    one = price(component, technology, voltage, **SAMPLES[component])
    for name, figure in figures(one).items():
        assert worked_out(figure.how) == pytest.approx(figure.band.nominal, rel=1e-4), (name, figure.how)


@pytest.mark.parametrize("technology", NAMES)
@pytest.mark.parametrize(("component", "shape"), MEMORIES)
def test_memories_by_hand(component, shape, technology):
    voltage = TECHNOLOGIES[technology].band("voltage").high
    for name, figure in figures(price(component, technology, voltage, **shape)).items():
        assert worked_out(figure.how) == pytest.approx(figure.band.nominal, rel=1e-4), (name, figure.how)


@pytest.mark.parametrize("technology", NAMES)
def test_external_memory_by_hand(technology):
    for figure in price("dram", technology).actions.values():
        assert worked_out(figure.how) == pytest.approx(figure.band.nominal, rel=1e-4)
        assert figure.band.nominal == pytest.approx(1e3 * TECHNOLOGIES[technology].band("dram_energy").nominal)


def test_one_multiplier_worked_out_here():
    constants = {name: line.value for name, line in TECHNOLOGIES["ihp130"].constants.items()}
    one = price("multiplier_block", logic=612.0, flops=0)
    assert one.actions["operate"].band.nominal == pytest.approx(
        612 * 2.95 * constants["gate_count"] * glitch("multiplier")[1] * constants["wires"] * constants["operands"]
    )
    assert one.area.band.nominal == pytest.approx(612 * 6.6 * constants["gate_count"] / constants["utilisation"])
    assert one.leakage.band.nominal == pytest.approx(612 * 0.083 * constants["gate_count"])
    assert one.actions.keys() == {"operate", "idle"}
    assert one.actions["idle"].band.nominal == pytest.approx(
        constants["idle_logic"] * one.actions["operate"].band.nominal
    )


def test_registers_worked_out_here():
    constants = {name: line.value for name, line in TECHNOLOGIES["ihp130"].constants.items()}
    one = price("block", logic=0.0, flops=24)
    assert one.actions["clock"].band.nominal == pytest.approx(24 * constants["flop_energy"] * constants["clock_tree"])
    held = one.actions["hold"].band.nominal / one.actions["clock"].band.nominal
    assert held == pytest.approx(constants["clock_gated"])
    cells = 24 * constants["flop_gates"] * constants["gate_count"]
    assert one.leakage.band.nominal == pytest.approx(cells * constants["gate_leakage"])
    assert one.actions.keys() == {"clock", "hold"}


@pytest.mark.parametrize("kind", ["update", "accumulator", "configured"])
def test_what_is_configured_switches_less_by_its_share(kind):
    component = COMPONENTS[f"{kind}_block"]
    assert component.configured
    plain = PRICES["ihp130"].operation(500.0, component.kind).band.nominal
    share = switching(component.kind, in_registers=True) / switching(component.kind)
    assert nominal(price(f"{kind}_block", **BLOCK))["operate"] == pytest.approx(plain * share)


def test_actions_of_kinds_of_parts():
    assert price("control", **BLOCK).actions.keys() == {"tick", "clock", "hold"}
    assert price("block", **BLOCK).actions.keys() == {"operate", "idle", "clock", "hold"}
    assert price("sram", words=512, bits=32).actions.keys() == {"read", "write"}
    assert price("sram", words=7, bits=8).actions.keys() == {"read", "write", "hold"}
    assert price("register_file", words=16, bits=8).actions.keys() == {"read", "write", "hold"}
    assert price("rom", words=512, bits=32).actions.keys() == {"read"}
    assert price("rom", words=7, bits=8).actions.keys() == {"read"}
    assert price("dram").actions.keys() == {"read", "write"}


def sizes(component):
    """Return attributes that are widths: the others choose a shape."""
    parameters = inspect.signature(COMPONENTS[component].size).parameters.values()
    shapes = {"ways", "positions", "layers", "lanes", "shift"}
    return [p.name for p in parameters if p.annotation in {"int", "float"} and p.name not in shapes]


@pytest.mark.parametrize("component", [name for name, one in COMPONENTS.items() if one.size is not None])
def test_wider_logic_costs_more(component):
    attributes = dict(SAMPLES[component])
    wider = attributes | {name: 2 * attributes.get(name, 32) for name in sizes(component)}
    if not sizes(component):
        wider = {name: 2 * value for name, value in attributes.items()}
    small, large = nominal(price(component, **attributes)), nominal(price(component, **wider))
    assert small.keys() <= large.keys()
    assert all(large[name] >= small[name] for name in small)
    assert all(large[name] > small[name] for name in ("area", "leakage", "operate", "tick") if name in small)


WORDS, BITS = st.integers(1, 2**16), st.integers(1, 512)


def macro(technology, words, bits):
    """Return a shape that is no array of flip-flops."""
    return price("sram", technology, words=max(words, -(-SMALL // bits)), bits=bits)


@pytest.mark.parametrize("technology", ["ihp130", "n28", "asap7"])
@given(words=WORDS, more=st.integers(1, 2**15), bits=BITS)
def test_deeper_memories_never_cost_less(technology, words, more, bits):
    small = macro(technology, words, bits)
    large = macro(technology, max(words, -(-SMALL // bits)) + more, bits)
    for name, value in nominal(small).items():
        assert nominal(large)[name] >= value * (1 - 1e-9), name
    if max(words, -(-SMALL // bits)) + more > 128:  # shallower ones take a macro that is too deep for them
        assert nominal(large)["area"] > nominal(small)["area"]
        assert nominal(large)["leakage"] > nominal(small)["leakage"]


@pytest.mark.parametrize("technology", ["ihp130", "n28", "asap7"])
@given(words=WORDS, bits=BITS, more=st.integers(1, 256))
def test_wider_memories_cost_more(technology, words, bits, more):
    words = max(words, -(-SMALL // bits))
    small, large = (nominal(price("sram", technology, words=words, bits=width)) for width in (bits, bits + more))
    assert all(large[name] >= small[name] for name in small)
    if more > 16:  # a rest of fewer bits takes a macro that is too wide for it
        assert all(large[name] > small[name] for name in small)


@pytest.mark.parametrize("technology", NAMES)
def test_no_macro_is_smaller_than_the_smallest_that_a_fit_knows(technology):
    tiny, smallest = (nominal(price("sram", technology, words=w, bits=b)) for w, b in ((32, 4), (64, 8)))
    assert tiny == smallest


@pytest.mark.parametrize("technology", NAMES)
@pytest.mark.parametrize("bits", [1, 2, 4, 7, 8, 16])
def test_growing_from_flip_flops_to_a_macro_saves_nothing(technology, bits):
    words = (SMALL - 1) // bits
    small, large = (nominal(price("sram", technology, words=w, bits=bits)) for w in (words, words + 1 + SMALL // bits))
    assert large["read"] > small["read"]
    assert large["write"] > small["write"]
    assert large["area"] > 0.75 * small["area"]


@given(words=st.integers(1, 60), bits=st.integers(1, 16), more=st.integers(1, 10))
def test_arrays_of_flip_flops_grow_too(words, bits, more):
    if (words + more) * (bits + 1) >= SMALL:
        return
    small = nominal(price("sram", words=words, bits=bits))
    for shape in ({"words": words + more, "bits": bits}, {"words": words, "bits": bits + 1}):
        large = nominal(price("sram", **shape))
        assert all(large[name] >= small[name] for name in small)
        assert large["area"] > small["area"]


@given(st.integers(1, 10**6), st.integers(1, 10**4))
def test_cuts_hold_every_word(size, largest):
    pieces = cut(size, largest)
    assert sum(length * number for length, number in pieces.items()) == size
    assert max(pieces) <= largest


@pytest.mark.parametrize("technology", NAMES)
@pytest.mark.parametrize("component", [name for name in COMPONENTS if name != "dram"])
def test_energy_grows_with_the_square_of_the_supply(component, technology):
    allowed = TECHNOLOGIES[technology].band("voltage")
    low, high = (nominal(price(component, technology, v, **SAMPLES[component])) for v in (allowed.low, allowed.high))
    for name in low:
        if name == "area":
            assert low[name] == high[name]
        elif name == "leakage":
            assert low[name] < high[name]
        else:
            assert high[name] / low[name] == pytest.approx((allowed.high / allowed.low) ** 2)


def test_the_supply_of_the_chip_is_not_that_of_external_memory():
    assert nominal(price("dram", "ihp130", 0.9)) == nominal(price("dram", "ihp130", 1.2))


LOGIC = ("gate_energy", "gate_count", "wires", "operands")
EXPECTED = {
    "operate": LOGIC,
    "tick": ("gate_energy", "gate_count", "wires", "control"),
    "clock": ("flop_energy", "clock_tree"),
    "hold": ("flop_energy", "clock_tree", "clock_gated"),
}


@pytest.mark.parametrize("there", [name for name in NAMES if name != "ihp130"])
@pytest.mark.parametrize("component", ["multiplier_block", "block", "control", "mac"])
def test_technologies_scale_as_their_tables_say(component, there):
    def constants(technology, names):
        return math.prod(TECHNOLOGIES[technology].band(name).nominal for name in names)

    one, other = (nominal(price(component, name, **SAMPLES[component])) for name in ("ihp130", there))
    for action, names in EXPECTED.items():
        if action in one:
            assert other[action] / one[action] == pytest.approx(constants(there, names) / constants("ihp130", names))
    if component == "multiplier_block":
        return
    gates = price(component, **SAMPLES[component]).gates
    flops = price(component, **SAMPLES[component]).flops
    for quantity, constant in (("area", "gate_area"), ("leakage", "gate_leakage")):
        for name, found in (("ihp130", one), (there, other)):
            band = TECHNOLOGIES[name].band
            cells = (gates + flops * band("flop_gates").nominal) * constants(name, (constant, "gate_count"))
            expected = cells / band("utilisation").nominal if quantity == "area" else cells
            assert found[quantity] == pytest.approx(expected)


@pytest.mark.parametrize("technology", NAMES)
def test_memories_scale_by_their_routes(technology):
    found = nominal(price("sram", technology, words=512, bits=32))
    routes = TECHNOLOGIES[technology].sram.routes
    for name, scale, unit in (
        ("read", "energy", 1e3),
        ("write", "energy", 1e3),
        ("area", "area", 1.0),
        ("leakage", "leakage", 1.0),
    ):
        values = [getattr(FITS[route.fit], name)(512, 32, 1) * getattr(route, scale) for route in routes]
        expected = math.prod(values) ** (1 / len(values)) * unit
        assert found[name] == pytest.approx(expected), name


@pytest.mark.parametrize("technology", NAMES)
@pytest.mark.parametrize(("words", "bits"), [(2, 8), (30, 8), (60, 16), (64, 32), (256, 8), (1024, 16), (20000, 70)])
def test_a_rom_is_not_dearer_than_a_memory_that_is_written(technology, words, bits):
    rom, sram = (nominal(price(component, technology, words=words, bits=bits)) for component in ("rom", "sram"))
    for name, value in rom.items():
        assert value <= sram[name] * (1 + 1e-9), name


def test_operands_that_were_seen_take_the_place_of_typical_ones():
    part = Part("lanes", "block", BLOCK)
    prices = Prices(TECHNOLOGIES["ihp130"], 1.2, seen=0.3)
    ratio = price_of(part, prices).actions["operate"].band.nominal / nominal(price("block", **BLOCK))["operate"]
    assert ratio == pytest.approx(0.3 / TECHNOLOGIES["ihp130"].band("operands").nominal)
    assert "0.3 operands seen" in price_of(part, prices).actions["operate"].how
    assert price_of(part, prices).actions["clock"] == price("block", **BLOCK).actions["clock"]


@pytest.mark.parametrize(
    ("component", "attributes", "complaint"),
    [
        ("multplier", {}, "a part: no component 'multplier': did you mean 'multiplier'?"),
        ("multiplier", {"a": 8}, "a part: attribute 'b' of multiplier is missing"),
        ("multiplier", {"a": 8, "b": 8, "c": 8}, "a part: multiplier has no attribute 'c'; it has a, b"),
        ("multiplier", {"a": "wide", "b": 8}, "a part: multiplier: "),
        ("adder", {"bits": -8}, "a part: adder: bits -8 is no whole number from 1"),
        ("block", {"logic": 0, "flops": 0}, "are no size"),
        ("block", {"logic": -1, "flops": 10}, "a part: block: logic -1 is no number from 0"),
        ("block", {"logic": math.nan, "flops": 10}, "a part: block: logic nan is no number from 0"),
        ("sram", {"words": 8}, "a part: attribute 'bits' of sram is missing"),
        ("sram", {"words": 0, "bits": 8}, "a part: sram: words 0 is no whole number from 1"),
        ("sram", {"words": 8, "bits": 8, "ports": "3RW"}, "memory with ports '3RW': 1RW, 1R1W, ROM"),
        ("sram", {"words": "many", "bits": 8}, "a part: sram: "),
        ("sram", {"words": 2.5, "bits": 8}, "a part: sram: "),
        ("rom", {"words": 8, "bits": 8, "ports": "1RW"}, "rom has no attribute 'ports'"),
        ("dram", {"words": 8}, "dram has no attribute 'words'; it has none"),
    ],
)
def test_parts_that_make_no_sense(component, attributes, complaint):
    with pytest.raises(RunError, match=complaint):
        price(component, **attributes)
