"""How the result of one command is shown: what it printed, what happened, what it returned.

The kernel's answer reads ``→ 0`` or ``→ -1 EBUSY: one sentence``; an expectation reads ``held``,
``FAILED`` with the values that made it fail, or ``not visible``. Tracepoints stand indented above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kvmlab.render.cells import Cell, Part, Row, line

HEX = frozenset({"take", "poll", "mmio read", "pio read", "msr read"})
"""Commands whose result is a vector, a mask or a register: shown in hexadecimal."""


class Said(Protocol):
    """What is read of a command."""

    @property
    def verb(self) -> str:
        """Its canonical verb."""

    @property
    def inner(self) -> Sequence[Said]:
        """The commands within it."""


class Outcome(Protocol):
    """What is read of the result of a command."""

    @property
    def command(self) -> Said:
        """The command it is the result of."""

    @property
    def ret(self) -> int | str | None:
        """What it returned; None for a command that returns nothing."""

    @property
    def errno(self) -> str:
        """The name of the errno, "" if it did not fail."""

    @property
    def why(self) -> str:
        """One sentence on why it failed, or what an expectation found."""

    @property
    def output(self) -> Sequence[Row | str]:
        """What it prints."""

    @property
    def events(self) -> Sequence[str]:
        """The tracepoints it hit, in the kernel's wording."""

    @property
    def held(self) -> bool | str | None:
        """Whether what it expects holds; "not visible" if nobody can tell, None if it expects nothing."""

    @property
    def of(self) -> str:
        """The verb of the call that a `step` or a `finish` brought to its end, or ""."""

    @property
    def told(self) -> Sequence[Row | str]:
        """What the lab that is open has to say of it."""


def result_rows(result: Outcome, events: bool = True) -> list[Row]:
    """Return what a command printed, its tracepoints unless ``events`` is off, its answer and verdict.

    Last is what the lab that is open has to say of it.
    """
    rows = _lines(result.output)
    if events:
        rows += [line("  ", Cell(event, "event")) for event in result.events]
    failed = result.held is False or result.held == "not visible"
    if result.ret is not None or result.errno:
        rows.append(_returned(result, "" if failed else result.why))
    elif result.why and not failed:
        rows.append(line(Cell(result.why, "warning")))
    if result.held is not None:
        rows.append(_verdict(result.held, result.why if failed else ""))
    return rows + _lines(result.told)


def _lines(parts: Sequence[Row | str]) -> list[Row]:
    return [line(part) if isinstance(part, str) else part for part in parts]


def error_rows(message: str, caret: str = "") -> list[Row]:
    """Return wrong text as a message: the sentence, then the line with its caret."""
    return [line(Cell(message, "error")), *[line(Cell(text, "muted")) for text in caret.splitlines()]]


def _verdict(held: bool | str, why: str) -> Row:
    if held is True:
        return line(Cell("held", "ok"))
    word = Cell("FAILED", "error") if held is False else Cell("not visible", "warning")
    return line(word, f": {why}" if why else "")


def _returned(result: Outcome, why: str) -> Row:
    command = result.command
    said = command.inner[0].verb if command.verb == "expect" and command.inner else command.verb
    verb = result.of or said
    ret = -1 if result.ret is None else result.ret
    text = f"{ret:#x}" if isinstance(ret, int) and ret >= 0 and verb in HEX else str(ret)
    tail: list[Part] = [Cell(f" {result.errno}", "error")] if result.errno else []
    if why:
        tail.append(f": {why}")
    return line(Cell("→ ", "muted"), Cell(text, "error" if result.errno else "ok"), *tail)
