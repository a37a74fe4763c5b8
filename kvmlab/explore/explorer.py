"""One exploration from start to report: the search, what is done beyond a cap, the shortest schedules."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from kvmlab.engine.kernel.memory import QUARANTINE
from kvmlab.engine.kernel.path import describe
from kvmlab.explore.bounded import BOUNDS, WALKS, Walks
from kvmlab.explore.jobs import Shared, Sharing
from kvmlab.explore.livelock import LIVELOCK, settled
from kvmlab.explore.moves import Mover, by_section, op_by_op
from kvmlab.explore.properties import TOLD_BY_LOCKS, Claims, families, judge_of, patterns
from kvmlab.explore.schedule import proof
from kvmlab.explore.search import Judge, Move, Progress, Search
from kvmlab.explore.shortest import NEAR, Cheapest, Failure, Nearest, preemptions
from kvmlab.explore.start import Start, comparable
from kvmlab.explore.verdict import BOUNDED, CAPPED, EXHAUSTED, STOPPED, Asked, Example, Report, Run, Verdict
from kvmlab.explore.world import World
from kvmlab.result import Property
from kvmlab.snapshot import LastSnapshot

SLICE = 20
"""States between two words of progress: what a screen can wait for without being noticed."""

OVERFULL = (
    f"more than {QUARANTINE} objects were freed: of those that were freed long ago some schedules know"
    " more than others, and not all of that was tried"
)
"""What a verdict says where the order of frees would matter."""

RINGED = "locks were taken in both orders, which no worker sees whole, so that nothing is left out"
"""What a verdict says of a search in units that one process would reduce."""

UNSOUGHT = "livelock was not looked for: that takes every schedule"
"""What a verdict says of a search that is not exhausted."""


def claimed(
    start: Start, properties: Sequence[Property], last: LastSnapshot | None
) -> tuple[World, Judge, Claims]:
    """Return a world of its own, what judges it, and what the properties say of it."""
    world = World(start.machine(), patterns(properties))
    claims = Claims(world, properties, last)
    return world, judge_of(claims), claims


def nothing_left_out(properties: Sequence[Property]) -> bool:
    """Tell whether a property reads what no reduction takes for something to be seen."""
    return any(TOLD_BY_LOCKS in families(each) for each in properties)


class _Played(NamedTuple):
    """A schedule that was run again: in words, its end, what shows the failure there, what was different."""

    runs: tuple[Run, ...]
    end: object
    proof: tuple[str, ...]
    impure: str


class Explorer:
    """Explores what stands ready. ``run`` may be left at any time: ``report`` has what was found so far."""

    def __init__(
        self,
        start: Start,
        asked: Asked,
        properties: Sequence[Property],
        last: LastSnapshot | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        self.start, self.asked, self._last, self.sharing = start, asked, last, sharing
        self.properties = properties
        self._begun = time.monotonic()
        self.found: dict[Failure, list[Move]] = {}
        """What was found so far, and a schedule to each."""
        self._best: dict[Failure, list[Move]] = {}
        self.walk: tuple[int, Cheapest] | None = None
        """A bound, and the walk through what is within it, while that goes on."""
        self.resumed: tuple[int, Callable[[Cheapest], None]] | None = None
        """A bound, and what puts its walk where it was stopped once; those below were seen whole."""
        self.doing = "searching"
        """What it is at, for a person who waits."""
        self.things, self.most = "states", asked.cap
        """What its progress counts, and how many there are at most."""
        world, judge, claims = claimed(start, properties, last)
        reads_reports = nothing_left_out(properties)
        if reads_reports and asked.moves != "section":
            self.asked = asked = replace(asked, reduction="plain")
        self.search = Search(world, judge, asked.moves, asked.cap, seen=claims.patterns, every=SLICE)
        verdict = Verdict.of(asked, start.profile)
        if reads_reports:
            verdict = verdict.noting("a property reads reports, so nothing is left out")
        for each in claims.unseen:
            verdict = verdict.noting(
                f"not checked: {each.command.text}: what was traced is no part of a state"
            )
        if self.search.symmetry and asked.bound is None and sharing is None:
            verdict = verdict.noting(
                *[
                    f"interchangeable, so that it is all one who is who: {names}"
                    for names in self.search.symmetry.names
                ]
            )
        self.verdict = verdict

    def _fresh(self) -> tuple[World, Judge, Mover]:
        """Return a world of its own, its judge, and what moves it at the atomicity asked for."""
        world, judge, _claims = claimed(self.start, self.properties, self._last)
        move = by_section(world) if self.asked.atomicity == "section" else op_by_op(world)
        return world, judge, move

    # -- searching ----------------------------------------------------------------------------

    def run(self) -> Iterator[Progress]:
        """Search as asked, then look for the shortest schedules; yields progress."""
        if self.asked.bound is None:
            yield from self._all()
        else:
            yield from self._bounded((self.asked.bound,), BOUNDED)
        yield from self._shorten()

    def went_on(self, found: dict[Failure, list[Move]], seconds: float) -> None:
        """Take over what was found, in how many seconds, before this exploration was stopped once."""
        self.found |= found
        self._begun -= seconds

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self._begun

    def _shared(self, sharing: Sharing) -> Iterator[Progress]:
        """Have workers search; they try no luck beyond the cap."""
        for progress in sharing.run():
            self._take_over(sharing.outcome)
            yield progress
        self._take_over(sharing.outcome)
        short = CAPPED if sharing.capped else STOPPED
        self.verdict = replace(self.verdict, extent=EXHAUSTED if sharing.outcome.exhausted else short)
        if sharing.outcome.reduction != self.asked.moves:
            self.verdict = replace(self.verdict, reduction=sharing.outcome.reduction).noting(RINGED)
        if sharing.outcome.why:
            self.verdict = self.verdict.noting(sharing.outcome.why)

    def _take_over(self, shared: Shared) -> None:
        for failure, schedule in shared.failures.items():
            self.found.setdefault(failure, list(schedule))
        self.verdict = replace(
            self.verdict, states=shared.states, transitions=shared.transitions, rounds=shared.rounds
        )

    def _all(self) -> Iterator[Progress]:
        if self.sharing is not None:
            yield from self._shared(self.sharing)
            return
        if not self.search.outcome.exhausted:
            for progress in self.search.run():
                self._gather()
                self.search.world.machine.trace.clear()
                yield progress
        self._gather()
        if self.search.outcome.exhausted:
            self.verdict = replace(self.verdict, extent=EXHAUSTED)
            return
        self.verdict = replace(self.verdict, extent=CAPPED)
        yield from self._bounded(BOUNDS, CAPPED)
        yield from self._walk()

    def _gather(self) -> None:
        """Take over what the search has come to so far."""
        outcome = self.search.outcome
        for failure in outcome.failures:
            if failure not in self.found:
                self.found[failure] = outcome.shown(failure)
        self.verdict = replace(
            self.verdict, states=outcome.states, transitions=outcome.transitions, rounds=outcome.rounds
        )

    def _bounded(self, bounds: Sequence[int], extent: str) -> Iterator[Progress]:
        for bound in bounds:
            if self.resumed is not None and bound < self.resumed[0]:
                self.verdict = replace(self.verdict, extent=extent, bound=bound)
                continue
            self.doing = f"at most {bound} preemptions"
            walk = self._walk_within(bound)
            self.walk = bound, walk
            try:
                yield from self._through(walk, self.found)
            finally:
                if self.asked.bound is not None:
                    self.verdict = replace(self.verdict, states=walk.states, transitions=walk.transitions)
            self.walk = None
            if not walk.exhausted:
                self.verdict = replace(self.verdict, extent=CAPPED)
                return
            self.verdict = replace(self.verdict, extent=extent, bound=bound)

    def _walk_within(self, bound: int) -> Cheapest:
        world, judge, move = self._fresh()
        walk = Cheapest(world, judge, move, preemptions, cap=self.asked.cap, most=bound)
        if self.resumed is not None and self.resumed[0] == bound:
            self.resumed[1](walk)
        return walk

    def _walk(self) -> Iterator[Progress]:
        self.doing, self.things, self.most = "trying luck", "random schedules", WALKS
        world, judge, move = self._fresh()
        walks = Walks(world, judge, move, self.asked.seed)
        yield from self._through(walks, self.found)
        self.verdict = replace(self.verdict, walks=walks.walks)

    def _through(self, walk: Cheapest | Walks, into: dict[Failure, list[Move]]) -> Iterator[Progress]:
        """Go through a walk; what it finds is kept wherever it is left."""
        try:
            for progress in walk.run():
                walk.world.machine.trace.clear()
                _keep(walk, into)
                yield progress
        finally:
            _keep(walk, into)

    def _shorten(self) -> Iterator[Progress]:
        """Look for the schedules with the fewest switches, all of them at once."""
        if not self.found:
            return
        self.doing, self.things, self.most = "looking for the shortest schedules", "states", NEAR
        walk = Nearest(*self._fresh(), self.found, list(self._circles()))
        yield from self._through(walk, self._best)

    def _circles(self) -> Iterator[tuple[Failure, Sequence[Move]]]:
        """Yield a schedule into each circle that is known, with the livelock that it is."""
        outcome = self.search.outcome
        for failure, moves in self.found.items():
            if failure[0] == LIVELOCK:
                yield failure, moves
                for state in outcome.circles.get(failure, ()):
                    yield failure, outcome.schedule(state)

    # -- the report ---------------------------------------------------------------------------

    def report(self) -> Report:
        """Return what was found and how much was looked at, also where ``run`` was left before its end."""
        self._gather_stopped()
        examples = tuple(self._example(failure) for failure in self.found)
        if self.search.world.overfull:
            self.verdict = self.verdict.noting(OVERFULL)
        if self.verdict.extent != EXHAUSTED:
            self.verdict = self.verdict.noting(UNSOUGHT)
        return Report(replace(self.verdict, seconds=self.seconds), examples)

    def _gather_stopped(self) -> None:
        if self.verdict.extent == STOPPED and self.asked.bound is None and self.sharing is None:
            self._gather()

    def _example(self, failure: Failure) -> Example:
        """Run a schedule twice, each time in a machine of its own, and put it into words."""
        moves, shortest = self._best.get(failure) or self.found[failure], failure in self._best
        if failure[0] == LIVELOCK:
            # Of exchanged contexts, and of units, one circle of those alike is known, not all.
            shortest &= failure in self.search.outcome.circles and self.search.symmetry is None
        once, twice = self._played(failure, moves), self._played(failure, moves)
        impure = once.impure or twice.impure
        if not impure and once.end != twice.end:
            impure = "run twice, it ends in two different states: a path is no function of what it received"
        return Example(*failure, tuple(moves), once.runs, once.proof, shortest, impure)

    def _played(self, failure: Failure, moves: Sequence[Move]) -> _Played:
        world, judge, _move = self._fresh()
        runs = list[Run]()
        for name, count in moves:
            ops = []
            for _ in range(count):
                op = world.next_op(name)
                if op is None or world.blocked(name):
                    return _Played(tuple(runs), None, (), f"run again, {name} cannot move where it could")
                ops.append(describe(op))
                world.step(name)
            runs.append(Run(name, tuple(ops)))
        end = comparable(world)
        found = judge(world, world.ended)
        if failure[0] == LIVELOCK and (circle := settled(world)) is not None:
            found.append((LIVELOCK, circle.text))
        impure = "" if failure in found else "run again, it does not show what it showed"
        return _Played(tuple(runs), end, proof(world, failure), impure)


def _keep(walk: Cheapest | Walks, into: dict[Failure, list[Move]]) -> None:
    for failure, moves in walk.found.items():
        into.setdefault(failure, moves)
