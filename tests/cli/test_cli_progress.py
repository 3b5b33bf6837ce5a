"""The live line: on a terminal only, and what it says there."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from neuro_emu.report import progress
from neuro_emu.report.progress import ProgressLine
from neuro_emu.training.loop import Progress

LINE = re.compile(
    r"epoch (\d)/2  ([\d,]+)/180  ([\d,]+ samples/s  )?(\d+\.\d) % right  (\d+ s left|\d+:\d\d min left)?"
)


class Terminal:
    """`neuro-emu` with its standard error on a terminal of a given width, its output elsewhere."""

    def __init__(self, words, columns=100):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        program = Path(sys.executable).parent / "neuro-emu"
        self.process = subprocess.Popen(
            [str(program), *map(str, words)], stdout=subprocess.DEVNULL, stderr=slave, env=environment
        )
        os.close(slave)
        self.shown = ""

    def read_until(self, pattern=None):
        """Read until *pattern* appears, or to the end."""
        while pattern is None or not re.search(pattern, self.shown):
            try:
                chunk = os.read(self.master, 4096)
            except OSError:  # how Linux says that the other side closed
                break
            if not chunk:
                break
            self.shown += chunk.decode()
        return self.shown

    def end(self):
        self.read_until()
        os.close(self.master)
        return self.process.wait(60)


def lines_of(shown):
    return [line.removeprefix("\x1b[K") for line in shown.split("\r")]


def test_quiet_elsewhere(config, command):
    done = command("run", config)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_live_on_a_terminal(config):
    terminal = Terminal(["run", config, "--datapath", "traced", "--out", config.parent / "out"])
    assert terminal.end() == 0
    lines = lines_of(terminal.shown)
    found = [LINE.fullmatch(line) for line in lines if line.startswith("epoch")]
    assert len(found) > 4
    assert None not in found, lines
    assert [match[1] for match in found] == sorted(match[1] for match in found)
    assert all(match[3] and match[5] for match in found[1:])
    assert float(found[-1][4]) > 50
    assert "kernels" in lines[1]
    assert terminal.shown.endswith("\r\x1b[K")


def test_a_note_takes_the_place_of_the_line(config):
    terminal = Terminal(["run", config, "--threads", "2", "--out", config.parent / "out"])
    assert terminal.end() == 0
    assert re.search(r"\r\x1b\[Knote: --threads 2 has no effect: [^\r\x1b]+\r\n", terminal.shown)


def test_a_narrow_terminal(config):
    """A line that wraps cannot be overwritten; the output's width is not that of the terminal."""
    terminal = Terminal(["run", config, "--datapath", "traced", "--out", config.parent / "out"], columns=30)
    assert terminal.end() == 0
    assert max(len(line) for line in lines_of(terminal.shown)) < 30


def test_an_interrupt(config):
    words = ["--datapath", "traced", "--set", "dataset.train=5000", "--set", "training.validation=0"]
    terminal = Terminal(["run", config, *words, "--out", config.parent / "out"])
    terminal.read_until(r"epoch 1/2  [\d,]+/5,000  [\d,]+ samples/s")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert terminal.shown.endswith("\r\x1b[K\r\ninterrupted\r\n")
    assert [path.name for path in config.parent.iterdir()] == ["tiny.yaml"]


# --- the line itself ----------------------------------------------------------------------------------------------


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setenv("COLUMNS", "100")
    return now


def at(sample, correct, epoch=0, samples=1000, epochs=10):
    return Progress(epoch, epochs, sample, samples, correct)


def test_rate_and_time_left(clock):
    screen = Screen()
    line = ProgressLine(screen)
    line(at(100, 50))
    clock[0] += 2.0
    line(at(500, 300))
    assert lines_of(screen.getvalue())[-1] == "epoch 1/10  500/1,000  200 samples/s  60.0 % right  48 s left"
    clock[0] += 100.0
    line(at(1000, 900, epoch=3))
    assert lines_of(screen.getvalue())[-1] == "epoch 4/10  1,000/1,000  38 samples/s  90.0 % right  2:37 min left"


def test_no_rate_is_claimed_before_there_is_one(clock):
    screen = Screen()
    ProgressLine(screen)(at(1000, 500))
    assert clock == [100.0]
    assert lines_of(screen.getvalue())[-1].rstrip() == "epoch 1/10  1,000/1,000  50.0 % right"


def test_at_most_ten_times_a_second_but_always_at_the_end_of_an_epoch(clock):
    screen = Screen()
    line = ProgressLine(screen)
    for sample in range(10, 1000, 10):
        line(at(sample, 5))
        clock[0] += 0.01
    line(at(1000, 5))
    shown = lines_of(screen.getvalue())
    assert 10 <= len(shown) - 1 <= 12
    assert "1,000/1,000" in shown[-1]


def test_close_removes_the_line(clock):
    screen = Screen()
    line = ProgressLine(screen)
    line(at(100, 50))
    line.close()
    assert screen.getvalue().endswith("\r\x1b[K")
    assert clock == [100.0]


def test_nothing_is_written_elsewhere(clock):
    plain = io.StringIO()
    line = ProgressLine(plain)
    line.note("hello")
    line(at(1000, 500))
    line.close()
    assert plain.getvalue() == ""
    assert clock == [100.0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1:00 min"),
        (61, "1:01 min"),
        (3599, "59:59 min"),
        (3600, "1:00 h"),
        (86399, "23:59 h"),
    ],
)
def test_durations(seconds, text):
    assert progress._duration(seconds) == text
