"""The value of every fact of LANGUAGE.md, read from a Snapshot: the same for every backend.

A fact that the snapshot cannot show is None ("not visible"); what does not exist is the word
"none", or 0 where LANGUAGE.md says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvmlab.snapshot import RedirectionEntry, Snapshot

Segment = str | int
Value = int | str | frozenset[int] | None

NONE = "none"


def lookup(snapshot: Snapshot) -> Callable[[tuple[Segment, ...]], Value]:
    """Return a function from a fact's segments to its value in a snapshot."""

    def value(path: tuple[Segment, ...]) -> Value:
        return FACTS[str(path[0])](snapshot, path[1:])

    return value


def _eventfd(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.eventfds is None:
        return None
    for eventfd in reversed(snapshot.eventfds):
        if path[0] == eventfd.name or any(name == path[0] for name, _fd in eventfd.fds):
            return eventfd.count
    return NONE


def _fd(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.eventfds is None:
        return None
    pairs = [pair for eventfd in snapshot.eventfds for pair in eventfd.fds]
    return next((fd for name, fd in pairs if name == path[0]), NONE)


_PIN: dict[str, Callable[[RedirectionEntry], Value]] = {
    "vector": lambda pin: pin.vector,
    "mask": lambda pin: pin.mask,
    "trigger": lambda pin: pin.trigger,
    "remote_irr": lambda pin: pin.remote_irr,
    "irr": lambda pin: pin.irr,
    "line": lambda pin: pin.line,
    "dest": lambda pin: pin.dest,
    "sources": lambda pin: None if pin.sources is None else frozenset(pin.sources),
}


def _ioapic(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.ioapic is None:
        return None
    return _PIN[str(path[1])](snapshot.ioapic.pins[int(path[0])])


def _lapic(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.lapics is None:
        return None
    lapic = next((chip for chip in snapshot.lapics if chip.vcpu == int(path[0])), None)
    if lapic is None or (path[1] == "tmr" and lapic.tmr_partial):
        return None
    value = getattr(lapic, str(path[1]))
    return frozenset(value) if isinstance(value, tuple) else int(value)


def _pic(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.pic is None:
        return None
    return int(getattr(getattr(snapshot.pic, str(path[0])), str(path[1])))


def _source(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.sources is None:
        return None
    return next((s.refs for s in snapshot.sources.sources if s.id == path[0]), 0)


def _sources(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.sources is None:
        return None
    return frozenset(getattr(snapshot.sources, str(path[0])))


def _assigned(part: str) -> Callable[[Snapshot, tuple[Segment, ...]], Value]:
    def state(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
        found: Sequence[Any] | None = getattr(snapshot, part)
        if found is None:
            return None
        return next((item.state for item in reversed(found) if item.name == path[0]), NONE)

    return state


def _key(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.keys is None:
        return None
    return dict(snapshot.keys).get(str(path[0]), NONE)


def _counted(part: str) -> Callable[[Snapshot, tuple[Segment, ...]], Value]:
    def count(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
        if snapshot.counters is None:
            return None
        counts = getattr(snapshot.counters, part)
        return None if counts is None else int(dict(counts).get(path[0], 0))

    return count


def _device(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.devices is None:
        return None
    found = [device for device in snapshot.devices if device.name == path[0]]
    return int(getattr(found[0], str(path[1]))) if found else NONE


def _reports(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.reports is None:
        return None
    return sum(1 for report in snapshot.reports if not path or report.kind == path[0])


def _last(snapshot: Snapshot, path: tuple[Segment, ...]) -> Value:
    if snapshot.last is None:
        return None
    value = getattr(snapshot.last, str(path[0]))
    if path[0] == "errno":
        return str(value) or 0
    return NONE if value is None else int(value) if isinstance(value, int) else str(value)


FACTS: dict[str, Callable[[Snapshot, tuple[Segment, ...]], Value]] = {
    "eventfd": _eventfd,
    "fd": _fd,
    "ioapic": _ioapic,
    "lapic": _lapic,
    "pic": _pic,
    "source": _source,
    "sources": _sources,
    "irqfd": _assigned("irqfds"),
    "eoifd": _assigned("eoifds"),
    "ioeventfd": _assigned("ioeventfds"),
    "key": _key,
    "taken": _counted("taken"),
    "acked": _counted("acked"),
    "trace": _counted("trace"),
    "ioapic-eoi": _counted("eoi_exits"),
    "device": _device,
    "reports": _reports,
    "last": _last,
}
"""The reader of each family of facts, by its first segment."""
