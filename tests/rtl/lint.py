"""What Verilator, slang and Icarus say about modules of the RTL: nothing, if all is well."""

import pyslang
from pyslang.driver import Driver

from neuro_emu.cosim.tools import icarus, run_tool, verilator

ALIKE = "sorry: constant selects in always_* processes are not currently supported (all bits will be included)."
"""Icarus wakes a process for all bits of a vector of which it reads a few: slower, not different."""


def verilator_lint(top, *words):
    """Fail if Verilator has a complaint; a warning is an error."""
    tool = verilator()
    run_tool([tool.binary, "--lint-only", "-Wall", "--top-module", top, *words], tool.environment)


def slang_complaints(top, *words):
    """Everything that slang reports about *top*; no names with spaces among the *words*, or they are quoted."""
    driver = Driver()
    driver.addStandardArgs()
    assert driver.parseCommandLine(" ".join(["slang", "--top", top, *map(str, words)]))
    assert driver.processOptions()
    assert driver.parseAllSources()
    compilation = driver.createCompilation()
    engine = driver.diagEngine
    shown = [
        engine.formatMessage(problem)
        for problem in compilation.getAllDiagnostics()
        if engine.getSeverity(problem.code, problem.location) != pyslang.DiagnosticSeverity.Ignored
    ]
    assert shown or [module.name for module in compilation.getRoot().topInstances] == [top]
    return shown


def icarus_complaints(top, *words):
    """Everything that Icarus prints about *top*."""
    printed = run_tool([icarus().iverilog, "-g2012", "-Wall", "-tnull", "-s", top, *words])
    return [line for line in printed.splitlines() if not line.endswith(ALIKE)]
