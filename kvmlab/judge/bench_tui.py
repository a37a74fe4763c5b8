"""The screen's budgets, measured in a real terminal: first frame, key to echo, cost of a flood.

The program runs on a pty of its own, with nobody's settings; a key's echo is the time until its
glyph comes back. The flood is a storm of RATE cycles a second. What the engine needs for a cycle is
measured in the same rhythm without a screen; the rest of the program's processor time is the UI's.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kvmlab.language.parse import parse_line
from kvmlab.session import Session

SIZE = (40, 120)
"""Rows and columns."""

SETUP = (
    "eventfd t; eventfd u; ioapic 11 vector=0x41 level unmasked; irqfd t gsi=11 level; eoifd u key=t level"
)
RATE = 5_000
"""Cycles a second of the flood: about 70 000 tracepoints."""

FLOODING = f"storm 1000000 rate={RATE}"
REST = 0.008
"""Seconds between two slices of cycles, as on the screen."""

DONE = re.compile(rb"storm ([\d,]+) of")
"""What the state bar says of a storm in each frame."""

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

    def drain(self, seconds: float) -> bytes:
        """Read and return whatever comes for some time."""
        end = time.perf_counter() + seconds
        seen = bytearray()
        while (left := end - time.perf_counter()) > 0:
            if select.select([self.terminal], [], [], left)[0]:
                seen += os.read(self.terminal, 1 << 16)
        return bytes(seen)

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
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        child, terminal = pty.fork()
        if child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.environ.update(KVMLAB_CONFIG_DIR=folder, KVMLAB_STATE_DIR=folder)
            os.execv(sys.executable, [sys.executable, "-m", "kvmlab", "tui"])
        shown = Screen(terminal, child)
        try:
            shown.wait_for(b"> ")
            yield shown, time.perf_counter() - begun
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(terminal)


def engine_alone() -> float:
    """Return the seconds of processor time of one cycle of the flood where nothing is drawn."""
    session = Session()
    *setup, flooding = parse_line(f"{SETUP}; {FLOODING}", session.scope)
    for command in setup:
        session.execute(command)
    cycles = session.slices(flooding)
    warm = next(at.done for at in cycles if at.done == RATE)
    begun, used, done = time.perf_counter(), 0.0, warm
    while (ran := time.perf_counter() - begun) < FLOOD:
        before = time.thread_time()
        while done - warm < ran * RATE:
            done = next(cycles).done
        used += time.thread_time() - before
        time.sleep(REST)
    cycles.close()
    return used / (done - warm)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of ascending values lies."""
    return values[min(len(values) - 1, int(len(values) * share))]


Measured = tuple[str, float, str, float, str]
"""What was measured, its value and unit, the most that it may be, and a note."""


def measure() -> Iterator[Measured]:
    """Yield each of the screen's budgets."""
    frames = []
    for _ in range(3):
        with screen() as (_shown, first):
            frames.append(first)
    yield "first painted frame", min(frames) * 1e3, "ms", 300, ""
    with screen() as (shown, _first):
        shown.drain(1.0)
        shown.say(SETUP)
        shown.drain(1.0)
        yield from _echo(shown, "idle")
        shown.say(FLOODING)
        shown.drain(1.0)
        yield _flood(shown)
        yield from _echo(shown, "under flood")


def _flood(shown: Screen) -> Measured:
    """Measure what the UI costs while the flood is on: all that the engine alone would not need."""
    before = shown.cpu()
    frames = [int(count.replace(b",", b"")) for count in DONE.findall(shown.drain(FLOOD))]
    both = (shown.cpu() - before) / FLOOD * 100
    rate = (frames[-1] - frames[0]) / FLOOD
    engine = rate * engine_alone() * 100
    note = f"at {len(frames) / FLOOD:.0f} fps; the engine's {rate:,.0f} cycles/s {engine:.0f} %"
    return "CPU of the UI under flood, of a core", both - engine, "%", 25, note


def _echo(shown: Screen, when: str) -> Iterator[Measured]:
    taken = shown.echoes()
    yield f"key to echo, {when}, p50", percentile(taken, 0.5) * 1e3, "ms", 50, ""
    yield f"key to echo, {when}, p99", percentile(taken, 0.99) * 1e3, "ms", 50, ""
