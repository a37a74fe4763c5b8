"""`compare`: one script, or the points of the thread, under several designs; the program and the verb.

Exit status as of `run`: 0 every expectation held under every design, 1 one did not, 2 wrong text.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from kvmlab.judge.compare import Comparison, Design, as_json, compare, designs, label, own
from kvmlab.judge.thread import Staged, columns, read_point, stage
from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError, in_words
from kvmlab.language.kinds import KINDS
from kvmlab.language.scope import Scope
from kvmlab.progress import progress
from kvmlab.render.cells import Row
from kvmlab.render.comparison import comparison_markdown, comparison_rows, markdown, matrices
from kvmlab.render.plain import plain_lines
from kvmlab.resources import ResourceError, folder
from kvmlab.result import Result, Sliced, Underway, drained
from kvmlab.run import FAILED, HELD, WRONG, Make, refuse
from kvmlab.scripts import beside, located, read_script
from kvmlab.session import Session

THREAD = "scenarios/thread"
"""Where the points of the thread stand among the labs."""


def compare_verb(session: Session, command: Command) -> Sliced[Result]:
    """The verb `compare`: a table of what differed. The session's own machine is left alone.

    It runs in slices, a command of a design each; stopped, it has no table.
    """
    args = command.args
    file = located(args["file"])
    try:
        text = read_script(file)
    except (OSError, ValueError) as error:
        why = in_words(error)
        raise LanguageError(f"'{file}' cannot be read: {why}", column=command.column) from None
    among = designs(args.get("api", ()), args.get("kernel", ()), args.get("switch", ()), own(text))
    comparing = compare(text, file, beside, among, session.handlers)
    underway = Underway(command, "commands", 0)
    try:
        while True:
            underway.done, underway.count = next(comparing)
            if (yield underway):
                return Result(command, why="stopped", stopped=(command,))
    except StopIteration as end:
        found: Comparison = end.value
    return Result(command, output=tuple(comparison_rows(found)), held=False if found.failed else None)


def main(make: Make, options: Namespace) -> int:
    """The program `kvmlab compare`: print a comparison as a table, as JSON or as Markdown."""
    asked = [(name, getattr(options, name)) for name in ("api", "kernel", "switch")]
    if options.thread == bool(options.file or any(text for _name, text in asked)):
        print("kvmlab compare: give either FILE or --thread, which has its own designs", file=sys.stderr)
        return WRONG
    try:
        if options.thread:
            return _thread(make(), options)
        file = located(options.file)
        text = read_script(file)
        among = _designs(asked, text)
        found = drained(compare(text, file, beside, among, make().handlers)) if among else None
    except LanguageError as error:
        return refuse(error)
    except (OSError, ValueError, ResourceError) as error:
        why = in_words(error)
        print(f"{options.file or 'the thread'}: it cannot be read: {why}", file=sys.stderr)
        return WRONG
    if found is None:
        return WRONG
    _show(options, as_json(found), lambda: comparison_rows(found), lambda: comparison_markdown(found))
    _tell(_failures(found, options.file))
    return FAILED if found.failed else HELD


def _designs(asked: list[tuple[str, str]], text: bytes) -> tuple[Design, ...]:
    """Return the columns that options ask for; none, with a sentence on stderr, where one is wrong."""
    kinds = {"api": "apis", "kernel": "kernels", "switch": "switches"}
    try:
        apis, named, switches = (
            KINDS[kinds[name]].read(words, Scope()) if words else () for name, words in asked
        )
        return designs(apis, named, switches, own(text))
    except LanguageError as error:
        print(f"kvmlab compare: {error.sentence()}", file=sys.stderr)
        return ()


def _show(
    options: Namespace, data: object, rows: Callable[[], list[Row]], lines: Callable[[], list[str]]
) -> None:
    shown = [json.dumps(data)] if options.json else lines() if options.markdown else plain_lines(rows())
    print("\n".join(shown))
    sys.stdout.flush()  # the table stands before what is said of it


def _failures(found: Comparison, file: str) -> list[str]:
    return [
        f"{file}:{row.line}: under {name}: {row.text}"
        for row in found.rows
        for name, cell in zip(found.labels, row.cells, strict=True)
        if cell is not None and cell.held is False
    ]


def _tell(failures: Sequence[str]) -> None:
    for failure in failures:
        print(f"did not hold: {failure}", file=sys.stderr)


# -- the points of the thread ----------------------------------------------------------------------


def _thread(session: Session, options: Namespace) -> int:
    among = columns()
    scripts = sorted((each.name, each) for each in (folder("labs") / THREAD).iterdir() if each.is_file())
    staged = []
    with progress(len(scripts)) as tick:
        for name, script in scripts:
            point = read_point(str(script), script.read_text("utf-8"))
            staged.append((name, stage(point, _of_thread, among, session.handlers)))
            tick()
    labels = [label(design, among) for design in among]
    _show(
        options,
        _thread_json(staged, labels),
        lambda: _thread_rows(staged, labels),
        lambda: _thread_markdown(staged, labels),
    )
    failures = [failure for _name, each in staged for failure in each.failed]
    _tell(failures)
    return FAILED if failures else HELD


def _of_thread(path: str, by: str) -> tuple[str, bytes]:
    """Return a file that a script of the thread sources, also where labs are inside an archive."""
    file = folder("labs") / THREAD / path
    return str(file), file.read_bytes()


def _thread_rows(staged: list[tuple[str, Staged]], labels: list[str]) -> list[Row]:
    return matrices(labels, [(each.point.claim, list(each.rows)) for _name, each in staged])


def _thread_markdown(staged: list[tuple[str, Staged]], labels: list[str]) -> list[str]:
    lines: list[str] = []
    for _name, each in staged:
        lines += [f"**{each.point.claim}**", "", *markdown("", labels, list(each.rows)), ""]
    return lines[:-1]


def _thread_json(staged: list[tuple[str, Staged]], labels: list[str]) -> dict[str, object]:
    return {
        "designs": labels,
        "points": [
            {
                "script": name,
                "claim": each.point.claim,
                "rows": [{"what": what, "cells": list(cells)} for what, cells in each.rows],
                "failed": list(each.failed),
            }
            for name, each in staged
        ],
    }
