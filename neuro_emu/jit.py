"""The one place that decides how kernels are compiled and where they are cached; the only importer of numba.

Numba's on-disk cache notices edits to a kernel's own file only, not to the files of the functions it
inlines. A stale cache would keep the old arithmetic, so the cache directory is named after a digest of
every source file that compiled code is made of. ``NUMBA_DISABLE_JIT=1`` turns every kernel back into plain Python.
"""

from __future__ import annotations

import getpass
import hashlib
import inspect
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm
import numba
from numba.core import event, types
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = Path(__file__).parent
COMPILED = ("numerics", "kernels", "network")
"""Rooms whose functions and constants end up in compiled code; a test keeps others from having any."""


def source_digest(package: Path = _PACKAGE) -> str:
    """Digest (16 hex digits) of every Python source in *package* that compiled code is made of, names included."""
    digest = hashlib.sha256()
    rooms = [path for room in COMPILED for path in (package / room).rglob("*.py")]
    for path in sorted([package / "jit.py", *rooms]):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """Where compiled kernels live: ``$NEURO_EMU_JIT_CACHE``, the user's cache directory, or else a temporary one.

    Numba itself would fall back to a folder beside the sources, whose name carries no digest.
    """
    explicit = os.environ.get("NEURO_EMU_JIT_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(explicit) if explicit else Path(base) / "neuro_emu" / "jit"
    try:
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
    except OSError:
        pass
    return Path(tempfile.gettempdir()) / f"neuro_emu-jit-{getpass.getuser()}"


def _forget_old_caches(root: Path, current: str) -> None:
    """Remove caches of other sources that nobody used for a week: edits would otherwise grow them without end."""
    try:
        folders = [folder for folder in root.iterdir() if folder.is_dir() and folder.name != current]
        (root / current).mkdir(parents=True, exist_ok=True)
        os.utime(root / current)
        old = [folder for folder in folders if time.time() - folder.stat().st_mtime > _WEEK]
    except OSError:
        return
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)


_WEEK = 7 * 24 * 3600
_ROOT = cache_root()
_DIGEST = source_digest()
setattr(numba.config, "CACHE_DIR", str(_ROOT / _DIGEST))  # noqa: B010  (numba sets its options at run time)
_forget_old_caches(_ROOT, _DIGEST)

_compile_timer: Any = cast(Any, event).TimingListener()
cast(Any, event).register("numba:compile", _compile_timer)


def compile_seconds() -> float:
    """Seconds this process has spent compiling kernels (loading cached ones is not compiling)."""
    return float(_compile_timer.duration) if _compile_timer.done else 0.0


def jit_enabled() -> bool:
    """Whether kernels are compiled, i.e. ``NUMBA_DISABLE_JIT`` is not set."""
    return not cast(Any, numba.config).DISABLE_JIT


def cpu_features() -> frozenset[str]:
    """Instruction sets that kernels are compiled for: the processor's, or what NUMBA_CPU_FEATURES allows of them."""
    forced, name = (getattr(cast(Any, numba.config), f"CPU_{what}") for what in ("FEATURES", "NAME"))
    if forced is None and name == "generic":
        forced = ""
    text = llvm.get_host_cpu_features().flatten() if forced is None else forced
    return frozenset(part[1:] for part in text.split(",") if part.startswith("+"))


AVX512 = frozenset({"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni", "avx512vbmi"})
AVX2 = frozenset({"avx2"})


def vector_level() -> str:
    """Explicit vector code that this processor can run: ``avx512`` (with VNNI and VBMI), ``avx2`` or nothing ("")."""
    if not jit_enabled():
        return ""
    features = cpu_features()
    return "avx512" if features >= AVX512 else "avx2" if features >= AVX2 else ""


_STRUCTURES = frozenset(
    {
        *(f"fb.{name}" for name in ("Fabric", "Memory", "Scratch", "Geometry", "Samples", "EventWork")),
        *(f"sh.{name}" for name in ("Sheet", "Desk", "Batch")),
    }
)


def _compiled(function: F, *, forceinline: bool = False, called: bool = False) -> F:
    """Compile with the project's policy.

    Cached on disk; releases the GIL; and without reference counting, whose atomic operations cost a fifth of the run
    time: kernels allocate nothing. There is no wrapper for C and, where the function takes structures, none for Python:
    each would hold the whole function once more. What no Python calls needs no cache entry either: it lies in that
    of its caller.
    """
    inner = not called and not _STRUCTURES.isdisjoint(map(str, function.__annotations__.values()))
    options: dict[str, Any] = {"cache": not inner, "nogil": True, "forceinline": forceinline, "_nrt": False}
    options |= {"no_cfunc_wrapper": True, "no_cpython_wrapper": inner}
    return cast(F, cast(Any, numba).njit(**options)(function))


def kernel(function: F) -> F:
    """Compile *function*, a loop over arrays that allocates nothing, inlined into its caller.

    The structures that kernels pass on are some hundred machine words, so calls would cost more than small loops.
    """
    return _compiled(function, forceinline=True)


def routine(function: F) -> F:
    """Compile *function* as a kernel that is called, not inlined: for what is rare or long."""
    return _compiled(function)


def entry(function: F) -> F:
    """Compile *function* as a routine that Python calls although it takes the structures of a whole chip."""
    return _compiled(function, called=True)


def section(function: F) -> F:
    """Write *function* out into its callers: for the parts of a long kernel that are not worth compiling alone."""
    options: dict[str, Any] = {"inline": "always", "_nrt": False}
    return cast(F, cast(Any, numba).njit(**options)(function))


def scalar_op(function: F) -> F:
    """Compile a scalar integer operation that kernels inline."""
    return _compiled(function, forceinline=True)


def narrow_op(instruction: str, bits: int, plain: Callable[[int, int], int]) -> Callable[[int, int], int]:
    """Return a two-operand integer operation that stays *bits* wide (Numba widens to 64 otherwise).

    A wide operand keeps its low *bits* bits. ``plain`` is the same operation in Python for
    runs without JIT; it raises OverflowError where the result would not fit, so a bound that was proven
    wrongly is caught there instead of wrapping silently.
    """
    if not jit_enabled():
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

        def checked(left: int, right: int) -> int:
            result = plain(int(left), int(right))
            if not low <= result <= high:
                raise OverflowError(f"{instruction}{bits}({left}, {right}) = {result}")
            return result

        return checked

    width = {16: types.int16, 32: types.int32}[bits]

    def narrow(_context: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
            values = [
                context.cast(builder, value, given, width)
                for value, given in zip(operands, signature.args, strict=True)
            ]
            return getattr(builder, instruction)(*values)

        return cast(Any, width)(left, right), generate

    return cast("Callable[[int, int], int]", cast(Any, intrinsic)(narrow))


def vector_op(plain: F, generate: Callable[[Any, list[Any], list[Any]], Any]) -> F:
    """Return an operation on arrays and integers written directly as portable LLVM vector code.

    ``generate(builder, pointers, numbers)`` emits the code; array arguments arrive as data pointers and integers as
    64-bit numbers, each list in argument order; it returns a 64-bit number. ``plain`` is the same operation in Python:
    it documents the formula and runs when JIT is disabled.
    """
    if not jit_enabled():
        return plain

    names = ", ".join(inspect.signature(plain).parameters)

    def typed(given: tuple[Any, ...]) -> Any:
        def emit(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
            pointers, numbers = [], []
            for value, kind in zip(operands, signature.args, strict=True):
                if isinstance(kind, types.Array):
                    pointers.append(context.make_array(kind)(context, builder, value).data)
                else:
                    numbers.append(context.cast(builder, value, kind, types.int64))
            return generate(builder, pointers, numbers)

        return types.int64(*given), emit

    # An intrinsic's arguments are read from its signature, so one with the right arity is made here.
    scope: dict[str, Any] = {"typed": typed}
    exec(f"def vector(context, {names}): return typed(({names},))", scope)
    return cast(F, cast(Any, intrinsic)(scope["vector"]))
