"""The points argued in the thread: each a script that opens with its claim, and what its cells show.

A script's head says so in comments: ``# Claim: …`` up to the first row, then for each row of the table
``# Row: WHAT: TEMPLATE``, where the template names facts, or figures of a comparison, in braces. A line
``# Only for compare: …`` says that the script is for every design at once, and is wrong text for one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kvmlab.engine.kernels import KERNELS
from kvmlab.engine.profile import APIS, DEFAULT_KERNEL
from kvmlab.facts import NONE, lookup
from kvmlab.judge.compare import NOT_APPLICABLE, Design, Run, Said, designs, figures, label
from kvmlab.language.facts import is_fact, read_fact
from kvmlab.language.script import Read
from kvmlab.result import Handler

ARGUED = ("source-filter", "ack-on-unmask", "pollhup")
"""The switches that the thread argued for or against, each a column beside the designs."""

_NAMED = re.compile(r"{([^}]*)}")


@dataclass(frozen=True, slots=True)
class Point:
    """One script: its file's name and text, the claim it stages, its rows as (what, template)."""

    file: str
    text: str
    claim: str
    rows: tuple[tuple[str, str], ...]


def read_point(file: str, text: str) -> Point:
    """Return a script with what its head says."""
    head = [line.removeprefix("#").strip() for line in text.split("\nmachine", maxsplit=1)[0].splitlines()]
    said = [line for line in head if not line.startswith(("Row:", "Only for compare:"))]
    claim = " ".join(said).removeprefix("Claim:").strip()
    rows = [line.removeprefix("Row:").rpartition(": ") for line in head if line.startswith("Row:")]
    return Point(file, text, claim, tuple((what.strip(), template) for what, _colon, template in rows))


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
    cells: list[list[str]] = [[] for _row in point.rows]
    failed = []
    for design in among:
        run = Run(point.text, point.file, read, design, handlers)
        said = run.play()
        failed += [
            f"{point.file}:{command.line}: under {label(design, among)}: {command.text}"
            for command, result in zip(run.commands, said, strict=True)
            if isinstance(result, Said) and result.held is False
        ]
        for row, (_what, template) in zip(cells, point.rows, strict=True):
            row.append(_cell(template, run))
    return Staged(
        point,
        tuple((what, tuple(row)) for (what, _template), row in zip(point.rows, cells, strict=True)),
        tuple(failed),
    )


def _cell(template: str, run: Run) -> str:
    """Return a template with what it names filled in; n/a where the design has no such thing."""
    snapshot = run.session.snapshot()
    counted = figures(snapshot, run.session.tally.failed)
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name = match[1]
        found: object = counted.get(name)
        if found is None and is_fact(name):
            found = lookup(snapshot)(read_fact(name, run.session.scope)[0])
        missing = missing or found is None or found == NONE
        return str(found)

    text = _NAMED.sub(value, template)
    return NOT_APPLICABLE if missing else text
