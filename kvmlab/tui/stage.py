"""The stage: what is drawn of a session on its arranged screen, and what is said to its driver.

It knows the widgets but not the keys; requests.py and app.py build on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from string import ascii_lowercase
from typing import TYPE_CHECKING

from kvmlab.tui.actions import Action, Here, offered
from kvmlab.tui.arrange import LESSON
from kvmlab.tui.arranged import Arranged
from kvmlab.tui.bars import Bar, Part, key_parts, state_parts, tab_parts
from kvmlab.tui.keys import JUMP, KEYS, Key, shown
from kvmlab.tui.placing import GUTTER
from kvmlab.tui.seen import Seen

if TYPE_CHECKING:
    from kvmlab.tui.listed import View
    from kvmlab.tui.pane import Pane


class Stage(Arranged):
    """What an arrangement shows: the panes as they are seen now, the bars, and what is said to the driver."""

    def here(self) -> Here:
        """Return what the actions act on: the pane with the focus, and what is chosen in it."""
        values = {"vcpu": str(self.vcpu)}
        pane = self.pane
        if pane is not None:
            values.update(pane.values)
        if values.get("pin"):
            values["gsi"] = str(gsi_of(self.driver.now, int(values["pin"])))
        return Here(pane.spec.name if pane else "", values, self.driver.now)

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
        title = "Log" if "goals" in displayed else self._goal()
        self.log_pane.head(title, self._log_key("lab" in displayed))
        self.command_line.elsewhere(self.lines.id or "" if self.lines is not None else "")
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

    def _log_key(self, lab: bool) -> str:
        """Return the keys that lead to what is above in the log: pages are those of a lab that is shown."""
        if self.log_pane.has_focus or not (lab or self.pane):
            return "PgUp"
        names = [widget.id for widget in self.screen_stack[0].focus_chain]
        return f"{self._shown(JUMP)} {ascii_lowercase[names.index('log')]}" if "log" in names else ""

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
        self._say(text)
        self.show()

    def _say(self, text: str) -> None:
        """Run command text; the caller shows what came of it."""
        self.begin(partial(self.driver.run, text))

    def begin(self, what: Callable[[], None]) -> None:
        """Have the driver begin something; the caller shows what came of it so far."""
        self.touched = frozenset()
        self.command_line.close_list()
        what()
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
        """Say what waits to be said, each line when the one before is over; show what came of it all."""
        if not self._first or self.driver.running is not None:
            return
        while self._first and self.driver.running is None:
            self._say(self._first.pop(0))
        self.show()

    def leave_if_over(self) -> None:
        """End the program where a command has ended the session."""
        if self.driver.over:
            self.exit()


def gsi_of(seen: Seen, pin: int) -> int:
    """Return the GSI that leads to a pin of the IOAPIC, the pin's own number where none does."""
    routes = seen.snapshot.routes or ()
    return next((route.gsi for route in routes if route.kind == "ioapic" and route.pin == pin), pin)
