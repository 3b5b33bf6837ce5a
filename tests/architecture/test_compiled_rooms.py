"""The cache of compiled kernels is named after the sources of some rooms: nothing compiled may come from elsewhere."""

import ast

from test_kernel_entries import PACKAGE, modules_of, names_of

from neuro_emu import jit

COMPILING = {"entry", "kernel", "routine", "section", "scalar_op", "narrow_op", "vector_op"}
INSIDE = ("neuro_emu.jit", *(f"neuro_emu.{room}" for room in jit.COMPILED))
DATA_FREE = {"neuro_emu.errors"}
"""What these rooms may use besides: it holds nothing that a kernel could see."""


def within(name, rooms):
    return any(name == room or name.startswith(room + ".") for room in rooms)


def compilers_used(module, tree):
    """Decorators and makers of compiled code that a module gets from jit, or numba itself."""
    names = set(names_of(tree).values())
    return {
        n for n in names if n == "numba" or n.startswith("numba.") or n in {f"neuro_emu.jit.{c}" for c in COMPILING}
    }


def test_compiled_code_lies_in_the_rooms_of_the_digest():
    found = {module for module, tree in modules_of(PACKAGE, "neuro_emu").items() if compilers_used(module, tree)}
    assert "neuro_emu.numerics.ops" in found
    assert not {module for module in found if not within(module, INSIDE)}


def test_those_rooms_use_no_others():
    for module, tree in modules_of(PACKAGE, "neuro_emu").items():
        if not within(module, INSIDE):
            continue
        used = {name for name in names_of(tree).values() if name.startswith("neuro_emu.")}
        used = {name for name in used if not within(name, (*INSIDE, *DATA_FREE))}
        assert not used, f"{module} uses {sorted(used)}"


def test_the_check_sees_what_it_should():
    seen = compilers_used("neuro_emu.rules.mine", ast.parse("from neuro_emu.jit import kernel"))
    assert seen == {"neuro_emu.jit.kernel"}
    assert compilers_used("neuro_emu.rules.mine", ast.parse("import numba as nb")) == {"numba"}
    assert not within("neuro_emu.networks", INSIDE)
