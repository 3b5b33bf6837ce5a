"""Measure what one core can do at most: products a second and bytes a second, and how near the GEMM comes to it.

    python benchmarks/peaks.py [--core N] [--out DIR]

Everything runs in one process on one core; each figure is the best of many short repeats, and the GEMM takes turns
with the products it is held against, because a virtual machine's core may be shared. Without the instructions of
AVX-512 the same is measured with those that exist; the table says which. Where bytes have to be widened first, that is
counted for one operand in four.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import common

if __name__ == "__main__":
    common.one_thread()

import numpy as np
from llvmlite import ir

from neuro_emu.jit import jit_enabled, kernel, vector_level, vector_op
from neuro_emu.kernels.vector import gemm
from neuro_emu.kernels.vector.dots import Form
from neuro_emu.kernels.vector.emit import at, call, constant, integer, loop

LEVELS = {"l1": 16, "l2": 384, "l3": 6 * 1024, "dram": 192 * 1024}
"""KiB that are read over and over: well inside the cache of that name, or far outside all."""
SHAPES = {
    "square": (1024, 1024, 1024),
    "dense layer": (10000, 784, 512),
    "dense gradient": (784, 60, 512),
    "convolution": (2048, 576, 256),
}
"""Rows, depth and columns of the products that :func:`gemm_share` measures: whole blocks and groups."""
_LEFTS, _RIGHTS = (4, 4) if Form.lanes == 16 else (2, 4)  # their products and themselves fill the registers
_TURNS = 20_000
_PIECE = 384  # rows
_LINE = ir.VectorType(ir.IntType(8), 64)
_BUNCH = 4  # lines at a time


class _Floats:
    """Multiply-adds of float32, in the place of a form of dots.py."""

    lanes, group = Form.lanes, 1
    words = ir.VectorType(ir.FloatType(), lanes)

    def __init__(self, builder: Any, _: int) -> None:
        self.builder = builder

    def left(self, words: Any) -> list[Any]:
        return [words]

    right = left

    def gain(self, sums: Any, left: Any, right: Any) -> Any:
        return call(self.builder, f"llvm.fmuladd.v{self.lanes}f32", self.words, left, right, sums)


def _products(data: Any, out: Any, turns: int) -> int:
    """Multiply each left vector of *data* by each right one, *turns* times over; ``out`` takes the sums."""
    raise RuntimeError("peaks are measured compiled")


def _generate_products(kind: Any, group: int, b: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    form = kind(b, group)
    data, out = (b.bitcast(pointer, form.words.as_pointer()) for pointer in pointers)

    def vector(place: Any) -> Any:
        return b.load(b.gep(data, [place]), align=4)

    fixed = [form.right(vector(integer(v))) for v in range(_RIGHTS)]

    def turn(index: Any, sums: list[Any]) -> list[Any]:
        # Left vectors are loaded anew, or the compiler would take their products out of the loop.
        first = b.and_(index, integer(7))
        left = [form.left(vector(b.add(first, integer(i)))) for i in range(_LEFTS)]
        for i, pieces in enumerate(left):
            for v, others in enumerate(fixed):
                for x, y in zip(pieces, others, strict=True):
                    place = i * _RIGHTS + v
                    sums[place] = form.gain(sums[place], x, y)
        return sums

    sums = loop(b, numbers[0], 1, [ir.Constant(form.words, None)] * (_LEFTS * _RIGHTS), turn)
    for place, value in enumerate(sums):
        b.store(value, b.gep(out, [integer(place)]), align=4)
    return integer(0)


def _lines(data: Any, out: Any, count: int) -> int:
    """Go once over *count* bytes of *data*; ``out`` takes what keeps a reader from being left out."""
    raise RuntimeError("peaks are measured compiled")


def _generate_read(b: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    def bunch(index: Any, values: list[Any]) -> list[Any]:
        places = [b.add(index, integer(64 * i)) for i in range(_BUNCH)]
        lines = [b.load(at(b, pointers[0], place, _LINE), align=64) for place in places]
        return [b.xor(value, line) for value, line in zip(values, lines, strict=True)]

    values = loop(b, numbers[0], 64 * _BUNCH, [constant(_LINE, 0)] * _BUNCH, bunch)
    for i, value in enumerate(values):
        b.store(value, at(b, pointers[1], integer(64 * i), _LINE), align=1)
    return integer(0)


def _generate_modify(b: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    def bunch(index: Any, _: list[Any]) -> list[Any]:
        places = [at(b, pointers[0], b.add(index, integer(64 * i)), _LINE) for i in range(_BUNCH)]
        for place in places:
            b.store(b.add(b.load(place, align=64), constant(_LINE, 1)), place, align=64)
        return []

    loop(b, numbers[0], 64 * _BUNCH, [], bunch)
    return integer(0)


_bytes = vector_op(_products, partial(_generate_products, Form, 4))
_shorts = vector_op(_products, partial(_generate_products, Form, 2))
_floats = vector_op(_products, partial(_generate_products, _Floats, 1))
_read = vector_op(_lines, _generate_read)
_modify = vector_op(_lines, _generate_modify)


@kernel
def _run_bytes(data: Any, out: Any, turns: int) -> None:
    _bytes(data, out, turns)


@kernel
def _run_shorts(data: Any, out: Any, turns: int) -> None:
    _shorts(data, out, turns)


@kernel
def _run_floats(data: Any, out: Any, turns: int) -> None:
    _floats(data, out, turns)


@kernel
def _run_read(data: Any, out: Any, passes: int) -> None:
    for _ in range(passes):
        _read(data, out, data.shape[0])


@kernel
def _run_modify(data: Any, out: Any, passes: int) -> None:
    for _ in range(passes):
        _modify(data, out, data.shape[0])


def _seconds(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _best(action: Callable[[], None], work: float, seconds: float = 0.3) -> float:
    """Billions of *work* a second in the best of the repeats that fit into *seconds*; compiling is not one of them."""
    action()
    end, least = time.perf_counter() + seconds, _seconds(action)
    while time.perf_counter() < end:
        least = min(least, _seconds(action))
    return round(work / least / 1e9, 1)


def _aligned(size: int) -> Any:
    """Return bytes at the start of a line, written to: pages never written to are all the same memory."""
    raw = np.full(size + 64, 0x3F, np.uint8)
    first = -raw.ctypes.data % 64
    return raw[first : first + size]


def instructions() -> dict[str, str]:
    """Return the instructions behind the products of :func:`measure`."""
    return {"bytes": Form.instructions[4], "shorts": Form.instructions[2], "floats": f"float32, {Form.lanes} lanes"}


def _multiplier(name: str) -> tuple[Callable[[], None], float]:
    """Return a run of products and how many they are."""
    run, group = {"bytes": (_run_bytes, 4), "shorts": (_run_shorts, 2), "floats": (_run_floats, 1)}[name]
    data, out = _aligned(16 * 64), _aligned(16 * 64)
    return partial(run, data, out, _TURNS), float(_TURNS * _LEFTS * _RIGHTS * Form.lanes * group)


def measure() -> dict[str, float]:
    """Peaks of this core: products in GMAC/s, reading and modifying memory in GB/s, every byte counted once."""
    found = {name: _best(*_multiplier(name)) for name in instructions()}
    for level, size in LEVELS.items():
        data, out = _aligned(size * 1024), _aligned(64 * _BUNCH)
        passes = max(1, 4 * 1024 // size)
        for name, run in (("read", _run_read), ("modify", _run_modify)):
            found[f"{name}_{level}"] = _best(partial(run, data, out, passes), passes * size * 1024.0)
    return found


def gemm_share(seconds: float = 0.8) -> dict[str, dict[str, float]]:
    """GMAC/s of the GEMM of bytes for every shape beside the peak, the two in turns, and their ratio.

    A product is taken in pieces short enough to run undisturbed on a busy machine, and the best times of all added.
    """
    peak_run, products = _multiplier("bytes")
    random, found = np.random.default_rng(1), {}
    for name, (rows, depth, columns) in SHAPES.items():
        a = random.integers(0, 256, (rows, depth), dtype=np.uint8)
        b = random.integers(-128, 128, (depth, columns), dtype=np.int8)
        packed = _aligned(columns * depth).view(np.int8).reshape(gemm.packed_shape(depth, columns))
        gemm.pack(b, packed)
        start, c = np.zeros(columns, np.int32), _aligned(4 * rows * columns).view(np.int32).reshape(rows, columns)
        pieces = [slice(first, first + _PIECE) for first in range(0, rows, _PIECE)]
        runs = [partial(gemm.gemm, a[piece], packed, start, c[piece]) for piece in pieces]
        runs[0]()
        end, times = time.perf_counter() + seconds, []
        while len(times) < 3 or time.perf_counter() < end:
            times.append([(_seconds(run), _seconds(peak_run)) for run in runs])
        own = sum(min(pair[0] for pair in piece) for piece in zip(*times, strict=True))
        speed, peak = rows * depth * columns / own / 1e9, products / min(p for turn in times for _, p in turn) / 1e9
        found[name] = {"gmac": round(speed, 1), "peak": round(peak, 1), "share": round(speed / peak, 3)}
    return found


def main() -> int:
    """Measure, print, write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, metavar="N", help="core to stay on (default: the last one)")
    parser.add_argument("--out", type=Path, default=common.RESULTS, metavar="DIR", help="where the result goes")
    args = parser.parse_args()
    if not jit_enabled():
        parser.error("NUMBA_DISABLE_JIT is set: nothing to measure")
    facts = common.environment("numpy", "numba") | {"core": common.pin(args.core), "vector_level": vector_level()}
    print(common.describe(facts) + "\n")
    peaks, shares = measure(), gemm_share()
    rows = [(f"{name} ({what})", f"{peaks[name]:.1f}") for name, what in instructions().items()]
    print(common.table(("products", "GMAC/s"), rows) + "\n")
    rows = [(level, f"{peaks[f'read_{level}']:.1f}", f"{peaks[f'modify_{level}']:.1f}") for level in LEVELS]
    print(common.table(("memory, GB/s", "read", "modify"), rows) + "\n")
    rows = [
        (f"{name} {' × '.join(map(str, SHAPES[name]))}", f"{s['gmac']:.1f}", f"{s['peak']:.1f}", f"{s['share']:.0%}")
        for name, s in shares.items()
    ]
    print(common.table(("GEMM, u8 × s8", "GMAC/s", "peak", "share"), rows))
    common.write_json(args.out / f"peaks-{common.cpu_slug()}.json", facts | {"peaks": peaks, "gemm": shares})
    return 0


if __name__ == "__main__":
    sys.exit(main())
