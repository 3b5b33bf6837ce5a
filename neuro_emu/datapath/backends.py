"""Back-ends of the compiled datapath: three ways to the same integers.

``plain`` runs the 64-bit kernels that are written with numerics/ops alone, ``portable`` those that LLVM vectorises on
any processor, ``vector`` adds explicit AVX-512 or AVX2 code for the chips that have it
(:mod:`neuro_emu.datapath.online`).
"""

from __future__ import annotations

from neuro_emu.errors import RunError
from neuro_emu.jit import jit_enabled
from neuro_emu.kernels.vector.code import LEVEL

AUTO, PLAIN, PORTABLE, VECTOR = BACKENDS = ("auto", "plain", "portable", "vector")


def available() -> bool:
    """Whether there is vector code for this processor (without JIT its plain formulas run)."""
    return bool(LEVEL) or not jit_enabled()


def chosen_backend(name: str) -> str:
    """Resolve ``auto``: vector code where the processor has it, else portable.

    Raises:
        RunError: if there is no such back-end, or this processor has no code for it.

    """
    if name not in BACKENDS:
        raise RunError(f"unknown back-end {name!r}: one of {', '.join(BACKENDS)}")
    if name == AUTO:
        return VECTOR if LEVEL else PORTABLE
    if name == VECTOR and not available():
        raise RunError("--backend vector needs a processor with AVX2 or AVX-512 VNNI; --backend portable runs on any")
    return name
