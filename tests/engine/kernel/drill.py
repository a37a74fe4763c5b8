"""A path that does what it is told, one word a primitive, for tests of the kernel's primitives."""

from __future__ import annotations

from collections.abc import Callable

from kvmlab.engine.fds.eventfd import Eventfd
from kvmlab.engine.kernel.locks import LOCKS, Locks, mutex_lock, mutex_unlock, spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import PATHS, Op, Path, path
from kvmlab.engine.kernel.rcu import RCU_READ_LOCK, RCU_READ_UNLOCK, SRCU_READ_LOCK, SRCU_READ_UNLOCK
from kvmlab.engine.kernel.sanitizers import Oops, Report
from kvmlab.engine.kernel.workqueue import QUEUES, Workqueue
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile


class Mine(Object):
    """Something that blows up when it is stepped on."""

    __slots__ = ("steps",)
    FIELDS = ("steps",)
    KIND = "mine"

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def bug_on(self, kind: str) -> None:
        """Stop the context, with a report of a kind."""
        self.changed()
        self.steps += 1
        raise Oops("the tests asked for it", kind)


OPS: dict[str, Callable[..., Op]] = {
    "spin": spin_lock,
    "unspin": spin_unlock,
    "mutex": mutex_lock,
    "unmutex": mutex_unlock,
    "rcu": lambda: RCU_READ_LOCK,
    "unrcu": lambda: RCU_READ_UNLOCK,
    "srcu": lambda: SRCU_READ_LOCK,
    "unsrcu": lambda: SRCU_READ_UNLOCK,
    "sleep": lambda: (Locks.might_sleep, LOCKS, "sleeps"),
    "make": lambda: kzalloc("eventfd", 0, False),
    "free": kfree,
    "get": lambda handle: (Eventfd.kref_get, handle),
    "put": lambda handle: (Eventfd.kref_put, handle),
    "signal": lambda handle: (Eventfd.signal, handle, 1),
    "queue": lambda worker, steps: (Workqueue.queue_work, QUEUES[worker], ("drill_work", steps)),
    "wait-work": lambda worker, steps: (Workqueue.flush_work, QUEUES[worker], ("drill_work", steps)),
    "step-on": lambda handle, kind: (Mine.bug_on, handle, kind),
}
"""What a word does; the words behind it are its arguments."""


@path
def drill(profile: Profile, *steps: str) -> Path[str]:
    """Do the steps in order: a word of OPS or the name of a path, then its arguments."""
    for step in steps:
        verb, *words = step.split()
        if verb in PATHS:
            yield from PATHS[verb](profile, *words)
        else:
            yield OPS[verb](*words)
    return "done"


@path
def drill_work(profile: Profile, steps: str) -> Path[None]:
    """Work item: the steps of a drill, with commas between them and ~ for a space."""
    yield from PATHS["drill"](profile, *[step.replace("~", " ") for step in steps.split(",")])


def run(machine: Machine, *steps: str, context: str = "user") -> object:
    """Drain a drill in a context; "done", or None if it did not come to its end."""
    return machine.call(context, "drill", *steps)


def stand(machine: Machine, name: str, *steps: str) -> None:
    """Give a new thread a drill to do."""
    machine.contexts.add(name, (("drill", steps),))


def reports(machine: Machine) -> list[tuple[str, str]]:
    """Return the kind and the context of each report, oldest first."""
    return [(report.kind, report.context) for report in machine.memory.reports.made]


def only_report(machine: Machine) -> Report:
    """Return the one report there is."""
    (report,) = machine.memory.reports.made
    return report
