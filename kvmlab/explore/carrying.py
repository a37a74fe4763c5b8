"""States that are carried elsewhere: to another process as plain data, or to a machine like this one."""

from __future__ import annotations

from typing import Any, NamedTuple

from kvmlab.engine.kernel.continuation import Call, Continuation
from kvmlab.explore.world import State, World


class Stand(NamedTuple):
    """A place in a path, as plain data: the call, and what it has received."""

    call: Call
    received: tuple[Any, ...]


Part = tuple[str, tuple[Any, ...] | None]
"""A handle and the value of its object, None where there is no object."""

Carried = tuple[Part, ...]
"""A state: the parts that are not as they are at the start."""


class Carrier:
    """Packs the states of a world, and unpacks those that another world of the same scenario packed.

    A part is packed once, so that many states together take little more room than their parts.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._parts: dict[tuple[int, int], Part] = {}
        self._numbers: dict[int, tuple[int, int]] = {}

    def pack(self, state: State) -> Carried:
        """Return a state as plain data."""
        start = self.world.start
        room = (0,) * (len(start) - len(state))
        numbers = enumerate((*state, *room))
        return tuple(
            [
                self.part(index, number)
                for index, number in numbers
                if number != (start[index] if index < len(start) else 0)
            ]
        )

    def unpack(self, carried: Carried) -> State:
        """Return the state of this world that was packed in another; the parts outlive the carrier."""
        vector = list(self.world.start)
        for part in carried:
            # By identity: the parts of states that came together are shared, and cost much to compare.
            at = self._numbers.get(id(part))
            if at is None:
                at = self._numbers[id(part)] = self.numbered(part)
            index, number = at
            if index >= len(vector):
                vector += [0] * (index + 1 - len(vector))
            vector[index] = number
        while vector and not vector[-1]:
            del vector[-1]
        return tuple(vector)

    def numbered(self, part: Part) -> tuple[int, int]:
        """Return the index of a part's handle in this world, and the number of its value."""
        handle, value = part
        place = self.world.contexts.place
        if value is not None:
            value = tuple([place(*each) if isinstance(each, Stand) else each for each in value])
        return self.world.numbered(handle, value)

    def part(self, index: int, number: int) -> Part:
        """Return the value of a number, with its handle."""
        part = self._parts.get((index, number))
        if part is None:
            handle, value = self.world.object(index, number)
            part = self._parts[index, number] = handle, value and tuple([_told(each) for each in value])
        return part


def _told(value: Any) -> Any:
    return Stand(value.call, tuple(value.received())) if isinstance(value, Continuation) else value
