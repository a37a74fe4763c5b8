"""The points argued in the thread: each a script that opens with its claim, and what its cells show.

A script's head says so in comments: ``# Claim: …`` up to the first row, then for each row of the table
``# Row: WHAT: TEMPLATE``, where the template names facts, or figures of a comparison, in braces. They are
read at the end, or for ``# Row at MARK: …`` when the script sets that mark. A line ``# Only for compare: …``
says that the script is for every design at once, and is wrong text for one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kvmlab.engine.kernels import KERNELS
from kvmlab.engine.profile import APIS, DEFAULT_KERNEL
from kvmlab.facts import NONE, lookup
from kvmlab.judge.compare import NOT_APPLICABLE, Design, Run, designs, figures, label
from kvmlab.language.facts import is_fact, read_fact
from kvmlab.language.script import Read
from kvmlab.result import Handler
from kvmlab.scenarios import FOR_ALL_DESIGNS

ARGUED = (
    *("ack-on-unmask", "assign-flush", "pollhup", "ioeventfd-pollhup"),
    *("source-filter", "source-filter+filter-lock"),
)
"""The switches that the thread argued for or against, each a column beside the designs; + joins two."""

_NAMED = re.compile(r"{([^}]*)}")
_ROW = re.compile(r"Row(?: at (\S+))?: (.+): (.+)")


class Asked(NamedTuple):
    """One row of the table: what it tells, its template, and the mark at which it is read ("" the end)."""

    what: str
    template: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One script: its file's name and text, the claim it stages, and what is asked of every design."""

    file: str
    text: str
    claim: str
    rows: tuple[Asked, ...]


def read_point(file: str, text: str) -> Point:
    """Return a script with what its head says."""
    head = [line.removeprefix("#").strip() for line in text.split("\nmachine", maxsplit=1)[0].splitlines()]
    rows = [Asked(found[2], found[3], found[1] or "") for found in map(_ROW.fullmatch, head) if found]
    said = [line for line in head if not line.startswith(("Row", FOR_ALL_DESIGNS))]
    return Point(file, text, " ".join(said).removeprefix("Claim:").strip(), tuple(rows))


def columns() -> tuple[Design, ...]:
    """Return every design, the default one with each switch that was argued about, and later kernels."""
    later = [kernel for kernel in KERNELS if kernel != DEFAULT_KERNEL]
    return (*designs(APIS, (DEFAULT_KERNEL,)), *designs(switches=ARGUED)[1:], *designs(kernels=later))


@dataclass(frozen=True, slots=True)
class Staged:
    """A point under every design: its rows as (what, a cell for each design), and what did not hold."""

    point: Point
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    failed: tuple[str, ...]


def stage(point: Point, read: Read, among: Sequence[Design], handlers: Mapping[str, Handler]) -> Staged:
    """Run a point under each design. Raises LanguageError for wrong text."""
    cells = [[NOT_APPLICABLE] * len(among) for _row in point.rows]
    failed = []
    for column, design in enumerate(among):
        run = Run(point.text, point.file, read, design, handlers)

        def fill(mark: str, run: Run = run, column: int = column) -> None:
            asked = [number for number, row in enumerate(point.rows) if row.mark == mark]
            value = _values(run)
            for number in asked:
                cells[number][column] = _cell(point.rows[number].template, value)

        for command, said in run.steps():
            if said is not None and said.held is False:
                failed.append(f"{point.file}:{command.line}: under {label(design, among)}: {command.text}")
            if command.verb == "mark":
                fill(command.args["name"])
        fill("")
    rows = tuple((asked.what, tuple(row)) for asked, row in zip(point.rows, cells, strict=True))
    return Staged(point, rows, tuple(failed))


def _values(run: Run) -> Callable[[str], object]:
    """Return what finds a figure or a fact by name, as things stand; None for what the design lacks."""
    snapshot = run.session.snapshot()
    counted = figures(snapshot, run.session.tally.failed)

    def value(name: str) -> object:
        found: object = counted.get(name)
        if found is None and is_fact(name):
            found = lookup(snapshot)(read_fact(name, run.session.scope)[0])
        return None if found == NONE else found

    return value


def _cell(template: str, value: Callable[[str], object]) -> str:
    """Return a template with what it names filled in; n/a where the design has no such thing."""
    found = {name: value(name) for name in _NAMED.findall(template)}
    if None in found.values():
        return NOT_APPLICABLE
    return _NAMED.sub(lambda match: str(found[match[1]]), template)
