"""A search that is fed by slices, and where it begins: at the machine of a session, which it leaves alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kvmlab.backends.model import Model
from kvmlab.explore.explorer import claimed, nothing_left_out
from kvmlab.explore.search import Progress, Search
from kvmlab.explore.start import Start
from kvmlab.explore.verdict import EXHAUSTED, STOPPED
from kvmlab.render.cells import Cell, Row, line
from kvmlab.snapshot import LastSnapshot
from kvmlab.tui.running import SLICE

if TYPE_CHECKING:
    from kvmlab.session import Session

EVERY = 1
"""States that are tried at a time: a slice ends as soon as its time is up."""

IDLE = "nothing stands ready: actors have to be given calls first (actor NAME: COMMAND; …)"


class Hunt:
    """A search that goes on between the frames; what it has found is kept where it is stopped.

    ``progress`` is what it said last, ``rate`` how many states a second the present round has seen.
    """

    def __init__(self, search: Search, clock: Callable[[], float] = time.perf_counter) -> None:
        self.search = search
        self.over = False
        self.progress = Progress(0, 0, 0, 1)
        self._slices = search.run()
        self._clock = clock
        self._ran = 0.0

    @property
    def rate(self) -> int:
        """States a second."""
        return round(self.search.outcome.states / self._ran) if self._ran else 0

    def slice(self) -> None:
        """Search for a slice."""
        begun = now = self._clock()
        while not self.over and now - begun < SLICE:
            progress = next(self._slices, None)
            now = self._clock()
            if progress is None:
                self.over = True
            elif progress.round == self.progress.round:
                self.progress = progress
            else:
                self.progress, self._ran, begun = progress, 0.0, now
        self._ran += now - begun

    def stop(self) -> None:
        """End the search where it is."""
        self.over = True


class Exploration:
    """A hunt from where a session stands now; ``why_not`` says why there is nothing to search."""

    def __init__(self, session: Session) -> None:
        self._session, self._backend = session, session.backend
        self._position, self._unit = session.history.position, session.history.at(session.history.position)
        self._properties = tuple(session.properties)
        self._led: tuple[str, ...] = ()
        self.why_not = ""
        self._told = False
        if not isinstance(session.backend, Model):
            self.why_not = "only the model can be explored: 'machine kernel=linux-6.x' makes one"
            return
        self._manual = session.backend.machine.contexts.manual
        last = LastSnapshot(*session.last)
        world, judge, claims = claimed(Start.of(session), session.properties, last)
        reduction = "plain" if nothing_left_out(session.properties) else "reduced"
        self.hunt = Hunt(Search(world, judge, reduction, seen=claims.patterns, every=EVERY))
        if world.ended:
            self.why_not = IDLE

    def still_holds(self) -> bool:
        """Tell whether another search would see the same.

        That is where the session has the same properties and stands where this one began, or on the
        way from there to the failure that was opened last.
        """
        session, history = self._session, self._session.history
        begun = self._position - history.first
        since = tuple([unit.text for unit in history.units[max(0, begun) : history.position - history.first]])
        return (
            session.backend is self._backend
            and history.at(self._position) is self._unit
            and history.position >= self._position
            and since == self._led[: len(since)]
            and tuple(session.properties) == self._properties
        )

    def commands(self, steps: list[str]) -> list[str]:
        """Return the commands that go back to where the search began, and then the steps."""
        history = self._session.history
        back = [f"goto {self._position}"] if history.position != self._position else []
        on = [*([] if self._manual else ["manual"]), *steps]
        self._led = tuple(on)
        return [*back, *on]

    def ended(self, keep: Callable[[], None]) -> tuple[Row, ...]:
        """Hand what was found to `replay` and to the lab that is open; return what there is to say of it.

        ``keep`` is called for a search that came to its end in a lab: it belongs to the way there.
        """
        from kvmlab.course.goals import Searched  # only who has searched pays for it
        from kvmlab.course.player import Player

        if self._told:
            return (self._verdict(),)
        self._told = True
        session, outcome = self._session, self.hunt.search.outcome
        session.found = tuple(map(outcome.shown, outcome.failures))
        if not isinstance(session.watcher, Player):
            return (self._verdict(),)
        if outcome.exhausted:
            keep()
        kinds = frozenset(kind for kind, _text in outcome.failures)
        extent = EXHAUSTED if outcome.exhausted else STOPPED
        told = session.watcher.explored_aside(Searched(kinds, extent, "op", outcome.transitions))
        return (self._verdict(), *told)

    def _verdict(self) -> Row:
        """Return how far the search came, and what is wrong."""
        outcome = self.hunt.search.outcome
        count = len(outcome.failures)
        extent = "every schedule was tried" if outcome.exhausted else "not every schedule was tried"
        wrong = f"{count} failure{'s' * (count > 1)}" if count else "nothing was seen to go wrong"
        style = "error" if count else "ok" if outcome.exhausted else "warning"
        return line(f"{extent}, {outcome.states:,} states: ", Cell(wrong, style))
