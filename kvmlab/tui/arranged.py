"""The widgets of a session's screen, what is chosen on it, and the place that each pane has."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from textual.events import Resize
from textual.geometry import Size
from textual.widgets import Static

from kvmlab.layouts import LAYOUTS as NAMES
from kvmlab.settings import Settings
from kvmlab.tui.arrange import (
    CHIP_LAYOUTS,
    LAYOUTS,
    SMALLEST,
    STUDY,
    Column,
    Layout,
    Slot,
    arrange,
    layout_for,
    suited,
)
from kvmlab.tui.command_line import CommandLine
from kvmlab.tui.lines import Lines
from kvmlab.tui.live import Pictures
from kvmlab.tui.log import Log
from kvmlab.tui.presses import Presses
from kvmlab.tui.theme import ThemedApp

if TYPE_CHECKING:
    from kvmlab.journal import Journal
    from kvmlab.past import HistoryFile
    from kvmlab.session import Session
    from kvmlab.tui.driver import Driver
    from kvmlab.tui.live import Live
    from kvmlab.tui.pane import Pane

ROWS_AROUND = 4
"""Rows of the screen that are neither body nor log: tabs, state, command line, keys."""


class Arranged(ThemedApp):
    """One session on the screen. ``chosen`` lists panes, the latest first; ``whole`` gives it all the room.

    ``log_alone`` gives the room to the log instead.
    ``gsi`` is None until one is chosen; ``wanted`` is the text that the trace is filtered by. There
    is a driver as soon as the stage is ``ready``.
    """

    driver: Driver

    def __init__(
        self,
        make: Callable[[], Session],
        past: HistoryFile,
        journal: Journal | None = None,
        settings: Settings | None = None,
        first: Iterable[str] = (),
        repl: Callable[[Session], object] | None = None,
        live: Live | None = None,
    ) -> None:
        self.settings = settings or Settings()
        super().__init__(self.settings.theme, self.settings.place("theme"))
        self.keymap, clashes = _keymap(self.settings)
        self.theme_problems += clashes
        self.log_pane = Log()
        self.ready = False
        self.panes: dict[str, Pane] = {}
        self._make = make
        self.repl = repl
        self.live = live
        self.pictures = Pictures()
        self.chosen: list[str] = []
        self.whole = False
        self.log_alone = False
        self.layout_name = NAMES.get(self.settings.layout, self.settings.layout)
        self.gsi: int | None = None
        self.vcpu = 0
        self.wanted = ""
        self.touched: frozenset[tuple[str, str]] = frozenset()
        self.presses = Presses()
        self._lab = ("", False)
        """The lab that is open, and whether its solution is shown."""
        self._first = list(first)
        self._past = past
        self._journal = journal

    # -- what is where ------------------------------------------------------------------------

    @property
    def command_line(self) -> CommandLine:
        """The command line."""
        return self.screen_stack[0].query_one(CommandLine)

    @property
    def pane(self) -> Pane | None:
        """The pane that has the focus."""
        focused = self.screen_stack[0].focused
        return self.panes.get(focused.id or "") if focused is not None else None

    @property
    def lines(self) -> Lines | None:
        """What has the focus and is no command line: a pane, or the log."""
        focused = self.screen_stack[0].focused
        return focused if isinstance(focused, Lines) else None

    def on_resize(self, event: Resize) -> None:
        """Arrange anew; the app itself learns its size only after this.

        Where sizes come fast, one signal's handler is interrupted by the next one's, and the older
        size arrives last: then the one that the terminal has now follows.
        """
        self.arrange(event.size)
        now = self.terminal_size()
        if now not in {None, event.size}:
            self.post_message(Resize(now, now))

    def terminal_size(self) -> Size | None:
        """Return the size that the terminal has now; None where there is no terminal."""
        return None if self.is_headless else Size(*os.get_terminal_size(sys.stdin.fileno()))

    def arrange(self, size: Size | None = None) -> None:
        """Give every pane that is shown its place on a screen of a size, by default the one it has."""
        width, height = size or self.size
        layout = layout_for(width, height, self.layout_name, CHIP_LAYOUTS if self.live else LAYOUTS)
        base = self.screen_stack[0]
        small = base.query_one("#small", Static)
        # It covers everything and hides nothing: what is typed meanwhile reaches the command line.
        small.display = layout is None
        if layout is None:
            small.update(f"kvmlab needs {SMALLEST[0]}x{SMALLEST[1]}, and has {width}x{height}")
            return
        log = height - ROWS_AROUND if self.log_alone else layout.log
        self.log_pane.styles.height = log
        base.query_one("#body").display = log < height - ROWS_AROUND
        lesson = self.driver.now.lab if self.ready else None
        if lesson is not None:
            layout = suited(STUDY[layout.name], lesson.lab.panes)
        if self.whole and self.chosen:
            layout = Layout("whole", 0, 0, log, (Column(0, (Slot(0, (self.chosen[0],)),)),))
        places = arrange(layout, self.chosen, width, height - log - ROWS_AROUND)
        for name, pane in self.panes.items():
            pane.display = name in places
            if name in places:
                x, y, wide, high = places[name]
                pane.styles.offset = (x, y)
                pane.styles.width, pane.styles.height = wide, high
        if base.focused is None:
            # What has the focus loses it when it is hidden.
            self.command_line.focus()
        if self.ready:
            self.driver.studied = "goals" in places
            self.call_after_refresh(self.show)

    def show(self) -> None:
        """Draw what is seen now."""
        raise NotImplementedError


def _keymap(settings: Settings) -> tuple[dict[str, str], list[str]]:
    """Return the keys that a user has put in place of others, and what is wrong with them."""
    if not settings.keymap:
        return {}, []
    from kvmlab.tui.keymap import checked  # it knows every pane, which the first frame does not wait for

    return checked(settings)
