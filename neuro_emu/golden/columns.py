"""Candidate columns of weights and feedback codes: mixtures with extremes, and columns solved for a wanted sum."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuro_emu.numerics.formats import Format

Int64 = NDArray[np.int64]

_ROWS_AIMED = 4


def special_codes(rng: Generator, storage: Format, shape: tuple[int, ...]) -> Int64:
    """Codes of *storage*: its extremes, 0, ±1, powers of two and uniform ones, each in a fair share."""
    powers = 2 ** rng.integers(0, max(storage.bits - 1, 1), shape) * rng.choice([-1, 1], shape)
    uniform = rng.integers(storage.low, storage.high + 1, shape)
    kind = rng.integers(0, 8, shape)
    fixed = np.array([storage.low, storage.high, 0, -1, 1], dtype=np.int64)
    codes = np.where(kind < 5, fixed[np.minimum(kind, 4)], np.where(kind < 7, powers, uniform))
    return np.clip(codes, storage.low, storage.high).astype(np.int64)


def mixture(rng: Generator, storage: Format, factors: Int64, count: int) -> Int64:
    """Columns (rows, count) to be multiplied with *factors* (rows,): special, uniform, extreme, of one sign, sparse.

    Args:
        rng: source of chance.
        storage: format of the codes.
        factors: what the columns will meet.
        count: of columns, at least 16.

    """
    rows, part = len(factors), count // 4
    columns = np.zeros((rows, count), dtype=np.int64)
    columns[:, :part] = special_codes(rng, storage, (rows, part))
    columns[:, part : 2 * part] = rng.integers(storage.low, storage.high + 1, (rows, part))
    columns[:, 2 * part : 3 * part] = rng.choice([storage.low, storage.high], (rows, part))
    columns[:, 0] = np.where(factors > 0, storage.high, storage.low)
    columns[:, 1] = np.where(factors > 0, storage.low, storage.high)
    columns[:, 2] = 0
    chosen, rest = _rows(rng, factors, count - 3 * part), np.arange(3 * part, count)
    for rows_of_one in chosen[: int(rng.integers(1, _ROWS_AIMED + 1))]:
        columns[rows_of_one, rest] = special_codes(rng, storage, rest.shape)
    return columns


def _rows(rng: Generator, factors: Int64, count: int) -> Int64:
    """(4, count) rows that meet factors other than 0, those with large ones first, one of the smallest last."""
    met = np.flatnonzero(factors)
    if not len(met):
        return np.zeros((0, count), dtype=np.int64)
    rows = met[rng.integers(0, len(met), (_ROWS_AIMED, count))]
    sizes = np.abs(factors[met])
    rows[-1] = rng.choice(met[sizes == sizes.min()], count)
    order = np.argsort(-np.abs(factors[rows]), axis=0, kind="stable")
    return np.take_along_axis(rows, order, axis=0)


def aim(rng: Generator, storage: Format, factors: Int64, columns: Int64, targets: Int64) -> None:
    """Change up to four codes of each column so that its sum with *factors* comes near its target, or hits it.

    Args:
        rng: source of chance.
        storage: format of the codes.
        factors: (rows,).
        columns: (rows, count), changed in place.
        targets: (count,).

    """
    missing, each = targets - factors @ columns, np.arange(columns.shape[1])
    for rows in _rows(rng, factors, len(each)):
        factor, old = factors[rows], columns[rows, each]
        new = np.clip(old + (2 * missing + factor) // (2 * factor), storage.low, storage.high)
        missing = missing - (new - old) * factor
        columns[rows, each] = new


def congruent(rng: Generator, storage: Format, factors: Int64, columns: Int64, residue: int, bits: int) -> None:
    """Change one code of each column so that its sum is *residue* modulo 2^*bits*, where the format has such a code.

    Args:
        rng: source of chance.
        storage: format of the codes.
        factors: (rows,).
        columns: (rows, count), changed in place.
        residue: 0 … 2^bits − 1.
        bits: 1 … 31.

    """
    met, unit, each = np.flatnonzero(factors), 1 << bits, np.arange(columns.shape[1])
    if not len(met):
        return
    power = np.gcd(factors, unit)  # the factors 2 of each
    span = unit // power
    inverse = np.array(
        [_inverse(f // p, s) for f, p, s in zip(*map(np.ndarray.tolist, (factors, power, span)), strict=True)]
    )
    rows = met[rng.integers(0, len(met), len(each))]
    old, period = columns[rows, each], span[rows]
    rest = (residue - factors @ columns + factors[rows] * old) % unit
    new = rest // power[rows] * inverse[rows] % period
    first, last = -((new - storage.low) // period), (storage.high - new) // period
    steps = first + np.floor(rng.random(len(each)) * (last - first + 1)).astype(np.int64)
    nearest = np.clip((old - new + period // 2) // period, first, last)
    steps = np.where(rng.random(len(each)) < 0.5, nearest, steps)
    solved = np.logical_and(rest % power[rows] == 0, last >= first)
    columns[rows[solved], each[solved]] = (new + period * steps)[solved]


def _inverse(odd: int, modulus: int) -> int:
    return pow(odd, -1, modulus) if modulus > 1 else 0
