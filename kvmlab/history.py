"""The past of a session: units that can be undone and redone, to any depth, and marks in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from kvmlab.backends.backend import Backend

KEPT = 100_000
"""As many units are kept; older ones can no longer be undone."""


Last = tuple[int | str, str, int | str]
"""The return value, the errno's name ("" if none) and the vector taken (or "none") of a unit."""


@dataclass(slots=True)
class Unit:
    """One command that may have changed the machine: what a backend needs to undo and redo it.

    ``noted`` is what a watcher of the session knew when it had happened.
    """

    text: str
    change: Any
    before: Last
    after: Last
    noted: Any = None


class Holder(Protocol):
    """What is moved through time: a session."""

    backend: Backend
    last: Last


class History:
    """Units in order; ``position`` is how many are done, counted from the machine's start.

    ``first`` is the earliest position that can be reached: 0 until KEPT units have been passed.
    """

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.first = 0
        self.position = 0
        self.marks: dict[str, int] = {}

    def __len__(self) -> int:
        return self.first + len(self.units)

    def at(self, position: int) -> Unit | None:
        """Return the unit that leads to a position, None where there is none."""
        index = position - self.first - 1
        return self.units[index] if 0 <= index < len(self.units) else None

    def add(self, unit: Unit) -> None:
        """Append a unit; what was undone before can't be redone any more."""
        units, done = self.units, self.position - self.first
        if done < len(units):
            del units[done:]
            self.marks = {name: at for name, at in self.marks.items() if at <= self.position}
        units.append(unit)
        self.position += 1
        # Dropping in blocks: taking the first off a long list each time costs its whole length.
        if done >= KEPT + KEPT // 10:
            surplus = len(units) - KEPT
            del units[:surplus]
            self.first += surplus

    def undo(self, holder: Holder, count: int) -> list[Unit]:
        """Undo up to ``count`` units; return them, newest first."""
        undone: list[Unit] = []
        while len(undone) < count and self.position > self.first:
            unit = self.units[self.position - 1 - self.first]
            holder.backend.rewind(unit.change)
            self.position -= 1
            holder.last = unit.before
            undone.append(unit)
        return undone

    def redo(self, holder: Holder, count: int) -> list[Unit]:
        """Redo up to ``count`` units; return them, oldest first."""
        redone: list[Unit] = []
        while len(redone) < count and self.position < len(self):
            unit = self.units[self.position - self.first]
            holder.backend.replay(unit.change)
            holder.last = unit.after
            self.position += 1
            redone.append(unit)
        return redone

    def goto(self, holder: Holder, position: int) -> None:
        """Undo or redo until ``position`` units are done."""
        if position < self.position:
            self.undo(holder, self.position - position)
        else:
            self.redo(holder, position - self.position)

    def lines(self) -> list[str]:
        """Return the units as lines with their numbers; the present is marked with an arrow."""
        lines = [f"the units up to {self.first} can no longer be undone"] if self.first else []
        for number, unit in enumerate(self.units, self.first + 1):
            marks = [name for name, at in self.marks.items() if at == number]
            here = "→" if number == self.position else " " if number < self.position else "·"
            lines.append(f"{here} {number:>4} {unit.text}" + (f"  [{', '.join(marks)}]" if marks else ""))
        return lines or ["nothing has happened yet"]
