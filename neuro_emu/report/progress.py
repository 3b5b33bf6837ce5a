"""The live progress line on a terminal; silence elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

from neuro_emu.training.loop import Progress

_INTERVAL = 0.1


class ProgressLine:
    """Writes `epoch 3/10  41,200/60,000  98,000 samples/s  93.1 % right  12 s left` over itself.

    Args:
        stream: where to write; nothing is written unless it is a terminal.

    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._begin = self._shown = 0.0
        self._first = 0

    def note(self, text: str) -> None:
        """Show a line until the next one replaces it."""
        if self._live:
            try:
                width = os.get_terminal_size(self._stream.fileno()).columns or 80
            except OSError:
                width = 80
            self._stream.write("\r\x1b[K" + text[: width - 1])
            self._stream.flush()

    def __call__(self, progress: Progress) -> None:
        """Show where the training stands, at most ten times a second."""
        now = time.monotonic()
        done = progress.epoch * progress.samples + progress.sample
        if not self._begin:
            self._begin, self._first = now, done  # the first block may include start-up
        last = progress.sample == progress.samples
        if now - self._shown < _INTERVAL and not last:
            return
        self._shown = now
        rate = (done - self._first) / (now - self._begin) if now > self._begin else 0.0
        left = f"{_duration((progress.epochs * progress.samples - done) / rate)} left" if rate else ""
        speed = f"{rate:,.0f} samples/s  " if rate else ""
        self.note(
            f"epoch {progress.epoch + 1}/{progress.epochs}  {progress.sample:,}/{progress.samples:,}"
            f"  {speed}{100 * progress.correct / progress.sample:.1f} % right  {left}"
        )

    def count(self, done: int, total: int) -> None:
        """Show how many of *total* samples are done, with rate and time left."""
        now = time.monotonic()
        if not self._begin:
            self._begin, self._first = now, done
        rate = (done - self._first) / (now - self._begin) if now > self._begin else 0.0
        left = f"  {rate:,.0f} samples/s  {_duration((total - done) / rate)} left" if rate else ""
        self.note(f"{done:,}/{total:,}{left}")

    def close(self) -> None:
        """Remove the line."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
