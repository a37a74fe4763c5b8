"""Where a context stands: a place in a path that can be stored, hashed and rebuilt.

A place is a :class:`Continuation`: the call and the values received so far, interned. A path
is a pure function of these, so that a place knows its next op once and for all.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any

from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import PATHS, Op
from kvmlab.engine.profile import Profile

Call = tuple[str, tuple[Any, ...]]
"""A path by name and its arguments (without the profile)."""


EXPECTING = "expecting"
"""The path that makes another one's call, the first of its arguments, and looks at what it returned."""


IDLE = "vcpu_idle"
"""The path of a call that is made again as soon as it has come to its end: a guest with nothing to do."""


class Place(Enum):
    """Where a call is that has not come to its end: at an op, or there for good."""

    STANDING = "standing"
    STOPPED = "stopped"


def path_of(call: Call) -> str:
    """Return the path of a call; of one that is expected to return something, that of the call."""
    name, args = call
    return str(args[0]) if name == EXPECTING else name


class Continuation:
    """A place in a path: where it was called, or one more received value. Equal is identical.

    ``result`` is what the call returned, where the path has come to its end.
    """

    __slots__ = ("_known", "_op", "call", "depth", "kids", "parent", "result", "value")

    def __init__(self, call: Call, parent: Continuation | None, value: Any, depth: int) -> None:
        self.call, self.parent, self.value, self.depth = call, parent, value, depth
        self.kids: dict[Any, Continuation] = {}
        self.result: Any = None
        self._known = False
        self._op: Op | None = None

    @property
    def path(self) -> str:
        """The name of the path; of a call that is expected to return something, that of the call."""
        return path_of(self.call)

    def advance(self, value: Any) -> Continuation:
        """Return the place after receiving a value."""
        key = (value.__class__, value)
        kid = self.kids.get(key)
        if kid is None:
            kid = self.kids[key] = Continuation(self.call, self, value, self.depth + 1)
        return kid

    def op(self, profile: Profile) -> Op | None:
        """Return the op that is next here; None at the end. The path is run from its start once."""
        if not self._known:
            path, args = self.call
            generator = PATHS[path](profile, *args)
            try:
                op = generator.send(None)
                for value in self.received():
                    op = generator.send(value)
                self._op = op
            except StopIteration as end:
                self.result = end.value
            self._known = True
        return self._op

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

    FIELDS = ("name", "at", "program", "calls", "started", "stopped", "result")
    __slots__ = FIELDS

    def __init__(self, name: str, program: tuple[Call, ...] = ()) -> None:
        super().__init__()
        self.name = name
        self.at: Continuation | None = None
        self.program = self.calls = program
        self.started = False
        self.stopped = ""
        self.result: Any = None

    @property
    def goes_on(self) -> bool:
        """Whether it has a call to make that is not made again and again."""
        return bool(self.calls) and self.calls[0][0] != IDLE


@cache
def handle_of(name: str) -> str:
    """Return the handle of the context of that name."""
    return "context-" + name
