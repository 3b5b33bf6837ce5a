"""Compiled functions that take a chip's structures have no wrapper for Python: only an `@entry` may be called from it.

A call of any other ends the process without a message, and mypy sees nothing wrong with it.
"""

import ast
import importlib
from pathlib import Path

import pytest
from environment import WITHOUT_JIT

import neuro_emu
from neuro_emu import jit

PACKAGE = Path(neuro_emu.__file__).parent
ROOT = Path(__file__).parents[2]
KERNELS = "neuro_emu.kernels"
WITHOUT_WRAPPER = {"kernel", "routine", "scalar_op"}


def modules_of(folder, prefix):
    """Syntax trees of all modules of a package, by dotted name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = [prefix, *path.relative_to(folder).with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def names_of(tree):
    """What the imports of a module call the things of others: own name → dotted name."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
            names |= {top: top for top in (alias.name.split(".")[0] for alias in node.names if not alias.asname)}
    return names


def is_inner(node):
    """Whether a definition is compiled without a wrapper for Python."""
    if not isinstance(node, ast.FunctionDef):
        return False
    given = node.args
    notes = [arg.annotation for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)] + [node.returns]
    written = {ast.unparse(note) for note in notes if note}
    return bool(written & jit._STRUCTURES) and any(ast.unparse(d) in WITHOUT_WRAPPER for d in node.decorator_list)


def inner_functions(kernels):
    """Dotted names of the functions without a wrapper, also under the modules that import them."""
    defined = {f"{module}.{node.name}" for module, tree in kernels.items() for node in tree.body if is_inner(node)}
    passed_on = {
        f"{module}.{own}" for module, tree in kernels.items() for own, name in names_of(tree).items() if name in defined
    }
    return defined, defined | passed_on


def dotted(node, names):
    """Dotted name of an attribute of something imported; empty for any other."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([names[node.id], *reversed(parts)]) if isinstance(node, ast.Name) and node.id in names else ""


def uses(tree, forbidden):
    """Where a module imports or names one of the *forbidden* functions: (line, dotted name)."""
    names, found = names_of(tree), []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Attribute):
            found.append((node.lineno, dotted(node, names)))
    return [(line, name) for line, name in found if name in forbidden]


MODULES = modules_of(PACKAGE, "neuro_emu")
DEFINED, FORBIDDEN = inner_functions({name: tree for name, tree in MODULES.items() if name.startswith(KERNELS)})
OUTSIDE = {name: tree for name, tree in MODULES.items() if not name.startswith(KERNELS)}
OUTSIDE |= modules_of(ROOT / "benchmarks", "benchmarks") | modules_of(ROOT / "tests", "tests")


def test_python_calls_only_entries():
    found = {name: used for name, tree in OUTSIDE.items() if (used := uses(tree, FORBIDDEN))}
    assert not found, f"these have no wrapper for Python; decorate them with @entry: {found}"


@pytest.mark.skipif(WITHOUT_JIT, reason="nothing is compiled")
def test_these_are_the_functions_without_a_wrapper():
    """What the sources say is what numba was told."""
    told = set()
    for module in (name for name in MODULES if name.startswith(KERNELS)):
        for name, value in vars(importlib.import_module(module)).items():
            options = getattr(value, "targetoptions", {})
            if options.get("no_cpython_wrapper") and value.__module__ == module:
                told.add(f"{module}.{name}")
    assert told == DEFINED
    assert DEFINED


MADE_UP = {
    f"{KERNELS}.one": ast.parse(
        "@kernel\ndef inner(k: int, fabric: fb.Fabric) -> int: ...\n"
        "@routine\ndef rare(*, sheet: sh.Sheet) -> int: ...\n"
        "@entry\ndef run(fabric: fb.Fabric) -> int: ...\n"
        "@kernel\ndef arrays(codes: fb.Int64) -> int: ...\n"
        "@section\ndef part(fabric: fb.Fabric) -> int: ...\n"
        "def host(fabric: fb.Fabric) -> int: ...\n"
    ),
    f"{KERNELS}.deep.two": ast.parse(f"from {KERNELS}.one import rare as seldom, run\n"),
}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (f"from {KERNELS}.one import inner\ninner(0, f)", [(1, "one.inner")]),
        (f"from {KERNELS}.one import (\n    run,\n    rare as r,\n)\nr(s)", [(1, "one.rare")]),
        (f"from {KERNELS} import one\none.run(f)\none.inner(0, f)", [(3, "one.inner")]),
        (f"from {KERNELS} import one as o\nsubmit(o.rare, f)", [(2, "one.rare")]),
        (f"import {KERNELS}.one\n{KERNELS}.one.inner(0, f)", [(2, "one.inner")]),
        (f"import {KERNELS}.one as o\ndef a():\n    return o.inner(0, f)", [(3, "one.inner")]),
        (f"def a():\n    from {KERNELS}.deep import two\n    two.seldom(s)", [(3, "deep.two.seldom")]),
        (f"from {KERNELS}.one import arrays, host, part, run\nfrom {KERNELS}.deep.two import run as again", []),
        ("from elsewhere.one import inner\nself.inner(0)\none.rare(s)", []),
        (f"from {KERNELS}.one import inner, rare", [(1, "one.inner"), (1, "one.rare")]),
    ],
)
def test_the_check_sees_what_it_looks_for(source, lines):
    _, forbidden = inner_functions(MADE_UP)
    assert uses(ast.parse(source), forbidden) == [(line, f"{KERNELS}.{name}") for line, name in lines]
