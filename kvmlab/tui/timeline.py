"""The pane of one GSI's waveforms: what they were after each unit, with a cursor on the units.

What is drawn is kvmlab.render.timeline, as wide as the pane; the samples come from the session's
history. ``key`` is the number of the unit under the cursor, which an action's command may name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from textual import events

from kvmlab.render.cells import layout
from kvmlab.render.overview import chosen_gsi
from kvmlab.render.timeline import Sample, timeline_rows, unit_at
from kvmlab.tui.lines import Drawn
from kvmlab.tui.listed import View
from kvmlab.tui.pane import Pane
from kvmlab.tui.panes import PaneSpec

if TYPE_CHECKING:
    from kvmlab.session import Session
    from kvmlab.tui.seen import Seen

TALL = 20
"""A pane of as many lines draws waves of two lines each."""

TIMELINE = PaneSpec(
    "timeline",
    "Timeline",
    "time",
    "",
    lambda _view: [],  # The widget draws by itself: it needs the session's past, and how wide it is.
    "The signals of the chosen GSI as waves: line, mask, IRR, remote IRR, LAPIC IRR and ISR, then the "
    "counters of its eventfds. A column is the machine after one unit; left and right move over the "
    "units, the arrow is the present. Enter goes to the unit in brackets.",
    subject="unit",
)
"""The entry of the timeline among the panes."""


class Past(Protocol):
    """Where the timeline's samples come from."""

    def of(self, session: Session) -> list[Sample]:
        """Return the samples of a session's past, oldest first."""

    def present(self, seen: Seen) -> int:
        """Return the number of the sample that is what is seen now."""


class Timeline(Pane):
    """The timeline pane: the arrows move over the units, the mouse points at one."""

    def __init__(self, session: Session, past: Past) -> None:
        super().__init__(TIMELINE)
        self._session = session
        self._past = past
        self._samples: list[Sample] = []
        self._view: View | None = None
        self._gsi = self._present = self._unit = 0

    @property
    def key(self) -> str:
        """The number of the unit under the cursor."""
        return str(self._unit)

    @property
    def changed(self) -> bool:
        """Never: the newest column is by itself what the last command changed."""
        return False

    def show(self, before: View | None, now: View) -> None:
        """Show the waves at a moment; the cursor stands on the present."""
        self._view = now
        # Walking the past costs more than drawing it, so a hidden pane waits until it is looked at.
        if self.display:
            self._sample()

    def on_show(self) -> None:
        """Catch up with what happened while the pane was hidden."""
        self._sample()

    def _sample(self) -> None:
        if self._view is None:
            return
        seen, gsi = self._view.seen, self._view.gsi
        self._samples = self._past.of(self._session)
        self._gsi = chosen_gsi(seen.snapshot) if gsi is None else gsi
        self._present = self._unit = self._past.present(seen)
        self.place()

    def place(self) -> None:
        """Draw the waves for the size that the pane has now."""
        size = self.scrollable_content_region.size
        tall = size.height >= TALL
        rows = timeline_rows(self._samples, self._gsi, size.width, self._present, self._unit, tall=tall)
        self.entitle(self.spec.title)
        self.draw([Drawn(line) for line in layout(rows)])

    def choose(self, key: str) -> None:
        """Put the cursor on a unit, if it is among the samples."""
        if key in {str(sample.number) for sample in self._samples}:
            self._put(int(key))

    def action_move(self, by: int) -> None:
        """Scroll: the units are chosen by left and right."""
        self.scroll_relative(y=by, animate=False)

    def action_jump(self, by: int) -> None:
        """Move the cursor by one unit."""
        self.choose(str(self._unit + by))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the unit that the mouse points at."""
        at = event.get_content_offset(self)
        width = self.scrollable_content_region.size.width
        unit = None if at is None else unit_at(self._samples, at.x, width, self._unit)
        if unit is not None:
            self.choose(str(unit))

    def _put(self, at: int) -> None:
        self._unit = at
        self.place()
        self.post_message(self.Chosen(self))
