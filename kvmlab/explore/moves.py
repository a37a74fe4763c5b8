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
from kvmlab.engine.kernel.locks import lock_class
from kvmlab.engine.kernel.object import Value
from kvmlab.engine.kernel.path import Op, can_block
from kvmlab.engine.kernel.workqueue import QUEUES, Workqueue
from kvmlab.explore.knowledge import Knowledge, Local, union
from kvmlab.explore.pending import Effect
from kvmlab.explore.resources import (
    ACQUIRES,
    LOCKING,
    NONE,
    ORDER,
    RELEASES,
    SEEN,
    Access,
    Names,
    Queued,
    meet,
    overdrawn,
    standing,
    written,
)
from kvmlab.explore.turn import Turn
from kvmlab.explore.world import World

Numbers = tuple[int, ...]

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
        ops = 0
        while True:
            ops += 1
            if not world.step(name):
                return ops
            ahead = world.pending(name)
            if ahead.at is None or ahead.may_wait:
                return ops

    return move


class Fused:
    """Moves contexts by fused steps, learns what they do, and tells what may be left out."""

    def __init__(self, world: World, seen: Sequence[str] = ()) -> None:
        self.world, self.knowledge = world, Knowledge()
        self._seen = frozenset(seen)
        # A judge that reads objects is one more context, which holds no lock and reads between any two ops.
        self._judges = (self.knowledge.number(Access(frozenset({SEEN}), NONE)),) if seen else ()
        if seen:
            self.knowledge.locks[SEEN] = NONE
        self._moved_others = False
        self._contexts = {handle_of(name): name for name in world.names}
        aliases = world.contexts.aliases.items()
        self._own = {
            name: frozenset([handle_of(name), *[handle_of(alias) for alias, of in aliases if of == name]])
            for name in world.names
        }
        self._index = {name: world.index(handle_of(name)) for name in world.names}
        self._queues = {name: world.index(queue) for name, queue in QUEUES.items()}
        self._watched = (*self._index.values(), *self._queues.values())
        self._ring = world.ring
        self._futures: dict[Numbers, dict[str, Numbers]] = {}
        self._around: dict[tuple[Numbers, str], Numbers] = {}
        self._sights: dict[tuple[int, Numbers], bool] = {}
        self._enough: dict[tuple[Numbers, tuple[str, ...]], list[str]] = {}
        self._learned: dict[tuple[Effect, Names], tuple[Access, bool]] = {}
        self._moves: set[tuple[Local, tuple[Access, ...]]] = set()
        self.turns: Sequence[Turn] = ()
        """Ways to exchange contexts: what is learned of one is learned of the other."""

    def begin(self) -> None:
        """Begin a search: what was learned so far is what it goes by."""
        self.knowledge.settle()
        for cache in (self._futures, self._around, self._sights, self._enough):
            cache.clear()
        if self._ring != self.world.ring:
            self._ring = self.world.ring
            self.knowledge.stands.clear()
            self._learned.clear()
            self._moves.clear()

    def __call__(self, name: str) -> int:
        """Move a context as far as one step goes; return how many ops it ran."""
        world, knowledge, ops, acted = self.world, self.knowledge, 0, False
        start, done, been = self._local(name), list[Access](), set[Local]()
        self._stand(name, start)
        others = self._others(name)
        op = world.next_op(name)
        while op is not None:
            here = self._local(name)
            if here in been:
                break  # Who goes round where nobody looks would never stop.
            been.add(here)
            seen = self._sees(knowledge.open(here), others)
            if ops and can_block(op) and (seen or world.blocked(name)):
                break
            if seen:
                # Others see of it no more than the lock that it takes or drops?
                bare = op[0] in LOCKING and not self._sees(knowledge.beyond(here), others)
                if acted and not (bare and op[0] in RELEASES):
                    break
                acted = acted or not (bare and op[0] in ACQUIRES)
            ops += 1
            if not self._op(name, op, done):
                break
            if self._stirred(op):
                others = self._others(name)
            op = world.next_op(name)
        self._learn_move(start, tuple(done))
        return ops

    def _learn_move(self, start: Local, done: tuple[Access, ...]) -> None:
        """Learn what a whole move did, unless it has been seen to do so."""
        if (start, done) not in self._moves:
            self._moves.add((start, done))
            access = union(done)
            self.knowledge.learn_step(start, access)
            for turn in self.turns:
                self.knowledge.learn_step(turn.local(start), turn.access(access))

    def _sees(self, access: int, others: Numbers) -> bool:
        """Tell whether some of what all others may do clashes with an access."""
        known = self._sights.get((access, others))
        if known is None:
            known = self._sights[access, others] = any(map(self.knowledge.clash, repeat(access), others))
        return known

    def _stirred(self, op: Op) -> bool:
        """Tell whether the op that was just run has changed what others may do."""
        return op[0] is Workqueue.queue_work or self._moved_others

    def _op(self, name: str, op: Op, done: list[Access]) -> bool:
        """Run one op, and learn of it."""
        held, here = self.world.held(name), self._local(name)
        moved = self.world.step(name)
        key = self.world.effect, held
        known = self._learned.get(key)
        if known is None:
            known = self._learned[key] = self._learn(name, op, here, held)
        access, self._moved_others = known
        done.append(access)
        return moved

    def _learn(self, name: str, op: Op, here: Local, held: Names) -> tuple[Access, bool]:
        """Learn of an op that was just run; return what it did, and whether it put others elsewhere."""
        world, knowledge = self.world, self.knowledge
        there, change = self._local(name), world.effect.change
        if op[0] is Workqueue.dequeue and here[1] != there[1]:
            knowledge.learn_item((op[1], world.field(op[1], "running")), here, there)
            for turn in self.turns:
                item = op[1], turn.value(world.field(op[1], "running"))
                knowledge.learn_item(item, turn.local(here), turn.local(there))
        wrote = written(op, name, change)
        if self._seen and meet(self._seen, [handle for handle, _before, _after in change]):
            wrote = wrote._replace(writes=wrote.writes | {SEEN})
        access = union((knowledge.stands[here], wrote))
        knowledge.learn(here, there, access, held)
        for turn in self.turns:
            knowledge.learn(turn.local(here), turn.local(there), turn.access(access), held)
        self._stand(name, there)
        others = [
            (handle, before)
            for handle, before, _after in change
            if handle in self._contexts and handle != handle_of(name) and before is not None
        ]
        for handle, before in others:
            self._jumped(handle, before)
        return access, bool(others)

    def _jumped(self, handle: str, before: Value) -> None:
        """Another context was put elsewhere: learn from where to where."""
        name, index = self._contexts[handle], self.world.index(handle)
        here, there = (index, self.world.number_of(index, before)), self._local(name)
        self.knowledge.learn_jump(here, there)
        for turn in self.turns:
            self.knowledge.learn_jump(turn.local(here), turn.local(there))
        self._stand(name, self._local(name))

    def _stand(self, name: str, here: Local) -> None:
        """Learn what is known of a context's next op before it runs."""
        if here in self.knowledge.stands:
            return
        knowledge, ahead, held = self.knowledge, self.world.pending(name), self.world.held(name)
        op = (Workqueue.dequeue, ahead.queue) if ahead.queue else ahead.op
        access = Access(NONE, NONE) if op is None else standing(op, name)
        if op is not None and op[0] in ACQUIRES and self._ordered(op[2], held):
            access = access._replace(writes=access.writes | {ORDER})
        if op is not None and (count := overdrawn(ahead.at, op, self.world.profile)):
            knowledge.end({count})
        access = access._replace(writes=access.writes | self._own[name])
        knowledge.stand(here, access, held, bool(ahead.queue))
        for turn in self.turns:
            knowledge.stand(turn.local(here), turn.access(access), held, bool(ahead.queue))

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
        key = self.world.numbers(self._watched), tuple(names)
        known = self._enough.get(key)
        if known is None:
            known = self._enough[key] = self._fewest(names)
        return known

    def _fewest(self, names: list[str]) -> list[str]:
        """Return those of some contexts that are in the smallest persistent set."""
        futures = self._look()
        sets = [self._persistent(name, futures) for name in names]
        return min([[name for name in names if name in together] for together in sets], key=len)

    def _persistent(self, seed: str, futures: dict[str, Numbers]) -> set[str]:
        """Return a context and all that may come to disturb it or those that are there for that."""
        knowledge, rest, sees = self.knowledge, dict(futures), self._sees
        del rest[seed]
        together, todo = {seed}, [seed]
        while todo and rest:
            step = knowledge.step(self._local(todo.pop()))
            found = [other for other, future in rest.items() if sees(step, future)]
            for other in found:
                del rest[other]
            together.update(found)
            todo += found
        return together

    def _others(self, name: str) -> Numbers:
        """Return what all other contexts may still do."""
        key = self.world.numbers(self._watched), name
        known = self._around.get(key)
        if known is None:
            futures = self._look().items()
            found = {number for other, future in futures if other != name for number in future}
            known = self._around[key] = (*sorted(found), *self._judges)
        return known

    def _look(self) -> dict[str, Numbers]:
        """Return what each context may still do: of its own, and as a worker for what may be queued."""
        key = self.world.numbers(self._watched)
        known = self._futures.get(key)
        if known is None:
            places = {name: self._local(name) for name in self.world.names}
            for name, here in places.items():
                self._stand(name, here)
            known = {name: (self.knowledge.future(here),) for name, here in places.items()}
            queued = self._queued([future for (future,) in known.values()])
            for name in known.keys() & QUEUES.keys():
                known[name] += (self.knowledge.works(QUEUES[name], queued),)
            self._futures[key] = known
        return known

    def _queued(self, futures: list[int]) -> frozenset[Queued]:
        """Return the items that wait in a queue, or that anybody may still put there."""
        found = set[Queued]().union(*[self.knowledge.access(future).queues for future in futures])
        for worker in self._queues:
            found.update([(QUEUES[worker], work) for work in self.world.field(QUEUES[worker], "items")])
        return frozenset(found)

    def _local(self, name: str) -> Local:
        index = self._index[name]
        return index, self.world.number(index)
