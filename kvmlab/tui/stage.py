"""The stage: a session's driver, what is chosen on the screen, and what is drawn where.

It knows the widgets but not the keys; requests.py and app.py build on it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from textual.events import Resize
from textual.geometry import Size
from textual.widgets import Static

from kvmlab.layouts import LAYOUTS as NAMES
from kvmlab.settings import Settings
from kvmlab.tui.actions import Action, Here, offered
from kvmlab.tui.arrange import (
    CHIP_LAYOUTS,
    LAYOUTS,
    LESSON,
    SMALLEST,
    STUDY,
    Column,
    Layout,
    Slot,
    arrange,
    layout_for,
    suited,
)
from kvmlab.tui.bars import Bar, Part, key_parts, state_parts, tab_parts
from kvmlab.tui.command_line import CommandLine
from kvmlab.tui.keys import KEYS, Key, shown
from kvmlab.tui.lines import Lines
from kvmlab.tui.live import Pictures
from kvmlab.tui.log import Log
from kvmlab.tui.placing import GUTTER
from kvmlab.tui.seen import Seen
from kvmlab.tui.theme import ThemedApp

if TYPE_CHECKING:
    from kvmlab.journal import Journal
    from kvmlab.past import HistoryFile
    from kvmlab.session import Session
    from kvmlab.tui.driver import Driver
    from kvmlab.tui.listed import View
    from kvmlab.tui.live import Live
    from kvmlab.tui.pane import Pane

ROWS_AROUND = 4
"""Rows of the screen that are neither body nor log: tabs, state, command line, keys."""


class Stage(ThemedApp):
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
        self._warned = ""
        """What an action was last warned of."""
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

    def here(self) -> Here:
        """Return what the actions act on: the pane with the focus, and what is chosen in it."""
        values = {"vcpu": str(self.vcpu)}
        pane = self.pane
        if pane is not None:
            values.update(pane.values)
        if values.get("pin"):
            values["gsi"] = str(gsi_of(self.driver.now, int(values["pin"])))
        return Here(pane.spec.name if pane else "", values, self.driver.now)

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

    # -- what is shown ------------------------------------------------------------------------

    def show(self) -> None:
        """Draw what is seen now, marked where the last command changed it.

        While a command is under way the hidden panes wait for its end: their lists cost as much as the rest.
        """
        self.driver.look()
        self._follow()
        with self.batch_update():
            for pane in self.panes.values():
                if self.driver.running is not None and not pane.display:
                    continue
                before = self.driver.before
                pane.show(self._view(before, pane) if before else None, self._view(self.driver.now, pane))
            self._bars()

    def _follow(self) -> None:
        """Bring the panes of a lab that is begun to the front, and put them away when it is left.

        A solution that is asked for is shown where the text is.
        """
        lesson = self.driver.now.lab
        lab, solution = (lesson.lab.id, bool(lesson.solution)) if lesson is not None else ("", False)
        before, self._lab = self._lab, (lab, solution)
        if before == self._lab or (before[0] == lab and not solution):
            return
        self.whole = False
        wanted = ["lab"] if lesson is not None else []
        if lesson is not None and before[0] != lab:
            wanted += lesson.lab.panes
        self.chosen = [*wanted, *[name for name in self.chosen if name not in {*wanted, *LESSON}]]
        self.arrange()

    def _view(self, seen: Seen, pane: Pane) -> View:
        from kvmlab.tui.listed import View

        width = max(0, pane.size.width - GUTTER)
        return View(seen, self.gsi, self.vcpu, pane.vector, self.wanted, width, self.touched)

    def _bars(self) -> None:
        """Draw the three bars."""
        panes, width = self.panes, self.size.width
        base = self.screen_stack[0]
        displayed = {name for name, pane in panes.items() if pane.display}
        marks = {name: pane.mark for name, pane in panes.items()}
        tabs = [
            (pane.spec.name, pane.spec.tab, pane.spec.key)
            for pane in panes.values()
            if self._lab[0] or pane.spec.name not in LESSON
        ]
        base.query_one("#tabs", Bar).put(tab_parts(tabs, displayed, marks, width))
        self.log_pane.entitle("Log" if "goals" in displayed else self._goal())
        self._state()
        actions = [(self._shown(a), a.label, f"app.act('{a.name}')") for a in self.offered()]
        keys = [
            (self._shown(key), key.label, f"app.{key.action}")
            for key in KEYS
            if key.label and (self.lines is not None or not key.panes) and self.works(key)
        ]
        first = [key for key in keys if key[1] == "help"]
        rest = [key for key in keys if key[1] != "help"]
        base.query_one("#keys", Bar).put(key_parts([*first, *actions, *rest], width))

    def _goal(self) -> str:
        """Return the title of the log where the goals are out of sight: the first that is open."""
        lesson = self.driver.now.lab
        if lesson is None:
            return "Log"
        at = f"goal {lesson.reached + 1} of {lesson.of}: {lesson.goal}"
        return f"○ {at}" if lesson.goal else f"● all {lesson.of} goals are reached"

    def _state(self) -> None:
        """Draw the bar of the state: where the session stands, or how fresh its picture is."""
        bar = self.screen_stack[0].query_one("#state", Bar)
        if self.live is None:
            bar.put(state_parts(self.driver.now, self.driver.running))
        else:
            bar.put([Part(cell.text, cell.style) for cell in self.live.status()])

    @property
    def free(self) -> bool:
        """True where the machine can be moved: nothing is under way, and it is no running QEMU."""
        return self.driver.running is None and self.live is None

    def offered(self) -> list[Action]:
        """Return the actions that would do something now."""
        return list(offered(self.here())) if self.free else []

    def may(self, action: str) -> bool:
        """Tell whether an action can be asked for by now."""
        return self.ready

    def works(self, key: Key) -> bool:
        """Tell whether a key does anything now."""
        needs = {
            **dict.fromkeys(("until", "save", "unit", "act('back')", "act('forward')"), self.free),
            "copy_pane": self.lines is not None,
            "prompt": self.free and self.repl is not None,
            "lab": self.driver.now.lab is not None,
            "course": self.live is None,
            "vcpu": len(self.driver.now.snapshot.lapics or ()) > 1,
        }
        return needs.get(key.action, True) and self.may(key.action)

    def _shown(self, bound: Action | Key) -> str:
        return shown(self.keymap.get(bound.name, bound.keys))

    def action_say(self, text: str) -> None:
        """Run command text, and show what came of it."""
        self.touched = frozenset()
        self.driver.run(text)
        self.show()
        self.leave_if_over()

    def enter_all(self, lines: Sequence[str]) -> None:
        """Run lines as if they had been typed, each when the one before is over."""
        if self.driver.running is not None and self.driver.occupied():
            return
        for text in lines:
            self.command_line.keep(text)
        self._first += lines
        self.say_first()

    def say_first(self) -> None:
        """Say what waits to be said: each line when the one before is over."""
        while self._first and self.driver.running is None:
            self.action_say(self._first.pop(0))

    def leave_if_over(self) -> None:
        """End the program where a command has ended the session."""
        if self.driver.over:
            self.exit()


def _keymap(settings: Settings) -> tuple[dict[str, str], list[str]]:
    """Return the keys that a user has put in place of others, and what is wrong with them."""
    if not settings.keymap:
        return {}, []
    from kvmlab.tui.keymap import checked  # it knows every pane, which the first frame does not wait for

    return checked(settings)


def gsi_of(seen: Seen, pin: int) -> int:
    """Return the GSI that leads to a pin of the IOAPIC, the pin's own number where none does."""
    routes = seen.snapshot.routes or ()
    return next((route.gsi for route in routes if route.kind == "ioapic" and route.pin == pin), pin)
