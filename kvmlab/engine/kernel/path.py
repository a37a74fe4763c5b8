"""Kernel paths: generators that yield ops as data, registered by their kernel names.

An op is a tuple ``(method, handle, *arguments)``: one kernel primitive on one object. It is
run by whoever drives the path (drained at once, stepped by hand, searched) and its result is
sent back. A path sees shared state in no other way, so it is a pure function of its arguments
and of the values it received: that is what makes a context's place storable. Its first
parameter is the :class:`~kvmlab.engine.profile.Profile`, whose constants it may read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

Op = tuple[Any, ...]
"""``(method of an Object class, handle, *arguments)``."""

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

Path = Generator[Op, Any, R]
"""What a path function returns: yields ops, receives their results, returns an R."""

PATHS: dict[str, Callable[..., Path[Any]]] = {}
"""Every path of the engine by its name, which is the kernel's where the kernel has one."""


class _Blocked:
    """The result of an op that can't go on yet; it has changed nothing and will be tried again."""

    def __repr__(self) -> str:
        return "BLOCKED"


BLOCKED = _Blocked()


Why = Callable[..., tuple[str, tuple[str, ...]] | None]
"""Says why an op can't go on: a clause and the contexts waited for, or None if it can."""


def path(function: F) -> F:
    """Register a generator function as a path under its own name."""
    PATHS[function.__name__] = function
    return function


def blocks(why: Why) -> Callable[[F], F]:
    """Mark a method as one that may return BLOCKED; ``why`` tells the reason."""

    def mark(method: F) -> F:
        method.why = why  # type: ignore[attr-defined]
        return method

    return mark


def makes(method: Callable[..., Any], handle: str) -> Callable[[F], F]:
    """Mark a function that returns an op: its method, its handle, and the function's arguments."""

    def mark(function: F) -> F:
        function.op = (method, handle)  # type: ignore[attr-defined]
        return function

    return mark


def interruptible(result: object) -> Callable[[F], F]:
    """Mark a method that sleeps until a signal: ``result`` is what it returns when one comes."""

    def mark(method: F) -> F:
        method.interrupted = result  # type: ignore[attr-defined]
        return method

    return mark


def touches(*handles: str) -> Callable[[F], F]:
    """Mark a method as one that touches more than its own object: handles, or "kind*"."""

    def mark(method: F) -> F:
        method.touches = handles  # type: ignore[attr-defined]
        return method

    return mark


def footprint(op: Op) -> tuple[str, ...]:
    """Return what an op may read or write, before it runs, beside the sanitizers' reports.

    That is its object, the handles among its arguments, and what its method declares. The explorer
    goes by it: an op that finds all of that as it was before does what it did before.
    """
    named = [arg for arg in op[2:] if isinstance(arg, str) and "#" in arg]
    return (op[1], *named, *getattr(op[0], "touches", ()))


def can_block(op: Op) -> bool:
    """Tell whether an op may have to wait."""
    return hasattr(op[0], "why")


def describe(op: Op) -> str:
    """Return an op as a reader of the kernel would write it: ``ioapic.set_irq(11, 1, 1)``."""
    method, handle, *args = op
    return f"{handle}.{method.__name__}({', '.join(map(_argument, args))})"


def _argument(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
