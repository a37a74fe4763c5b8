"""The screen's budgets, measured in a real terminal: first frame, key to echo, cost of a flood.

The program runs on a pty of its own; a key's echo is the time until its glyph comes back. The
flood is a storm paced at RATE events a second, while the screen keeps its frame rate.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = (40, 120)
"""Rows and columns."""

SETUP = (
    "eventfd t; eventfd u; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 level; eoifd u key=t level"
)
RATE = 5_000
"""Cycles a second of the flood: about 70 000 tracepoints."""

KEYS = 60
FLOOD = 4.0
"""Seconds over which the flood's cost is taken."""

ECHO = b"~"
"""A glyph that nothing else on the screen has."""


class Screen:
    """The program on its terminal."""

    def __init__(self, terminal: int, child: int) -> None:
        self.terminal, self.child = terminal, child

    def wait_for(self, text: bytes, seconds: float = 20) -> float:
        """Read until a text has come; return how many seconds that took. TimeoutError if it never does."""
        begun = time.perf_counter()
        seen = b""
        while text not in seen:
            left = begun + seconds - time.perf_counter()
            if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
                raise TimeoutError(f"the screen never showed {text!r}")
            seen = seen[-4096:] + os.read(self.terminal, 1 << 16)
        return time.perf_counter() - begun

    def drain(self, seconds: float) -> None:
        """Read whatever comes for some time."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self.terminal], [], [], left)[0]:
                os.read(self.terminal, 1 << 16)

    def say(self, text: str) -> None:
        """Type a line."""
        os.write(self.terminal, text.encode() + b"\r")

    def echoes(self) -> list[float]:
        """Type KEYS keys one after the other; return the seconds until each was shown, ascending."""
        taken = []
        for _ in range(KEYS):
            self.drain(0.03)
            os.write(self.terminal, ECHO)
            taken.append(self.wait_for(ECHO))
            os.write(self.terminal, b"\x7f")
        return sorted(taken)

    def cpu(self) -> float:
        """Return the seconds of processor time that the program has used."""
        stat = Path(f"/proc/{self.child}/stat").read_text(encoding="ascii")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def screen() -> Iterator[tuple[Screen, float]]:
    """Start the program on a terminal; give it and the seconds to its first frame, and end it."""
    begun = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(sys.executable, [sys.executable, "-m", "kvmlab", "tui"])
    shown = Screen(terminal, child)
    try:
        shown.wait_for(b"> ")
        yield shown, time.perf_counter() - begun
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of ascending values lies."""
    return values[min(len(values) - 1, int(len(values) * share))]


def measure() -> Iterator[tuple[str, float, str, float]]:
    """Yield (what, value, unit, most) for each of the screen's budgets."""
    frames = []
    for _ in range(3):
        with screen() as (_shown, first):
            frames.append(first)
    yield "first painted frame", min(frames) * 1e3, "ms", 300
    with screen() as (shown, _first):
        shown.drain(1.0)
        shown.say(SETUP)
        shown.drain(1.0)
        yield from _echo(shown, "idle")
        shown.say(f"storm 1000000 rate={RATE}")
        shown.drain(1.0)
        before = shown.cpu()
        shown.drain(FLOOD)
        yield "UI and engine under flood, of a core", (shown.cpu() - before) / FLOOD * 100, "%", 25
        yield from _echo(shown, "under flood")


def _echo(shown: Screen, when: str) -> Iterator[tuple[str, float, str, float]]:
    taken = shown.echoes()
    yield f"key to echo, {when}, p50", percentile(taken, 0.5) * 1e3, "ms", 50
    yield f"key to echo, {when}, p99", percentile(taken, 0.99) * 1e3, "ms", 50
