"""Livelock: somebody can always go on, and nobody will ever come to an end.

A state is in a livelock if no way from it leads to an end, that is to a state in which nobody can
move: a strongly connected component of the graph which is never left. A circle that can be left is
none: a schedule that goes round in it for ever is unfair to whoever would lead out of it.

A reduced search knows such a state as the plain one does. Persistent sets leave every end that a
state leads to (Godefroid), and where each state of the reduced graph leads to an end each state of
the whole graph does (Valmari, "Stop It, and Be Stubborn!"): what is tried first commutes with what is
put off, so that the same end is still ahead of it. That needs every move that was made to be in
the graph, which sleep sets would not leave there. As no state of a circle puts everything off that
leads elsewhere, each component of the whole graph that is never left has one of the reduced graph in
it. It is gone through once more, op by op and with nothing left out, before anything is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kvmlab.engine.kernel.continuation import handle_of, path_of
from kvmlab.engine.kernel.path import describe
from kvmlab.engine.kernel.workqueue import QUEUES, Work
from kvmlab.explore.graph import Edges, trapped, unleft
from kvmlab.explore.world import State, World

LIVELOCK = "livelock"
"""The kind of failure."""

AHEAD = 20_000
"""As many states are gone through to settle one: beyond that it is told that it was not settled."""

UNSETTLED = (
    f"nobody was seen to come to an end from here on; not settled: more than {AHEAD:,} states lie ahead"
)
"""What is said of one that is too large."""

Failure = tuple[str, str]
"""What is wrong, as (kind, sentence)."""


class Step(NamedTuple):
    """One op: who ran it, in which call or item of work ("" between two), what it was, where it led."""

    name: str
    call: str
    op: str
    after: State


@dataclass(frozen=True, slots=True)
class Circle:
    """What is said of states that are never left, and every op in each of them; none where not settled."""

    text: str
    steps: dict[State, tuple[Step, ...]]

    def round(self, start: State) -> list[tuple[str, int]]:
        """Return moves from a state of the circle back to it, in which everybody moves who goes round."""
        moves, here = list[tuple[str, int]](), start
        missing = {step.name for steps in self.steps.values() for step in steps}
        while missing:
            way = self._way(here, lambda step: step.name in missing)
            here = way[-1].after
            moves += [(step.name, 1) for step in way]
            missing.difference_update([step.name for step in way])
        if here != start:
            moves += [(step.name, 1) for step in self._way(here, lambda step: step.after == start)]
        return moves

    def _way(self, start: State, last: Callable[[Step], bool]) -> list[Step]:
        """Return the fewest ops from a state of the circle to one that is looked for, and that one."""
        came: dict[State, list[Step]] = {start: []}
        todo = deque([start])
        while True:
            state = todo.popleft()
            for step in self.steps[state]:
                way = [*came[state], step]
                if last(step):
                    return way
                if step.after not in came:
                    came[step.after] = way
                    todo.append(step.after)


def circles(edges: Edges[State]) -> Iterator[State]:
    """Yield a state of each component that is never left, of a graph that was gone through whole."""
    for component in unleft(edges, trapped(edges)):
        yield min(component)


def settled(world: World) -> Circle | None:
    """Return the circle that is ahead of the state which a world is in; None where an end is.

    It is gone through op by op, and the world comes back to where it was.
    """
    start = world.state()
    steps: dict[State, tuple[Step, ...]] = {}
    todo = [start]
    while todo and len(steps) <= AHEAD:
        state = todo.pop()
        if state not in steps:
            world.go(state)
            steps[state] = tuple(_steps(world, state))
            if not steps[state]:
                break
            todo += [step.after for step in steps[state]]
    found = None
    if all(steps.values()):
        found = Circle(UNSETTLED, {}) if todo else _innermost(world, steps, start)
    world.go(start)
    return found


def _steps(world: World, state: State) -> Iterator[Step]:
    """Run each op that can be run in a state."""
    for name in world.movable():
        world.go(state)
        op, call = world.next_op(name), _call(world, name)
        assert op is not None
        world.step(name)
        yield Step(name, call, describe(op), world.state())


def _call(world: World, name: str) -> str:
    """Return what a context is about: its call by name, a worker's item with what it is for."""
    if name in QUEUES:
        running: Work | None = world.field(QUEUES[name], "running")
        return f"{running[0]}({running[1]})" if running else ""
    at = world.pending(name).at
    return path_of(at.call if at is not None else world.field(handle_of(name), "calls")[0])


def members(
    world: World, ways: Sequence[tuple[Failure, Iterable[tuple[str, int]]]]
) -> dict[State, tuple[Failure, Circle]]:
    """Return the states of a world in which livelocks are, by schedules that each lead into one."""
    found: dict[State, tuple[Failure, Circle]] = {}
    world.outdated = True
    while world.outdated:
        world.begin()
        found.clear()
        for failure, moves in ways:
            world.go(world.start)
            for name, ops in moves:
                for _ in range(ops):
                    world.step(name)
            circle = settled(world)
            if circle is not None:
                found |= dict.fromkeys(circle.steps, (failure, circle))
    return found


def _innermost(world: World, steps: dict[State, tuple[Step, ...]], start: State) -> Circle:
    """Return what is never left of the states that all lead to no end."""
    edges = {state: tuple([step.after for step in those]) for state, those in steps.items()}
    inside = next(unleft(edges, [start]))
    world.go(inside[0])
    return _told(world, {state: steps[state] for state in inside})


def _told(world: World, steps: dict[State, tuple[Step, ...]]) -> Circle:
    """Say of a circle that a world is in who goes round, what each of them does, and who waits for ever."""
    ran: dict[str, set[tuple[str, str]]] = {}
    for those in steps.values():
        for step in those:
            ran.setdefault(step.name, set()).add((step.call, step.op))
    parts = [f"{name} goes round for ever: {_repeated(ops)}" for name, ops in ran.items()]
    waiting = [name for name in world.names if name not in ran and _in_a_call(world, name)]
    parts += [f"{name} waits for ever" for name in waiting]
    return Circle(in_order((LIVELOCK, "; ".join(parts))), steps)


def _in_a_call(world: World, name: str) -> bool:
    """Tell whether a context stands in a call, and has not stopped."""
    ahead = world.pending(name)
    return ahead.at is not None and ahead.op is not None


def in_order(failure: Failure) -> str:
    """Return the sentence of a failure; of a livelock those that go round are named in one order."""
    kind, text = failure
    return "; ".join(sorted(text.split("; "))) if kind == LIVELOCK else text


def _repeated(ops: set[tuple[str, str]]) -> str:
    """Name the calls that somebody makes again and again, and say how many ops that is."""
    calls = sorted({call for call, _op in ops if call})
    many = f"{len(ops)} different ops" if len(ops) > 1 else "one op"
    return f"{many} of {' and '.join(calls)}"
