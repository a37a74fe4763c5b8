"""Values as JSON, and back: numbers, texts, tuples and sets of these, and the few classes in what is kept.

Nothing else can be read, so that a journal from a stranger runs no code but the engine's own paths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvmlab.engine.abi import Errno, Fault
from kvmlab.engine.chips.destination import LapicIrq
from kvmlab.engine.chips.pic_chip import Registers
from kvmlab.engine.chips.route_table import KernelRoute, Route
from kvmlab.engine.kernel.continuation import Call, Continuation
from kvmlab.engine.kernel.sanitizers import Report
from kvmlab.engine.world.userspace import Descriptor
from kvmlab.explore.carrying import Stand
from kvmlab.explore.resources import Access

Place = Callable[[Call, tuple[Any, ...]], Continuation]
"""Finds the place in a call that has received some values."""

FIELDS: dict[type, tuple[str, ...]] = {
    Route: Route._fields,
    KernelRoute: KernelRoute._fields,
    Registers: Registers._fields,
    LapicIrq: LapicIrq._fields,
    Descriptor: Descriptor._fields,
    Report: ("kind", "context", "text"),
    Fault: ("why",),
    Stand: Stand._fields,
    Access: Access._fields,
}
"""Classes that are made again from some of their fields."""

NAMES: dict[str, Callable[..., Any]] = {cls.__name__: cls for cls in FIELDS}

PLACE, SET, ERRNO = "at", "set", "errno"


def spelled(value: Any) -> Any:
    """Return a value as what JSON has; raises TypeError for one of another class."""
    if value is None or value.__class__ in {bool, int, str}:
        return value
    if value.__class__ is tuple:
        return [spelled(each) for each in value]
    if value.__class__ in FIELDS:
        return {value.__class__.__name__: [spelled(getattr(value, name)) for name in FIELDS[value.__class__]]}
    if isinstance(value, Continuation):
        return {PLACE: [spelled(value.call), spelled(tuple(value.received()))]}
    if isinstance(value, Errno):
        return {ERRNO: [-int(value), value.why]}
    if isinstance(value, frozenset):
        return {SET: sorted([spelled(each) for each in value], key=repr)}
    raise TypeError(f"{value.__class__.__name__} is no part of a state")


def read(data: Any, place: Place) -> Any:
    """Return the value that was spelled so; raises an error of Python's for what was not."""
    if data.__class__ is list:
        return tuple([read(each, place) for each in data])
    if data.__class__ is not dict:
        return data
    ((name, fields),) = data.items()
    values = read(fields, place)
    if name == PLACE:
        call, received = values
        return place(call, received)
    if name == ERRNO:
        return Errno(*values)
    return frozenset(values) if name == SET else NAMES[name](*values)
