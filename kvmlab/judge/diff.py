"""The model against a running kernel: random programs on both, everything visible compared after each call.

A divergence is replayed to confirm it, since a kernel's workers may be late for once, and shrunk to the
shortest program that shows it. The same seed makes the same programs, in the same order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from kvmlab.backends.kvm.cells import Cell
from kvmlab.backends.kvm.twin import Twin
from kvmlab.judge.families import FAMILIES, WITH, program
from kvmlab.judge.operations import Call
from kvmlab.judge.pair import Pair
from kvmlab.judge.shrink import shrink
from kvmlab.judge.wording import script
from kvmlab.snapshot import Snapshot, to_json

LENGTH = 60
"""Random operations of a program; behind a divergence nothing can be compared any more."""

CONFIRMATIONS = 2
"""A divergence is one if it comes again in one of so many replays."""

VCPUS = (1, 2, 1, 4, 1, 3)
"""How many vCPUs programs have in turn, unless a number is asked for."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """A program on which model and kernel differ: shrunk, with what differs after its last call."""

    family: str
    seed: str
    vcpus: int
    program: tuple[Call, ...]
    cells: tuple[Cell, ...]
    model: Snapshot
    kernel: Snapshot

    def script(self) -> list[str]:
        """Return it as a script that holds on the kernel and fails on the model."""
        return script(self.program, self.cells, self.vcpus, sorted(WITH.get(self.family, ())))


@dataclass(slots=True)
class Comparison:
    """How far a comparison is. ``unrepeatable`` counts divergences that did not come again."""

    seed: int
    operations: int = 0
    programs: int = 0
    unrepeatable: int = 0
    begun: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    divergence: Divergence | None = None

    @property
    def seconds(self) -> float:
        """Return how long it has run."""
        return (self.ended or time.monotonic()) - self.begun

    @property
    def rate(self) -> float:
        """Return operations a second."""
        return self.operations / max(self.seconds, 1e-9)

    def line(self) -> str:
        """Return where it stands, in one line."""
        odd = f", {self.unrepeatable} that did not come again" if self.unrepeatable else ""
        found = "1 divergence" if self.divergence else "no divergence"
        return (
            f"{self.operations:,} operations in {self.programs:,} programs, {self.rate:,.0f}/s, "
            f"seed {self.seed}: {found}{odd}"
        )

    def numbers(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        found = self.divergence
        return {
            "seed": self.seed,
            "operations": self.operations,
            "programs": self.programs,
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate),
            "unrepeatable": self.unrepeatable,
            "divergence": found
            and {
                "family": found.family,
                "vcpus": found.vcpus,
                "operations": len(found.program),
                "script": found.script(),
                "cells": [cell._asdict() for cell in found.cells],
                "model": to_json(found.model),
                "kernel": to_json(found.kernel),
            },
        }


class Differ:
    """Pairs of machines by their vCPUs and what they have ``with=``, each made when it is first needed."""

    def __init__(self, twin: type[Twin] = Twin) -> None:
        self._twin = twin
        self._pairs: dict[tuple[int, frozenset[str]], Pair] = {}

    def pair(self, vcpus: int, family: str = "all") -> Pair:
        """Return the pair of a family with so many vCPUs. Raises Refused where there is no kernel."""
        key = vcpus, WITH.get(family, frozenset())
        if key not in self._pairs:
            self._pairs[key] = Pair(vcpus, self._twin, key[1])
        return self._pairs[key]

    def first_difference(self, calls: Sequence[Call], vcpus: int, family: str = "all") -> int:
        """Make calls on a pair that is as new; return the index of the first that differs, or -1."""
        pair = self.pair(vcpus, family)
        pair.reset()
        for number, call in enumerate(calls):
            if pair.differs(call):
                return number
        return -1

    def run(
        self, seed: int, families: Sequence[str], vcpus: int = 0, length: int = LENGTH
    ) -> Iterator[Comparison]:
        """Compare programs of families in turn, for ever, yielding after each; it ends with a divergence."""
        done = Comparison(seed)
        while done.divergence is None:
            number = done.programs
            family = families[number % len(families)]
            many = vcpus or VCPUS[number // len(families) % len(VCPUS)]
            calls = program(Random(f"{seed}/{number}"), family, many, length)  # noqa: S311
            at = self.first_difference(calls, many, family)
            done.programs += 1
            done.operations += len(calls) if at < 0 else at + 1
            if at >= 0:
                self._found(done, family, calls[: at + 1], many)
            yield done

    def _found(self, done: Comparison, family: str, calls: list[Call], vcpus: int) -> None:
        """Confirm a divergence, and shrink it."""

        def fails(part: Sequence[Call]) -> bool:
            return self.first_difference(part, vcpus, family) >= 0

        if not any(fails(calls) for _replay in range(CONFIRMATIONS)):
            done.unrepeatable += 1
            return
        shortest = shrink(calls, fails)
        at = self.first_difference(shortest, vcpus, family)
        if at < 0:
            done.unrepeatable += 1
            return
        pair = self.pair(vcpus, family)
        cells, seen = tuple(pair.differences()), pair.snapshots()
        done.divergence = Divergence(
            family, f"{done.seed}/{done.programs - 1}", vcpus, tuple(shortest[: at + 1]), cells, *seen
        )


def diff(
    seed: int,
    families: Sequence[str] = tuple(FAMILIES),
    vcpus: int = 0,
    enough: Callable[[Comparison], bool] = lambda _done: False,
    twin: type[Twin] = Twin,
) -> Comparison:
    """Compare until a divergence is found, or it is ``enough``. Raises Refused where there is no kernel."""
    for done in Differ(twin).run(seed, families, vcpus):
        if enough(done):
            break
    done.ended = time.monotonic()
    return done
