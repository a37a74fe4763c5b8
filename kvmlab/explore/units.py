"""Units of a search that any process can do: plain data in, plain data out.

A search is cut into cells by how far a few contexts, the pivots, have come. They never go back, so
that a state belongs to one cell, a cell is left for later ones only, and it is searched once, when
all that lead to it have been: nothing is shared, no state is counted twice, and a unit that was lost
with its process is simply done again. A unit is the scenario's text, from which the machine is
rebuilt, and a cell with the schedules that lead into it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from kvmlab.backends.model import Model
from kvmlab.engine.kernel.continuation import handle_of
from kvmlab.engine.kernel.workqueue import QUEUES
from kvmlab.explore.carrying import Carried, Carrier
from kvmlab.explore.judge import sanitizers
from kvmlab.explore.lore import NOTHING_LEARNED, Lore, learn, told
from kvmlab.explore.moves import Fused
from kvmlab.explore.numbering import LOCKDEP
from kvmlab.explore.properties import patterns
from kvmlab.explore.search import CAP, Judge, Move, Search, joined
from kvmlab.explore.world import State, World
from kvmlab.language.script import parse_script
from kvmlab.session import Session

PIVOTS = 3
"""As many contexts say in which cell a state is: with more, cells cost more to enter than to search."""

BLOCK = {"plain": 4, "section": 4, "fused": 16, "reduced": 16}
"""By reduction, as many ops of a call are one step further: with fewer, the same."""

DEEP = 1 << 32
"""More steps than a call has."""

LOOK = 1_000
"""States between two looks at whether a unit is to be stopped."""

Schedule = tuple[Move, ...]
"""The moves from the start to a state."""

Entry = tuple[Schedule, Carried]
"""A schedule, and the state that it leads to: who trusts the state need not step along the schedule."""

Cell = tuple[int, ...]
"""How far each pivot has come."""

Order = tuple[tuple[str, str], ...]
"""Pairs of classes of locks, the outer one first, as lockdep has them."""


def sanitizing(_session: Session) -> Judge:
    """Return what reports only what sanitizers report."""
    return sanitizers


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is searched: commands that end where every context stands ready, how far one moves, who judges.

    ``judging`` makes the judge of a session that has run the lines; it is a function of a module, so
    that it can be named to another process.
    """

    lines: tuple[str, ...]
    reduction: str = "plain"
    judging: Callable[[Session], Judge] = sanitizing


@dataclass(frozen=True, slots=True)
class Unit:
    """A cell, what leads into it, the lock order that is known, how many states are enough, the lore."""

    scenario: Scenario
    pivots: tuple[str, ...]
    cell: Cell
    entries: tuple[Entry, ...]
    order: Order
    cap: int = CAP
    lore: Lore = NOTHING_LEARNED


@dataclass(slots=True)
class Found:
    """What a unit came to: its states and the moves from them, what is wrong, and where it was left.

    ``order`` is every order of locks that the process has seen; ``backwards`` names a pivot that went
    back, "" if none did. ``learned`` is all that was known at the end, where any of it was new.
    """

    exhausted: bool = False
    states: int = 0
    transitions: int = 0
    ends: list[Schedule] = field(default_factory=list)
    failures: dict[tuple[str, str], Schedule] = field(default_factory=dict)
    exits: dict[Cell, list[Entry]] = field(default_factory=dict)
    order: Order = ()
    backwards: str = ""
    learned: Lore | None = None


def _never() -> bool:
    return False


def search(unit: Unit, stop: Callable[[], bool] = _never) -> Found:
    """Search a unit to its end, or until it is to stop."""
    return _Search(unit, stop).run_whole()


def first(scenario: Scenario, cap: int = CAP, pivots: tuple[str, ...] | None = None) -> Unit:
    """Return the unit that a search begins with: the cell of the start, entered by no move."""
    world, _judge, _seen = rebuilt(scenario)
    world.go(world.start)
    pivots = pivots_of(world) if pivots is None else pivots
    unit = Unit(scenario, pivots, (), (((), ()),), world.first[LOCKDEP][2], cap)
    return replace(unit, cell=cell_of(world, unit))


@lru_cache(maxsize=1)
def rebuilt(scenario: Scenario) -> tuple[World, Judge, tuple[str, ...]]:
    """Return the world of a scenario, its judge, what that reads; a process keeps those of the last one."""
    session = Session()
    for command in parse_script("\n".join(scenario.lines), "", session.scope, _read_nothing):
        if command.spec.unit or command.verb in session.handlers:
            session.execute(command)
    assert isinstance(session.backend, Model)
    seen = patterns(session.properties)
    return World(session.backend.machine, seen), scenario.judging(session), seen


def _read_nothing(path: str, _by: str) -> tuple[str, bytes]:
    raise ValueError(f"'{path}' is to be put in place before")


def pivots_of(world: World) -> tuple[str, ...]:
    """Return the contexts that say in which cell a state is: those with most calls to make."""
    contexts = world.contexts
    own = [name for name in world.names if name not in QUEUES and contexts.next_op(name)]
    return tuple(sorted(own, key=lambda name: (-len(contexts.get(name).calls), name))[:PIVOTS])


def cell_of(world: World, unit: Unit) -> Cell:
    """Return how far the pivots have come: the calls that are behind them, and the ops of the present one."""
    ranks, block = [], BLOCK[unit.scenario.reduction]
    for name in unit.pivots:
        handle, at = handle_of(name), world.pending(name).at
        begun = len(world.field(handle, "program")) - len(world.field(handle, "calls"))
        depth = at.depth if at is not None else DEEP
        ranks.append(begun * DEEP + min(depth // block, DEEP - 1))
    return tuple(ranks)


@lru_cache(maxsize=1)
def _informed(scenario: Scenario, lore: Lore) -> Fused:
    """Return what moves the contexts of a scenario by what is known; it is kept as long as nothing is new."""
    world, _judge, seen = rebuilt(scenario)
    fused = Fused(world, seen)
    learn(fused.knowledge, Carrier(world), lore)
    fused.begin()
    return fused


class _Search(Search):
    """A search of one cell; ``outcome`` leads from every state in it back to one that it is entered in."""

    def __init__(self, unit: Unit, stop: Callable[[], bool]) -> None:
        world, judge, seen = rebuilt(unit.scenario)
        super().__init__(world, judge, unit.scenario.reduction, unit.cap, seen=seen, exchange=False)
        if self.fused is not None:
            self.fused = _informed(unit.scenario, unit.lore)
            self.move = self.fused
        self.unit, self.stop = unit, stop
        self.carrier = Carrier(world)
        self.entries: dict[State, Schedule] = {}
        self.found = Found()

    def run_whole(self) -> Found:
        """Search the cell from all its entries."""
        found, outcome, world = self.found, self.outcome, self.world
        world.begin(self.unit.order)
        self._enter()
        while self._has_more():
            self.waiting += self._expand(self.waiting.pop())
        if found.exhausted:
            for _progress in self._circles():
                pass
        found.order, found.transitions = tuple(sorted(world.pairs)), outcome.transitions
        found.ends = [self._schedule(state) for state in outcome.ends]
        for failure, state in outcome.failures.items():
            again = outcome.again.get(failure, ())
            found.failures[failure] = tuple(joined((*self._schedule(state), *again)))
        if self.fused is not None and self.fused.knowledge.grown:
            found.learned = told(self.fused.knowledge, self.carrier)
            _informed.cache_clear()
        return found

    def _has_more(self) -> bool:
        """Tell whether there is anything to go through, and no reason not to."""
        if self.found.states >= self.unit.cap or self.found.backwards:
            return False
        if self.outcome.transitions % LOOK == 0 and self.stop():
            return False
        # No circle leads out of its cell, which is left for later ones only.
        self.found.exhausted = not self.waiting and not self._turns()
        return not self.found.exhausted

    def _enter(self) -> None:
        """Be told of the states that the cell is entered in."""
        for schedule, carried in self.unit.entries:
            state = self.carrier.unpack(carried)
            if state not in self.entries:
                self.entries[state] = schedule
                self.outcome.parents[state] = None
                self.waiting.append(state)
                self.world.go(state)
                self._judge(state)
        self.found.states = len(self.entries)

    def _schedule(self, state: State) -> Schedule:
        entry, moves = self.outcome.way(state)
        return tuple(joined((*self.entries[entry], *moves)))

    def _is_mine(self, state: State) -> bool:
        """Tell whether the world is still in the cell; where it has left it, remember how."""
        there = cell_of(self.world, self.unit)
        if there == self.unit.cell:
            self.found.states += 1
            return True
        for name, before, now in zip(self.unit.pivots, self.unit.cell, there, strict=True):
            if now < before:
                self.found.backwards = name
        self.found.exits.setdefault(there, []).append((self._schedule(state), self.carrier.pack(state)))
        return False
