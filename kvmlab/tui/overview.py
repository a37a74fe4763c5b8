"""The pane of one GSI's path: a cursor on its stages, each of which leads to the pane that shows it.

What is drawn is kvmlab.render.overview; the GSI is the one chosen on the screen. The pane asks for
another GSI and for another pane by messages, which the app grants.
"""

from __future__ import annotations

import re
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from kvmlab.render.overview import chosen_gsi, known_gsis
from kvmlab.tui.listed import View
from kvmlab.tui.pane import Pane

STAGE_LINE = re.compile(r"[│→] ([A-Za-z]+)")
"""A line about the stage whose name stands on it."""

SHOWN_BY = {
    "device": "devices",
    "eventfd": "eventfds",
    "irqfd": "fds",
    "source": "sources",
    "route": "routes",
    "IOAPIC": "ioapic",
    "IRR": "lapic",
    "ISR": "lapic",
    "EOI": "ioapic",
    "ack": "trace",
    "eoifd": "fds",
}
"""Stage → the pane that shows it whole."""


class Overview(Pane):
    """The path pane: left and right ask for the GSI before and after, enter for the stage's own pane."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "jump(-1)", "GSI before", id="cursor-left"),
        Binding("right,l", "jump(1)", "GSI after", id="cursor-right"),
        Binding("enter", "open_stage", "open the stage", id="open-stage"),
    ]

    class GsiWanted(Message):
        """Another GSI is to be chosen."""

        def __init__(self, gsi: int) -> None:
            super().__init__()
            self.gsi = gsi

    class PaneWanted(Message):
        """Another pane is to be shown and to have the focus."""

        def __init__(self, pane: str) -> None:
            super().__init__()
            self.pane = pane

    _view: View | None = None

    def show(self, before: View | None, now: View) -> None:
        """Show the path; marks say what the last command changed in it, not that the GSI is another."""
        self._view = now
        super().show(before if before is not None and before.gsi == now.gsi else None, now)

    def action_jump(self, by: int) -> None:
        """Ask for the next GSI, or the one before, that something is wired to."""
        if self._view is None:
            return
        snapshot, gsi = self._view.seen.snapshot, self._view.gsi
        now = chosen_gsi(snapshot) if gsi is None else gsi
        beyond = [gsi for gsi in known_gsis(snapshot) if (gsi - now) * by > 0]
        if beyond:
            self.post_message(self.GsiWanted(min(beyond) if by > 0 else max(beyond)))

    def action_open_stage(self) -> None:
        """Ask for the pane that shows the stage under the cursor whole."""
        if self.key in SHOWN_BY:
            self.post_message(self.PaneWanted(SHOWN_BY[self.key]))
