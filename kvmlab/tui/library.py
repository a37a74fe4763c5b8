"""The course and the scenarios as a screen over the others: a filter, and below it what it leaves."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input

from kvmlab.render.cells import Cell, Line, layout
from kvmlab.render.library import Chapter, Entry, entry_line, head_line
from kvmlab.tui.lines import Drawn, Lines
from kvmlab.tui.placing import GUTTER, crop, fit


class Listing(Lines):
    """The lines of the library, at which the mouse can point."""

    class Pointed(Message):
        """The mouse points at a line."""

        def __init__(self, line: int) -> None:
            super().__init__()
            self.line = line

    def on_click(self, event: events.Click) -> None:
        """Tell at which line the mouse points."""
        at = event.get_content_offset(self)
        if at is not None:
            self.post_message(self.Pointed(at.y + round(self.scroll_offset.y)))


PAGE = 10
"""As many entries are passed by PgUp and PgDn."""


class Library(ModalScreen[str | None]):
    """Labs and scenarios by chapter; dismissed with the command that opens the one chosen, or None.

    Enter begins a lab, and shows the text of a scenario, from where a second Enter runs it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", priority=True),
        Binding("up", "move(-1)", "up", priority=True),
        Binding("down", "move(1)", "down", priority=True),
        Binding("pageup", f"move(-{PAGE})", "page up", priority=True),
        Binding("pagedown", f"move({PAGE})", "page down", priority=True),
        Binding("enter", "open", "open", priority=True),
    ]

    def __init__(self, chapters: list[Chapter], at: str = "") -> None:
        super().__init__()
        self._chapters = chapters
        self._at = at
        self._reading: Entry | None = None
        self._list = Listing(id="library-list")
        self._rows: list[Entry | None] = []

    def compose(self) -> ComposeResult:
        """Yield the filter, and the list."""
        with Vertical(id="library") as box:
            box.border_title = "The course, and the scenarios"
            yield Input(placeholder="type to filter", id="library-filter", compact=True)
            yield self._list

    def on_resize(self) -> None:
        """Show everything for the size."""
        self.call_after_refresh(self.show)

    @on(Input.Changed)
    def _filtered(self) -> None:
        self.show()

    # -- what is listed -----------------------------------------------------------------------

    @property
    def found(self) -> list[Entry]:
        """What the filter leaves, in order."""
        return [entry for chapter in self._left() for entry in chapter.entries]

    def _left(self) -> list[Chapter]:
        words = self.query_one(Input).value.lower().split()
        left = [
            chapter._replace(entries=[each for each in chapter.entries if each.has(words, chapter.title)])
            for chapter in self._chapters
        ]
        return [chapter for chapter in left if chapter.entries]

    @property
    def chosen(self) -> Entry | None:
        """What the cursor stands on: what it stood on before as long as the filter leaves it."""
        found = self.found
        same = [entry for entry in found if entry.name == self._at]
        return next(iter([*same, *found]), None)

    def show(self) -> None:
        """Draw the list, the chosen entry in sight, or the text that is being read."""
        width = self._list.scrollable_content_region.width
        if self._reading is not None:
            self._show_text(self._reading, width)
            return
        chosen, drawn, top = self.chosen, [], 0
        self._rows = []
        for chapter in self._left():
            drawn.append(Drawn(crop(head_line(chapter), width)))
            self._rows.append(None)
            for entry in chapter.entries:
                here = chosen is not None and entry.name == chosen.name
                top = len(drawn) if here else top
                cursor: Line = (Cell("> " if here else " " * GUTTER, "cue"),)
                line = crop((*cursor, *entry_line(entry)), width)
                drawn.append(Drawn(line, (0, width) if here else None))
                self._rows.append(entry)
        self._list.draw(drawn or [Drawn((Cell("nothing has these words; Esc closes", "muted"),))])
        self._hint(chosen)
        height = self._list.size.height
        if not self._list.scroll_offset.y <= top < self._list.scroll_offset.y + height:
            self._list.scroll_to(y=max(0, top - height // 2), animate=False, force=True)
        elif top == 1:
            self._list.scroll_home(animate=False, force=True)

    def _hint(self, chosen: Entry | None) -> None:
        opens = "begins the lab" if chosen is not None and chosen.text is None else "shows the script"
        said = f"Enter {opens}, " if chosen else ""
        self.query_one("#library").border_subtitle = f"{said}↑ ↓ choose, Esc closes"

    def _show_text(self, entry: Entry, width: int) -> None:
        rows = entry.text() if entry.text is not None else []
        lines = [cells for row in layout(rows) for cells in fit(row, width)]
        self._list.draw([Drawn(cells) for cells in lines])
        self._rows = []
        self.query_one("#library").border_subtitle = "Enter runs it (source), ↑ ↓ scroll, Esc goes back"

    # -- what is asked ------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Choose another entry, or scroll the text that is being read."""
        if self._reading is not None:
            self._list.scroll_relative(y=by, animate=False, force=True)
            return
        names = [entry.name for entry in self.found]
        if names:
            now = names.index(self.chosen.name) if self.chosen else 0
            self._at = names[min(max(now + by, 0), len(names) - 1)]
            self.show()

    def action_open(self) -> None:
        """Begin the lab that is chosen; show a scenario, and run the one that is shown."""
        chosen = self._reading or self.chosen
        if chosen is None:
            return
        if chosen.text is None or self._reading is not None:
            self.dismiss(chosen.command)
            return
        self._reading = chosen
        self._list.scroll_home(animate=False, force=True)
        self.show()

    def action_back(self) -> None:
        """Go back from a text to the list, and from there close the screen."""
        if self._reading is None:
            self.dismiss(None)
            return
        self._reading = None
        self.show()

    def on_listing_pointed(self, event: Listing.Pointed) -> None:
        """Choose the entry that the mouse points at; open it where it was chosen before."""
        entry = self._rows[event.line] if event.line < len(self._rows) else None
        if entry is None:
            return
        again = self.chosen is not None and self.chosen.name == entry.name
        self._at = entry.name
        if again:
            self.action_open()
        else:
            self.show()
