"""Values that stand for others: those that differ in nothing but an order or a count which means nothing."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter, itemgetter

from kvmlab.engine.chips.routing import Routing
from kvmlab.engine.kernel.locks import Locks
from kvmlab.engine.kernel.memory import Slab
from kvmlab.engine.kernel.object import Object, Value
from kvmlab.engine.kernel.rcu import Rcu
from kvmlab.engine.kernel.sanitizers import Reports
from kvmlab.engine.world.devices import Devices
from kvmlab.engine.world.emulated import Emulated, Virtio
from kvmlab.engine.world.vcpu import Guest
from kvmlab.engine.world.vfio import Vfio


def _locks(value: Value) -> Value:
    # By owner: the order in which one context took its locks is told in reports.
    owners, readers = value[2][:2], value[2][2:]
    held = [tuple(sorted(table, key=itemgetter(1))) for table in owners]
    return (*value[:2], (*held, *[tuple(sorted(table)) for table in readers]))


def _slab(value: Value) -> Value:
    cls, freed, made, quarantined = value
    return cls, freed, tuple(sorted(made)), tuple(sorted(quarantined))


def _reports(value: Value) -> Value:
    cls, freed, made, log = value
    return cls, freed, tuple(sorted(made, key=attrgetter("context", "kind", "text"))), tuple(sorted(log))


def _waiters(value: Value) -> Value:
    return (*value[:2], tuple(sorted([(waiter, tuple(sorted(readers))) for waiter, readers in value[2]])))


CANONICAL: dict[str, Callable[[Value], Value]] = {
    Locks.NAME: _locks,
    Slab.NAME: _slab,
    Reports.NAME: _reports,
    Rcu.NAME: _waiters,
}
"""By class, what stands for all values that differ in nothing but an order that means nothing."""

_OF_DEVICES = ("since", "latency", "raised", "serviced", "wakeups", "spurious", "polls")

COUNTERS: dict[type[Object], tuple[str, ...]] = {
    Guest: ("counts", "total"),
    Routing: ("acked",),
    Devices: ("wakeups",),
    **dict.fromkeys((Emulated, Virtio, Vfio), _OF_DEVICES),
}
"""By class, the fields that no path reads: a guest that goes round would make them grow for ever."""

READ_BY_PEOPLE = frozenset({"guest", "routing", "devices"})
"""Handles of which a property that reads one wants the counters."""


def _uncounted(cls: type[Object]) -> Callable[[Value], Value]:
    """Return what puts the counters of a class's values to nothing."""
    blank = {2 + cls.FIELDS.index(name): () if name in {"counts", "acked"} else 0 for name in COUNTERS[cls]}

    def stands(value: Value) -> Value:
        return tuple([blank.get(at, field) for at, field in enumerate(value)])

    return stands


UNCOUNTED = {cls.NAME: _uncounted(cls) for cls in COUNTERS}
"""By class, what stands for all values that differ in nothing but counters."""
