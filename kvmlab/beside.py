"""Two machines side by side: what one shows laid over the other, and the cells in which they differ.

The first machine is the model, the second a running kernel, which shows less. What is compared are the
chips and the counters; descriptors, bindings and routes are books that each side keeps by itself, and a
difference there is one of a return value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple

from kvmlab.snapshot import EventfdSnapshot, RedirectionEntry, Snapshot, diff

ENTRY = (
    *("vector", "delivery_mode", "dest_mode", "delivery_status", "polarity", "remote_irr"),
    *("trigger", "mask", "dest"),
)
"""What a redirection entry is made of; a reserved bit is of its value alone."""

FAMILIES = {"lapics": "lapic", "eventfds": "eventfd", "eoi_exits": "ioapic-eoi"}
"""Parts of a snapshot that facts call otherwise."""


class Cell(NamedTuple):
    """One thing that differs: of which part and of what in it ("" for the part itself), and both values."""

    part: str
    key: str
    field: str
    model: Any
    kernel: Any

    @property
    def name(self) -> str:
        """What facts call it, where there is one."""
        return ".".join(word for word in (FAMILIES.get(self.part, self.part), self.key, self.field) if word)

    @property
    def values(self) -> tuple[str, str]:
        """The values as text: the model's and the kernel's."""
        return _shown(self.model), _shown(self.kernel)


def laid_over(ours: Snapshot, theirs: Snapshot) -> Snapshot:
    """Return our snapshot with what the other machine shows in its place; what either hides stays ours."""
    return replace(
        ours,
        ioapic=_over(ours.ioapic, theirs.ioapic),
        lapics=_over(ours.lapics, theirs.lapics),
        pic=_over(ours.pic, theirs.pic),
        eventfds=_counted(ours.eventfds, theirs.eventfds),
        counters=_over(ours.counters, theirs.counters),
        last=theirs.last or ours.last,
    )


def _over(ours: Any, theirs: Any) -> Any:
    if ours is None or theirs is None or ours == theirs:
        return ours
    if is_dataclass(ours) and not isinstance(ours, type):
        names = [each.name for each in fields(ours)]
        return replace(ours, **{name: _over(getattr(ours, name), getattr(theirs, name)) for name in names})
    if isinstance(ours, tuple) and ours and is_dataclass(ours[0]) and len(ours) == len(theirs):
        return tuple([_over(mine, other) for mine, other in zip(ours, theirs, strict=True)])
    return theirs


def _counted(
    ours: tuple[EventfdSnapshot, ...] | None, theirs: tuple[EventfdSnapshot, ...] | None
) -> tuple[EventfdSnapshot, ...] | None:
    """Return our eventfds with the counters of theirs, told by the names that are open."""
    if ours is None or theirs is None:
        return ours
    counts = {_names(each): each.count for each in theirs if each.fds}
    return tuple([replace(each, count=counts.get(_names(each), each.count)) for each in ours])


def _names(eventfd: EventfdSnapshot) -> frozenset[str]:
    return frozenset(name for name, _fd in eventfd.fds)


def cells(ours: Snapshot, over: Snapshot) -> tuple[Cell, ...]:
    """Return what differs between a snapshot and another one laid over it, in the order of its parts.

    Answers are no cells: they are told with their commands.
    """
    found = diff(ours, replace(over, last=ours.last))
    return tuple(cell for path, mine, other in found for cell in _cells(path, mine, other))


def _cells(path: str, mine: Any, other: Any) -> Iterator[Cell]:
    part, *keys, field = path.split(".")
    if path == "ioapic.irr":
        return  # It stands in the pins.
    if part == "counters":
        yield from _counters(field, mine, other)
        return
    key = keys[-1].partition("/")[0] if keys else ""
    if part == "ioapic" and field == "value":
        yield from _entry(key, mine, other)
        return
    yield Cell(part, key, field, mine, other)


def _entry(pin: str, mine: int, other: int) -> Iterator[Cell]:
    entries = RedirectionEntry(mine), RedirectionEntry(other)
    pairs = [(name, getattr(entries[0], name), getattr(entries[1], name)) for name in ENTRY]
    found = [pair for pair in pairs if pair[1] != pair[2]]
    for name, was, now in found or [("value", mine, other)]:
        yield Cell("ioapic", pin, name, was, now)


def _counters(name: str, mine: Iterable[tuple[int, int]], other: Iterable[tuple[int, int]]) -> Iterator[Cell]:
    ours, theirs = dict(mine), dict(other)
    for number in sorted({*ours, *theirs}):
        if ours.get(number, 0) != theirs.get(number, 0):
            yield Cell(name, _shown(number), "", ours.get(number, 0), theirs.get(number, 0))


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(map(_shown, value)) + "}"
    return f"{value:#x}" if isinstance(value, int) and value > 9 else str(value)


def verdict(differing: int) -> str:
    """Say in words whether the machines agree, or how many cells differ."""
    if not differing:
        return "model and kernel agree"
    return f"model and kernel: {differing} cell{'s differ' if differing > 1 else ' differs'}"
