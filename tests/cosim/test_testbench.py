"""The exported testbench: the same file in Verilator and in Icarus, and a chip that is not ours."""

import shutil

import pytest
from rtl_chips import drawn, vectors_of
from tiny_chips import mutated, tiny

from neuro_emu.api.rtl import cosimulate_vectors, export_golden
from neuro_emu.cosim.testbench import TestbenchSimulator as Bench
from neuro_emu.errors import RunError, ToolError
from neuro_emu.golden.build import Build
from neuro_emu.golden.export import write_vectors


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("testbench") / "vectors"
    export_golden(tiny(), folder, samples=2)
    return folder


def test_the_testbench_passes_in_verilator(vectors):
    verdict = cosimulate_vectors(vectors)
    assert verdict.mismatch is None
    assert "testbench" in verdict.simulator
    assert sum(entry.records for entry in verdict.checked) > 100


def wrong(vectors, tmp_path, simulator, **options):
    mistake = ("nemu_round_shift.sv", "Stoch:   addend = drawn;", "Stoch:   addend = drawn & 31'd0;")
    files = [path for path in mutated(tmp_path, *mistake) if path.suffix == ".sv"]
    shutil.copy(vectors / "nemu_dut.sv", tmp_path / "nemu_dut.sv")
    return cosimulate_vectors(vectors, simulator=simulator, rtl=[*files, tmp_path / "nemu_dut.sv"], **options)


def check_named(found):
    assert found.what == "update, written weight"
    assert None not in (found.layer, found.neuron, found.input, found.bank, found.address, found.cycle)
    assert "rounding: TRN (floor) instead of STOCH" in found.cause


def test_a_chip_of_the_users_own_is_told_where_it_differs(vectors, tmp_path):
    check_named(wrong(vectors, tmp_path, "verilator").mismatch)


def test_a_chip_without_a_trace_port_is_judged_by_predictions_and_weights(vectors, tmp_path):
    found = wrong(vectors, tmp_path, "verilator", trace=False).mismatch
    assert found.what in {"prediction", "final weight"}
    found = wrong(vectors, tmp_path, "verilator", trace=False, cycles=False).mismatch
    assert found.what in {"prediction", "final weight"}


def test_a_chip_that_does_not_compile_is_a_clear_error(vectors, tmp_path):
    (tmp_path / "mine.sv").write_text("module nemu_dut; nonsense endmodule\n")
    with pytest.raises(ToolError, match="mine"):
        cosimulate_vectors(vectors, rtl=[tmp_path / "mine.sv"])
    with pytest.raises(RunError, match="no such file"):
        cosimulate_vectors(vectors, rtl=[tmp_path / "missing.sv"])


@pytest.mark.icarus
def test_the_testbench_passes_in_icarus(vectors):
    verdict = cosimulate_vectors(vectors, simulator="icarus")
    assert verdict.mismatch is None
    assert "Icarus" in verdict.simulator


@pytest.mark.icarus
def test_icarus_names_the_same_weight(vectors, tmp_path):
    path = tmp_path / "first.vcd"
    verdict = wrong(vectors, tmp_path, "icarus", waves=path)
    check_named(verdict.mismatch)
    assert path.stat().st_size > 1000


@pytest.mark.icarus
@pytest.mark.parametrize("number", range(10))
def test_random_chips_in_icarus_each_as_its_smallest_build(number, tmp_path):
    (case,) = drawn(1, number=500 + number, most_lanes=6, samples=(2, 4))
    write_vectors(case.chip, "random", "", tmp_path, [vectors_of(case)])
    sources = [tmp_path / line for line in (tmp_path / "sources.f").read_text().split()]
    bench = Bench(case.chip, Build.of(case.chip), tmp_path, sources, use_icarus=True)
    found = bench.check(vectors_of(case))
    assert found.mismatch is None, str(found.mismatch)
    assert found.records == len(vectors_of(case).golden.records)
