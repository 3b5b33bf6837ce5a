"""The random words and counter-based values of the naive reference (docs/numerics.md, section 7).

As obvious as naive.py, written from docs/numerics.md alone; nothing here is shared with the emulator package.
"""

import math

from naive_numbers import frac_of, max_code, parse_format

M32 = 2**32
M64 = 2**64


def xorshift32(x):
    x ^= x * 2**13 % M32
    x ^= x // 2**17
    return x ^ (x * 2**5 % M32)


def lfsr32(x):
    return x // 2 ^ (0x80200003 if x % 2 else 0)


def lfsr16(x):
    """One step: the new register and the bit shifted out."""
    return x // 2 ^ (0xB400 if x % 2 else 0), x % 2


def bitreverse32(x):
    return int(f"{x:032b}"[::-1], 2)


def splitmix64(x):
    x = (x + 0x9E3779B97F4A7C15) % M64
    x = (x ^ (x // 2**30)) * 0xBF58476D1CE4E5B9 % M64
    x = (x ^ (x // 2**27)) * 0x94D049BB133111EB % M64
    return x ^ (x // 2**31)


def u(seed, tag, k, i, j):
    return splitmix64(splitmix64(splitmix64(splitmix64(seed) ^ tag) ^ k) ^ (i * M32 + j)) // M32


def code_range(name, fmt, n):
    """The bound a of the symmetric uniform codes."""
    if name == "full":
        return max_code(fmt)
    if name == "kaiming":
        return min(math.isqrt(6 * 4 ** frac_of(fmt) // n), max_code(fmt))
    raise ValueError(f"unknown range {name!r}")


def initial_weights(seed, k, n_in, units, fmt, source="random"):
    a = {"random": code_range("kaiming", fmt, n_in), "zero": 0}[source]
    weights = [[u(seed, 1, k, i, j) * (2 * a + 1) // M32 - a for j in range(units)] for i in range(n_in)]
    return [*weights, [0] * units]  # the bias row starts at 0


def feedback_row(seed, k, c, units, fmt, source, range_):
    if source == "lfsr":
        bits, register, codes = parse_format(fmt)[1], u(seed, 5, k, c, 0) % 2**16 or 1, []
        for _ in range(16):
            register, _ = lfsr16(register)
        for _ in range(units):
            v = 0
            for _ in range(bits):
                register, bit = lfsr16(register)
                v = 2 * v + bit
            codes.append(v - 2 ** (bits - 1))
        return codes
    a, words = code_range(range_, fmt, units), [u(seed, 2, k, c, j) for j in range(units)]
    if source == "random":
        return [word * (2 * a + 1) // M32 - a for word in words]
    if source == "sign":
        return [a if word >= 2**31 else -a for word in words]
    raise ValueError(f"unknown source {source!r}")


def feedback_matrix(seed, k, classes, units, fmt, source="random", range_="kaiming"):
    return [feedback_row(seed, k, c, units, fmt, source, range_) for c in range(classes)]


def fixed_forward_weights(seed, k, n_in, units, fmt):
    """C_k: random as the initial weights are, but with a tag of its own and without a bias row."""
    a = code_range("kaiming", fmt, n_in)
    return [[u(seed, 7, k, i, j) * (2 * a + 1) // M32 - a for j in range(units)] for i in range(n_in)]


def sample_order(seed, epoch, n, tag=3):
    """With tag 11 and epoch 0: the permutation P of N-hot targets."""
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = u(seed, tag, epoch, i, 0) * (i + 1) // M32
        order[i], order[j] = order[j], order[i]
    return order
