"""How the work on a batch is shared among threads: in parts of its rows, whose results do not hang on their number."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Protocol

Work = Callable[[int, int, int], None]
"""Does rows *first* … *last* − 1 as part *part* of a batch."""


class Spread(Protocol):
    """How the rows of a batch are shared out."""

    @property
    def parts(self) -> int:
        """Most parts that a batch is cut into."""

    def __call__(self, rows: int, work: Work) -> None:
        """Call *work* so that every row is in exactly one of the parts 0 … ``parts`` − 1; return when all is done."""


class Alone:
    """The whole batch in one part."""

    parts = 1

    def __call__(self, rows: int, work: Work) -> None:
        """Do all rows."""
        work(0, 0, rows)


class Threads:
    """Parts of equal size, each on a thread of its own; the first is done by the caller.

    Args:
        parts: how many, at least 1. The threads live as long as this does.

    """

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self._pool = ThreadPoolExecutor(max(1, parts - 1))

    def __call__(self, rows: int, work: Work) -> None:
        """See :class:`Spread`; what a part raises is raised here, when all parts are done."""
        edges = [rows * part // self.parts for part in range(self.parts + 1)]
        own, *others = [part for part in range(self.parts) if edges[part] < edges[part + 1]] or [0]
        begun = [self._pool.submit(work, part, edges[part], edges[part + 1]) for part in others]
        try:
            work(own, edges[own], edges[own + 1])
        finally:
            wait(begun)
        for part in begun:
            part.result()


_FEW = 1 << 14
"""Codes that one thread is done with before a second could begin."""


def sum_parts(spread: Spread, rows: int, work: Callable[[int, int], int]) -> int:
    """Sum of what *work* returns for the parts (first, last) of flat codes; of one part where there are few."""
    if rows < _FEW:
        return int(work(0, rows))
    found = [0] * spread.parts

    def part(number: int, first: int, last: int) -> None:
        found[number] = int(work(first, last))

    spread(rows, part)
    return sum(found)
