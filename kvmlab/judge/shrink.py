"""Delta debugging: the shortest part of a program that still fails (Zeller and Hildebrandt, 2002)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrink(program: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return a part of a failing program, in order, from which nothing can be left out.

    ``fails`` is asked of parts; of a program that does not fail, the whole is returned.
    """
    left = list(program)
    chunk = len(left) // 2 or 1
    while left:
        shorter = _without(left, chunk, fails)
        if len(shorter) == len(left):
            if chunk == 1:
                break
            chunk = max(1, chunk // 2)
        left = shorter
    return left


def _without(program: list[T], chunk: int, fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Leave out every chunk that is not needed, the last first: what fails ends there."""
    left = program
    at = len(left)
    while at > 0:
        at = max(0, at - chunk)
        rest = left[:at] + left[at + chunk :]
        if rest != left and fails(rest):
            left = rest
    return left
