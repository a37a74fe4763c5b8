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

from kvmlab.engine.kernel.continuation import handle_of
from kvmlab.engine.kernel.path import Op, can_block
from kvmlab.engine.kernel.sanitizers import Report
from kvmlab.explore.knowledge import Knowledge, Local
from kvmlab.explore.resources import ACQUIRES, DROPS, NOBODYS, RELEASES, SPECIAL, Access, reads
from kvmlab.explore.world import State, World

REDUCTIONS = ("plain", "fused", "reduced")
CAP = 500_000
"""States after which a search stops and says that it has not seen everything."""

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
        self.trail: list[Access] = []
        self._index = {name: world.index(handle_of(name)) for name in world.names}

    def run(self) -> Iterator[Progress]:
        """Search until there is nothing new to learn, yielding progress now and then."""
        rounds = 0
        while True:
            rounds += 1
            self.knowledge.settle()
            self.outcome = Outcome(self.reduction, rounds=rounds)
            yield from self._round()
            if not self.knowledge.grown or self.reduction == "plain" or not self.outcome.exhausted:
                return

    def _round(self) -> Iterator[Progress]:
        world, outcome = self.world, self.outcome
        outcome.parents[world.start] = None
        todo = [world.start]
        while todo:
            state = todo.pop()
            world.go(state)
            names = world.movable()
            if not names:
                outcome.ends.append(state)
            for name in self._chosen(names, state):
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
        outcome.exhausted = True

    def _chosen(self, names: list[str], state: State) -> list[str]:
        """Return the contexts that have to be tried here: all, or one that concerns nobody else."""
        if self.reduction != "reduced" or len(names) < 2:
            return names
        for name in names:
            self.world.go(state)
            others = [self._local(other) for other in self.world.names if other != name]
            reads, writes = set[str](), set[str]()
            for access in self._trail(name):
                reads |= access.reads
                writes |= access.writes
            touched = Access(frozenset(reads), frozenset(writes))
            if not any(self.knowledge.clash(touched, self.knowledge.future(other)) for other in others):
                return [name]
        return names

    def _trail(self, name: str) -> list[Access]:
        """Make a context's move and return what its ops may do."""
        self.trail = []
        self._move(name)
        return self.trail

    def _local(self, name: str) -> Local:
        index = self._index[name]
        return index, self.world.number(index)

    def _move(self, name: str) -> int:
        """Move a context as far as one step goes; return how many ops it ran."""
        world, ops = self.world, 0
        acted = False
        op = world.next_op(name)
        while op is not None:
            if ops and (can_block(op) or op[0] in ACQUIRES):
                break
            if op[0] in RELEASES:
                acted = True
            elif op[0] not in ACQUIRES and not self._unseen(name):
                if acted and ops:
                    break
                acted = True
            if not self._op(name, op):
                return ops + 1
            ops += 1
            if self.reduction == "plain":
                break
            op = world.next_op(name)
        return ops

    def _op(self, name: str, op: Op) -> bool:
        """Run one op, and learn of it."""
        world, knowledge = self.world, self.knowledge
        if self.reduction == "plain":
            return world.step(name)
        here, held = self._local(name), frozenset(world.contexts.locks.held_by(name))
        self.trail.append(knowledge.next(here))
        moved = world.step(name)
        special = SPECIAL.get(op[0])
        if special is None:
            written = frozenset([handle for handle in world.written if handle not in NOBODYS])
            access = Access(reads(op), written - {handle_of(name)})
        else:
            access = special(op, name)
            if op[0] in DROPS and world.dropped_last(op):
                for resource in access.writes:
                    knowledge.end(resource)
        knowledge.learn(here, self._local(name), access, held)
        return moved

    def _unseen(self, name: str) -> bool:
        """Tell whether nobody else can see what the next op does: by a lock held, or as nobody looks."""
        if self.reduction == "plain":
            return False
        held = self.world.contexts.locks.held_by(name)
        knowledge = self.knowledge
        access = knowledge.next(self._local(name))
        open_ = Access(
            frozenset([r for r in access.reads if not knowledge.guards(r).intersection(held)]),
            frozenset([r for r in access.writes if not knowledge.guards(r).intersection(held)]),
        )
        if not (open_.reads or open_.writes):
            return True
        others = [self._local(other) for other in self.world.names if other != name]
        return not any(knowledge.clash(open_, knowledge.future(other)) for other in others)
