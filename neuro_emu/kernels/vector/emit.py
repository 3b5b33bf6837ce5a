"""Pieces of LLVM code that the explicit vector kernels share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

I32 = ir.IntType(32)
I64 = ir.IntType(64)


def integer(value: int) -> Any:
    """Return a 64-bit constant."""
    return ir.Constant(I64, value)


def constant(kind: Any, value: int) -> Any:
    """Return a vector of type *kind* with *value* in every lane."""
    return ir.Constant(kind, [value] * kind.count)


def at(builder: Any, base: Any, offset: Any, kind: Any) -> Any:
    """Return a pointer to a value of type *kind*, *offset* elements behind *base*."""
    return builder.bitcast(builder.gep(base, [offset]), kind.as_pointer())


def splat(builder: Any, value: Any, lanes: int) -> Any:
    """Put one number into every lane of a vector."""
    empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    one = builder.insert_element(empty, value, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, empty, constant(ir.VectorType(I32, lanes), 0))


def call(builder: Any, name: str, result: Any, *operands: Any) -> Any:
    """Call the LLVM intrinsic *name*."""
    kind = ir.FunctionType(result, [operand.type for operand in operands])
    return builder.call(builder.module.declare_intrinsic(name, (), kind), operands)


def loop(
    builder: Any, end: Any, step: int, initial: Sequence[Any], body: Callable[[Any, list[Any]], Sequence[Any]]
) -> list[Any]:
    """Emit ``for index in range(0, end, step): values = body(index, values)``; returns the last values."""
    before = builder.block
    head, inside, done = (builder.append_basic_block(name) for name in ("head", "inside", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    index, values = builder.phi(I64), [builder.phi(value.type) for value in initial]
    builder.cbranch(builder.icmp_signed("<", index, end), inside, done)

    builder.position_at_end(inside)
    changed = [builder.add(index, integer(step)), *body(index, list(values))]
    for phi, first, later in zip([index, *values], [integer(0), *initial], changed, strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(later, builder.block)
    builder.branch(head)
    builder.position_at_end(done)
    return values
