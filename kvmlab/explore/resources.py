"""What an op reads and writes, as finely as the explorer can use it: the resources that two ops may share.

A resource is an object's handle, a lock by name, the numbering of a kind of objects, how often an
object is referred to, or a reader's place under RCU; one that ends with a star stands for all that
begin so. What is read is said before an op runs (its footprint); what was written is seen when it
has run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from kvmlab.engine.fds.eventfd import Eventfd
from kvmlab.engine.kernel.lists import Counted, List
from kvmlab.engine.kernel.locks import LOCKS, Locks
from kvmlab.engine.kernel.memory import SLAB, Slab
from kvmlab.engine.kernel.path import Op, footprint
from kvmlab.engine.kernel.rcu import Rcu
from kvmlab.engine.kernel.workqueue import Work, Workqueue
from kvmlab.engine.world.vcpu import Guest
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


def _lock(op: Op, _context: str) -> Access:
    return Access(NONE, frozenset({f"lock {op[2]}"}))


def _count(op: Op, _context: str) -> Access:
    return Access(frozenset({f"life of {op[1]}"}), frozenset({f"count of {op[1]}"}))


def _users(op: Op, _context: str) -> Access:
    return Access(frozenset({"fds"}), frozenset({"count of users"}))


def _files(op: Op, _context: str) -> Access:
    return Access(frozenset({"fds"}), frozenset({f"count of {op[1]}"}))


def _reader(op: Op, context: str) -> Access:
    return Access(NONE, frozenset({f"{op[1]} reader {context}"}))


def _grace_period(op: Op, context: str) -> Access:
    return Access(frozenset({f"{op[1]} reader *"}), frozenset({f"{op[1]} waiter {context}"}))


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
    Vm.fget: _files,
    Vm.fget_vcpu: _users,
    Guest.vm_exit: _users,
    Vm.put_user: lambda _op, _context: Access(NONE, frozenset({"count of users"})),
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

ACQUIRES = frozenset({Locks.spin_lock, Locks.mutex_lock})
RELEASES = frozenset({Locks.spin_unlock, Locks.mutex_unlock})
DROPS = frozenset({Counted.kref_put, Vm.put_user})
"""Methods that tell whether a count has come to zero."""


def reads(op: Op) -> Names:
    """Return what an op may read, where nothing special is known of it."""
    named = (op[1], *getattr(op[0], "touches", ())) if op[0] in BY_NAME else footprint(op)
    return frozenset(named) - NOBODYS


def share(one: str, other: str) -> bool:
    """Tell whether two resources may be the same."""
    if one.endswith("*"):
        return other.startswith(one[:-1]) or (other.endswith("*") and one.startswith(other[:-1]))
    return one == other or (other.endswith("*") and one.startswith(other[:-1]))


def meet(ones: Iterable[str], others: Iterable[str]) -> bool:
    """Tell whether two sets of resources may have one in common."""
    return any(share(one, other) for one in ones for other in others)
