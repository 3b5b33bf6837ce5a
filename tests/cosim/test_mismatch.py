"""RTL with a mistake: the first mismatch is named to the weight, with its cause."""

import pytest
from tiny_chips import mutated, tiny

from neuro_emu.api.rtl import golden_sets
from neuro_emu.cosim.session import cosimulate
from neuro_emu.cosim.simulators import LibrarySimulator
from neuro_emu.golden.build import Build

MISTAKES = {
    "no rounding of pre-activations": (
        ("nemu_align.sv", "(one_bit_left + (OutW + 1)'(1)) >>> 1", "one_bit_left >>> 1"),
        "forward, output code",
        "pre-activation: rounded with TRN (floor) instead of RND",
    ),
    "random words drawn one row late": (
        ("nemu_lane_array.sv", "update1_i && !keep1_q && draws_o;", "update1_i && !keep1_q && draws_o && !bias1_q;"),
        "update, random words",
        "random words: one draw late (xorshift)",
    ),
    "weights rounded down": (
        ("nemu_round_shift.sv", "Stoch:   addend = drawn;", "Stoch:   addend = drawn & 31'd0;"),
        "update, written weight",
        "rounding: TRN (floor) instead of STOCH",
    ),
    "row word of the lane, not of the neuron": (
        ("nemu_random.sv", "neuron_i + 32'(l)", "(neuron_i & 32'd0) + 32'(l)"),
        "update, written weight",
        "random words: mixed with the lane's number, not the neuron's",
    ),
    "row of the wrong label": (
        ("nemu_core.sv", "project ? class_index : label_q;", "project ? class_index : label_q ^ RowW'(1);"),
        "error, signal",
        "label look-up: row of class",
    ),
    "derivative of hard_tanh open at its border": (
        ("nemu_linear_slope.sv", "(q_i < one) && (q_i > -one)", "(q_i < one) || (q_i >= -one)"),
        "error, modulatory signal",
        "gate by f': open where it should be closed",
    ),
    "error with the wrong sign": (
        (
            "nemu_output_stage.sv",
            "(CodeW + 1)'(target) - (CodeW + 1)'(y)",
            "(CodeW + 1)'(y) - (CodeW + 1)'(target)",
        ),
        "error, modulatory signal",
        "delta: sign",
    ),
    "rows of zero inputs are not skipped": (
        ("nemu_core.sv", "(cfg_zero_input == 2'd2) && !apply", "(cfg_zero_input == 2'd3) && !apply"),
        "clock cycles of a sample",
        "",
    ),
}


@pytest.fixture(scope="module")
def setting():
    experiment = tiny()
    return experiment.chip, golden_sets(experiment, samples=3)


def verdict_of(setting, tmp_path, mistake, **options):
    chip, sets = setting
    simulator = LibrarySimulator(chip, Build.of(chip), mutated(tmp_path, *mistake))
    return cosimulate(chip, simulator, sets, **options)


def test_the_rtl_without_a_mistake_agrees(setting):
    chip, sets = setting
    verdict = cosimulate(chip, LibrarySimulator(chip, Build.of(chip)), sets)
    assert verdict.mismatch is None
    assert str(verdict).startswith("identical: ")
    assert sum(entry.records for entry in verdict.checked) == sum(len(s.golden.records) for s in sets)


@pytest.mark.parametrize("name", MISTAKES)
def test_the_first_mismatch_is_named(setting, tmp_path, name):
    mistake, what, cause = MISTAKES[name]
    found = verdict_of(setting, tmp_path, mistake).mismatch
    assert found is not None
    assert found.what == what, str(found)
    assert found.sample is not None
    assert found.expected != found.got
    assert any(line.startswith(cause) for line in (*found.cause, "")), str(found)
    if what == "update, written weight":
        assert None not in (found.layer, found.neuron, found.input, found.bank, found.address, found.cycle)
        assert "input" in str(found)
        assert "bank" in str(found)


def test_a_waveform_of_the_mismatch(setting, tmp_path):
    (tmp_path / "rtl").mkdir()
    mistake = MISTAKES["weights rounded down"][0]
    path = tmp_path / "waves" / "first.vcd"
    verdict = verdict_of(setting, tmp_path / "rtl", mistake, waves=path)
    assert verdict.waves == path
    times = [int(line[1:]) for line in path.read_text().splitlines() if line.startswith("#")]
    assert 0 < len(times) <= 2 * 400 + 2  # two times a cycle, 200 cycles on each side
    assert "$enddefinitions" in path.read_text()
