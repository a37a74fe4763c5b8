"""A register as the numbers of its bits."""

from __future__ import annotations


def bits(value: int) -> tuple[int, ...]:
    """Return the numbers of the bits set, ascending."""
    found = []
    while value:
        lowest = value & -value
        found.append(lowest.bit_length() - 1)
        value ^= lowest
    return tuple(found)
