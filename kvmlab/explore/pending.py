"""The op that a context has before it, and what that did wherever it found the same.

What an op does depends on what it looks at and on nothing else: its footprint says what that may be
(path.py), the sanitizers' reports beside. Where all of that has the numbers it had before, what was
done then is done again without a step of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from kvmlab.engine.kernel.continuation import Continuation
from kvmlab.engine.kernel.memory import Change
from kvmlab.engine.kernel.path import Op, can_block, footprint
from kvmlab.engine.kernel.sanitizers import REPORTS
from kvmlab.explore.resources import share


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """What a step did: whether the context went on, the numbers that it left, and what it changed."""

    moved: bool
    numbers: tuple[tuple[int, int], ...]
    change: Change


class Pending:
    """The next op of a context that stands somewhere; ``queue`` is what an idle worker waits for, or "".

    ``at`` is the place in a call, None between two. By the numbers of what the op looks at, ``free``
    tells whether it can run and ``effects`` what it did.
    """

    __slots__ = ("at", "effects", "free", "look", "may_wait", "op", "queue", "touches")

    def __init__(self, at: Continuation | None, op: Op | None, queue: str = "") -> None:
        self.at, self.op, self.queue = at, op, queue
        self.may_wait = op is not None and can_block(op)
        self.touches = (REPORTS, *((queue,) if queue else ()), *(footprint(op) if op else ()))
        self.look: Callable[[Sequence[int]], Any] = _nothing
        self.free: dict[Any, bool] = {}
        self.effects: dict[Any, Effect] = {}

    def touched(self, handle: str) -> bool:
        """Tell whether the op may look at an object."""
        return any(share(each, handle) for each in self.touches)

    def look_at(self, indices: Sequence[int]) -> None:
        """Say where in a state the numbers are of what the op looks at."""
        self.look = itemgetter(*indices) if indices else _nothing


def _nothing(_vector: Sequence[int]) -> tuple[int, ...]:
    return ()
