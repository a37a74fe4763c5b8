"""Every schedule of what stands ready: the search, plain, with critical sections fused, and reduced.

Fusion (Lipton): a move is acquisitions and what nobody else can see, at most one op that others can
see, then releases; it stops before an op that may have to wait, so that no deadlock is lost.
Reduction: where a context's next move shares nothing with all that others may still do, only that
context moves. Both go by what was learned (knowledge.py), and a search is repeated until it has
learned nothing new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

from kvmlab.engine.kernel.continuation import handle_of
from kvmlab.engine.kernel.path import Op, can_block
from kvmlab.engine.kernel.sanitizers import Report
from kvmlab.engine.kernel.workqueue import QUEUES, Workqueue
from kvmlab.explore.knowledge import Knowledge, Local, union
from kvmlab.explore.resources import ACQUIRES, DROPS, NOBODYS, RELEASES, SPECIAL, Access, Queued, reads
from kvmlab.explore.world import State, World

REDUCTIONS = ("plain", "fused", "reduced")
CAP = 500_000
"""States after which a search stops and says that it has not seen everything."""

PATIENCE = 500
"""A search that has learned something begins anew when so many more states have taught it nothing."""

PROGRESS = 2_000
"""States between two words of progress."""

Move = tuple[str, int]
"""A context and how many ops it ran."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search has come."""

    states: int
    transitions: int
    waiting: int
    round: int


@dataclass(slots=True)
class Outcome:
    """What a search has found.

    ``parents`` leads from each state back to the start: the state before and the move.
    """

    reduction: str
    exhausted: bool = False
    transitions: int = 0
    rounds: int = 0
    ends: list[State] = field(default_factory=list)
    parents: dict[State, tuple[State, Move] | None] = field(default_factory=dict)
    reports: dict[Report, State] = field(default_factory=dict)

    @property
    def states(self) -> int:
        """How many states there are."""
        return len(self.parents)

    def schedule(self, state: State) -> list[Move]:
        """Return the moves that lead to a state from the start, neighbours of one context joined."""
        moves: list[Move] = []
        step = self.parents[state]
        while step is not None:
            before, (name, ops) = step
            if moves and moves[-1][0] == name:
                moves[-1] = (name, moves[-1][1] + ops)
            else:
                moves.append((name, ops))
            step = self.parents[before]
        return moves[::-1]


class Search:
    """A search over a world. ``run`` is a generator of Progress; ``outcome`` is what it has found."""

    def __init__(self, world: World, reduction: str = "reduced", cap: int = CAP) -> None:
        self.world, self.reduction, self.cap = world, reduction, cap
        self.knowledge = Knowledge()
        self.outcome = Outcome(reduction)
        self._index = {name: world.index(handle_of(name)) for name in world.names}
        self._items: dict[tuple[tuple[int, ...], tuple[int, ...]], frozenset[Queued]] = {}
        self._queues = {name: world.index(queue) for name, queue in QUEUES.items()}

    def run(self) -> Iterator[Progress]:
        """Search until there is nothing new to learn, yielding progress now and then."""
        rounds = 0
        while True:
            rounds += 1
            self.knowledge.settle()
            self.outcome = Outcome(self.reduction, rounds=rounds)
            yield from self._round()
            if not self.knowledge.grown or self.reduction == "plain":
                return
            if self.outcome.states >= self.cap:
                return

    def _round(self) -> Iterator[Progress]:
        world, outcome = self.world, self.outcome
        outcome.parents[world.start] = None
        todo, news = [world.start], 0
        while todo:
            state = todo.pop()
            world.go(state)
            names = world.movable()
            if not names:
                outcome.ends.append(state)
            for number, name in enumerate(self._chosen(names)):
                if number:
                    world.go(state)
                ops = self._move(name)
                outcome.transitions += 1
                after = world.state()
                if after not in outcome.parents:
                    outcome.parents[after] = (state, (name, ops))
                    for report in world.memory.reports.made:
                        outcome.reports.setdefault(report, after)
                    todo.append(after)
                    if outcome.states % PROGRESS == 0:
                        yield Progress(outcome.states, outcome.transitions, len(todo), outcome.rounds)
                        if outcome.states >= self.cap:
                            return
            if self.knowledge.grown and self.reduction != "plain":
                if self.knowledge.fresh:
                    self.knowledge.fresh, news = False, outcome.states
                elif outcome.states > 2 * news + PATIENCE:
                    return
        outcome.exhausted = True

    # -- who moves -----------------------------------------------------------------------------

    def _chosen(self, names: list[str]) -> list[str]:
        """Return the contexts that have to be tried here: all, or some that the others cannot disturb.

        What the next move of each of them does must not clash with what any other may ever do.
        """
        if self.reduction != "reduced" or len(names) < 2:
            return names
        knowledge, everybody = self.knowledge, self.world.names
        futures = {name: self._future(name) for name in everybody}
        steps = {name: knowledge.step(self._local(name)) for name in everybody}
        best = names
        for seed in names:
            together, todo = {seed}, [seed]
            while todo and len(together) < len(everybody):
                step = steps[todo.pop()]
                for other in everybody:
                    if other not in together and any(knowledge.clash(step, f) for f in futures[other]):
                        together.add(other)
                        todo.append(other)
            chosen = [name for name in names if name in together]
            if len(chosen) < len(best):
                best = chosen
        return best

    def _future(self, name: str) -> tuple[int, ...]:
        """Return what a context may still do: of its own, and as a worker for what may be queued."""
        own = self.knowledge.future(self._local(name))
        if name not in self._queues:
            return (own,)
        return own, self.knowledge.works(QUEUES[name], self._queued())

    def _queued(self) -> frozenset[Queued]:
        """Return the items that wait in a queue, or that anybody may still put there."""
        knowledge = self.knowledge
        futures = tuple([knowledge.future(self._local(name)) for name in self.world.names])
        queues = tuple([self.world.number(index) for index in self._queues.values()])
        known = self._items.get((futures, queues))
        if known is None:
            found = set[Queued]().union(*[knowledge.access(future).queues for future in futures])
            for worker, index in self._queues.items():
                found.update([(QUEUES[worker], work) for work in self.world.value(index)[2]])
            known = self._items[futures, queues] = frozenset(found)
        return known

    def _local(self, name: str) -> Local:
        index = self._index[name]
        return index, self.world.number(index)

    # -- one move --------------------------------------------------------------------------------

    def _move(self, name: str) -> int:
        """Move a context as far as one step goes; return how many ops it ran."""
        if self.reduction == "plain":
            self.world.step(name)
            return 1
        world, ops, acted = self.world, 0, False
        start, done, clash = self._local(name), list[Access](), self.knowledge.clash
        others = self._others(name)
        op = world.next_op(name)
        while op is not None:
            if ops and can_block(op):
                break
            if op[0] in RELEASES:
                acted = True
            elif op[0] not in ACQUIRES and any(map(clash, repeat(self.knowledge.open(self._local(name))), others)):
                if acted and ops:
                    break
                acted = True
            ops += 1
            if not self._op(name, op, done):
                break
            if op[0] is Workqueue.queue_work:
                others = self._others(name)
            op = world.next_op(name)
        self.knowledge.learn_step(start, union(done))
        return ops

    def _op(self, name: str, op: Op, done: list[Access]) -> bool:
        """Run one op, and learn of it."""
        world, knowledge = self.world, self.knowledge
        here, held = self._local(name), frozenset(world.contexts.locks.held_by(name))
        moved = world.step(name)
        there = self._local(name)
        special = SPECIAL.get(op[0])
        if special is None:
            written = frozenset([handle for handle in world.written if handle not in NOBODYS])
            access = Access(reads(op), written - {handle_of(name)})
        else:
            access = special(op, name)
            if op[0] in DROPS and world.dropped_last(op):
                knowledge.end(access.writes)
        if op[0] is Workqueue.queue_work:
            access = access._replace(queues=frozenset({(op[1], op[2])}))
        elif op[0] is Workqueue.dequeue and here[1] != there[1]:
            knowledge.learn_item((op[1], world.running(op[1])), here, there)
        done.append(access)
        knowledge.learn(here, there, access, held)
        return moved

    def _others(self, name: str) -> list[int]:
        """Return what all other contexts may still do."""
        return [future for other in self.world.names if other != name for future in self._future(other)]
