"""Help on the pane that has the focus, and on every key, as a screen over the others."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from kvmlab.render.cells import Cell, Row, layout, line, table
from kvmlab.tui.actions import ACTIONS
from kvmlab.tui.keys import KEYS, shown
from kvmlab.tui.lines import Drawn, Lines
from kvmlab.tui.panes import PaneSpec
from kvmlab.tui.placing import fit

LANGUAGE = (
    "Everything is done by commands: a key, a click and a menu write one to the log and run it. Type "
    "one below; ? lists what may follow, Tab completes, → takes the ghost text, ↑ recalls. 'help' lists "
    "the commands."
)

START = (
    ("eventfd trigger; eventfd unmask", "two eventfds"),
    ("ioapic 11 vector=0x41 level unmasked", "the guest programs pin 11"),
    ("irqfd trigger gsi=11 level", "the eventfd drives GSI 11"),
    ("eoifd unmask key=trigger level", "the EOI of it signals the other"),
    ("write trigger", "the device interrupts: follow it in the path"),
    ("take", "the vCPU takes the vector"),
    ("eoi", "and ends it"),
)
"""The round trip of a level interrupt, for who has not yet seen one."""


def help_rows(spec: PaneSpec | None) -> list[Row]:
    """Return the help on a pane (None for the command line), and on every key."""
    pane = spec.name if spec else ""
    own = [action for action in ACTIONS if action.pane == pane and pane]
    others = [action for action in ACTIONS if not action.pane]
    rows = [
        line(
            Cell(spec.title if spec else "The command line", "header"), ": ", spec.help if spec else LANGUAGE
        )
    ]
    if own:
        keys = [(Cell(shown(action.keys), "cue"), action.label, action.text) for action in own]
        rows += [line(""), *table(("key here", "does", "command"), keys)]
    rows += [
        line(""),
        *table(
            ("key anywhere", "does", "command"),
            [(Cell(shown(a.keys), "cue"), a.label, a.text) for a in others],
        ),
        line(""),
        *table(("key", "on the screen"), [(Cell(shown(key.keys), "cue"), key.help) for key in KEYS]),
    ]
    first = [
        line(""),
        *table(("a first round", ""), [(Cell(text, "word-verb"), what) for text, what in START]),
    ]
    return rows + first if not pane else [*rows, line(""), line(Cell(LANGUAGE, "muted"))]


class Help(ModalScreen[None]):
    """The help on one pane; any of Escape, q and F1 closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,f1,enter", "dismiss", "close")]

    def __init__(self, spec: PaneSpec | None) -> None:
        super().__init__()
        self._spec = spec

    def compose(self) -> ComposeResult:
        """Yield the text."""
        text = HelpText(self._spec)
        text.border_title = "Help"
        text.border_subtitle = "Esc closes"
        yield text


class HelpText(Lines, can_focus=True):
    """The rows of help, folded to the width."""

    def __init__(self, spec: PaneSpec | None) -> None:
        super().__init__(id="help")
        self._rows = help_rows(spec)

    def on_resize(self) -> None:
        """Fold the rows to the width."""
        width = self.scrollable_content_region.width
        self.draw([Drawn(part) for cells in layout(self._rows) for part in fit(cells, width)])
