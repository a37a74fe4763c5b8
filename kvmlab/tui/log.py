"""The log of commands and their results, above the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType

from kvmlab.render.cells import Line, Row, layout
from kvmlab.tui.keys import KEYS, bound
from kvmlab.tui.lines import Drawn, Lines
from kvmlab.tui.placing import fit

KEPT = 2_000
"""As many lines are kept, the newest."""


class Log(Lines, can_focus=True):
    """What was said, the newest line at the bottom."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bound(key.keys, key.action, key.name, show=False) for key in KEYS if key.panes
    ]

    def __init__(self) -> None:
        super().__init__(id="log")
        self._lines: list[Line] = []
        self._folded: list[Drawn] = []
        self.entitle("Log")

    def say(self, rows: Iterable[Row]) -> None:
        """Append rows, and show the end."""
        new = layout(rows)
        self._lines = [*self._lines, *new][-KEPT:]
        self._folded = [*self._folded, *self._fold(new)][-KEPT:]
        self._end()

    def on_resize(self) -> None:
        """Fold the lines to the new width."""
        self._folded = self._fold(self._lines)[-KEPT:]
        self._end()

    def _fold(self, lines: Iterable[Line]) -> list[Drawn]:
        width = self.scrollable_content_region.width
        return [Drawn(part) for cells in lines for part in fit(cells, width)]

    def _end(self) -> None:
        self.draw(self._folded)
        self.scroll_end(animate=False, force=True)
