"""SystemVerilog of the chip (README.md), installed beside the package so that co-simulation finds it."""
