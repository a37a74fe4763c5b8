"""The log of commands and their results, above the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType

from kvmlab.render.cells import Line, Row, layout
from kvmlab.tui.keys import KEYS
from kvmlab.tui.lines import Drawn, Lines
from kvmlab.tui.placing import fit

KEPT = 2_000
"""As many lines are kept, the newest."""


class Log(Lines, can_focus=True):
    """What was said, the newest line at the bottom."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, f"app.{key.action}", key.label, show=False, id=key.name)
        for key in KEYS
        if key.panes
    ]

    def __init__(self) -> None:
        super().__init__(id="log")
        self._lines: list[Line] = []
        self._folded: list[Drawn] = []
        self._newest: list[Line] = []
        self._tail = 0
        """Lines that the newest answer has."""
        self._heading, self._reach = "Log", ""

    def say(self, rows: Iterable[Row]) -> None:
        """Append rows, and show the end."""
        new = self._newest = layout(rows)
        self._lines = [*self._lines, *new][-KEPT:]
        self._folded = [*self._folded, *self._fold(new)][-KEPT:]
        self._tail = len(self._fold(new))
        self._end()

    def head(self, title: str, reach: str) -> None:
        """Write a title, behind what of the newest answer is out of sight and the key that leads there."""
        self._heading, self._reach = title, reach
        self._tell_more()

    def _tell_more(self) -> None:
        above = round(self.scroll_offset.y) - (len(self._drawn) - self._tail)
        lines = f"{above} line{'s' * (above > 1)} above: {self._reach}  " if above > 0 and self._reach else ""
        self.entitle(f"{lines}{self._heading}")

    def on_resize(self) -> None:
        """Fold the lines to the new width."""
        self._folded = self._fold(self._lines)[-KEPT:]
        self._tail = len(self._fold(self._newest))
        self._end()

    def _fold(self, lines: Iterable[Line]) -> list[Drawn]:
        width = self.scrollable_content_region.width
        return [Drawn(part) for cells in lines for part in fit(cells, width)]

    def _end(self) -> None:
        self.draw(self._folded)
        self.scroll_end(animate=False, force=True)
