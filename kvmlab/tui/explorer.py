"""The explorer's screen: a search that goes on between the frames, what it counts, and what it has found.

It searches a machine of its own. Enter opens a failure in the stepper: the commands that lead to it
are said, so that the session stands there, one unit of history a move, and can be rewound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from kvmlab.explore.search import REDUCTIONS
from kvmlab.render.cells import Cell, Line, Row, layout, line, table
from kvmlab.tui.lines import Drawn, Lines
from kvmlab.tui.placing import fit

if TYPE_CHECKING:
    from kvmlab.explore.search import Move
    from kvmlab.tui.exploring import Hunt

REST = 0.008
"""Seconds between two slices: the screen's share."""

FRAME = 0.05
"""Seconds between two looks at the counts."""


class Explorer(ModalScreen[None]):
    """A search under way, or over. ``lead`` is given the commands that lead to the failure that is opened.

    ``ended`` is called when the search has come to its end, or was stopped.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "stop, then close"),
        Binding("up,k", "move(-1)", "up"),
        Binding("down,j", "move(1)", "down"),
        Binding("enter", "open", "open in the stepper"),
    ]

    def __init__(
        self, hunt: Hunt, lead: Callable[[list[str]], None], ended: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__()
        self.hunt = hunt
        self._lead, self._ended = lead, ended
        self._cursor = 0
        self._counts, self._failures = Lines(id="explorer-counts"), Lines(id="explorer-failures")

    def compose(self) -> ComposeResult:
        """Yield the counts, and below them the failures."""
        with Vertical(id="explorer") as box:
            box.border_title = "Explore"
            yield self._counts
            yield self._failures

    def on_mount(self) -> None:
        """Begin to search, and to look."""
        self._ticks = [self.set_interval(REST, self._go_on), self.set_interval(FRAME, self._look)]

    def on_resize(self) -> None:
        """Show everything for the size."""
        self.call_after_refresh(self.show)

    # -- the search ---------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Search for a slice."""
        self.hunt.slice()
        if self.hunt.over:
            self._end()

    def _end(self) -> None:
        """Keep what was found."""
        self.hunt.stop()
        for timer in self._ticks:
            timer.stop()
        self._ended()
        self.show()

    def action_leave(self) -> None:
        """Stop the search; close the screen where it is over."""
        if self.hunt.over:
            self.dismiss()
        else:
            self._end()

    # -- the failures -------------------------------------------------------------------------

    @property
    def found(self) -> list[tuple[str, str]]:
        """What is wrong, as (kind, sentence), in the order in which it was found."""
        return list(self.hunt.search.outcome.failures)

    def action_move(self, by: int) -> None:
        """Choose another failure."""
        self._cursor = max(0, min(self._cursor + by, len(self.found) - 1))
        self.show()

    def action_open(self) -> None:
        """Close the screen, and go to the failure that is chosen."""
        if self._cursor >= len(self.found):
            return
        schedule = self._schedule(self.found[self._cursor])
        if not self.hunt.over:
            self._end()
        self.dismiss()
        self._lead([f"step {name} {ops}" for name, ops in schedule])

    def _schedule(self, failure: tuple[str, str]) -> list[Move]:
        return self.hunt.search.outcome.shown(failure)

    # -- what is shown ------------------------------------------------------------------------

    def _look(self) -> None:
        if self.is_attached and self._counts.size.width:
            self.show()

    def show(self) -> None:
        """Draw the counts and the failures as they are now."""
        width = self._counts.scrollable_content_region.width
        rows = [line(self._verdict()), line(""), *self._table(), line(""), self._outlook()]
        self._counts.draw([Drawn(part) for cells in layout(rows) for part in fit(cells, width)])
        self._counts.styles.height = len(self._counts.texts)
        self._list(self._failures.scrollable_content_region.width)

    def _verdict(self) -> Cell:
        """Say how far the search is, and at which atomicity."""
        outcome = self.hunt.search.outcome
        if not self.hunt.over:
            return Cell("searching: Esc stops, and keeps what was found", "cue")
        if outcome.exhausted:
            return Cell(f"every schedule was tried: {REDUCTIONS[outcome.reduction]}", "ok")
        return Cell("not every schedule was tried: the search was stopped or had too many states", "warning")

    def _table(self) -> list[Row]:
        outcome = self.hunt.search.outcome
        newest = next(reversed(outcome.parents), None)
        depth = len(outcome.way(newest)[1]) if newest is not None else 0
        counts = {
            "states": outcome.states,
            "transitions": outcome.transitions,
            "states/s": self.hunt.rate,
            "frontier": 0 if outcome.exhausted else self.hunt.progress.waiting,
            "depth": depth,
            "ends": len(outcome.ends),
            "round": outcome.rounds,
        }
        return table(tuple(counts), [[f"{count:,}" for count in counts.values()]])

    def _outlook(self) -> Row:
        """Say how much is wrong, and what can be done about it."""
        count = len(self.found)
        leave = (Cell("Esc", "cue"), " closes") if self.hunt.over else (Cell("Esc", "cue"), " stops")
        if count:
            wrong = Cell(f"{count} failure{'s' * (count > 1)}", "error")
            return line(wrong, ": ", Cell("Enter", "cue"), " opens one in the stepper, ", *leave)
        said = Cell(
            "nothing has gone wrong" if not self.hunt.over else "nothing was seen to go wrong", "muted"
        )
        return line(said, ": ", *leave)

    def _list(self, width: int) -> None:
        """Draw the failures, the chosen one in sight."""
        drawn: list[Drawn] = []
        top = 0
        for number, failure in enumerate(self.found):
            here = number == self._cursor
            top = len(drawn) if here else top
            bright = (0, width) if here else None
            drawn += [Drawn(cells, bright) for cells in fit(self._told(failure, here), width)]
        self._failures.draw(drawn)
        self._failures.scroll_to(y=top, animate=False, force=True)

    def _told(self, failure: tuple[str, str], here: bool) -> Line:
        """Return a failure on one line: what it is, and how long the way is that leads to it."""
        (kind, sentence), schedule = failure, self._schedule(failure)
        ops = sum([ops for _name, ops in schedule])
        way = f"  ({max(0, len(schedule) - 1)} switches, {ops} ops)"
        cursor = Cell("> " if here else "  ", "cue")
        return cursor, Cell(kind, "error"), Cell(f" {sentence}"), Cell(way, "muted")
