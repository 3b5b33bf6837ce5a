"""Every operation's RTL against its Python definition, and read without complaint by three front ends."""

import numpy as np
import op_bench
import pytest
from lint import icarus_complaints, slang_complaints, verilator_lint
from op_bench import INSTANCES, OP_NAMES, OPS, SOURCES, TABLE

MODULES = [path.stem for path in SOURCES]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return op_bench.build(tmp_path_factory.mktemp("ops_bench"))


def test_every_operation_has_a_module_and_every_module_is_tested():
    assert sorted(MODULES) == sorted(f"nemu_{name}" for name in OP_NAMES)
    assert sorted(TABLE) == sorted(OP_NAMES)
    assert all(module.widths for module in TABLE.values())


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda instance: instance.name)
def test_operands_fit_their_ports(instance):
    rows = instance.rows()
    assert rows.shape[1] == len(instance.module.inputs)
    for column, (port, wide) in zip(rows.T, instance.module.inputs, strict=True):
        width = instance.width(wide)
        signed = -(1 << (width - 1)) <= column.min() and column.max() < 1 << (width - 1)
        assert signed or (column.min() >= 0 and column.max() < 1 << width), port


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda instance: instance.name)
def test_the_module_computes_what_the_operation_defines(bench, instance):
    rows = instance.rows()
    expected, found = instance.expected(rows), bench(instance, rows)
    wrong = np.flatnonzero(expected != found)
    shown = [f"{rows[k].tolist()}: {found[k]}, not {expected[k]}" for k in wrong[:5]]
    assert not len(wrong), f"{len(wrong)} of {len(rows)}: " + "; ".join(shown)


@pytest.mark.parametrize("module", MODULES)
def test_verilator_has_no_complaint(module):
    verilator_lint(module, "-y", OPS, OPS / f"{module}.sv")


@pytest.mark.parametrize("module", MODULES)
def test_slang_elaborates_without_complaint(module):
    assert not slang_complaints(module, f'-y "{OPS}" "{OPS / module}.sv"')


@pytest.mark.icarus
@pytest.mark.parametrize("module", MODULES)
def test_icarus_has_no_complaint(module):
    assert not icarus_complaints(module, "-y", OPS, "-Y", ".sv", OPS / f"{module}.sv")
