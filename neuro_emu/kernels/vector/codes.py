"""Outputs of a layer from its pre-activations: table look-up and the way from positions back to neurons."""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import Int16
from neuro_emu.kernels.vector.code import BYTES, I16, LEVEL, Code, vector
from neuro_emu.kernels.vector.emit import I64, constant
from neuro_emu.numerics.ops import bit_reverse, draw, table_address

GROUP = BYTES
"""Neurons at once."""
LOOKS_UP = LEVEL == "avx512"
"""Whether registers can look bytes up; elsewhere a loop does it neuron by neuron."""
MOST_LEVELS = 5


def _outputs(levels: int, q: Any, table: Any, codes: Int16, positions: int, count: int, offset: int) -> int:
    """``codes[j] = table[q[position of j] mod 256] − offset`` for neurons 0 … *count* − 1, a multiple of GROUP.

    Args:
        levels: neuron j = i · 2^levels + b lies at i in block b, bits reversed, of the 2^levels blocks of a row.
        q: (positions,) int8.
        table: (256,) uint8.
        codes: (count,) written; what belongs to no neuron is anything.
        positions: length of a row.
        count: neurons.
        offset: what the table has too much.

    """
    for j in range(count):
        block = draw(bit_reverse(j % 2**levels), levels)
        codes[j] = int(table[table_address(int(q[block * (positions >> levels) + (j >> levels)]))]) - offset
    return 0


def _looked_up(code: Code, q: Any, table: Any) -> Any:
    """One of 256 bytes for each lane: two registers of 64 are searched by 7 bits, the top bit chooses."""
    b, kind = code.builder, vector(8)
    if not LOOKS_UP:
        return _looked_up_singly(code, q, table)
    quarters = [code.load(table, ir.Constant(I64, GROUP * i), kind) for i in range(256 // GROUP)]
    name = "llvm.x86.avx512.vpermi2var.qi.512"
    low = code.call(name, kind, [quarters[0], q, quarters[1]])
    high = code.call(name, kind, [quarters[2], q, quarters[3]])
    return b.select(b.icmp_signed("<", q, constant(kind, 0)), high, low)


def _looked_up_singly(code: Code, q: Any, table: Any) -> Any:
    """The same lane by lane."""
    b, found = code.builder, ir.Constant(vector(8), ir.Undefined)
    for lane in range(GROUP):
        place = ir.Constant(ir.IntType(32), lane)
        found = b.insert_element(found, b.load(b.gep(table, [b.zext(b.extract_element(q, place), I64)])), place)
    return found


def _generate(levels: int, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    q, table, codes = pointers
    positions, count, offset = numbers
    code, zero, blocks = Code(builder), ir.Constant(I64, 0), 1 << levels
    part = ir.IntType(8 * GROUP // blocks)
    size = builder.lshr(positions, ir.Constant(I64, levels))
    words = ir.VectorType(I16, GROUP)
    taken = code.splat(offset, words)
    order = [draw(bit_reverse(j % blocks), levels) * (GROUP // blocks) + j // blocks for j in range(GROUP)]
    with code.loop(zero, count, GROUP) as turn:
        at = builder.lshr(turn.index, ir.Constant(I64, levels))
        whole = ir.Constant(ir.VectorType(part, blocks), ir.Undefined)
        for block in range(blocks):
            place = builder.add(builder.mul(size, ir.Constant(I64, block)), at)
            whole = builder.insert_element(whole, code.load(q, place, part), ir.Constant(ir.IntType(32), block))
        rows = builder.bitcast(whole, vector(8))
        found = _looked_up(code, code.shuffle(rows, rows, order), table)
        code.store(builder.sub(builder.zext(found, words), taken), codes, turn.index)
    return zero


outputs1, outputs2, outputs3, outputs4, outputs5 = (
    vector_op(partial(_outputs, n), partial(_generate, n)) for n in range(1, MOST_LEVELS + 1)
)


def _prefetch(_array: Any, _start: int, _stop: int) -> int:
    """Ask for entries *start* … *stop* − 1 before they are needed; nothing changes."""
    return 0


def _generate_prefetch(builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    array = pointers[0]
    code, start, stop = Code(builder), *numbers
    with code.loop(start, stop, BYTES // (array.type.pointee.width // 8)) as turn:
        code.prefetch(array, turn.index)
    return ir.Constant(I64, 0)


prefetch = vector_op(_prefetch, _generate_prefetch)
