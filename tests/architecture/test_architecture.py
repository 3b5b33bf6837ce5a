"""Rules about the sources that no linter knows: where bits are touched, where floats and numba may not be."""

import ast
from pathlib import Path

import pytest

import neuro_emu

PACKAGE = Path(neuro_emu.__file__).parent
SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}
NAMES = sorted(SOURCES)

CHIP_ARITHMETIC = ("numerics/", "kernels/")
WITH_BITS_OF_ITS_OWN = {
    "config/resolve.py": "is the number of banks a power of two",
    "config/typed.py": "intersection of sets",
    "datapath/layout.py": "worst-case bounds, on the host",
    "datasets/synthetic.py": "generator of the synthetic images",
    "files.py": "file permissions",
}
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_one(node):
    return isinstance(node, ast.Constant) and node.value == 1


def touches_bits(node):
    """A shift or a mask; `1 << n`, a power of two, is a number like any other."""
    if not isinstance(node, ast.BinOp | ast.AugAssign):
        return False
    if (
        isinstance(node.op, ast.BitAnd)
        and isinstance(node, ast.BinOp)
        and ast.Compare in {type(node.left), type(node.right)}
    ):
        return False  # boolean masks: which codes, not which bits
    if isinstance(node.op, ast.LShift):
        return isinstance(node, ast.AugAssign) or not is_one(node.left)
    return isinstance(node.op, ast.RShift | ast.BitAnd)


def lines_where(tree, wanted):
    return sorted(node.lineno for node in ast.walk(tree) if wanted(node))


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith(CHIP_ARITHMETIC)])
def test_bits_are_touched_only_in_numerics_and_kernels(name):
    found = lines_where(TREES[name], touches_bits)
    assert bool(found) == (name in WITH_BITS_OF_ITS_OWN), f"{name}, lines {found}"


def is_float(node):
    """A literal, a name or a true division that makes a float."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float | complex)
    if isinstance(node, ast.BinOp | ast.AugAssign):
        return isinstance(node.op, ast.Div)
    name = getattr(node, "id", getattr(node, "attr", ""))
    return isinstance(name, str) and name.startswith(("float", "double", "single", "half", "DoubleType", "FloatType"))


@pytest.mark.parametrize(
    "name",
    [n for n in NAMES if n.startswith(("kernels/", "rules/")) or n in {"numerics/ops.py", "numerics/batch_ops.py"}],
)
def test_kernels_rules_and_operations_have_no_floats(name):
    assert not lines_where(TREES[name], is_float)


def imports(tree, package):
    def wanted(node):
        if isinstance(node, ast.Import):
            return any(alias.name.split(".")[0] == package for alias in node.names)
        return isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == package

    return bool(lines_where(tree, wanted))


def test_only_jit_imports_numba():
    assert [name for name in NAMES if imports(TREES[name], "numba")] == ["jit.py"]


def length_of(function):
    """Lines of a function, its docstring left out."""
    first = function.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) else 0
    return function.end_lineno - function.lineno + 1 - docstring


@pytest.mark.parametrize("name", NAMES)
def test_modules_and_functions_stay_short(name):
    assert len(SOURCES[name].splitlines()) <= MOST_LINES
    lengths = {f.name: length_of(f) for f in ast.walk(TREES[name]) if isinstance(f, FUNCTIONS)}
    assert not {f: lines for f, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION}


def public_without_docstring(parent, prefix=""):
    missing = []
    for node in parent.body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None:
                missing.append(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                missing += public_without_docstring(node, f"{node.name}.")
    return missing


@pytest.mark.parametrize("name", NAMES)
def test_everything_public_has_a_docstring(name):
    assert ast.get_docstring(TREES[name])
    assert not public_without_docstring(TREES[name])


def test_the_checks_see_what_they_look_for():
    """Each check on a line that breaks it, so that none passes for want of a match."""
    assert lines_where(ast.parse("a = b >> 3\nc = d & 7\ne <<= 1\nf = g << 2"), touches_bits) == [1, 2, 3, 4]
    assert not lines_where(ast.parse("a = 1 << n\nb = c and d\ne = f | g"), touches_bits)
    assert lines_where(ast.parse("a = 1.5\nb = c / d\ne = np.float64(f)\nfloat(g)"), is_float) == [1, 2, 3, 4]
    assert imports(ast.parse("from numba.core import types"), "numba")
    assert length_of(ast.parse('def a():\n    """One\n    two."""\n    return 1').body[0]) == 2
    assert public_without_docstring(ast.parse("class A:\n    def b(self): ...\ndef _c(): ...")) == ["A", "A.b"]
