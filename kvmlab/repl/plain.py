"""Line mode: commands from a pipe or a bare terminal, plain text out, no escape sequences.

It is what scripts, screen readers and editors talk to. Commands that come from no terminal are
repeated behind the prompt, so that the output reads as a session. At a bare terminal a line that
ends with ``?`` lists what may follow, and runs nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import chain
from typing import TYPE_CHECKING, TextIO

from kvmlab.journal import Journal
from kvmlab.render.cells import Cell, Row, line, table, visible
from kvmlab.render.plain import plain_lines, width_of
from kvmlab.settings import state_dir
from kvmlab.shell import Shell

if TYPE_CHECKING:
    from kvmlab.session import Session

PROMPT = "kvm> "

INTERRUPTED = 130
"""Exit status after Ctrl+C between two commands of a pipe (128 + SIGINT)."""


def run_plain(
    session: Session, source: TextIO | None = None, out: TextIO | None = None, first: Sequence[str] = ()
) -> int:
    """Run the ``first`` lines, then every line of ``source`` until it ends or quits; return the exit status.

    The status is 0 when every expectation held, 1 when one did not, 2 when a line was wrong text.
    """
    source, out = source or sys.stdin, out or sys.stdout
    _forgive(source, out)
    try:
        return _run(session, source, out, first)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(session: Session, source: TextIO, out: TextIO, first: Sequence[str]) -> int:
    def show(rows: list[Row]) -> None:
        for text in plain_lines(rows, width_of(out)):
            print(text, file=out, flush=True)

    typed = source.isatty()
    with _journal() as journal:
        shell = Shell(session, show, journal, typed=typed)
        for text in chain(first, lines(source, out)):
            before = _asked(text) if typed else None
            if before is not None:
                show(_following(before, session))
            elif not shell.run_line(text):
                break
        return shell.status


def lines(source: TextIO, out: TextIO) -> Iterator[str]:
    """Yield the lines of the input, with a prompt before each."""
    typed = source.isatty()
    while True:
        if typed:
            print(PROMPT, end="", file=out, flush=True)
        text = source.readline()
        if not text:
            return
        text = text.rstrip("\r\n")
        if not typed and text.strip():
            print(PROMPT + visible(text), file=out, flush=True)
        yield text


def _asked(text: str) -> str | None:
    """Return what stands before the ``?`` that ends a line, in no comment and no quote; None without one."""
    before = text.rstrip()[:-1]
    asks = text.rstrip().endswith("?") and "#" not in before and before.count('"') % 2 == 0
    return before if asks else None


def _following(before: str, session: Session) -> list[Row]:
    from kvmlab.language.complete import what_may_follow  # only who asks pays for it

    follow = what_may_follow(before, session.scope)
    return table(("may follow", ""), follow) if follow else [line(Cell("nothing more may follow", "muted"))]


@contextmanager
def _journal() -> Iterator[Journal | None]:
    """Keep a journal where one can be kept; a pipe is told nothing about journals."""
    try:
        journal = Journal(state_dir() / "journal")
    except OSError:
        yield None
        return
    try:
        yield journal
    finally:
        journal.close()


def _forgive(source: TextIO, out: TextIO) -> None:
    """Let no odd byte end the session: parsing refuses it with its column, and output replaces it."""
    if isinstance(source, TextIOWrapper):
        source.reconfigure(errors="surrogateescape")
    if isinstance(out, TextIOWrapper):
        out.reconfigure(errors="replace")
