"""The download line on a terminal."""

from __future__ import annotations

import sys
import time


class ProgressLine:
    """One line on standard error that is rewritten while bytes arrive: what, MB, MB/s."""

    def __init__(self) -> None:
        self._what = ""
        self._started = 0.0
        self._shown = 0.0

    def __call__(self, done: int, total: int | None, what: str) -> None:
        """Show ``done`` of ``total`` bytes (None: unknown) of ``what``, at most ten times a second."""
        now = time.monotonic()
        if what != self._what:
            self.close()
            self._what, self._started, self._shown = what, now, 0.0
        if now - self._shown < 0.1 and done != total:
            return
        self._shown = now
        size = f"{done / 1e6:.1f}" + (f" / {total / 1e6:.1f} MB" if total else " MB")
        rate = f", {done / 1e6 / (now - self._started):.1f} MB/s" if done and now > self._started else ""
        print(f"\r\x1b[K{what}: {size}{rate}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line, if one was begun."""
        if self._what:
            print(file=sys.stderr)
            self._what = ""
