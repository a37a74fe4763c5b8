"""How far a context moves at a time: the atomicity of a search.

``op``: one op. ``fused`` (Lipton): acquisitions and what nobody else can see, at most one op that
others can see, then releases; it stops before an op that others may make wait, so that no deadlock
is lost, and finds what ``op`` finds. ``section``: to the next op that may have to wait, or the end
of the call; races inside a section are not seen, and a verdict says so.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat

from kvmlab.engine.kernel.continuation import handle_of
from kvmlab.engine.kernel.locks import lock_class
from kvmlab.engine.kernel.object import Value
from kvmlab.engine.kernel.path import Op, can_block
from kvmlab.engine.kernel.workqueue import QUEUES, Workqueue
from kvmlab.explore.knowledge import Knowledge, Local, union
from kvmlab.explore.resources import (
    ACQUIRES,
    NONE,
    ORDER,
    RELEASES,
    SPECIAL,
    Access,
    Names,
    Queued,
    overdrawn,
    standing,
    written,
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

    def __init__(self, world: World) -> None:
        self.world, self.knowledge = world, Knowledge()
        self._moved_others = False
        self._contexts = {handle_of(name): name for name in world.names}
        aliases = world.contexts.aliases.items()
        self._own = {
            name: frozenset([handle_of(name), *[handle_of(alias) for alias, of in aliases if of == name]])
            for name in world.names
        }
        self._index = {name: world.index(handle_of(name)) for name in world.names}
        self._items: dict[tuple[tuple[int, ...], tuple[int, ...]], frozenset[Queued]] = {}
        self._queues = {name: world.index(queue) for name, queue in QUEUES.items()}

    def __call__(self, name: str) -> int:
        """Move a context as far as one step goes; return how many ops it ran."""
        world, knowledge, ops, acted = self.world, self.knowledge, 0, False
        start, done, clash = self._local(name), list[Access](), self.knowledge.clash
        self._stand(name, start)
        others = self._others(name)
        op = world.next_op(name)
        while op is not None:
            here = self._local(name)
            seen = any(map(clash, repeat(knowledge.open(here)), others))
            if ops and can_block(op) and (seen or world.blocked(name)):
                break
            if seen and not (op[0] in ACQUIRES and self._only_locks(here, others)):
                if acted and not (op[0] in RELEASES and self._only_locks(here, others)):
                    break
                acted = True
            ops += 1
            if not self._op(name, op, done):
                break
            if self._stirred(op):
                others = self._others(name)
            op = world.next_op(name)
        knowledge.learn_step(start, union(done))
        return ops

    def _only_locks(self, here: Local, others: list[int]) -> bool:
        """Tell whether others see of the next op only the lock that it takes or drops."""
        return not any(map(self.knowledge.clash, repeat(self.knowledge.beyond(here)), others))

    def _stirred(self, op: Op) -> bool:
        """Tell whether the op that was just run has changed what others may do."""
        return op[0] is Workqueue.queue_work or self._moved_others

    def _op(self, name: str, op: Op, done: list[Access]) -> bool:
        """Run one op, and learn of it."""
        world, knowledge = self.world, self.knowledge
        here = self._local(name)
        held, access = frozenset(world.contexts.locks.held_by(name)), knowledge.stands[here]
        moved = world.step(name)
        there = self._local(name)
        if op[0] not in SPECIAL:
            access = union((access, written(op, name, world.change)))
        if op[0] is Workqueue.dequeue and here[1] != there[1]:
            knowledge.learn_item((op[1], world.running(op[1])), here, there)
        done.append(access)
        knowledge.learn(here, there, access, held)
        self._stand(name, there)
        self._moved_others = False
        for handle, before, _after in world.change:
            if handle in self._contexts and handle != handle_of(name) and before is not None:
                self._jumped(handle, before)
        return moved

    def _jumped(self, handle: str, before: Value) -> None:
        """Another context was put elsewhere: learn from where to where."""
        name, index = self._contexts[handle], self.world.index(handle)
        self.knowledge.learn_jump((index, self.world.number_of(index, before)), self._local(name))
        self._stand(name, self._local(name))
        self._moved_others = True

    def _stand(self, name: str, here: Local) -> None:
        """Learn what is known of a context's next op before it runs."""
        if here in self.knowledge.stands:
            return
        contexts, knowledge = self.world.contexts, self.knowledge
        place, held = contexts.get(name).at, frozenset(contexts.locks.held_by(name))
        idle = name in QUEUES and place is None
        op = (Workqueue.dequeue, QUEUES[name]) if idle else self.world.next_op(name)
        access = Access(NONE, NONE) if op is None else standing(op, name)
        if op is not None and op[0] in ACQUIRES and self._ordered(op[2], held):
            access = access._replace(writes=access.writes | {ORDER})
        if op is not None and (count := overdrawn(place, op, contexts.profile)):
            knowledge.end({count})
        knowledge.stand(here, access._replace(writes=access.writes | self._own[name]), held, idle)

    def _ordered(self, lock: str, held: Names) -> bool:
        """Tell whether taking a lock under others can make lockdep report."""
        inner = lock_class(lock)
        return any((lock_class(outer), inner) in self.world.ring for outer in held)

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
        return [future for other in self.world.names if other != name for future in self._future(other)]

    def _future(self, name: str) -> tuple[int, ...]:
        """Return what a context may still do: of its own, and as a worker for what may be queued."""
        here = self._local(name)
        self._stand(name, here)
        own = self.knowledge.future(here)
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
