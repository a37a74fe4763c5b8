"""What an op reads and writes, as finely as the explorer can use it: the resources that two ops may share.

A resource is an object's handle, a lock by name, the numbering of a kind of objects, how often an
object is referred to, or a reader's place under RCU; one that ends with a star stands for all that
begin so. What is read is said before an op runs (its footprint); what was written is seen when it
has run.

Counts go up and down in any order as long as nobody drops what he did not take: then none comes to
zero early. An op that drops more than its call has taken (``overdrawn``) ends that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from kvmlab.engine.abi import Errno
from kvmlab.engine.chips.irq_source import IrqSourceList
from kvmlab.engine.fds.eventfd import Eventfd
from kvmlab.engine.fds.files import Fds
from kvmlab.engine.kernel.contexts import Contexts
from kvmlab.engine.kernel.continuation import Continuation, handle_of
from kvmlab.engine.kernel.lists import Counted, List
from kvmlab.engine.kernel.locks import LOCKS, Locks
from kvmlab.engine.kernel.memory import SLAB, Change, Slab
from kvmlab.engine.kernel.object import CLASSES, Value
from kvmlab.engine.kernel.path import Op, footprint
from kvmlab.engine.kernel.rcu import Rcu
from kvmlab.engine.kernel.workqueue import QUEUES, Work, Workqueue
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.userspace import Userspace
from kvmlab.engine.world.vcpu import Guest, Vcpu
from kvmlab.engine.world.vm import Vm

Names = frozenset[str]
NONE: Names = frozenset()
NOBODYS = frozenset({"reports", "lockdep", LOCKS, SLAB})
"""What every op may touch, in a way that no other op depends on."""


SEEN = "what is seen"
"""The resource that an op writes whose effect a judge can see beside the sanitizers' reports."""

Queued = tuple[str, Work]
"""An item of work and the queue that it is put on."""


class Access(NamedTuple):
    """What ops read, what they wrote, and the work that they queued."""

    reads: Names
    writes: Names
    queues: frozenset[Queued] = frozenset()


ORDER = "order of locks"
USERS = "count of users"


def _lock(op: Op, _context: str) -> Access:
    return Access(NONE, frozenset({f"lock {op[2]}"}))


def _count(op: Op, _context: str) -> Access:
    return Access(frozenset({f"life of {op[1]}"}), frozenset({f"count of {op[1]}"}))


def _users(op: Op, _context: str) -> Access:
    return Access(frozenset({"fds"}), frozenset({USERS}))


def _files(op: Op, _context: str) -> Access:
    return Access(frozenset({"fds"}), frozenset({f"count of {op[1]}"}))


def _reader(op: Op, context: str) -> Access:
    return Access(NONE, frozenset({f"{op[1]} reader {context}"}))


def _grace_period(op: Op, context: str) -> Access:
    return Access(frozenset({f"{op[1]} reader *"}), frozenset({f"{op[1]} waiter {context}"}))


def _leaks(op: Op, _context: str) -> Access:
    lives, numbers = [f"life of {each}" for each in op[2:]], [f"numbers of {each[:-2]}" for each in op[2:]]
    return Access(frozenset((*lives, *numbers)), NONE)


SPECIAL: dict[Callable[..., object], Callable[[Op, str], Access]] = {
    Locks.spin_lock: _lock,
    Locks.spin_unlock: _lock,
    Locks.mutex_lock: _lock,
    Locks.mutex_unlock: _lock,
    Locks.might_sleep: lambda _op, _context: Access(NONE, NONE),
    Slab.kzalloc: lambda op, _context: Access(NONE, frozenset({f"numbers of {op[2]}"})),
    Slab.kfree: lambda op, _context: Access(NONE, frozenset({str(op[2]), f"life of {op[2]}"})),
    Counted.kref_get: _count,
    Counted.kref_put: _count,
    Contexts.wake: lambda op, _context: Access(NONE, frozenset({handle_of(op[2])})),
    Vm.check_leaks: _leaks,
    Vm.fget: _files,
    Vm.fget_vcpu: _users,
    Guest.vm_exit: _users,
    Vm.put_user: lambda _op, _context: Access(NONE, frozenset({USERS})),
    Rcu.read_lock: _reader,
    Rcu.read_unlock: _reader,
    Rcu.start_grace_period: _grace_period,
    Rcu.wait_grace_period: _grace_period,
}
"""Ops of which more is known than their footprint says: by method, what they do for a context."""

BY_NAME = frozenset(
    {
        List.list_add_tail,
        List.list_del,
        List.contains,
        Workqueue.queue_work,
        Workqueue.flush_work,
        Eventfd.add_wait_queue,
        Eventfd.remove_wait_queue,
    }
)
"""Methods that keep or compare handles and follow none."""


ENUMERATES = frozenset({Userspace.assigned_irqfd, Userspace.assigned_eoifd, Userspace.assigned_ioeventfd})
"""Methods that look through all objects of the kinds that they touch, not only those on a list."""

ACQUIRES = frozenset({Locks.spin_lock, Locks.mutex_lock})
RELEASES = frozenset({Locks.spin_unlock, Locks.mutex_unlock})
LOCKING = ACQUIRES | RELEASES

TAKES: dict[Callable[..., object], Callable[[Op, Any], object]] = {
    Counted.kref_get: lambda op, _value: op[1],
    Vm.fget: lambda op, value: value and op[1],
    Fds.eventfd_fget: lambda _op, value: not isinstance(value, Errno) and value[0],
    IrqSourceList.get_from_key: lambda _op, value: value,
    Vm.fget_vcpu: lambda _op, value: value and "users",
    Guest.vm_exit: lambda _op, value: value and "users",
    Vcpu.window: lambda _op, value: not isinstance(value, Errno) and "users",
}
"""Methods that take a reference: to what, by what they returned."""

DROPS: dict[Callable[..., object], Callable[[Op], str]] = {
    Counted.kref_put: lambda op: str(op[1]),
    Vm.put_user: lambda _op: "users",
}
"""Methods that drop a reference, and tell whether the count has come to zero."""


def overdrawn(place: Continuation | None, op: Op, profile: Profile) -> str:
    """Return the count that an op drops, where its call has not taken as much before; else ""."""
    if op[0] not in DROPS:
        return ""
    dropped, balance = DROPS[op[0]](op), 0
    while place is not None and place.parent is not None:
        before = place.parent.op(profile)
        assert before is not None
        if before[0] in TAKES:
            balance += TAKES[before[0]](before, place.value) == dropped
        elif before[0] in DROPS:
            balance -= DROPS[before[0]](before) == dropped
        place = place.parent
    return "" if balance > 0 else f"count of {dropped}"


def standing(op: Op, context: str) -> Access:
    """Return what is known of an op before it runs."""
    special = SPECIAL.get(op[0])
    access = special(op, context) if special else Access(reads(op), NONE)
    if op[0] is Workqueue.queue_work:
        return access._replace(queues=frozenset({(op[1], op[2])}))
    return access


def written(op: Op, context: str, change: Change) -> Access:
    """Return what an op wrote and queued, now that it has run, where nothing special is known of it."""
    if op[0] in SPECIAL:
        return Access(NONE, NONE)
    writes, queues = set[str](), set[Queued]()
    for handle, before, after in change:
        if handle == SLAB:
            writes.add("numbers of *")
        elif handle in QUEUES.values() and op[1] != handle and after is not None:
            queues.update([(handle, work) for work in after[2]])
        if handle not in NOBODYS and handle != handle_of(context):
            writes.update(_written(handle, before, after))
    return Access(NONE, frozenset(writes), frozenset(queues))


def _written(handle: str, before: Value | None, after: Value | None) -> list[str]:
    """Return the resources that one object's change is: of one that is counted, its count by itself."""
    if before is None or after is None or not issubclass(CLASSES[after[0]], Counted):
        return [handle]
    fields = ("", "", *CLASSES[after[0]].FIELDS)
    differ = {name for name, one, other in zip(fields, before, after, strict=True) if one != other}
    counts = [COUNTS[name].format(handle) for name in differ & COUNTS.keys()]
    return counts if differ <= COUNTS.keys() else [handle, *counts]


COUNTS = {"refs": "count of {}", "users": USERS}
"""Fields that are counts, and the resource that each is."""


def reads(op: Op) -> Names:
    """Return what an op may read, where nothing special is known of it."""
    named = (op[1], *getattr(op[0], "touches", ())) if op[0] in BY_NAME else footprint(op)
    if op[0] in ENUMERATES:
        named = (*named, *[f"numbers of {kind[:-1]}" for kind in named if kind.endswith("*")])
    return frozenset(named) - NOBODYS


def share(one: str, other: str) -> bool:
    """Tell whether two resources may be the same."""
    if one.endswith("*"):
        return other.startswith(one[:-1]) or (other.endswith("*") and one.startswith(other[:-1]))
    return one == other or (other.endswith("*") and one.startswith(other[:-1]))


def meet(ones: Iterable[str], others: Iterable[str]) -> bool:
    """Tell whether two sets of resources may have one in common."""
    return any(share(one, other) for one in ones for other in others)
