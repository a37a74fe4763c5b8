"""The model against a running kernel: random programs on both, everything visible compared after each call.

A divergence is replayed to confirm it, since a kernel's workers may be late for once, and shrunk to the
shortest program that shows it. The same seed makes the same programs, in the same order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from kvmlab.backends.kvm.cells import Cell
from kvmlab.backends.kvm.twin import Twin
from kvmlab.backends.kvm.vm import refusal
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


@dataclass(frozen=True, slots=True)
class Order:
    """Which programs are compared, each by its number: families in turn, of ``length`` random operations."""

    seed: int
    families: tuple[str, ...] = tuple(FAMILIES)
    vcpus: int = 0
    length: int = LENGTH

    def family(self, number: int) -> str:
        """Return what a program is about."""
        return self.families[number % len(self.families)]

    def many(self, number: int) -> int:
        """Return how many vCPUs a program has."""
        return self.vcpus or VCPUS[number // len(self.families) % len(VCPUS)]

    def program(self, number: int) -> list[Call]:
        """Return a program."""
        rng = Random(f"{self.seed}/{number}")  # noqa: S311
        return program(rng, self.family(number), self.many(number), self.length)


class Part(NamedTuple):
    """What one program came to: how many operations were compared, and what was found."""

    operations: int
    unrepeatable: int = 0
    divergence: Divergence | None = None


@dataclass(slots=True)
class Comparison:
    """How far a comparison is. ``unrepeatable`` counts divergences that did not come again."""

    seed: int
    operations: int = 0
    programs: int = 0
    unrepeatable: int = 0
    begun: float = field(default_factory=time.monotonic)
    divergence: Divergence | None = None

    def take(self, part: Part) -> None:
        """Add what the next program came to."""
        self.programs += 1
        self.operations += part.operations
        self.unrepeatable += part.unrepeatable
        self.divergence = part.divergence

    @property
    def seconds(self) -> float:
        """Return how long it has run."""
        return time.monotonic() - self.begun

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


class Stopped(Exception):
    """Nobody waits for the comparison any more."""


class Differ:
    """Pairs of machines by their vCPUs and what they have ``with=``, each made when it is first needed.

    ``stopped`` is asked before each program, and each part of one that is shrunk.
    """

    def __init__(self, twin: type[Twin] = Twin, stopped: Callable[[], bool] = lambda: False) -> None:
        self._twin, self._stopped = twin, stopped
        self._pairs: dict[tuple[int, frozenset[str]], Pair] = {}

    def pair(self, vcpus: int, family: str = "all") -> Pair:
        """Return the pair of a family with so many vCPUs. Raises Refused where there is no kernel."""
        key = vcpus, WITH.get(family, frozenset())
        if key not in self._pairs:
            self._pairs[key] = Pair(vcpus, self._twin, key[1])
        return self._pairs[key]

    def first_difference(self, calls: Sequence[Call], vcpus: int, family: str = "all") -> int:
        """Make calls on a pair that is as new; return the index of the first that differs, or -1.

        Raises Refused where there is no kernel, and Stopped.
        """
        if self._stopped():
            raise Stopped
        try:
            pair = self.pair(vcpus, family)
            pair.reset()
            return next((number for number, call in enumerate(calls) if pair.differs(call)), -1)
        except OSError as error:
            raise refusal(error, "the kernel's machine cannot be looked at or brought back") from None

    def part(self, order: Order, number: int) -> Part:
        """Compare one program."""
        calls, many, family = order.program(number), order.many(number), order.family(number)
        at = self.first_difference(calls, many, family)
        if at < 0:
            return Part(len(calls))
        found = self._found(order, number, calls[: at + 1])
        return Part(at + 1, 0 if found else 1, found)

    def _found(self, order: Order, number: int, calls: list[Call]) -> Divergence | None:
        """Confirm a divergence, and shrink it; None for one that does not come again."""
        vcpus, family = order.many(number), order.family(number)

        def fails(part: Sequence[Call]) -> bool:
            return self.first_difference(part, vcpus, family) >= 0

        if not any(fails(calls) for _replay in range(CONFIRMATIONS)):
            return None
        shortest = shrink(calls, fails)
        at = self.first_difference(shortest, vcpus, family)
        if at < 0:
            return None
        pair = self.pair(vcpus, family)
        cells, seen = tuple(pair.differences()), pair.snapshots()
        left = tuple(shortest[: at + 1])
        return Divergence(family, f"{order.seed}/{number}", vcpus, left, cells, *seen)


def diff(order: Order, enough: Callable[[Comparison], bool], twin: type[Twin] = Twin) -> Iterator[Comparison]:
    """Compare one program after the other until they differ or it is ``enough``; yield it after each.

    Raises Refused where there is no kernel.
    """
    differ, done = Differ(twin), Comparison(order.seed)
    while not (done.divergence or enough(done)):
        done.take(differ.part(order, done.programs))
        yield done
