"""Contexts: who runs. Every vCPU, userspace thread and workqueue worker has a name and a place.

The same path is drained at once (:meth:`Contexts.call`) or moved by hand (:meth:`Contexts.step`);
nothing in it knows which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kvmlab.engine.kernel.continuation import IDLE, Call, Context, Continuation, Place
from kvmlab.engine.kernel.deadlock import is_deadlocked
from kvmlab.engine.kernel.locks import Locks
from kvmlab.engine.kernel.path import BLOCKED, PATHS, Op, describe
from kvmlab.engine.kernel.roster import Roster
from kvmlab.engine.kernel.sanitizers import Oops
from kvmlab.engine.kernel.straight import straight_paths
from kvmlab.engine.kernel.workqueue import QUEUES, Workqueue
from kvmlab.engine.profile import Profile

CONTEXTS = "contexts"

WARM_UP = 100
"""Calls after which paths are made straight: making one costs as much as draining it 20 times."""


class Stuck(Exception):
    """Raised in a straight path by an op that waits for what will never come."""

    def __init__(self, op: Op) -> None:
        super().__init__(describe(op))
        self.op = op


class Contexts(Roster):
    """All contexts of a machine, and what moves them."""

    __slots__ = ("drained", "locks", "manual", "profile", "roots", "straight")
    FIELDS = ("names", "also_known", "prompt", "manual")

    def __init__(self, profile: Profile, locks: Locks) -> None:
        super().__init__()
        self.profile, self.locks, self.straight = profile, locks, straight_paths(profile)
        self.drained = 0
        self.manual = False
        self.roots: dict[Call, Continuation] = {}

    def set_manual(self, manual: bool) -> None:
        """Choose between draining calls and stepping them."""
        self.changed()
        self.manual = manual

    # -- auto: drain a call at once ---------------------------------------------------

    def call(self, name: str, call: Call) -> Any:
        """Run a call, then let the workers drain. Its result, or the Place it came to."""
        result = self._drain(name, call)
        for queue in self.queues:
            if queue.items or queue.running:
                self.run_workers()
                break
        return result

    def run_workers(self) -> bool:
        """Let the workers run until no queue has an item that can go on; True if any moved."""
        moved = False
        again = True
        while again:
            again = False
            for queue in self.queues:
                while queue.items and not queue.running:
                    self._drain(queue.worker, queue.call)
                    again = True
                if queue.running and self._resume(queue.worker):
                    again = True
            moved = moved or again
        return moved

    def _resume(self, worker: str) -> bool:
        """Let a worker that stands in an item go on; False if it runs already, further down the stack."""
        context = self.get(worker)
        return context.at is not None and not context.stopped and self.finish(worker) > 0

    def run_started(self) -> bool:
        """Let every context that stands in a call, or was started, go on as far as it can."""
        moved = False
        for name in self.names:
            context = self.get(name)
            while name not in QUEUES and (context.at or (context.started and context.goes_on)):
                if not self.finish(name):
                    break
                moved = True
        return moved

    def _drain(self, name: str, call: Call) -> Any:
        """Run a call to its end: straight on where nothing can be in its way, else op by op."""
        if self.drained < WARM_UP or self.locks.busy():
            return self._drain_ops(name, call)
        for queue in self.queues:
            if queue.running:
                return self._drain_ops(name, call)
        memory = self.memory
        caller, memory.current = memory.current, name
        path, args = call
        try:
            return self.straight[path](self, *args)
        except (Stuck, Oops) as end:
            return self._stop(name, call, end)
        finally:
            memory.current = caller

    def _drain_ops(self, name: str, call: Call) -> Any:
        self.drained += 1
        memory = self.memory
        objects = memory.objects
        caller, memory.current = memory.current, name
        received: list[Any] = []
        value: Any = None
        try:
            send = PATHS[call[0]](self.profile, *call[1]).send
            while True:
                op = send(value)
                value = op[0](objects[op[1]], *op[2:])
                if value is BLOCKED:
                    value = self._unblock(op, name)
                    if value is BLOCKED:
                        return self._park(name, call, received, "")
                received.append(value)
        except StopIteration as end:
            return end.value
        except Oops as oops:
            return self._park(name, call, [], self._reported(name, oops))
        finally:
            memory.current = caller

    # -- straight: an op where it stands ---------------------------------------------------

    def _stop(self, name: str, call: Call, end: Stuck | Oops) -> Place:
        """Park a context that can't go on: what it received is not known, and not needed any more."""
        if isinstance(end, Oops):
            return self._park(name, call, [], self._reported(name, end))
        method, handle, *args = end.op
        reason, _waited_for = method.why(self.memory.objects[handle], *args) or ("", ())
        self.memory.reports.add(name, "deadlock", f"{name} can never go on: {reason}")
        return self._park(name, call, [], f"it waits for ever at {end}")

    def run_op(self, op: Op) -> Any:
        """Run an op that a straight path has as a value."""
        method, handle, *args = op
        value = method(self.memory.objects[handle], *args)
        return self.wait_for(*op) if value is BLOCKED else value

    def wait_for(self, method: Callable[..., Any], handle: str, *args: Any) -> Any:
        """Let the workers run until an op that was blocked can go on; Stuck if it never will."""
        op = (method, handle, *args)
        value = self._unblock(op, self.memory.current)
        if value is BLOCKED:
            raise Stuck(op)
        return value

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

    def _park(self, name: str, call: Call, received: list[Any], stopped: str) -> Place:
        context = self.get(name)
        context.changed()
        context.at, context.stopped = self.place(call, received), stopped
        lost = bool(stopped) or is_deadlocked(self, context)
        return Place.STOPPED if lost else Place.STANDING

    def _reported(self, name: str, oops: Oops) -> str:
        if oops.kind:
            self.memory.reports.add(name, oops.kind, str(oops))
        return str(oops)

    def place(self, call: Call, received: Iterable[Any]) -> Continuation:
        """Return the place in a call that has received some values."""
        place = self._root(call)
        for value in received:
            place = place.advance(value)
        return place

    def _root(self, call: Call) -> Continuation:
        root = self.roots.get(call)
        if root is None:
            root = self.roots[call] = Continuation(call, None, None, 0)
        return root

    # -- manual: one op at a time -------------------------------------------------------

    def start(self, name: str, call: Call) -> Any:
        """Put an idle context at the first op of a call: STANDING, or the result if it has no op."""
        context = self.get(name)
        self._arrive(context, self._root(call))
        return Place.STANDING if context.at is not None else context.result

    def next_op(self, name: str) -> Op | None:
        """Return the op a context would run next; None if it is idle with nothing to do."""
        context = self.get(name)
        if context.stopped:
            return None
        if context.at is not None:
            return context.at.op(self.profile)
        if context.calls:
            return self._root(context.calls[0]).op(self.profile)
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
        place = context.at
        assert place is not None
        op = place.op(self.profile)
        assert op is not None
        memory = self.memory
        caller, memory.current = memory.current, context.name
        try:
            value = op[0](memory.objects[op[1]], *op[2:])
        except Oops as oops:
            context.changed()
            context.stopped = self._reported(name, oops)
            return False
        finally:
            memory.current = caller
        if value is BLOCKED:
            is_deadlocked(self, context)
            return False
        self._arrive(context, place.advance(value))
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
                self._arrive(context, self._root(("process_one_work", (queue,))))
        while context.at is None and context.calls:
            context.changed()
            context.started = True
            call, *rest = context.calls
            context.calls = context.calls if call[0] == IDLE else tuple(rest)
            self._arrive(context, self._root(call))
        return context.at is not None

    def _arrive(self, context: Context, place: Continuation) -> None:
        """Have a context stand at a place, or end its call where the path has come to its end."""
        context.changed()
        ended = place.op(self.profile) is None
        context.at = None if ended else place
        if ended:
            context.result = place.result
