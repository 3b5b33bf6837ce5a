"""Random words in batches: sixteen stretches of words advance side by side.

A step of a register waits for the one before it; sixteen registers that are a stretch apart do not. Both generators
are linear over GF(2), so a leap is the exclusive or of four table entries, one for each byte.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir

from neuro_emu.jit import vector_op
from neuro_emu.kernels.fabric import Int64, Words
from neuro_emu.kernels.vector.code import I16, Code, vector
from neuro_emu.kernels.vector.emit import I32, I64, constant
from neuro_emu.numerics.ops import draw, lfsr, xorshift

STRETCHES = 16
STRETCH = 64
BATCH = STRETCHES * STRETCH
"""Words of a stretch, a multiple of STRETCHES, and of a batch."""

_ROW = ir.VectorType(I32, STRETCHES)


def leap_tables(is_lfsr: bool) -> Int64:
    """Tables (2, 4, 256) of leaps: STRETCH and BATCH steps from each value of each byte."""
    step = lfsr if is_lfsr else xorshift
    tables = np.zeros((2, 4, 256), dtype=np.int64)
    for bit in range(32):
        word = 1 << bit
        byte, place = divmod(bit, 8)
        for count in range(1, BATCH + 1):
            word = step(word)
            if count in {STRETCH, BATCH}:
                span = 1 << place
                which = tables[int(count == BATCH), byte]
                which[span : 2 * span] = which[:span] ^ word
    return tables


def _batch(is_lfsr: bool, words: Words, starts: Words, at: int) -> int:
    """Write BATCH words from ``words[at]`` on: stretch l follows the register ``starts[l]``."""
    step = lfsr if is_lfsr else xorshift
    for stretch in range(STRETCHES):
        word = int(starts[stretch])
        for turn in range(STRETCH):
            word = step(word)
            words[at + stretch * STRETCH + turn] = word
    return 0


def _step(code: Code, state: Any, is_lfsr: bool) -> Any:
    b = code.builder
    if is_lfsr:
        odd = b.trunc(state, vector(1, STRETCHES))
        taps = b.select(odd, constant(_ROW, 0x80200003), constant(_ROW, 0))
        return b.xor(b.lshr(state, constant(_ROW, 1)), taps)
    state = b.xor(state, b.shl(state, constant(_ROW, 13)))
    state = b.xor(state, b.lshr(state, constant(_ROW, 17)))
    return b.xor(state, b.shl(state, constant(_ROW, 5)))


def _transposed(code: Code, rows: list[Any]) -> list[Any]:
    """Rows become columns: each stage interleaves rows that lie half of all apart."""
    middle = STRETCHES // 2
    low = [source for i in range(middle) for source in (i, STRETCHES + i)]
    high = [source + middle for source in low]
    for _ in range(middle.bit_length()):
        pairs = [(rows[i], rows[i + middle]) for i in range(middle)]
        rows = [code.shuffle(a, b, order) for a, b in pairs for order in (low, high)]
    return rows


def _generate_batch(is_lfsr: bool, builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    words, starts = pointers
    code = Code(builder)
    zero = ir.Constant(I64, 0)
    first = code.load(starts, zero, _ROW)
    with code.loop(zero, ir.Constant(I64, STRETCH), STRETCHES, [first]) as turn:
        state, rows = turn.values[0], []
        for _ in range(STRETCHES):
            state = _step(code, state, is_lfsr)
            rows.append(state)
        at = builder.add(numbers[0], turn.index)
        for stretch, row in enumerate(_transposed(code, rows)):
            code.store(row, words, builder.add(at, ir.Constant(I64, stretch * STRETCH)))
        turn.next = [state]
    return zero


batch_xorshift = vector_op(partial(_batch, False), partial(_generate_batch, False))
batch_lfsr = vector_op(partial(_batch, True), partial(_generate_batch, True))


def scan_codes(  # noqa: PLR0913, PLR0917  (a compiler keeps them in registers)
    codes: Any,
    words: Words,
    lows: Any,
    highs: Any,
    hits: Int64,
    flags: Any,
    at: int,
    count: int,
    shift: int,
    split: int,
) -> int:
    """Give each code that is not 0 the next word: its draw of *shift* bits, in two parts, below and above *split*.

    Args:
        codes: (count,) int16, *count* a multiple of 16.
        words: the next words from ``words[at]`` on.
        lows: (count,) int16 written: low parts of the draws; anything where the code is 0.
        highs: (count,) int16 written: high parts; anything where the code is 0.
        hits: (count,) one more where the code is not 0.
        flags: (count / 16,) int16 written: bit b of entry g tells whether code 16 g + b is not 0.
        at: first word.
        count: codes.
        shift: bits of a draw.
        split: bits of its low part.

    Returns:
        Codes that are not 0.

    """
    active = 0
    for i in range(count):
        if i % 16 == 0:
            flags[i // 16] = 0
        word = draw(int(words[at + active]), shift)
        lows[i] = word % (1 << split)
        highs[i] = np.array((word >> split) % (1 << 16), dtype=np.uint16).astype(np.int16)  # as much as fits
        if codes[i] != 0:
            active += 1
            hits[i] += 1
            flags[i // 16] |= np.array(1 << i % 16, dtype=np.uint16).astype(np.int16)
    return active


def _generate_scan(builder: Any, pointers: list[Any], numbers: list[Any]) -> Any:
    codes, words, lows, highs, hits, flags = pointers
    at, count, shift, split = numbers
    code, zero = Code(builder), ir.Constant(I64, 0)
    narrow, counts = ir.VectorType(I16, STRETCHES), ir.VectorType(I64, STRETCHES)
    drop = code.splat(builder.sub(ir.Constant(I64, 32), shift), _ROW)
    part = code.splat(split, _ROW)
    mask = code.splat(builder.sub(builder.shl(ir.Constant(I64, 1), split), ir.Constant(I64, 1)), _ROW)
    with code.loop(zero, count, STRETCHES, [zero]) as turn:
        active = builder.icmp_signed("!=", code.load(codes, turn.index, narrow), constant(narrow, 0))
        source = builder.gep(words, [builder.add(at, turn.values[0])])
        word = code.call("llvm.masked.expandload.v16i32", _ROW, [source, active, ir.Constant(_ROW, None)])
        value = builder.lshr(word, drop)
        code.store(builder.trunc(builder.and_(value, mask), narrow), lows, turn.index)
        code.store(builder.trunc(builder.lshr(value, part), narrow), highs, turn.index)
        code.store(builder.add(code.load(hits, turn.index, counts), builder.zext(active, counts)), hits, turn.index)
        group = builder.lshr(turn.index, ir.Constant(I64, 4))
        builder.store(builder.bitcast(active, I16), builder.gep(flags, [group]))
        turn.next = [builder.add(turn.values[0], code.count_ones(active))]
    return turn.values[0]


scan = vector_op(scan_codes, _generate_scan)


def _trailing_zeros(word: int) -> int:
    """Zeros below the lowest one of *word*; 64 if there is none."""
    return (word & -word).bit_length() - 1 if word else 64


def _generate_trailing(builder: Any, _pointers: list[Any], numbers: list[Any]) -> Any:
    return Code(builder).call("llvm.cttz.i64", I64, [numbers[0], ir.Constant(ir.IntType(1), 0)])


trailing_zeros = vector_op(_trailing_zeros, _generate_trailing)
