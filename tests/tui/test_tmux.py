"""The program in tmux: its keys arrive, it follows the window's size, and it outlives its client."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pexpect
import pytest

from kvmlab.tui.help import START

TMUX = shutil.which("tmux")

pytestmark = [
    pytest.mark.tmux,
    pytest.mark.skipif(TMUX is None, reason="there is no tmux on PATH"),
]

CHECKOUT = Path(__file__).parent.parent.parent
SECONDS = 60
"""As long is waited for anything that has to appear."""

PATIENCE = 0.05
"""Seconds between two looks, which the program has for itself."""

NAME = "lab"
"""Of the session in tmux."""

ROUND = [text for text, _what in START]
"""The level interrupt with an eoifd that F1 shows, command by command."""


def environment() -> dict[str, str]:
    """Return an environment in which no other tmux and no fixed size is known."""
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "TMUX"}}
    return {**kept, "TERM": "xterm-256color"}


class Window:
    """A tmux server of its own with the program in its only window."""

    def __init__(self, socket: Path, size: tuple[int, int]) -> None:
        self._tmux = [str(TMUX), "-u", "-f", os.devnull, "-S", str(socket)]
        columns, lines = size
        program = shlex.join([sys.executable, "-m", "kvmlab", "tui"])
        place = ("-s", NAME, "-x", str(columns), "-y", str(lines), "-c", str(CHECKOUT))
        self.tmux("new-session", "-d", *place, program, ";", "set-option", "status", "off")

    def tmux(self, *command: str) -> str:
        """Run a command of tmux; return what it prints."""
        done = subprocess.run(
            [*self._tmux, *command],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        return done.stdout

    @property
    def lines(self) -> list[str]:
        """The screen as text."""
        return self.tmux("capture-pane", "-p").splitlines()

    def until(self, holds: Callable[[list[str]], bool]) -> list[str]:
        """Look until something holds of the screen, and return it; fails if it never does."""
        end = monotonic() + SECONDS
        while not holds(lines := self.lines):
            if monotonic() > end:
                pytest.fail("the screen never showed it:\n" + "\n".join(lines))
            sleep(PATIENCE)
        return lines

    def shows(self, *texts: str) -> list[str]:
        """Wait until every text stands on the screen."""
        return self.until(lambda lines: all(any(text in line for line in lines) for text in texts))

    def keys(self, *keys: str) -> None:
        """Press keys by tmux's names for them."""
        self.tmux("send-keys", *keys)

    def say(self, text: str) -> None:
        """Type a line."""
        self.tmux("send-keys", "-l", text)
        self.keys("Enter")

    def attach(self) -> Any:
        """Return a client on a terminal of 80x24."""
        return pexpect.spawn(
            self._tmux[0],
            [*self._tmux[1:], "attach-session", "-t", NAME],
            env=environment(),
            dimensions=(24, 80),
            timeout=SECONDS,
            encoding="utf-8",
        )

    def gone(self) -> bool:
        """Tell whether the program has ended, and the server with it."""
        done = subprocess.run([*self._tmux, "has-session"], capture_output=True, check=False, timeout=SECONDS)
        return done.returncode != 0

    def end(self) -> None:
        """End the server, and with it what it still runs."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False, timeout=SECONDS)


def fills(columns: int, lines: int, seen: list[str]) -> bool:
    """Tell whether the panes and the bars fill a screen of a size."""
    return len(seen) == lines and len(seen[1]) == columns and seen[-1].startswith(" F1 help")


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Window]:
    """Give the program at 80x24 once it is drawn."""
    made = Window(tmp_path / "tmux", (80, 24))
    try:
        made.until(lambda lines: lines[-1].startswith(" F1 help"))
        yield made
    finally:
        made.end()


def test_keys_of_every_kind_arrive(window: Window) -> None:
    """Text, Enter, a function key, Escape and a digit do in tmux what they do elsewhere."""
    for text in ROUND[:-2]:
        window.say(text)
    window.shows("GSI 11: stands at IRR (taken next)", "6/6")
    window.keys("F5")
    window.shows("> take vcpu=0", "GSI 11: stands at ISR")
    window.keys("F6")
    window.shows("GSI 11: stands at eventfd", "8/8")
    window.keys("F7")
    window.shows("> undo", "7/8")
    window.keys("Tab", "1")
    window.until(lambda lines: " a assert " in lines[-1] and any("IOAPIC ──" in line for line in lines))
    window.keys("Escape")
    window.until(lambda lines: " a assert " not in lines[-1])
    window.say("quit")
    end = monotonic() + SECONDS
    while not window.gone():
        assert monotonic() < end
        sleep(PATIENCE)


def test_one_key_leads_to_the_prompt_and_back(window: Window) -> None:
    """On the same session: what is typed at one is seen at the other."""
    window.keys("F12")
    window.shows("F12 or Ctrl+D goes back to the screen", "kvm>")
    window.say("eventfd there")
    window.shows("→ 0")
    window.keys("F12")
    window.shows("1/1", "Path ──")
    window.keys("F12")
    window.shows("kvm>")


def test_the_screen_follows_the_size_of_the_window(window: Window) -> None:
    """A larger window has more panes, one too small says so, and the first has all of it back."""
    first = window.lines
    for columns, lines in ((200, 60), (120, 40), (80, 24)):
        window.tmux("resize-window", "-x", str(columns), "-y", str(lines))
        window.until(partial(fills, columns, lines))
    window.tmux("resize-window", "-x", "59", "-y", "15")
    window.shows("kvmlab needs 60x16, and has 59x15")
    window.tmux("resize-window", "-x", "80", "-y", "24")
    window.until(lambda seen: seen == first)


def test_a_client_that_detaches_leaves_it_running_and_the_next_sees_what_was_done(window: Window) -> None:
    """What is typed while nobody is attached is done, and stands on the screen of the next who is."""
    first = window.attach()
    first.expect_exact("GSI 0")
    first.send("eventfd with-client\r")
    window.shows("> eventfd with-client", "1/1")
    window.tmux("detach-client", "-s", NAME)
    first.expect(pexpect.EOF)
    window.say("eventfd alone")
    window.shows("> eventfd alone", "2/2")
    second = window.attach()
    second.expect_exact("with-client")
    second.expect_exact("alone")
    second.close(force=True)
    window.shows("2/2")


def test_a_lab_is_found_and_solved_without_leaving_the_screen(window: Window) -> None:
    """From the list of the course to the last goal: an answer, a mistake that undo takes back, a hint."""
    window.keys("C-o")
    window.shows("1. Counters and lines", "type to filter")
    window.tmux("send-keys", "-l", "is a counter")
    window.until(lambda lines: any("> ○ eventfd-counter" in line for line in lines))
    window.keys("Enter")
    window.shows("Lab: An eventfd is a counter", "goal 1 of 3: ", "eventfd-counter 0/3")
    window.keys("C-l", "C-l")
    window.shows(">   ▸ lab answer sum 1")
    window.keys("Down", "Enter")
    window.shows("● ", "Goals: 1 of 3", "eventfd-counter 1/3")
    window.keys("C-l")
    window.until(lambda lines: any("Eventfds ──" in line for line in lines))
    window.say("read door")
    window.shows("mistake: That was a read of an empty counter")
    window.keys("F7", "C-g")
    window.shows("> hint", "(1 of 3)", "0/1")
    window.tmux("resize-window", "-x", "120", "-y", "40")
    window.shows("Lab: An eventfd is a counter", "Goals: 1 of 3", "Eventfds ──")
    for text in ("write door", "write door", "write door", "read door"):
        window.say(text)
    window.shows("eventfd-counter 2/3", "Goals: 2 of 3")
    for text in ("write door 0xfffffffffffffffe", "write door"):
        window.say(text)
    window.shows("the lab is done", "Goals: 3 of 3", " ^n next lab ")
    window.keys("C-n")
    window.shows("> lab next", "Goals: 0 of")
    window.keys("C-o")
    window.shows("● eventfd-counter", "1 of 8 done")


def test_a_lab_comes_back_after_a_kill(window: Window, tmp_path: Path) -> None:
    """Up recalls the line that brings the lost session back: its lab, its answer and its goals."""
    for text in ("lab start eventfd-counter", "lab answer sum 3", "write door", "write door"):
        window.say(text)
    window.shows("eventfd-counter 1/3", "2/2")
    os.kill(int(window.tmux("list-panes", "-F", "#{pane_pid}")), signal.SIGKILL)
    again = Window(tmp_path / "again", (80, 24))
    try:
        again.shows("The last session was cut off")
        again.keys("Up", "Enter")
        again.shows("Lab: An eventfd is a counter", "eventfd-counter 1/3", "2/2")
    finally:
        again.end()
