"""Help on the pane that has the focus, and on every key, as a screen over the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from kvmlab.render.cells import Cell, Row, layout, line, table
from kvmlab.tui.actions import ACTIONS, Action
from kvmlab.tui.keys import KEYS, Key, shown
from kvmlab.tui.lines import Drawn, Lines
from kvmlab.tui.placing import fit

if TYPE_CHECKING:
    from kvmlab.tui.panes import PaneSpec

LANGUAGE = (
    "Everything is done by commands: a key, a click and a menu write one to the log and run it. Type "
    "one; ? lists what may follow, Tab completes, → takes the ghost text, ↑ recalls. 'help' lists the "
    "commands."
)

COMMAND_LINE = line(Cell("The command line", "header"), ": ", LANGUAGE)

LOG = line(
    Cell("The log", "header"),
    ": PgUp and PgDn scroll it from the command line, but where the text of a lab is shown that. F2 and its "
    "letter lead into it: there the arrows and PgUp scroll it, and F3 gives it all the room.",
)

OTHER_KEYS = (
    '[keymap] in settings.toml gives what is done other keys by its ID (eoi = "ctrl+r"). The IDs are '
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


def help_rows(spec: PaneSpec | None, keymap: Mapping[str, str]) -> list[Row]:
    """Return the help on a pane (None for the command line), and on every key, by a keymap."""
    from kvmlab.tui.keymap import BOUND  # 5 ms that the first frame does not wait for

    pane = spec.name if spec else ""
    own = [action for action in ACTIONS if pane in action.panes]
    others = [action for action in ACTIONS if not action.panes]
    if spec:
        rows = [line(Cell(spec.title, "header"), ": ", spec.help)]
    else:
        first = [(Cell(text, "word-verb"), what) for text, what in START]
        rows = [*table(("a first round", ""), first), line(""), COMMAND_LINE]
    if own:
        keys = [(_key(action, keymap), action.label, action.usage) for action in own]
        rows += [line(""), *table(("key here", "does", "command"), keys)]
    rows += [
        line(""),
        *table(
            ("key anywhere", "does", "command"),
            [(_key(action, keymap), action.label, action.usage) for action in others],
        ),
        line(""),
        *table(("key", "on the screen"), [(_key(key, keymap), key.help) for key in KEYS]),
        line(""),
        LOG,
        line(""),
        line(Cell("Other keys", "header"), ": ", OTHER_KEYS, Cell(", ".join(BOUND), "cue")),
    ]
    return [*rows, line(""), line(Cell(LANGUAGE, "muted"))] if pane else rows


def _key(bound: Action | Key, keymap: Mapping[str, str]) -> Cell:
    return Cell(shown(keymap.get(bound.name, bound.keys)), "cue")


class Help(ModalScreen[bool]):
    """The help on one pane; dismissed with True where the first round is to be typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,f1", "dismiss(False)", "close"),
        Binding("enter", "round", "type the first round"),
    ]

    def __init__(self, spec: PaneSpec | None, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._rows = help_rows(spec, keymap)
        self._first = spec is None

    def action_round(self) -> None:
        """Close, and have the first round typed if it was shown."""
        self.dismiss(self._first)

    def compose(self) -> ComposeResult:
        """Yield the text."""
        text = HelpText(self._rows)
        enter = "Enter types the round" if self._first else "Enter"
        text.border_title = f"Help: ↓ PgDn scroll, {enter}{',' if self._first else ' or'} Esc closes"
        yield text


class HelpText(Lines, can_focus=True):
    """The rows of help, folded to the width."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__(id="help")
        self._rows = rows

    def on_resize(self) -> None:
        """Fold the rows to the width."""
        width = self.scrollable_content_region.width
        self.draw([Drawn(part) for cells in layout(self._rows) for part in fit(cells, width)])
