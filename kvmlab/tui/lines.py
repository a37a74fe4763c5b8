"""A widget of lines: drawn by the line API, with cached strips, and text that can be selected.

Only the lines that differ from those shown are drawn again. The styles of cells are component
classes (``cell--irq-asserted``) of the frame, so that a theme reaches every one of them.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from kvmlab.render.cells import Cell, Line
from kvmlab.tui.frame import Frame


class Drawn(NamedTuple):
    """One line as it stands on the screen; ``bright`` are the columns of the cursor, if it is here."""

    cells: Line
    bright: tuple[int, int] | None = None


class Lines(ScrollView, can_focus=False):
    """Lines of cells. A tail, and the top, stay in sight; else the place looked at stays."""

    ALLOW_SELECT = True

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, id=id, classes=classes)
        self._drawn: list[Drawn] = []
        self._strips: dict[int, Strip] = {}
        self._styles: dict[str, Style] = {}
        self._title = self._more = ""
        self._legend = ""

    @property
    def _frame(self) -> Frame:
        base = self.app.screen_stack[0]
        assert isinstance(base, Frame)
        return base

    @property
    def texts(self) -> list[str]:
        """The lines as plain text."""
        return ["".join([cell.text for cell in drawn.cells]).rstrip() for drawn in self._drawn]

    def draw(self, lines: list[Drawn]) -> None:
        """Show these lines; only those that differ from the ones shown are drawn again."""
        old, self._drawn = self._drawn, lines
        if len(old) != len(lines):
            self.virtual_size = Size(self.scrollable_content_region.width, len(lines))
        stale = [
            y
            for y in range(max(len(old), len(lines)))
            if y >= len(old) or y >= len(lines) or old[y] != lines[y]
        ]
        for y in stale:
            self._strips.pop(y, None)
        top, width = self.scroll_offset.y, self.size.width
        seen = [y - top for y in stale if 0 <= y - top < self.size.height]
        if seen:
            self.refresh(*[Region(0, y, width, 1) for y in seen])
        self._tell_more()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell how much is out of sight now."""
        super().watch_scroll_y(old_value, new_value)
        self._tell_more()

    def _tell_more(self) -> None:
        """Write into the border the legend, and how many lines are above and below what is in sight."""
        above = round(self.scroll_offset.y)
        below = max(0, len(self._drawn) - above - self.size.height)
        told = [f"{count}{arrow}" for count, arrow in ((above, "↑"), (below, "↓")) if count]
        more = " ".join(told) if self.size.height else ""
        more = "  ".join(part for part in (self._legend, more) if part)
        if more != self._more:
            self._more = self.border_subtitle = more

    def explain(self, legend: str) -> None:
        """Write what signs mean into the border, where it is always in sight."""
        self._legend = legend
        self._tell_more()

    def entitle(self, title: str) -> None:
        """Write a title into the border. Only another one is set: Textual draws everything anew for each."""
        if title != self._title:
            self._title = title
            self.border_title = Content(title)

    def notify_style_update(self) -> None:
        """Forget what was drawn in the styles of before."""
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw anew with another selection."""
        self._strips.clear()
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the text under a selection, and what ends it."""
        return selection.extract("\n".join(self.texts)), "\n"

    def render_line(self, y: int) -> Strip:
        """Return one line of what is in sight."""
        at = y + self.scroll_offset.y
        width = self.size.width
        if at >= len(self._drawn):
            return Strip.blank(width, self.style_of(""))
        strip = self._strips.get(at)
        if strip is None or strip.cell_length != width:
            strip = self._strips[at] = self._strip(at, width)
        return strip

    def _strip(self, at: int, width: int) -> Strip:
        cells, bright = self._drawn[at]
        selection = self.text_selection
        span = selection.get_span(at) if selection is not None else None
        segments = [Segment(text, self.style_of(style)) for text, style in cells]
        strip = Strip(segments).adjust_cell_length(width, self.style_of(""))
        if bright is not None:
            strip = self._restyle(strip, bright, self._frame.cursor_style)
        if span is not None:
            style = self.screen.get_component_rich_style("screen--selection")
            strip = self._restyle(strip, span, style)
        return strip.apply_offsets(0, at)

    def style_of(self, name: str) -> Style:
        """Return the style of a cell, "" being that of the widget."""
        style = self._styles.get(name)
        if style is None:
            style = self.rich_style
            if name:
                style += self._frame.cell_style(name)
            self._styles[name] = style
        return style

    @staticmethod
    def _restyle(strip: Strip, span: tuple[int, int], style: Style) -> Strip:
        start, end = span
        end = strip.cell_length if end < 0 else min(end, strip.cell_length)
        if start >= end:
            return strip
        middle = [Segment(text, (was or Style()) + style) for text, was, _ in strip.crop(start, end)]
        return Strip.join([strip.crop(0, start), Strip(middle), strip.crop(end)])


def drawn(*parts: Cell) -> Drawn:
    """Return cells as a line without a cursor."""
    return Drawn(parts)
