"""Line mode: commands from a pipe or a bare terminal, plain text out, no escape sequences.

It is what scripts, screen readers and editors talk to. Commands that come from no terminal are
repeated behind the prompt, so that the output reads as a session.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from kvmlab.render.cells import Row
from kvmlab.render.plain import plain_lines
from kvmlab.repl.loop import PROMPT, Shell

if TYPE_CHECKING:
    from kvmlab.session import Session

INTERRUPTED = 130
"""Exit status after Ctrl+C between two commands of a pipe (128 + SIGINT)."""


def run_plain(session: Session, source: TextIO | None = None, out: TextIO | None = None) -> int:
    """Run every line of ``source`` until it ends or quits; return the exit status.

    The status is 0 when every expectation held, 1 when one did not, 2 when a line was wrong text.
    """
    source, out = source or sys.stdin, out or sys.stdout
    _forgive(source, out)
    try:
        return _run(session, source, out)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard(out)
        return INTERRUPTED


def _run(session: Session, source: TextIO, out: TextIO) -> int:
    def show(rows: list[Row]) -> None:
        for text in plain_lines(rows):
            print(text, file=out, flush=True)

    shell = Shell(session, show)
    typed = source.isatty()
    shell.open_journal(greet=typed)
    try:
        while True:
            if typed:
                print(PROMPT, end="", file=out, flush=True)
            text = source.readline()
            if not text:
                return shell.status
            text = text.rstrip("\r\n")
            if not typed and text.strip():
                print(PROMPT + text, file=out, flush=True)
            if not shell.run_line(text):
                return shell.status
    finally:
        shell.close()


def _forgive(source: TextIO, out: TextIO) -> None:
    """Let no odd byte end the session: parsing refuses it with its column, and output replaces it."""
    if isinstance(source, TextIOWrapper):
        source.reconfigure(errors="surrogateescape")
    if isinstance(out, TextIOWrapper):
        out.reconfigure(errors="replace")


def _discard(out: TextIO) -> None:
    """Give the rest of the output to nobody, or the interpreter would complain at its end."""
    if isinstance(out, TextIOWrapper):
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
