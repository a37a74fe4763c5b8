"""The parts of the last picture of a machine, each kept as long as what it was read from stays as it is.

A lab, a search or a screen takes thousands of pictures, and from one to the next little changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from kvmlab.engine.kernel.object import Value

T = TypeVar("T")

Values = dict[str, Value]
"""Values of objects by their handles; in which order they come means nothing."""


class Part(Protocol):
    """What returns a part by its name, the values it is read from, and what makes it anew."""

    def __call__(self, name: str, values: Values, make: Callable[[], T]) -> T:
        """See :meth:`Parts.part`."""


class Parts:
    """The parts by name; one machine has one of these, or none."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Values, Any]] = {}

    def part(self, name: str, values: Values, make: Callable[[], T]) -> T:
        """Return a part that is read from objects with these values: the last one, or one that is made."""
        known = self._known.get(name)
        if known is not None and known[0] == values:
            found: T = known[1]
            return found
        made = make()
        self._known[name] = values, made
        return made
