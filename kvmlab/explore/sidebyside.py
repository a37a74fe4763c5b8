"""One scenario under every reduction: what each has to look at, and how many interleavings that is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

from kvmlab.explore.explorer import SLICE, claimed, nothing_left_out
from kvmlab.explore.graph import interleavings
from kvmlab.explore.search import REDUCTIONS, Progress, Search
from kvmlab.explore.shortest import Failure
from kvmlab.explore.start import Start
from kvmlab.explore.verdict import Asked
from kvmlab.result import Property
from kvmlab.snapshot import LastSnapshot

EXCHANGED = "exchanged"
"""The name of the reduced search in which interchangeable contexts are exchanged."""

MEANINGS = {
    **{name: text for name, text in REDUCTIONS.items() if name != "section"},
    EXCHANGED: "reduced, and it is all one who is who of interchangeable contexts",
    "section": REDUCTIONS["section"],
}
"""What is compared, and what each leaves out."""

SHORT = 1_000_000
"""A count from which on a number is shown by its power of ten."""

WRITABLE = 10**1000
"""A count from which on it is not written out for programs."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What one reduction came to; ``interleavings`` is None where a schedule can go in circles for ever.

    Where it is not exhausted, that is how many there are at least.
    """

    reduction: str
    exhausted: bool
    states: int
    transitions: int
    rounds: int
    interleavings: int | None
    seconds: float
    failures: frozenset[Failure]

    @property
    def ways(self) -> str:
        """The interleavings as they are shown."""
        if self.interleavings is None:
            return "endless"
        return ("" if self.exhausted else "≥ ") + scientific(self.interleavings)

    def as_object(self) -> dict[str, Any]:
        """Return it as plain data."""
        count = self.interleavings
        return {
            "reduction": self.reduction,
            "exhausted": self.exhausted,
            "states": self.states,
            "transitions": self.transitions,
            "rounds": self.rounds,
            "interleavings": count if count is not None and count < WRITABLE else None,
            "ways": self.ways,
            "seconds": round(self.seconds, 3),
            "failures": sorted(map(list, self.failures)),
        }


def scientific(count: int) -> str:
    """Return a count: whole where it is short, else two digits and a power of ten."""
    if count < SHORT:
        return f"{count:,}"
    digits = log10(count)
    return f"{10 ** (digits - floor(digits)):.1f}e{floor(digits)}"


class SideBySide:
    """Searches what stands ready under one reduction after the other; ``efforts`` are those that are done."""

    def __init__(
        self, start: Start, asked: Asked, properties: Sequence[Property], last: LastSnapshot | None = None
    ) -> None:
        self.start, self.asked, self._properties, self._last = start, asked, properties, last
        self.efforts: list[Effort] = []
        self.doing, self.things, self.most = "", "states", asked.cap
        self.found: frozenset[Failure] = frozenset()
        """What was found so far."""

    @property
    def reductions(self) -> list[str]:
        """Those that are compared: what a property reads may allow none that leaves anything out."""
        return ["plain", "section"] if nothing_left_out(self._properties) else list(MEANINGS)

    def run(self) -> Iterator[Progress]:
        """Search, yielding progress."""
        for name in self.reductions:
            self.doing = name
            world, judge, claims = claimed(self.start, self._properties, self._last)
            search = Search(
                world,
                judge,
                "reduced" if name == EXCHANGED else name,
                self.asked.cap,
                seen=claims.patterns,
                every=SLICE,
                exchange=name == EXCHANGED,
            )
            if name == EXCHANGED and search.symmetry is None:
                continue
            begun = time.monotonic()
            try:
                for progress in search.run():
                    world.machine.trace.clear()
                    yield progress
            finally:
                self._add(search, time.monotonic() - begun)

    def _add(self, search: Search, seconds: float) -> None:
        outcome, exchanged = search.outcome, search.symmetry
        failures = frozenset(exchanged.alike(outcome.failures) if exchanged else outcome.failures)
        self.found |= failures
        ways = interleavings(outcome.edges, search.world.start)
        self.efforts.append(
            Effort(
                EXCHANGED if exchanged else outcome.reduction,
                outcome.exhausted,
                outcome.states,
                outcome.transitions,
                outcome.rounds,
                ways,
                seconds,
                failures,
            )
        )

    @property
    def whole(self) -> list[Effort]:
        """The efforts at atomicity "op" that have seen every schedule."""
        return [effort for effort in self.efforts if effort.exhausted and effort.reduction != "section"]

    @property
    def agree(self) -> bool:
        """Whether all that have seen every schedule op by op have found the same."""
        return len({effort.failures for effort in self.whole}) < 2

    @property
    def clean(self) -> bool:
        """Whether every schedule was seen op by op, and nothing was found."""
        return bool(self.whole) and self.agree and not self.found
