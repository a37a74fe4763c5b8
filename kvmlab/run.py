"""`kvmlab run`: scripts as programs. stdout is the transcript or JSON; stderr is the summary.

Exit status: 0 every expectation held, 1 one did not, 2 the text is wrong (and nothing ran).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError, in_words
from kvmlab.progress import progress
from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.plain import plain_lines
from kvmlab.render.result import error_rows, result_rows
from kvmlab.result import Result
from kvmlab.scripts import parse_file, parse_text, run
from kvmlab.session import Session

HELD, FAILED, WRONG = 0, 1, 2
LINE = 76
"""Characters of a command in a summary."""

Make = Callable[[], Session]
"""Makes a fresh session with the program's options."""


def run_files(make: Make, files: Sequence[str], as_json: bool = False, trace: bool = False) -> int:
    """Run each script in a session of its own; return the worst exit status."""
    status = HELD
    for path in files:
        session = make()
        try:
            commands = parse_file(session, path)
        except LanguageError as error:
            status = max(status, refuse(error))
        except (OSError, ValueError) as error:
            why = in_words(error)
            print(f"{path or 'FILE'}: the script cannot be read: {why}", file=sys.stderr)
            status = WRONG
        else:
            status = max(status, play(session, commands, path, as_json=as_json, trace=trace))
    return status


def run_text(make: Make, text: str, as_json: bool = False, trace: bool = False) -> int:
    """Run commands given as text; return the exit status."""
    session = make()
    try:
        commands = parse_text(session, text)
    except LanguageError as error:
        return refuse(error)
    return play(session, commands, "", as_json=as_json, trace=trace)


def refuse(error: LanguageError) -> int:
    """Show wrong text on stderr; return its exit status."""
    print("\n".join(plain_lines(error_rows(str(error), error.caret()))), file=sys.stderr)
    return WRONG


def play(session: Session, commands: list[Command], name: str, *, as_json: bool, trace: bool) -> int:
    """Execute parsed commands and print each; return HELD, FAILED, or WRONG where no machine is to be had."""
    failures: list[Result] = []
    refused: LanguageError | None = None
    with progress(len(commands)) as tick:
        try:
            for result in run(session, commands):
                tick()
                print(as_object(result) if as_json else transcript(result, trace))
                if result.held is False:
                    failures.append(result)
        except LanguageError as error:
            refused = error
    sys.stdout.flush()  # the transcript stands before what is said of it
    for result in failures:
        at = result.command
        where = f"{at.file or name or '-c'}:{at.line}:{at.column}"
        print(f"{where}: {shorten(at.text)}: {result.why}", file=sys.stderr)
    print(summary(session, name), file=sys.stderr)
    if refused is not None:
        return refuse(refused)
    return FAILED if failures else HELD


def shorten(text: str) -> str:
    """Return a command as a summary shows it: whole, unless it is longer than a line of a screen."""
    return text if len(text) <= LINE else text[: LINE - 1] + "…"


def summary(session: Session, name: str) -> str:
    """Return how the expectations went, in one line."""
    tally = session.tally
    text = f"{tally.held} held, {tally.failed} failed"
    if tally.unseen:
        text += f", {tally.unseen} not visible"
    return f"{name}: {text}" if name else text


def transcript(result: Result, trace: bool) -> str:
    """Return one command and what came of it, as the prompt shows it."""
    rows: list[Row] = [line(Cell("kvm> ", "prompt"), result.command.text), *result_rows(result, events=trace)]
    return "\n".join(plain_lines(rows))


def as_object(result: Result) -> str:
    """Return a result as the object that --json prints."""
    from json import dumps  # 3 ms that a transcript does not need

    rows = [part if isinstance(part, Row) else line(part) for part in result.output]
    shown = {
        "line": result.command.line,
        "text": result.command.text,
        "ret": result.ret,
        "errno": result.errno or None,
        "why": result.why,
        "output": plain_lines(rows),
        "events": list(result.events),
        "held": result.held,
    }
    return dumps(shown)
