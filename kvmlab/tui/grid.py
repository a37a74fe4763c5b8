"""The LAPIC's pane: its cursor moves over the 256 vectors, and the one under it is explained."""

from __future__ import annotations

from textual import events

from kvmlab.render.lapic_grid import move_cursor, vector_at
from kvmlab.tui.listed import columns_for
from kvmlab.tui.pane import Pane
from kvmlab.tui.placing import GUTTER


class Grid(Pane):
    """A pane of vectors. ``vector`` is the one under the cursor, None before it was moved."""

    @property
    def columns(self) -> int:
        """How many vectors a row has at the width of the pane."""
        return columns_for(self.size.width - GUTTER)

    def action_move(self, by: int) -> None:
        """Move by rows."""
        self._go(move_cursor(self.vector, 0, by, self.columns))

    def action_jump(self, by: int) -> None:
        """Move by vectors."""
        self._go(move_cursor(self.vector, by, 0, self.columns))

    def on_click(self, event: events.Click) -> None:
        """Go to the vector that the mouse points at."""
        at = event.get_content_offset(self)
        if at is None:
            return
        vector = vector_at(at.x - GUTTER, at.y + self.scroll_offset.y, self.columns)
        if vector is not None:
            self._go(vector)

    def _go(self, vector: int) -> None:
        self.vector = vector
        self.post_message(self.Chosen(self))
