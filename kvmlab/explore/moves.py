"""How far a context moves at a time: the atomicity of a search.

``op``: one op. ``fused`` (Lipton): acquisitions and what nobody else can see, at most one op that
others can see, then releases; it stops before an op that others may make wait, so that no deadlock
is lost, and finds what ``op`` finds. ``section``: to the next op that may have to wait, or the end
of the call; races inside a section are not seen, and a verdict says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat

from kvmlab.engine.kernel.continuation import handle_of
from kvmlab.engine.kernel.path import Op, can_block
from kvmlab.engine.kernel.workqueue import QUEUES, Workqueue
from kvmlab.explore.knowledge import Knowledge, Local, union
from kvmlab.explore.resources import (
    ACQUIRES,
    DROPS,
    NOBODYS,
    NONE,
    RELEASES,
    SEEN,
    SPECIAL,
    Access,
    Queued,
    meet,
    reads,
)
from kvmlab.explore.world import World

Mover = Callable[[str], int]
"""Moves a context that can move, and returns how many ops it ran."""


def op_by_op(world: World) -> Mover:
    """Return what moves a context by one op."""

    def move(name: str) -> int:
        world.step(name)
        return 1

    return move


def by_section(world: World) -> Mover:
    """Return what moves a context to the next op that may have to wait, or to the end of its call."""

    def move(name: str) -> int:
        context = world.contexts.get(name)
        ops = 0
        while True:
            ops += 1
            if not world.step(name) or context.at is None:
                return ops
            op = context.at.op(world.contexts.profile)
            if op is None or can_block(op):
                return ops

    return move


class Fused:
    """Moves contexts by fused steps, learns what they do, and tells what may be left out."""

    def __init__(self, world: World, seen: Sequence[str] = ()) -> None:
        self.world, self.knowledge = world, Knowledge()
        self._seen = frozenset(seen)
        # A judge that reads objects is one more context, which holds no lock and reads between any two ops.
        self._judges = [self.knowledge.number(Access(frozenset({SEEN}), NONE))] if seen else []
        if seen:
            self.knowledge.locks[SEEN] = NONE
        self._index = {name: world.index(handle_of(name)) for name in world.names}
        self._items: dict[tuple[tuple[int, ...], tuple[int, ...]], frozenset[Queued]] = {}
        self._queues = {name: world.index(queue) for name, queue in QUEUES.items()}

    def __call__(self, name: str) -> int:
        """Move a context as far as one step goes; return how many ops it ran."""
        world, ops, acted = self.world, 0, False
        start, done, clash = self._local(name), list[Access](), self.knowledge.clash
        others = self._others(name)
        op = world.next_op(name)
        while op is not None:
            seen = any(map(clash, repeat(self.knowledge.open(self._local(name))), others))
            if ops and (can_block(op) and (seen or world.blocked(name))):
                break
            if seen and op[0] in RELEASES:
                acted = True
            elif seen and op[0] not in ACQUIRES:
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
        if self._seen and meet(self._seen, world.written):
            access = access._replace(writes=access.writes | {SEEN})
        if op[0] is Workqueue.queue_work:
            access = access._replace(queues=frozenset({(op[1], op[2])}))
        elif op[0] is Workqueue.dequeue and here[1] != there[1]:
            knowledge.learn_item((op[1], world.running(op[1])), here, there)
        done.append(access)
        knowledge.learn(here, there, access, held)
        return moved

    def sufficient(self, names: list[str]) -> list[str]:
        """Return the contexts that have to be tried: all, or some that the others cannot disturb.

        What the next move of each of them does must not clash with what any other may ever do (a
        persistent set).
        """
        if len(names) < 2:
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

    def _others(self, name: str) -> list[int]:
        """Return what all other contexts may still do."""
        others = [future for other in self.world.names if other != name for future in self._future(other)]
        return others + self._judges

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
