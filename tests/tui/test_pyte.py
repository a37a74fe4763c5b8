"""The program in a real terminal, as pyte's screen shows it: what a person sees at each size."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pexpect
import pyte
import pytest

from kvmlab.tui.help import START

pytestmark = pytest.mark.terminal

CHECKOUT = Path(__file__).parent.parent.parent
SIZES = ((80, 24), (120, 40), (200, 60))
SECONDS = 60
"""As long is waited for anything that has to appear."""

F1, F7, F12, END, CTRL_D, ESCAPE = "\x1bOP", "\x1b[18~", "\x1b[24~", "\x1b[F", "\x04", "\x1b"
KITTY_OFF = b"\x1b[<u"
"""Ends the keyboard protocol that pyte does not know, and would print."""

ROUND = [text for text, _what in START]
"""The level interrupt with an eoifd that F1 shows, command by command."""


class Grid(pyte.Screen):
    """A screen that answers what the program asks of its terminal."""

    answer: Callable[[str], object]

    def write_process_input(self, data: str) -> None:
        """Send an answer."""
        self.answer(data)


class Terminal:
    """The program on a terminal of a size."""

    def __init__(self, size: tuple[int, int], **more: str) -> None:
        columns, lines = size
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **more}
        command = [sys.executable, "-m", "kvmlab", "tui"]
        self.child: Any = pexpect.spawn(
            command[0], command[1:], cwd=str(CHECKOUT), env=environment, dimensions=(lines, columns)
        )
        self.child.delaybeforesend = None
        self.grid = Grid(columns, lines)
        self.grid.answer = self.child.send
        self._stream = pyte.ByteStream(self.grid)
        self.sent = b""

    @property
    def lines(self) -> list[str]:
        """The screen as text."""
        return [text.rstrip() for text in self.grid.display]

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines)

    def until(self, holds: Callable[[], bool]) -> None:
        """Read what the program draws until something holds; fails with the screen if it never does."""
        end = monotonic() + SECONDS
        while not holds():
            try:
                data = self.child.read_nonblocking(1 << 16, max(0.0, end - monotonic()))
            except (pexpect.TIMEOUT, pexpect.EOF):
                pytest.fail(f"the screen never showed it:\n{self.text}")
            self.sent += data
            self._stream.feed(data.replace(KITTY_OFF, b""))

    def shows(self, *texts: str) -> None:
        """Wait until every text stands on the screen."""
        self.until(lambda: all(text in self.text for text in texts))

    def say(self, text: str) -> None:
        """Type a line."""
        self.child.send(f"{text}\r")

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        self.grid.resize(lines, columns)
        self.child.setwinsize(lines, columns)

    def quit(self) -> None:
        """End the program; it has to end well."""
        self.say("quit")
        self.child.expect(pexpect.EOF, timeout=SECONDS)
        self.child.close()
        assert self.child.exitstatus == 0


@contextmanager
def terminal(size: tuple[int, int] = (80, 24), **more: str) -> Iterator[Terminal]:
    """Give the program once its panes stand on the screen."""
    shown = Terminal(size, **more)
    try:
        shown.until(lambda: shown.lines[-1].startswith(" F1 help"))
        yield shown
    finally:
        shown.child.close(force=True)


def colours(grid: pyte.Screen) -> set[str]:
    """Return the colours of everything on the screen that are no grey."""
    cells = [cell for row in grid.buffer.values() for cell in row.values()]
    found = {colour for cell in cells for colour in (cell.fg, cell.bg)} - {"default", "black", "white"}
    return {colour for colour in found if len({colour[:2], colour[2:4], colour[4:]}) > 1}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_first_round_is_found_typed_followed_and_rewound(size: tuple[int, int]) -> None:
    """F1 shows it; typed, the path shows where the interrupt stands; F7 takes one command back."""
    with terminal(size) as shown:
        assert shown.lines[0].startswith("1ioapic")
        assert shown.lines[-1].startswith(" F1 help")
        assert "> a command" in shown.lines[-2]
        assert all(len(text) <= size[0] for text in shown.lines)
        for text in ROUND[:-2]:
            shown.say(text)
        shown.shows("GSI 11: stands at IRR (taken next)", "6/6", "irqfd    trigger  active  level  key 1")
        shown.say("take")
        shown.shows("GSI 11: stands at ISR")
        shown.say("eoi")
        shown.shows("unmask  count 1", "8/8")
        shown.child.send(F7)
        shown.shows("GSI 11: stands at ISR", "7/8")
        shown.quit()


def test_help_shows_the_first_round_on_a_screen_of_80x24() -> None:
    """From the command line F1 begins with commands that can be typed as they stand; the rest scrolls."""
    with terminal() as shown:
        shown.child.send(F1)
        shown.shows("─ Help: ↓ PgDn scroll, Enter types the round, Esc closes ─", "↓ ─", *ROUND)
        shown.child.send(END)
        shown.shows("─ Help: ↓ PgDn scroll, Enter types the round, Esc closes ─", "↑ ─", "The IDs are")
        shown.child.send(ESCAPE)
        shown.until(lambda: "─ Help" not in shown.text)
        shown.quit()


def test_a_storm_of_resizes_ends_with_the_screen_of_the_last_size() -> None:
    """Sizes come faster than they are drawn, too small ones among them; text that is typed is kept."""
    with terminal(COLUMNS="200", LINES="60") as shown:
        shown.say("eventfd survivor")
        shown.shows("1/1")
        shown.child.send("~~~")
        for step in range(40):
            shown.resize(40 + step * 37 % 160, 10 + step * 13 % 50)
        shown.resize(59, 16)
        shown.shows("kvmlab needs 60x16, and has 59x16")
        shown.resize(120, 40)
        shown.until(lambda: shown.lines[-1].startswith(" F1 help") and shown.lines[0].startswith("1ioapic"))
        shown.child.send("~")
        shown.shows("> ~~~~", " 1/1 ")
        shown.child.send("\x7f" * 4)
        shown.shows("> a command")
        shown.quit()


def test_no_color_is_without_colour_and_tells_the_same() -> None:
    """With NO_COLOR every cell is grey; without it some is not; the text is the same."""
    texts = []
    for opened, coloured in ((terminal(NO_COLOR=""), True), (terminal(NO_COLOR="1"), False)):
        with opened as shown:
            for text in ROUND[:-2]:
                shown.say(text)
            shown.shows("GSI 11: stands at IRR", "6/6", "(edge|masked)\n→ 0\n> a command")
            shown.child.send("~")  # What is drawn for it comes after all that was drawn before.
            shown.shows("> ~")
            shown.child.send("\x7f")
            shown.shows("> a command")
            assert bool(colours(shown.grid)) is coloured
            texts.append(shown.text)
            shown.quit()
    assert texts[0] == texts[1]


def test_f12_goes_to_the_prompt_on_the_same_session_and_back(state: Path) -> None:
    """Each sees what was done in the other, and one journal brings all of it back in its order."""
    with terminal() as shown:
        shown.say("eventfd screen")
        shown.shows("1/1")
        shown.child.send(F12)
        shown.shows("kvm>", "quiescent")
        shown.say("write screen")
        shown.until(lambda: shown.text.count("kvm>") > 1 or "→ 0" in shown.text.partition("kvm>")[2])
        shown.say("eventfd prompt")
        shown.until(lambda: "eventfd prompt" in shown.text and shown.text.rstrip().count("kvm>") > 2)
        shown.child.send(CTRL_D)
        shown.shows("3/3", "F1 help")
        shown.say("read screen")
        shown.shows("4/4", "→ 1")
        (journal,) = (state / "journal").glob("*.kvm")
        assert journal.read_text().splitlines()[1:] == [
            "eventfd screen",
            "write screen",
            "eventfd prompt",
            "read screen",
        ]
        assert journal.read_text().startswith("machine ")
        shown.quit()
