"""Calls of vector operations from compiled code, and arguments for them that stay within their bounds."""

import numpy as np

from neuro_emu.jit import kernel


def compiled(operation):
    """*operation* called from a kernel: a closure, for Numba's cache would mix functions of the same name."""

    def call(arguments):
        return operation(*arguments)

    return kernel(call)


def both(call, plain, arrays, numbers):
    """Run the compiled and the plain form on copies of *arrays*; returns (result, arrays) of each."""
    found = []
    for function in (lambda given: call(tuple(given)), lambda given: plain(*given)):
        mine = [array.copy() for array in arrays]
        result = function([*mine, *(int(number) for number in numbers)])
        found.append((int(result), mine))
    return found


def assert_same(call, plain, arrays, numbers, but=()):
    """Both forms return the same and leave the same in every array, what lies around the range included.

    Args:
        call, plain: the two forms.
        arrays, numbers: arguments, arrays first.
        but: arrays, by their places, that are compared by the caller.

    """
    (left, mine), (right, theirs) = both(call, plain, arrays, numbers)
    assert left == right
    for place, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        if place not in but:
            assert np.array_equal(a, b), f"array {place} at {np.flatnonzero(a.ravel() != b.ravel())[:8]}"
    return mine, theirs


def codes(random, size, low, high, dtype):
    """Numbers of a range: all of it, or mostly its ends, 0 and ±1."""
    found = random.integers(low, high + 1, size)
    few = np.array([v for v in (low, low + 1, -1, 0, 1, high - 1, high) if low <= v <= high])
    extreme = random.random(size) < random.choice([0.0, 0.5, 1.0])
    return np.where(extreme, random.choice(few, size), found).astype(dtype)
