"""Where the RTL lies: the package rtl_models, installed beside neuro_emu."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path


def rtl_root() -> Path:
    """Directory of the SystemVerilog sources."""
    return Path(str(import_module("rtl_models").__file__)).parent


def rtl_sources() -> list[Path]:
    """Every file of the synthesizable chip, lint waivers first."""
    root = rtl_root()
    folders = ("ops", "mem", "core")
    return [root / "lint.vlt", *(path for folder in folders for path in sorted((root / folder).glob("*.sv")))]


def testbench_sources() -> list[Path]:
    """Testbench and port-binding template of the golden vectors."""
    return [rtl_root() / "tb" / "nemu_dut.sv", rtl_root() / "tb" / "nemu_testbench.sv"]


def harness() -> Path:
    """C++ that makes the chip a library."""
    return rtl_root() / "tb" / "nemu_harness.cpp"
