"""Explicit vector kernels: AVX-512 (VNNI) and AVX2, each operation with its plain formula above it.

They compute what numerics/ops defines, in as many lanes as the processor has, and are chosen at run time
(:mod:`neuro_emu.datapath.online`). Nothing outside this package knows of instruction sets.
"""
