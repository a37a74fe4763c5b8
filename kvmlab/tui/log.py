"""The log of commands and their results, above the command line."""

from __future__ import annotations

from collections.abc import Iterable

from kvmlab.render.cells import Line, Row, layout
from kvmlab.render.fold import fold
from kvmlab.tui.lines import Drawn, Lines

KEPT = 2_000
"""As many lines are kept, the newest."""


class Log(Lines, can_focus=True):
    """What was said, the newest line at the bottom."""

    def __init__(self) -> None:
        super().__init__(id="log")
        self._lines: list[Line] = []
        self.border_title = "Log"

    def say(self, rows: Iterable[Row]) -> None:
        """Append rows, and show the end."""
        self._lines += layout(rows)
        del self._lines[:-KEPT]
        self._place()

    def on_resize(self) -> None:
        """Fold the lines to the new width."""
        self._place()

    def _place(self) -> None:
        width = self.scrollable_content_region.width
        self.draw([Drawn(part) for cells in self._lines for part in fold(cells, width)])
        self.scroll_end(animate=False, force=True)
