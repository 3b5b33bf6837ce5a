"""Instructions that multiply and add groups of 32 bits: 4 bytes (u8 × s8) or 2 short numbers (s16 × s16).

One form for each kind of processor; all give the same sums modulo 2^32, and none saturates.
"""

from __future__ import annotations

from typing import Any, ClassVar

from llvmlite import ir

from neuro_emu.jit import vector_level
from neuro_emu.kernels.vector.emit import I32, call, constant


class Portable:
    """LLVM's own multiplication, one number of a group at a time."""

    lanes = 4
    """Groups in a vector."""
    heights: ClassVar[dict[int, int]] = {16: 2}
    """Rows of a tile of so many columns: sums enough to hide the latency, few enough to stay in registers."""
    instructions: ClassVar[dict[int, str]] = {4: "multiply and add", 2: "multiply and add"}

    def __init__(self, builder: Any, group: int) -> None:
        self.builder, self.group = builder, group
        self.words = ir.VectorType(I32, self.lanes)

    def left(self, words: Any) -> list[Any]:
        """Take groups of u8 or s16 apart into operands of :meth:`gain`."""
        return self.pieces(words, self.group == 2)

    def right(self, words: Any) -> list[Any]:
        """Take groups of s8 or s16 apart into operands of :meth:`gain`."""
        return self.pieces(words, True)

    def pieces(self, words: Any, signed: bool) -> list[Any]:
        """Take groups apart, the sign extended or not."""
        b, bits = self.builder, 32 // self.group
        top = [b.shl(words, constant(self.words, 32 - bits * (t + 1))) for t in range(self.group)]
        return [(b.ashr if signed else b.lshr)(piece, constant(self.words, 32 - bits)) for piece in top]

    def gain(self, sums: Any, left: Any, right: Any) -> Any:
        """Add the products of two pieces to the sums."""
        return self.builder.add(sums, self.builder.mul(left, right))


class Avx2(Portable):
    """vpmaddwd adds the products of two pairs of 16 bits exactly; vpmaddubsw, for bytes, would saturate."""

    lanes = 8
    heights: ClassVar[dict[int, int]] = {16: 4}
    instructions: ClassVar[dict[int, str]] = {4: "vpmaddwd, bytes widened", 2: "vpmaddwd"}

    def pieces(self, words: Any, signed: bool) -> list[Any]:
        """Return pairs of 16 bits: the groups themselves, or their even and their odd bytes widened."""
        b, pairs = self.builder, ir.VectorType(ir.IntType(16), 2 * self.lanes)
        both, eight = b.bitcast(words, pairs), constant(pairs, 8)
        if self.group == 2:
            return [both]
        widen = b.ashr if signed else b.lshr
        return [widen(b.shl(both, eight), eight), widen(both, eight)]

    def gain(self, sums: Any, left: Any, right: Any) -> Any:
        """Add the products of two pieces to the sums."""
        return self.builder.add(sums, call(self.builder, "llvm.x86.avx2.pmadd.wd", self.words, left, right))


class Avx512(Portable):
    """vpdpbusd and vpdpwssd take whole groups."""

    lanes = 16
    heights: ClassVar[dict[int, int]] = {64: 4, 32: 8, 16: 8}
    instructions: ClassVar[dict[int, str]] = {4: "vpdpbusd", 2: "vpdpwssd"}

    def pieces(self, words: Any, signed: bool) -> list[Any]:
        """Return the groups as they are."""
        return [words]

    def gain(self, sums: Any, left: Any, right: Any) -> Any:
        """Add the products of two pieces to the sums."""
        name = f"llvm.x86.avx512.{self.instructions[self.group]}.512"
        return call(self.builder, name, self.words, sums, left, right)


Form: type[Portable] = {"avx512": Avx512, "avx2": Avx2, "": Portable}[vector_level()]
"""The form for this processor."""
