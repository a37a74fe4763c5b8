"""Contexts: who runs. Every vCPU, userspace thread and workqueue worker has a name and a place.

A place is a :class:`Continuation`: the call and the values received so far, interned. A path
is a pure function of these, so a place can be stored, hashed and rebuilt; the generator is only
a cache of it. The same path is drained at once (:meth:`Contexts.call`) or moved by hand
(:meth:`Contexts.step`).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import BLOCKED, PATHS, Op, describe
from kvmlab.engine.kernel.sanitizers import Oops
from kvmlab.engine.kernel.workqueue import QUEUES, Workqueue
from kvmlab.engine.profile import Profile

Call = tuple[str, tuple[Any, ...]]
"""A path by name and its arguments (without the profile)."""

CONTEXTS = "contexts"
DONE, STANDING, STOPPED = "done", "standing", "stopped"


class Continuation:
    """A place in a path: where it was called, or one more received value. Equal is identical."""

    __slots__ = ("call", "depth", "kids", "parent", "value")

    def __init__(self, call: Call, parent: Continuation | None, value: Any, depth: int) -> None:
        self.call, self.parent, self.value, self.depth = call, parent, value, depth
        self.kids: dict[Any, Continuation] = {}

    def advance(self, value: Any) -> Continuation:
        """Return the place after receiving a value."""
        key = (value.__class__, value)
        kid = self.kids.get(key)
        if kid is None:
            kid = self.kids[key] = Continuation(self.call, self, value, self.depth + 1)
        return kid

    def received(self) -> list[Any]:
        """Return the values received so far, oldest first."""
        values = []
        place = self
        while place.parent is not None:
            values.append(place.value)
            place = place.parent
        return values[::-1]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call: DONE with a value, STANDING at an op, or STOPPED by an oops."""

    state: str
    value: Any = None


class Context(Object):
    """One context: where it stands, the calls it has still to make, the last call's result.

    ``program`` is all the calls an actor was given; ``started`` tells whether it has begun.
    """

    __slots__ = (
        "at",
        "calls",
        "live",
        "name",
        "pending",
        "place",
        "program",
        "result",
        "started",
        "stopped",
    )
    FIELDS = ("name", "at", "program", "calls", "started", "stopped", "result")

    live: Generator[Op, Any, Any] | None
    pending: Op | None
    place: Continuation | None

    def __init__(self, name: str, program: tuple[Call, ...] = ()) -> None:
        super().__init__()
        self.name = name
        self.at: Continuation | None = None
        self.program = self.calls = program
        self.started = False
        self.stopped = ""
        self.result: Any = None
        self.live, self.pending, self.place = None, None, None

    def thaw(self, value: tuple[Any, ...]) -> None:
        """Assign the fields and forget the generator: it is rebuilt when it is needed."""
        super().thaw(value)
        self.live, self.pending, self.place = None, None, None


def handle_of(name: str) -> str:
    """Return the handle of the context of that name."""
    return f"context-{name}"


class Contexts(Object):
    """All contexts of a machine, and what moves them."""

    __slots__ = ("manual", "names", "profile", "prompt", "roots")
    FIELDS = ("names", "prompt", "manual")

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self.profile = profile
        self.names: tuple[str, ...] = ()
        self.prompt = "user"
        self.manual = False
        self.roots: dict[Call, Continuation] = {}

    # -- who there is ---------------------------------------------------------------

    def add(self, name: str, calls: tuple[Call, ...] = ()) -> Context:
        """Make a context; one of that name with nothing left to do is replaced."""
        context = Context(name, calls)
        old = self.memory.objects.get(handle_of(name))
        if old is not None:
            old.changed()
        self.memory.place(handle_of(name), context)
        if name not in self.names:
            self.changed()
            self.names = (*self.names, name)
        return context

    def get(self, name: str) -> Context:
        """Return a context by name; KeyError if there is none."""
        context = self.memory.objects[handle_of(name)]
        assert isinstance(context, Context)
        return context

    def all(self) -> list[Context]:
        """Return every context, in the order they were made."""
        return [self.get(name) for name in self.names]

    def wake(self, name: str) -> None:
        """Start an actor; one that has made all its calls makes them again."""
        context = self.get(name)
        context.changed()
        context.started = True
        if context.at is None and not context.calls:
            context.calls = context.program

    def set_manual(self, manual: bool) -> None:
        """Choose between draining calls and stepping them."""
        self.changed()
        self.manual = manual

    def new_prompt(self) -> None:
        """Leave the prompt's thread where it is for good, and give the prompt a new one."""
        number = 2
        while f"user{number}" in self.names:
            number += 1
        self.changed()
        self.prompt = f"user{number}"
        self.add(self.prompt)

    # -- auto: drain a call at once ---------------------------------------------------

    def call(self, name: str, call: Call) -> Outcome:
        """Run a call to its end, then let the workers drain; it may come to stand or stop."""
        outcome = self._drain(self.get(name), call, [])
        self.run_workers()
        return outcome

    def run_workers(self) -> bool:
        """Let the workers run until no queue has an item that can go on; True if any moved."""
        objects = self.memory.objects
        moved = False
        again = True
        while again:
            again = False
            for name, handle in QUEUES.items():
                queue = objects[handle]
                assert isinstance(queue, Workqueue)
                while (queue.items or queue.running) and self._work(name, handle, queue):
                    moved = again = True
        return moved

    def run_started(self) -> bool:
        """Let every context that stands in a call, or was started, go on as far as it can."""
        moved = False
        for name in self.names:
            context = self.get(name)
            while name not in QUEUES and (context.at or (context.started and context.calls)):
                if not self.finish(name):
                    break
                moved = True
        return moved

    def _work(self, name: str, handle: str, queue: Workqueue) -> bool:
        worker = self.get(name)
        if worker.at is not None:
            return not worker.stopped and self.finish(name) > 0
        if queue.running is not None:
            return False  # its worker runs already, further down the stack
        self._drain(worker, ("process_one_work", (handle,)), [])
        return True

    def _drain(self, context: Context, call: Call, received: list[Any]) -> Outcome:
        memory = self.memory
        objects = memory.objects
        caller, memory.current = memory.current, context.name
        generator = PATHS[call[0]](self.profile, *call[1])
        value: Any = None
        op: Op
        try:
            send = generator.send
            for past in received:
                send(value)
                value = past
            keep = received.append
            while True:
                op = send(value)
                try:
                    target = objects[op[1]]
                except KeyError:
                    target = memory.freed_object(op[1], describe(op))
                # Spelled out by length: a call with a star costs as much again.
                length = len(op)
                if length == 3:
                    value = op[0](target, op[2])
                elif length == 2:
                    value = op[0](target)
                else:
                    value = op[0](target, *op[2:])
                if value is BLOCKED:
                    value = self._unblock(op, context.name)
                    if value is BLOCKED:
                        return self._park(context, call, received, "")
                keep(value)
        except StopIteration as end:
            return Outcome(DONE, end.value)
        except Oops as oops:
            return self._park(context, call, received, self._reported(context, oops))
        finally:
            memory.current = caller

    def _unblock(self, op: Op, me: str) -> Any:
        """Let the workers run and try again; if nobody can help, interrupt a sleep."""
        method, handle, *args = op
        target = self.memory.objects[handle]
        while self.run_workers():
            self.memory.current = me
            value = method(target, *args)
            if value is not BLOCKED:
                return value
        self.memory.current = me
        if hasattr(method, "interrupted") and not self.manual:
            return method.interrupted
        return BLOCKED

    def _park(self, context: Context, call: Call, received: list[Any], stopped: str) -> Outcome:
        context.changed()
        place = self._root(call)
        for value in received:
            place = place.advance(value)
        context.at, context.stopped = place, stopped
        context.live = None
        lost = bool(stopped) or self._check_deadlock(context)
        return Outcome(STOPPED if lost else STANDING)

    def _reported(self, context: Context, oops: Oops) -> str:
        if oops.kind:
            self.memory.reports.add(context.name, oops.kind, str(oops))
        return str(oops)

    def _root(self, call: Call) -> Continuation:
        root = self.roots.get(call)
        if root is None:
            root = self.roots[call] = Continuation(call, None, None, 0)
        return root

    # -- manual: one op at a time -------------------------------------------------------

    def start(self, name: str, call: Call) -> Outcome:
        """Put an idle context at the first op of a call; a path without ops is done at once."""
        context = self.get(name)
        context.changed()
        context.at = self._root(call)
        self._revive(context)
        return Outcome(STANDING) if context.at is not None else Outcome(DONE, context.result)

    def next_op(self, name: str) -> Op | None:
        """Return the op a context would run next; None if it is idle with nothing to do."""
        context = self.get(name)
        if context.at is not None:
            self._revive(context)
            return context.pending
        if context.stopped:
            return None
        if context.calls:
            path, args = context.calls[0]
            return next(PATHS[path](self.profile, *args), None)
        if name in QUEUES:
            queue = self.memory.objects[QUEUES[name]]
            assert isinstance(queue, Workqueue)
            if queue.items:
                return (Workqueue.dequeue, QUEUES[name])
        return None

    def blocked(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """Return why a context can't go on and whom it waits for; None if it can."""
        context = self.get(name)
        if context.stopped:
            return f"stopped: {context.stopped}", ()
        op = self.next_op(name)
        if op is None or not hasattr(op[0], "why"):
            return None
        target = self.memory.objects.get(op[1])
        if target is None:
            return None
        caller, self.memory.current = self.memory.current, name
        try:
            why: tuple[str, tuple[str, ...]] | None = op[0].why(target, *op[2:])
        finally:
            self.memory.current = caller
        return why

    def step(self, name: str) -> bool:
        """Run a context's next op. False if it is idle, stopped or blocked: nothing changed."""
        context = self.get(name)
        if context.stopped or not self._begin(context):
            return False
        self._revive(context)
        op = context.pending
        assert op is not None and context.at is not None
        memory = self.memory
        caller, memory.current = memory.current, name
        try:
            target = memory.objects.get(op[1]) or memory.freed_object(op[1], describe(op))
            value = op[0](target, *op[2:])
        except Oops as oops:
            context.changed()
            context.stopped = self._reported(context, oops)
            return False
        finally:
            memory.current = caller
        if value is BLOCKED:
            self._check_deadlock(context)
            return False
        self._receive(context, value)
        return True

    def finish(self, name: str) -> int:
        """Step a context until its call ends, blocks or stops; return how many ops it ran."""
        ops = 0
        while self.step(name):
            ops += 1
            if self.get(name).at is None:
                break
        return ops

    def _begin(self, context: Context) -> bool:
        """Make sure that a context stands in a call, if it has one to make."""
        if context.at is None and context.name in QUEUES:
            queue = QUEUES[context.name]
            if self.next_op(context.name) is not None:
                context.changed()
                context.at = self._root(("process_one_work", (queue,)))
        while context.at is None and context.calls:
            context.changed()
            context.started = True
            call, *rest = context.calls
            context.calls = tuple(rest)
            context.at = self._root(call)
            self._revive(context)
        return context.at is not None

    def _revive(self, context: Context) -> None:
        """Have the generator stand where the context stands, replaying what it received."""
        place = context.at
        if place is None or (context.place is place and context.live is not None):
            return
        path, args = place.call
        context.live = PATHS[path](self.profile, *args)
        context.place = place
        try:
            context.pending = context.live.send(None)
            for value in place.received():
                context.pending = context.live.send(value)
        except StopIteration as end:
            self._end(context, end.value)

    def _receive(self, context: Context, value: Any) -> None:
        assert context.at is not None and context.live is not None
        context.changed()
        context.at = context.place = context.at.advance(value)
        try:
            context.pending = context.live.send(value)
        except StopIteration as end:
            self._end(context, end.value)

    def _end(self, context: Context, value: Any) -> None:
        context.changed()
        context.at, context.result = None, value
        context.live, context.pending, context.place = None, None, None

    # -- deadlock ----------------------------------------------------------------------

    def _check_deadlock(self, context: Context) -> bool:
        """Report a context that waits in a ring, or for one that has stopped for good."""
        trail: list[str] = []
        name = context.name
        while True:
            here = self.get(name)
            why = self.blocked(name)
            if here.stopped and trail:
                text = f"{trail[0]} can never go on: {name} has stopped ({here.stopped})"
                break
            if why is None or not why[1]:
                return False
            if name in trail:
                ring = trail[trail.index(name) :]
                text = "each waits for the next: " + " → ".join([*ring, name])
                break
            trail.append(name)
            name = why[1][0]
        self.memory.reports.add(context.name, "deadlock", text)
        return True
