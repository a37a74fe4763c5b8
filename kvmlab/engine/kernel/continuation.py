"""Where a context stands: a place in a path that can be stored, hashed and rebuilt.

A place is a :class:`Continuation`: the call and the values received so far, interned. A path
is a pure function of these; the generator is only a cache of it.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from functools import cache
from typing import Any

from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Op

Call = tuple[str, tuple[Any, ...]]
"""A path by name and its arguments (without the profile)."""


class Place(Enum):
    """Where a call is that has not come to its end: at an op, or there for good."""

    STANDING = "standing"
    STOPPED = "stopped"


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


@cache
def handle_of(name: str) -> str:
    """Return the handle of the context of that name."""
    return "context-" + name
