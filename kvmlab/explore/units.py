"""Units of a search that any process can do: plain data in, plain data out.

A search is cut into cells by how far a few contexts, the pivots, have come. They never go back, so
that a state belongs to one cell, a cell is left for later ones only, and it is searched once, when
all that lead to it have been: nothing is shared, no state is counted twice, and a unit that was lost
with its process is simply done again. A unit is the scenario's text, from which the machine is
rebuilt, and a cell with the schedules that lead into it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from kvmlab.backends.model import Model
from kvmlab.engine.kernel.locks import Lockdep
from kvmlab.engine.kernel.workqueue import QUEUES
from kvmlab.explore.carrying import Carried, Carrier
from kvmlab.explore.judge import sanitizers
from kvmlab.explore.livelock import LIVELOCK, circles, settled
from kvmlab.explore.moves import Mover, by_section, op_by_op
from kvmlab.explore.properties import patterns
from kvmlab.explore.search import CAP, Judge, Move, Outcome, joined
from kvmlab.explore.world import State, World
from kvmlab.language.script import parse_script
from kvmlab.session import Session

PIVOTS = 3
"""As many contexts say in which cell a state is: with more, cells cost more to enter than to search."""

BLOCK = 4
"""As many ops of a call are one step further: with fewer, the same."""

DEEP = 1 << 32
"""More steps than a call has."""

LOOK = 1_000
"""States between two looks at whether a unit is to be stopped."""

MOVERS: dict[str, Callable[[World], Mover]] = {"plain": op_by_op, "section": by_section}
"""The reductions that need to know nothing of other states, and so can be searched in units."""

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
    """A cell, what leads into it, the lock order that is known, and how many states are enough."""

    scenario: Scenario
    pivots: tuple[str, ...]
    cell: Cell
    entries: tuple[Entry, ...]
    order: Order
    cap: int = CAP


@dataclass(slots=True)
class Found:
    """What a unit came to: its states and the moves from them, what is wrong, and where it was left.

    ``order`` is what lockdep knows then; ``backwards`` names a pivot that went back, "" if none did.
    """

    exhausted: bool = False
    states: int = 0
    transitions: int = 0
    ends: list[Schedule] = field(default_factory=list)
    failures: dict[tuple[str, str], Schedule] = field(default_factory=dict)
    exits: dict[Cell, list[Entry]] = field(default_factory=dict)
    order: Order = ()
    backwards: str = ""


def _never() -> bool:
    return False


def search(unit: Unit, stop: Callable[[], bool] = _never) -> Found:
    """Search a unit to its end, or until it is to stop."""
    return _Search(unit, stop).run()


def first(scenario: Scenario, cap: int = CAP, pivots: tuple[str, ...] | None = None) -> Unit:
    """Return the unit that a search begins with: the cell of the start, entered by no move."""
    world, _judge = rebuilt(scenario)
    world.go(world.start)
    pivots = pivots_of(world) if pivots is None else pivots
    return Unit(scenario, pivots, cell_of(world, pivots), (((), ()),), lockdep_of(world).order, cap)


@lru_cache(maxsize=1)
def rebuilt(scenario: Scenario) -> tuple[World, Judge]:
    """Return the world of a scenario and its judge; a process keeps those of the last one."""
    session = Session()
    for command in parse_script("\n".join(scenario.lines), "", session.scope, _read_nothing):
        if command.spec.unit or command.verb in session.handlers:
            session.execute(command)
    assert isinstance(session.backend, Model)
    return World(session.backend.machine, patterns(session.properties)), scenario.judging(session)


def _read_nothing(path: str, _by: str) -> tuple[str, bytes]:
    raise ValueError(f"'{path}' is to be put in place before")


def lockdep_of(world: World) -> Lockdep:
    """Return what knows the order of locks: it is no part of a state, and learns from every schedule."""
    lockdep = world.memory.objects["lockdep"]
    assert isinstance(lockdep, Lockdep)
    return lockdep


def pivots_of(world: World) -> tuple[str, ...]:
    """Return the contexts that say in which cell a state is: those with most calls to make."""
    contexts = world.contexts
    own = [name for name in world.names if name not in QUEUES and contexts.next_op(name)]
    return tuple(sorted(own, key=lambda name: (-len(contexts.get(name).calls), name))[:PIVOTS])


def cell_of(world: World, pivots: tuple[str, ...]) -> Cell:
    """Return how far the pivots have come: the calls that are behind them, and the ops of the present one."""
    ranks = []
    for name in pivots:
        context = world.contexts.get(name)
        begun = len(context.program) - len(context.calls)
        depth = context.at.depth if context.at is not None else DEEP
        ranks.append(begun * DEEP + min(depth // BLOCK, DEEP - 1))
    return tuple(ranks)


class _Search:
    """A search of one cell; ``outcome`` leads from every state in it back to the start."""

    def __init__(self, unit: Unit, stop: Callable[[], bool]) -> None:
        self.unit, self.stop = unit, stop
        self.world, self.judge = rebuilt(unit.scenario)
        self.move = MOVERS[unit.scenario.reduction](self.world)
        self.outcome = Outcome(unit.scenario.reduction)
        self.carrier = Carrier(self.world)
        self.entries: dict[State, Schedule] = {}
        self.found = Found()

    def run(self) -> Found:
        """Search the cell from all its entries."""
        found, lockdep = self.found, lockdep_of(self.world)
        lockdep.order = self.unit.order
        todo = self._enter()
        found.states = len(todo)
        while todo and found.states < self.unit.cap and not found.backwards and not self._is_over():
            todo += self._expand(todo.pop())
        found.exhausted = not todo and not found.backwards
        if found.exhausted:
            self._circles()
        found.order = lockdep.order
        return found

    def _circles(self) -> None:
        """Find every livelock: no circle leads out of its cell, which is left for later ones only."""
        for state in circles(self.outcome.edges):
            self.world.go(state)
            if (circle := settled(self.world)) is not None:
                schedule = tuple(joined((*self._schedule(state), *circle.round(state))))
                self.found.failures.setdefault((LIVELOCK, circle.text), schedule)

    def _is_over(self) -> bool:
        return self.found.transitions % LOOK == 0 and self.stop()

    def _enter(self) -> list[State]:
        """Return the states that the cell is entered in."""
        for schedule, carried in self.unit.entries:
            state = self.carrier.unpack(carried)
            self.outcome.parents[state] = None
            self.entries.setdefault(state, schedule)
        return list(self.entries)

    def _schedule(self, state: State) -> Schedule:
        entry, moves = self.outcome.way(state)
        return tuple(joined((*self.entries[entry], *moves)))

    def _expand(self, state: State) -> list[State]:
        """Make every move there is from a state; return the states of the cell that were not known."""
        world, found, parents = self.world, self.found, self.outcome.parents
        inside, led = list[State](), list[State]()
        world.go(state)
        names = world.movable()
        self._judge(state, not names)
        for number, name in enumerate(names):
            if number:
                world.go(state)
            ops = self.move(name)
            found.transitions += 1
            after = world.state()
            led.append(after)
            if after in parents:
                continue
            parents[after] = (state, (name, ops))
            if self._stays(after):
                inside.append(after)
        self.outcome.edges[state] = tuple(led)
        found.states += len(inside)
        return inside

    def _stays(self, after: State) -> bool:
        """Tell whether the world is still in the cell; where it has left it, remember how."""
        there = cell_of(self.world, self.unit.pivots)
        if there == self.unit.cell:
            return True
        for name, before, now in zip(self.unit.pivots, self.unit.cell, there, strict=True):
            if now < before:
                self.found.backwards = name
        self.found.exits.setdefault(there, []).append((self._schedule(after), self.carrier.pack(after)))
        return False

    def _judge(self, state: State, ended: bool) -> None:
        """Say what is wrong in the state that the world is in."""
        schedule = self._schedule(state) if ended else ()
        if ended:
            self.found.ends.append(schedule)
        for failure in self.judge(self.world, ended):
            if failure not in self.found.failures:
                self.found.failures[failure] = schedule or self._schedule(state)
