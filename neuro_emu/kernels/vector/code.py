"""A few words over llvmlite's builder, so that a vector kernel reads like its formula."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_level
from neuro_emu.kernels.vector.emit import I32, I64, at, call, constant, splat

LEVEL = vector_level()
BYTES = 64 if LEVEL == "avx512" else 32
"""Width of a register."""

I8, I16 = ir.IntType(8), ir.IntType(16)
_LANE = 16  # bytes of the 128-bit lanes that unpack and pack work in


def vector(bits: int, count: int | None = None) -> Any:
    """Type of *count* integers of *bits* bits; one register full by default."""
    return ir.VectorType(ir.IntType(bits), count or 8 * BYTES // bits)


class Loop:
    """Values carried from turn to turn of a loop; the body sets ``next``."""

    def __init__(self, index: Any, values: list[Any]) -> None:
        self.index, self.values, self.next = index, values, values


class Code:
    """Emits into *builder*."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def place(self, base: Any, offset: Any, kind: Any) -> Any:
        """Pointer to *kind* at *offset* elements from *base*."""
        return at(self.builder, base, offset, kind)

    def load(self, base: Any, offset: Any, kind: Any) -> Any:
        """Load *kind*, wherever it lies."""
        return self.builder.load(self.place(base, offset, kind), align=1)

    def store(self, value: Any, base: Any, offset: Any) -> None:
        """Store *value*."""
        self.builder.store(value, self.place(base, offset, value.type), align=1)

    def splat(self, value: Any, kind: Any) -> Any:
        """Put one 64-bit number into every lane of a vector type."""
        if value.type != kind.element:
            value = self.builder.trunc(value, kind.element)
        return splat(self.builder, value, kind.count)

    def prefetch(self, base: Any, offset: Any) -> None:
        """Ask for the cache line at *offset* elements from *base*, which need not exist."""
        word, b = ir.IntType(32), self.builder
        settings = [ir.Constant(word, value) for value in (0, 3, 1)]  # to read, to keep, data
        place = b.bitcast(b.gep(base, [offset]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, word, word, word])
        name = "llvm.prefetch.p0"
        function = b.module.globals.get(name) or ir.Function(b.module, kind, name)
        b.call(function, [place, *settings])

    def shuffle(self, a: Any, b: Any, order: Sequence[int]) -> Any:
        """Lanes of *a* then *b* in *order*."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(order)), list(order)))

    def unpack(self, a: Any, b: Any, bits: int, high: bool) -> Any:
        """Interleave the low or high halves of every 128-bit lane, in units of *bits*."""
        kind = vector(bits)
        per = 8 * _LANE // bits
        order = []
        for lane in range(0, kind.count, per):
            for place in range(per // 2):
                source = lane + place + (per // 2 if high else 0)
                order += [source, source + kind.count]
        return self.shuffle(self.builder.bitcast(a, kind), self.builder.bitcast(b, kind), order)

    def call(self, name: str, result: Any, arguments: list[Any]) -> Any:
        """Call an LLVM intrinsic."""
        return call(self.builder, name, result, *arguments)

    def count_ones(self, flags: Any) -> Any:
        """How many lanes of a vector of bits are set, as a 64-bit number."""
        word = ir.IntType(flags.type.count)
        ones = self.call(f"llvm.ctpop.i{word.width}", word, [self.builder.bitcast(flags, word)])
        return self.builder.zext(ones, I64) if word.width < I64.width else ones

    def dot4(self, total: Any, codes: Any, weights: Any) -> Any:
        """Add to each 32-bit lane its four products of unsigned and signed bytes; exact."""
        b, wide, words = self.builder, vector(32), vector(16)
        if LEVEL == "avx512":
            return self.call("llvm.x86.avx512.vpdpbusd.512", wide, [total, codes, weights])
        eight, low_byte = constant(words, 8), constant(words, 255)
        codes, weights = b.bitcast(codes, words), b.bitcast(weights, words)
        even = self._pairs(b.and_(codes, low_byte), b.ashr(b.shl(weights, eight), eight))
        odd = self._pairs(b.lshr(codes, eight), b.ashr(weights, eight))
        return b.add(total, b.add(even, odd))

    def dot2(self, total: Any, codes: Any, weights: Any) -> Any:
        """Add to each 32-bit lane its two products of signed 16-bit numbers."""
        if LEVEL == "avx512":
            return self.call("llvm.x86.avx512.vpdpwssd.512", vector(32), [total, codes, weights])
        return self.builder.add(total, self._pairs(codes, weights))

    def _pairs(self, a: Any, b: Any) -> Any:
        return self.call("llvm.x86.avx2.pmadd.wd", vector(32), [a, b])

    @contextmanager
    def loop(self, start: Any, stop: Any, step: int, values: Sequence[Any] = ()) -> Iterator[Loop]:
        """Repeat the body for start, start + step … below *stop*, perhaps never; afterwards ``values`` are the last."""
        b = self.builder
        entry = b.block
        test, body, done = (b.append_basic_block(name) for name in ("test", "body", "done"))
        b.branch(test)
        b.position_at_end(test)
        index = b.phi(I64)
        carried = [b.phi(value.type) for value in values]
        b.cbranch(b.icmp_signed("<", index, stop), body, done)
        b.position_at_end(body)
        turn = Loop(index, list(carried))
        yield turn
        following = b.add(index, ir.Constant(I64, step))
        for phi, first, after in zip([index, *carried], [start, *values], [following, *turn.next], strict=True):
            phi.add_incoming(first, entry)
            phi.add_incoming(after, b.block)
        b.branch(test)
        b.position_at_end(done)
        turn.values = list(carried)
