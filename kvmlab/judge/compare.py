"""One script under several designs: what each of its commands came to, and the figures at its end.

A design is a kernel, an api and switches. It takes the place of what the script's own `machine` says of
them. A command that a design lacks is left out there and is no failure.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kvmlab.engine.kernels import KERNELS
from kvmlab.engine.profile import APIS, DEFAULT_APIS, DEFAULT_KERNEL, proposal_of
from kvmlab.engine.switches import SWITCHES
from kvmlab.language.command import Command
from kvmlab.language.parse import parse_line
from kvmlab.language.ready import check_ready
from kvmlab.language.scope import Scope
from kvmlab.language.script import Read, parse_script
from kvmlab.language.switching import check_switches
from kvmlab.result import Handler, Result
from kvmlab.session import Options, Session
from kvmlab.snapshot import Snapshot

NOT_APPLICABLE = "n/a"

VERDICTS = {"True": "held", "False": "FAILED"}
"""What became of an expectation, in a table; one that cannot be seen says so itself."""


@dataclass(frozen=True, slots=True)
class Design:
    """One column: a kernel, an api, and the switches beside (names of SWITCHES)."""

    kernel: str
    api: str
    switches: tuple[str, ...] = ()

    def words(self, option: str) -> tuple[str, ...]:
        """Return its switches of one option, "with" or "without"."""
        return tuple(name for name in self.switches if SWITCHES[name].option == option)

    def knows(self, switch: str) -> bool:
        """Tell whether a switch means anything under its api and its kernel."""
        known = SWITCHES[switch]
        of_kernel = not known.kernels or self.kernel in known.kernels
        return of_kernel and (not known.of_api or switch in proposal_of(self.api).switches)

    def applied(self, command: Command) -> Command:
        """Return `machine` with the design in place of what it says; another command as it is."""
        if command.verb != "machine":
            return command
        args = dict(command.args) | {"kernel": self.kernel, "api": self.api}
        for option in ("without", "with"):
            own = [name for name in args.get(option, ()) if self.knows(name)]
            args[option] = tuple(dict.fromkeys((*own, *self.words(option))))
        return replace(command, pairs=tuple(sorted(args.items())), args=args)


Own = tuple[str, str]
"""The kernel and the api that a script names itself, "" where it names none."""

NAMES_NONE: Own = ("", "")

_MACHINE = re.compile(r"^[ \t]*machine\b([^;#\n]*)", re.MULTILINE)


def own(text: bytes) -> Own:
    """Return what a script's first `machine` says of kernel and api, as far as there is such a name."""
    found = _MACHINE.search(text.decode("utf-8", "replace"))
    said = dict(word.split("=", 1) for word in found[1].split() if "=" in word) if found else {}
    kernel, api = said.get("kernel", ""), said.get("api", "")
    return kernel if kernel in KERNELS else "", api if api in APIS else ""


def designs(
    apis: Sequence[str] = (),
    kernels: Sequence[str] = (),
    switches: Sequence[str] = (),
    said: Own = NAMES_NONE,
) -> tuple[Design, ...]:
    """Return the columns asked for: each api on each kernel, then the first of them with each switch.

    Nothing asked for is every api. A kernel or an api that is not asked for is what the script says,
    or the default. Raises LanguageError for a switch that means nothing there.
    """
    if not (apis or kernels or switches):
        apis = APIS
    kernel, api = said
    plain = tuple(
        Design(each, name)
        for each in kernels or (kernel or DEFAULT_KERNEL,)
        for name in apis or (api or DEFAULT_APIS[each],)
    )
    switched = [replace(plain[0], switches=tuple(names.split("+"))) for names in switches]
    for design in switched:
        check_switches({o: design.words(o) for o in ("with", "without")}, design.kernel, design.api, 1)
    return (*plain, *switched)


def label(design: Design, among: Sequence[Design]) -> str:
    """Return what tells a design from the others: its api and switches, and its kernel if need be."""
    kernel = [design.kernel] if {each.kernel for each in among} != {DEFAULT_KERNEL} else []
    options = [(option, design.words(option)) for option in ("without", "with")]
    words = [f"{option}={','.join(names)}" for option, names in options if names]
    return " ".join([*kernel, design.api, *words])


class DesignScope(Scope):
    """A scope in which a design is in force whatever `machine` asks for, and forgives what it lacks."""

    forgiving = True

    def __init__(self, design: Design) -> None:
        super().__init__(design.kernel, design.api)

    def renew(self, kernel: str = "", api: str = "", vcpus: int = 1, backend: str = "model") -> None:
        """Begin a new machine of the design."""
        super().renew("", "", vcpus)


@dataclass(frozen=True, slots=True)
class Said:
    """What one command came to under one design."""

    ret: int | str | None
    errno: str
    held: bool | str | None

    @property
    def text(self) -> str:
        """The result in words: "-1 EBUSY", "1 held", "not visible"."""
        parts = [self.ret, self.errno or None, VERDICTS.get(str(self.held), self.held)]
        return " ".join(str(part) for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class Row:
    """One command and what it came to under each design; None where a design lacks it."""

    line: int
    text: str
    cells: tuple[Said | None, ...]

    @property
    def differs(self) -> bool:
        """Whether the designs do not agree."""
        return len(set(self.cells)) > 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """A script's commands and final figures under each design.

    ``figures`` are (what, one value for each design); a value is None where there is nothing to count.
    """

    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    figures: tuple[tuple[str, tuple[int | None, ...]], ...]

    @property
    def failed(self) -> bool:
        """Whether an expectation did not hold under some design."""
        return any(cell is not None and cell.held is False for row in self.rows for cell in row.cells)

    @property
    def differing(self) -> tuple[Row, ...]:
        """The commands on which the designs do not agree."""
        return tuple(row for row in self.rows if row.differs)


def compare(
    text: str | bytes, file: str, read: Read, columns: Sequence[Design], handlers: Mapping[str, Handler]
) -> Generator[tuple[int, int], None, Comparison]:
    """Run a script under each design; yield after each command how many are done, and of how many.

    Raises LanguageError for wrong text; nothing has run then.
    """
    runs: list[Run] = []
    for design in columns:
        runs.append(Run(text, file, read, design, handlers))
        yield 0, len(runs[0].commands) * len(columns)
    count, done = len(runs[0].commands), 0
    said: list[list[Said | None]] = []
    for run in runs:
        said.append([None] * count)
        for number, (_command, each) in enumerate(run.steps()):
            said[-1][number] = each
            done += 1
            yield done, count * len(columns)
    rows = [
        Row(command.line, command.text, tuple(each[number] for each in said))
        for number, command in enumerate(runs[0].commands)
    ]
    counted = [figures(run.session.snapshot(), run.session.tally.failed) for run in runs]
    names = dict.fromkeys(name for each in counted for name in each)
    return Comparison(
        tuple(label(design, columns) for design in columns),
        tuple(rows),
        tuple((name, tuple(each.get(name) for each in counted)) for name in names),
    )


class Run:
    """A script parsed for one design, and the session it runs in."""

    def __init__(
        self, text: str | bytes, file: str, read: Read, design: Design, handlers: Mapping[str, Handler]
    ) -> None:
        self.session = Session(Options(design.kernel, design.api), handlers)
        self.session.scope = DesignScope(design)
        # The machine that a script without `machine` runs on has the design's switches too.
        self._machine = design.applied(parse_line("machine", self.session.scope)[0])
        parsed = parse_script(text, file, self.session.scope, read)
        self.commands = [design.applied(command) for command in parsed]
        for command in (self._machine, *self.commands):
            if not command.lacking:
                check_ready(command, self.session.handlers)

    def steps(self) -> Iterator[tuple[Command, Said | None]]:
        """Execute the commands; yield each with what it came to, None for one that the design lacks."""
        self.session.execute(self._machine)
        for command in self.commands:
            result = None if command.lacking else self.session.execute(command)
            yield command, None if result is None else _said(result)
            if result is not None and result.ends:
                return


def _said(result: Result) -> Said:
    return Said(result.ret, result.errno, result.held)


def figures(snapshot: Snapshot, failed: int) -> dict[str, int]:
    """Return what is compared at the end of a script, by name."""
    counted: dict[str, int] = {}
    if snapshot.counters is not None:
        counted["interrupts taken"] = sum(times for _vector, times in snapshot.counters.taken)
    for device in snapshot.devices or ():
        for name in ("wakeups", "spurious", "polls"):
            count = getattr(device, name)
            # Nobody is ever woken for most devices that the VMM emulates.
            if count or device.kind == "vfio":
                counted[f"{device.name}: {name}"] = count
    if snapshot.sources is not None:
        counted["source IDs left"] = len(snapshot.sources.free)
    if snapshot.reports is not None:
        counted["reports"] = len(snapshot.reports)
    counted["expectations failed"] = failed
    return counted


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data: every command, every figure, and which commands differ."""
    return {
        "designs": list(comparison.labels),
        "commands": [
            {
                "line": row.line,
                "text": row.text,
                "differs": row.differs,
                "cells": [
                    NOT_APPLICABLE
                    if cell is None
                    else {"ret": cell.ret, "errno": cell.errno or None, "held": cell.held}
                    for cell in row.cells
                ],
            }
            for row in comparison.rows
        ],
        "figures": {name: list(values) for name, values in comparison.figures},
    }
