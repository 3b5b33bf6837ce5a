"""The register map: generated files, the Python data, and nemu_registers in simulation."""

import ctypes
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from neuro_emu.cosim.builds import shared_library
from neuro_emu.golden.registers import (
    ADDRESS_BITS,
    LAYER_BASE,
    LAYER_STRIDE,
    MOST_LAYERS,
    REGISTERS,
    address,
    decode,
    encode,
)

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ("rtl_models/core/nemu_registers.sv", "rtl_models/REGISTERS.md", "neuro_emu/golden/register_map.py")
LAYERS = 2  # a power of two: without its bounds check the next layer would be layer 0 again
BUILT = {"Semantics": 7, "Lanes": 32, "Banks": 8, "Units": 5}
CONSTANTS = {
    "identity": int.from_bytes(b"NEMU", "big"),
    "semantics": 7,
    "built_lanes": 32,
    "built_banks": 8,
    "built_activation_units": 5,
    "built_layers": LAYERS,
}
ALL_ONES = 2**32 - 1
OUTPUTS = [name for name, register in REGISTERS.items() if register.access != "ro"]
PLACES = [(name, k) for name, r in REGISTERS.items() for k in range(LAYERS if r.per_layer else 1)]
WRITABLE = [(name, k) for name, k in PLACES if REGISTERS[name].access == "rw"]
UNKNOWN = sorted(set(range(2**ADDRESS_BITS)) - {address(name, k) for name, k in PLACES})


# --- generated files and Python --------------------------------------------------------------------------------------


def generate(root, *arguments):
    command = [sys.executable, str(root / "rtl_models" / "generate.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_generated_files_are_current():
    done = generate(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_names_what_is_not_current_and_writes_nothing(tmp_path):
    for name in ("rtl_models/generate.py", "rtl_models/registers.yaml", *GENERATED):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    stale = tmp_path / GENERATED[0]
    stale.write_text("old", encoding="utf-8")
    (tmp_path / GENERATED[1]).unlink()
    done = generate(tmp_path, "--check")
    assert done.returncode == 1
    assert [name for name in GENERATED if name in done.stdout] == list(GENERATED[:2])
    assert stale.read_text(encoding="utf-8") == "old"
    assert generate(tmp_path).returncode == 0
    for name in GENERATED:
        assert (tmp_path / name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")
        assert "registers.yaml" in (tmp_path / name).read_text(encoding="utf-8").splitlines()[0]


def test_the_data_are_those_of_the_yaml():
    raw = yaml.safe_load((ROOT / "rtl_models" / "registers.yaml").read_text(encoding="utf-8"))
    assert (raw["address_bits"], raw["layer_base"], raw["layer_stride"]) == (ADDRESS_BITS, LAYER_BASE, LAYER_STRIDE)
    entries = {e["name"]: e for e in raw["chip"]} | {f"layer_{e['name']}": e for e in raw["layer"]}
    assert list(entries) == list(REGISTERS)
    for key, e in entries.items():
        r = REGISTERS[key]
        assert [r.name, r.address, r.access, r.bits, r.help] == [
            e[k] for k in ("name", "address", "access", "bits", "help")
        ]
        assert (r.signed, r.reset) == (e.get("signed", False), e.get("reset", e.get("value", 0)))
        assert r.per_layer == (e in raw["layer"])


def test_addresses_are_unique_and_inside_their_range():
    places = [(n, k) for n, r in REGISTERS.items() for k in range(MOST_LAYERS if r.per_layer else 1)]
    addresses = [address(n, k) for n, k in places]
    assert len(set(addresses)) == len(addresses)
    assert all(0 <= a < 2**ADDRESS_BITS for a in addresses)
    for (name, layer), a in zip(places, addresses, strict=True):
        start = LAYER_BASE + layer * LAYER_STRIDE
        assert start <= a < start + LAYER_STRIDE if REGISTERS[name].per_layer else a < LAYER_BASE


@pytest.mark.parametrize(("name", "layer"), [("hot", 1), ("layer_units", -1), ("layer_units", MOST_LAYERS)])
def test_a_layer_that_does_not_exist_has_no_address(name, layer):
    with pytest.raises(ValueError, match="no layer"):
        address(name, layer)


@given(st.sampled_from(sorted(REGISTERS)), st.data())
def test_what_is_encoded_is_decoded(name, data):
    register = REGISTERS[name]
    value = data.draw(st.integers(register.low, register.high))
    word = encode(name, value)
    assert 0 <= word <= ALL_ONES
    assert word % 2**register.bits == value % 2**register.bits
    assert decode(name, word) == value == decode(name, word % 2**register.bits)


@given(st.sampled_from(sorted(REGISTERS)), st.integers(0, ALL_ONES))
def test_a_word_decodes_to_a_value_of_its_lowest_bits(name, word):
    register = REGISTERS[name]
    value = decode(name, word)
    assert register.low <= value <= register.high
    assert (value - word) % 2**register.bits == 0


@pytest.mark.parametrize("name", sorted(REGISTERS))
def test_values_that_do_not_fit_are_refused(name):
    register = REGISTERS[name]
    n = register.bits
    assert (register.low, register.high) == ((-(2 ** (n - 1)), 2 ** (n - 1) - 1) if register.signed else (0, 2**n - 1))
    for value in (register.low - 1, register.high + 1):
        with pytest.raises(ValueError, match=name):
            encode(name, value)


# --- simulation ------------------------------------------------------------------------------------------------------


HARNESS = """\
#include "Vtop.h"
extern "C" {
Vtop *registers_create() { return new Vtop; }
void registers_destroy(Vtop *top) { delete top; }
void registers_drive(Vtop *top, int reset_n, int valid, int write, int address, unsigned data) {
  top->rst_ni = reset_n; top->reg_valid_i = valid; top->reg_write_i = write;
  top->reg_address_i = address; top->reg_wdata_i = data; top->clk_i = 0; top->eval();
}
void registers_clock(Vtop *top) { top->clk_i = 1; top->eval(); top->clk_i = 0; top->eval(); }
void registers_layer(Vtop *top, int layer) { top->layer_i = layer; top->eval(); }
void registers_cycles(Vtop *top, unsigned value) { top->cycles_i = value; top->eval(); }
unsigned registers_rdata(Vtop *top) { return top->reg_rdata_o; }
unsigned registers_output(Vtop *top, int which) {
  switch (which) {
CASES
  }
  return 0;
}
}
"""


class Chip:
    """nemu_registers, driven through its ports."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.registers_create.restype = ctypes.c_void_p
        self.library.registers_rdata.restype = ctypes.c_uint32
        self.library.registers_output.restype = ctypes.c_uint32
        self.top = ctypes.c_void_p(self.library.registers_create())

    def idle(self):
        self.library.registers_drive(self.top, 1, 0, 0, 0, 0)

    def clock(self):
        self.library.registers_clock(self.top)

    def cycle(self, *, reset_n=1, valid=1, write=1, where=0, data=0):
        self.library.registers_drive(self.top, reset_n, valid, write, where, ctypes.c_uint32(data))
        self.clock()
        self.idle()

    def reset(self):
        self.cycle(reset_n=0, valid=0)

    def write(self, where, data):
        self.cycle(where=where, data=data)

    def read(self, where):
        self.library.registers_drive(self.top, 1, 1, 0, where, ctypes.c_uint32(ALL_ONES))
        word = self.library.registers_rdata(self.top)
        self.idle()
        return word

    def output(self, name, layer=0):
        """The output of a register while ``layer_i`` is *layer*, as a value."""
        self.library.registers_layer(self.top, layer)
        return decode(name, self.library.registers_output(self.top, OUTPUTS.index(name)))

    def all_words(self):
        return {place: self.read(address(*place)) for place in PLACES}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    harness = tmp_path_factory.mktemp("registers") / "registers.cpp"
    cases = "\n".join(f"    case {i}: return top->{name}_o;" for i, name in enumerate(OUTPUTS))
    harness.write_text(HARNESS.replace("CASES", cases), encoding="utf-8")
    parameters = {"MaxLayers": LAYERS, **BUILT}
    return shared_library([ROOT / GENERATED[0]], "nemu_registers", parameters, harness)


@pytest.fixture
def chip(library):
    chip = Chip(library)
    chip.reset()
    yield chip
    chip.library.registers_destroy(chip.top)


def after_reset():
    constant = {name: REGISTERS[name].reset for name in REGISTERS} | CONSTANTS
    return {(name, k): encode(name, constant[name]) for name, k in PLACES}


def kept(name, word):
    """What a register reads after *word* was written."""
    return encode(name, decode(name, word))


def test_every_register_has_its_reset_value_after_reset(chip):
    assert chip.all_words() == after_reset()
    for name, k in WRITABLE:
        chip.write(address(name, k), 0x5A5A_5A5A ^ k)
    assert all(chip.read(address(n, k)) == kept(n, 0x5A5A_5A5A ^ k) for n, k in WRITABLE)
    chip.reset()
    assert chip.all_words() == after_reset()
    for name, k in WRITABLE:
        assert chip.output(name, k) == REGISTERS[name].reset


def test_reset_wins_over_a_write(chip):
    for name, k in PLACES:
        chip.cycle(reset_n=0, where=address(name, k), data=ALL_ONES)
        assert chip.output("command") == 0
    assert chip.all_words() == after_reset()


@pytest.mark.parametrize("word", [0, 1, 0x5555_5555, 0xAAAA_AAAA, 0x8000_0000, ALL_ONES])
def test_registers_read_back_what_was_written_cut_and_sign_extended(chip, word):
    for name, k in WRITABLE:
        chip.write(address(name, k), word)
        assert chip.read(address(name, k)) == kept(name, word)
        assert chip.output(name, k) == decode(name, word)


@pytest.mark.parametrize("name", [n for n, r in REGISTERS.items() if r.signed])
def test_signed_registers_hold_negative_values(chip, name):
    for value in (-1, REGISTERS[name].low, REGISTERS[name].high):
        chip.write(address(name), encode(name, value))
        assert decode(name, chip.read(address(name))) == chip.output(name) == value
        assert chip.read(address(name)) == value % 2**32


def test_a_write_changes_one_register_of_one_layer_and_its_output(chip):
    """Every register in random order, with the whole chip compared after each write."""
    draw = random.Random(0)
    expected = after_reset()
    for name, k in draw.sample(WRITABLE, len(WRITABLE)):
        word = draw.getrandbits(32)
        chip.write(address(name, k), word)
        expected[name, k] = kept(name, word)
        assert chip.all_words() == expected
        assert {place: encode(place[0], chip.output(*place)) for place in WRITABLE} == {
            p: expected[p] for p in WRITABLE
        }


def test_layer_outputs_follow_the_layer_without_a_clock(chip):
    for k in range(LAYERS):
        chip.write(address("layer_units", k), 100 + k)
    assert [chip.output("layer_units", k) for k in (1, 0, 1, 0)] == [101, 100, 101, 100]


def test_read_only_and_unknown_addresses_do_not_change(chip):
    read_only = [address(n) for n, r in REGISTERS.items() if r.access == "ro"]
    for where in (*read_only, *UNKNOWN):
        chip.write(where, ALL_ONES)
        assert chip.output("command") == 0
    assert chip.all_words() == after_reset()
    assert not [where for where in UNKNOWN if chip.read(where)]


def test_nothing_is_written_unless_both_valid_and_write_are_high(chip):
    for name, k in PLACES:
        for valid, write in ((0, 0), (0, 1), (1, 0)):
            chip.cycle(valid=valid, write=write, where=address(name, k), data=ALL_ONES)
            assert chip.output("command") == 0
    assert chip.all_words() == after_reset()


def test_counters_read_their_inputs(chip):
    for value in (0, 1, 0xDEAD_BEEF):
        chip.library.registers_cycles(chip.top, ctypes.c_uint32(value))
        assert chip.read(address("cycles")) == value


@pytest.mark.parametrize("word", [0, 1, 2, 3, ALL_ONES])
def test_commands_pulse_for_one_cycle_and_read_zero(chip, word):
    where = address("command")
    chip.library.registers_drive(chip.top, 1, 1, 1, where, ctypes.c_uint32(word))
    assert chip.output("command") == 0  # registered: not yet in the cycle of the write
    chip.clock()
    chip.idle()
    assert chip.output("command") == word % 4
    assert chip.read(where) == 0
    chip.clock()
    assert chip.output("command") == 0
    assert chip.all_words() == after_reset()


def test_commands_in_succession_are_separate_pulses(chip):
    seen = []
    for word in (1, 2, 3, 0, 1):
        chip.write(address("command"), word)
        seen.append(chip.output("command"))
    assert seen == [1, 2, 3, 0, 1]
