"""The app: it puts the widgets together, and hands what they ask for to the driver as command text."""

from __future__ import annotations

import signal
from asyncio import get_running_loop
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.screen import Screen
from textual.widgets import Label, Static

from kvmlab.journal import OFFER
from kvmlab.render.cells import Cell, Row, line
from kvmlab.tui.actions import ACTIONS, NAMED, Action, Here
from kvmlab.tui.arrange import LESSON, layouts_for
from kvmlab.tui.bars import Bar
from kvmlab.tui.candidates import Candidates
from kvmlab.tui.command_line import CommandLine
from kvmlab.tui.frame import Frame
from kvmlab.tui.keys import COURSE, EXPLAIN, KEYS, LAB, MENU, PAUSE, STOP
from kvmlab.tui.requests import EXPLORE, Requests
from kvmlab.tui.stage import gsi_of

if TYPE_CHECKING:
    from kvmlab.tui.overview import Overview
    from kvmlab.tui.pane import Pane


REST = 0.008
"""Seconds between two slices of a long command: the screen's share, which bounds what a storm costs."""

EVERYWHERE = {"quit", "help_quit", "pause", "stop", "suspend_process"}
"""What can be asked for on every screen; all else is about the panes, and waits until they are in sight."""


class KvmlabApp(Requests):
    """The screen over one session."""

    TITLE = "kvmlab"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *[
            Binding(a.keys, f"act('{a.name}')", a.label, priority=True, id=a.name)
            for a in ACTIONS
            if not a.panes
        ],
        *[
            Binding(key.keys, key.action, key.label, priority=True, id=key.name)
            for key in KEYS
            if not key.panes
        ],
    ]

    @property
    def unfinished(self) -> bool:
        """Whether the session is in the middle of something that it can be brought back to."""
        return self.ready and self.driver.session.unfinished

    def get_default_screen(self) -> Frame:
        """Return the screen that carries the styles of cells."""
        return Frame(id="_default")

    def compose(self) -> ComposeResult:
        """Yield the rows of the screen."""
        yield Bar("tabs")
        yield Container(id="body")
        yield Bar("state")
        yield self.log_pane
        yield Candidates()
        with Horizontal(id="command-row"):
            yield Label("> ", id="prompt")
            scope = lambda: self.driver.session.scope if self.ready else None  # noqa: E731
            yield CommandLine(scope, self._past, self.keymap, self._entered, self._check_bindings)
        yield Bar("keys")
        yield Static(id="small")

    def on_mount(self) -> None:
        """Have the frame painted, and then everything in it; a signal ends the program as a key does."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            get_running_loop().add_signal_handler(number, self.exit, None, 128 + number)
        self.set_keymap(self.keymap)
        self.command_line.focus()
        self.arrange()
        self.call_after_refresh(self._begin)

    async def _begin(self) -> None:
        """Make the session and its panes, greet, run what was asked for, and begin to look."""
        # The engine, the language and the panes are half of the start: the frame stands before them.
        from kvmlab.tui.driver import Driver
        from kvmlab.tui.samples import Samples
        from kvmlab.tui.widgets import make_panes

        meanwhile = f": {self._shown(PAUSE)} pauses it, {self._shown(STOP)} stops it"
        self.driver = Driver(self._make(), self.log_pane.say, self._journal, meanwhile)
        past = Samples() if self.live is None else self.pictures
        self.panes = {pane.spec.name: pane for pane in make_panes(self.driver.session, past)}
        await self.screen_stack[0].query_one("#body").mount(*self.panes.values())
        self.ready = True
        self.arrange()
        self._greet()
        if self.live is not None:
            self.pictures.add(self.driver.now, monotonic())
            self.run_worker(self.live.run(self._tell))
        self._slices = self.set_interval(REST, self._go_on, pause=True)
        self.say_first()
        self.show()
        self.set_interval(1 / self.settings.fps, self._tick)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let a screen over the others have the keys that it does not know go nowhere."""
        return self.may(action) and (len(self.screen_stack) == 1 or action in EVERYWHERE)

    def may(self, action: str) -> bool:
        """Let nothing but the end of the program be asked for before there is a session."""
        if action in {"pause", "stop"}:
            return self.ready and self.driver.running is not None
        return self.ready or action == "quit"

    def _go_on(self) -> None:
        if not self.is_running:  # the panes go before the timers do
            return
        self.driver.go_on()
        if self.driver.running is None:
            self._slices.pause()
            self.show()
            self.leave_if_over()
            self.say_first()

    def _say(self, text: str) -> None:
        """Run command text; what opens a screen of its own does that instead."""
        if text.strip() == EXPLORE:
            self.action_explore()
            return
        super()._say(text)

    def begin(self, what: Callable[[], None]) -> None:
        """Have the driver begin something; what is long goes on between the frames."""
        super().begin(what)
        if self.driver.running is not None:
            self._slices.resume()

    def _tick(self) -> None:
        if not self.is_running:
            return
        changed = self.driver.look()
        if self.live is not None:
            changed = self._compare(changed)
            self._state()
        if changed:
            self.show()

    def _compare(self, changed: bool) -> bool:
        """Compare what is seen with what was seen a while ago; tell whether that has changed."""
        now = monotonic()
        if changed:
            self.pictures.add(self.driver.now, now)
        was, self.driver.before = self.driver.before, self.pictures.before(now)
        return changed or self.driver.before is not was

    def _tell(self, text: str) -> None:
        self.log_pane.say([line(Cell(text, "warning"))])

    def _greet(self) -> None:
        key = self._shown(EXPLAIN)
        helps = f": {self._shown(COURSE)} is the course, {key} helps, with a first round"
        if self.live is not None:
            helps = f": a running QEMU, read-only; {key} and 'help attach' explain"
        rows: list[Row] = [line(Cell("kvmlab", "header"), helps)]
        rows += [line(Cell(problem, "warning")) for problem in self.theme_problems]
        if self._journal is None and self.live is None:
            rows.append(line(Cell("this session is not journalled", "warning")))
        elif self._journal is not None and self._journal.lost:
            text = f'source "{self._journal.lost[-1]}"'
            rows.append(line(Cell(f"{OFFER} (↑ recalls it):", "muted")))
            self.command_line.offer(text)
            rows.append(line("  ", Cell(text, "word-verb")))
        self.log_pane.say(rows)

    # -- what the widgets ask for -------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Do what keys ask for in the order in which they are pressed.

        Textual does what is bound everywhere at once, and hands what else is pressed from widget to widget: a
        function key would come before the Enter in front of it. Where text is typed the command line
        takes every key in its turn; in a pane nothing is typed, and no key has to wait.
        """
        self.presses.see(event)
        if isinstance(event, events.Key) and not event.is_forwarded and len(self.screen_stack) == 1:
            if self.focused is not None and self.focused.id == CommandLine.ID:
                self.focused.post_message(event)
                return
            for priority in (True, False):
                if await self._check_bindings(event.key, priority):
                    return
        await super().on_event(event)

    def _entered(self, text: str) -> None:
        if not self.ready:
            self._first.append(text)
        elif self.driver.occupied():
            self.command_line.give_back(text)
        else:
            self.action_say(text)

    @on(CommandLine.Candidates)
    def _candidates(self, event: CommandLine.Candidates) -> None:
        self.screen_stack[0].query_one(Candidates).list(event.found, event.at)

    def on_pane_chosen(self, event: Pane.Chosen) -> None:
        """Follow the cursor of a pane: it chooses a pin, or points at what a tracepoint names."""
        if event.pane.spec.subject == "pin" and event.pane.key:
            self.gsi = gsi_of(self.driver.now, int(event.pane.key))
        if event.pane.spec.subject == "event":
            self._point(event.pane.key)
        if event.pane.spec.subject != "unit":
            self.show()
        self._bars()

    def _point(self, event: str) -> None:
        """Point in the other panes at what a tracepoint's line names."""
        from kvmlab.tui.touched import touched

        found = touched(event, self.driver.now.snapshot)
        self.touched = found.items
        if found.vector is not None:
            self.panes["lapic"].vector = found.vector

    def on_overview_gsi_wanted(self, event: Overview.GsiWanted) -> None:
        """Choose another GSI."""
        self.gsi = event.gsi
        self.show()

    def on_overview_pane_wanted(self, event: Overview.PaneWanted) -> None:
        """Show another pane."""
        self.action_pane(event.pane)

    def on_descendant_focus(self) -> None:
        """Offer what works where the focus is now."""
        if self.ready:
            self._bars()

    def action_act(self, name: str, chosen: bool = False) -> None:
        """Run the command of an action, or say why not; one that is ``chosen`` by its name is meant."""
        action, here = NAMED[name], self.here()
        why = action.why_not(here) or ("" if chosen else self._warning(action, here))
        if why:
            self.log_pane.say([line(Cell(f"{action.label}: {why}", "warning"))])
            return
        lines = action.command(here).split("\n")
        if self.pane is not None and action.panes and action.fields:
            self.pane.pass_by(len(lines))
        self.enter_all(lines)

    def _warning(self, action: Action, here: Here) -> str:
        """Return what would be lost by an action; who asks for it again with the next key means it."""
        why = action.warns(here).format(lab=self._shown(LAB))
        return f"{why}; once more does it all the same" if why and not self.presses.once_more(why) else ""

    def action_enter(self, text: str) -> None:
        """Run command text as if it had been typed."""
        self.enter_all([text])

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield everything that can be done now, for the command palette."""
        from kvmlab.scenarios import claims  # it reads every script, which the first frame does not wait for

        here = self.here()
        for action in self.offered():
            text = action.command(here)
            yield SystemCommand(action.label, text, lambda name=action.name: self.action_act(name, True))
        for key in KEYS:
            if key.label and key.action.isidentifier() and key is not MENU and self.works(key):
                yield SystemCommand(key.title or key.label, key.help, getattr(self, f"action_{key.action}"))
        if self.free:
            yield SystemCommand("Explore", "tries every schedule of what stands ready", self.action_explore)
        yield SystemCommand("Theme", "shows each as it is chosen", self.action_change_theme)
        yield SystemCommand("Picture", "saves the screen as SVG", self.action_picture)
        for name, pane in self.panes.items():
            if name in LESSON and self.driver.now.lab is None:
                continue
            yield SystemCommand(pane.spec.title, "shows the pane", lambda name=name: self.action_pane(name))
        for name, claim in claims().items() if self.free else ():
            said = f"source {name}"
            yield SystemCommand(f"Scenario {name}", claim, lambda said=said: self.action_enter(said))
        for layout in layouts_for(*self.size):
            yield SystemCommand(
                f"Layout {layout.name}",
                "arranges the panes",
                lambda name=layout.name: self.action_arrangement(name),
            )
