"""A search in units as plain data, and one that goes on from there: what is to be done, what came back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kvmlab.engine.kernel.continuation import Call, Continuation
from kvmlab.explore.carrying import Carried, Part
from kvmlab.explore.jobs import Shared, Sharing
from kvmlab.explore.lore import Lore
from kvmlab.explore.spelling import read, spelled
from kvmlab.explore.units import Cell, Entry, Unit

Data = dict[str, Any]

COUNTS = ("states", "transitions", "rounds", "units", "lost")
"""The fields of what was found that are numbers."""


class _Parts:
    """Parts of states, each told once: the entries of a search are many, and their parts are few."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._kept: list[Part] = []
        self.data: list[Any] = []

    def entry(self, entry: Entry) -> list[Any]:
        """Return an entry with its parts by number."""
        schedule, carried = entry
        return [spelled(schedule), [self._number(part) for part in carried]]

    def _number(self, part: Part) -> int:
        number = self._numbers.get(id(part))
        if number is None:
            number = self._numbers[id(part)] = len(self.data)
            self._kept.append(part)
            self.data.append(spelled(tuple(part)))
        return number


def sharing_data(sharing: Sharing) -> Data:
    """Return where a search in units stands; those that were given out are to be done again."""
    parts, outcome = _Parts(), sharing.before or sharing.outcome
    first = sharing.first
    units = (*sharing.ready, *sharing.out.values())
    return {
        "first": None if first is None else [list(first.pivots), list(first.cell), spelled(first.order)],
        "waiting": [[list(cell), list(map(parts.entry, each))] for cell, each in sharing.waiting.items()],
        "cells": [[list(unit.cell), list(map(parts.entry, unit.entries))] for unit in units],
        "parts": parts.data,
        "order": spelled(tuple(sorted(sharing.order))),
        "backwards": sharing.backwards,
        "reduction": outcome.reduction,
        "lore": spelled(tuple(sharing.lore)),
        "learned": spelled(tuple(sharing.learned)),
        "exhausted": outcome.exhausted,
        "ends": spelled(tuple(outcome.ends)),
        "failures": [[*failure, spelled(schedule)] for failure, schedule in outcome.failures.items()],
        **{name: getattr(outcome, name) for name in COUNTS},
    }


def share_on(sharing: Sharing, data: Data) -> None:
    """Put a search in units that has not begun where another one stood.

    Raises an error of Python's if it cannot.
    """

    def told(value: Any) -> Any:
        return read(value, _nowhere)

    parts = told(data["parts"])

    def entries(given: list[Any]) -> list[Entry]:
        return [(told(schedule), _carried(parts, numbers)) for schedule, numbers in given]

    known = sharing.first
    assert known is not None
    if data["first"] is None:
        sharing.first = None
    else:
        pivots, cell, order = told(data["first"])
        scenario = replace(known.scenario, reduction=str(data["reduction"]))
        known = sharing.first = Unit(scenario, pivots, cell, known.entries, order, known.cap)
    sharing.waiting = {_cell(cell): entries(given) for cell, given in data["waiting"]}
    sharing.ready = [
        Unit(known.scenario, known.pivots, _cell(cell), tuple(entries(given)), known.order, known.cap)
        for cell, given in data["cells"]
    ]
    sharing.order, sharing.backwards = set(told(data["order"])), str(data["backwards"])
    sharing.know(Lore(*told(data["lore"])), Lore(*told(data["learned"])))
    outcome = Shared(str(data["reduction"]))
    for name in COUNTS:
        setattr(outcome, name, int(data[name]))
    outcome.exhausted, outcome.ends = bool(data["exhausted"]), list(told(data["ends"]))
    outcome.failures = {(kind, text): told(schedule) for kind, text, schedule in data["failures"]}
    sharing.outcome = outcome


def _nowhere(call: Call, _received: tuple[Any, ...]) -> Continuation:
    raise ValueError(call)


def _carried(parts: tuple[Part, ...], numbers: list[int]) -> Carried:
    return tuple([parts[number] for number in numbers])


def _cell(ranks: list[int]) -> Cell:
    return tuple(map(int, ranks))
